# SPDX-License-Identifier: MIT
"""healthy_small.py - programs for healthy.py that each do one usual thing with SQLite, and nothing wrong."""
import asyncio
import concurrent.futures
import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from common import DB, healthy


def connect(path=DB, journal="wal", **options):
    connection = sqlite3.connect(path, timeout=20, isolation_level=None, **options)
    connection.execute(f"PRAGMA journal_mode={journal}").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS t(a, b)")
    connection.execute("INSERT INTO t VALUES (1, 'x')")
    return connection


def write(times=20, path=DB):
    connection = sqlite3.connect(path, timeout=20, isolation_level=None)
    for number in range(times):
        connection.execute("INSERT INTO t VALUES (?, 'w')", (number,))
    connection.close()


def shell(text):
    subprocess.run(["sh", "-ec", text], stdout=subprocess.DEVNULL, check=True)


@healthy
def command_line_sessions():
    for number in range(5):
        shell(f"sqlite3 {DB} 'PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS t(a, b)'; "
              f"sqlite3 {DB} 'INSERT INTO t VALUES({number}, 1)'")


@healthy
def command_line_beside_a_connection():
    connection = connect()
    shell(f"sqlite3 {DB} 'INSERT INTO t VALUES (2, 3)'; sqlite3 {DB} 'SELECT * FROM t'")
    connection.execute("INSERT INTO t VALUES (4, 5)")


@healthy
def backup_by_the_command_line():
    connection = connect()
    shell(f"sqlite3 {DB} '.backup copy.db'; sqlite3 {DB} \"VACUUM INTO 'second.db'\"")
    connection.execute("INSERT INTO t VALUES (4, 5)")


@healthy
def backup_and_restore_by_the_library():
    connection, copy = connect(), sqlite3.connect("copy.db")
    connection.backup(copy)
    connection.execute("DELETE FROM t")
    copy.backup(connection)
    assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 1


@healthy
def copy_by_another_process():
    connection = connect()
    shell(f"cp {DB} copy.db; sha256sum {DB}; head -c 16 {DB}; ls -l; stat {DB}")
    connection.execute("INSERT INTO t VALUES (4, 5)")


@healthy
def copy_of_a_closed_database():
    connect().close()
    shutil.copy(DB, "copy.db")
    with open(DB, "rb") as file:
        hashlib.sha256(file.read()).hexdigest()
    connect().close()
    connect("copy.db").close()


@healthy
def threads_with_their_own_connections():
    connect().close()
    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@healthy
def threads_that_share_one_connection():
    connection, lock = connect(check_same_thread=False), threading.Lock()

    def work():
        for _ in range(20):
            with lock:
                connection.execute("INSERT INTO t VALUES (1, 2)")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result()


@healthy
def processes_that_fork_first():
    connect().close()
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(write, [10] * 8)


@healthy
def processes_that_are_spawned():
    connect().close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


@healthy
def programs_started_with_a_connection_open():
    connection = connect()
    for _ in range(10):
        subprocess.run(["true"], check=True)
        subprocess.run(["true"], check=True, close_fds=False)
    os.system("true")
    os.posix_spawn("/bin/true", ["true"], {})
    os.wait()
    connection.execute("INSERT INTO t VALUES (4, 5)")


@healthy
def fork_that_leaves_the_connection_alone():
    connection = connect()
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    connection.execute("INSERT INTO t VALUES (4, 5)")


@healthy
def two_processes_checkpoint():
    connection = connect()
    code = ("import sqlite3\nc = sqlite3.connect('app.db', timeout=20, isolation_level=None)\n"
            "for i in range(20):\n c.execute('INSERT INTO t VALUES (1, 2)')\n"
            " c.execute('PRAGMA wal_checkpoint(TRUNCATE)')")
    with subprocess.Popen([sys.executable, "-c", code]) as other:
        for _ in range(20):
            connection.execute("INSERT INTO t VALUES (1, 2)")
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    assert other.returncode == 0


@healthy
def last_close_again_and_again():
    for _ in range(30):
        connect().close()


@healthy
def writer_that_is_killed():
    connect().close()
    code = ("import sqlite3, sys\nc = sqlite3.connect('app.db', isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\n"
            "c.execute('INSERT INTO t VALUES (9, zeroblob(100000))')\nprint(flush=True)\ninput()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    connect().close()


@healthy
def writer_with_a_hot_journal_is_killed():
    connect(journal="delete").close()
    code = ("import sqlite3\nc = sqlite3.connect('app.db', isolation_level=None)\nc.execute('PRAGMA cache_size=1')\n"
            "c.execute('BEGIN IMMEDIATE')\nc.execute('INSERT INTO t VALUES (9, zeroblob(500000))')\n"
            "print(flush=True)\ninput()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    connect(journal="delete").close()


def modes(*statements):
    connection = connect(journal="delete")
    for statement in statements:
        connection.execute(statement).fetchall()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (3, zeroblob(100000))")
        connection.execute("ROLLBACK")
        connection.execute("INSERT INTO t VALUES (3, zeroblob(100000))")
    connection.close()


@healthy
def journal_modes_one_after_another():
    modes("PRAGMA journal_mode=persist", "PRAGMA journal_mode=truncate", "PRAGMA journal_mode=memory",
          "PRAGMA journal_mode=wal", "PRAGMA journal_mode=delete", "PRAGMA journal_mode=off")


@healthy
def exclusive_mode_and_memory_maps():
    modes("PRAGMA mmap_size=1000000", "PRAGMA locking_mode=exclusive", "PRAGMA journal_mode=wal",
          "PRAGMA locking_mode=normal", "PRAGMA synchronous=off")


@healthy
def several_databases_in_one_transaction():
    connection = connect(journal="delete")
    connection.execute("ATTACH 'second.db' AS second")
    connection.execute("CREATE TABLE second.u(a)")
    for _ in range(5):
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (1, 2)")
        connection.execute("INSERT INTO u VALUES (1)")
        connection.execute("COMMIT")


@healthy
def large_transactions_and_sorts():
    connection = connect()
    connection.execute("PRAGMA cache_size=10")
    connection.execute("PRAGMA temp_store=file")
    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                       "INSERT INTO t SELECT i, hex(randomblob(50)) FROM n")
    connection.execute("CREATE TEMP TABLE s AS SELECT * FROM t ORDER BY b")
    connection.execute("VACUUM")


@healthy
def shared_cache_and_memory():
    first = sqlite3.connect(f"file:{DB}?cache=shared", uri=True, isolation_level=None)
    second = sqlite3.connect(f"file:{DB}?cache=shared", uri=True, isolation_level=None)
    first.execute("CREATE TABLE t(a)")
    second.execute("INSERT INTO t VALUES (1)")
    memory = sqlite3.connect(":memory:")
    memory.execute("CREATE TABLE t(a)")


@healthy
def readers_beside_a_writer():
    connection = connect()
    code = ("import sqlite3\nfor i in range(20):\n c = sqlite3.connect('file:app.db?mode=ro', uri=True)\n"
            " c.execute('SELECT * FROM t').fetchall(); c.close()")
    with subprocess.Popen([sys.executable, "-c", code]) as reader:
        for _ in range(50):
            connection.execute("INSERT INTO t VALUES (1, 2)")
    assert reader.returncode == 0


@healthy
def replaced_while_closed():
    connect("new.db").close()
    connect().close()
    os.replace("new.db", DB)
    connect().close()


@healthy
def deleted_while_closed():
    for _ in range(5):
        connect().close()
        os.unlink(DB)


@healthy
def temporary_databases_of_tests():
    for _ in range(5):
        with tempfile.TemporaryDirectory() as place:
            connection = connect(os.path.join(place, "t.db"))
            connection.execute("SELECT * FROM t").fetchall()
            connection.close()


@healthy
def torn_down_in_the_wrong_order():
    place = tempfile.mkdtemp()
    connection = connect(os.path.join(place, "t.db"))
    shutil.rmtree(place)
    connection.close()


@healthy
def files_beside_the_database():
    connection = connect()
    for number in range(50):
        with open(f"log.{number % 5}", "a", encoding="ascii") as file:
            file.write("line\n")
        os.rename(f"log.{number % 5}", "log.old")
        connection.execute("INSERT INTO t VALUES (1, 2)")
    os.unlink("log.old")


@healthy
def descriptors_moved_around():
    connection = connect()
    for _ in range(50):
        first = os.open("other", os.O_RDWR | os.O_CREAT, 0o644)
        second = os.dup(first)
        os.dup2(first, 200)
        os.write(200, b"x")
        for number in (first, second, 200):
            os.close(number)
        connection.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def connections_that_come_and_go():
    kept = connect()
    for _ in range(50):
        connection = sqlite3.connect(DB, timeout=20)
        connection.execute("SELECT count(*) FROM t").fetchall()
        connection.close()
    kept.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def connections_left_to_the_collector():
    for _ in range(20):
        connection = sqlite3.connect(DB, timeout=20)
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t(a)")
            connection.execute("INSERT INTO t VALUES (1)")


@healthy
def contention_and_busy_errors():
    holder = connect()
    holder.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(DB, timeout=0, isolation_level=None)
    for _ in range(20):
        try:
            other.execute("INSERT INTO t VALUES (1, 2)")
        except sqlite3.OperationalError:
            pass
    holder.execute("COMMIT")


@healthy
def event_loop_with_threads():
    async def run():
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, write, 5) for _ in range(8)))
    connect().close()
    asyncio.run(run())


@healthy
def dump_and_load():
    connect().close()
    shell(f"sqlite3 {DB} .dump > dump.sql; sqlite3 loaded.db < dump.sql; sqlite3 loaded.db 'PRAGMA integrity_check'")


@healthy
def archives_of_a_closed_database():
    connect().close()
    shell(f"tar -cf all.tar {DB}; gzip -k {DB}; tar -xf all.tar")
    connect().close()


@healthy
def git_beside():
    connection = connect()
    shell("git init -q .; git -c user.name=T -c user.email=t@example.org commit -q --allow-empty -m one; git status")
    connection.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def long_reader_over_many_commits():
    reader, writer = connect(), connect()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    for _ in range(100):
        writer.execute("INSERT INTO t VALUES (1, zeroblob(5000))")
    reader.execute("COMMIT")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@healthy
def server_that_restarts():
    code = ("import sqlite3, time\nc = sqlite3.connect('app.db', timeout=20, isolation_level=None)\n"
            "c.execute('PRAGMA journal_mode=wal')\nc.execute('CREATE TABLE IF NOT EXISTS t(a, b)')\nprint(flush=True)\n"
            "while True: c.execute('INSERT INTO t VALUES (1, 2)'); time.sleep(.001)")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            time.sleep(0.05)
            server.send_signal(number)


@healthy
def copy_by_a_forked_child():
    """The child holds no locks that its close() could drop."""
    connection = connect()
    if os.fork() == 0:
        shutil.copy(DB, "copy.db")
        os._exit(0)
    assert os.wait()[1] == 0
    connection.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def reader_without_rights():
    """Opens the WAL of another user, which works for reading as long as it is there."""
    connection = connect()
    for name in (DB, DB + "-wal", DB + "-shm"):
        os.chmod(name, 0o644)
    os.chmod(".", 0o755)
    path = os.path.abspath(DB)
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        os.execvp("sqlite3", ["sqlite3", path, "SELECT count(*) FROM t"])
    assert os.waitpid(child, 0)[1] == 0
    connection.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def too_little_address_space_for_a_memory_map():
    """SQLite then reads the database instead."""
    connection = connect()
    connection.execute("INSERT INTO t VALUES (1, zeroblob(50000000))")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20), resource.RLIM_INFINITY))
    connection.execute("PRAGMA mmap_size=1000000000")
    connection.execute("SELECT count(*) FROM t").fetchall()
    connection.execute("INSERT INTO t VALUES (1, 2)")


@healthy
def deleted_and_made_anew_between_requests():
    """A test runner resets the database of a server that opens it for each request, while none is under way."""
    server = ("import sqlite3, sys\nfor line in sys.stdin:\n c = sqlite3.connect('app.db')\n"
              " c.execute('INSERT INTO t VALUES (5, 6)')\n c.commit()\n c.close()\n print(flush=True)")
    connect().close()
    with subprocess.Popen([sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(3):
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            os.unlink(DB)
            connect().close()
        process.communicate()
    assert process.returncode == 0


@healthy
def published_by_a_rename():
    """Who reads goes on with the whole old database until it opens the new one."""
    build = ("import os, sqlite3; c = sqlite3.connect('next.db'); c.execute('CREATE TABLE t(a)'); c.commit(); "
             f"c.close(); os.rename('next.db', {DB!r})")
    subprocess.run([sys.executable, "-c", build], check=True)
    reader = sqlite3.connect(f"file:{DB}?mode=ro", uri=True)
    reader.execute("SELECT * FROM t").fetchall()
    subprocess.run([sys.executable, "-c", build], check=True)
    reader.execute("SELECT * FROM t").fetchall()


@healthy
def attached_to_an_archive():
    """The settings in a URI are those of its own file."""
    connect("archive.db", journal="delete").close()
    first = connect(journal="delete")
    for setting in ("immutable=1", "nolock=1"):
        second = sqlite3.connect(f"file:archive.db?{setting}", uri=True, timeout=20, isolation_level=None)
        second.execute(f"ATTACH {DB!r} AS app")
        second.execute("INSERT INTO app.t VALUES (2, 'y')")
        first.execute("INSERT INTO t VALUES (3, 'z')")
        second.close()


@healthy
def two_names_that_are_only_read():
    connect(journal="delete").close()
    os.link(DB, "second.db")
    readers = [sqlite3.connect(f"file:{name}?mode=ro", uri=True) for name in (DB, "second.db")]
    for reader in readers:
        reader.execute("SELECT * FROM t").fetchall()


@healthy
def made_anew_beside_an_immutable_reader():
    connect(journal="delete").close()
    reader = sqlite3.connect(f"file:{DB}?immutable=1", uri=True)
    reader.execute("SELECT * FROM t").fetchall()
    subprocess.run([sys.executable, "-c", f"import os, sqlite3; os.unlink({DB!r}); c = sqlite3.connect({DB!r}); "
                                          "c.execute('CREATE TABLE t(a)'); c.close()"], check=True)
    reader.execute("SELECT * FROM t").fetchall()


@healthy
def removed_with_a_transaction_open():
    """The last close rolls back what nobody needs any more."""
    for journal in ("delete", "truncate", "persist", "memory", "wal"):
        with tempfile.TemporaryDirectory() as place:
            connection = sqlite3.connect(f"{place}/x.db")
            connection.execute(f"PRAGMA journal_mode={journal}").fetchall()
            connection.execute("CREATE TABLE t(a)")
            connection.execute("INSERT INTO t VALUES (1)")
        if journal in ("delete", "wal"):
            connection.rollback()
        connection.close()


def other_language(program, *arguments):
    if not shutil.which(program):
        sys.exit(77)
    done = subprocess.run([program, *arguments], stderr=subprocess.PIPE, check=False)
    sys.exit(77 if b"not find" in done.stderr or b"Can't locate" in done.stderr or
             b"cannot load" in done.stderr else done.returncode)


@healthy
def perl_dbi():
    other_language("perl", "-e", "use DBI; my $d = DBI->connect('dbi:SQLite:dbname=app.db'); "
                                 "$d->do('PRAGMA journal_mode=wal'); $d->do('CREATE TABLE t(a)'); "
                                 "$d->do('INSERT INTO t VALUES (1)') for 1..20; $d->disconnect")


@healthy
def php_pdo():
    other_language("php", "-r", "try { $d = new PDO('sqlite:app.db'); } catch (Exception $e) { fwrite(STDERR, "
                                "$e->getMessage()); exit(1); } $d->exec('CREATE TABLE t(a)'); "
                                "for ($i = 0; $i < 20; $i++) $d->exec('INSERT INTO t VALUES (1)');")


@healthy
def ruby_sqlite3():
    other_language("ruby", "-e", "require 'sqlite3'; d = SQLite3::Database.new('app.db'); "
                                 "d.execute('PRAGMA journal_mode=wal'); d.execute('CREATE TABLE t(a)'); "
                                 "20.times { d.execute('INSERT INTO t VALUES (1)') }; d.close")
