#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mechanisms.py - every way to break a database that walgrind exec names, and beside each the nearest right way.

    mechanisms.py WALGRIND [ID...]      checks the detectors
    mechanisms.py --run ID bad|control  one program, in the current directory

A row is a detector's id, a function that does the wrong thing and one that does the right thing. Each runs in a process
of its own under `walgrind exec`. The bad one must give exactly that finding (and those that CONSEQUENCES allows), with
the pid of the process that announced itself as the culprit; the control must give none. Prints one line per failed
check and exits with 1. To add a mechanism: two functions and a row.
"""
import ctypes
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile

DB = "app.db"
CANNOT = 77  # exit code of a program that this machine does not let do what it wants


def connect(path=DB, journal="wal"):
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE IF NOT EXISTS t(a, b)")
    connection.execute("INSERT INTO t VALUES (1, 'x')")
    return connection


def use(connection):
    """One more write; what it answers on a broken database does not matter here."""
    try:
        connection.execute("INSERT INTO t VALUES (2, 'y')")
    except sqlite3.Error:
        pass


def culprit():
    with open("culprit", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))


def other_process(code):
    """Runs a piece of Python in a process of its own, which is the culprit."""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        with open("culprit", "w", encoding="ascii") as file:
            file.write(str(process.pid))
    return process.returncode


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


def runs_out_of_descriptors():
    connect().close()
    culprit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    kept = []
    try:
        while True:
            kept.append(connect())
    except sqlite3.Error:
        pass


def closes_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    for _ in range(100):
        connect().close()


def serve(connections, limit):
    """A server with a database open, and clients that connect without being closed."""
    database = connect()
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = [socket.create_connection(server.getsockname()) for _ in range(connections)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        try:
            kept += [server.accept() for _ in range(connections)]
        except OSError:
            pass
    database.close()


def refuses_connections():
    culprit()
    serve(20, 32)


def takes_connections():
    serve(20, 100)


def passes_file_size():
    connection = connect(journal="delete")
    culprit()
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))
    try:
        connection.execute("INSERT INTO t VALUES (3, zeroblob(400000))")
    except sqlite3.Error:
        pass


def stays_below_file_size():
    connection = connect(journal="delete")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000000, resource.RLIM_INFINITY))
    connection.execute("INSERT INTO t VALUES (3, zeroblob(400000))")


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


def leaves_no_address_space():
    connect().close()
    culprit()
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
    try:
        connect()
    except (sqlite3.Error, MemoryError):
        pass


def leaves_address_space():
    connect().close()
    resource.setrlimit(resource.RLIMIT_AS, (1 << 34, resource.RLIM_INFINITY))
    connect().close()


def drop_privileges(mode):
    """The file stays writable, the directory gets `mode`; root may write everywhere, so not as root."""
    os.chmod(".", mode)
    os.chmod(DB, 0o666)
    if os.geteuid() == 0:
        os.setuid(65534)


def writes_in_closed_directory():
    connect(journal="delete").close()
    culprit()
    drop_privileges(0o555)
    connection = sqlite3.connect(os.path.abspath(DB), isolation_level=None)
    use(connection)


def writes_in_open_directory():
    connect(journal="delete").close()
    drop_privileges(0o777)
    connection = sqlite3.connect(os.path.abspath(DB), isolation_level=None)
    use(connection)


def fills(size):
    """Writes 1 MiB in a tmpfs of `size`, in a mount namespace of its own."""
    library = ctypes.CDLL(None, use_errno=True)
    os.mkdir("small")
    if library.unshare(0x00020000) != 0 or library.mount(b"none", b"/", None, 0x44000, None) != 0 or \
            library.mount(b"tmpfs", b"small", b"tmpfs", 0, f"size={size}".encode()) != 0:
        sys.exit(CANNOT)
    os.chdir("small")
    connection = connect(journal="delete")
    os.chdir("..")
    culprit()
    try:
        connection.execute("INSERT INTO t VALUES (3, zeroblob(1000000))")
    except sqlite3.Error:
        pass


def fills_disk():
    fills("256k")


def fits_on_disk():
    fills("64m")


def loses_locks_and_wal():
    """Both halves of the pair that is silent alone: a copy inside, then another process that closes last."""
    connection = connect()
    shutil.copy(DB, "copy.db")
    other_process(f"import sqlite3; c = sqlite3.connect({DB!r}); c.execute('SELECT * FROM t').fetchall(); c.close()")
    use(connection)


ROWS = (
    ("close-drops-locks", copies_in_process, backs_up),
    ("close-drops-locks", reads_magic, reads_magic_elsewhere),
    ("unlink-open", deletes_open, deletes_closed),
    ("unlink-open", renames_over_open, renames_over_closed),
    ("deleted-in-service", deletes_between_uses, makes_it_anew),
    ("deleted-in-service", deletes_and_nobody_makes_it_anew, deletes_at_the_end),
    ("wal-unlink", deletes_wal, closes_last),
    ("wal-unlink-by-sqlite", loses_locks_and_wal, closes_last),
    ("shm-unlink", deletes_shm, deletes_shm_of_closed),
    ("hot-journal-deleted", deletes_journal, rolls_back),
    ("copy-over", copies_over_open, restores_by_backup),
    ("truncate-db", cuts_database, vacuums),
    ("wal-truncate", cuts_wal, checkpoints),
    ("shm-truncate", cuts_shm, asks_size_of_shm),
    ("two-copies", loads_second_sqlite, loads_sqlite_again),
    ("fork-use", uses_after_fork, opens_after_fork),
    ("fd-reuse", writes_stale_descriptor, writes_own_descriptor),
    ("hard-link", opens_two_names, opens_one_name_twice),
    ("nofile", runs_out_of_descriptors, closes_descriptors),
    ("nofile", refuses_connections, takes_connections),
    ("fsize-limit", passes_file_size, stays_below_file_size),
    ("as-limit", leaves_no_address_space, leaves_address_space),
    ("dir-readonly", writes_in_closed_directory, writes_in_open_directory),
    ("disk-full", fills_disk, fits_on_disk),
)
# What else a mechanism may lead to.
CONSEQUENCES = {"wal-unlink-by-sqlite": {"close-drops-locks"}}


class Skipped(Exception):
    """The machine does not let this program do what it wants."""


def examine(walgrind, function, place):
    """Findings of one program, and the pid that it announced (None: none)."""
    os.makedirs(place)
    record = os.path.join(place, "record")
    done = subprocess.run([walgrind, "exec", f"--output={record}", "--", sys.executable, os.path.abspath(__file__),
                           "--run", function.__name__], cwd=place, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False, timeout=60)
    if done.returncode == CANNOT:
        raise Skipped(function.__name__)
    with open(os.path.join(record, "findings.json"), encoding="utf-8") as file:
        findings = json.load(file)["findings"]
    named = os.path.join(place, "culprit")
    if not os.path.exists(named):
        return findings, None
    with open(named, encoding="ascii") as file:
        return findings, int(file.read())


def problems_of(walgrind, row, place):
    """What is wrong with the findings of a row's two programs, as sentences."""
    name, bad, control = row
    findings, pid = examine(walgrind, bad, place + "-bad")
    clean, _pid = examine(walgrind, control, place + "-control")
    ids = {finding["id"] for finding in findings}
    pids = [finding["pid"] for finding in findings if finding["id"] == name]
    claims = ((f"{bad.__name__} is {name}, not {sorted(ids)}", pids),
              (f"{bad.__name__}: nothing but {name}, not {sorted(ids)}", ids <= {name} | CONSEQUENCES.get(name, set())),
              (f"{bad.__name__}: the culprit is {pid}, not {pids}", name in CONSEQUENCES or pid in pids),
              (f"{control.__name__} is clean, not {[finding['id'] for finding in clean]}", not clean))
    return [claim for claim, holds in claims if not holds]


def documented(walgrind):
    """Detectors that no row shows or docs/diagnosis.md does not name."""
    listed = subprocess.run([walgrind, "explain"], stdout=subprocess.PIPE, text=True, check=True).stdout
    ids = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/diagnosis.md"),
              encoding="utf-8") as file:
        page = file.read()
    shown = {row[0] for row in ROWS}
    return [f"{name} has no row here" for name in ids if name not in shown] + \
        [f"{name} is not in docs/diagnosis.md" for name in ids if f"### {name}\n" not in page] + \
        [f"{name} is not a detector" for name in shown if name not in ids]


def main():
    walgrind, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    problems = [] if wanted else documented(walgrind)
    rows = [row for row in ROWS if not wanted or row[0] in wanted]
    skipped = []
    with tempfile.TemporaryDirectory(prefix="walgrind mechanisms ") as place:
        os.chmod(place, 0o755)
        for number, row in enumerate(rows):
            try:
                problems += problems_of(walgrind, row, os.path.join(place, str(number)))
            except Skipped as error:
                skipped.append(str(error))
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{len(rows)} mechanisms, {len(problems)} problems" + (f", not possible here: {skipped}" if skipped else ""))
    sys.exit(1 if problems or not rows else 0)


if len(sys.argv) == 3 and sys.argv[1] == "--run":
    globals()[sys.argv[2]]()
else:
    main()
