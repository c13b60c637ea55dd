#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""probe_run.py - what the probe costs a whole `walgrind run`: pairs of runs with and without it.

    probe_run.py WALGRIND [--pairs=N] [-- OPTION...]

CPU time is that of the runner, the servers, the tests and all else, with the diagnosis at the end. The two runs of a
pair follow each other, which of them is first alternates. What they leave is deleted after the last one: for five
seconds after many files were deleted, ext4 takes longer to make new ones. Ends with 1 when the median ratio is above
the target.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

TARGET = 1.05


def cost(walgrind, options, root):
    """(CPU seconds, seconds) of one run, in a directory of its own below `root`."""
    place = tempfile.mkdtemp(dir=root)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([os.path.abspath(walgrind), "run", "--no-progress", *options], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - begun


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("walgrind")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("options", nargs="*")
    options = parser.parse_args()
    ratios, walls = [], []
    with tempfile.TemporaryDirectory(prefix="walgrind-bench-") as root:
        for pair in range(options.pairs):
            order = ["--probe", "--no-probe"] if pair % 2 else ["--no-probe", "--probe"]
            costs = {which: cost(options.walgrind, [which, *options.options], root) for which in order}
            cpu, wall = (costs["--probe"][i] / costs["--no-probe"][i] for i in (0, 1))
            plain = costs["--no-probe"][0]
            print(f"pair {pair + 1}: CPU {plain:.2f} s, with the probe {cpu:.3f}x; wall {wall:.3f}x", flush=True)
            ratios.append(cpu)
            walls.append(wall)
    print(f"median: CPU {statistics.median(ratios):.3f}x, wall {statistics.median(walls):.3f}x")
    return statistics.median(ratios) > TARGET


if __name__ == "__main__":
    sys.exit(main())
