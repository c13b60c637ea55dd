#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refserver_load.py - the reference server under concurrent clients: no race, no error, a clean end.

    refserver_load.py WALGRIND-REFSERVER [--break KIND]

Starts the server on a free port with data of its own, lets CLIENTS threads at it for ROUNDS rounds each (sessions,
users, configuration, event counters: reads and writes of every kind of state that its threads share), stops it with
SIGTERM. Fails on an answer of 500 or more, on a missing answer, on an exit status other than 0, and on anything that a
sanitizer wrote. Meant for a build with ThreadSanitizer, useful in every build.

With --break the server misbehaves and the test must notice: then it exits 0 when it found something and 1 when not.
"""
import argparse
import hashlib
import http.client
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse

CLIENTS = 8
ROUNDS = 12
READY_TIMEOUT_S = 60
REQUEST_TIMEOUT_S = 10
STOP_TIMEOUT_S = 10
API = "/api/v1"
SANITIZER = ("ThreadSanitizer", "AddressSanitizer", "runtime error:", "LeakSanitizer")


class Client:
    """One connection with one session; every answer of 500 or more is a problem."""

    def __init__(self, port, problems):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)
        self.problems = problems
        self.session = None
        self.requests = 0

    def call(self, method, path, body=None, expected=(200, 201)):
        headers = {"Content-Type": "application/json"}
        if self.session:
            headers["X-Session-ID"] = self.session
        self.requests += 1
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in expected:
            self.problems.append(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text) if answer.status < 300 and text else None

    def login(self, name, password):
        digest = hashlib.sha256(password.encode()).hexdigest()
        view = self.call("POST", API + "/auth/login", {"username": name, "passwd_hash": digest})
        self.session = view and view["sessionId"]


def one_round(client, name):
    """What one client does once; `name` is its own."""
    client.login("admin", "admin")
    client.call("GET", API + "/auth/status")
    client.call("POST", API + "/users", {"username": name, "passwd_hash": "secret", "fullname": name, "email": "",
                                         "roles": ["user"], "groups": ["default"]})
    client.call("GET", API + "/users/" + name)
    client.call("GET", API + "/users")
    client.call("POST", API + "/config/set", {"key": "load." + name, "value": 1})
    client.call("GET", API + "/config/list")
    client.call("GET", API + "/files/list")
    client.call("GET", "/__stats")
    client.call("DELETE", API + "/users/" + name)
    client.call("POST", API + "/auth/logout")
    client.session = None
    client.call("GET", "/health")


def work(number, port, problems, served):
    client = Client(port, problems)
    try:
        for count in range(ROUNDS):
            one_round(client, f"load{number}x{count}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        problems.append(f"client {number}: {type(error).__name__}: {error}")
    served.append(client.requests)
    client.connection.close()


def wait_ready(server):
    """The port of the line 'ready http://ADDRESS:PORT'; None when it does not come."""
    lines = queue.Queue()
    threading.Thread(target=lambda: lines.put(server.stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=READY_TIMEOUT_S)
    except queue.Empty:
        return None
    return urllib.parse.urlsplit(line.split()[1]).port if line.startswith("ready ") else None


def load(port, problems):
    served = []
    threads = [threading.Thread(target=work, args=(n, port, problems, served)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(served)


def stop(server, problems):
    server.send_signal(signal.SIGTERM)
    try:
        status = server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        problems.append("did not stop on SIGTERM")
        server.kill()
        status = server.wait()
    if status != 0:
        problems.append(f"ended with {status}")


def main():
    parser = argparse.ArgumentParser(description="the reference server under concurrent clients")
    parser.add_argument("program")
    parser.add_argument("--break", dest="kind")
    options = parser.parse_args()
    problems = []
    requests = 0
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile("w+", errors="replace") as log:
        command = [options.program, "--port", "0", "--data", data + "/data", "--threads", str(CLIENTS)]
        command += ["--break", options.kind] if options.kind else []
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            port = wait_ready(server)
            if port is None:
                problems.append("never said ready")
            else:
                requests = load(port, problems)
            stop(server, problems)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
            server.stdout.close()
        log.seek(0)
        said = log.read()
        first = min((said.find(word) for word in SANITIZER if word in said), default=-1)
        if first >= 0:
            problems.append(said[max(0, first - 100) : first + 6000])
    for problem in problems[:10]:
        print(problem)
    print(f"refserver load: {CLIENTS} clients, {requests} requests, {len(problems)} problems")
    return int(bool(problems) != bool(options.kind))


if __name__ == "__main__":
    sys.exit(main())
