#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fixture_command.py - walgrind fixture: templates, clones, and resets asked for by tests in Python, Node and shell.

    fixture_command.py WALGRIND EXAMPLES

EXAMPLES is docs/example, whose scripts run as they are. Prints one line per failed check and exits with 1.
"""
import json
import os
import shlex
import signal
import socket
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
                           (("template",), "nothing to build from: give --sql=DB=FILE, --init=COMMAND or"),
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


def ask(served, method, path, token=None, base=None):
    request = urllib.request.Request((base or served["control"]) + path, method=method,
                                     data=b"{}" if method == "POST" else None)
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


def diffs(served):
    """Looking is no touching: the lock is kept, and the next reset is as cheap as before."""
    db = sqlite3.connect(f"{served['data']}/app.db", isolation_level=None, timeout=5)
    check("without a change", ask(served, "GET", "/diff") == (200, {"changed": False, "databases": []}))
    db.executemany("INSERT INTO t VALUES (?)", [("a",), ("b",), ("c",)])
    status, answer = ask(served, "GET", "/diff?rows=1")
    table = answer["databases"][0]["tables"][0] if answer["databases"] else {}
    check("a diff counts all", (status, answer["changed"], table.get("inserted")) == (200, True, 3), answer)
    check("and shows so many", [row["values"]["a"] for row in table.get("rows", [])] == ["a"], answer)
    for rows in ("-1", "x", "", "1000001"):
        check(f"rows={rows} is refused", ask(served, "GET", f"/diff?rows={rows}")[0] == 400)
    strategy = ask(served, "POST", "/reset")[1]["databases"][0]["strategy"]
    check("the next reset is cheap", strategy == "discard", strategy)
    checkpoint = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    check("the lock is kept", checkpoint == 1, checkpoint)
    check("the set is sound", ask(served, "POST", "/verify")[1]["sound"])
    db.close()


def clones(served):
    """Clones of a parallel run: each its own data, resets and end."""
    made = [ask(served, "POST", "/clone") for _ in range(3)]
    check("clones are made", [status for status, _ in made] == [201] * 3, made)
    urls = [answer["control"] for _, answer in made]
    places = [answer["directory"] for _, answer in made]
    check("each at its own place", len(set(urls) | set(places)) == 6, made)
    dbs = [sqlite3.connect(f"{place}/app.db", isolation_level=None, timeout=5) for place in places]
    for db in dbs:
        db.execute("INSERT INTO t VALUES ('test')")
    counts = [db.execute("SELECT count(*) FROM t").fetchone()[0] for db in dbs]
    check("changes stay in their clone", counts == [2, 2, 2], counts)
    check("one is reset", ask(served, "POST", "/reset", base=urls[1])[0] == 200)
    counts = [db.execute("SELECT count(*) FROM t").fetchone()[0] for db in dbs]
    check("the others are not", counts == [2, 1, 2], counts)
    changed = [ask(served, "GET", "/diff", base=url)[1]["changed"] for url in urls]
    check("each is compared", changed == [True, False, True], changed)
    check("one is verified", ask(served, "POST", "/verify", base=urls[2])[1]["sound"])
    for db in dbs:
        db.close()
    check("one is removed", ask(served, "DELETE", "", base=urls[1])[0] == 200)
    check("with its directory", [os.path.exists(place) for place in places] == [True, False, True])
    for method, path, wanted in (("POST", "/clones/2/reset", 404), ("DELETE", "/clones/2", 404),
                                 ("POST", "/clones/99/reset", 404), ("POST", "/clones/1x/reset", 404),
                                 ("POST", "/clones/-1/reset", 404), ("POST", "/clones//reset", 404),
                                 ("POST", "/clones/1/../2/reset", 404), ("POST", "/clones/1/clone", 404),
                                 ("POST", f"/clones/{2 ** 64 + 1}/reset", 404), ("DELETE", "/", 405)):
        status = ask(served, method, path)[0]
        check(f"{method} {path} gets {wanted}", status == wanted, status)
    status, answer = ask(served, "POST", "/clone")
    check("numbers are not used again", answer["control"].endswith("/clones/4"), answer)


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


def raw(served, line, token):
    """The status that a request line of one's own gets; HTTP libraries tidy paths up."""
    with socket.create_connection(("127.0.0.1", int(served["control"].rsplit(":", 1)[1])), timeout=20) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
                           "Content-Length: 0\r\n\r\n".encode("latin-1"))
        answer = connection.makefile("rb").read().split(b" ")
        return int(answer[1]) if len(answer) > 1 else 0


def stays_inside(served, place):
    """No path in a request, no link in the data leads to somebody else's files; no request goes without the token."""
    outside, data = f"{place}/outside", served["data"]
    os.mkdir(outside)
    other = sqlite3.connect(f"{outside}/other.db")
    other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE precious(a); INSERT INTO precious VALUES ('secret')")
    other.close()

    def state():
        with open(f"{outside}/other.db", "rb") as file:
            return os.listdir(outside), file.read(), os.stat(f"{outside}/other.db").st_mtime_ns
    before = state()
    for line in ("POST /../reset", "POST /%2e%2e/reset", "POST /clones/%2e%2e/reset", "POST //reset", "POST /reset/",
                 f"POST {outside}/other.db", "POST /clone/../../outside", "DELETE /clones/..", "DELETE /..",
                 "DELETE /clones/1/../..", "GET /diff/../../etc/passwd", "GET /%2fetc%2fpasswd", "POST /reset%2f..",
                 "GET /" + "a/" * 4000):
        status = raw(served, line, served["token"])
        check(f"{line[:40]} is refused", status in (404, 405, 413, 414, 431), status)
        check(f"{line[:40]} without the token too", raw(served, line, "") in (401, 413, 414, 431))
    for line in ("GET /", "GET /diff", "POST /reset", "POST /verify", "POST /clone", "DELETE /clones/1"):
        check(f"{line} needs the token", raw(served, line, "") == 401)
    os.rename(f"{data}/app.db", f"{place}/away.db")
    for claim, link in (("a symbolic link", os.symlink), ("a hard link", os.link)):
        link(f"{outside}/other.db", f"{data}/app.db")
        ask(served, "POST", "/reset")
        status, report = ask(served, "POST", "/verify")
        check(f"{claim} in the place of a database is told", not report.get("sound"), report)
        status, diff = ask(served, "GET", "/diff")
        check(f"{claim} shows nothing of the other database", "secret" not in json.dumps(diff), diff)
        check(f"{claim}: the other database is as it was", state() == before, state()[0])
        os.unlink(f"{data}/app.db")
    os.rename(f"{place}/away.db", f"{data}/app.db")
    os.symlink(outside, f"{data}/linked")
    ask(served, "POST", "/reset")
    check("a linked directory goes, what it leads to stays", state() == before and not os.path.exists(f"{data}/linked"))
    status, report = ask(served, "POST", "/verify")
    check("and the set is sound", (status, report["sound"]) == (200, True), report)


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
        diffs(served)
        clones(served)
        resets_from_many_at_once(served)
        stays_inside(served, place)
        refuses_strangers(served)
        port = served["control"].rsplit(":", 1)[1]
        taken = call("serve", template, f"{place}/second", f"--port={port}", "--", "true")
        check("a port in use is told", taken.returncode == 3 and f"127.0.0.1:{port}" in taken.stderr, taken.stderr)
        process.stdin.close()
        check("the end of its input ends it with 0", process.wait(timeout=20) == 0)
    left = [name for name in os.listdir(place) if name.startswith("served")]
    check("its directory is gone, and those of clones", not left, left)
    with subprocess.Popen([WALGRIND, "fixture", "serve", template, f"{place}/kept", "--keep"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        check("SIGTERM ends it with 0", process.wait(timeout=20) == 0)
    check("--keep keeps", os.path.exists(f"{place}/kept/app.db"))
    check("the exit code is the command's", call("serve", template, f"{place}/code", "--", "sh", "-c",
                                                 "exit 7").returncode == 7)
    check("and its directory goes", not os.path.exists(f"{place}/code"))


def serves_a_server(place, template):
    """--server: started on the clone, its URL handed on, its log kept only where it may tell something."""
    with open(f"{place}/page.txt", "w", encoding="ascii") as file:
        file.write("page")
    serve = f"cd {{data}}/.. && exec python3 -m http.server --bind 127.0.0.1 {{port}}"
    done = call("serve", template, f"{place}/web", f"--server={serve}", "--ready=/page.txt", "--", "sh", "-c",
                "curl -fsS $WALGRIND_URL/page.txt")
    check("the command reaches the server", (done.returncode, done.stdout) == (0, "page"), done.stderr)
    left = [name for name in os.listdir(place) if name.startswith("web")]
    check("and nothing is left", not left, left)
    done = call("serve", template, f"{place}/dead", "--server=echo no config; exit 4", "--", "true")
    check("a server that does not start is told", done.returncode == 3 and "no config" in done.stderr, done.stderr)
    left = [name for name in os.listdir(place) if name.startswith("dead")]
    check("only its log stays", left == ["dead.server.log"], left)
    done = call("serve", template, f"{place}/short", f"--server={serve}", "--", "sh", "-c",
                "curl -s $WALGRIND_URL/ >/dev/null; pkill -f \"http.server.*${WALGRIND_URL##*:}\"; sleep 0.5")
    check("a server that ends too early is told", done.returncode == 3 and "ended before its tests" in done.stderr,
          (done.returncode, done.stderr))
    with subprocess.Popen([WALGRIND, "fixture", "serve", template, f"{place}/parent", f"--server={serve}"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/page.txt", timeout=20) as answer:
            check("without a command the line has its URL", answer.read() == b"page")
        process.stdin.close()
        check("and the end is 0", process.wait(timeout=20) == 0)


def templates_of_servers(place):
    """A server that makes its database when it first starts, and the templates and clones of it."""
    with open(f"{place}/server.py", "w", encoding="ascii") as file:
        file.write("import http.server, sqlite3, sys\n"
                   "with open('starts', 'a+') as starts:\n"
                   "    number = starts.tell() + 1\n"
                   "    starts.write('x')\n"
                   "db = sqlite3.connect(sys.argv[1] + '/own.db', isolation_level=None)\n"
                   "db.executescript('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t(a)')\n"
                   "if not db.execute('SELECT count(*) FROM t').fetchone()[0]:\n"
                   "    db.execute('INSERT INTO t VALUES (?)', (f'start {number}',))\n"
                   "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2])),"
                   " http.server.SimpleHTTPRequestHandler).serve_forever()\n")
    server = f"cd {shlex.quote(place)} && exec python3 server.py {{data}} {{port}}"
    words = ("template", f"--server={server}", "--ready=/server.py", f"--input={place}/server.py")
    done = call(*words)
    template = done.stdout.splitlines()[-1] if done.stdout else ""
    check("a server fills its template", done.returncode == 0 and os.listdir(template) == ["own.db"], done.stderr)
    once = call(*words).stdout.strip() == template
    with open(f"{place}/starts", "a+", encoding="ascii") as starts:
        check("once", once and starts.tell() == 1, f"{starts.tell()} starts")
    done = call("serve", template, f"{place}/own", f"--server={server}", "--ready=/server.py", "--", "sh", "-c",
                "sqlite3 \"$WALGRIND_DATA/own.db\" 'SELECT a FROM t'")
    check("its clone is what it left", (done.returncode, done.stdout) == (0, "start 1\n"), done.stderr)
    with open(f"{place}/server.py", "a", encoding="ascii") as file:
        file.write("# changed\n")
    again = call(*words)
    check("again when its program changed", again.returncode == 0 and again.stdout.strip() != template, again.stderr)


def examples_work(place):
    pytest = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]  # Debian's
    for name, command in (("fixture.sh", ["sh"]), ("fixture_test.py", pytest),
                          ("fixture.test.mjs", ["node", "--test"])):
        inner = [*command, os.path.join(EXAMPLES, name)]
        done = subprocess.run(["sh", os.path.join(EXAMPLES, "fixture-run.sh"), *inner], cwd=place, text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1",
                                       PATH=f"{os.path.dirname(WALGRIND)}:{os.environ['PATH']}"))
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
        serves_a_server(place, template)
        templates_of_servers(place)
        examples_work(place)
        with open(f"{template}/app.db", "ab") as file:
            file.write(b"damage")
        damaged = call("clone", template, f"{place}/damaged")
        check("a changed template is refused", damaged.returncode == 3 and "changed since" in damaged.stderr,
              damaged.stderr)
    sys.exit(1 if problems else 0)


main()
