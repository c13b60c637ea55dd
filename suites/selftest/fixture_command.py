#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fixture_command.py - walgrind fixture: templates, clones, and resets asked for by tests in Python, Node and shell.

    fixture_command.py WALGRIND EXAMPLES

EXAMPLES is docs/example, whose scripts run as they are. Prints one line per failed check and exits with 1.
"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

WALGRIND, EXAMPLES = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SCHEMA = "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES ('template');"
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def call(*words, **options):
    return subprocess.run([WALGRIND, "fixture", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False, **options)


def usage_errors(place, template):
    os.mkdir(f"{place}/no template")
    for words, message in (((), "say what to do: template, list, prune, clone, reset, verify, diff or serve"),
                           (("clon",), "unknown action 'clon'; did you mean 'clone'?"),
                           (("template",), "nothing to build from: give --sql=DB=FILE or --init=COMMAND"),
                           (("clone", template), "as in: walgrind fixture clone TEMPLATE DIRECTORY"),
                           (("clone", f"{place}/none", f"{place}/x"), f"no template at {place}/none"),
                           (("clone", f"{place}/no template", f"{place}/x"), f"{place}/no template is no template"),
                           (("serve", template), "as in: walgrind fixture serve TEMPLATE DIRECTORY -- COMMAND"),
                           (("serve", template, f"{place}/x", "--", "no-such-command"), "run no-such-command"),
                           (("serve", template, f"{place}/y", "--reset=fast", "--", "true"), "fast")):
        done = call(*words)
        check(f"{words}: one line and exit code 2", (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr)
        check(f"{words}: says {message}", message in done.stderr, done.stderr)
        check(f"{words}: leaves nothing", not os.path.exists(f"{place}/x") and not os.path.exists(f"{place}/y"))


def ask(served, method, path, token=None):
    request = urllib.request.Request(served["control"] + path, method=method, data=b"{}" if method == "POST" else None)
    request.add_header("Authorization", f"Bearer {served['token'] if token is None else token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def resets_while_open(served):
    """One connection of another process stays open over all resets, and sees each."""
    db = sqlite3.connect(f"{served['data']}/app.db", isolation_level=None, timeout=5)
    for _ in range(50):
        db.execute("INSERT INTO t VALUES ('test')")
        db.execute("CREATE TABLE made_by_test(b)")
        status, report = ask(served, "POST", "/reset")
        check("a reset answers 200", status == 200, report)
        check("and tells how", report["databases"][0]["strategy"] == "discard", report)
        rows = db.execute("SELECT a FROM t").fetchall()
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        check("the open connection sees the template", (rows, tables) == ([("template",)], 1), (rows, tables))
    with open(f"{served['data']}/more.txt", "w", encoding="ascii") as file:
        file.write("left by a test")
    ask(served, "POST", "/reset")
    check("other files go away too", not os.path.exists(f"{served['data']}/more.txt"))
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO t VALUES ('open')")
    status, report = ask(served, "POST", "/reset")
    check("an open transaction is told", status == 409 and report["databases"][0].get("pid") == os.getpid(), report)
    check("and not overrun", db.execute("SELECT count(*) FROM t").fetchone()[0] == 2)
    db.execute("ROLLBACK")
    check("afterwards it works", ask(served, "POST", "/reset")[0] == 200)
    db.close()
    status, report = ask(served, "POST", "/verify")
    check("the set is sound", (status, report["sound"]) == (200, True), report)


def resets_from_many_at_once(served):
    codes = []

    def reset():
        codes.append(ask(served, "POST", "/reset")[0])
    threads = [threading.Thread(target=reset) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("16 resets at once are all answered", codes == [200] * 16, codes)


def refuses_strangers(served):
    for claim, wanted, answer in (("no token", 401, ask(served, "POST", "/reset", "")),
                                  ("a wrong token", 401, ask(served, "POST", "/reset", "x" * 32)),
                                  ("part of the token", 401, ask(served, "POST", "/reset", served["token"][:31])),
                                  ("an unknown path", 404, ask(served, "POST", "/../../etc/passwd")),
                                  ("another method", 405, ask(served, "GET", "/reset"))):
        check(f"{claim} gets {wanted}", answer[0] == wanted and "error" in answer[1], answer)
    status, about = ask(served, "GET", "/")
    check("GET / describes", (status, about["databases"][0]["path"]) == (200, "app.db"), about)
    with open("/proc/net/tcp", encoding="ascii") as file:
        port = f"{int(served['control'].rsplit(':', 1)[1]):04X}"
        listens = [line.split()[1] for line in file if line.split()[3] == "0A" and line.split()[1].endswith(port)]
    check("only loopback is listened on", listens == [f"0100007F:{port}"], listens)


def serves(place, template):
    with subprocess.Popen([WALGRIND, "fixture", "serve", template, f"{place}/served"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        served = json.loads(process.stdout.readline())
        resets_while_open(served)
        resets_from_many_at_once(served)
        refuses_strangers(served)
        port = served["control"].rsplit(":", 1)[1]
        taken = call("serve", template, f"{place}/second", f"--port={port}", "--", "true")
        check("a port in use is told", taken.returncode == 3 and f"127.0.0.1:{port}" in taken.stderr, taken.stderr)
        process.stdin.close()
        check("the end of its input ends it with 0", process.wait(timeout=20) == 0)
    check("its directory is gone", not os.path.exists(f"{place}/served"))
    with subprocess.Popen([WALGRIND, "fixture", "serve", template, f"{place}/kept", "--keep"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        check("SIGTERM ends it with 0", process.wait(timeout=20) == 0)
    check("--keep keeps", os.path.exists(f"{place}/kept/app.db"))
    check("the exit code is the command's", call("serve", template, f"{place}/code", "--", "sh", "-c",
                                                 "exit 7").returncode == 7)
    check("and its directory goes", not os.path.exists(f"{place}/code"))


def examples_work(place):
    for name, command in (("fixture.sh", ["sh"]), ("fixture_test.py", ["python3"]),
                          ("fixture.test.mjs", ["node", "--test"])):
        inner = [*command, os.path.join(EXAMPLES, name)]
        done = subprocess.run(["sh", os.path.join(EXAMPLES, "fixture-run.sh"), *inner], cwd=place, text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env=dict(os.environ, PATH=f"{os.path.dirname(WALGRIND)}:{os.environ['PATH']}"))
        check(f"the example {name} works", done.returncode == 0, done.stdout[-800:])


def main():
    with tempfile.TemporaryDirectory(prefix="walgrind 'fixture' ") as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        with open(f"{place}/schema.sql", "w", encoding="ascii") as file:
            file.write(SCHEMA)
        done = call("template", f"--sql=app.db={place}/schema.sql")
        template = done.stdout.splitlines()[-1] if done.stdout else ""
        check("a template is built", done.returncode == 0 and os.path.exists(f"{template}/app.db"), done.stderr)
        check("and found again", call("template", f"--sql=app.db={place}/schema.sql").stdout.strip() == template)
        check("a clone is made", call("clone", template, f"{place}/copy").returncode == 0
              and os.path.exists(f"{place}/copy/app.db"))
        check("not over another", call("clone", template, f"{place}/copy").returncode != 0)
        usage_errors(place, template)
        serves(place, template)
        examples_work(place)
        with open(f"{template}/app.db", "ab") as file:
            file.write(b"damage")
        damaged = call("clone", template, f"{place}/damaged")
        check("a changed template is refused", damaged.returncode == 3 and "changed since" in damaged.stderr,
              damaged.stderr)
    sys.exit(1 if problems else 0)


main()
