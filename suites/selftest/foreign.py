#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""foreign.py - walgrind run --tests: commands in any language as tests, and what is wrong with some.

    foreign.py WALGRIND EXAMPLES

EXAMPLES is docs/example, whose server is under test. Prints one line per failed check and exits with 1.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

WALGRIND, EXAMPLES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = f"{EXAMPLES}/notes_server.py"
OPTIONS = (f"--init=python3 {SERVER} init {{data}}", f"--input={SERVER}",
           f"--server=python3 {SERVER} serve {{data}} {{port}}", "--ready=/health")
PYTHON = f"python3 {HERE}/foreign_tests.py {{junit}}"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


class Run:
    """A run to its end, in a directory of its own below `place`."""

    def __init__(self, place, tests, *more, options=OPTIONS):
        self.work = tempfile.mkdtemp(dir=place)
        self.done = subprocess.run([WALGRIND, "run", f"--tests={tests}", *options, *more], cwd=self.work, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   timeout=60, check=False)
        self.code, self.text = self.done.returncode, self.done.stdout + self.done.stderr
        self.events = read_events(f"{self.work}/.walgrind/last/events.jsonl")

    def tests(self):
        return {event["test"]: event for event in self.of("test-finished")}

    def outcomes(self):
        return {name: event["outcome"] for name, event in self.tests().items()}

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]


def read_events(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def python_with_junit(place):
    run = Run(place, PYTHON)
    check("Python's tests pass", run.code == 0 and "verdict: PASS  7 tests" in run.text, run.text)
    check("each is named and known", sorted(run.outcomes().items()) == [
        ("Notes/test_break", "passed"), ("Notes/test_clone_is_another_place", "passed"),
        ("Notes/test_data_is_where_it_says", "passed"), ("Notes/test_first_note_is_number_1", "passed"),
        ("Notes/test_first_note_is_number_1_again", "passed"), ("Notes/test_skipped", "skipped"),
        ("Notes/test_verify", "passed")], run.outcomes())
    check("in the mode of one unit", {(e["mode"], e["unit"]) for e in run.of("test-finished")} == {("none", 1)})
    check("each has begun", len(run.of("test-started")) == 7)
    check("the time is the file's", run.tests()["Notes/test_verify"]["ms"] == 1)
    check("databases are verified", [e["ok"] for e in run.of("verified")] == [True], run.of("verified"))
    check("the command is in the record", run.events[0].get("tests") == PYTHON)
    check("reasons are told", "skipped: 1 x not today" in run.text, run.text)
    failed = Run(place, f"{PYTHON} fail")
    check("a failed test fails the run", failed.code == 1 and failed.outcomes()["Notes/test_break"] == "failed",
          failed.text)
    check("with its words", "it was told to" in failed.done.stdout, failed.text)
    check("and nothing beside it", "tests/command" not in failed.outcomes())
    check("and a command that repeats it", f"repeat: walgrind run '--tests={PYTHON} fail'" in failed.text, failed.text)
    check("its databases are kept", failed.of("unit-finished")[0].get("kept", "-").startswith(failed.work))
    damaged = Run(place, f"{PYTHON} file")
    check("a database written behind SQLite's back fails the run", damaged.code == 1
          and [e["ok"] for e in damaged.of("verified")] == [False], damaged.text)
    reports(run, failed)


def reports(run, failed):
    for form in ("tty", "tap", "tap13", "json", "junit", "html", "github", "markdown", "perfetto"):
        done = subprocess.run([WALGRIND, "report", f"--format={form}", "-o", f"report.{form}"], cwd=failed.work,
                              text=True, capture_output=True, timeout=60, check=False)
        with open(f"{failed.work}/report.{form}", encoding="utf-8") as file:
            says = "test_break" in file.read().replace("\\_", "_")
        check(f"the report {form} has the failure", done.returncode == 1 and says, done.stderr)
    runs = [f"{one.work}/.walgrind/last" for one in (run, failed)]
    done = subprocess.run([WALGRIND, "compare", *runs], text=True, capture_output=True, timeout=60, check=False)
    check("compare names the regression", done.returncode == 1 and "Notes/test_break" in done.stdout, done.stdout)
    with open(f"{failed.work}/.walgrind/history.json", encoding="utf-8") as file:
        check("the history knows", json.load(file)["tests"]["Notes/test_break"]["failed"] is True)
    with open(f"{failed.work}/.walgrind/last/tests.xml", encoding="utf-8") as file:
        check("what the tests wrote is kept", "test_break" in file.read())


def node_with_tap(place):
    run = Run(place, f"node --test --test-reporter=tap {HERE}/foreign_tests.mjs")
    check("node's tests pass", run.code == 0, run.text)
    check("subtests are named by their parents", run.outcomes() == {
        "tests/a server answers": "passed", "notes.of node/come back": "passed",
        "notes.of node/can be awaited # by number": "passed", "notes.of node/later": "skipped",
        "notes.of node/break": "passed"}, run.outcomes())
    failed = Run(place, f"BREAK=fail node --test --test-reporter=tap {HERE}/foreign_tests.mjs")
    broken = failed.tests().get("notes.of node/break", {})
    check("a failed one fails the run", failed.code == 1 and broken.get("outcome") == "failed", failed.text)
    check("with its place", broken.get("file", "").endswith("/foreign_tests.mjs") and broken["line"] > 10, broken)
    check("and its words", "ERR_ASSERTION" in json.dumps(broken), broken)
    check("the parent does not count again", len(failed.outcomes()) == 5, failed.outcomes())


def shell_with_tap(place):
    run = Run(place, f"sh {EXAMPLES}/notes.sh")
    check("shell's tests pass", run.code == 0, run.text)
    check("directives are obeyed", list(run.outcomes().values()) == ["passed"] * 4 + ["skipped"] * 2, run.outcomes())
    replaced = "test \"$WALGRIND_URL\" = {url} && test \"$WALGRIND_DATA\" = '{data}'"
    by_place = Run(place, f"{replaced} && echo 1..1 && echo ok")
    check("placeholders are replaced", by_place.code == 0, by_place.text)


def pytest(place):
    if not shutil.which("pytest") or subprocess.run(["pytest", "--version"], capture_output=True,
                                                    check=False).returncode != 0:
        print("pytest is not here: its own JUnit XML is not tried")
        return
    tests = f"pytest -q -p no:cacheprovider --rootdir={EXAMPLES} --junitxml={{junit}} {EXAMPLES}/test_notes.py"
    run = Run(place, tests)
    check("the example for pytest works", run.code == 0 and set(run.outcomes()) == {
        "test_notes/test_first_note_is_number_1", "test_notes/test_note_comes_back[plain]",
        "test_notes/test_note_comes_back[with 'quotes']", "test_notes/test_note_comes_back[\\xfc]",
        "test_notes/test_note_is_in_the_database"}, run.text)
    with open(f"{place}/test_it.py", "w", encoding="ascii") as file:
        file.write("def test_it():\n    assert 1 == 2\n")
    run = Run(place, f"pytest -q -p no:cacheprovider --junitxml={{junit}} {place}/test_it.py")
    check("a failed test has pytest's words", run.code == 1 and "assert 1 == 2" in run.done.stdout, run.text)


def commands_that_fail(place):
    with open(f"{place}/half.xml", "w", encoding="ascii") as file:
        file.write("<testsuite><testcase name='a'/>")
    for tests, outcome, says in (
            ("echo 1..1; echo ok; exit 3", "exited", "ended with exit 3, though no test failed"),
            ("echo usage: this; exit 2", "exited", "there is no TAP in the output"),
            ("true", "failed", "there is no TAP in the output"),
            ("echo 1..0", "failed", "ran no test"),
            ("echo 1..2; echo ok", "failed", "the plan says 2 tests, and there were 1"),
            ("echo ok", "failed", "there is no plan"),
            ("echo 1..1; echo ok; echo 'Bail out! no disk'", "failed", "Bail out! no disk"),
            ("echo 1..1; echo ok; kill -SEGV $$", "crashed", "died from signal 11"),
            ("echo {junit}", "failed", "wrote no results to {junit}"),
            ("echo {junit}; exit 4", "exited", "exit 4, though no test failed; it wrote no results to {junit}"),
            (f"cp {place}/half.xml {{junit}}", "failed", "tests.xml:1: "),
            ("echo '<testsuite/>' > {junit}", "failed", "ran no test"),
            ("echo '<html/>' > {junit}", "failed", "it begins with <html>")):
        run = Run(place, tests)
        event = run.tests().get("tests/command", {})
        check(f"'{tests}' is {outcome}, exit code 1", (run.code, event.get("outcome")) == (1, outcome), run.text)
        check(f"'{tests}' is told in one line", says in event.get("reason", "") and "\n" not in event["reason"], event)
        check(f"'{tests}': what it printed is shown", ("usage: this" in event.get("output", "")) == ("usage" in tests))
    for tests in ("no-such-program --x", "/dev/null"):
        run = Run(place, tests)
        check(f"'{tests}' cannot be started: 3", run.code == 3 and "the tests cannot be started: " in run.text
              and tests.split(maxsplit=1)[0] in run.text, run.text)
    run = Run(place, "echo 1..2; echo ok; sleep 300 & sleep 300", "--timeout=2s", "--grace=200ms")
    check("the deadline is the command's", run.code == 1 and run.outcomes() == {
        "tests/1": "passed", "tests/command": "timeout"}, run.text)
    took = run.tests().get("tests/command", {})
    names, servers = (re.findall(r"^process (\d+) (\S+)", took.get(key, ""), re.M)
                      for key in ("stacks", "server_stacks"))
    check("the stacks of the command and of what it started are told", sorted(name for _, name in names)
          == ["sh", "sleep", "sleep"] and "stacks of the server:" in run.text, took)
    check("and those of the server",
          [int(pid) for pid, _ in servers] == [run.of("unit-started")[0]["server_pid"]], took)
    run = Run(place, "trap '' TERM; echo 1..2; while :; do sleep 0.1; done", "--timeout=300ms", "--grace=200ms")
    check("who does not listen is killed", run.code == 1 and run.outcomes() == {"tests/command": "timeout"}, run.text)
    run = Run(place, "echo 1..1; echo ok; sleep 300 &")
    check("what is left behind does not hold it up", run.code == 0, run.text)


def servers_that_fail(place):
    noisy = [f"--server=echo 'sqlite3.OperationalError: disk I/O error'; exec python3 {SERVER} serve {{data}} {{port}}"]
    run = Run(place, "echo 1..1; echo ok", options=[*OPTIONS[:2], *noisy, OPTIONS[3]])
    check("an I/O error in the server's log fails the run", run.code == 1 and "evidence" in run.text
          and run.outcomes() == {"tests/1": "passed"}, run.text)
    run = Run(place, "echo 1..1; echo ok", options=[*OPTIONS[:2], "--server=echo no config; exit 4"])
    check("a server that does not start fails the run", run.code == 1 and "no config" in run.text
          and run.outcomes() == {"tests/command": "not-run"}, run.text)
    with open(f"{place}/mortal.py", "w", encoding="ascii") as file:
        file.write("import http.server, os, sys\n"
                   "class Mortal(http.server.BaseHTTPRequestHandler):\n"
                   "    def do_GET(self):\n"
                   "        os._exit(9)\n"
                   "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Mortal).serve_forever()\n")
    run = Run(place, "curl -s {url}/; echo 1..1; echo ok",
              options=[*OPTIONS[:2], f"--server=python3 {place}/mortal.py {{port}}"])
    check("a server that dies fails the run", run.code == 1 and len(run.of("server-died")) == 1, run.text)


def a_server_that_initialises_itself(place):
    server = (f"[ -e {{data}}/notes.db ] || (python3 {SERVER} init {{data}}; echo run >>{place}/inits); "
              f"exec python3 {SERVER} serve {{data}} {{port}}")
    for _ in range(2):
        run = Run(place, PYTHON, "--input=" + SERVER, options=[f"--server={server}", "--ready=/health"])
        check("without --init the server makes the databases", run.code == 0 and len(run.of("verified")) == 1, run.text)
    with open(f"{place}/inits", encoding="ascii") as file:
        check("once", file.read() == "run\n")
    run = Run(place, "echo 1..1; echo ok", options=["--server=python3 -m http.server --bind 127.0.0.1 {port}"])
    check("one that makes none is refused", run.code == 2 and "made no database in {data}" in run.text, run.text)


def rounds(place):
    count = f"{place}/count"
    tests = f"echo >> {count}; test $(wc -l < {count}) -lt 3; echo \"<testsuite><testcase name='t'>"
    tests += "$(test $? = 0 || echo '<failure/>')</testcase></testsuite>\" > {junit}"
    run = Run(place, tests, "--until-fail")
    check("it is repeated until it fails", [e["outcome"] for e in run.of("test-finished")]
          == ["passed", "passed", "failed"], run.text)
    check("each round on a server of its own", len({e["server_pid"] for e in run.of("unit-started")}) == 3)
    run = Run(place, f"test -e {place}/once || cp {place}/one.xml {{junit}}; touch {place}/once", "--repeat=2")
    check("a file of the round before is no result", [e["outcome"] for e in run.of("test-finished")]
          == ["passed", "failed"], run.text)


def refusals(place):
    for more, says in ((["--isolate=suite"], "cannot isolate"), (["--both"], "--both is for the tests"),
                       (["--retries=2"], "--retries is for"), (["--shuffle"], "--shuffle is for"),
                       (["--seed=2"], "--seed is for"), (["--workers=2"], "--workers is for"),
                       (["--copies=2"], "--copies is for"), (["--flaky=fail"], "--flaky is for"),
                       (["-E", "slow"], "--filter is for"), (["--failed"], "--failed is for"),
                       (["--suite-binary=/bin/true"], "--suite-binary is for"), (["a/*"], "'a/*' selects nothing")):
        run = Run(place, "echo started > it", *more)
        check(f"{more} is refused", run.code == 2 and says in run.text, run.text)
        check(f"{more}: in one line", run.text.count("\n") == 1, run.text)
        check(f"{more}: nothing is started", not os.listdir(run.work), os.listdir(run.work))
    run = Run(place, "echo 1..1; echo ok", "--isolate=none")
    check("what it does anyway may be said", run.code == 0, run.text)


def configuration(place):
    work = tempfile.mkdtemp(dir=place)
    with open(f"{work}/walgrind.yaml", "w", encoding="utf-8") as file:
        json.dump({"run": {"tests": "echo 1..1; echo ok of the file", "init": OPTIONS[0].split("=", 1)[1],
                           "server": OPTIONS[2].split("=", 1)[1], "ready": "/health"}}, file)
    done = subprocess.run([WALGRIND, "run"], cwd=work, text=True, capture_output=True, timeout=60, check=False)
    events = read_events(f"{work}/.walgrind/last/events.jsonl")
    check("walgrind.yaml can name the tests", done.returncode == 0
          and [e["test"] for e in events if e["event"] == "test-finished"] == ["tests/of the file"], done.stderr)
    with open(f"{work}/walgrind.yaml", "w", encoding="utf-8") as file:
        json.dump({"run": {"suite-binary": "/bin/false", "both": True, "workers": 2, "retries": 1, "flaky": "fail",
                           "copies": 2, "shuffle": True, "seed": 3, "filter": "slow", "failed": True}}, file)
    done = subprocess.run([WALGRIND, "run", "--tests=echo 1..1; echo ok", *OPTIONS], cwd=work, text=True,
                          capture_output=True, timeout=60, check=False)
    check("--tests replaces the suite of the file", done.returncode == 0, done.stderr)


def somebody_elses_server(place):
    data = tempfile.mkdtemp(dir=place)
    subprocess.run(["python3", SERVER, "init", data], check=True)
    with subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"], cwd=data, text=True,
                          env=dict(os.environ, PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as server:
        url = server.stdout.readline().split("(")[1].split(")")[0].rstrip("/")
        tests = "curl -fsS {url}/ >/dev/null && test -z \"$WALGRIND_DATA$WALGRIND_CONTROL\" && echo 1..1 && echo ok"
        run = Run(place, tests, options=[f"--server-url={url}"])
        check("the server of somebody else can be tested", run.code == 0, run.text)
        with urllib.request.urlopen(url, timeout=10) as answer:
            check("and goes on", answer.status == 200)
        server.terminate()


def left_processes(place):
    """Those with the place in their environment: all that were started below it."""
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if int(pid) != os.getpid() and f"XDG_CACHE_HOME={place}".encode() in file.read():
                    with open(f"/proc/{pid}/cmdline", "rb") as line:
                        left.append(line.read().replace(b"\0", b" "))
        except OSError:
            pass
    return left


def await_file(path):
    deadline = time.monotonic() + 30
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.unlink(path)


def questions(place):
    work = tempfile.mkdtemp(dir=place)
    tests = f"touch {place}/begun; while ! test -e {place}/go; do sleep 0.05; done; echo 1..1; echo ok"
    with subprocess.Popen([WALGRIND, "run", f"--tests={tests}", *OPTIONS], cwd=work, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        await_file(f"{place}/begun")
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        with open(f"{place}/go", "w", encoding="ascii"):
            pass
        out, err = process.communicate(timeout=30)
    check("SIGUSR1 stops nothing", process.returncode == 0, out + err)


def interrupts(place):
    for signals, tests in ((1, f"sleep 300 & touch {place}/begun; wait"),
                           (2, f"trap '' INT TERM; touch {place}/begun; while :; do sleep 0.1; done")):
        work = tempfile.mkdtemp(dir=place)
        with subprocess.Popen([WALGRIND, "run", f"--tests={tests}", *OPTIONS, "--grace=20s"], cwd=work, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            await_file(f"{place}/begun")
            for _ in range(signals):
                process.send_signal(signal.SIGINT)
                time.sleep(0.2)
            out, err = process.communicate(timeout=15)
        check(f"{signals} x Ctrl-C ends the run with 3", process.returncode == 3 and "INCOMPLETE" in out, out + err)
        check(f"{signals} x Ctrl-C: the command is not-run", "not-run tests/command" in out, out)
        check(f"{signals} x Ctrl-C: no process is left", not left_processes(place), left_processes(place))


def main():
    with tempfile.TemporaryDirectory(prefix="walgrind-foreign-") as place:
        sandbox = f"{place}/sandbox"
        os.mkdir(sandbox)
        os.environ.update(XDG_CACHE_HOME=f"{place}/cache", WALGRIND_SANDBOX=sandbox)
        with open(f"{place}/one.xml", "w", encoding="ascii") as file:
            file.write("<testsuite><testcase name='t'/></testsuite>")
        for part in (python_with_junit, node_with_tap, shell_with_tap, pytest, commands_that_fail, servers_that_fail,
                     a_server_that_initialises_itself, rounds, refusals, configuration, somebody_elses_server,
                     questions, interrupts):
            part(place)
        check("no process is left", not left_processes(place), left_processes(place))
        check("no sandbox is left", not [name for name in os.listdir(sandbox) if name[0] != "."], os.listdir(sandbox))
    print("ok" if not problems else f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
