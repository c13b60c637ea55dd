#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""storm.py - ten thousand tests that crash, hang, fork, flood and run away: right counts, and nothing left behind.

    storm.py WALGRIND STORM_SUITE

Prints one line per failed check and exits with 1.
"""
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

WALGRIND, SUITE = map(os.path.abspath, sys.argv[1:3])
# Suite: how many tests, and how each of them ends.
EXPECTED = {
    "passes": (8955, "passed"), "fails": (400, "failed"), "crashes": (200, "crashed"), "exits": (100, "exited"),
    "closes_stdio": (100, "passed"), "closes_everything": (100, "exited"),
    "goes_away": (100, "passed"), "forks_a_crowd": (20, "leaked"),
    "hangs": (20, "timeout"), "ignores_term": (4, "timeout"), "floods": (1, "passed"),
}
END_S = 20
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def processes():
    """Command lines of processes that have our suite or our directory in theirs."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = place.encode() in file.read()
        except OSError:
            continue
        if int(pid) != os.getpid() and (os.fsencode(SUITE) in words or ours):
            found.append((pid, words))
    return found


def environment():
    return {**os.environ, "WALGRIND_SANDBOX": sandbox, "STORM": place}


def run(*words):
    """Exit code, what was printed, outcomes by suite."""
    with open(f"{place}/out", "w+", encoding="utf-8", errors="replace") as out:
        code = subprocess.run([WALGRIND, "run", "--no-progress", f"--suite-binary={SUITE}", "--grace=200ms", *words],
                              cwd=place, stdout=out, stderr=subprocess.STDOUT, timeout=400, check=False,
                              env=environment()).returncode
        out.seek(0)
        text = out.read()
    outcomes = collections.defaultdict(collections.Counter)
    with open(f"{place}/.walgrind/last/events.jsonl", encoding="utf-8") as file:
        for event in map(json.loads, file):
            if event["event"] == "test-finished":
                outcomes[event["test"].split("/")[0]][event["outcome"]] += 1
    return code, text, outcomes


def nothing_is_left(what):
    end = time.monotonic() + END_S
    while processes() and time.monotonic() < end:
        time.sleep(0.1)
    check(f"{what}: no process is left", not processes(), processes()[:5])
    check(f"{what}: the sandbox is empty", os.listdir(sandbox) == [], os.listdir(sandbox))


def all_are_counted():
    code, text, outcomes = run("--swarm", "-E", "!deletes")
    check("a run with failures ends with 1", code == 1, text[-800:])
    for suite, (count, outcome) in EXPECTED.items():
        check(f"{suite}: {count} {outcome}", outcomes.get(suite) == {outcome: count}, outcomes.get(suite))
    size = os.path.getsize(f"{place}/.walgrind/last/events.jsonl")
    check("100 MiB of output do not go into the record", size < 50e6, size)
    nothing_is_left("ten thousand")


def killed_at_any_moment():
    """Whatever a runner that is killed has written is reported, never as a pass; the next start cleans up."""
    for delay_s in (0.02, 0.1, *(random.uniform(0.1, 1.5) for _ in range(3))):
        shutil.rmtree(f"{place}/.walgrind", ignore_errors=True)
        with subprocess.Popen([WALGRIND, "run", "--no-progress", "--swarm", f"--suite-binary={SUITE}", "passes",
                               "fails", "crashes", "goes_away", "forks_a_crowd"], cwd=place, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=environment()) as runner:
            time.sleep(delay_s)
            runner.kill()
        report = subprocess.run([WALGRIND, "report"], cwd=place, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=60, check=False)
        began = os.path.exists(f"{place}/.walgrind/last/events.jsonl")
        check(f"killed after {delay_s:.3f} s: reported", report.returncode in ((1, 3) if began else (2,)) and
              "PASS" not in report.stdout, f"{report.returncode} {report.stdout[-800:]}")
    code, text, _ = run("--swarm", "goes_away")
    check("the start after a kill is a good one", code == 0, text[-800:])
    nothing_is_left("killed runs")


def sandbox_may_vanish():
    code, text, outcomes = run("--isolate=suite", "deletes", "goes_away")
    check("a deleted database fails the run", code == 1 and "verdict: FAIL" in text, text[-800:])
    check("the others go on", outcomes["goes_away"] == {"passed": 100}, outcomes)
    nothing_is_left("a deleted sandbox")


with tempfile.TemporaryDirectory(prefix="walgrind storm ") as place:
    sandbox = f"{place}/sandbox"
    os.mkdir(sandbox)
    all_are_counted()
    sandbox_may_vanish()
    killed_at_any_moment()
sys.exit(1 if problems else 0)
