#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""outside_go.py - a Go program, which makes system calls without libc, and SQLite in it, which does not.

    outside_go.py WALGRIND

Needs Debian's golang-go and golang-github-mattn-go-sqlite3-dev; without them it ends with 77, skipped.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go/main.go")
PACKAGES = "/usr/share/gocode"


def main():
    walgrind = os.path.abspath(sys.argv[1])
    if not shutil.which("go") or not os.path.isdir(PACKAGES + "/src/github.com/mattn/go-sqlite3"):
        print("skipped: no golang-go or no golang-github-mattn-go-sqlite3-dev")
        sys.exit(77)
    problems = []
    with tempfile.TemporaryDirectory(prefix="walgrind outside go ") as place:
        program = os.path.join(place, "program")
        subprocess.run(["go", "build", "-o", program, SOURCE], check=True, env=dict(
            os.environ, GO111MODULE="off", GOPATH=PACKAGES, GOCACHE=os.path.join(place, "cache"), GOFLAGS="-p=2"))
        for deed, expected in (("removes", "unlink-open"), ("reads", "close-drops-locks"), ("works", None)):
            here = os.path.join(place, deed)
            os.mkdir(here)
            done = subprocess.run([walgrind, "exec", "--output=record", "--", program, deed], cwd=here,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=100)
            with open(os.path.join(here, "record/findings.json"), encoding="utf-8") as file:
                findings = [(finding["id"], finding["pid"]) for finding in json.load(file)["findings"]]
            wanted = []
            if expected:
                with open(os.path.join(here, "culprit"), encoding="ascii") as file:
                    wanted = [(expected, int(file.read()))]
            if findings != wanted or "not covered" in done.stderr:
                problems.append(f"{deed}: {findings}, not {wanted}: {done.stderr!r}")
    for problem in problems:
        print(f"FAIL {problem}")
    sys.exit(1 if problems else 0)


main()
