# SPDX-License-Identifier: MIT
"""checks.py - what self-tests made of many small checks share: how a check is registered, and how they are run.

A check is a function with @check; it gets a place, whatever the program makes of a directory of its own, and returns
sentences about what is wrong.
"""
import os
import sys
import tempfile

CHECKS = {}


def check(function):
    assert function.__name__ not in CHECKS, f"two checks are named {function.__name__}"
    CHECKS[function.__name__] = function
    return function


def run_checks(make_place, names):
    """Runs the checks of these names, or all; prints one line per problem and exits with 1 when there is one."""
    problems = []
    wanted = names or list(CHECKS)
    program = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    with tempfile.TemporaryDirectory(prefix=f"walgrind {program} ") as root:
        for name in wanted:
            path = os.path.join(root, name)
            os.mkdir(path)
            problems += [f"{name}: {problem}" for problem in CHECKS[name](make_place(path))]
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(wanted)} checks, {len(problems)} problems")
    sys.exit(1 if problems else 0)
