#!/usr/bin/python3
"""Counts what an unpacked bundle or sosreport says of its host: usage: facts.py DIR [--parts]

A fact is a line of a text or a value of a JSON document that the report has not said before. Comments, logs,
the kernel's symbols and what a report says of itself do not count. --parts: which part says how much.
"""

import collections
import json
import os
import sys

LOGS = ("var/log/", "journal/", "/logs/", "sos_logs/", "sos_commands/logs/")
OF_ITSELF = ("MANIFEST.json", "INDEX.json", "redaction/", "errors.jsonl", "sos_reports/", "sos_logs/", "version.txt")
COMMENT = "#;"
SYMBOLS = ("proc/kallsyms",)


def values(node, path=""):
    if isinstance(node, dict):
        for key, child in node.items():
            yield from values(child, f"{path}/{key}")
    elif isinstance(node, list):
        for child in node:
            yield from values(child, path)
    else:
        yield f"{path}={node}"


def facts_of(name, data):
    text = data.decode("utf-8", "replace")
    if name.endswith(".json"):
        try:
            return set(values(json.loads(text)))
        except ValueError:
            pass
    lines = {line.strip() for line in text.splitlines()}
    lines = {line for line in lines if line and line[0] not in COMMENT}
    # a file of one value says it of what its name says
    return {f"{name}: {line}" for line in lines} if len(lines) <= 3 else lines


def main(top, *options):
    seen, files, parts = set(), 0, collections.Counter()
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            inside = os.path.relpath(path, top).partition("/")[2]
            if os.path.islink(path):
                continue
            files += 1
            if inside.startswith(OF_ITSELF) or any(part in inside for part in LOGS + SYMBOLS):
                continue
            with open(path, "rb") as file:
                found = facts_of(inside, file.read())
            parts["/".join(inside.split("/")[:2])] += len(found - seen)
            seen |= found
    if "--parts" in options:
        for part, count in parts.most_common():
            print(f"{count:8} {part}", file=sys.stderr)
    print(json.dumps({"files": files, "facts": len(seen)}))


main(*sys.argv[1:])
