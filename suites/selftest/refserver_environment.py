#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refserver_environment.py - cases of the API contract that need a reference server of their own.

    refserver_environment.py SERVER

AUTH-X33 a short session timeout, STOR-X10 what a restart keeps, migration 4 what it changes, STOR-X11 what is seeded
and what is left alone, the time limit of validation; and the rules by which the environment, its file and the command
line go before each other. Prints one line per failed check and exits with 1.
"""
import contextlib
import glob
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SERVER = os.path.abspath(sys.argv[1])
START_S = 20
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


class Running:
    """A server on a free port; ends with the block."""

    def __init__(self, data, *arguments, cwd=None, **environment):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("FASTAPI_", "SESSION_"))}
        self.process = subprocess.Popen([SERVER, "--port=0", f"--data={data}", *arguments], text=True, cwd=cwd,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**inherited, **environment})
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.terminate()
        check("the server stops when asked to", self.process.wait(START_S) == 0, self.process.returncode)

    def call(self, method, path, body=None, session=None):
        """Status and answer."""
        headers = {"Content-Type": "application/json", **({"X-Session-Id": session} if session else {})}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method, headers=headers,
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, timeout=START_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def login(self, name):
        password = hashlib.sha256(name.encode()).hexdigest()
        return self.call("POST", "/auth/login", {"username": name, "passwd_hash": password})[1]["sessionId"]


def session_expires(place):
    """AUTH-X33: a session that is used lives on, one that is not ends."""
    with Running(f"{place}/timeout", SESSION_TIMEOUT="2") as server:
        used, idle = server.login("user"), server.login("user")
        end = time.monotonic() + 4
        statuses = []
        while time.monotonic() < end:
            statuses.append(server.call("GET", "/auth/status", session=used)[0])
            time.sleep(0.5)
        check("a session in use outlives the timeout", set(statuses) == {200}, statuses)
        check("an idle session expires", server.call("GET", "/auth/status", session=idle)[0] == 401)


def restart_keeps(place):
    """STOR-X10: sessions, locks and files are there after a restart."""
    data = f"{place}/restart"
    tei = ('<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>t</title></titleStmt>'
           '<editionStmt><edition><title>e</title><idno type="fileref">doc1</idno></edition></editionStmt></fileDesc>'
           '</teiHeader><text><body><p>x</p></body></text></TEI>')
    with Running(data) as server:
        session = server.login("reviewer")
        status, saved = server.call("POST", "/files/save", {"xml_string": tei, "file_id": "doc1"}, session)
        check("a document is saved", status == 200, saved)
    with Running(data) as server:
        check("the session lives on", server.call("GET", "/auth/status", session=session)[0] == 200)
        check("the file is there", server.call("GET", f"/files/{saved['file_id']}/metadata", session=session)[0] == 200)
        other = server.login("annotator")
        status, locks = server.call("POST", "/files/check_lock", {"file_id": saved["file_id"]}, other)
        check("the lock is still held", locks.get("is_locked") is True, locks)


def restart_encodes_document_ids(place):
    """Migration 4: ids that are not encoded are, once, at the next start; a copy from before is left."""
    data, ids = f"{place}/migrate", ("10.1234/abc:d", "plain", "10.1234__abc", "kept$3A$as it is/")
    template = ('<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt>'
                '<title>t</title></titleStmt><editionStmt><edition><title>e</title>'
                '<idno type="fileref">%s</idno></edition></editionStmt></fileDesc></teiHeader>'
                '<text><body><p>x</p></body></text></TEI>')

    def documents():
        with contextlib.closing(sqlite3.connect(f"file:{data}/db/metadata.db?mode=ro", uri=True)) as db:
            live = db.execute("SELECT doc_id, sync_status = 'modified' FROM files WHERE deleted = 0")
            return (sorted(live.fetchall()),
                    db.execute("SELECT version FROM migration_history").fetchall(),
                    len(glob.glob(f"{data}/db/metadata_backup_*.db")))
    with Running(data) as server:
        session = server.login("reviewer")
        for name in ids:
            body = {"xml_string": template % name, "file_id": name}
            status, saved = server.call("POST", "/files/save", body, session)
            check(f"{name} is saved", status == 200, saved)
    before = documents()
    check("the ids are stored as they are", sorted(row[0] for row in before[0]) == sorted(ids), before)
    check("nothing is migrated yet", before[1:] == ([], 0), before)
    encoded = "10.1234__abc$3A$d"
    for round_number in (1, 2):
        with Running(data) as server:
            after = documents()
            check(f"start {round_number}: ids are encoded where they were not",
                  [row[0] for row in after[0]] == sorted([encoded, *ids[1:]]), after)
            check("that row is modified", (encoded, 1) in after[0], after)
            check("once, with a copy from before", after[1:] == ([(4,)], 1), after)


def helpers_of(server):
    """Process ids of the children of a server."""
    with open(f"/proc/{server}/task/{server}/children", encoding="ascii") as children:
        found = set(children.read().split())
    for task in os.listdir(f"/proc/{server}/task"):
        with open(f"/proc/{server}/task/{task}/children", encoding="ascii") as children:
            found |= set(children.read().split())
    return found


def until(holds):
    """What `holds` gives as soon as that is true, or its last answer after START_S."""
    end = time.monotonic() + START_S
    while not (answer := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


def document(schema, depth):
    return {"xml_string": f'<?xml-model href="http://schemas.invalid/{schema}" '
                          'schematypens="http://relaxng.org/ns/structure/1.0"?>'
                          f"<note>{'<a>' * depth}<b/>{'</a>' * depth}</note>"}


def validation_ends(place):
    """A schema whose check takes forever: a warning when the time is up, and no process that goes on."""
    choices = "".join("<element name='a'><ref name='any'/></element>" for _ in range(3))
    schema = ("<grammar xmlns='http://relaxng.org/ns/structure/1.0'><start><element name='note'><ref name='any'/>"
              f"</element></start><define name='any'><choice>{choices}<empty/></choice></define></grammar>")
    cache = f"{place}/validation/schema/cache/schemas.invalid"
    os.makedirs(cache)
    for name in ("endless.rng", "tei_all.rng"):
        with open(f"{cache}/{name}", "w", encoding="ascii") as file:
            file.write(schema)
    with Running(f"{place}/validation", "--validation-limit=3") as server:
        status, answer = server.call("POST", "/validate", document("endless.rng", 3))
        check("a short document is checked", status == 200 and answer["errors"][0]["severity"] is None, answer)
        for name, limit in (("endless.rng", 3), ("tei_all.rng", 1)):
            start = time.monotonic()
            status, answer = server.call("POST", "/validate", document(name, 40))
            took = time.monotonic() - start
            place_of = [(error["severity"], error["line"], error["column"]) for error in answer["errors"]]
            check(f"{name}: one warning", status == 200 and place_of == [("warning", 1, 1)], answer)
            check(f"{name}: after {limit} s, not before", f"after {limit} seconds" in answer["errors"][0]["message"] and
                  took >= limit, (took, answer))
        check("no helper goes on", helpers_of(server.process.pid) == set(), helpers_of(server.process.pid))


def validation_dies_with_its_server(place):
    """A server that is killed while a schema is being checked leaves no process."""
    data = f"{place}/validation"
    process = subprocess.Popen([SERVER, "--port=0", f"--data={data}"], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    host, port = process.stdout.readline().split("/")[2].strip().split(":")
    body = json.dumps(document("endless.rng", 40)).encode()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body)
        helpers = until(lambda: helpers_of(process.pid))
        check("a helper is at work", len(helpers) == 1, helpers)
        process.kill()
        process.wait()
    gone = until(lambda: not [pid for pid in helpers if os.path.exists(f"/proc/{pid}")])
    check("it dies with the server", gone, helpers)


def seeding_rules(place):
    """STOR-X11: a configuration file that exists is left alone; missing settings are added."""
    data, config = f"{place}/seed", f"{place}/config dir"
    os.makedirs(config)
    for name, content in (("users.json", [{"username": "only", "passwd_hash": hashlib.sha256(b"only").hexdigest(),
                                           "fullname": "Only", "roles": ["*"], "groups": ["*"]}]),
                          ("config.json", {"own.key": 1, "session.timeout": 3600})):
        with open(f"{config}/{name}", "w", encoding="utf-8") as file:
            json.dump(content, file)
    with Running(data, f"--config-dir={config}") as server:
        session = server.login("only")
        check("users come from the directory", bool(session))
        server.call("POST", "/config/set", {"key": "own.key", "value": 2}, session)
    with Running(data, f"--config-dir={config}") as server:
        status, value = server.call("GET", "/config/get/own.key", session=server.login("only"))
        check("what was changed is not seeded again", (status, value) == (200, 2), (status, value))


def environment_goes_before_its_file(place):
    os.makedirs(f"{place}/cwd")
    with open(f"{place}/cwd/.env.fastapi", "w", encoding="utf-8") as file:
        file.write("# comment\n  port = nonsense\nAPPLICATION_MODE=\"production\"\nDATA_ROOT=/nowhere\n")
    for environment, mode in (({}, "production"), ({"APPLICATION_MODE": "development"}, "development")):
        with Running(f"{place}/env", cwd=f"{place}/cwd", **environment) as server:
            status, value = server.call("GET", "/config/get/application.mode", session=server.login("admin"))
            check(f"the mode is {mode}", (status, value) == (200, mode), (status, value))


with tempfile.TemporaryDirectory(prefix="walgrind environment ") as directory:
    os.environ["TMPDIR"] = directory
    session_expires(directory)
    restart_keeps(directory)
    restart_encodes_document_ids(directory)
    validation_ends(directory)
    validation_dies_with_its_server(directory)
    seeding_rules(directory)
    environment_goes_before_its_file(directory)
sys.exit(1 if problems else 0)
