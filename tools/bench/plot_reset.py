#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""plot_reset.py - draws the table of bench-reset: a reset's time by the size of the database, one place and change.

    bench-reset --places=/dev/shm --sizes=1,4,16,64,256,1024 --pages=10 | plot_reset.py FILE.svg

Needs python3-matplotlib (tools/setup --bench).
"""
import re
import sys

import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "walgrind"  # the same picture from the same numbers
import matplotlib.pyplot as plt  # noqa: E402  pylint: disable=wrong-import-position

ROW = re.compile(r"^\| (\S+) \| (\d+) MiB \| (\d+) \| ([^|]+?) \| ([\d.]+) \| ([\d.]+) \|", re.M)


def read(text):
    """{strategy: [(MiB, median in microseconds)…]} of the first place and change in the table."""
    rows = ROW.findall(text)
    if not rows:
        sys.exit("plot_reset.py: no table of bench-reset on standard input")
    lines = {}
    for place, size, pages, strategy, _mean, median in rows:
        if (place, pages) == (rows[0][0], rows[0][2]):
            lines.setdefault(strategy, []).append((int(size), float(median)))
    return rows[0][2], lines


def main():
    pages, lines = read(sys.stdin.read())
    figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    above = None  # the time that the last label stands at
    for strategy, points in sorted(lines.items(), key=lambda line: -line[1][-1][1]):
        sizes, times = zip(*sorted(points))
        axes.plot(sizes, times, marker="o", markersize=4, label=strategy)
        drop = -9 if above and above / times[-1] < 1.5 else 0
        axes.annotate(strategy, (sizes[-1], times[-1]), xytext=(6, drop - 2), textcoords="offset points", fontsize=9)
        above = times[-1]
    axes.set(xscale="log", yscale="log", xlabel="size of the database, MiB",
             ylabel=f"median of a reset after {pages} changed pages, µs", xlim=(None, max(sizes) * 5))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(color="#ddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(sys.argv[1], metadata={"Date": None})


main()
