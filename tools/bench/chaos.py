#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""chaos.py - how much more often a race shows under `walgrind exec --chaos`.

    chaos.py WALGRIND [--runs=N] [RACE...]

A race is a program of two processes that is wrong, but seldom fails; it exits with 1 when it did. Each is run N times
under the probe without chaos and N times with the seeds 1 to N; prints how many runs failed, as a row of a table.
"""
import os
import sqlite3
import subprocess
import sys
import tempfile

RACES = {}


def race(function):
    RACES[function.__name__.replace("_", "-")] = function
    return function


def connect(timeout=5.0):
    return sqlite3.connect("x.db", timeout=timeout, isolation_level=None)


def both(work):
    """Runs work() in two children at once; the number of those that failed."""
    pids = []
    for _ in range(2):
        pids.append(os.fork())
        if pids[-1] == 0:
            try:
                work()
            except sqlite3.Error:
                os._exit(1)
            os._exit(0)
    return sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)


@race
def lost_update():
    """Reads a number and writes it back plus one, each in a transaction of its own: one write can be lost."""
    first = connect()
    first.executescript("CREATE TABLE t(n); INSERT INTO t VALUES(0)")
    first.close()

    def work():
        connection = connect()
        number = connection.execute("SELECT n FROM t").fetchone()[0]
        connection.execute("UPDATE t SET n = ?", (number + 1,))
    failed = both(work)
    return failed or connect().execute("SELECT n FROM t").fetchone()[0] != 2


@race
def upgrade():
    """A read transaction that becomes a writing one after the other's commit: 517, which no timeout helps against."""
    first = connect()
    first.executescript("PRAGMA journal_mode=wal; CREATE TABLE t(n); INSERT INTO t VALUES(0)")
    first.close()

    def work():
        connection = connect()
        connection.execute("BEGIN")
        connection.execute("SELECT n FROM t").fetchone()
        connection.execute("UPDATE t SET n = n + 1")
        connection.execute("COMMIT")
    return both(work)


@race
def create_twice():
    """Looks whether a table is there and creates it if not."""
    def work():
        connection = connect()
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 't'").fetchone():
            connection.execute("CREATE TABLE t(n)")
    return both(work)


@race
def journal_mode():
    """Two connections that switch a fresh database to WAL at once."""
    def work():
        connection = connect()
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE IF NOT EXISTS t(n)")
    return both(work)


def failures(walgrind, name, options):
    """1 or 0."""
    with tempfile.TemporaryDirectory(prefix="walgrind-chaos-", dir="/dev/shm") as place:
        done = subprocess.run([walgrind, "exec", "--output=record", *options, "--", sys.executable,
                               os.path.abspath(__file__), "--one", name], cwd=place, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"chaos.py: {name} ended with {done.returncode}")
    return done.returncode


def main():
    walgrind = os.path.abspath(sys.argv[1])
    runs = next((int(word[7:]) for word in sys.argv if word.startswith("--runs=")), 200)
    wanted = [word for word in sys.argv[2:] if not word.startswith("--")] or list(RACES)
    print("| race | without | with chaos |\n|---|---|---|")
    for name in wanted:
        plain = sum(failures(walgrind, name, []) for _ in range(runs))
        chaos = sum(failures(walgrind, name, [f"--chaos={seed + 1}"]) for seed in range(runs))
        print(f"| {name} | {plain} of {runs} | {chaos} of {runs} |", flush=True)


if len(sys.argv) == 3 and sys.argv[1] == "--one":
    sys.exit(1 if RACES[sys.argv[2]]() else 0)
main()
