#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""catalogue.py - compares the catalogue of test cases with the suite, in both directions.

    catalogue.py WALGRIND CATALOGUE ENVIRONMENT_TEST

Every case of kind T must stand in the description of a test, every case of kind E in ENVIRONMENT_TEST, no other case
may have a test, a case that is left out has a reason, and no test may name a case that there is not. Prints one line
per difference and exits with 1.
"""
import re
import subprocess
import sys

ID = re.compile(r"\b[A-Z]{2,10}-X?\d{2}\b")
KINDS = "TESVU"


def read_catalogue(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#"):
                continue
            name, kind, *reason = line.split(maxsplit=2)
            if not ID.fullmatch(name) or kind not in KINDS or name in rows:
                sys.exit(f"{path}:{number}: not a case, or twice: {line.strip()}")
            rows[name] = (kind, reason[0].strip() if reason else "")
    return rows


def main():
    walgrind, catalogue, environment = sys.argv[1:]
    rows = read_catalogue(catalogue)
    listing = subprocess.run([walgrind, "list"], check=True, capture_output=True, text=True).stdout
    tested = set(ID.findall(listing))
    with open(environment, encoding="utf-8") as file:
        elsewhere = set(ID.findall(file.read()))
    differences = []
    for name, (kind, reason) in rows.items():
        if kind == "T" and name not in tested:
            differences.append(f"{name}: no test")
        if kind == "E" and name not in elsewhere:
            differences.append(f"{name}: no test with a server of its own")
        if kind in "ESVU" and name in tested:
            differences.append(f"{name}: has a test, but the catalogue says {kind}")
        if kind == "U" and not reason:
            differences.append(f"{name}: left out without a reason")
    differences += [f"{name}: in the suite, but not in the catalogue" for name in sorted(tested - set(rows))]
    print("\n".join(differences) or f"{len(rows)} cases, {len(tested)} with tests")
    sys.exit(1 if differences else 0)


main()
