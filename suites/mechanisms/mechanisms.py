#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mechanisms.py - every way to break a database that walgrind exec names, and beside each the nearest right way.

    mechanisms.py [--rounds=N] WALGRIND PROGRAMS [ID...]  checks the detectors; PROGRAMS: the C ones, built
    mechanisms.py --run MODULE NAME                       one program, in the current directory

A row is a detector's id, a program that does the wrong thing, one that does the right thing, and the call that is to
be named. Each program runs in a process of its own under `walgrind exec`. The bad one must give exactly that finding
(and those that CONSEQUENCES allows), with the call and the pid of the process that announced itself as the culprit, in
the file `culprit` of its directory, and for Node the line of JavaScript; the control must give none. Rows of Python
programs are those of the modules in MODULES; C programs tell theirs (programs.c), those for Node are in programs.cjs.
Prints one line per failed check and
exits with 1. To add a mechanism: two functions and a row.
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple

from common import CANNOT

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ("files", "limits", "overlay", "sql")
# What else a mechanism may lead to.
CONSEQUENCES = {"wal-unlink-by-sqlite": {"close-drops-locks"}}

# `bad` and `control` are commands; `call` may name several, of which one is made; `place` is FILE:LINE or None.
Row = namedtuple("Row", "id language name bad control_name control call place", defaults=(None,))
Found = namedtuple("Found", "findings pid")  # pid: as announced, None when nobody did


class Skipped(Exception):
    """The machine does not let this program do what it wants."""


def python_rows():
    for name in MODULES:
        for row in importlib.import_module(name).ROWS:
            command = [sys.executable, os.path.abspath(__file__), "--run", name]
            yield Row(row[0], "Python", row[1].__name__, command + [row[1].__name__], row[2].__name__,
                      command + [row[2].__name__], row[3].split("|"))


def listed_rows(language, command):
    """Rows that a program prints: ID BAD CONTROL CALL [PLACE] a line. None when it cannot run here."""
    done = subprocess.run(command + ["--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == CANNOT:
        print(f"no {language}: {done.stderr.strip()}")
        return
    done.check_returncode()
    for line in done.stdout.splitlines():
        name, bad, control, call, *place = line.split()
        yield Row(name, language, bad, command + [bad], control, command + [control], call.split("|"), *place)


def examine(walgrind, command, place):
    os.makedirs(place)
    record = os.path.join(place, "record")
    done = subprocess.run([walgrind, "exec", f"--output={record}", "--", *command], cwd=place,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          errors="replace", check=False, timeout=120)
    if done.returncode == CANNOT:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("cannot: ")]
        raise Skipped(" ".join([command[-1]] + reasons))
    with open(os.path.join(record, "findings.json"), encoding="utf-8") as file:
        findings = json.load(file)["findings"]
    named = os.path.join(place, "culprit")
    if not os.path.exists(named):
        return Found(findings, None)
    with open(named, encoding="ascii") as file:
        return Found(findings, int(file.read()))


def is_at(place, frames):
    """The innermost frame that is not Node's own is at FILE:LINE."""
    own = [frame for frame in (frames or "").splitlines() if not frame.startswith("node:")]
    return bool(own) and os.path.basename(own[0].split(" ")[0]) == place


def problems_of(walgrind, row, place):
    """What is wrong with the findings of a row's two programs, as sentences."""
    bad = examine(walgrind, row.bad, place + "-bad")
    control = examine(walgrind, row.control, place + "-control")
    ids = {finding["id"] for finding in bad.findings}
    culprits = [(finding["pid"], finding["call"]) for finding in bad.findings if finding["id"] == row.id]
    where = f"{row.language} {row.name}"
    right = any(call in row.call and (bad.pid == pid or row.id in CONSEQUENCES) for pid, call in culprits)
    places = [finding["where"] for finding in bad.findings if finding["id"] == row.id]
    claims = ((f"{where} is {row.id}, not {sorted(ids)}", culprits),
              (f"{where}: nothing but {row.id}, not {sorted(ids)}", ids <= {row.id} | CONSEQUENCES.get(row.id, set())),
              (f"{where}: the culprit is {bad.pid} by {row.call}, not {culprits}", right),
              (f"{where}: the place is {row.place}, not {places}",
               not row.place or any(is_at(row.place, frames) for frames in places)),
              (f"{row.language} {row.control_name} is clean, not {[finding['id'] for finding in control.findings]}",
               not control.findings))
    shutil.rmtree(place + "-bad", ignore_errors=True)
    shutil.rmtree(place + "-control", ignore_errors=True)
    return [claim for claim, holds in claims if not holds]


def documented(walgrind, rows):
    """Detectors that no row of a language shows or docs/diagnosis.md does not name."""
    listed = subprocess.run([walgrind, "explain"], stdout=subprocess.PIPE, text=True, check=True).stdout
    ids = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    with open(os.path.join(HERE, "../../docs/diagnosis.md"), encoding="utf-8") as file:
        page = file.read()
    shown = {row.id for row in rows}
    return [f"{name} has no row here" for name in ids if name not in shown] + \
        [f"{name} is not in docs/diagnosis.md" for name in ids if f"(diagnosis/{name}.md)" not in page] + \
        [f"{name} is not a detector" for name in shown if name not in ids]


def check_rows(walgrind, rows, place):
    """Runs all rows, some at once; returns problems and what cannot be done here."""
    problems, skipped = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(problems_of, walgrind, row, os.path.join(place, str(number)))
                   for number, row in enumerate(rows)]
        for future in futures:
            try:
                problems += future.result()
            except Skipped as error:
                skipped.append(str(error))
    return problems, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("walgrind", type=os.path.abspath)
    parser.add_argument("programs", type=os.path.abspath)
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args()
    rows = [*python_rows(), *listed_rows("C", [options.programs]),
            *listed_rows("Node", ["node", os.path.join(HERE, "programs.cjs")])]
    problems = [] if options.ids else documented(options.walgrind, rows)
    rows = [row for row in rows if not options.ids or row.id in options.ids]
    skipped = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="walgrind mechanisms ") as place:
            os.chmod(place, 0o755)
            found, skipped = check_rows(options.walgrind, rows, place)
            problems += found
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(rows)} mechanisms, {options.rounds} rounds, {len(problems)} problems" +
          (f", not possible here: {skipped}" if skipped else ""))
    sys.exit(1 if problems or not rows else 0)


if len(sys.argv) == 4 and sys.argv[1] == "--run":
    getattr(importlib.import_module(sys.argv[2]), sys.argv[3])()
else:
    main()
