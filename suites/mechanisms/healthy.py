#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""healthy.py - what programs rightly do with SQLite and around it: walgrind exec must find nothing.

    healthy.py WALGRIND [NAME...]         checks those, or all that take a second or two
    healthy.py --all WALGRIND [NAME...]   also the long ones: frameworks, servers under load, other people's programs
    healthy.py --run NAME                 one program, in the current directory

One false alarm, and people stop reading findings. Each program runs in a process of its own under `walgrind exec`;
its own exit code must be 0 too. What is not installed is told as skipped; tools/setup --nightly installs all. To add
one: a function with @healthy in healthy_small.py, or in healthy_real.py when it needs more than Python's library.
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import subprocess
import sys
import tempfile

from common import CANNOT, PROGRAMS

for module in ("healthy_small", "healthy_real"):
    importlib.import_module(module)


def examine(walgrind, name, place):
    """What is wrong with one program; None: it was skipped."""
    os.makedirs(place)
    record = os.path.join(place, "record")
    work = os.path.join(place, "work")
    os.makedirs(work)
    done = subprocess.run([walgrind, "exec", f"--output={record}", "--", sys.executable, os.path.abspath(__file__),
                           "--run", name], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          errors="replace", check=False, timeout=300, env=dict(os.environ, WALGRIND=walgrind))
    if done.returncode == CANNOT:
        return None
    with open(os.path.join(record, "findings.json"), encoding="utf-8") as file:
        found = json.load(file)["findings"]
    problems = [f"{name}: a false alarm, {[finding['id'] for finding in found]}"] if found else []
    if done.returncode != 0:
        problems.append(f"{name}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("walgrind", type=os.path.abspath)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    wanted = options.names or [name for name, program in PROGRAMS.items() if options.all or not program.long]
    problems, skipped = [], []
    with tempfile.TemporaryDirectory(prefix="walgrind healthy ") as place:
        os.chmod(place, 0o755)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda name: examine(options.walgrind, name, os.path.join(place, name)), wanted)
        for name, result in zip(wanted, results):
            skipped += [name] if result is None else []
            problems += result or []
    for problem in problems:
        print(f"FAIL {problem}")
    missing = f", not possible here: {skipped}" if skipped else ""
    print(f"{len(wanted)} healthy programs, {len(problems)} problems{missing}")
    sys.exit(1 if problems or len(skipped) == len(wanted) else 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--run":
        PROGRAMS[sys.argv[2]].run()
    else:
        main()
