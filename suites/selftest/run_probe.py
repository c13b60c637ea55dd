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
PASS = "printf 'TAP version 13\\n1..1\\nok 1 - nothing\\n'"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


class Run:
    """A run to its end, in a directory of its own below `place`."""

    def __init__(self, place, tests, *more, **environment):
        self.work = tempfile.mkdtemp(dir=place)
        done = subprocess.run([WALGRIND, "run", f"--tests={tests}", *OPTIONS, *more], cwd=self.work, text=True,
                              env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        self.code, self.text = done.returncode, done.stdout
        self.events = []
        if os.path.exists(f"{self.work}/.walgrind/last/events.jsonl"):
            with open(f"{self.work}/.walgrind/last/events.jsonl", encoding="utf-8") as file:
                self.events = [json.loads(line) for line in file]

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def probed(self):
        return (self.of("probed") or [{}])[-1]


def clean_run(place):
    run = Run(place, PASS)
    check("a clean run passes and says that it was watched",
          run.code == 0 and run.probed().get("processes", 0) >= 2 and run.of("finding") == [], run.text)
    check("nothing is uncovered there", run.probed().get("not_covered") == [], run.probed())
    check("the traces are kept", os.listdir(f"{run.work}/.walgrind/last/trace") != [], run.text)


def turned_off(place):
    run = Run(place, f'test -z "$LD_PRELOAD" && {PASS}', "--no-probe")
    check("--no-probe loads nothing", run.code == 0, run.text)
    check("and says so", run.probed().get("off") == "--no-probe" and "not covered: --no-probe" in run.text, run.text)
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
    shown = subprocess.run([WALGRIND, "trace", f"--pid={pid}"], cwd=run.work, text=True, stdout=subprocess.PIPE,
                           check=False).stdout
    seen = "notes.db" in shown
    check("a server that the probe was taken from is watched or named", seen != ("without the probe" in run.text),
          (shown[-3000:], run.text))


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
        for case in (clean_run, turned_off, static_program, server_without_probe, watched_from_outside,
                     sanitizer_is_asked, debugger):
            case(place)
    print(f"the probe in runs: {len(problems)} problems")
    return len(problems) > 0


if __name__ == "__main__":
    sys.exit(main())
