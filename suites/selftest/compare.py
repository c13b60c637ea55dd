#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare.py - walgrind compare on real runs: of a healthy server, and of one that is told to fail.

    compare.py WALGRIND

Prints one line per failed check and exits with 1.
"""
import os
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def call(place, *words):
    done = subprocess.run([WALGRIND, *words], cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, check=False)
    return done.returncode, done.stdout


def run(place, name, *words):
    return call(place, "run", "--swarm", "--no-progress", f"--run-dir={name}", *words, "auth", "groups")


with tempfile.TemporaryDirectory(prefix="walgrind compare ") as directory:
    run(directory, "good")
    run(directory, "good again")
    run(directory, "bad", "--server-arg=--break=wrong-status")
    run(directory, "io", "--server-arg=--break=io-error-once:10")
    code, out = call(directory, "compare", "good", "good again")
    check("two good runs: no regression", code == 0 and "verdict: no regression" in out, out)
    check("too few runs for durations are told", "durations: not compared" in out, out)
    code, out = call(directory, "compare", "good", "bad")
    check("new failures are a regression", code == 1 and "new failure: groups/" in out and
          "0 of 1 -> 1 of 1" in out and "verdict: REGRESSION" in out, out)
    code, out = call(directory, "compare", "bad", "good")
    check("the other way they are fixed", code == 0 and "fixed: groups/" in out, out)
    code, out = call(directory, "compare", "good", "io")
    check("an I/O error is a regression", code == 1 and "I/O errors 0 -> " in out, out)
    code, out = call(directory, "compare", "--format=markdown", "good", "bad")
    check("markdown is a table", code == 1 and out.startswith("### walgrind: REGRESSION") and
          "\n|---|---|---|---|\n| new failure | `" in out, out)
    code, out = call(directory, "compare", "good")
    check("one run: exit 2", code == 2 and "two run directories, or two commits and a command" in out, out)
    code, out = call(directory, "compare", "good", "nowhere")
    check("a run that is not there: exit 2", code == 2 and "no run directory nowhere" in out, out)
    with open(f"{directory}/good again/events.jsonl", "rb+") as record:
        record.truncate(os.path.getsize(record.name) // 2)
    code, out = call(directory, "compare", "good", "good again")
    check("a run that was cut: exit 3", code == 3 and "cannot be compared: its verdict is INCOMPLETE" in out, out)
sys.exit(1 if problems else 0)
