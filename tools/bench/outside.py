#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""outside.py - what the tracer costs a static program, beside `strace -f`.

    outside.py WALGRIND STATIC [--rounds=N]

STATIC is suites/mechanisms/outside.c. Prints a table: time on the clock of each piece of work, median of N rounds,
and how many times as long it takes when it is watched. Work is done on a tmpfs with synchronous=OFF.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

WALGRIND, STATIC = (os.path.abspath(word) for word in sys.argv[1:3])
ROUNDS = next((int(word[9:]) for word in sys.argv if word.startswith("--rounds=")), 5)
WORK = (("20,000 commits, WAL", "commits_in_wal_mode"), ("5,000 commits, DELETE", "commits_in_delete_mode"),
        ("300 connections with 20 queries each", "answers_requests"))


def seconds(prefix, deed):
    with tempfile.TemporaryDirectory(prefix="walgrind-outside-", dir="/dev/shm") as place:
        begin = time.monotonic()
        subprocess.run([*prefix, STATIC, deed], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=True)
        return time.monotonic() - begin


def main():
    watched = (("tracer", [WALGRIND, "exec", "--output=record", "--"]),
               ("strace -f", ["strace", "-f", "-o", "/dev/null"]))
    print("| work | plain | " + " | ".join(name for name, _prefix in watched) + " |")
    print("|---|---|" + "---|" * len(watched))
    for name, deed in WORK:
        times = {}
        for _ in range(ROUNDS):
            for which, prefix in (("plain", []), *watched):
                times.setdefault(which, []).append(seconds(prefix, deed))
        plain = statistics.median(times["plain"])
        ratios = [f"{statistics.median(times[which]) / plain:.1f}x" for which, _prefix in watched]
        print(f"| {name} | {plain:.2f} s | " + " | ".join(ratios) + " |", flush=True)


main()
