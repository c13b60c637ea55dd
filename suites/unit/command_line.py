#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""command_line.py - the built walgrind from outside: every command's help, usage errors, the man page.

    command_line.py WALGRIND

What it checks follows from the output of `walgrind --help`, so a new command is tested without a change here. Prints
one line per failed check and exits with 1; `groff` is asked for warnings in the man page and is required.
"""
import re
import subprocess
import sys

COMMAND = re.compile(r"^  ([a-z][a-z-]*) +\S", re.M)
OPTION = re.compile(r"^  (?:-\w, )?(--[a-z][a-z-]*)", re.M)


class Checks:
    def __init__(self):
        self.count = 0
        self.failures = []

    def that(self, good, claim):
        self.count += 1
        if not good:
            self.failures.append(claim)


def call(*command, text=None):
    done = subprocess.run(command, input=text, stdin=None if text else subprocess.DEVNULL, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    return done.returncode, done.stdout, done.stderr


def check_usage_error(checks, words, mentions):
    """A usage error is exit code 2, one line on stderr that names the trouble, nothing on stdout."""
    status, out, err = call(*words)
    line = " ".join(words[1:])
    checks.that(status == 2, f"'{line}' exits with {status}, not 2")
    checks.that(out == "", f"'{line}' writes to stdout")
    checks.that(err.count("\n") == 1 and err.endswith("\n"), f"'{line}' writes {err.count(chr(10))} lines, not 1")
    checks.that(mentions in err, f"'{line}' does not mention {mentions}: {err.strip()}")


def check_command(checks, walgrind, name, man):
    status, text, err = call(walgrind, name, "--help")
    checks.that(status == 0 and err == "", f"{name} --help exits with {status}")
    checks.that(text == call(walgrind, "help", name)[1], f"'help {name}' and '{name} --help' differ")
    checks.that(max(map(len, text.splitlines())) <= 80, f"the help of {name} is wider than 80 columns")
    start = man.find(f".SS walgrind {name} ")
    checks.that(start >= 0, f"the man page has no section of {name}")
    section = man[start : man.find("\n.S", start + 1)].replace("\\-", "-")
    for option in OPTION.findall(text):
        checks.that(option == "--help" or option in section, f"the man page lacks {name} {option}")
    check_usage_error(checks, (walgrind, name, "--no-such-option-at-all"), "--no-such-option-at-all")


def check_topic(checks, walgrind, name, man):
    status, text, err = call(walgrind, "help", name)
    checks.that(status == 0 and err == "", f"help {name} exits with {status}")
    checks.that(text.startswith(f"{name}: ") and text.count("\n") > 3, f"help {name} tells nothing")
    checks.that(max(map(len, text.splitlines()), default=0) <= 80, f"the help of {name} is wider than 80 columns")
    checks.that(f".SS {name}\n" in man, f"the man page has no section of {name}")


def main():
    walgrind = sys.argv[1]
    checks = Checks()
    status, overview, _err = call(walgrind, "--help")
    checks.that(status == 0, "walgrind --help fails")
    commands, topics = overview.split("\ntopics:\n")
    names = COMMAND.findall(commands)
    status, man, _err = call(walgrind, "help", "--man")
    checks.that(status == 0, "walgrind help --man fails")
    for name in names:
        check_command(checks, walgrind, name, man)
    for name in COMMAND.findall(topics):
        check_topic(checks, walgrind, name, man)
    status, out, err = call("groff", "-man", "-K", "utf8", "-T", "utf8", "-ww", "-z", text=man)
    checks.that(status == 0 and out + err == "", f"groff warns about the man page: {err.strip()}")
    status, out, err = call(walgrind)
    checks.that(status == 2 and out == "" and "usage:" in err, "walgrind without words is not a usage error")
    status, out, err = call(walgrind, "--version")
    checks.that(status == 0 and re.fullmatch(r"walgrind \d+\.\d+\.\d+\n", out), f"version is {out!r}")
    check_usage_error(checks, (walgrind, "frobnicate"), "frobnicate")
    check_usage_error(checks, (walgrind, "help", "frobnicate"), "frobnicate")
    check_usage_error(checks, (walgrind, "help", "isolatoin"), "did you mean 'isolation'?")
    check_usage_error(checks, (walgrind, "help", "run", "list"), "one command or topic")
    check_usage_error(checks, (walgrind, "hlep"), "help")
    for failure in checks.failures:
        print(failure)
    print(f"command line: {len(names)} commands, {checks.count} checks, {len(checks.failures)} failures")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
