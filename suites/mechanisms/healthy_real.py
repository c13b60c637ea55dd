# SPDX-License-Identifier: MIT
"""healthy_real.py - real programs, frameworks and languages, used as their manuals say: workloads for healthy.py.

What they run lies in real/. One that is not installed ends the program with CANNOT.
"""
import concurrent.futures
import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

from common import CANNOT, DB, healthy

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.path.join(HERE, "real")
PYTHON = "/usr/bin/python3"  # Debian's, for which the packages are
START_S = 30


def shell(text):
    subprocess.run(["bash", "-ec", text], stdout=subprocess.DEVNULL, check=True)


def run(*command):
    """Runs a program that is there; what it says about a missing part of itself is CANNOT."""
    if not shutil.which(command[0]):
        sys.exit(CANNOT)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    missing = (b"Can't locate DBI", b"cannot load", b"could not find", b"can't find package", b"module 'luasql")
    if done.returncode == CANNOT or any(words in done.stderr for words in missing):
        sys.exit(CANNOT)
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        sys.exit(1)


def needs(*modules):
    done = subprocess.run([PYTHON, "-c", "import " + ", ".join(modules)], stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(CANNOT)


def pools(name, *modules):
    needs(*modules)
    run(PYTHON, os.path.join(REAL, "pools.py"), name)


# --- servers under load ---------------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def served(command, port, path="/count", stop=signal.SIGTERM):
    """A server that answers, ended at the end, with those of its workers that it leaves behind (PHP)."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as server:
        deadline = time.monotonic() + START_S
        while True:
            try:
                if get(port, path)[0] == 200:
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        try:
            yield server
        finally:
            server.send_signal(stop)
            server.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)


def load(port, requests=200, path="/add?text=x"):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: get(port, path)[0], range(requests)))
    assert set(answers) == {200}, set(answers)


@healthy
def fastapi_under_load():
    needs("fastapi", "uvicorn")
    port = free_port()
    command = [PYTHON, "-m", "uvicorn", "--factory", "--app-dir", REAL, "--port", str(port), "web:fastapi_app"]
    with served(command, port):
        load(port, 100)
        shell(f"sqlite3 -cmd '.timeout 30000' {DB} '.backup copy.db'")


@healthy(long=True)
def fastapi_workers_restarted():
    needs("fastapi", "uvicorn")
    port = free_port()
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        with served([PYTHON, "-m", "uvicorn", "--factory", "--app-dir", REAL, "--port", str(port), "--workers", "1",
                     "web:fastapi_app"], port, stop=number):
            load(port)
        port = free_port()


@healthy(long=True)
def gunicorn_preforked_with_flask():
    needs("flask", "gunicorn")
    port = free_port()
    with served(["gunicorn", "--preload", "--workers", "3", "--threads", "2", "--pythonpath", REAL, "--bind",
                 f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm", "web:flask_app()"], port) as server:
        load(port)
        server.send_signal(signal.SIGHUP)  # new workers
        time.sleep(1)
        load(port)


@healthy(long=True)
def django_served_and_administered():
    needs("django")
    django("migrate", "-v0")
    django("migrate", "-v0", "--database=archive")
    port = free_port()
    with served([PYTHON, "manage.py", "runserver", "--noreload", str(port)], port):
        load(port, 60)
        django("dumpdata", "-o", "all.json")
        django("shell", "-c", "from notes.models import Note; Note.objects.filter(pk__lt=10).delete()")
    django("loaddata", "all.json", "-v0")
    django("flush", "--no-input", "-v0")


def django(*words):
    if not os.path.exists("manage.py"):
        shutil.copytree(os.path.join(REAL, "site"), ".", dirs_exist_ok=True)
        run(PYTHON, "manage.py", "makemigrations", "notes", "-v0")
    run(PYTHON, "manage.py", *words)


@healthy(long=True)
def django_tests():
    needs("django")
    for _ in range(2):
        django("test", "--no-input", "-v0")
    django("test", "--no-input", "--keepdb", "-v0")


@healthy(long=True)
def django_tests_in_parallel():
    needs("django")
    for _ in range(2):
        django("test", "--no-input", "--parallel", "3", "-v0")


@healthy(long=True)
def php_server_with_workers():
    if not shutil.which("php"):
        sys.exit(CANNOT)
    port = free_port()
    os.environ["PHP_CLI_SERVER_WORKERS"] = "3"
    with served(["php", "-S", f"127.0.0.1:{port}", os.path.join(REAL, "web.php")], port, "/"):
        load(port, 100, "/?text=x")


@healthy(long=True)
def api_suite_of_this_project():
    run(os.environ["WALGRIND"], "run", "--no-progress")


# --- languages and libraries ----------------------------------------------------------------------------------------

@healthy
def perl_children():
    run("perl", os.path.join(REAL, "children.pl"))


@healthy
def php_web_server():
    run("php", os.path.join(REAL, "web.php"))


@healthy
def ruby_records():
    run("ruby", os.path.join(REAL, "records.rb"), "plain")


@healthy
def node_driver():
    run("node", os.path.join(HERE, "programs.cjs"), "--healthy")


@healthy(long=True)
def node_processes():
    run("node", os.path.join(HERE, "programs.cjs"), "--versions")
    commands = [["node", os.path.join(HERE, "programs.cjs"), "--shared"] for _ in range(3)]
    children = [subprocess.Popen(command) for command in commands]
    assert all(child.wait() == 0 for child in children)


@healthy(long=True)
def ruby_active_record():
    run("ruby", os.path.join(REAL, "records.rb"), "active_record")


@healthy(long=True)
def ruby_sequel():
    run("ruby", os.path.join(REAL, "records.rb"), "sequel")


@healthy(long=True)
def sqlalchemy_threads():
    pools("sqlalchemy_threads", "sqlalchemy")


@healthy(long=True)
def sqlalchemy_forks():
    pools("sqlalchemy_forks", "sqlalchemy")


@healthy(long=True)
def apsw_beside_the_standard_module():
    pools("apsw_shell_and_backup", "apsw")


@healthy(long=True)
def peewee_pool():
    pools("peewee_pool", "peewee")


@healthy(long=True)
def aiosqlite_tasks():
    pools("aiosqlite_tasks", "aiosqlite")


@healthy(long=True)
def diskcache_processes():
    pools("diskcache_processes", "diskcache")


@healthy(long=True)
def tcl_and_lua():
    with open("run.tcl", "w", encoding="ascii") as file:
        file.write("package require sqlite3\nsqlite3 db app.db\ndb timeout 20000\ndb eval {PRAGMA journal_mode=wal}\n"
                   "db eval {CREATE TABLE t(a)}\n"
                   "for {set i 0} {$i < 20} {incr i} {db eval {INSERT INTO t VALUES($i)}}\n"
                   "db backup copy.db\ndb close\n")
    run("tclsh", "run.tcl")
    if shutil.which("lua5.3"):
        run("lua5.3", "-e", "local c = require('luasql.sqlite3').sqlite3():connect('app.db') for i = 1, 20 do "
                            "c:execute('INSERT INTO t VALUES (1)') end c:close()")


# --- other people's programs ----------------------------------------------------------------------------------------

@healthy(long=True)
def subversion_working_copies():
    if not shutil.which("svnadmin"):
        sys.exit(CANNOT)
    shell("svnadmin create repo; url=file://$(realpath repo | sed 's/ /%20/g'); svn co -q $url one; "
          "svn co -q $url two; cd one; for i in 1 2 3; do echo $i > file$i; svn add -q file$i; svn ci -q -m $i; done; "
          "cd ../two; svn up -q; echo more >> file1; svn ci -q -m more & (cd ../one; svn st); wait; "
          "cd ../one; svn up -q; svn cleanup; "
          "svn cp -q file1 file4; svn revert -q file4; svnadmin verify -q ../repo; svnadmin pack -q ../repo")


@healthy(long=True)
def fossil_repository():
    if not shutil.which("fossil"):
        sys.exit(CANNOT)
    os.environ.update(HOME=os.getcwd(), USER="tester", FOSSIL_HOME=os.getcwd())
    shell("fossil init repo.fossil; mkdir work; cd work; fossil open ../repo.fossil; for i in 1 2 3; do echo $i > f$i; "
          "fossil add f$i; fossil commit -m $i --no-warnings; done; fossil timeline; fossil update; cd ..; "
          "fossil clone repo.fossil clone.fossil; fossil rebuild clone.fossil; "
          "fossil sqlite3 -R repo.fossil 'SELECT count(*) FROM event'")


@healthy(long=True)
def chromium_profile():
    """Databases in exclusive mode and in WAL, of a browser with SQLite inside; twice on one profile."""
    if not shutil.which("chromium"):
        sys.exit(CANNOT)
    for _ in range(2):
        subprocess.run(["timeout", "60", "chromium", "--headless", "--no-sandbox", "--disable-gpu",
                        "--disable-dev-shm-usage", f"--user-data-dir={os.getcwd()}/profile", "--dump-dom",
                        "data:text/html,<p>hello"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    assert any(name == "History" for _place, _names, files in os.walk("profile") for name in files)


@healthy(long=True)
def git_with_the_database_in_the_tree():
    """Git reads the database of a running program, in processes of its own, and switches what is beside it."""
    connection = sqlite3.connect(DB, isolation_level=None)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("CREATE TABLE t(a)")
    shell("git init -q -b main .; git config user.name T; git config user.email t@example.org; echo 1 > notes; "
          "git add notes app.db; git commit -q -m one; git checkout -q -b other")
    for number in range(10):
        connection.execute("INSERT INTO t VALUES (1)")
        shell(f"echo {number} > notes; git add notes; git commit -q -m {number}; git status -s; git diff --stat HEAD~1")
    shell("git checkout -q main; git gc -q; git clone -q . clone; git stash list; git fsck")
    connection.execute("INSERT INTO t VALUES (1)")


# --- operation ------------------------------------------------------------------------------------------------------

WRITER = ("import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
          "for i in range(int(sys.argv[2])):\n c.execute('INSERT INTO t VALUES (?, zeroblob(500))', (i,))\n"
          " if i % 50 == 49: c.execute('PRAGMA wal_checkpoint(PASSIVE)').fetchall()\n")


@contextlib.contextmanager
def writers(count, rows, path=DB):
    """Processes that write to a database in WAL mode, which is there before they are; waits for them at the end."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("CREATE TABLE IF NOT EXISTS t(a, b)")
    connection.close()
    children = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(rows)]) for _ in range(count)]
    try:
        yield children
    finally:
        codes = [child.wait() for child in children]
    assert set(codes) == {0}, codes


@healthy(long=True)
def many_processes_in_wal():
    with writers(8, 200):
        shell(f"for i in 1 2 3 4 5; do sqlite3 -cmd '.timeout 30000' {DB} 'SELECT count(*) FROM sqlite_master'; done")
    shell(f"test $(sqlite3 {DB} 'SELECT count(*) FROM t') = 1600; sqlite3 {DB} 'PRAGMA integrity_check' | grep -qx ok")


@healthy(long=True)
def backups_while_written():
    with writers(3, 300):
        shell(f"for i in 1 2 3; do sqlite3 -cmd '.timeout 30000' {DB} \".backup 'copy.$i'\"; "
              f"sqlite3 -cmd '.timeout 30000' {DB} \"VACUUM INTO 'vacuumed.$i'\"; done")
    shell("for i in 1 2 3; do for f in copy vacuumed; do "
          "sqlite3 $f.$i 'PRAGMA integrity_check' | grep -qx ok; done; done")


@healthy(long=True)
def archives_and_restores_of_closed_databases():
    for _ in range(3):
        with writers(2, 50):
            pass
        shell(f"tar -cf all.tar {DB}; if command -v rsync >/dev/null; then rsync -a {DB} mirror/; fi; cp -p {DB} old; "
              f"gzip -c {DB} > {DB}.gz; sha256sum {DB}")
        shell(f"rm {DB}; tar -xf all.tar; mv old {DB}; sqlite3 {DB} 'PRAGMA integrity_check' | grep -qx ok")


@healthy(long=True)
def replicator_beside_writers():
    """As Litestream works: a process keeps a read transaction and the files open, follows the WAL and checkpoints."""
    code = ("import os, sqlite3, time\nc = sqlite3.connect('app.db', timeout=30, isolation_level=None)\n"
            "kept = open('app.db', 'rb')\n"  # for the life of the process
            "for _ in range(30):\n"
            " c.execute('BEGIN'); c.execute('SELECT count(*) FROM t').fetchall()\n"
            " with open('app.db-wal', 'rb') as wal, open('shadow', 'ab') as shadow: shadow.write(wal.read())\n"
            " c.execute('ROLLBACK'); c.execute('PRAGMA wal_checkpoint(PASSIVE)').fetchall(); time.sleep(.01)\n"
            "os._exit(0)\n")
    with writers(2, 200), subprocess.Popen([sys.executable, "-c", code]) as replicator:
        pass
    assert replicator.returncode == 0


@healthy(long=True)
def browser_like_databases():
    """Exclusive mode, memory maps, full text search, attached files, temporary tables, a vacuum."""
    connection = sqlite3.connect("places.sqlite", isolation_level=None)
    for pragma in ("locking_mode=exclusive", "mmap_size=268435456", "journal_mode=wal", "temp_store=file",
                   "wal_autocheckpoint=16", "cache_size=-200"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("ATTACH 'favicons.sqlite' AS favicons")
    connection.execute("CREATE VIRTUAL TABLE pages USING fts5(title, body)")
    connection.execute("CREATE TABLE favicons.icons(id INTEGER PRIMARY KEY, data)")
    connection.execute("CREATE TEMP TABLE visits(a)")
    for number in range(300):
        connection.execute("BEGIN")
        connection.execute("INSERT INTO pages VALUES (?, ?)", (f"page {number}", "words " * 50))
        connection.execute("INSERT INTO icons(data) VALUES (zeroblob(3000))")
        connection.execute("INSERT INTO visits VALUES (?)", (number,))
        connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM pages WHERE pages MATCH 'words'").fetchone()[0] == 300
    connection.execute("DELETE FROM pages WHERE rowid % 2")
    connection.execute("INSERT INTO pages(pages) VALUES ('optimize')")
    connection.execute("VACUUM")
    connection.close()


@healthy(long=True)
def entry_script_of_a_container():
    """A template when there is no database yet, a migration, the server by exec; stopped and started again."""
    shell("sqlite3 template.db 'PRAGMA journal_mode=wal; CREATE TABLE t(a, b)'")
    for _ in range(3):
        shell(f"test -e {DB} || cp template.db {DB}; sqlite3 {DB} 'CREATE TABLE IF NOT EXISTS version(v)'; "
              f"exec {sys.executable} -c \"$0\" {DB} 100".replace("$0", WRITER.replace('"', '\\"')))


@healthy(long=True)
def shell_tools():
    """What the command-line shell can do with files."""
    with writers(1, 100):
        pass
    shell(f"sqlite3 {DB} '.clone cloned.db'; sqlite3 {DB} .dump > dump.sql; "
          f"sqlite3 loaded.db < dump.sql; sqlite3 {DB} '.schema' '.indexes' 'PRAGMA quick_check'; "
          f"sqlite3 archive.sqlar -Ac dump.sql; sqlite3 archive.sqlar -Ax; sqlite3 {DB} 'PRAGMA journal_mode=delete' "
          "'PRAGMA page_size=8192' VACUUM 'PRAGMA journal_mode=wal'; "
          f"sqlite3 -readonly {DB} 'SELECT count(*) FROM t'; sqlite3 'file:{DB}?mode=ro' 'SELECT count(*) FROM t'")


@healthy(long=True)
def nightly_batch_beside_a_server():
    """Cron jobs with the shell, one after another and at once, while a server writes; then the log of it is rotated."""
    with writers(2, 300):
        sqlite = f"sqlite3 -cmd '.timeout 30000' {DB}"
        shell(f"for i in 1 2 3; do {sqlite} 'CREATE TABLE IF NOT EXISTS report(n)' & done; wait; "
              f"for i in 1 2 3; do {sqlite} 'INSERT INTO report SELECT count(*) FROM t' & done; "
              f"wait; {sqlite} 'PRAGMA optimize' 'PRAGMA wal_checkpoint(PASSIVE)'")
    shell(f"sqlite3 {DB} 'SELECT count(*) FROM report' | grep -qx 3")
