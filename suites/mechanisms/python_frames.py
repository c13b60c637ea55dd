#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python_frames.py - the Python frames of the probe are those that Python names itself.

    python_frames.py WALGRIND [PYTHON...]    PYTHON: programs to try; by default this one, and those of NEWER that are
                                             there

python_places.py deletes databases in Python code of every kind and asks Python, right after, where it was.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from common import traced_deletions

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES_MAX = 16  # the probe keeps as many
NEWER = ("python3.12", "python3.13")


def works(python):
    done = subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def plain(frame):
    """What Python's own dump of a traceback writes for characters that are not ASCII."""
    return frame.encode("ascii", "backslashreplace").decode("ascii")


def problems_of(walgrind, python):
    with tempfile.TemporaryDirectory(prefix="walgrind-frames-") as place:
        record = os.path.join(place, "record")
        subprocess.run([walgrind, "exec", f"--output={record}", "--", python, os.path.join(HERE, "python_places.py")],
                       cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=120)
        with open(os.path.join(place, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        found = traced_deletions(walgrind, record)
    if len(expected) < 20:
        yield f"only {len(expected)} places"
    for name, wanted in expected.items():
        got = found.get(name, [[]])[0]
        # Innermost is drop(), at another of its lines.
        if not got or not got[0].endswith(" drop") or \
                [plain(frame) for frame in got[1:]] != [plain(frame) for frame in wanted[:FRAMES_MAX - 1]]:
            yield f"{name}: Python says {wanted}, the probe {got}"


def main():
    walgrind, *pythons = sys.argv[1:]
    walgrind = os.path.abspath(walgrind)
    if not pythons:
        pythons = [sys.executable, *(found for found in map(shutil.which, NEWER) if found and works(found))]
    problems = []
    for python in pythons:
        problems += [f"{python}: {problem}" for problem in problems_of(walgrind, python)]
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(pythons)} Pythons, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
