# SPDX-License-Identifier: MIT
"""tests.py - the tests of app.py, which tell their results as TAP.

    python3 tests.py [--tests=N] [--wipe]

They run against WALGRIND_URL and WALGRIND_DATA (`walgrind run`), else start a server of their own (`walgrind exec`).
With --wipe a helper wants to begin with empty databases and deletes them, as the second case study has it.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


def ask(method, path):
    request = urllib.request.Request(os.environ["WALGRIND_URL"] + path, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def logs_in(number):
    assert ask("POST", f"/login/user{number}")["name"] == f"user{number}"


def keeps_documents(number):
    for title in ("first", "second"):
        ask("POST", f"/documents/user{number}/{title}")
    titles = ask("GET", f"/documents/user{number}")["titles"]
    assert titles == ["first", "second"], titles


def takes_a_snapshot(number):
    ask("POST", "/snapshots")


def counts_all(number):
    database = os.path.join(os.environ["WALGRIND_DATA"], "metadata.db")
    printed = subprocess.run([sys.executable, os.path.join(HERE, "count.py"), database], stdout=subprocess.PIPE,
                             check=True).stdout
    assert int(printed) > 0, printed


def begins_empty(number):
    subprocess.run('rm -f "$WALGRIND_DATA"/*.db "$WALGRIND_DATA"/*.db-wal "$WALGRIND_DATA"/*.db-shm', shell=True,
                   check=True)


def plan(options):
    """Logins and documents all along; the special one after the first few."""
    special = [begins_empty] if options.wipe else [takes_a_snapshot, counts_all]
    tests = [logs_in, keeps_documents] * (options.tests // 2)
    return tests[:4] + special + tests[4:]


def run(tests):
    failed = 0
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        try:
            test(number)
            print(f"ok {number} - {test.__name__} {number}", flush=True)
        except (AssertionError, urllib.error.URLError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"not ok {number} - {test.__name__} {number}\n# {error}", flush=True)
    return failed


def start_server(directory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, os.path.join(HERE, "app.py")]
    subprocess.run(program + ["--init", directory], check=True)
    os.environ.update(WALGRIND_URL=f"http://127.0.0.1:{port}", WALGRIND_DATA=directory)
    server = subprocess.Popen(program + ["--data", directory, "--port", str(port)], stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            ask("GET", "/health")
            return server
        except urllib.error.URLError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=int, default=40)
    parser.add_argument("--wipe", action="store_true")
    options = parser.parse_args()
    if "WALGRIND_URL" in os.environ:
        return run(plan(options)) > 0
    with tempfile.TemporaryDirectory() as directory:
        server = start_server(directory)
        try:
            return run(plan(options)) > 0
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
