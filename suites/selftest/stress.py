#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""stress.py - tests again and again: --until-fail, --stress, --copies, --retries, and the rates that come of it.

    stress.py WALGRIND SUITE_SAMPLE

Prints one line per failed check and exits with 1.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

WALGRIND, SAMPLE = map(os.path.abspath, sys.argv[1:3])
BROKEN = "--server-arg=--break=wrong-status"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def run(place, *words):
    """Exit code, what was printed, and the events by kind."""
    mode = () if any(word.startswith("--isolate") for word in words) else ("--swarm",)
    done = subprocess.run([WALGRIND, "run", *mode, "--no-progress", *words], cwd=place, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    events = {}
    with open(f"{place}/.walgrind/last/events.jsonl", encoding="utf-8") as file:
        for event in map(json.loads, file):
            events.setdefault(event["event"], []).append(event)
    return done.returncode, done.stdout, events


def until_fail(place):
    code, out, events = run(place, "--until-fail", "--repeat=3", "health")
    check("--until-fail ends with --repeat", code == 0 and len(events["round-finished"]) == 3, out)
    code, out, events = run(place, "--until-fail", BROKEN, "auth", "groups")
    check("--until-fail ends with the first failure", code == 1 and len(events["round-finished"]) == 1, out)


def stress(place):
    began = time.monotonic()
    code, out, events = run(place, "--stress=2s", "health")
    check("--stress repeats", code == 0 and len(events["round-finished"]) > 2, out)
    check("--stress lasts as long as told", time.monotonic() - began >= 2, time.monotonic() - began)


def copies(place):
    _, out, events = run(place, "--copies=5", "-j5", "health")
    tests = {event["test"] for event in events["test-finished"]}
    check("--copies runs each test so often", len(events["test-finished"]) == 5 * len(tests), out)
    spans = {}
    for event in events["test-finished"]:
        spans.setdefault(event["test"], []).append((event["at_ns"] - event["ms"] * 1e6, event["at_ns"]))
    beside = any(a[0] < b[1] and b[0] < a[1] for times in spans.values() for a in times for b in times if a is not b)
    check("copies run at the same time", beside, spans)


def rates(place):
    code, out, events = run(place, "--repeat=4", BROKEN, "auth", "groups")
    failed = {event["test"] for event in events["test-finished"] if event["outcome"] == "failed"}
    check("some tests fail", code == 1 and failed, out)
    for test in sorted(failed)[:3]:
        check(f"the rate of {test}",
              f"rate: {test} (none) failed 4 of 4 times: 100 %, 95 % interval 51.0 to 100.0 %\n" in out, out[-900:])
    _, out, _ = run(place, BROKEN, "auth", "groups")
    check("one run has no rate", "rate:" not in out, out)


def retries(place):
    flake = f"{place}/flake"
    os.environ["WALGRIND_SAMPLE_FLAKE"] = flake
    sample = (f"--suite-binary={SAMPLE}", "again", "plain/passes")
    # Failures before it passes, words, exit code, outcomes of its tries, what is printed.
    for failures, words, code, outcomes, shown in (
            ("0", ("--retries=2",), 0, ["passed"], "2 passed"),
            ("1", (), 1, ["failed"], "1 passed 1 failed"),
            ("2", ("--retries=2",), 0, ["failed", "failed", "flaky"], "1 passed 1 flaky"),
            ("2", ("--retries=2", "--flaky=fail"), 1, ["failed", "failed", "flaky"], "verdict: FAIL"),
            ("3", ("--retries=2",), 1, ["failed", "failed", "failed"], "1 passed 1 failed")):
        with open(flake, "w", encoding="ascii") as file:
            file.write(failures)
        got, out, events = run(place, *words, *sample)
        tries = [event for event in events["test-finished"] if event["test"].startswith("again/")]
        what = f"{failures} failures, {' '.join(words)}"
        check(f"{what}: exit code", got == code, out)
        check(f"{what}: tries", [event["outcome"] for event in tries] == outcomes, tries)
        check(f"{what}: all but the last are retried", [event.get("retried", False) for event in tries] ==
              [True] * (len(tries) - 1) + [False], tries)
        check(f"{what}: {shown}", shown in out, out)
    with open(flake, "w", encoding="ascii") as file:
        file.write("1")
    got, out, events = run(place, "--isolate=suite", "--retries=1", *sample)
    check("isolated, it is retried after a reset", got == 0 and any(
        event["after"].startswith("again/") for event in events["reset"]), out)
    report = subprocess.run([WALGRIND, "report", "--format=junit"], cwd=place, text=True, stdout=subprocess.PIPE,
                            check=False)
    check("JUnit: it passed, and why it is flaky is told", "failures=\"0\"" in report.stdout and
          '<flakyFailure message=' in report.stdout, report.stdout)


with tempfile.TemporaryDirectory(prefix="walgrind stress ") as directory:
    for part in (until_fail, stress, copies, rates, retries):
        part(directory)
sys.exit(1 if problems else 0)
