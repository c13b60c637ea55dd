#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_counts.py - the last line of tools/test counts what ran: tried on rows as meson writes them.

    test_counts.py TOOLS-TEST
"""
import importlib.machinery
import importlib.util
import sys

SYNTHESIS = "[====] Synthesis: Tested: {} | Passing: {} | Failing: {} | Crashing: {} \n"

# label, meson's result, what the program wrote on stderr, (passed, failed, skipped)
CASES = (
    ("a program without Criterion counts once", "OK", "", (1, 0, 0)),
    ("and fails once", "FAIL", "", (0, 1, 0)),
    ("a Criterion program counts as its tests", "OK", SYNTHESIS.format(5, 5, 0, 0), (5, 0, 0)),
    ("failures and crashes are failures", "FAIL", SYNTHESIS.format(5, 3, 1, 1), (3, 2, 0)),
    ("a bad end behind good tests is a failure", "ERROR", SYNTHESIS.format(2, 2, 0, 0), (2, 1, 0)),
    ("a timeout is a failure", "TIMEOUT", "", (0, 1, 0)),
    ("a test killed with the run is a failure", "INTERRUPT", "", (0, 1, 0)),
    ("an expected failure passed", "EXPECTEDFAIL", "", (1, 0, 0)),
    ("an unexpected pass is a failure", "UNEXPECTEDPASS", "", (0, 1, 0)),
    ("a skipped test is neither", "SKIP", "", (0, 0, 1)),
)


def main():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("tools_test", sys.argv[1])
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tools_test", loader))
    loader.exec_module(module)
    failures = 0
    for label, result, err, expected in CASES:
        counts = module.count_test({"name": "x", "result": result, "stdout": "", "stderr": err})
        if (counts.passed, counts.failed, counts.skipped) != expected:
            failures += 1
            print(f"{label}: {counts}")
    print(f"test counts: {len(CASES)} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
