#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reproduce.py - runs both case studies again and checks that the same is named.

    reproduce.py WALGRIND [--tests=N] [--show]

Needs python3-fastapi and python3-uvicorn of the system's Python. Prints a line per claim that does not hold, with
--show also what walgrind printed, and exits with 1 when there is one.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


class Result:
    """What one command of walgrind has left in a directory of its own."""

    def __init__(self, place, options, *arguments):
        self.work = tempfile.mkdtemp(dir=place)
        environment = {name: value for name, value in os.environ.items() if name != "WALGRIND_URL"}
        done = subprocess.run([os.path.abspath(options.walgrind), *arguments], cwd=self.work, env=environment,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        self.code, self.text = done.returncode, done.stdout
        if options.show:
            print(self.text)

    def read(self, name):
        with open(f"{self.work}/.walgrind/last/{name}", encoding="utf-8") as file:
            return file.read()

    def report(self, form):
        return subprocess.run([os.path.abspath(sys.argv[1]), "report", f"--format={form}"], cwd=self.work, text=True,
                              stdout=subprocess.PIPE, check=False).stdout


def executed(place, options, *more):
    result = Result(place, options, "exec", "--", PYTHON, f"{HERE}/tests.py", f"--tests={options.tests}", *more)
    result.findings = json.loads(result.read("findings.json"))["findings"]
    return result


def run(place, options, more=""):
    result = Result(place, options, "run", "--no-progress", "--ready=/health",
                    f"--server={PYTHON} {HERE}/app.py --data {{data}} --port {{port}}",
                    f"--init={PYTHON} {HERE}/app.py --init {{data}}", f"--input={HERE}/app.py",
                    f"--tests={PYTHON} {HERE}/tests.py --tests={options.tests} {more}")
    events = [json.loads(line) for line in result.read("events.jsonl").splitlines()]
    result.findings = [event for event in events if event["event"] == "finding"]
    return result


def of(result, identity):
    """The first finding of that id, an empty one if there is none."""
    found = [finding for finding in result.findings if finding["id"] == identity]
    return found[0] if found else {"where": "", "command": "", "effects": [], "who": "", "tests": [], "text": ""}


def lost_locks(place, options):
    result = executed(place, options)
    finding = of(result, "close-drops-locks")
    check("exec: many tests fail", result.text.count("not ok") >= options.tests // 4, result.text)
    check("exec: the line is named", "app.py:" in finding["where"] and " snapshot\n" in finding["where"], result.text)
    check("exec: the server did it", "app.py --data" in finding["command"], finding)
    errors = [effect for effect in finding["effects"] if effect["code"] == 522]
    check("exec: it led to errors 522", errors and errors[0]["explained"] and errors[0]["count"] > 1, finding)
    check("exec: by way of the other process",
          "count.py" in of(result, "wal-unlink-by-sqlite")["command"], result.text)
    check("exec: exit code of the tests", result.code == 1, result.code)


def lost_locks_in_a_run(place, options):
    result = run(place, options)
    finding = of(result, "close-drops-locks")
    check("run: fails by the finding", result.code == 1 and "verdict: FAIL" in result.text, result.text)
    check("run: the line is named", " snapshot\n" in finding["where"], result.text)
    check("run: the server did it", finding["who"].startswith("the server of unit 1"), finding)
    check("run: in that test", any("takes_a_snapshot" in test for test in finding["tests"]), finding)


def wiped_by_tests(place, options):
    result = run(place, options, "--wipe")
    finding = of(result, "unlink-open")
    check("wipe: the rm of the tests is named", finding["command"].startswith("rm -f "), result.text)
    check("wipe: as a part of the tests", finding["who"] == "the tests, not the server", finding)
    check("wipe: in that test", any("begins_empty" in test for test in finding["tests"]), finding)
    check("wipe: failed tests say what came before", "before it began: unlink-open" in result.text, result.text)
    for form in ("junit", "json", "html", "github", "markdown", "perfetto", "tty"):
        check(f"wipe: in the report as {form}", "unlink-open" in result.report(form), form)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("walgrind")
    parser.add_argument("--tests", type=int, default=40)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="walgrind-case-study-") as place:
        for study in (lost_locks, lost_locks_in_a_run, wiped_by_tests):
            study(place, options)
    print(f"case studies: {len(problems)} problems")
    return len(problems) > 0


if __name__ == "__main__":
    sys.exit(main())
