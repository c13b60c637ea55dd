#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""probe.py - what the probe costs: CPU time of a commit-heavy loop and of the API suite, with it and without.

The loop is the tightest that a program can have: single-row commits in Python on a tmpfs, synchronous=OFF. CPU time
(user and system, of the process and its children) is compared, since other work on the machine does not change it
much; the median and the smallest of the rounds are printed. With --walgrind also `walgrind run` and `walgrind run
--no-probe` in turns, with --others strace -f and valgrind on the loop. Ends with 1 when a median is above its target.
"""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

LOOP = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode=" + sys.argv[2])
c.execute("PRAGMA synchronous=OFF")
c.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
for i in range(int(sys.argv[3])):
    c.execute("INSERT INTO t VALUES(?, ?)", (i, "x"))
"""
TARGET = 1.15  # of the loop
TARGET_SUITE = 1.05
SUITE_ROUNDS = 3


def cpu_seconds(prefix, environment, mode, commits):
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="walgrind-bench-") as place:
        environment = dict(os.environ, **{k: v.replace("PLACE", place) for k, v in environment.items()})
        command = prefix + [os.path.realpath(sys.executable), "-c", LOOP, place + "/x.db", mode, str(commits)]
        return cpu_seconds_of(command, environment)


def cpu_seconds_of(command, environment):
    """User and system time of a command and all its children that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite_ratio(walgrind):
    plain, probed = [], []
    for _ in range(SUITE_ROUNDS):
        for times, words in ((plain, ["--no-probe"]), (probed, [])):
            with tempfile.TemporaryDirectory(prefix="walgrind-bench-") as place:
                times.append(cpu_seconds_of([walgrind, "run", "--no-progress", f"--run-dir={place}/run", *words],
                                            dict(os.environ)))
    ratio = statistics.median(probed) / statistics.median(plain)
    print(f"API suite in both modes: plain {statistics.median(plain):.2f} s, probe {ratio:.3f}x "
          f"(smallest {min(probed) / min(plain):.3f}x)")
    return ratio


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--commits", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--walgrind", type=os.path.abspath, help="also the API suite")
    parser.add_argument("--others", action="store_true", help="also strace -f and valgrind, once each")
    options = parser.parse_args()
    probe = {"LD_PRELOAD": os.path.abspath(options.probe), "WALGRIND_TRACE_DIR": "PLACE"}
    worst = 0
    for mode in ("DELETE", "WAL"):
        plain, probed = [], []
        for _ in range(options.rounds):
            plain.append(cpu_seconds([], {}, mode, options.commits))
            probed.append(cpu_seconds([], probe, mode, options.commits))
        base = statistics.median(plain)
        ratio = statistics.median(probed) / base
        worst = max(worst, ratio)
        print(f"{mode:6} plain {base:.3f} s, probe {ratio:.3f}x (smallest {min(probed) / min(plain):.3f}x)")
        if not options.others:
            continue
        for name, prefix in (("strace -f", ["strace", "-f", "-o", "/dev/null"]), ("valgrind", ["valgrind", "-q"])):
            if shutil.which(prefix[0]):
                print(f"{mode:6} {name} {cpu_seconds(prefix, {}, mode, options.commits) / base:.1f}x")
    slow = options.walgrind and suite_ratio(options.walgrind) > TARGET_SUITE
    return int(worst > TARGET or bool(slow))


if __name__ == "__main__":
    sys.exit(main())
