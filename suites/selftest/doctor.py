#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doctor.py - walgrind doctor: each fault is made, and told of with its file and process; a healthy place has none.

    doctor.py WALGRIND

Prints one line per failed check and exits with 1.
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
MENDED = ((3, 44, 6), (3, 50, 7))  # and everything from 3.51.3 on
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def doctor(*words):
    done = subprocess.run([WALGRIND, "doctor", *words], text=True, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def findings(place):
    code, out, err = doctor("--json", place)
    found = json.loads(out)
    check("the exit code says whether something is bad", code == any(each["grade"] == "bad" for each in found), err)
    return found


def has(found, grade, path, message, pid=None):
    return any(each["grade"] == grade and each["path"].endswith(path) and message in each["message"] and
               each.get("pid") == pid for each in found)


def make(path, mode="wal"):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("CREATE TABLE t(a)")
    return db


def healthy(place):
    make(f"{place}/idle.db").close()
    make(f"{place}/old.db", "delete").close()
    with open(f"{place}/notes.txt", "w", encoding="ascii") as file:
        file.write("SQLite format 3, they say")
    found = findings(place)
    check("a healthy place has nothing bad", not [each for each in found if each["grade"] != "note"], found)
    check("its databases are listed", has(found, "note", "/idle.db", "WAL, open in 0 processes") and
          has(found, "note", "/old.db", "rollback journal, open in 0 processes"), found)
    check("other files are not", not any("notes" in each["path"] for each in found), found)


def users(place):
    me = os.getpid()
    db = make(f"{place}/used.db")
    db.execute("BEGIN IMMEDIATE")
    found = findings(place)
    check("who uses a database is named", has(found, "note", place, f"SQLite {sqlite3.sqlite_version}", me), found)
    version = sqlite3.sqlite_version_info
    mended = version >= (3, 51, 3) or any(version[:2] == good[:2] and version >= good for good in MENDED)
    check("a faulty version is told of", has(found, "warn", place, "WAL reset", me) == (not mended), found)
    check("who holds the write lock is named", has(found, "note", "/used.db-shm", "write lock", me), found)
    code, out, _err = doctor(f"{place}/used.db")
    check("one database alone", code == 0 and "used.db: " in out and "WAL, open in 1 process\n" in out, out)
    db.execute("ROLLBACK")
    db.close()


def faults(place):
    me = os.getpid()
    gone = make(f"{place}/gone.db")
    gone.execute("INSERT INTO t VALUES (1)")
    os.unlink(f"{place}/gone.db-wal")
    old = make(f"{place}/replaced.db", "delete")
    os.unlink(f"{place}/replaced.db")
    twice = make(f"{place}/one.db", "delete")
    os.link(f"{place}/one.db", f"{place}/two.db")
    alone = make(f"{place}/alone.db")
    alone.execute("INSERT INTO t VALUES (1)")
    os.makedirs(f"{place}/copy")
    for name in ("alone.db", "alone.db-wal"):
        shutil.copy(f"{place}/{name}", f"{place}/copy/{name}")
    shutil.copy(f"{place}/alone.db-wal", f"{place}/copy/lost.db-wal")
    found = findings(place)
    check("a deleted WAL that is open", has(found, "bad", "/gone.db-wal", "was deleted", me), found)
    check("a deleted database that is open", has(found, "bad", "/replaced.db", "was deleted", me), found)
    for name in ("one", "two"):
        check(f"two names: {name}", has(found, "bad", f"/{name}.db", "has 2 names"), found)
    check("use by another name", has(found, "warn", "/two.db", "under another name", me), found)
    check("a WAL that nobody has open", has(found, "warn", "/copy/alone.db-wal", "nobody has open"), found)
    check("but not one in use", not has(found, "warn", f"{place}/alone.db-wal", "nobody has open"), found)
    check("a WAL without its database", has(found, "bad", "/copy/lost.db-wal", "its database is not there"), found)
    code, out, _err = doctor(place)
    check("as text, the worst first", code == 1 and out.startswith("bad ") and out.index("\nnote") > out.rindex("\nbad")
          and out.rstrip().endswith("to think about"), out)
    for db in (gone, old, twice, alone):
        db.close()


def unread(place):
    """Nothing is said to be well that could not be looked at."""
    os.chmod(place, 0o755)
    os.makedirs(f"{place}/closed")
    make(f"{place}/closed/in.db").close()
    make(f"{place}/mine.db").close()
    os.chmod(f"{place}/closed", 0)
    os.chmod(f"{place}/mine.db", 0)
    nobody = {"user": 65534} if os.geteuid() == 0 else {}
    done = subprocess.run([WALGRIND, "doctor", "--json", place], text=True, capture_output=True, check=False, **nobody)
    found = json.loads(done.stdout)
    for name in ("closed", "mine.db"):
        check(f"{name} may not be read", has(found, "warn", f"/{name}", "may not be read"), found)
    check("then it is not said that there is none", "no database is here" not in done.stdout, done.stdout)
    os.chmod(f"{place}/closed", 0o755)


def neighbours(place):
    """A name that begins as that of the place, or of the database, is another's."""
    for name in ("app", "app2"):
        os.makedirs(f"{place}/{name}")
    kept = make(f"{place}/app/x.db", "delete")
    lost = [make(path, "delete") for path in (f"{place}/app2/lost.db", f"{place}/app/x.db2")]
    os.unlink(f"{place}/app2/lost.db")
    os.unlink(f"{place}/app/x.db2")
    found = findings(f"{place}/app")
    check("a deleted database next door", not has(found, "bad", "/lost.db", "was deleted", os.getpid()), found)
    check("is not one that is here", has(found, "bad", "/x.db2", "was deleted", os.getpid()), found)
    found = findings(f"{place}/app/x.db")
    check("nor a sidecar", not has(found, "bad", "/x.db2", "was deleted", os.getpid()), found)
    wal = make(f"{place}/app/y.db")
    os.unlink(f"{place}/app/y.db-wal")
    found = findings(f"{place}/app/y.db")
    check("a sidecar of the one database is", has(found, "bad", "/y.db-wal", "was deleted", os.getpid()), found)
    for db in (kept, wal, *lost):
        db.close()


def locks(place):
    """Neighbouring locks are one line of /proc/locks."""
    db = make(f"{place}/l.db", "delete")
    db.execute("BEGIN EXCLUSIVE")
    found = findings(place)
    for name in ("PENDING", "RESERVED", "EXCLUSIVE"):
        check(f"{name} is told", has(found, "note", "/l.db", f"{name} is held", os.getpid()), found)
    db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    found = findings(place)
    check("RESERVED alone is RESERVED", has(found, "note", "/l.db", "RESERVED is held", os.getpid()) and
          not any("EXCLUSIVE" in each["message"] or "PENDING" in each["message"] for each in found), found)
    db.execute("ROLLBACK")
    db.close()


def others(place):
    """Processes that may not be looked at may be the ones that use it."""
    if os.geteuid() != 0:
        return
    os.chmod(place, 0o755)
    db = make(f"{place}/theirs.db")
    db.execute("INSERT INTO t VALUES (1)")
    done = subprocess.run([WALGRIND, "doctor", place], text=True, capture_output=True, check=False, user=65534)
    check("what may not be looked at is told", "of other users" in done.stdout, done.stdout)
    check("in the last line too", " not seen" in done.stdout.splitlines()[-1], done.stdout)
    check("then nobody is not said", "nobody has open" not in done.stdout, done.stdout)
    code, out, _err = doctor(place)
    check("root sees all", code == 0 and "other users" not in out and "not seen" not in out, out)
    db.close()


HOLDER = """
import mmap, sys
database, library = [open(path, "rb") for path in sys.argv[1:]]
mapped = mmap.mmap(library.fileno(), 0, prot=mmap.PROT_READ)
print("ready", flush=True)
sys.stdin.read()
"""


def names(place):
    """A name is anybody's: it stays on its line and says nothing to the terminal."""
    make(f"{place}/a\nbad   everything: gone\x1b[2J.db").close()
    _code, out, _err = doctor(place)
    check("a name stays on its line",
          "\x1b" not in out and not any(line.startswith("bad") for line in out.splitlines()), repr(out))
    check("and in JSON it is itself", has(findings(place), "note", "/a\nbad   everything: gone\x1b[2J.db", "WAL"), out)
    check("JSON ends its line", doctor("--json", place)[1].endswith("]\n"))


def version(place):
    """The version is read, not asked: a library of somebody's process is not run."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        library = next((line[line.index("/"):].strip() for line in maps if "/libsqlite3" in line), None)
    if not library:
        return
    with open(library, "rb") as file:
        content = bytearray(file.read())
    content[18] ^= 0x40  # of a machine on which it cannot be loaded
    foreign = f"{place}/libsqlite3.so.0"
    with open(foreign, "wb") as file:
        file.write(content)
    make(f"{place}/v.db").close()
    child = subprocess.Popen([sys.executable, "-c", HOLDER, f"{place}/v.db", foreign], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    child.stdout.readline()
    found = findings(place)
    with open(foreign, "r+b") as file:
        file.truncate(100000)
    cut = findings(place)
    child.communicate()
    check("the version is read", has(found, "note", place, f"SQLite {sqlite3.sqlite_version}", child.pid), found)
    check("of a cut library it is unknown", has(cut, "note", place, "SQLite of an unknown version", child.pid), cut)


MOUNTED = """
mount -t tmpfs none "$1/data" && mount -t proc none "$1/proc" && cp "$1/m.db" "$1/data/in.db" &&
    exec "$2" doctor --json "$1"
"""


def mounts(place):
    """What is mounted below is below; what is no place for files is not."""
    for name in ("data", "proc"):
        os.makedirs(f"{place}/{name}")
    make(f"{place}/m.db", "delete").close()
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", f"{place}/data"],
                                           capture_output=True, check=False).returncode != 0:
        return
    done = subprocess.run(["unshare", "-m", "sh", "-c", MOUNTED, "sh", place, WALGRIND], text=True, capture_output=True,
                          timeout=60, check=False)
    found = json.loads(done.stdout)
    check("a database on another file system", has(found, "note", "/data/in.db", "rollback journal"), found)
    check("whose kind is told", has(found, "note", "/data", "tmpfs"), found)
    check("but not /proc", not any("/proc" in each["path"] for each in found), found)


def usage():
    for words, message in ((("/no/such/place",), "No such file"), (("a", "b"), "one directory or database, not 2")):
        code, _out, err = doctor(*words)
        check(f"{words}: exit 2, one line", (code, err.count("\n")) == (2, 1) and message in err, (code, err))


for part in (healthy, users, faults, unread, neighbours, locks, others, names, version, mounts):
    with tempfile.TemporaryDirectory(prefix="walgrind 'doctor' ") as directory:
        part(directory)
usage()
sys.exit(1 if problems else 0)
