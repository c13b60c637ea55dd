#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""whole_run.py - the same sixty API tests by walgrind, pytest-xdist and node --test, against one running server.

    whole_run.py WALGRIND REFSERVER SUITE FLOOR [--rounds=N]

From the first process to the verdict, wall time and CPU (user + system) of the runner and its tests, without the
server's. FLOOR sends the same requests and does nothing else: what the server itself needs. Runners take turns, so that
what else the machine does hits all alike; the table has medians. The row that the others are compared with is without
the probe, since nothing watches what their tests do to files either. Exit code 1 when one of them takes less than five
times our CPU.
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = 4
TARGET = 5


def commands(walgrind, suite, floor, url):
    run = [walgrind, "run", "--no-progress", f"--suite-binary={suite}", f"--server-url={url}", f"--workers={WORKERS}"]
    return {
        "the requests alone": [floor, url, str(WORKERS)],
        "walgrind run": [*run, "--no-probe"],
        "walgrind run, tests under the probe": run,
        "pytest -n 4, httpx": ["/usr/bin/python3", "-m", "pytest", "-q", "-n", str(WORKERS), "-p", "no:cacheprovider",
                               os.path.join(HERE, "whole_pytest.py")],
        "node --test, fetch": ["node", "--test", os.path.join(HERE, "whole_node.test.mjs")],
    }


def measure(command, url, place):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          check=False, env={**os.environ, "WALGRIND_URL": url, "PYTHONDONTWRITEBYTECODE": "1"})
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"whole_run.py: {command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    rounds = next((int(word.split("=")[1]) for word in sys.argv if word.startswith("--rounds=")), 7)
    walgrind, refserver, suite, floor = map(os.path.realpath, sys.argv[1:5])
    with tempfile.TemporaryDirectory(prefix="walgrind-bench-") as place:
        server = subprocess.Popen([refserver, "--port=0", f"--data={place}/data", "--log=/dev/null"], text=True,
                                  stdout=subprocess.PIPE, env={**os.environ, "FASTAPI_APPLICATION_MODE": "testing"})
        try:
            url = server.stdout.readline().split()[1]
            rows = commands(walgrind, suite, floor, url)
            for command in rows.values():
                measure(command, url, place)  # caches are warm
            samples = {name: [] for name in rows}
            for _ in range(rounds):
                for name, command in rows.items():
                    samples[name].append(measure(command, url, place))
        finally:
            server.terminate()
            server.wait()
    medians = {name: [statistics.median(column) for column in zip(*pairs)] for name, pairs in samples.items()}
    wall, cpu = medians["walgrind run"]
    print("| runner | wall | CPU | wall against ours | CPU against ours |\n|---|---|---|---|---|")
    for name, (its_wall, its_cpu) in medians.items():
        print(f"| {name} | {its_wall * 1000:.0f} ms | {its_cpu * 1000:.0f} ms | {its_wall / wall:.2f}x | "
              f"{its_cpu / cpu:.1f}x |")
    peers = [its_cpu / cpu for name, (_, its_cpu) in medians.items() if name.startswith(("pytest", "node"))]
    sys.exit(0 if min(peers) >= TARGET else 1)


if __name__ == "__main__":
    main()
