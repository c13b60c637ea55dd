/* SPDX-License-Identifier: MIT */
/*
 * trace.h - the format of what the probe writes: one file a process image, fixed-size records.
 *
 * A run's trace is a directory. Every process image that loaded the probe has one file in it,
 * `PID-STARTNS.wgtrace` (STARTNS: CLOCK_MONOTONIC in ns when the file was made), which it maps and
 * writes records to through memory alone, so that all are there after `kill -9` of everything.
 * A forked child has a file of its own, and so has the program after exec.
 *
 *   +--------+---------------------+-------------------------+-----------------------+
 *   | header | area 0: rare calls  | area 1: frequent calls  | strings               |
 *   | 4096 B | a log: keeps the    | a ring: keeps the       | entries, append only  |
 *   |        | first N records     | last N records          |                       |
 *   +--------+---------------------+-------------------------+-----------------------+
 *
 * Rare calls (open, close, unlink, errors, ...) are what causes are made of, and must not be pushed
 * out by the locks and writes of a busy server; hence two areas. The table of types names the usual
 * one; the probe moves what is ordinary to the ring (SQLite opening, closing and unlinking a
 * journal) and what is not to the log (failures, writes by others than SQLite). When the
 * log is full, its records go to the ring too. Nothing is lost silently: each area counts what it
 * was given (`next`). Of the ring the oldest `next - capacity` were dropped when that is positive;
 * of the log so many went to the ring. `strings_lost` counts strings that found no room; a record
 * that refers to one has WG_TRACE_CUT set.
 *
 * Writing a record: take a number n from the area's `next` (one atomic add), go to slot n (log) or
 * n modulo capacity (ring), set `commit` to 0, fill in the rest, set `commit` to n + 1 (release; 0
 * when that wraps to 0, which costs one record in 2^32). A reader takes a slot whose commit c is
 * not 0 and for which (c - 1) modulo capacity is the slot's number; anything else was being
 * written when the process died. The newest record of the ring may become longer afterwards, when
 * it is a WRITE and another piece follows: first its `result`, then its `length`.
 *
 * Strings: a reference is an offset in the strings area, a multiple of 8; 0 is none, and the area's
 * first 8 bytes are unused. At it: uint32_t size, uint32_t hash (the writer's affair), then as many
 * bytes, then a NUL; the next entry begins at the next multiple of 8. Stacks lie in the same area,
 * as arrays of uint64_t return addresses (innermost first).
 *
 * All integers have the byte order of the machine; files are read where they were written. A change
 * that an older reader cannot ignore raises WG_TRACE_VERSION.
 *
 * To add a record type: a row in WG_TRACE_TYPES with the meaning of the members that it uses, at
 * the end of the table (its number is its position).
 */
#ifndef WG_HARNESS_WIRE_TRACE_H
#define WG_HARNESS_WIRE_TRACE_H

#include <stdint.h>

#define WG_TRACE_VERSION     1
#define WG_TRACE_MAGIC       "WGTRACE" /* with its NUL: 8 bytes */
#define WG_TRACE_SUFFIX      ".wgtrace"
#define WG_TRACE_HEADER_SIZE 4096
#define WG_TRACE_RECORD_SIZE 128
#define WG_TRACE_PIECES_NS   1000000 /* pieces of a write become one for so long, see WRITE */
#define WG_TRACE_STRING_MAX  4096    /* bytes of one string; longer ones are cut (WG_TRACE_CUT) */
#define WG_TRACE_FRAMES_MAX  48      /* return addresses of one stack */
#define WG_TRACE_SCRIPT_MAX  16      /* frames of an interpreted language */

/* Environment of a traced process. */
#define WG_TRACE_DIR_ENV "WALGRIND_TRACE_DIR"
/* Path of the program that starts others with a tracer beside them, where that is wanted. */
#define WG_TRACER_ENV    "WALGRIND_TRACER"
#define WG_TRACER_NAME   "walgrind-tracer"

/* With this begins the text of a MARK that says what of its process is not seen, and why. */
#define WG_TRACE_NOT_COVERED "not covered: "

enum wg_trace_area { WG_TRACE_RARE, WG_TRACE_FREQUENT, WG_TRACE_AREAS };

/* In ino2 of a write: the lower 32 bits are a schema cookie. */
#define WG_TRACE_COOKIE (UINT64_C(1) << 32)

/*
 * What happened. X(identifier, name, usual area, what the members hold)
 *
 * Unless a row says otherwise: `fd` is the descriptor worked on (-1 none), `dev` and `ino` the
 * file behind it or, for a call with a path, the file that the path named *before* the call (0 when
 * there was none), `path` the absolute path, `result` what the call returned, `error` errno when
 * it failed and else 0, `role` and `database` the part that the file plays in a database family,
 * `held` and `open_count` this process's state on the inode just *before* the call, `call` the
 * function (WG_TRACE_CALLS), `caller` its return address, `origin` who called.
 *
 * Recorded are calls on files that belong to a database family, or may: see `role`. Successful
 * reads by SQLite are left out.
 */
#define WG_TRACE_TYPES(X)                                                                            \
    X(NONE, "none", RARE, "no record")                                                               \
    X(PROCESS, "process", RARE,                                                                      \
      "the probe began in this image; result: parent pid, offset: 1 after exec, length: real uid")   \
    X(FORKED, "forked", RARE,                                                                        \
      "this process began as a fork; result: parent pid, offset: start_ns of the parent's file")     \
    X(FORK, "fork", RARE, "result: pid of the child, in the parent")                                 \
    X(EXEC, "exec", RARE, "about to exec path, text: its arguments; with error: it failed")          \
    X(EXIT, "exit", RARE, "regular end (exit, return from main); result: status")                    \
    X(KILL, "kill", RARE, "sent signal `offset` to pid `length` (kill, killpg)")                     \
    X(MODULE, "module", RARE,                                                                        \
      "path is mapped at addresses offset..offset+length; ino2: load bias to subtract from an "      \
      "address to get one of the file; result: 1 it exports the SQLite API, 2 it contains SQLite "   \
      "without exporting it; text: version of that SQLite, if known")                                \
    X(OPEN, "open", RARE,                                                                            \
      "result: new descriptor or -1; offset: mode, length: flags (O_*); dev and ino: what was "      \
      "opened; ino2: the inode that the path named before, when O_CREAT or O_TRUNC was given")       \
    X(CLOSE, "close", RARE,                                                                          \
      "held: POSIX locks of this process on the inode, all of which the call drops; open_count: "    \
      "descriptors of this process on the inode before the call, this one among them")               \
    X(DUP, "dup", RARE, "result: the new descriptor, length: the one that was closed by it or -1")   \
    X(READ, "read", FREQUENT, "offset (-1: at the file position), length: bytes asked for")          \
    X(WRITE, "write", FREQUENT,                                                                      \
      "offset (-1: at the file position), length: bytes given; ino2 of page 1 that SQLite writes: "  \
      "WG_TRACE_COOKIE and its schema cookie; pieces that SQLite writes one behind the other "       \
      "within a millisecond, with nothing else in between, are one")                                 \
    X(TRUNCATE, "truncate", RARE, "length: the new size, offset: the old one")                       \
    X(ALLOCATE, "allocate", FREQUENT, "fallocate and the like; offset, length")                      \
    X(SYNC, "sync", FREQUENT, "fsync, fdatasync, msync")                                             \
    X(COPY, "copy", RARE,                                                                            \
      "copy_file_range, sendfile, splice, FICLONE; fd, dev, ino, path: the side in a family; "       \
      "path2: the other side; offset: 0 the family is the source, 1 it is the target; length")       \
    X(MAP, "map", RARE, "mmap; offset, length, result: address; mode of access in ino2 (PROT_*)")    \
    X(UNMAP, "unmap", FREQUENT, "munmap of a mapped family file; offset: address, length")           \
    X(LOCK, "lock", FREQUENT,                                                                        \
      "POSIX or OFD lock; lock_type; offset: start, length: bytes (0: to the end); for F_GETLK "     \
      "result is the pid of the holder or 0 when it was free, and ino2 the lock_type found; of the " \
      "WRITE lock on a -shm ino2 is nBackfill << 32 | mxFrame when the index says that more frames " \
      "were checkpointed than there are")                                                            \
    X(FLOCK, "flock", FREQUENT, "flock or lockf; lock_type; length: operation")                      \
    X(UNLINK, "unlink", RARE, "unlink, unlinkat, remove; offset: links of the inode before")         \
    X(RENAME, "rename", RARE,                                                                        \
      "from path to path2; ino: the file moved, ino2: the file replaced at path2, 0 if none; role "  \
      "and database of path2 when only that is in a family; offset: 1 when the role is path2's")     \
    X(LINK, "link", RARE, "path2 becomes another name of path; text of symlink in path")             \
    X(CHMOD, "chmod", RARE, "chmod, chown; offset: new mode or uid, length: gid")                    \
    X(RMDIR, "rmdir", RARE, "a directory that held a family of this process")                        \
    X(STAT, "stat", FREQUENT, "only failures of fstat, stat, access on a family's files")            \
    X(SQL_OPEN, "sql-open", RARE,                                                                    \
      "sqlite3_open*; connection; path: name or URI as given, text: VFS name; offset: flags; "       \
      "result: 1 when it has a mutex; error: extended result code")                                  \
    X(SQL_CLOSE, "sql-close", RARE,                                                                  \
      "sqlite3_close*; connection; length: 1 when a transaction was open; error: result code")       \
    X(SQL_PREPARE, "sql-prepare", FREQUENT,                                                          \
      "connection; text: SQL; offset: the statement; length: 1 when a transaction is open "          \
      "afterwards; error: extended result code")                                                     \
    X(SQL_STEP, "sql-step", FREQUENT,                                                                \
      "connection; text: SQL; offset: the statement; length as of sql-prepare; result: 100 row, "    \
      "101 done or the code; error: extended result code of a failure; of a run only the first "     \
      "step, the one that ends it, and failures")                                                    \
    X(SQL_RESET, "sql-reset", FREQUENT,                                                              \
      "sqlite3_reset, sqlite3_finalize of a statement that was still running; offset: it; text: "    \
      "SQL; length as of sql-prepare")                                                               \
    X(SQL_EXEC, "sql-exec", FREQUENT,                                                                \
      "connection; text: SQL; length as of sql-prepare; error: extended result code")                \
    X(SQL_LOG, "sql-log", RARE, "SQLite's own log; error: its code, text: its words")                \
    X(SQL_CONFIG, "sql-config", RARE,                                                                \
      "sqlite3_config, busy_timeout, enable_shared_cache; connection or 0; offset: which option "    \
      "(of sqlite3_config) or milliseconds; call tells them apart; error: result code")              \
    X(SQL_BACKUP, "sql-backup", RARE,                                                                \
      "sqlite3_backup_init; connection: target, offset: source connection")                          \
    X(LIMIT, "limit", RARE, "setrlimit; offset: resource, length: new soft limit")                   \
    X(MARK, "mark", RARE, "written by the harness: text names what begins or ends")                  \
    X(FAULT, "fault", RARE,                                                                          \
      "a fault or delay that was asked for, before the call that it befell; text: the "              \
      "specification or \"delay\"; result: type of that call's record, length: number of the "       \
      "matching call, offset: microseconds of a delay, error: what the call is made to fail with")   \
    X(ACCEPT, "accept", RARE,                                                                        \
      "only failures for want of a descriptor (EMFILE, ENFILE); fd, dev, ino, path: a database "     \
      "that the process has open")                                                                   \
    X(SQL_CHECKPOINT, "sql-checkpoint", RARE,                                                        \
      "sqlite3_wal_checkpoint*; connection; offset: mode; result: frames in the WAL, ino2: frames "  \
      "in the database, both -1 when unknown; error: extended result code")                          \
    X(SQL_OVERLAP, "sql-overlap", RARE,                                                              \
      "during a call on a connection without mutex another thread called on it too; offset: tid "    \
      "of that thread")                                                                              \
    X(STALE_MAP, "stale-map", RARE,                                                                  \
      "a mapping of a database on overlayfs, at address offset, does not show what the file holds: " \
      "bytes length..length+8 are result in the mapping (as a big-endian number) and ino2 in the "   \
      "file; call: at which SQLite was about to read; held: during it")

enum wg_trace_type {
#define WG_TRACE_ENUM(identifier, name, area, members) WG_TRACE_##identifier,
    WG_TRACE_TYPES(WG_TRACE_ENUM)
#undef WG_TRACE_ENUM
        WG_TRACE_TYPE_COUNT
};

/*
 * The part that a file plays. "database" of a record is the path of the main database file to which
 * the file belongs, for whichever role: X.db for X.db-wal.
 */
#define WG_TRACE_ROLES(X)                                                                          \
    X(NONE, "none", "no file, or one of no family")                                                \
    X(DATABASE, "database", "has the header of a database, or a family beside it")                 \
    X(WAL, "wal", "NAME-wal")                                                                      \
    X(SHM, "shm", "NAME-shm")                                                                      \
    X(JOURNAL, "journal", "NAME-journal")                                                          \
    X(SUPER_JOURNAL, "super-journal", "NAME-mjHEX: of a transaction over several databases")       \
    X(TEMPORARY, "temporary", "etilqs_*: SQLite's temporary files")                                \
    X(LOCK_FILE, "lock-file", "NAME.lock of the dotfile VFS")                                      \
    X(EMPTY, "empty", "an empty or new file that may become a database")

enum wg_trace_role {
#define WG_TRACE_ENUM(identifier, name, meaning) WG_TRACE_ROLE_##identifier,
    WG_TRACE_ROLES(WG_TRACE_ENUM)
#undef WG_TRACE_ENUM
        WG_TRACE_ROLE_COUNT
};

/*
 * Who made a call, by the object in which its return address lies. The two "likely" answers are
 * for objects that contain SQLite beside other code (statically linked): there the flags of open()
 * decide, and the call sites learnt from files that SQLite alone opens.
 */
#define WG_TRACE_ORIGINS(X)                                                                        \
    X(UNKNOWN, "unknown", "cannot be told")                                                        \
    X(SQLITE, "sqlite", "a library that exports the SQLite API")                                   \
    X(OTHER, "other", "an object without SQLite in it")                                            \
    X(SQLITE_LIKELY, "sqlite-likely", "an object with SQLite in it, at a place like SQLite's")     \
    X(OTHER_LIKELY, "other-likely", "an object with SQLite in it, at a place unlike SQLite's")

enum wg_trace_origin {
#define WG_TRACE_ENUM(identifier, name, meaning) WG_TRACE_ORIGIN_##identifier,
    WG_TRACE_ORIGINS(WG_TRACE_ENUM)
#undef WG_TRACE_ENUM
        WG_TRACE_ORIGIN_COUNT
};

/* lock_type of LOCK and FLOCK: which lock, and how it was asked for. */
enum wg_trace_lock {
    WG_TRACE_LOCK_READ = 1,
    WG_TRACE_LOCK_WRITE = 2,
    WG_TRACE_LOCK_UNLOCK = 3,
    WG_TRACE_LOCK_KIND = 3,  /* mask of the above */
    WG_TRACE_LOCK_WAIT = 4,  /* F_SETLKW: blocks */
    WG_TRACE_LOCK_OFD = 8,   /* open file description lock */
    WG_TRACE_LOCK_QUERY = 16 /* F_GETLK */
};

/*
 * Locks on an inode, in the terms of SQLite (sqlite.org/lockingv3.html, walformat.html): `held`.
 * Bits 0-3 are those of a database file; for a -shm, bit 8+i stands for any lock on byte 120+i and
 * bit 20+i for an exclusive one (i: 0 WRITE, 1 CKPT, 2 RECOVER, 3-7 READ0-4, 8 DMS). A lock on
 * other bytes of any file sets WG_TRACE_HELD_ELSE.
 */
#define WG_TRACE_HELD_SHARED       (UINT32_C(1) << 0)
#define WG_TRACE_HELD_RESERVED     (UINT32_C(1) << 1)
#define WG_TRACE_HELD_PENDING      (UINT32_C(1) << 2)
#define WG_TRACE_HELD_EXCLUSIVE    (UINT32_C(1) << 3)
#define WG_TRACE_HELD_ELSE         (UINT32_C(1) << 4)
#define WG_TRACE_HELD_SHM(i)       (UINT32_C(1) << (8 + (i)))
#define WG_TRACE_HELD_SHM_WRITE(i) (UINT32_C(1) << (20 + (i)))
#define WG_TRACE_SHM_LOCKS         9
#define WG_TRACE_SHM_LOCK_FIRST    120
#define WG_TRACE_DB_PENDING_BYTE   0x40000000

/* flags of a record */
#define WG_TRACE_CUT       0x0001u /* a string was cut or found no room */
#define WG_TRACE_INHERITED 0x0002u /* the descriptor or connection was opened by another pid */
#define WG_TRACE_INJECTED                                                                          \
    0x0004u /* the result, or that of a call in it, was asked for by a fault */
#define WG_TRACE_DELAYED  0x0008u /* held back by a perturbation */
#define WG_TRACE_UNLINKED 0x0010u /* the inode had no name any more when the call was made */
#define WG_TRACE_LINKS    0x0020u /* the inode had more than one name */
#define WG_TRACE_MOVED    0x0040u /* the path named another inode than the descriptor's */
#define WG_TRACE_OUTSIDE  0x0080u /* seen from outside the process (rare-call tracer) */

/* One record: 128 bytes, no padding. */
struct wg_trace_record {
    uint32_t commit;      /* 0 while it is being written */
    uint16_t type;        /* enum wg_trace_type */
    uint16_t flags;       /* WG_TRACE_CUT ... */
    int64_t time_ns;      /* CLOCK_MONOTONIC when the call began */
    uint32_t duration_us; /* how long it took, 0 when not measured or below 1 */
    uint32_t tid;
    int32_t fd;
    int32_t error; /* errno, or an SQLite result code in the SQL_ types; 0 none */
    int64_t result;
    uint64_t dev;
    uint64_t ino;
    uint64_t ino2;
    int64_t offset;
    int64_t length;
    uint64_t caller;     /* return address, 0 none */
    uint64_t connection; /* sqlite3 * on which the thread was in a call, 0 none or unknown */
    uint32_t path;       /* references to strings */
    uint32_t text;       /* path2, SQL, words: see the type */
    uint32_t database;
    uint32_t stack;      /* native return addresses */
    uint32_t script;     /* frames of an interpreter, innermost first: "FILE:LINE FUNCTION\n"... */
    uint32_t held;       /* WG_TRACE_HELD_* before the call */
    uint16_t open_count; /* descriptors of the process on the inode before the call */
    uint8_t role;
    uint8_t origin;    /* of this call */
    uint8_t opener;    /* origin of the open() that made fd */
    uint8_t lock_type; /* enum wg_trace_lock, of LOCK and FLOCK */
    uint16_t call;     /* enum wg_trace_call */
};

struct wg_trace_area_header {
    uint64_t offset;   /* in the file */
    uint64_t capacity; /* records */
    uint64_t next;     /* records given so far */
};

/* How far a process's life is known. */
enum wg_trace_state {
    WG_TRACE_RUNNING = 1, /* still running, or killed */
    WG_TRACE_EXITED = 2,  /* went through exit() */
    WG_TRACE_EXECED = 3   /* became another image by exec */
};

/* The first bytes of the file; the rest of the header's 4096 bytes is 0. */
struct wg_trace_header {
    char magic[8];
    uint32_t version;
    uint32_t record_size;
    uint64_t file_size;
    int32_t pid;
    int32_t ppid;
    int64_t start_ns;    /* CLOCK_MONOTONIC when this file was made */
    int64_t wall_ns;     /* nanoseconds since 1970 at the same moment */
    int64_t start_ticks; /* field 22 of /proc/PID/stat, 0 unknown */
    int64_t parent_ns;   /* start_ns of the file of the process that forked this one, 0 if none */
    uint32_t uid;
    uint32_t state;   /* enum wg_trace_state */
    uint32_t exe;     /* references to strings */
    uint32_t command; /* arguments, separated by spaces */
    uint32_t cwd;
    uint32_t libc; /* name and version of the C library */
    struct wg_trace_area_header areas[WG_TRACE_AREAS];
    uint64_t strings_offset;
    uint64_t strings_size;
    uint64_t strings_next; /* bytes used */
    uint64_t strings_lost; /* strings that found no room */
};

/*
 * The functions whose calls are recorded. X(identifier)
 * The 64-bit and fortified variants of a function (open64, __open_2) have its number; io_uring and
 * raw system calls seen from the outside have the number of the function that does the same.
 */
/* clang-format off */
#define WG_TRACE_CALLS(X)                                                                         \
    X(none) X(open) X(openat) X(creat) X(fopen) X(freopen) X(mkostemp) X(close) X(fclose)         \
    X(close_range) X(closefrom) X(dup) X(dup2) X(dup3) X(fcntl) X(read) X(pread) X(readv)         \
    X(preadv) X(write) X(pwrite) X(writev) X(pwritev) X(truncate) X(ftruncate) X(fallocate)       \
    X(posix_fallocate) X(fsync) X(fdatasync) X(msync) X(sync_file_range) X(copy_file_range)       \
    X(sendfile) X(splice) X(ioctl) X(mmap) X(mremap) X(munmap) X(flock) X(lockf) X(unlink)        \
    X(unlinkat) X(remove) X(rename) X(renameat) X(renameat2) X(link) X(linkat) X(symlink)         \
    X(symlinkat) X(rmdir) X(chmod) X(fchmod) X(chown) X(fchown) X(stat) X(fstat) X(access)        \
    X(fork) X(vfork) X(clone) X(posix_spawn) X(posix_spawnp) X(execve) X(execveat) X(fexecve)     \
    X(exit) X(_exit) X(kill) X(killpg) X(setrlimit) X(prlimit) X(dlopen) X(dlmopen)               \
    X(sqlite3_open) X(sqlite3_open16) X(sqlite3_open_v2) X(sqlite3_close) X(sqlite3_close_v2)     \
    X(sqlite3_prepare) X(sqlite3_prepare_v2) X(sqlite3_prepare_v3) X(sqlite3_prepare16)           \
    X(sqlite3_prepare16_v2) X(sqlite3_prepare16_v3) X(sqlite3_step) X(sqlite3_reset)              \
    X(sqlite3_finalize) X(sqlite3_exec) X(sqlite3_config) X(sqlite3_busy_timeout)                 \
    X(sqlite3_busy_handler) X(sqlite3_enable_shared_cache) X(sqlite3_backup_init) X(sqlite3_log)  \
    X(sqlite3_wal_checkpoint) X(sqlite3_wal_checkpoint_v2) X(preadv2) X(pwritev2) X(fread)        \
    X(fwrite) X(fchmodat) X(fchownat) X(statx) X(accept) X(accept4)
/* clang-format on */

enum wg_trace_call {
#define WG_TRACE_ENUM(identifier) WG_CALL_##identifier,
    WG_TRACE_CALLS(WG_TRACE_ENUM)
#undef WG_TRACE_ENUM
        WG_CALL_COUNT
};

#endif
