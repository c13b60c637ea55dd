# SPDX-License-Identifier: MIT
"""bisect_world.py - what the tests of walgrind bisect share: repositories, looking at them, calling it.

A history is written with `git fast-import` and is the same each time for the same arguments.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

COMMITS = 200
DEADLINE = 20  # seconds for whatever is waited for
KILL_DEADLINE = 150  # seconds until a bisection has come as far as it shall be killed; sanitizers are slow
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always",
    "GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.org", "GIT_COMMITTER_DATE": "1700000000 +0000",
}


class Checks:
    def __init__(self):
        self.count = 0
        self.failures = []

    def that(self, good, claim):
        self.count += 1
        if not good:
            self.failures.append(claim)

    def equal(self, actual, expected, claim):
        self.that(actual == expected, f"{claim}: {actual!r}, expected {expected!r}")


def git(directory, *arguments, text=None, check=True):
    done = subprocess.run(["git", "-C", directory, *arguments], input=text, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


class History:
    """Commits 0..n with parents; what is bad follows from the culprit by ancestry."""

    def __init__(self, seed, culprit, broken=0.0, other=None, content=None, dates=None):
        """`content` (number) gives the files of a commit, `dates` (random source) the seconds of its date."""
        random_source = random.Random(seed)
        self.parents = [[]]
        tips = [0]
        for number in range(1, COMMITS):
            what = random_source.random()
            left = COMMITS - 1 - number
            if len(tips) > 1 and (what < 0.15 or left < len(tips)):
                side = tips.pop(random_source.randrange(1, len(tips)))
                self.parents.append([tips[0], side])
                tips[0] = number
            elif what < 0.3 and len(tips) < 5 and left > 12:
                self.parents.append([tips[0]])
                tips.append(number)
            else:
                tip = random_source.randrange(len(tips))
                self.parents.append([tips[tip]])
                tips[tip] = number
        self.culprit = culprit
        near = {0, culprit, COMMITS - 1, *self.parents[culprit]}
        self.broken = {n for n in range(COMMITS) if n not in near and random_source.random() < broken}
        self.other = other
        self.content = content or self.plain_content
        self.dates = [1700000000 + (dates(random_source) if dates else n) for n in range(COMMITS)]

    def plain_content(self, number):
        return {
            "level": "bad" if self.descends(number, self.culprit) else "good",
            "other": "bad" if self.other is not None and self.descends(number, self.other) else "good",
            "build": "broken" if number in self.broken else "works",
        }

    def descends(self, number, ancestor):
        seen, stack = set(), [number]
        while stack:
            at = stack.pop()
            if at == ancestor:
                return True
            if at not in seen:
                seen.add(at)
                stack.extend(self.parents[at])
        return False

    def write(self, directory):
        """Makes the repository and returns the ids by number."""
        os.makedirs(directory)
        git(directory, "init", "-q", "-b", "main")
        stream = []
        for number, parents in enumerate(self.parents):
            message = f"change {number} <b>&amp;'\""
            stream.append(f"commit refs/heads/main\nmark :{number + 1}\n"
                          f"committer T <t@example.org> {self.dates[number]} +0000\n"
                          f"data {len(message)}\n{message}\n")
            if parents:
                stream.append(f"from :{parents[0] + 1}\n")
            stream.extend(f"merge :{parent + 1}\n" for parent in parents[1:])
            files = {**self.content(number), "number": str(number)}
            stream.extend(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n" for name, text in files.items())
        marks = os.path.join(directory, ".git", "marks")
        git(directory, "fast-import", "--quiet", f"--export-marks={marks}", text="".join(stream))
        with open(marks, encoding="utf-8") as file:
            ids = {int(line.split()[0][1:]) - 1: line.split()[1] for line in file}
        os.remove(marks)
        git(directory, "reset", "-q", "--hard", "main")
        return ids


def make_untidy(directory):
    """A stash, a staged change, a change that is not staged, and a file that git does not know."""
    def write(name, text):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    write("number", "stashed")
    git(directory, "stash", "-q")
    write("staged", "staged\n")
    git(directory, "add", "staged")
    write("level", "changed and not committed\n")
    write("unknown", "unknown\n")


def snapshot(directory, ignored=("walgrind-bisect", "worktrees")):
    """Path, kind, mode, time and hash of everything in the checkout and in .git but what is ours."""
    seen = {}
    for root, folders, files in os.walk(directory):
        if root == os.path.join(directory, ".git"):
            folders[:] = [name for name in folders if name not in ignored]
        for name in files + folders:
            path = os.path.join(root, name)
            status = os.lstat(path)
            is_file = name in files
            content = b""
            if is_file:
                with open(path, "rb") as file:
                    content = file.read()
            seen[os.path.relpath(path, directory)] = (
                status.st_mode, status.st_mtime_ns if is_file else 0, hashlib.sha256(content).hexdigest())
    return seen


def records(directory, event="run"):
    """The whole records of the log that tell of EVENT (None: of anything); none without a log."""
    try:
        with open(os.path.join(directory, ".git/walgrind-bisect/log.jsonl"), encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [record for record in map(json.loads, lines) if event in (None, record["event"])]


class Bisection:
    def __init__(self, walgrind, directory):
        self.walgrind = walgrind
        self.directory = directory
        self.report = os.path.join(os.path.dirname(directory), "report.json")

    def call(self, *arguments, directory=None):
        return subprocess.run([self.walgrind, "bisect", *arguments], cwd=directory or self.directory, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def find(self, good, bad, command, *options):
        """The report of one whole bisection."""
        if os.path.exists(self.report):
            os.remove(self.report)
        done = self.call(*options, "--build-cost=5", f"--json={self.report}", good, bad, "--", "sh", "-c", command)
        return done, self.read_report()

    def read_report(self):
        try:
            with open(self.report, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}


def check_found(checks, done, report, culprit, claim):
    found = (report.get("culprit") or {}).get("commit")
    checks.equal((done.returncode, found), (0, culprit), f"{claim} ({done.stderr.strip()})")
    checks.that(report.get("probability", 0) >= 0.95, f"{claim}: with at least 95 %")


def left_over(directory):
    """Processes that work below a worktree of the bisection."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(os.path.join(directory, ".git/walgrind-bisect/trees/")):
                found.append(pid)
        except OSError:
            pass
    return found


def wait_until(holds, seconds=DEADLINE):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def kill_at(bisection, arguments, due):
    """Starts a bisection and ends it with SIGKILL once due() holds. True when it was still running then."""
    with subprocess.Popen([bisection.walgrind, "bisect", *arguments], cwd=bisection.directory,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        in_time = wait_until(lambda: process.poll() is not None or due(), KILL_DEADLINE)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL and in_time


def main(*parts):
    """Calls parts(checks, walgrind, place) in a place of their own; the exit code tells whether all checks held."""
    walgrind = os.path.abspath(sys.argv[1])
    os.environ.update(ENVIRONMENT)
    checks = Checks()
    place = tempfile.mkdtemp(prefix="walgrind-selftest-bisect-")
    try:
        for part in parts:
            part(checks, walgrind, place)
    finally:
        shutil.rmtree(place)
    for failure in checks.failures:
        print("FAILED:", failure[:2000])
    print(f"{checks.count} checks, {len(checks.failures)} failed")
    sys.exit(1 if checks.failures else 0)
