#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bisect_refserver.py - one bisection with everything real: compiler, server, tests, kill -9.

    bisect_refserver.py WALGRIND REFSERVER API_SUITE

200 commits with merges hold a C program that starts the reference server with the options of that commit. Since commit
CULPRIT the server leaks a lock in one run of five; some commits do not compile; dates say nothing about the order. The
command is `walgrind run` with one test of the API suite. walgrind bisect is killed three times on the way, and must
name the culprit in the end, without a trace in the checkout and without processes left over.

Which runs fail follows from WALGRIND_SEED and --build-cost is fixed, so the course is the same each time.
"""
import os
import sys

from bisect_world import (COMMITS, Bisection, History, check_found, kill_at, left_over, main, make_untidy, records,
                          snapshot, wait_until)

CULPRIT = 131
KILLED_AFTER = (3, 40, 110)  # runs in the log

START_C = r"""
#include "options.h"
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char *own[] = {OPTIONS NULL}, *all[64] = {getenv("WALGRIND_REFSERVER")};
    int count = 1;
    for (int i = 1; i < argc && count < 40; i++)
        all[count++] = argv[i];
    for (int i = 0; own[i]; i++)
        all[count++] = own[i];
    execv(all[0], all);
    return 1;
}
"""


class ServerHistory(History):
    def __init__(self):
        super().__init__(21, CULPRIT, broken=0.15, content=self.sources, dates=lambda source: source.randrange(10**7))

    def sources(self, number):
        # One test releases two locks: a leak in 10 of 100 calls fails one run of five.
        options = '"--break=leak-lock:10",' if self.descends(number, self.culprit) else '"--threads=4",'
        return {"start.c": START_C + ("does not compile" if number in self.broken else ""),
                "options.h": f"#define OPTIONS {options}\n"}


def finds_the_leak(checks, walgrind, place):
    os.environ["WALGRIND_REFSERVER"] = os.path.abspath(sys.argv[2])
    os.environ["XDG_CACHE_HOME"] = os.path.join(place, "cache")
    os.environ["UPLOAD_DIR"] = os.path.join(place, "uploads")
    history = ServerHistory()
    directory = os.path.join(place, "repository")
    ids = history.write(directory)
    make_untidy(directory)
    before = snapshot(directory)
    bisection = Bisection(walgrind, directory)
    arguments = [
        "--seed=5", "--build-cost=5", "--budget=600", "--provoke=off", f"--json={bisection.report}",
        "--build=cc -o start start.c", ids[0], ids[COMMITS - 1], "--", walgrind, "run", "--isolate=none",
        '--init="$WALGRIND_REFSERVER" --init-only --data {data}', "--server=./start --port {port} --data {data}",
        "--ready=/health", f"--suite-binary={os.path.abspath(sys.argv[3])}", "files_locks/released_lock_is_gone"]
    known = []
    for runs in KILLED_AFTER:
        checks.that(kill_at(bisection, arguments, lambda wanted=runs: len(records(directory)) >= wanted),
                    f"killed after {runs} runs")
        checks.that(wait_until(lambda: not left_over(directory)), f"killed after {runs} runs: all that it started ends")
        checks.equal(snapshot(directory), before, f"killed after {runs} runs: checkout, index and stash are untouched")
        checks.equal(records(directory)[:len(known)], known, f"killed after {runs} runs: what was known stays known")
        known = records(directory)
    done = bisection.call(*arguments)
    report = bisection.read_report()
    check_found(checks, done, report, ids[CULPRIT], "the commit that leaks locks")
    checks.equal(snapshot(directory, ignored=("walgrind-bisect",)), before,
                 "checkout, index, stash, refs and configuration are untouched at the end")
    checks.equal([run["n"] for run in records(directory)], list(range(1, len(records(directory)) + 1)),
                 "no run is lost or counted twice")
    checks.that(report.get("untestable", 0) > 0, "some commits did not compile, and the report says so")
    shares = {node["commit"]: node for node in report.get("evidence", [])}
    checks.that(not any(shares[ids[n]]["failures"] for n in range(COMMITS)
                        if ids[n] in shares and not history.descends(n, CULPRIT)), "no good commit failed")
    print(f"{report.get('runs')} runs of {report.get('tested')} commits")


main(finds_the_leak)
