#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""formats.py - `walgrind report --format=…` for other programs, from one record with awkward words in it.

    formats.py WALGRIND

TAP is read by prove and its blocks by a YAML parser, the others by their parsers; what people and CI systems read is
compared with golden/ letter by letter (WALGRIND_GOLDEN=update writes it anew). Prints one line per failed check and
exits with 1.
"""
import difflib
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
WALGRIND = os.path.abspath(sys.argv[1])
AWKWARD = "  50% #x a|b <i>\nsecond: line, `code`\x1b[0m ::error::\r\n'third'"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def golden(name, text):
    path = os.path.join(HERE, "golden", name)
    if os.environ.get("WALGRIND_GOLDEN") == "update":
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    with open(path, encoding="utf-8", newline="") as file:
        lines = difflib.unified_diff(file.read().splitlines(), text.splitlines(), path, "now", lineterm="")
    difference = "\n".join(lines)
    check(f"{name} is as it was", not difference, difference)


def finished(attempt, name, outcome, at_ms, ms, **more):
    return {"event": "test-finished", "at_ns": at_ms * 10**6, "attempt": attempt, "test": name, "unit": 1, "worker": 2,
            "mode": "none", "round": 1, "outcome": outcome, "ms": ms, "file": "suites/a,b'c.c", "line": 7,
            "repeat": f"walgrind run '{name}'", **more}


RECORD = (
    {"event": "run-started", "version": 1, "wall": "2026-01-31T00:00:00.000000Z"},
    {"event": "plan", "tests": 3, "suites": 1, "selected": 3, "slow_ms": 4},
    {"event": "round-started", "mode": "suite", "round": 1, "tests": 1},
    {**finished(9, "a/fails#x", "passed", 5, 3.0), "mode": "suite"},
    {"event": "round-finished", "mode": "suite", "round": 1, "ms": 5.0},
    {"event": "round-started", "mode": "none", "round": 1, "tests": 3},
    {"event": "unit-started", "unit": 1, "mode": "none", "round": 1, "name": "all"},
    {"event": "test-started", "at_ns": 10 * 10**6, "attempt": 1, "test": "a/fails#x", "unit": 1, "worker": 2},
    {"event": "request", "at_ns": 15 * 10**6, "attempt": 1, "unit": 1, "method": "GET", "path": "/x", "status": 500,
     "ms": 2.0},
    finished(1, "a/fails#x", "failed", 20, 10.0, reason="", beside=[f"b/{i}_*" for i in range(11)], beside_more=2,
             messages=[{"event": "fail", "file": "", "line": 9, "message": AWKWARD}]),
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
    done = subprocess.run([WALGRIND, "report", f"--format={form}", directory], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False,
                          env={**os.environ, "GITHUB_STEP_SUMMARY": "", **environment})
    return done.returncode, done.stdout.decode()


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
    golden("report.tap", text)
    block = yaml.safe_load(textwrap.dedent(text.split("  ---\n")[1].split("  ...\n")[0]))
    check("tap: the block is YAML", block["file"] == "suites/a,b'c.c" and block["line"] == 7 and
          block["message"].splitlines()[:2] == ["50% #x a|b <i>", "second: line, `code`\ufffd[0m ::error::"],
          block)
    check("tap: the verdict counts", lines[-1].startswith("not ok 5 - verdict: FAIL"), lines[-1])
    check("tap13: the same but for its version", report(f"{place}/bad", "tap13")[1] == text.replace("14", "13", 1))
    code, shown = prove(report(f"{place}/bad", "tap13")[1], place)
    check("tap: prove sees two failures of five", code != 0 and "Failed 2/5" in shown and "1 skipped" in shown, shown)
    code, shown = prove(report(f"{place}/good", "tap13")[1], place)
    check("tap: prove passes a run that passed", code == 0 and "Result: PASS" in shown, shown)
    code, shown = prove(report(f"{place}/cut", "tap13")[1], place)
    check("tap: prove fails a run that was cut", code != 0 and "Bailout called" in shown, shown)


def github(place):
    summary = f"{place}/summary.md"
    code, text = report(f"{place}/bad", "github", GITHUB_STEP_SUMMARY=summary)
    check("github: the exit code is the verdict's", code == 1, code)
    golden("report.github", text)
    commands = [line for line in text.splitlines() if "::" in line]
    check("github: nothing else looks like a command", len(commands) == 2, text)
    with open(summary, encoding="utf-8", newline="") as file:
        markdown = file.read()
    golden("report.markdown", markdown)
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


def overlapping(place):
    """A test may have several requests under way; slices of one track must lie inside one another."""
    requests = [(10, 6), (12, 4), (13, 6), (14, 1), (20, 3), (30, 5)]  # end, how long
    write(f"{place}/overlapping", RECORD[:8] + tuple(
        {"event": "request", "at_ns": end * 10**6, "attempt": 1, "unit": 1, "method": "GET", "path": f"/{end}",
         "ms": ms} for end, ms in requests) + RECORD[-2:])
    events = json.loads(report(f"{place}/overlapping", "perfetto")[1])["traceEvents"]
    slices = [event for event in events if event.get("cat") == "request"]
    for a in slices:
        for b in slices:
            apart = a["ts"] + a["dur"] <= b["ts"] or b["ts"] + b["dur"] <= a["ts"]
            check("perfetto: slices of a track do not overlap", a is b or a["tid"] != b["tid"] or apart, (a, b))
    tracks = {event["name"]: event["tid"] for event in slices}
    check("perfetto: one after another is one track",
          [tracks[f"GET /{end}"] for end in (10, 14, 20, 30)] == [2, 2, 2, 2], tracks)
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    check("perfetto: the others have names",
          all(tid == 2 or "worker 2" in names.get(tid, "") for tid in tracks.values()), (tracks, names))


def result(place):
    document = json.loads(report(f"{place}/bad", "json")[1])
    check("json: the verdict",
          (document["verdict"], document["exit_code"], document["io_errors"]) == ("FAIL", 1, 1), document)
    check("json: the tests", [(test["test"], test["outcome"]) for test in document["tests"]] ==
          [("a/fails#x", "passed"), ("a/fails#x", "failed"), ("a/passes", "passed"), ("a/skips", "skipped")],
          document["tests"])
    check("json: what failed in company only", document["tests"][1]["concurrency_dependent"] and
          len([test for test in document["tests"] if "concurrency_dependent" in test]) == 1, document["tests"])
    check("json: what is slow", [test["test"] for test in document["tests"] if "slow" in test] == ["a/passes"],
          document["tests"])
    shown = report(f"{place}/bad", "tty")[1]
    check("tty: what is slow", "slow: a/passes (none) took 0.01 s\n" in shown and shown.count("slow: ") == 1, shown)
    check("json: counts of outcomes", document["modes"][1]["outcomes"]["skipped"] == 1, document["modes"])
    check("json: evidence", [item["class"] for item in document["evidence"]] == ["io"], document["evidence"])


def junit(place):
    code, text = report(f"{place}/bad", "junit")
    check("junit: the exit code is the verdict's", code == 1, code)
    xml.etree.ElementTree.fromstring(text)
    golden("report.junit", text)


def finding(number, fails):
    return {"event": "finding", "at_ns": 40 * 10**6, "id": "wal-unlink", "unit": 1, "fails": fails,
            "happened_ns": number, "text": f"text {number}", "title": f"title {number}", "who": "who",
            "where": "/a:b.py:x function"}


GAPS = ["/bin/server: it is a Go program", "/bin/other: ptrace: Operation not permitted"]
HOSTILE = RECORD[:-2] + (
    {**finished(5, "a/fails#x", "failed", 33, 1.0, reason="\n$x$ ~~y~~ a\rb|c </script>\u2028%"), "mode": "suite"},
    {"event": "evidence", "at_ns": 34 * 10**6, "unit": 1, "class": "io", "message": "of the swarm", "test": "a/fails#x",
     "mode": "none", "round": 1},
    {"event": "evidence", "at_ns": 34 * 10**6, "unit": 1, "class": "io", "message": "1e999", "test": None, "mode": 7},
    {"event": "request", "at_ns": 10**15, "attempt": 1, "unit": 1, "method": "GET", "path": "/inf", "ms": 1e308},
    {"event": "request", "at_ns": 12345678901234567, "attempt": 1, "unit": 1, "method": "GET", "path": "/late",
     "ms": 0.123},
) + tuple(finding(number, number == 12) for number in range(1, 13)) + (
    {"event": "probed", "processes": 3, "records": 9, "lost": 2, "not_covered": GAPS},) + RECORD[-2:]


def page_data(text):
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


def hostile(place):
    """What comes from outside stays what it is; what was not seen is said everywhere; the worst is shown first."""
    shown = {form: report(f"{place}/hostile", form)[1] for form in ("tap", "github", "markdown", "junit", "html")}
    events = json.loads(report(f"{place}/hostile", "perfetto")[1])["traceEvents"]
    instants = " ".join(json.dumps(event) for event in events if event["ph"] == "i")
    for form, text in (*shown.items(), ("perfetto", instants)):
        for gap in ("not covered", *GAPS, "2 records of calls found no room"):
            check(f"{form}: not covered is said", gap in text, (gap, text[:4000]))
    commands = [line for line in shown["github"].splitlines() if line.startswith("::")]
    for words in ("::error file=suites/a%2Cb'c.c,line=7,title=a/fails#x (suite)::",
                  "::error title=wal-unlink::text 12"):
        check("github: a failure comes before warnings", any(line.startswith(words) for line in commands), commands)
    check("github: not more than GitHub shows", len(commands) == 10, len(commands))
    check("github: warnings have the rest", any(line.startswith("::warning ") for line in commands), commands)
    rows = [line for line in shown["markdown"].split("\n") if line.startswith("| a/fails")]
    check("markdown: a row is a row", len(rows) == 2 and rows[1] ==
          "| a/fails#x | suite | failed | \\$x\\$ \\~\\~y\\~\\~ a b\\|c &lt;/script&gt;\u2028% |", rows)
    data = page_data(shown["html"])
    told = {row[2]: data["details"][row[10]].get("evidence") for row in data["tests"] if row[6] == "failed"}
    check("html: evidence is that of the mode", told["suite"] == [] and len(told["none"]) == 1, told)
    late = [row for row in data["requests"] if row[4] == "GET /late"]
    check("html: late in a long run a microsecond is one", late and late[0][1:3] == [12345678901.235, 0.123], late)


def many_requests(place):
    """The page says when it does not have all."""
    limit = 200000
    events = RECORD[:-2] + tuple({"event": "request", "at_ns": 1, "attempt": 1, "unit": 1, "method": "GET", "path": "/",
                                  "status": 200, "ms": 1} for _ in range(limit)) + RECORD[-2:]
    write(f"{place}/many", events)
    facts = dict(page_data(report(f"{place}/many", "html")[1])["facts"])
    check("html: that requests are left out is told", f"the first {limit} are on this page" in facts["requests"], facts)
    facts = dict(page_data(report(f"{place}/bad", "html")[1])["facts"])
    check("html: and only then", "on this page" not in facts["requests"], facts)


# What each format must be when its run was killed, whatever had been written.
READERS = {
    "tty": lambda text: "verdict: " in text and "PASS" not in text,
    "json": lambda text: json.loads(text)["verdict"] != "PASS",
    "junit": xml.etree.ElementTree.fromstring,
    "tap": lambda text: "Bail out!" in text or "not ok" in text,
    "github": lambda text: "::error title=walgrind::" in text,
    "perfetto": lambda text: isinstance(json.loads(text)["traceEvents"], list),
    "html": lambda text: text.rstrip().endswith("</html>"),
}


def killed(place):
    """The record may end within any line: what it holds until there is reported, and is never a pass."""
    text = "".join(json.dumps(event) + "\n" for event in RECORD)
    ends = [0]
    for line in text.splitlines(keepends=True):
        ends += [ends[-1] + len(line)]
    os.makedirs(f"{place}/killed")
    for begin, end in zip(ends, ends[1:]):
        with open(f"{place}/killed/events.jsonl", "w", encoding="utf-8") as file:
            file.write(text[:(begin + end) // 2])
        for form, reads in READERS.items():
            code, shown = report(f"{place}/killed", form)
            try:
                good = code in (1, 3) and reads(shown) is not False
            except (ValueError, LookupError, xml.etree.ElementTree.ParseError) as error:
                good, shown = False, f"{error}: {shown}"
            check(f"{form}: a run that was killed after {begin} bytes", good, f"{code} {shown[:400]}")


with tempfile.TemporaryDirectory(prefix="walgrind formats ") as directory:
    write(f"{directory}/bad", RECORD)
    good = [event for event in RECORD if event.get("outcome") != "failed" and event["event"] != "evidence"]
    write(f"{directory}/good", good)
    write(f"{directory}/cut", good[:-2])
    write(f"{directory}/hostile", HOSTILE)
    for part in (tap, github, junit, perfetto, overlapping, result, hostile, many_requests, killed):
        part(directory)
sys.exit(1 if problems else 0)
