#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_probe.py - the probe in `walgrind run`: what it is loaded into, and what is said where it is not.

    run_probe.py WALGRIND EXAMPLES CC

EXAMPLES is docs/example, whose server is under test. Prints one line per failed check and exits with 1.
"""
import json
import os
import subprocess
import sys
import tempfile

WALGRIND, EXAMPLES, CC = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]
SERVER = f"{EXAMPLES}/notes_server.py"
OPTIONS = (f"--init=python3 {SERVER} init {{data}}", f"--input={SERVER}",
           f"--server=python3 {SERVER} serve {{data}} {{port}}", "--ready=/health", "--no-progress")
NO_LEAKS = {"LSAN_OPTIONS": "detect_leaks=0"}  # which LeakSanitizer finds by ptrace, and that is taken
PASS = "printf 'TAP version 13\\n1..1\\nok 1 - nothing\\n'"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def trace_of(work, *options):
    return subprocess.run([WALGRIND, "trace", *options], cwd=work, text=True, stdout=subprocess.PIPE,
                          check=False).stdout


class Run:
    """A run to its end, in a directory of its own below `place`."""

    def __init__(self, place, tests, *more, behind=(), **environment):
        self.work = tempfile.mkdtemp(dir=place)
        command = [*behind, WALGRIND, "run", f"--tests={tests}", *OPTIONS, *more]
        done = subprocess.run(command, cwd=self.work, text=True,
                              env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        self.code, self.text = done.returncode, done.stdout
        self.events = []
        if os.path.exists(f"{self.work}/.walgrind/last/events.jsonl"):
            with open(f"{self.work}/.walgrind/last/events.jsonl", encoding="utf-8") as file:
                self.events = [json.loads(line) for line in file]

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def trace(self, *options):
        return trace_of(self.work, *options)

    def probed(self):
        return (self.of("probed") or [{}])[-1]


def clean_run(place):
    run = Run(place, PASS)
    check("a clean run passes and says that it was watched",
          run.code == 0 and run.probed().get("processes", 0) >= 2 and run.of("finding") == [], run.text)
    check("nothing is uncovered there", run.probed().get("not_covered") == [], run.probed())
    check("the traces are kept", os.listdir(f"{run.work}/.walgrind/last/trace") != [], run.text)


def turned_off(place):
    for more in ((), ("--trace=both",)):
        run = Run(place, f'test -z "$LD_PRELOAD" && {PASS}', "--no-probe", *more)
        check(f"--no-probe loads nothing {more}", run.code == 0, run.text)
        check("and says so", run.probed().get("off") == "--no-probe" and "not covered: --no-probe" in run.text,
              run.text)
        check("and leaves no trace", not os.path.exists(f"{run.work}/.walgrind/last/trace"), run.work)


def build_static(place, name, source):
    with open(f"{place}/{name}.c", "w", encoding="utf-8") as file:
        file.write(source)
    subprocess.run([*CC, "-static", "-o", f"{place}/{name}", f"{place}/{name}.c"], check=True)
    return f"{place}/{name}"


REMOVER = """
#include <unistd.h>
int main(int argc, char **argv)
{
    return argc < 2 || unlink(argv[1]) != 0;
}
"""
LAUNCHER = """
#include <unistd.h>
int main(int argc, char **argv)
{
    char *none[] = {0};
    return argc < 2 || execve(argv[1], argv + 1, none);
}
"""
POST = ("python3 -c 'import os, urllib.request; urllib.request.urlopen(os.environ[\"WALGRIND_URL\"] + \"/notes\", "
        "b\"{}\")' 2>/dev/null")


def static_program(place):
    """The probe cannot get into it: a tracer sees what it does, or the report names it as not covered."""
    program = build_static(place, "remover", REMOVER)
    run = Run(place, f'{POST}; {program} "$WALGRIND_DB_NOTES"; {POST}; {PASS}')
    uncovered = any(program in gap for gap in run.probed().get("not_covered", []))
    named = any(program in finding["command"] for finding in run.of("finding"))
    check("a static program is watched or named as not covered", uncovered != named, run.text)
    check("what it deleted fails the run", run.code == 1, run.text)


def server_without_probe(place):
    """Behind a static program, which throws the environment away."""
    program = build_static(place, "launcher", LAUNCHER)
    run = Run(place, f"{POST}; {PASS}", f"--server={program} /usr/bin/python3 {SERVER} serve {{data}} {{port}}")
    pid = run.of("unit-started")[0]["server_pid"]
    shown = run.trace(f"--pid={pid}")
    seen = "notes.db" in shown
    check("a server that the probe was taken from is watched or named", seen != ("without the probe" in run.text),
          (shown[-3000:], run.text))


def trace_says_how(place):
    """--trace: what the probe is loaded into, what the tracer is beside of, for server and tests alike."""
    rows = (("auto", True, False), ("preload", True, False), ("seccomp", False, True), ("both", True, True))
    for how, probe, tracer in rows:
        loaded = 'test -n "$LD_PRELOAD"' if probe else 'test -z "$LD_PRELOAD"'
        run = Run(place, f"{POST}; {loaded} && {PASS}", f"--trace={how}")
        check(f"{how}: {loaded}, and the run passes", run.code == 0, run.text)
        check(f"{how}: all is covered", run.probed().get("not_covered") == [], run.probed())
        server = run.trace("--pid", str(run.of("unit-started")[0]["server_pid"]))
        check(f"{how}: the server has notes.db open", "notes.db" in server, run.text)
        check(f"{how}: the probe in the server", (" sql-" in server) == probe, server[-3000:])
        check(f"{how}: a tracer beside the server", ("[outside" in server) == tracer, server[-3000:])


def tests_are_traced(place):
    """A file that a test deletes, as each way of watching sees it: by a command, and by a static program in it."""
    program = build_static(place, "remover", REMOVER)
    for how, deletes, seen in (("seccomp", "rm", True), ("both", "rm", True), ("preload", "rm", True),
                               ("seccomp", program, True), ("both", program, True), ("preload", program, False)):
        run = Run(place, f'{POST}; {deletes} "$WALGRIND_DB_NOTES"; {POST}; {PASS}', f"--trace={how}")
        named = any(finding["command"].startswith(deletes) for finding in run.of("finding"))
        gaps = [gap for gap in run.probed().get("not_covered", []) if gap.startswith(deletes)]
        check(f"{how}: what {deletes} deleted is a finding or not covered", named == seen and (gaps == []) == seen,
              (run.of("finding"), run.text))
        check(f"{how}: the run with {deletes} does not pass as clean", run.code == 1 or "not covered" in run.text,
              run.text)


def suite_is_traced(place):
    """A suite binary, whose tests are forks of it, and the reference server with its check."""
    work = tempfile.mkdtemp(dir=place)
    for how, tracer in (("preload", False), ("both", True)):
        done = subprocess.run([WALGRIND, "run", f"--trace={how}", "--swarm", "--no-progress", "example/*"], cwd=work,
                              env=dict(os.environ, **NO_LEAKS), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        check(f"{how}: the suite passes", done.returncode == 0 and "not covered" not in done.stdout, done.stdout)
        shown = trace_of(work, "--view=process").split("== process ")
        for name in ("walgrind-api-suite", "walgrind-refserver --port", "walgrind-refserver --check"):
            outside = [part for part in shown if name in part.split("\n")[0] and "[outside" in part]
            check(f"{how}: a tracer beside {name}", (outside != []) == tracer, [part[:300] for part in shown])


def nobody_may_trace(place):
    """Where neither can work the report says so."""
    forbids = os.environ["WG_FORBID_TRACING"]
    remover = build_static(place, "remover", REMOVER)
    for how, tests, uncovered in (("auto", PASS, False), ("preload", PASS, False), ("seccomp", PASS, True),
                                  ("both", PASS, True), ("auto", f"{remover} nothing; {PASS}", True)):
        run = Run(place, tests, f"--trace={how}", behind=(forbids,), **NO_LEAKS)
        refused = [gap for gap in run.probed().get("not_covered", []) if "ptrace" in gap]
        check(f"{how}: what may not be traced is not covered", (refused != []) == uncovered, run.text)
        check(f"{how}: the report says so", ("not covered: " in run.text) == uncovered, run.text)
        check(f"{how}: the run goes on", run.code == 0, run.text)


def misspelt(place):
    work = tempfile.mkdtemp(dir=place)
    done = subprocess.run([WALGRIND, "run", "--trace=sometimes"], cwd=work, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    expected = "walgrind run: --trace takes one of auto|preload|seccomp|both, not 'sometimes'"
    said = (done.returncode, done.stderr.splitlines())
    check("a misspelt value is one line and exit code 2", said == (2, [expected]), said)
    check("and nothing was run", os.listdir(work) == [], os.listdir(work))


def watched_from_outside(place):
    work = tempfile.mkdtemp(dir=place)
    done = subprocess.run([WALGRIND, "exec", "--", WALGRIND, "run", f"--tests={PASS}", *OPTIONS], cwd=work, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          check=False)
    check("a run under exec leaves the watching to that",
          "the run itself is watched by another walgrind" in done.stdout, done.stdout)
    check("which sees its resets and finds nothing wrong", done.returncode == 0 and "0 findings" in done.stdout,
          done.stdout)


def sanitizer_is_asked(place):
    run = Run(place, f'case "$ASAN_OPTIONS" in mine=1:*verify_asan_link_order=0*) {PASS};; esac',
              ASAN_OPTIONS="mine=1")
    check("the sanitizer's own options stay", run.code == 0, run.text)


def debugger(place):
    """What looks at a test that hangs is no process of the run, and gets no probe."""
    run = Run(place, "python3 -c 'import time; time.sleep(300)'", "--timeout=1s", "--grace=200ms")
    check("a command that hangs is stopped", run.code == 1 and
          run.of("test-finished")[-1]["outcome"] == "timeout", run.text)
    commands = set()
    for name in os.listdir(f"{run.work}/.walgrind/last/trace"):
        with open(f"{run.work}/.walgrind/last/trace/{name}", "rb") as file:
            content = file.read()
        commands |= {word for word in (b"thread apply all", b"eu-stack") if word in content}
    check("who asked for its stacks is no process of the run", not commands, commands)


def main():
    with tempfile.TemporaryDirectory(prefix="walgrind-run-probe-") as place:
        for case in (clean_run, turned_off, static_program, server_without_probe, trace_says_how, tests_are_traced,
                     suite_is_traced, nobody_may_trace, misspelt, watched_from_outside, sanitizer_is_asked, debugger):
            case(place)
    print(f"the probe in runs: {len(problems)} problems")
    return len(problems) > 0


if __name__ == "__main__":
    sys.exit(main())
