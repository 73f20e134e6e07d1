#!/usr/bin/python3
"""Runs a command and says what it and all that it started cost, as one line of JSON.

usage: measure.py [--interval MS] COMMAND…

wall_s, cpu_s (user and system, of every descendant: those that lose their parent come here), peak_mib (the sum
of proportional set sizes, sampled) and the exit status. The command's output goes to stderr.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36


def children_of():
    """Every process's parent, from one look at /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                pass
    return parents


def descendants(root):
    parents, found = children_of(), []
    for pid in parents:
        at = pid
        while at in parents and at != root:
            at = parents[at]
        if at == root and pid != root:
            found.append(pid)
    return found


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            return sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    except (OSError, ValueError):
        return 0


class Sampler(threading.Thread):
    def __init__(self, interval_s):
        super().__init__(daemon=True)
        self.interval_s, self.peak_kib, self.over = interval_s, 0, threading.Event()

    def run(self):
        while not self.over.wait(self.interval_s):
            total = sum(pss_kib(pid) for pid in descendants(os.getpid()))
            self.peak_kib = max(self.peak_kib, total)


def reap_all():
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def main(argv):
    interval_s = 0.01
    if argv[:1] == ["--interval"]:
        interval_s, argv = int(argv[1]) / 1000, argv[2:]
    if not argv:
        sys.exit(__doc__)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sampler = Sampler(interval_s)
    sampler.start()
    began = time.monotonic()
    status = subprocess.Popen(argv, stdout=sys.stderr).wait()
    wall_s = time.monotonic() - began
    reap_all()
    sampler.over.set()
    sampler.join()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall_s": round(wall_s, 3), "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
                      "peak_mib": round(sampler.peak_kib / 1024, 1), "status": status}))


main(sys.argv[1:])
