#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reset_fastapi.py - many resets of the databases of a FastAPI application that is serving requests all the time.

    reset_fastapi.py WALGRIND [RESETS]

uvicorn holds the databases open through Python's sqlite3. Eight clients move money between accounts, write notes and
read, while `walgrind fixture serve` is asked for one reset after the other. An answer other than 200, a sum that is not
that of the template, or, after each fiftieth reset, made while the clients pause, any difference from the template ends
with 1. Prints one table. Exits with 77 when FastAPI is not installed (tools/setup does that).
"""
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WALGRIND = os.path.abspath(sys.argv[1])
RESETS = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
PYTHON = "/usr/bin/python3"  # Debian's, for which the packages are
CLIENTS = 8
ACCOUNTS = 100
PAUSE_EVERY = 50
BETWEEN_S = 0.001  # a test that sends a few requests
TEMPLATE = {"sum": ACCOUNTS * 100, "changed": 0, "entries": 0, "notes": "from the template"}
SCHEMAS = {"bank": f"""PRAGMA journal_mode = WAL;
CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE entry(id INTEGER PRIMARY KEY, giver INTEGER, taker INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
INSERT INTO account SELECT i, 100 FROM n;""", "notes": """CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO note(text) VALUES ('from the template');"""}


class Link:
    """A connection that is kept open, as a client's would be."""

    def __init__(self, url, headers=None):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self.headers = headers or {}

    def ask(self, method, path):
        try:
            self.connection.request(method, path, headers=self.headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error).encode()


class Load:
    """The clients: they run until told to stop, and can be made to pause between two requests."""

    def __init__(self, url):
        self.url = url
        self.problems = []
        self.requests = 0
        self.stopping = False
        self.running = threading.Condition()
        self.paused, self.waiting = False, 0
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(CLIENTS)]

    def run(self, number):
        link, choose = Link(self.url), random.Random(number)
        while not self.stopping and not self.problems:
            with self.running:
                self.waiting += 1
                self.running.notify_all()
                self.running.wait_for(lambda: not self.paused or self.stopping)
                self.waiting -= 1
            kind = choose.random()
            if kind < 0.5:
                giver, taker = choose.sample(range(1, ACCOUNTS + 1), 2)
                status, body = link.ask("POST", f"/transfer/{giver}/{taker}")
            elif kind < 0.6:
                status, body = link.ask("POST", "/notes")
            else:
                status, body = link.ask("GET", "/state")
            self.requests += 1
            if status != 200:
                self.problems.append(f"client {number} got {status}: {body[:300]}")
            elif body != b"{}" and json.loads(body)["sum"] != TEMPLATE["sum"]:
                self.problems.append(f"client {number} saw {body}")

    def pause(self):
        with self.running:
            self.paused = True
            self.running.wait_for(lambda: self.waiting == CLIENTS or self.problems)

    def go_on(self):
        with self.running:
            self.paused = False
            self.running.notify_all()

    def stop(self):
        self.stopping = True
        self.go_on()
        for thread in self.threads:
            thread.join()


def reset_all(control, application, load):
    """Time in microseconds of each reset that had something to do: within walgrind, and seen from here."""
    inside, outside, waited = [], [], []
    for number in range(1, RESETS + 1):
        quiet = number % PAUSE_EVERY == 0
        if quiet:
            load.pause()
        begun = time.perf_counter()
        status, body = control.ask("POST", "/reset")
        outside.append((time.perf_counter() - begun) * 1e6)
        if status != 200:
            load.problems.append(f"reset {number} got {status}: {body[:500]}")
        elif quiet and (seen := json.loads(application.ask("GET", "/state")[1])) != TEMPLATE:
            load.problems.append(f"after reset {number} the application has {seen}")
        if load.problems:
            break
        report = json.loads(body)
        inside.append(report["us"])
        waited.append(report["waited_us"])
        load.go_on()
        time.sleep(BETWEEN_S)
    return inside, outside, waited


def row(name, values):
    values = sorted(values)
    print(f"| {name} | {statistics.mean(values):.0f} | {values[len(values) // 2]:.0f} | "
          f"{values[len(values) * 99 // 100]:.0f} | {values[-1]:.0f} |")


def measure(served):
    control = Link(served["control"], {"Authorization": f"Bearer {served['token']}"})
    load = Load(served["url"])
    begun = time.monotonic()
    for thread in load.threads:
        thread.start()
    inside, outside, waited = reset_all(control, Link(served["url"]), load)
    load.stop()
    seconds = time.monotonic() - begun
    status, body = control.ask("POST", "/verify")
    sound = json.loads(body) if status == 200 else {"sound": False, "findings": [f"no answer: {body}"]}
    print("| reset of two databases under load | mean us | median us | p99 us | worst us |\n|---|---|---|---|---|")
    if inside:
        row("within walgrind", inside)
        row("of that, waiting for a transaction to end", waited)
        row("with the request that asks for it", outside)
    print(f"\n{len(inside)} resets in {seconds:.1f} s beside {load.requests} requests of {CLIENTS} clients; "
          f"{len(load.problems)} errors; {'sound' if sound['sound'] else sound['findings']} at the end")
    for problem in load.problems:
        print(problem)
    return not load.problems and sound["sound"] and load.requests > RESETS // 100


def main():
    tried = subprocess.run([PYTHON, "-c", "import fastapi, uvicorn"], stderr=subprocess.DEVNULL, check=False)
    if tried.returncode != 0:
        print("skipped: FastAPI is missing; tools/setup gets it")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="walgrind-fastapi-", dir="/dev/shm") as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        words = []
        for name, schema in SCHEMAS.items():
            with open(f"{place}/{name}.sql", "w", encoding="ascii") as file:
                file.write(schema)
            words.append(f"--sql={name}.db={place}/{name}.sql")
        template = subprocess.run([WALGRIND, "fixture", "template", *words], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.splitlines()[-1]
        server = f"RESET_DATA={{data}} exec {PYTHON} -m uvicorn --app-dir='{HERE}' --port={{port}} --log-level=error " \
                 "reset_fastapi_app:app"
        with subprocess.Popen([WALGRIND, "fixture", "serve", template, f"{place}/data", f"--server={server}",
                               "--ready=/health"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            good = bool(line) and measure(json.loads(line))
            process.stdin.close()
            ended = process.wait(timeout=30)
    sys.exit(0 if good and ended == 0 else 1)


main()
