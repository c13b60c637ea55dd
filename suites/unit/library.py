#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""library.py - the shared fixture library exports what its headers declare, its map names and its man page explains.

    library.py LIBRARY MAP MANPAGE HEADER…

Prints one line per failed check and exits with 1.
"""
import re
import subprocess
import sys

LIBRARY, MAP, MANPAGE, *HEADERS = sys.argv[1:]
DECLARED = re.compile(r"^(?!static|typedef|[#/ *])\w.*?\b(wg_\w+)\(", re.M)
LISTS = "wg_strv_"  # str.h has more than the lists that the API takes
problems = 0


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def compare(what, given, wanted):
    global problems
    for name in sorted(wanted - given):
        print(f"FAIL {what}: {name} is missing")
    for name in sorted(given - wanted):
        print(f"FAIL {what}: {name} is no function of the API")
    problems += len(given ^ wanted)


def main():
    root = HEADERS[0].split("/fixtures/")[0]
    declared = {name for header in HEADERS for name in DECLARED.findall(read(header))}
    declared |= {name for name in DECLARED.findall(read(f"{root}/harness/base/str.h")) if name.startswith(LISTS)}
    nodes = re.findall(r"^(WALGRIND_FIXTURE_[\d.]+) \{", read(MAP), re.M)
    mapped = set(re.findall(r"^    (wg_\w+);", read(MAP), re.M))
    table = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", LIBRARY], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    symbols = dict(re.findall(r" [TDBRVW] (\S+?)@@?(\S+)$", table, re.M))
    unversioned = re.findall(r" [TDBRVW] ([^@\s]+)$", table, re.M)
    compare("the map", mapped, declared)
    compare("the library", set(symbols), declared)
    compare("symbols without a version", set(unversioned), set())
    compare("versions", set(symbols.values()), set(nodes))
    compare("the man page", set(re.findall(r"\bwg_[a-z_]+\b(?= \()", read(MANPAGE))), declared)
    sys.exit(1 if problems or not declared else 0)


main()
