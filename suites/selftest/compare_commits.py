#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_commits.py - walgrind compare of two commits: worktrees, builds, runs in turns, and what is left behind.

    compare_commits.py WALGRIND

Prints one line per failed check and exits with 1.
"""
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

WALGRIND = os.path.abspath(sys.argv[1])
# What a commit tests with is in its file `flags`; `built` is there only when the build was made.
COMMAND = ["sh", "-c", f"test -e built && exec {shlex.quote(WALGRIND)} run --swarm --no-progress $(cat flags) "
           "auth groups"]
BUILD = "test ! -e broken || { echo no such header; exit 1; }; touch built"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def git(place, *words):
    return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x", *words], cwd=place, check=True,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def commit(place, tag, **files):
    for name, text in files.items():
        with open(f"{place}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    git(place, "add", "-A")
    git(place, "commit", "-qm", tag, "--allow-empty")
    git(place, "tag", tag)


def start(place, *words):
    return subprocess.Popen([WALGRIND, "compare", *words], cwd=place, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def compare(place, *words, command=None):
    with start(place, *words, "--", *(COMMAND if command is None else command)) as process:
        out, err = process.communicate(timeout=170)
    return process.returncode, out, err


def expect_untouched(place, when):
    check(f"{when}: the checkout is untouched", git(place, "status", "--porcelain") == "?? mine\n",
          git(place, "status", "--porcelain"))
    worktrees = git(place, "worktree", "list")
    check(f"{when}: no worktree is left", worktrees.count("\n") == 1, worktrees)
    left = [name for name in os.listdir(f"{place}/.git") if "walgrind" in name]
    check(f"{when}: nothing is left in .git", not left, left)


def compares(place):
    code, out, err = compare(place, f"--build={BUILD}", "--runs=2", "good", "bad")
    check("a regression between commits: exit 1", code == 1 and "verdict: REGRESSION" in out, (code, out, err))
    check("its runs are added up", re.search(r"new failure: groups/\S+ \(none\): 0 of 2 -> 2 of 2", out), out)
    order = re.findall(r"^run (\d) of 2: (good|bad), (passed|failed)$", err, re.M)
    check("they ran in turns", order == [("1", "good", "passed"), ("1", "bad", "failed"), ("2", "good", "passed"),
                                         ("2", "bad", "failed")], err)
    check("both were built", re.findall(r"^building (\w+) \(", err, re.M) == ["good", "bad"], err)
    expect_untouched(place, "compared")
    code, out, err = compare(place, f"--build={BUILD}", "--runs=1", "bad", "good")
    check("the other way: exit 0", code == 0 and "fixed: groups/" in out, (code, out, err))


def keeps(place):
    compare(place, f"--build={BUILD}", "--runs=1", "--keep", "good", "bad")
    code, out, err = compare(place, f"--build={BUILD}", "--runs=1", "--keep", "good", "bad")
    check("with --keep nothing is built again", code == 1 and "building" not in err, (code, out, err))
    check("runs of before do not count", "0 of 1 -> 1 of 1" in out, out)
    code, out, err = compare(place, f"--build={BUILD}", "--runs=1", "--keep", "good", "bad", command=["true"])
    check("nor in place of one that was not recorded", code == 2 and "recorded no run" in err, (code, err))
    compare(place, f"--build={BUILD}", "--runs=1", "good", "bad")
    expect_untouched(place, "after --keep")


def refuses(place):
    for claim, words, command, wanted, message in (
            ("the same content", ["good", "twin"], None, 2, "good and twin have the same content"),
            ("an unknown revision", ["good", "nowhere"], None, 2, "nowhere"),
            ("a build that fails", ["good", "broken"], None, 3, "the build of broken failed: no such header"),
            ("a command that records nothing", ["good", "bad"], ["true"], 2, "recorded no run"),
            ("a command that cannot be run", ["good", "bad"], ["no-such-command"], 3, "no-such-command"),
            ("a command that breaks", ["good", "bad"], ["sh", "-c", "echo oh; exit 7"], 3, "of good failed: oh")):
        code, _out, err = compare(place, f"--build={BUILD}", "--runs=1", *words, command=command)
        said = [line for line in err.splitlines() if line.startswith("walgrind compare: ")]
        check(f"{claim}: exit {wanted}, one line", (code, len(said)) == (wanted, 1) and message in said[0], (code, err))
        expect_untouched(place, claim)
    code, _out, err = compare("/", "good", "bad")
    check("no repository: exit 2", code == 2 and "repository" in err, (code, err))
    done = subprocess.run([WALGRIND, "compare", "--build=make", "good", "bad"], cwd=place, capture_output=True,
                          text=True, check=False)
    check("--build without a command: exit 2", done.returncode == 2 and "after --" in done.stderr, done.stderr)


def stops(place):
    with start(place, f"--build={BUILD}", "--runs=1000", "good", "bad", "--", *COMMAND) as process:
        while process.stderr.read(1) != ",":  # the first run has ended
            pass
        code, _out, err = compare(place, "--runs=1", "good", "bad")
        check("a second one at the same time: exit 3", code == 3 and "being compared already" in err, (code, err))
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _out, err = process.communicate(timeout=60)
        check("Ctrl-C: exit 3, at once", process.returncode == 3 and "interrupted" in err and
              time.monotonic() - begun < 20, (process.returncode, err))
    expect_untouched(place, "interrupted")


with tempfile.TemporaryDirectory(prefix="walgrind 'commits' ") as directory:
    git(directory, "init", "-q", "-b", "main", ".")
    commit(directory, "good", flags="", **{".gitignore": ".walgrind\nbuilt\n"})
    commit(directory, "twin")
    commit(directory, "bad", flags="--server-arg=--break=wrong-status")
    commit(directory, "broken", broken="")
    git(directory, "switch", "-q", "--detach", "good")
    with open(f"{directory}/mine", "w", encoding="ascii") as mine:
        mine.write("not committed")
    compares(directory)
    keeps(directory)
    refuses(directory)
    stops(directory)
sys.exit(1 if problems else 0)
