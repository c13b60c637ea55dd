#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""formats.py - `walgrind report --format=…` for other programs, from one record with awkward words in it.

    formats.py WALGRIND

TAP is read by prove, the others by a parser; what must be escaped is compared letter by letter. Prints one line per
failed check and exits with 1.
"""
import json
import os
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
AWKWARD = "50% #x a|b <i>\nsecond: line, `code`"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def finished(attempt, name, outcome, at_ms, ms, **more):
    return {"event": "test-finished", "at_ns": at_ms * 10**6, "attempt": attempt, "test": name, "unit": 1, "worker": 2,
            "mode": "none", "round": 1, "outcome": outcome, "ms": ms, "file": "suites/a,b.c", "line": 7,
            "repeat": f"walgrind run '{name}'", **more}


RECORD = (
    {"event": "run-started", "version": 1, "wall": "2026-01-31T00:00:00.000000Z"},
    {"event": "round-started", "mode": "none", "round": 1, "tests": 3},
    {"event": "unit-started", "unit": 1, "mode": "none", "round": 1, "name": "all"},
    {"event": "test-started", "at_ns": 10 * 10**6, "attempt": 1, "test": "a/fails#x", "unit": 1, "worker": 2},
    {"event": "request", "at_ns": 15 * 10**6, "attempt": 1, "unit": 1, "method": "GET", "path": "/x", "status": 500,
     "ms": 2.0},
    finished(1, "a/fails#x", "failed", 20, 10.0, reason="",
             messages=[{"event": "fail", "file": "suites/a,b.c", "line": 9, "message": AWKWARD}]),
    {"event": "reset", "at_ns": 21 * 10**6, "unit": 1, "after": "a/fails#x", "ms": 0.5, "ok": True},
    finished(2, "a/passes", "passed", 30, 5.0),
    finished(3, "a/skips", "skipped", 31, 0.0, reason="no # here"),
    {"event": "evidence", "at_ns": 32 * 10**6, "unit": 1, "class": "io", "message": "disk I/O error"},
    {"event": "round-finished", "mode": "none", "round": 1, "ms": 40.0},
    {"event": "run-finished", "ms": 41.0},
)


def write(directory, events):
    os.makedirs(directory)
    with open(f"{directory}/events.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def report(directory, form, **environment):
    done = subprocess.run([WALGRIND, "report", f"--format={form}", directory], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False,
                          env={**os.environ, "GITHUB_STEP_SUMMARY": "", **environment})
    return done.returncode, done.stdout


def prove(text, place):
    with open(f"{place}/run.tap", "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run(["prove", "--exec", "cat", "--verbose", f"{place}/run.tap"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout


def tap(place):
    code, text = report(f"{place}/bad", "tap")
    check("tap: the exit code is the verdict's", code == 1, code)
    lines = text.splitlines()
    check("tap: version and plan", lines[:2] == ["TAP version 14", "1..4"], lines[:2])
    check("tap: a hash is escaped", lines[2] == "not ok 1 - a/fails\\#x (none)", lines[2])
    check("tap: the message stands in a block", "    suites/a,b.c:9: 50% #x a|b <i>" in lines and
          "    second: line, `code`" in lines, text)
    check("tap: a skip has its reason", "ok 3 - a/skips (none) # SKIP no \\# here" in lines, text)
    check("tap: the verdict counts", lines[-1].startswith("not ok 4 - verdict: FAIL"), lines[-1])
    check("tap13: the same but for its version", report(f"{place}/bad", "tap13")[1] == text.replace("14", "13", 1))
    code, shown = prove(report(f"{place}/bad", "tap13")[1], place)
    check("tap: prove sees two failures of four", code != 0 and "Failed 2/4" in shown and "1 skipped" in shown, shown)
    code, shown = prove(report(f"{place}/good", "tap13")[1], place)
    check("tap: prove passes a run that passed", code == 0 and "Result: PASS" in shown, shown)
    code, shown = prove(report(f"{place}/cut", "tap13")[1], place)
    check("tap: prove fails a run that was cut", code != 0 and "Bailout called" in shown, shown)


def github(place):
    summary = f"{place}/summary.md"
    code, text = report(f"{place}/bad", "github", GITHUB_STEP_SUMMARY=summary)
    check("github: the exit code is the verdict's", code == 1, code)
    check("github: annotations", text.splitlines() == [
        "::error file=suites/a%2Cb.c,line=7,title=a/fails#x (none)::suites/a,b.c:9: 50%25 #x a|b <i>%0Asecond: line, "
        "`code`%0Arepeat: walgrind run 'a/fails#x'%0A",
        "::error title=walgrind::FAIL, 2 failures, 1 I/O errors in 1 requests"], text)
    with open(summary, encoding="utf-8") as file:
        markdown = file.read()
    check("github: the table of failures", "| a/fails#x | none | failed | suites/a,b.c:9: 50% #x a\\|b &lt;i&gt; |" in
          markdown.splitlines(), markdown)
    check("markdown: the same", report(f"{place}/bad", "markdown")[1] == markdown)
    code, text = report(f"{place}/good", "github")
    check("github: a run that passed is a notice", code == 0 and text.startswith("::notice title=walgrind::PASS"), text)


def perfetto(place):
    events = json.loads(report(f"{place}/bad", "perfetto")[1])["traceEvents"]
    slices = {event["name"]: event for event in events if event["ph"] == "X"}
    test, request, reset = slices["a/fails#x"], slices["GET /x"], slices["reset"]
    check("perfetto: a test in its worker",
          (test["ts"], test["dur"], test["pid"], test["tid"]) == (10000, 10000, 1, 2), test)
    check("perfetto: its request within it",
          (request["ts"], request["dur"], request["tid"]) == (13000, 2000, 2), request)
    check("perfetto: a reset beside the workers", reset["tid"] != 2 and reset["args"] == {"after": "a/fails#x"}, reset)
    check("perfetto: units have names", [event["args"]["name"] for event in events if event["ph"] == "M"] ==
          ["all", "resets"], events)
    check("perfetto: evidence is an instant", [event["args"]["message"] for event in events if event["ph"] == "i"] ==
          ["disk I/O error"], events)


def result(place):
    document = json.loads(report(f"{place}/bad", "json")[1])
    check("json: the verdict",
          (document["verdict"], document["exit_code"], document["io_errors"]) == ("FAIL", 1, 1), document)
    check("json: the tests", [(test["test"], test["outcome"]) for test in document["tests"]] ==
          [("a/fails#x", "failed"), ("a/passes", "passed"), ("a/skips", "skipped")], document["tests"])
    check("json: counts of outcomes", document["modes"][0]["outcomes"]["skipped"] == 1, document["modes"])
    check("json: evidence", [item["class"] for item in document["evidence"]] == ["io"], document["evidence"])


with tempfile.TemporaryDirectory(prefix="walgrind formats ") as directory:
    write(f"{directory}/bad", RECORD)
    good = [event for event in RECORD if event.get("outcome") != "failed" and event["event"] != "evidence"]
    write(f"{directory}/good", good)
    write(f"{directory}/cut", good[:-2])
    for part in (tap, github, perfetto, result):
        part(directory)
sys.exit(1 if problems else 0)
