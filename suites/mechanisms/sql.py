# SPDX-License-Identifier: MIT
"""sql.py - contention, settings of connections, and copies: what shows in SQL and not in the files alone."""
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import threading

from common import CANNOT, DB, connect, culprit, other_process, use

WAIT = 0.4  # seconds of a busy timeout that is waited for in full


def wait_connect(path=DB):
    return sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)


def attempt(connection, sql):
    """The statement, whatever comes of it; True when it worked."""
    try:
        connection.execute(sql).fetchall()
        return True
    except sqlite3.Error:
        return False


def locked_by_other(timeout, then=lambda: None):
    """Another connection writes; this one has that timeout. `then` ends the other's transaction."""
    writer = connect()
    writer.execute("BEGIN IMMEDIATE")
    own = sqlite3.connect(DB, timeout=timeout, isolation_level=None)
    attempt(own, "INSERT INTO t VALUES (5, 'z')")
    writer.execute("COMMIT")
    then()
    return own


def does_not_wait():
    culprit()
    locked_by_other(0)


def tries_again():
    own = locked_by_other(0)
    assert attempt(own, "INSERT INTO t VALUES (5, 'z')")


def read_then_write(begin, retries=0):
    connect().close()
    own, other = wait_connect(), wait_connect()
    for number in range(retries + 1):
        own.execute(begin)
        own.execute("SELECT count(*) FROM t").fetchall()
        if number == 0:
            attempt(other, "INSERT INTO t VALUES (6, 'other')")
        done = attempt(own, "UPDATE t SET b = 'own'")
        own.execute("COMMIT" if done else "ROLLBACK")


def writes_on_a_stale_snapshot():
    culprit()
    read_then_write("BEGIN")


def begins_immediate():
    connect().close()
    own, other = wait_connect(), wait_connect()
    own.execute("BEGIN IMMEDIATE")
    own.execute("SELECT count(*) FROM t").fetchall()
    own.execute("UPDATE t SET b = 'own'")
    own.execute("COMMIT")
    other.execute("INSERT INTO t VALUES (6, 'other')")


def begins_again():
    read_then_write("BEGIN", retries=1)


def upgrades_beside_a_writer(journal="wal"):
    connect(journal=journal).close()
    own = sqlite3.connect(DB, timeout=60, isolation_level=None)
    other = sqlite3.connect(DB, timeout=60, isolation_level=None)
    own.execute("BEGIN")
    own.execute("SELECT count(*) FROM t").fetchall()
    other.execute("BEGIN IMMEDIATE")
    culprit()
    attempt(own, "UPDATE t SET b = 'own'")
    own.execute("ROLLBACK")
    other.execute("COMMIT")


def upgrades_beside_a_writer_with_a_journal():
    upgrades_beside_a_writer("delete")


def upgrades_alone():
    connection = connect()
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM t").fetchall()
    connection.execute("UPDATE t SET b = 'own'")
    connection.execute("COMMIT")


def commits_beside_a_cursor(finish):
    connect(journal="delete").close()
    reader, writer = wait_connect(), wait_connect()
    writer.execute("INSERT INTO t VALUES (7, 'second row')")
    culprit()
    cursor = reader.execute("SELECT * FROM t")
    cursor.fetchone()
    if finish:
        cursor.close()
    attempt(writer, "INSERT INTO t VALUES (8, 'third row')")
    reader.execute("PRAGMA user_version").fetchall()
    del cursor


def leaves_a_cursor():
    commits_beside_a_cursor(False)


def closes_its_cursor():
    commits_beside_a_cursor(True)


def writes_beside_a_transaction(finish):
    connect().close()
    leaky, writer = wait_connect(), wait_connect()
    culprit()
    leaky.execute("BEGIN IMMEDIATE")
    leaky.execute("INSERT INTO t VALUES (7, 'of a request')")
    if finish:
        leaky.execute("COMMIT")
    attempt(writer, "INSERT INTO t VALUES (8, 'of the next one')")
    attempt(leaky, "ROLLBACK")


def leaves_a_transaction():
    writes_beside_a_transaction(False)


def ends_its_transaction():
    writes_beside_a_transaction(True)


def share_cache(retries):
    first = sqlite3.connect(f"file:{DB}?cache=shared", uri=True, isolation_level=None, timeout=5)
    second = sqlite3.connect(f"file:{DB}?cache=shared", uri=True, isolation_level=None, timeout=5)
    first.execute("CREATE TABLE t(a, b)")
    first.execute("BEGIN IMMEDIATE")
    first.execute("INSERT INTO t VALUES (1, 'x')")
    attempt(second, "SELECT * FROM t")
    first.execute("COMMIT")
    for _ in range(retries):
        assert attempt(second, "SELECT * FROM t")


def shares_a_cache():
    culprit()
    share_cache(0)


def shares_a_cache_and_tries_again():
    share_cache(1)


def race_to_wal(rounds, wanted):
    """Connections that switch fresh databases at once; True as soon as one is refused."""
    refused = []

    def switch(path, barrier):
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        barrier.wait()
        if not attempt(connection, "PRAGMA journal_mode=WAL"):
            refused.append(path)
        connection.close()
    for number in range(rounds):
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=switch, args=(f"fresh{number}.db", barrier)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wanted and refused:
            return True
    return False


def switches_at_once():
    culprit()
    if not race_to_wal(600, True):
        sys.exit(CANNOT)


def switches_first():
    connect().close()
    threads = [threading.Thread(target=lambda: connect().close()) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def grow(hold):
    connection = connect()
    connection.execute("PRAGMA synchronous=OFF")
    reader = wait_connect()
    culprit()
    cursor = reader.execute("SELECT * FROM t, (SELECT 1 UNION SELECT 2)")
    cursor.fetchone()
    if not hold:
        cursor.close()
    for _ in range(24):
        connection.execute("INSERT INTO t VALUES (1, zeroblob(1000000))")
    cursor.close()


def reads_for_ever():
    grow(True)


def reads_and_ends():
    grow(False)


STOPPED = ("import os, signal, sqlite3\nc = sqlite3.connect('app.db', isolation_level=None)\n"
           "c.execute('BEGIN IMMEDIATE')\nprint(flush=True)\n")


def waits_for(code, ending):
    connect().close()
    with subprocess.Popen([sys.executable, "-c", STOPPED + code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with open("culprit", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        ending(process)


def waits_for_a_stopped_process():
    def ending(process):
        os.waitpid(process.pid, os.WUNTRACED)
        attempt(wait_connect(), "INSERT INTO t VALUES (8, 'z')")
        process.send_signal(signal.SIGCONT)
    waits_for("os.kill(os.getpid(), signal.SIGSTOP)\n", ending)


def waits_for_a_busy_process():
    def ending(process):
        process.wait()
        attempt(wait_connect(), "INSERT INTO t VALUES (8, 'z')")
    waits_for("c.execute('COMMIT')\n", ending)


def open_uri(settings):
    return sqlite3.connect(f"file:{os.path.abspath(DB)}?{settings}", uri=True, isolation_level=None, timeout=5)


def reads_as(settings):
    connection = connect(journal="delete")
    culprit()
    reader = open_uri(settings)
    reader.execute("SELECT * FROM t").fetchall()
    use(connection)
    attempt(reader, "SELECT * FROM t")


def reads_as_immutable():
    reads_as("immutable=1")


def reads_as_read_only():
    reads_as("mode=ro")


def reads_an_archive_as_immutable():
    connect(journal="delete").close()
    open_uri("immutable=1").execute("SELECT * FROM t").fetchall()


def write_beside(settings):
    connection = connect(journal="delete")
    culprit()
    other = open_uri(settings)
    attempt(other, "INSERT INTO t VALUES (2, 'y')")
    use(connection)


def writes_without_locks():
    write_beside("nolock=1")


def writes_with_locks():
    write_beside("mode=rw")


def writes_alone_without_locks():
    connect(journal="delete").close()
    attempt(open_uri("nolock=1"), "INSERT INTO t VALUES (2, 'y')")


def mixes_vfs():
    write_beside("vfs=unix-dotfile")


def names_the_usual_vfs():
    write_beside("vfs=unix")


def has_no_place_for_temporary_files(read_only):
    """Everything that SQLite may take for temporary files, in a mount namespace of its own."""
    library = ctypes.CDLL(None, use_errno=True)
    connection = connect(journal="delete")
    connection.execute("PRAGMA temp_store=FILE")
    connection.execute("PRAGMA cache_size=10")
    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                       "INSERT INTO t SELECT i, hex(randomblob(100)) FROM n")
    culprit()
    os.mkdir("empty")
    if library.unshare(0x00020000) != 0 or library.mount(b"none", b"/", None, 0x44000, None) != 0:
        sys.exit(CANNOT)
    os.environ.pop("TMPDIR", None)
    os.environ.pop("SQLITE_TMPDIR", None)
    if library.mount(b"tmpfs", b"empty", b"tmpfs", read_only, None) != 0:
        sys.exit(CANNOT)
    os.chdir("empty")
    for place in (b"/var/tmp", b"/usr/tmp", b"/tmp"):
        if os.path.isdir(place) and library.mount(b"tmpfs", place, b"tmpfs", read_only, None) != 0:
            sys.exit(CANNOT)
    attempt(connection, "CREATE TEMP TABLE s AS SELECT * FROM t ORDER BY b")
    attempt(connection, "SELECT a, b FROM t ORDER BY b")


def sorts_without_temporary_files():
    has_no_place_for_temporary_files(1)


def sorts_with_temporary_files():
    has_no_place_for_temporary_files(0)


def changes_the_schema(journal, set_back):
    """Page 2 is the table's, then the index's; the idle connection knows it as the table's."""
    idle = sqlite3.connect(DB, isolation_level=None)
    idle.execute(f"PRAGMA journal_mode={journal}").fetchall()
    idle.execute("CREATE TABLE t(a, b)")
    idle.execute("SELECT * FROM t").fetchall()
    version = idle.execute("PRAGMA schema_version").fetchone()[0]
    other = sqlite3.connect(DB, isolation_level=None)
    for sql in ("CREATE TABLE u(a, b)", "DROP TABLE t", "CREATE INDEX i ON u(a)", "CREATE TABLE t(b, a)"):
        other.execute(sql)
    if set_back:
        culprit()
        other.execute(f"PRAGMA schema_version={version - set_back + 1}")
    attempt(idle, "SELECT * FROM t")


def sets_the_cookie_back():
    changes_the_schema("delete", 1)


def sets_the_cookie_back_with_a_wal():
    changes_the_schema("wal", 1)


def sets_the_cookie_to_another():
    changes_the_schema("delete", 2)


def leaves_the_cookie_alone():
    changes_the_schema("wal", 0)


CRASHED = ("import os, sqlite3\nc = sqlite3.connect('app.db', isolation_level=None)\n"
           "c.execute('PRAGMA journal_mode=wal')\nc.execute('CREATE TABLE IF NOT EXISTS t(a, b)')\n"
           "c.execute('INSERT INTO t VALUES (1, 2)')\nos.kill(os.getpid(), 9)\n")


def leave_wal():
    subprocess.run([sys.executable, "-c", CRASHED], check=False)
    connect("new.db").close()


def moves_a_file_beside_an_old_wal():
    leave_wal()
    other_process(f"import os; os.rename('new.db', {DB!r})")
    try:
        use(sqlite3.connect(DB, isolation_level=None))
    except sqlite3.Error:
        pass


def copies_a_file_beside_an_old_wal():
    leave_wal()
    other_process(f"import shutil; shutil.copyfile('new.db', {DB!r})")
    try:
        use(sqlite3.connect(DB, isolation_level=None))
    except sqlite3.Error:
        pass


def moves_a_file_and_removes_the_wal():
    leave_wal()
    other_process(f"import os; os.rename('new.db', {DB!r}); os.unlink({DB + '-wal'!r}); os.unlink({DB + '-shm'!r})")
    use(sqlite3.connect(DB, isolation_level=None))


def recovers_after_a_crash():
    leave_wal()
    other_process(f"open({DB!r}, 'ab').close()")
    use(sqlite3.connect(DB, isolation_level=None))


def copy_and_open(code):
    connection = connect()
    other_process(code)
    attempt(sqlite3.connect("copy.db", isolation_level=None), "SELECT * FROM t")
    use(connection)


def copies_live():
    copy_and_open(f"import shutil; shutil.copyfile({DB!r}, 'copy.db')")


def copies_by_vacuum():
    copy_and_open(f"import sqlite3; sqlite3.connect({DB!r}).execute(\"VACUUM INTO 'copy.db'\")")


def copies_after_a_checkpoint():
    connection = connect()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    subprocess.run(["cp", DB, "copy.db"], check=True)
    attempt(sqlite3.connect("copy.db", isolation_level=None), "SELECT * FROM t")


def copies_the_wal_first():
    copy_and_open(f"import subprocess; [subprocess.run(['cp', {DB!r} + end, 'copy.db' + end], check=True) "
                  "for end in ('-wal', '')]")


def copies_live_by_command():
    connection = connect()
    with subprocess.Popen(["cp", DB, "copy.db"]) as process:
        with open("culprit", "w", encoding="ascii") as file:
            file.write(str(process.pid))
    attempt(sqlite3.connect("copy.db", isolation_level=None), "SELECT * FROM t")
    use(connection)


STEP = "sqlite3_step"
ROWS = (
    ("busy-zero", does_not_wait, tries_again, STEP),
    ("busy-snapshot", writes_on_a_stale_snapshot, begins_immediate, STEP),
    ("busy-snapshot", writes_on_a_stale_snapshot, begins_again, STEP),
    ("upgrade-deadlock", upgrades_beside_a_writer, upgrades_alone, STEP),
    ("upgrade-deadlock", upgrades_beside_a_writer_with_a_journal, upgrades_alone, STEP),
    ("idle-reader", leaves_a_cursor, closes_its_cursor, STEP),
    ("leaked-transaction", leaves_a_transaction, ends_its_transaction, STEP),
    ("shared-cache", shares_a_cache, shares_a_cache_and_tries_again, STEP + "|sqlite3_prepare_v2"),
    ("wal-init-race", switches_at_once, switches_first, STEP),
    ("reader-starves-checkpoint", reads_for_ever, reads_and_ends, STEP),
    ("lock-stuck", waits_for_a_stopped_process, waits_for_a_busy_process, "kill"),
    ("immutable", reads_as_immutable, reads_as_read_only, "sqlite3_open_v2"),
    ("immutable", reads_as_immutable, reads_an_archive_as_immutable, "sqlite3_open_v2"),
    ("nolock", writes_without_locks, writes_with_locks, "sqlite3_open_v2"),
    ("nolock", writes_without_locks, writes_alone_without_locks, "sqlite3_open_v2"),
    ("vfs-mix", mixes_vfs, names_the_usual_vfs, "sqlite3_open_v2"),
    ("no-tempdir", sorts_without_temporary_files, sorts_with_temporary_files, STEP),
    ("cookie-aba", sets_the_cookie_back, sets_the_cookie_to_another, "pwrite|pwrite64"),
    ("cookie-aba", sets_the_cookie_back_with_a_wal, leaves_the_cookie_alone, "pwrite|pwrite64"),
    ("stale-wal", moves_a_file_beside_an_old_wal, moves_a_file_and_removes_the_wal, "rename"),
    ("stale-wal", copies_a_file_beside_an_old_wal, recovers_after_a_crash, "open"),
    ("copy-live", copies_live, copies_by_vacuum, "sendfile|copy_file_range"),
    ("copy-live", copies_live, copies_the_wal_first, "sendfile|copy_file_range"),
    ("copy-live", copies_live_by_command, copies_after_a_checkpoint, "copy_file_range|ioctl"),
)
