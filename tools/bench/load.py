#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""load.py - the reference server beside FastAPI under 1, 8 and 32 clients, in one run.

    load.py BENCH_LOAD REFSERVER

Both serve the same three operations from SQLite databases on tmpfs with the same journal modes and synchronous setting,
one after the other; FastAPI runs in one process of uvicorn, as it does by default. Prints one table.
The clients share the machine with the server, so look at the ratios.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

BENCH, REFSERVER = (os.path.abspath(path) for path in sys.argv[1:3])
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
READY_S = 20
CLIENTS = 32
HASH = hashlib.sha256(b"reviewer").hexdigest()
TEI = ('<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>t</title></titleStmt>'
       '<editionStmt><edition><title>e</title><idno type="fileref">{}</idno></edition></editionStmt></fileDesc>'
       '</teiHeader><text><body><p>x</p></body></text></TEI>')


def wait_ready(url):
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"load.py: {url} is not ready after {READY_S} s")


def call(url, path, body, session=""):
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "X-Session-Id": session})
    with urllib.request.urlopen(request, timeout=READY_S) as answer:
        return json.loads(answer.read())


def prepare_files(url):
    """Makes documents whose locks are free; their ids."""
    ids = []
    session = call(url, "/api/v1/auth/login", {"username": "reviewer", "passwd_hash": HASH})["sessionId"]
    for number in range(CLIENTS):
        saved = call(url, "/api/v1/files/save", {"xml_string": TEI.format(f"doc{number}"), "file_id": f"doc{number}"},
                     session)
        call(url, "/api/v1/files/release_lock", {"file_id": saved["file_id"]}, session)
        ids.append(saved["file_id"])
    return ids


def measure(name, command, url, environment, prepare):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, **environment}) as server:
        try:
            wait_ready(url)
            subprocess.run([BENCH, name, url, "reviewer", HASH, ",".join(prepare(url))], check=True, timeout=300)
        finally:
            server.terminate()
            server.wait(READY_S)


def fastapi_is_there():
    tried = subprocess.run([PYTHON, "-c", "import fastapi, uvicorn"], stderr=subprocess.DEVNULL, check=False)
    return tried.returncode == 0


def main():
    print("| operation | server | clients | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="walgrind-load-", dir="/dev/shm") as place:
        measure("refserver", [REFSERVER, "--port=18471", f"--data={place}/a", "--log=/dev/null"],
                "http://127.0.0.1:18471", {}, prepare_files)
        if not fastapi_is_there():
            print("\nFastAPI was left out: tools/setup installs it")
            return
        os.makedirs(f"{place}/b")
        measure("FastAPI", [PYTHON, "-m", "uvicorn", f"--app-dir={HERE}", "--port=18472", "--log-level=error",
                            "load_fastapi:app"],
                "http://127.0.0.1:18472", {"LOAD_DATA": f"{place}/b"}, lambda url: [f"doc{i}" for i in range(CLIENTS)])


main()
