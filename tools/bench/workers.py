#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""workers.py - the whole API suite at 1, 2, 4 and 8 workers: wall time, CPU, and how busy the machine was.

    workers.py WALGRIND

Runs `walgrind run` in a directory of its own, isolated and in the swarm, and prints one table. CPU is user + system of
the runner, the servers and the tests together, as the kernel accounts finished children. A run that does not pass
ends the benchmark: the time of a failing run says nothing.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time

MODES = ("suite", "none")
WORKERS = (1, 2, 4, 8)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(walgrind, directory, mode, workers):
    cpu, wall = cpu_seconds(), time.monotonic()
    command = [walgrind, "run", "--no-progress", f"--isolate={mode}", f"--workers={workers}"]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL, timeout=300)
    return time.monotonic() - wall, cpu_seconds() - cpu


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: workers.py WALGRIND")
    walgrind = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="walgrind-bench-") as directory:
        run(walgrind, directory, "none", 4)  # the template is built and the caches are warm
        print("| isolation | workers | wall | CPU | processors busy |\n|---|---|---|---|---|")
        for mode in MODES:
            for workers in WORKERS:
                wall, cpu = run(walgrind, directory, mode, workers)
                print(f"| {mode} | {workers} | {wall:.2f} s | {cpu:.2f} s | {cpu / wall:.2f} of {os.cpu_count()} |")


if __name__ == "__main__":
    main()
