#!/usr/bin/python3
"""Writes logs as servers have them, the same each time: usage: logs.py DIR MIB"""

import os
import random
import sys
import time

START = 1795000000
WORDS = ("request session cache worker timeout upstream queue connection database retry started finished opened closed "
         "handler thread pool index segment replica leader follower checkpoint snapshot").split()


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def address(rng):
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def syslog(rng, at):
    stamp = time.strftime("%b %d %H:%M:%S", time.gmtime(at))
    return f"{stamp} web{rng.randrange(9)} {rng.choice(WORDS)}d[{rng.randrange(9999)}]: {words(rng, 9)} took {rng.randrange(999)} ms\n"


def access(rng, at):
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
    return (f'{address(rng)} - - [{stamp}] "GET /{rng.choice(WORDS)}/{rng.randrange(99999)}?page={rng.randrange(99)} HTTP/1.1" '
            f'{rng.choice((200, 200, 200, 304, 404, 500))} {rng.randrange(99999)} "-" "Mozilla/5.0 (X11; Linux x86_64)"\n')


def java(rng, at):
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
    line = f"{stamp},{rng.randrange(1000):03} INFO  [pool-{rng.randrange(9)}] com.example.{rng.choice(WORDS)}.Service - {words(rng, 7)}\n"
    if rng.random() < 0.01:
        line += "java.lang.IllegalStateException: " + words(rng, 4) + "\n" + "".join(
            f"\tat com.example.{rng.choice(WORDS)}.Call{i}(Call.java:{rng.randrange(999)})\n" for i in range(12))
    if rng.random() < 0.001:
        line += f"{stamp},000 WARN  [main] config: password={rng.getrandbits(64):x} user={rng.choice(WORDS)}\n"
    return line


def main(directory, mib):
    rng = random.Random(7)
    os.makedirs(directory, exist_ok=True)
    for name, make in (("syslog.log", syslog), ("access.log", access), ("java.log", java)):
        size, at, limit = 0, START, mib * (1 << 20) // 3
        # one part is made, and repeated: only its size matters
        part = "".join(make(rng, at + i // 20) for i in range(40000)).encode()
        with open(os.path.join(directory, name), "wb") as out:
            while size < limit:
                size += out.write(part)


main(sys.argv[1], int(sys.argv[2]))
