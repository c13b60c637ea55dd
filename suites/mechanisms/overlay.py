# SPDX-License-Identifier: MIT
"""overlay.py - databases in a lower layer of overlayfs: Python programs for mechanisms.py, rows at the end.

The layers and the overlay lie on a tmpfs below the current directory, in a mount namespace that ends with the program;
without the rights of root in a user namespace too.
"""
import ctypes
import os
import sqlite3
import sys

from common import CANNOT, DB, connect, culprit, other_process

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)
MERGED = f"box/merged/{DB}"


def demand(result, what):
    if result != 0:
        print(f"cannot: {what}: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(CANNOT)


def own_mounts():
    """Returns the options that an overlay needs there."""
    flags = CLONE_NEWNS if os.geteuid() == 0 else CLONE_NEWNS | CLONE_NEWUSER
    uid, gid = os.geteuid(), os.getegid()
    demand(LIBC.unshare(flags), "unshare")
    if flags & CLONE_NEWUSER:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    demand(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    return ",userxattr" if flags & CLONE_NEWUSER else ""


def overlay(journal):
    """An overlay with a database in its lower layer."""
    options = own_mounts()
    os.mkdir("box")
    demand(LIBC.mount(b"none", b"box", b"tmpfs", 0, b"mode=755"), "mount tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"box/{name}")
    connect(f"box/lower/{DB}", journal).close()
    layers = ",".join(f"{name}dir={os.path.abspath('box')}/{name}" for name in ("lower", "upper", "work"))
    demand(LIBC.mount(b"none", b"box/merged", b"overlay", 0, (layers + options).encode()), "mount overlay")


def reader(mmap_size=1 << 20, mode="ro"):
    connection = sqlite3.connect(f"file:{MERGED}?mode={mode}", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA mmap_size={mmap_size}")
    return connection


def count(connection):
    return connection.execute("SELECT count(*) FROM t").fetchone()[0]


def write(code):
    other_process(f"import sqlite3; c = sqlite3.connect({MERGED!r}, isolation_level=None); {code}; c.close()")
    culprit()  # of what follows: the reader


def inserts(then="0"):
    write(f"c.execute('INSERT INTO t VALUES (2, zeroblob(10))'); {then}")


def reads_old_content():
    overlay("delete")
    connection = reader()
    count(connection)
    inserts()
    assert count(connection) == 1, "the mapping has followed"


def reads_through_the_descriptor():
    overlay("delete")
    connection = reader(mmap_size=0)
    count(connection)
    inserts()
    assert count(connection) == 2


def goes_back_at_a_checkpoint():
    """While a commit is in the WAL the reader sees it, and no longer once it is in the database."""
    overlay("wal")
    connection = reader()
    inserts()
    assert count(connection) == 2
    write("c.execute('PRAGMA wal_checkpoint')")
    assert count(connection) == 1, "the mapping has followed"


def goes_back_at_once():
    """The commit is in the database before the reader looks again."""
    overlay("wal")
    connection = reader()
    count(connection)
    inserts(then="c.execute('PRAGMA wal_checkpoint')")
    assert count(connection) == 1, "the mapping has followed"


def reads_what_nobody_writes():
    overlay("wal")
    connection, other = reader(), reader()
    for _ in range(3):
        count(connection)
        count(other)


def maps_after_the_copy():
    """The descriptor was opened before, the mapping is made later."""
    overlay("delete")
    connection = reader(mmap_size=0)
    count(connection)
    inserts()
    connection.execute("PRAGMA mmap_size=1000000")
    count(connection)


def opens_for_writing_first(journal="delete", then="0"):
    """The fix: whoever comes first opens for writing, then readers and writers may map it."""
    overlay(journal)
    with open(MERGED, "ab"):
        pass
    reading, writing = reader(), reader(mode="rw")
    for rows in range(1, 4):
        assert (count(reading), count(writing)) == (rows, rows)
        inserts(then)


def follows_in_wal_mode():
    opens_for_writing_first("wal", "c.execute('PRAGMA wal_checkpoint')")


ROWS = (
    ("overlay-copy-up", reads_old_content, opens_for_writing_first, "fcntl"),
    ("overlay-copy-up", goes_back_at_a_checkpoint, reads_what_nobody_writes, "mmap"),
    ("overlay-copy-up", goes_back_at_once, follows_in_wal_mode, "fcntl"),
    ("overlay-copy-up", maps_after_the_copy, reads_through_the_descriptor, "mmap"),
)
