# SPDX-License-Identifier: MIT
"""common.py - what the programs of suites/mechanisms share: connections, names, who is to be named as the culprit."""
import os
import re
import sqlite3
import subprocess
import sys
from collections import namedtuple

DB = "app.db"
CANNOT = 77  # exit code of a program that this machine does not let do what it wants
PROGRAMS = {}  # healthy ones, by name

Program = namedtuple("Program", "run long")


def healthy(function=None, long=False):
    """Registers a program that does nothing wrong; a long one is left to the nightly run."""
    if function is None:
        return lambda that: healthy(that, long)
    assert function.__name__ not in PROGRAMS, f"two programs are named {function.__name__}"
    PROGRAMS[function.__name__] = Program(function, long)
    return function


def connect(path=DB, journal="wal"):
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE IF NOT EXISTS t(a, b)")
    connection.execute("INSERT INTO t VALUES (1, 'x')")
    return connection


def use(connection):
    """One more write; what it answers on a broken database does not matter here."""
    try:
        connection.execute("INSERT INTO t VALUES (2, 'y')")
    except sqlite3.Error:
        pass


def culprit():
    with open("culprit", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))


def other_process(code):
    """Runs a piece of Python in a process of its own, which is the culprit."""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        with open("culprit", "w", encoding="ascii") as file:
            file.write(str(process.pid))
    return process.returncode


def traced_deletions(walgrind, record):
    """By file, without its directory: the frames at each of its deletions."""
    text = subprocess.run([walgrind, "trace", "--stacks", record], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    found, frames = {}, None
    for line in text.splitlines():
        if re.match(r" +\d+\.\d+ ", line):
            deleted = re.search(r" unlink +unlink = 0 .*/(\S+\.db(?:-wal)?)$", line)
            frames = [] if deleted else None
            if deleted:
                found.setdefault(deleted[1], []).append(frames)
        elif frames is not None and not line.strip().startswith("#"):
            frames.append(line.strip())
    return found
