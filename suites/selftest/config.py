#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""config.py - walgrind.yaml: what it sets, what goes first, and what an error says.

    config.py WALGRIND

Each row runs `walgrind run` on the reference server in a directory of its own. Prints one line per failed check and
exits with 1. To add a case: a row in WORKS or FAILS.
"""
import json
import os
import subprocess
import sys
import tempfile

TEST = "auth/*"
GENERAL = """
run:
  isolate: none
  workers: 3
  junit: general.xml
profiles:
  ci: {run: {workers: 5}}
  env:
    run:
      server-env: [A=1, "B=two words"]
"""
# Configuration, words of the command line, what the output must show, files that must exist afterwards.
WORKS = (
    (GENERAL, (), "3 workers", ("general.xml",)),
    (GENERAL, ("--profile=ci",), "5 workers", ("general.xml",)),
    (GENERAL, ("--profile=ci", "--workers=2"), "2 workers", ("general.xml",)),
    (GENERAL, ("--junit=own.xml",), "swarm:", ("own.xml",)),
    (GENERAL, ("--isolate=suite",), "isolated:", ("general.xml",)),
    (GENERAL, ("--profile=env",), "verdict: PASS", ()),
    ("run: {progress: off, isolate: none}", (), "verdict: PASS", ()),
    ("run: {both: yes, workers: 2}", ("--swarm",), "swarm:", ()),
    ("bisect: {}\n", ("--swarm",), "swarm:", ()),
    ("", ("--swarm",), "swarm:", ()),
)
# Configuration, words of the command line, the whole message.
FAILS = (
    ("run:\n  suites:\n    aut: {timeout: 1s}\n", (), "walgrind.yaml:3:5: no suite matches 'aut'"),
    ("run:\n  suites:\n    auth: {timout: 1s}\n", (),
     "walgrind.yaml:3:12: unknown key 'timout'; did you mean 'timeout'?"),
    ("run:\n  suites:\n    auth: 1s\n", (), "walgrind.yaml:3:11: auth takes keys with values, as in 'key: value'"),
    ("run:\n  wokers: 3\n", (), "walgrind.yaml:2:3: unknown key 'wokers'; did you mean 'workers'?"),
    ("run:\n  workers: many\n", (), "walgrind.yaml:2:12: --workers takes a whole number from 1 to 256, not 'many'"),
    ("rum:\n  workers: 3\n", (), "walgrind.yaml:1:1: unknown key 'rum'; did you mean 'run'?"),
    ("run:\n  progress: 7\n", (), "walgrind.yaml:2:13: this takes true or false"),
    ("run:\n  workers: [1, 2]\n", (), "walgrind.yaml:2:12: a value is missing here, or is not a single one"),
    ("run:\n  workers: 1\n  workers: 2\n", (), "walgrind.yaml:3:3: this key was there before"),
    ("run: [1]\n", (), "walgrind.yaml:1:6: run takes keys with values, as in 'key: value'"),
    ("run:\n\tworkers: 3\n", (), "walgrind.yaml:2:1: found character that cannot start any token"),
    ("run:\n  config: other.yaml\n", (), "walgrind.yaml:2:3: --config and --profile belong to the command line"),
    ("profiles: {ci: {rum: {}}}\n", ("--profile=ci",), "walgrind.yaml:1:17: unknown key 'rum'; did you mean 'run'?"),
    (GENERAL, ("--profile=cy",), "walgrind.yaml has no profile 'cy'; did you mean 'ci'?"),
    ("run: {}\n", ("--profile=ci",), "walgrind.yaml has no profiles, so none is called 'ci'"),
    (None, ("--profile=ci",), "read the configuration walgrind.yaml: No such file or directory"),
    (None, ("--config=no where.yaml",), "read the configuration no where.yaml: No such file or directory"),
)


def call(walgrind, place, text, words):
    if text is not None:
        with open(os.path.join(place, "walgrind.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
    temporary = os.path.join(place, "temporary")
    os.makedirs(temporary, exist_ok=True)
    return subprocess.run([walgrind, "run", *words, TEST], cwd=place, text=True, stdin=subprocess.DEVNULL,
                          env=os.environ | {"TMPDIR": temporary},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)


def suites_have_rules(walgrind):
    """What the file says of a suite reaches its tests, and no others."""
    text = """
run:
  isolate: none
  suites:
    "*": {timeout: 20s}
    auth: {timeout: 1ms, retries: 2, exclusive: on}
profiles:
  calm: {run: {suites: {au*: {timeout: 30s}}}}
"""
    problems = []
    with tempfile.TemporaryDirectory(prefix="walgrind config ") as place:
        done = call(walgrind, place, text, ("health",))
        with open(os.path.join(place, ".walgrind/last/events.jsonl"), encoding="utf-8") as file:
            ended = [event for event in map(json.loads, file) if event["event"] == "test-finished"]
        timeouts = {event["test"].split("/")[0] for event in ended if event["outcome"] == "timeout"}
        if done.returncode != 1 or timeouts != {"auth"}:
            problems.append(f"the deadline is not that of the rule: {done.returncode}, {timeouts}")
        if not any(event.get("try") == 3 for event in ended):
            problems.append("retries are not those of the rule")
        busy = [(event["at_ns"], event["at_ns"] - event["ms"] * 1e6) for event in ended
                if event["test"].startswith("auth/")]
        if any(begun < end for (end, _), (_, begun) in zip(busy, busy[1:])):
            problems.append("tests of an exclusive suite ran side by side")
        if call(walgrind, place, text, ("--profile=calm",)).returncode != 0:
            problems.append("the rule of a profile does not have the last word")
        done = call(walgrind, place, "run: {isolate: none, suites: {auth: {suite-timeout: 1ms}}}", ("auth", "health"))
        if done.returncode != 1 or "1 ms of its suite were over" not in done.stdout or "not-run health/" in done.stdout:
            problems.append(f"the time of a suite is not that of the rule: {done.returncode}, {done.stdout}")
    return problems


def main():
    walgrind, problems = os.path.abspath(sys.argv[1]), []
    for text, words, shows, files in WORKS:
        with tempfile.TemporaryDirectory(prefix="walgrind config ") as place:
            done = call(walgrind, place, text, words)
            output = done.stdout + done.stderr
            if done.returncode != 0 or shows not in output:
                problems.append(f"{words}: no '{shows}', exit code {done.returncode}: {output[-400:]}")
            if "--swarm" in words and "isolated:" in output:
                problems.append(f"{words}: the command line does not go first")
            if text.startswith("run: {progress: off") and done.stderr:
                problems.append(f"progress: off writes to stderr: {done.stderr[:200]}")
            problems += [f"{words}: left {name}" for name in os.listdir(os.path.join(place, "temporary"))]
            problems += [f"{words}: no {name}" for name in files if not os.path.exists(os.path.join(place, name))]
    for text, words, message in FAILS:
        with tempfile.TemporaryDirectory(prefix="walgrind config ") as place:
            done = call(walgrind, place, text, words)
            if (done.returncode, done.stderr, done.stdout) != (2, f"walgrind run: {message}\n", ""):
                problems.append(f"{text!r}: expected '{message}', got {done.returncode} {done.stderr}")
            if os.path.exists(os.path.join(place, ".walgrind")):
                problems.append(f"{text!r}: a run was begun")
    with tempfile.TemporaryDirectory(prefix="walgrind config ") as place:
        text = "run: {server: ./app, init: ./app, input: [x], server-env: [A=1], check: none, both: true}"
        done = call(walgrind, place, text, ("--server-url=http://127.0.0.1:1",))
        if "no server answers at http://127.0.0.1:1" not in done.stderr:
            problems.append(f"--server-url does not replace the server of the file: {done.stderr}")
    problems += suites_have_rules(walgrind)
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(WORKS) + len(FAILS)} cases, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
