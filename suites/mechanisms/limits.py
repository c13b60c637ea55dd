# SPDX-License-Identifier: MIT
"""limits.py - what the system refuses a program with a database: Python programs for mechanisms.py, rows at the end."""
import ctypes
import os
import resource
import signal
import socket
import sqlite3
import sys

from common import CANNOT, DB, connect, culprit, use


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


ROWS = (
    ("nofile", runs_out_of_descriptors, closes_descriptors, "open"),
    ("nofile", refuses_connections, takes_connections, "accept4"),
    ("fsize-limit", passes_file_size, stays_below_file_size, "pwrite"),
    ("as-limit", leaves_no_address_space, leaves_address_space, "mmap"),
    ("dir-readonly", writes_in_closed_directory, writes_in_open_directory, "open"),
    ("disk-full", fills_disk, fits_on_disk, "pwrite"),
)
