#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selection.py - what runs, in which order, and what is known of earlier runs.

    selection.py WALGRIND

Prints one line per failed check and exits with 1.
"""
import json
import os
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
HISTORY = ".walgrind/history.json"
TESTS = ("health", "auth", "groups")
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


class Place:
    """A directory in which walgrind is called."""

    def __init__(self, directory):
        self.directory = directory

    def call(self, *words):
        """Exit code and everything printed."""
        done = subprocess.run([WALGRIND, *words], cwd=self.directory, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        return done.returncode, done.stdout

    def listed(self, *words):
        code, out = self.call("list", "--json", *words)
        return {test["name"] for test in json.loads(out)} if code == 0 else out

    def path(self, name):
        return os.path.join(self.directory, name)

    def history(self):
        with open(self.path(HISTORY), encoding="utf-8") as file:
            return json.load(file)["tests"]

    def events(self, kind):
        with open(self.path(".walgrind/last/events.jsonl"), encoding="utf-8") as file:
            return [event for event in map(json.loads, file) if event["event"] == kind]


def failed_tests_run_again(place):
    code, out = place.call("run", "--swarm", *TESTS)
    check("a healthy server passes", code == 0, out)
    known = place.listed(*TESTS)
    check("what ran is known", set(place.history()) == known, len(known))
    check("the rest is new", not place.listed("-E", "new") & known)
    code, out = place.call("list", "--failed")
    check("nothing failed: exit 2", code == 2 and "nothing is selected" in out, out)

    code, out = place.call("run", "--swarm", "--server-arg=--break=wrong-status", *TESTS)
    failed = {event["test"] for event in place.events("test-finished") if event["outcome"] == "failed"}
    check("the broken server fails some tests", code == 1 and 0 < len(failed) < len(known), out[-400:])
    check("--failed lists them", place.listed("--failed") == failed, failed)
    check("so does failed(last)", place.listed("-E", "failed(last)") == failed, failed)
    suite = min(failed).split("/")[0]
    of_suite = {test for test in failed if test.startswith(f"{suite}/")}
    check("a name narrows it", place.listed("--failed", suite) == of_suite, of_suite)

    code, out = place.call("run", "--swarm", "--failed")
    ran = {event["test"] for event in place.events("test-finished")}
    check("--failed runs them and no other", code == 0 and ran == failed, out[-400:])
    code, out = place.call("run", "--swarm", "--failed")
    check("then there is nothing left", code == 2 and "nothing is selected" in out, out)


def longest_goes_first(place):
    tests = place.history()
    name = sorted(test for test in tests if test.startswith("groups/"))[-1]
    tests[name]["ms"] = 5000
    with open(place.path(HISTORY), "w", encoding="utf-8") as file:
        json.dump({"version": 1, "tests": tests}, file)
    check("it is slow now", place.listed("-E", "slow & groups") == {name})
    check("unless --slow says otherwise", "nothing is selected" in place.listed("-E", "slow & groups", "--slow=6s"))
    for mode in ("none", "worker", "suite"):
        place.call("run", f"--isolate={mode}", "-j1", "--no-progress", *TESTS)
        started = [event["test"] for event in place.events("test-started")]
        first = started[0] if mode != "suite" else started[0].split("/")[0]
        check(f"{mode}: the longest goes first", first == (name if mode != "suite" else "groups"), started[:3])
    place.call("run", "--swarm", "-j1", "--no-progress", "--history=none", *TESTS)
    started = [event["test"] for event in place.events("test-started")]
    check("without history it does not", started[0] != name, started[:3])
    check("the mean of old and new is kept", 100 < place.history()[name]["ms"] < 5000, place.history()[name])


def history_has_its_place(place):
    before = place.history()
    place.call("run", "--swarm", "--run-dir=elsewhere", "health")
    check("a run elsewhere leaves it alone", place.history() == before)
    code, _ = place.call("run", "--swarm", "--run-dir=elsewhere2", "--history=own.json", "health")
    check("unless one is named", code == 0 and os.path.exists(place.path("own.json")))
    code, out = place.call("run", "--history=none", "--failed")
    check("none and --failed: exit 2", code == 2 and "--failed needs a history" in out, out)
    with open(place.path(HISTORY), "w", encoding="utf-8") as file:
        file.write("{")
    code, out = place.call("run", "--swarm", "health")
    check("a broken one is told: exit 3", code == 3 and HISTORY in out, out)


def machines_share(place):
    everything = place.listed("-E", "suite(files_*)")
    parts = [place.listed("-E", "suite(files_*)", f"--partition={k}/3") for k in (1, 2, 3)]
    check("three parts are all tests, each once", set().union(*parts) == everything and
          sum(map(len, parts)) == len(everything), [len(part) for part in parts])
    check("and alike in size", max(map(len, parts)) - min(map(len, parts)) <= 1, [len(part) for part in parts])
    for value, message in (("4/3", "takes K/N, as in 2/4, not '4/3'"), ("0/3", "takes K/N"), ("2", "takes K/N"),
                           ("/", "takes K/N"), ("1/x", "takes K/N"), ("3/3", "part 3 of 3 has none of 2 tests")):
        code, out = place.call("list", f"--partition={value}", *sorted(everything)[:2])
        check(f"--partition={value}: exit 2", code == 2 and message in out, out)


with tempfile.TemporaryDirectory(prefix="walgrind selection ") as directory:
    for part in (failed_tests_run_again, longest_goes_first, machines_share, history_has_its_place):
        part(Place(directory))
sys.exit(1 if problems else 0)
