#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""perturb.py - --chaos and --fault: that they strike where they should, nowhere else, the same way again, and are never
taken for a fault of the program.

    perturb.py WALGRIND [CHECK...]

A check is a function with @check; it gets a Place and returns sentences about what is wrong. Prints one line per
problem and exits with 1.
"""
import json
import os
import re
import subprocess
import sys

from checks import check, run_checks

WALGRIND = os.path.abspath(sys.argv[1])
WAL = "PRAGMA journal_mode=wal; PRAGMA synchronous=full; CREATE TABLE t(a); "
INSERTS = "INSERT INTO t VALUES(1); INSERT INTO t VALUES(2); INSERT INTO t VALUES(3);"


class Place:
    """A directory of its own, in which commands run under walgrind exec."""

    def __init__(self, path):
        self.path = path
        self.count = 0

    def run(self, options, command, **environment):
        """(exit code, stderr, lines of walgrind trace, findings)"""
        self.count += 1
        record = os.path.join(self.path, f"record{self.count}")
        done = subprocess.run([WALGRIND, "exec", f"--output={record}", *options, "--", *command], cwd=self.path,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, timeout=100,
                              env=dict(os.environ, **environment))
        trace = subprocess.run([WALGRIND, "trace", record], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, check=False, timeout=100).stdout.splitlines()
        findings = []
        if os.path.exists(os.path.join(record, "findings.json")):
            with open(os.path.join(record, "findings.json"), encoding="utf-8") as file:
                findings = json.load(file)["findings"]
        return done.returncode, done.stderr, trace, findings

    def sqlite(self, options, sql, database="x.db", **environment):
        return self.run(options, ["sqlite3", database, sql], **environment)


def injected(trace):
    return [line for line in trace if " fault " in line and "[injected]" in line]


def delays(trace):
    """What befell whom: (function, type, number, microseconds), in order."""
    return re.findall(r"fault +(\w+) at (\w+) (\d+) for (\d+) us", "\n".join(trace))


@check
def specifications_that_make_no_sense_are_refused(place):
    problems = []
    for options in (["--fault=foo"], ["--fault=eio:nth=x"], ["--fault=eio", "--fault=eio:role=x"], ["--chaos=0"],
                    ["--chaos=x"], ["--fault="]):
        code, said, _trace, _findings = place.run(options, ["touch", "ran"])
        if code != 2 or len(said.splitlines()) != 1 or os.path.exists(os.path.join(place.path, "ran")):
            problems.append(f"{options}: exit {code}, {said!r}")
    for variable, value in (("WALGRIND_FAULT", "foo"), ("WALGRIND_CHAOS", "many")):
        code, said, _trace, _findings = place.run([], ["touch", "ran"], **{variable: value})
        if code != 2 or variable not in said:
            problems.append(f"{variable}={value}: exit {code}, {said!r}")
    return problems


@check
def a_disk_is_full_after_so_many_bytes(place):
    code, said, trace, findings = place.sqlite(["--fault=enospc:after=100K"],
                                               "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(1000000))")
    written = [line for line in trace if " write " in line and "[injected]" in line]
    return [text for text, wrong in (
        (f"exit code {code} and {said!r}", code == 0 or "full (13)" not in said),
        (f"no write that is cut and none that fails: {written}",
         not any(" error 28 " in line for line in written) or not any(" = " in line for line in written)),
        (f"accused: {findings}", findings)) if wrong]


@check
def a_lock_that_is_refused_is_no_contention(place):
    code, said, trace, findings = place.sqlite(["--fault=eagain:call=fcntl,role=database,nth=5"],
                                               "CREATE TABLE t(a); INSERT INTO t VALUES(1)")
    return [text for text, wrong in (
        (f"exit code {code} and {said!r}", code == 0 or "database is locked (5)" not in said),
        (f"struck {injected(trace)}", len(injected(trace)) != 1),
        (f"accused: {findings}", findings)) if wrong]


@check
def the_nth_call_is_the_only_one(place):
    code, said, trace, findings = place.sqlite(["--fault=eio:call=pwrite,role=wal,nth=3"], WAL + INSERTS)
    struck = injected(trace)
    return [text for text, wrong in (
        (f"exit code {code} and {said!r}", code == 0 or "disk I/O error" not in said),
        (f"struck {struck}", len(struck) != 1 or " at write 3 " not in struck[0] or "x.db-wal" not in struck[0]),
        (f"accused: {findings}", findings)) if wrong]


@check
def all_from_the_nth_on(place):
    _code, _said, trace, _findings = place.run(["--fault=eio:call=pwrite,role=wal,from=2"],
                                               [sys.executable, "-c", AFTER_A_FAULT])
    numbers = re.findall(r"at write (\d+)", "\n".join(injected(trace)))
    right = len(numbers) > 1 and numbers == [str(2 + i) for i in range(len(numbers))]
    return [] if right else [f"struck {numbers}"]


@check
def other_roles_databases_and_programs_are_left_alone(place):
    problems = []
    for spec in ("eio:database=else.db", "eio:program=python", "eacces:role=shm,call=unlinkat",
                 "eio:call=pwrite,role=wal,nth=1000"):
        code, said, trace, _findings = place.sqlite([f"--fault={spec}"], WAL + INSERTS, database=f"{place.count}.db")
        if code != 0 or injected(trace) or "no call matched" not in said:
            problems.append(f"{spec}: exit {code}, {injected(trace)}, {said!r}")
    for spec in ("eio:role=wal", "eio:database=matching", "eio:program=sqlite3"):
        code, said, trace, _findings = place.sqlite([f"--fault={spec}"], WAL + INSERTS,
                                                    database=f"matching{place.count}.db")
        if code == 0 or not injected(trace):
            problems.append(f"{spec}: exit {code}, {injected(trace)}, {said!r}")
    return problems


@check
def every_kind_has_its_effect(place):
    """The result code that mechanisms of the real world give, from the injected errno."""
    problems = []
    for spec, message in (("emfile:role=wal", "unable to open"), ("eacces:role=journal", "readonly"),
                          ("enolck", "locked"), ("enomem:role=shm", "I/O error"), ("eio:call=ftruncate", "I/O error"),
                          ("eio:call=read,role=database", "I/O error"), ("efbig:role=database", "I/O error"),
                          ("eagain", "locked")):
        sql = "CREATE TABLE t(a); INSERT INTO t VALUES(1);"
        if "shm" in spec or "wal" in spec:
            sql = WAL + INSERTS
        if "ftruncate" in spec:
            sql = "PRAGMA journal_mode=truncate; " + sql
        if "read" in spec:
            place.sqlite([], sql, database=f"k{place.count + 1}.db")
            database, sql = f"k{place.count}.db", "SELECT * FROM t"
        else:
            database = f"k{place.count}.db"
        code, said, trace, findings = place.sqlite([f"--fault={spec}"], sql, database=database)
        if code == 0 or message not in said or not injected(trace) or findings:
            problems.append(f"{spec}: exit {code}, {said!r}, {len(injected(trace))} injected, {findings}")
    return problems


@check
def short_transfers_are_made_good_by_sqlite(place):
    options = ["--fault=short", "--fault=short:call=pread,bytes=10,nth=1"]
    code, said, trace, _findings = place.sqlite(options, WAL + INSERTS + "PRAGMA integrity_check;")
    count = len(injected(trace))
    return [] if code == 0 and count > 3 else [f"exit {code}, {said!r}, {count} injected"]


@check
def a_seed_gives_the_same_delays_again(place):
    first, again, other = (delays(place.sqlite([f"--chaos={seed}"], WAL + INSERTS, database=f"s{number}.db")[2])
                           for number, seed in enumerate((3, 3, 4)))
    return [text for text, wrong in (("there are no delays", not first), (f"{first} is not {again}", first != again),
                                     ("another seed gives the same", first == other)) if wrong]


TWO_CHILDREN = ("import os, sqlite3, subprocess, sys\n"
                "code = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"CREATE TABLE t(a)\")'\n"
                "environment = {'PATH': os.environ['PATH']} if sys.argv[1] == 'clean' else None\n"
                "for name in ('a.db', 'b.db'):\n"
                "    subprocess.run([sys.executable, '-c', code, sys.argv[1] + name], env=environment, check=True)\n"
                "for name in ('c.db', 'd.db'):\n"
                "    if os.fork() == 0:\n"
                "        sqlite3.connect(sys.argv[1] + name).execute('CREATE TABLE t(a)')\n"
                "        os._exit(0)\n"
                "    os.wait()\n")


@check
def children_have_delays_of_their_own_and_the_same_again(place):
    problems = []
    runs = []
    for name in ("x", "y", "clean"):
        trace = place.run(["--chaos=3"], [sys.executable, "-c", TWO_CHILDREN, name])[2]
        by_pid = {}
        for line in trace:
            found = re.match(r" *[\d.]+ (\d+)/", line)
            if found:
                by_pid.setdefault(found.group(1), []).extend(delays([line]))
        runs.append([found for found in by_pid.values() if found])
    if len(runs[0]) != 4 or any(runs[0].count(found) != 1 for found in runs[0]):
        problems.append(f"four children, not each with delays of its own: {runs[0]}")
    return problems + [f"run {number} has other delays: {run}, not {runs[0]}" for number, run in enumerate(runs)
                       if run != runs[0]]


@check
def variables_do_the_same_as_options(place):
    _code, _said, trace, _findings = place.sqlite([], WAL + INSERTS, WALGRIND_CHAOS="3",
                                                  WALGRIND_FAULT="eio:role=wal,nth=2")
    return [] if delays(trace) and len(injected(trace)) == 1 else [f"{len(delays(trace))} delays, {injected(trace)}"]


AFTER_A_FAULT = ("import os, shutil, sqlite3, sys\n"
                 "c = sqlite3.connect('x.db', isolation_level=None)\n"
                 "for sql in ('PRAGMA journal_mode=wal', *(f'CREATE TABLE {name}(a)' for name in 'tuv')):\n"
                 "    try:\n        c.execute(sql)\n    except sqlite3.OperationalError:\n        pass\n"
                 "shutil.copy('x.db', 'copy.db')\n")


@check
def what_is_found_after_a_fault_says_so(place):
    _code, said, _trace, findings = place.run(["--fault=eio:call=pwrite,role=wal,nth=2"],
                                              [sys.executable, "-c", AFTER_A_FAULT])
    code, plain, _trace, without = place.run([], [sys.executable, "-c", AFTER_A_FAULT])
    ids = [(finding["id"], finding.get("faults_before", 0)) for finding in findings]
    return [text for text, wrong in (
        (f"with a fault: {ids}", ids != [("close-drops-locks", 1)]), (f"no note in {said!r}", "(--fault)" not in said),
        (f"without one: {code} {plain!r}", "(--fault)" in plain or len(without) != 1 or "faults_before" in without[0]))
            if wrong]


@check
def servers_and_tests_of_a_run_inherit_them(place):
    tests = ["--swarm", "--no-progress", "--workers=2"]
    problems = []
    for options, code, sign in ((["--chaos=3"], 0, "delays on record"),
                                (["--fault=eio:call=pwrite,role=wal,program=refserver,from=20"], 1, "injected, the"),
                                (["--fault=eio:frm=1"], 2, "'frm' is none of")):
        done = subprocess.run([WALGRIND, "run", *tests, *options, "users/*"], cwd=place.path, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=200)
        if done.returncode != code or sign not in done.stderr or ": 0 delays" in done.stderr:
            problems.append(f"{options}: exit {done.returncode}, {done.stdout[-300:]} {done.stderr[-600:]}")
    return problems


run_checks(Place, sys.argv[2:])
