# SPDX-License-Identifier: MIT
"""files.py - what is done wrong to the files of a database: Python programs for mechanisms.py, rows at the end."""
import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys

from common import DB, connect, culprit, other_process, use


def copies_in_process():
    connection = connect()
    culprit()
    shutil.copy(DB, "copy.db")
    use(connection)


def backs_up():
    connection, target = connect(), sqlite3.connect("copy.db")
    connection.backup(target)
    target.close()
    use(connection)


def reads_magic():
    connection = connect(journal="delete")
    connection.execute("BEGIN IMMEDIATE")
    culprit()
    with open(DB, "rb") as file:
        file.read(16)
    connection.execute("ROLLBACK")


def reads_magic_elsewhere():
    connection = connect(journal="delete")
    connection.execute("BEGIN IMMEDIATE")
    other_process(f"open({DB!r}, 'rb').read(16)")
    connection.execute("ROLLBACK")


def deletes_open():
    connection = connect()
    other_process(f"import os; os.unlink({DB!r})")
    use(connection)


def deletes_closed():
    connect().close()
    other_process(f"import os; os.unlink({DB!r})")
    connect().close()


def as_another_user(deed):
    """A child that gave up its rights, as workers of servers that begin as root do."""
    os.chmod(".", 0o777)
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        deed()
        os._exit(0)
    with open("culprit", "w", encoding="ascii") as file:
        file.write(str(child))
    os.waitpid(child, 0)


def deletes_as_another_user():
    connection = connect()
    as_another_user(lambda: os.unlink(DB))
    use(connection)


def looks_as_another_user():
    connection = connect()
    as_another_user(lambda: os.stat(DB))
    use(connection)


def deletes_between_uses(then=lambda: use(connect())):
    """A runner that begins first, and deletes while its server is between two requests."""
    with subprocess.Popen([sys.executable, "-c", f"import os; print(flush=True); input(); os.unlink({DB!r})"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
        runner.stdout.readline()
        connect().close()
        with open("culprit", "w", encoding="ascii") as file:
            file.write(str(runner.pid))
        runner.communicate(b"\n")
    then()


def deletes_and_nobody_makes_it_anew():
    def miss():
        try:
            sqlite3.connect(f"file:{DB}?mode=rw", uri=True)
        except sqlite3.Error:
            pass
    deletes_between_uses(miss)


def deletes_at_the_end():
    deletes_between_uses(lambda: None)


def makes_it_anew():
    connect().close()
    other_process(f"import os; os.unlink({DB!r})")
    use(connect())


def renames_over_open():
    connection = connect()
    connect("new.db").close()
    other_process(f"import os; os.rename('new.db', {DB!r})")
    use(connection)


def renames_over_closed():
    connect().close()
    connect("new.db").close()
    other_process(f"import os; os.rename('new.db', {DB!r})")
    use(connect())


def deletes_wal():
    connection = connect()
    other_process(f"import os; os.unlink({DB + '-wal'!r})")
    use(connection)


def closes_last():
    connection = connect()
    other_process(f"import sqlite3; c = sqlite3.connect({DB!r}); c.execute('SELECT * FROM t').fetchall(); c.close()")
    use(connection)
    connection.close()


def deletes_shm():
    connection = connect()
    other_process(f"import os; os.unlink({DB + '-shm'!r})")
    use(connection)


def deletes_shm_of_closed():
    connect().close()
    with open(DB + "-shm", "wb"):
        pass
    other_process(f"import os; os.unlink({DB + '-shm'!r})")
    use(connect())


def deletes_journal():
    connection = connect(journal="delete")
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (3, zeroblob(200000))")
    reader = sqlite3.connect(DB)
    other_process(f"import os; os.unlink({DB + '-journal'!r})")
    use(connection)
    connection.execute("COMMIT")
    reader.close()


def rolls_back():
    connection = connect(journal="delete")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (3, zeroblob(200000))")
    connection.execute("ROLLBACK")
    use(connection)


def copies_over_open():
    connect("template.db").close()
    connection = connect()
    other_process(f"import shutil; shutil.copyfile('template.db', {DB!r})")
    use(connection)


def restores_by_backup():
    connect("template.db").close()
    connection, template = connect(), sqlite3.connect("template.db")
    template.backup(connection)
    use(connection)


def cuts_database():
    connection = connect()
    other_process(f"import os; os.truncate({DB!r}, 4096)")
    use(connection)


def vacuums():
    connection = connect()
    connection.execute("DELETE FROM t")
    connection.execute("VACUUM")
    use(connection)


def cuts_wal():
    connection = connect()
    other_process(f"import os; os.truncate({DB + '-wal'!r}, 0)")
    use(connection)


def checkpoints():
    connection = connect()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    use(connection)


def uses_after_fork():
    connection = connect()
    child = os.fork()
    if child == 0:
        culprit()
        use(connection)
        os._exit(0)
    os.waitpid(child, 0)


def opens_after_fork():
    connect().close()
    child = os.fork()
    connection = sqlite3.connect(DB, timeout=5, isolation_level=None)
    use(connection)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    use(connection)


def writes_stale_descriptor():
    stale = os.open("log.txt", os.O_WRONLY | os.O_CREAT, 0o644)
    os.close(stale)
    connection = sqlite3.connect(DB)
    connection.execute("CREATE TABLE t(a, b)")
    culprit()
    os.write(stale, b"a line of a log\n")
    connection.close()


def writes_own_descriptor():
    connection = connect()
    own = os.open("log.txt", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(own, b"a line of a log\n")
    os.close(own)
    use(connection)


def opens_two_names():
    connection = connect()
    os.link(DB, "second.db")
    culprit()
    other = sqlite3.connect("second.db")
    try:
        other.execute("SELECT * FROM t").fetchall()
    except sqlite3.Error:
        pass
    use(connection)


def opens_one_name_twice():
    connection = connect()
    other = sqlite3.connect(os.path.abspath(DB))
    other.execute("SELECT * FROM t").fetchall()
    use(connection)


def cuts_shm():
    """The next access to the mapping ends the process with SIGBUS, so the database is only open here."""
    connection = connect()
    other_process(f"import os; os.truncate({DB + '-shm'!r}, 0)")
    connection.interrupt()


def asks_size_of_shm():
    connection = connect()
    other_process(f"import os; os.path.getsize({DB + '-shm'!r})")
    use(connection)


def sqlite_library():
    """Path of the SQLite that this process has loaded."""
    connect("other.db").close()
    with open("/proc/self/maps", encoding="utf-8") as file:
        return next(line.split()[-1] for line in file if "libsqlite3" in line)


def open_with(library, name):
    """A connection of another copy of SQLite in this process, by its C API; never closed."""
    handle = ctypes.c_void_p()
    library.sqlite3_open(name.encode(), ctypes.byref(handle))
    library.sqlite3_exec(handle, b"SELECT * FROM t", None, None, None)
    return handle


def loads_second_sqlite():
    shutil.copy(sqlite_library(), "libsecond.so")
    connection = connect()
    culprit()
    handle = open_with(ctypes.CDLL(os.path.abspath("libsecond.so")), DB)
    use(connection)
    return handle


def loads_sqlite_again():
    library = sqlite_library()
    connection = connect()
    handle = open_with(ctypes.CDLL(library), DB)
    use(connection)
    return handle


def loses_locks_and_wal():
    """Both halves of the pair that is silent alone: a copy inside, then another process that closes last."""
    connection = connect()
    shutil.copy(DB, "copy.db")
    other_process(f"import sqlite3; c = sqlite3.connect({DB!r}); c.execute('SELECT * FROM t').fetchall(); c.close()")
    use(connection)


ROWS = (
    ("close-drops-locks", copies_in_process, backs_up, "close"),
    ("close-drops-locks", reads_magic, reads_magic_elsewhere, "close"),
    ("unlink-open", deletes_open, deletes_closed, "unlink"),
    ("unlink-open", deletes_as_another_user, looks_as_another_user, "unlink"),
    ("unlink-open", renames_over_open, renames_over_closed, "rename"),
    ("deleted-in-service", deletes_between_uses, makes_it_anew, "unlink"),
    ("deleted-in-service", deletes_and_nobody_makes_it_anew, deletes_at_the_end, "unlink"),
    ("wal-unlink", deletes_wal, closes_last, "unlink"),
    ("wal-unlink-by-sqlite", loses_locks_and_wal, closes_last, "unlink"),
    ("shm-unlink", deletes_shm, deletes_shm_of_closed, "unlink"),
    ("hot-journal-deleted", deletes_journal, rolls_back, "unlink"),
    ("copy-over", copies_over_open, restores_by_backup, "open"),
    ("truncate-db", cuts_database, vacuums, "truncate"),
    ("wal-truncate", cuts_wal, checkpoints, "truncate"),
    ("shm-truncate", cuts_shm, asks_size_of_shm, "truncate"),
    ("two-copies", loads_second_sqlite, loads_sqlite_again, "open"),
    ("fork-use", uses_after_fork, opens_after_fork, "fcntl"),
    ("fd-reuse", writes_stale_descriptor, writes_own_descriptor, "write"),
    ("hard-link", opens_two_names, opens_one_name_twice, "open"),
)
