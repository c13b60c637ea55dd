/* SPDX-License-Identifier: MIT */
#include "harness/diag/detector.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool by_other(enum wg_trace_origin origin)
{
    return origin == WG_TRACE_ORIGIN_OTHER || origin == WG_TRACE_ORIGIN_OTHER_LIKELY;
}

static bool by_sqlite(enum wg_trace_origin origin)
{
    return origin == WG_TRACE_ORIGIN_SQLITE || origin == WG_TRACE_ORIGIN_SQLITE_LIKELY;
}

static bool is_held(const struct wg_diag_view *view)
{
    return view->holder_count > 0;
}

/* Somebody but the process that made the call. */
static bool is_held_elsewhere(const struct wg_diag_view *view)
{
    for (size_t i = 0; i < view->holder_count; i++)
        if (view->holders[i].process->pid != view->event->process->pid)
            return true;
    return false;
}

static bool worked(const struct wg_diag_view *view)
{
    return view->event->record->error == 0;
}

/* A call of this type that succeeded, by code that is not SQLite, on a file that SQLite has open.
 */
static bool is_foreign(const struct wg_diag_view *view, enum wg_trace_type type,
                       enum wg_trace_role role)
{
    const struct wg_trace_event *event = view->event;
    return event->type == type && event->role == role && by_other(event->origin) && worked(view) &&
           is_held(view);
}

static bool close_drops_locks(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    return event->type == WG_TRACE_CLOSE && by_other(event->origin) && by_other(event->opener) &&
           worked(view) &&
           (event->role == WG_TRACE_ROLE_DATABASE || event->role == WG_TRACE_ROLE_SHM) &&
           event->record->held != 0 && event->record->open_count > 1 &&
           !(event->record->flags & WG_TRACE_INHERITED);
}

/* Somebody who may write to what is replaced. Who only reads goes on with a whole old database: so
 * are databases published, by a rename over the one that is being read. */
static bool is_target_written(const struct wg_diag_view *view)
{
    for (size_t i = 0; i < view->target_count; i++)
        if (!view->target[i].reads_only)
            return true;
    return false;
}

static bool unlink_open(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    if (is_foreign(view, WG_TRACE_UNLINK, WG_TRACE_ROLE_DATABASE))
        return event->record->offset <= 1;
    return event->type == WG_TRACE_RENAME && by_other(event->origin) && worked(view) &&
           event->role == WG_TRACE_ROLE_DATABASE && event->record->ino2 != 0 &&
           is_target_written(view);
}

static bool deleted_in_service(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    return event->type == WG_TRACE_UNLINK && event->role == WG_TRACE_ROLE_DATABASE &&
           by_other(event->origin) && worked(view) && !is_held(view) && view->used_beside &&
           event->record->offset <= 1;
}

static bool wal_unlink(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_UNLINK, WG_TRACE_ROLE_WAL);
}

/* SQLite's own last close holds the database exclusively, so nobody else can have the WAL open:
 * unless locks were lost. */
static bool wal_unlink_by_sqlite(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    return event->type == WG_TRACE_UNLINK && event->role == WG_TRACE_ROLE_WAL &&
           by_sqlite(event->origin) && worked(view) && is_held_elsewhere(view);
}

static bool shm_unlink(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_UNLINK, WG_TRACE_ROLE_SHM);
}

static bool hot_journal_deleted(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_UNLINK, WG_TRACE_ROLE_JOURNAL);
}

static bool copy_over(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    if (event->role != WG_TRACE_ROLE_DATABASE || !by_other(event->origin) || !worked(view) ||
        !is_held(view))
        return false;
    switch (event->type) {
    case WG_TRACE_OPEN: return (event->record->length & O_TRUNC) != 0;
    case WG_TRACE_WRITE: return by_other(event->opener);
    case WG_TRACE_COPY: return event->record->offset == 1;
    default: return false;
    }
}

static bool fd_reuse(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    return event->type == WG_TRACE_WRITE && worked(view) && by_sqlite(event->opener) &&
           event->origin == WG_TRACE_ORIGIN_OTHER &&
           (event->role == WG_TRACE_ROLE_DATABASE || event->role == WG_TRACE_ROLE_WAL);
}

static bool truncate_db(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_TRUNCATE, WG_TRACE_ROLE_DATABASE);
}

static bool wal_truncate(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_TRUNCATE, WG_TRACE_ROLE_WAL);
}

static bool shm_truncate(const struct wg_diag_view *view)
{
    return is_foreign(view, WG_TRACE_TRUNCATE, WG_TRACE_ROLE_SHM);
}

static bool fork_use(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    if (!(event->record->flags & WG_TRACE_INHERITED) || !by_sqlite(event->origin) || !worked(view))
        return false;
    if (event->type == WG_TRACE_WRITE)
        return event->role == WG_TRACE_ROLE_DATABASE || event->role == WG_TRACE_ROLE_WAL;
    unsigned kind = event->record->lock_type & WG_TRACE_LOCK_KIND;
    return event->type == WG_TRACE_LOCK && !(event->record->lock_type & WG_TRACE_LOCK_QUERY) &&
           (kind == WG_TRACE_LOCK_READ || kind == WG_TRACE_LOCK_WRITE);
}

/* The database was opened under another name before, and both names are of one inode. Where all
 * only read there is no journal or WAL to be missed. */
static bool hard_link(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    if (event->type != WG_TRACE_OPEN || event->role != WG_TRACE_ROLE_DATABASE ||
        !by_sqlite(event->origin) || !worked(view) || !(event->record->flags & WG_TRACE_LINKS))
        return false;
    bool other_name = false;
    bool written = (event->record->length & O_ACCMODE) != O_RDONLY;
    for (size_t i = 0; i < view->holder_count; i++) {
        other_name = other_name || strcmp(view->holders[i].database, event->database) != 0;
        written = written || !view->holders[i].reads_only;
    }
    return other_name && written;
}

static bool two_copies(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    const char *path = NULL, *other = NULL;
    uint64_t address;
    if (event->type != WG_TRACE_OPEN || event->role != WG_TRACE_ROLE_DATABASE || !worked(view) ||
        !by_sqlite(event->origin) ||
        wg_trace_module(view->trace, event->process, event->record->caller, &path, &address) != 0)
        return false;
    for (size_t i = 0; i < view->holder_count; i++) {
        const struct wg_holder *holder = &view->holders[i];
        if (holder->process == event->process && holder->module != 0 &&
            wg_trace_module(view->trace, event->process, holder->module, &other, &address) == 0 &&
            strcmp(path, other) != 0)
            return true;
    }
    return false;
}

static bool failed_with(const struct wg_diag_view *view, enum wg_trace_type type, int error)
{
    return view->event->type == type && view->event->record->error == error &&
           !by_other(view->event->origin) && view->event->origin != WG_TRACE_ORIGIN_UNKNOWN;
}

static bool nofile(const struct wg_diag_view *view)
{
    enum wg_trace_role role = view->event->role;
    if (view->event->type == WG_TRACE_ACCEPT)
        return true;
    if (role == WG_TRACE_ROLE_NONE || role == WG_TRACE_ROLE_EMPTY)
        return false;
    return failed_with(view, WG_TRACE_OPEN, EMFILE) || failed_with(view, WG_TRACE_OPEN, ENFILE);
}

static bool disk_full(const struct wg_diag_view *view)
{
    return failed_with(view, WG_TRACE_WRITE, ENOSPC) ||
           failed_with(view, WG_TRACE_TRUNCATE, ENOSPC) ||
           failed_with(view, WG_TRACE_ALLOCATE, ENOSPC) ||
           failed_with(view, WG_TRACE_WRITE, EDQUOT);
}

static bool fsize_limit(const struct wg_diag_view *view)
{
    return failed_with(view, WG_TRACE_WRITE, EFBIG) || failed_with(view, WG_TRACE_TRUNCATE, EFBIG);
}

/* A database that cannot be mapped (PRAGMA mmap_size) is read instead. */
static bool as_limit(const struct wg_diag_view *view)
{
    return view->event->role == WG_TRACE_ROLE_SHM && failed_with(view, WG_TRACE_MAP, ENOMEM);
}

/* What is there already, SQLite opens for reading when it may not write to it. */
static bool dir_readonly(const struct wg_diag_view *view)
{
    enum wg_trace_role role = view->event->role;
    return view->event->record->ino == 0 &&
           (role == WG_TRACE_ROLE_JOURNAL || role == WG_TRACE_ROLE_WAL) &&
           (view->event->record->length & O_CREAT) != 0 &&
           (failed_with(view, WG_TRACE_OPEN, EACCES) || failed_with(view, WG_TRACE_OPEN, EROFS));
}

/* The probe looked into the index when the lock was granted. */
static bool wal_reset_bug(const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    return event->type == WG_TRACE_LOCK && event->role == WG_TRACE_ROLE_SHM && worked(view) &&
           event->record->ino2 != 0 && !(event->record->lock_type & WG_TRACE_LOCK_QUERY);
}

/* The probe has compared the mapping with the file. */
static bool overlay_copy_up(const struct wg_diag_view *view)
{
    return view->event->type == WG_TRACE_STALE_MAP;
}

const struct wg_detector wg_detectors[] = {
    {"close-drops-locks", WG_DIAG_ERROR, "a close() dropped SQLite's locks on %s",
     "Code that is not SQLite opened the database file and closed it again, as a copy, a hash or a "
     "check of the first bytes does. POSIX then ends all locks that the process holds on the file, "
     "those of every connection among them. SQLite does not notice: another process believes that "
     "nobody has the database open, writes at the same time or deletes the WAL in use.",
     "Do not open a database file in a process that has it open through SQLite. Copy with the "
     "backup API or VACUUM INTO; read the file in a process of its own (cp, sha256sum).",
     WG_DIAG_AT_ONCE, false, close_drops_locks},
    {"unlink-open", WG_DIAG_ERROR, "%s was deleted or replaced while it was open",
     "Connections that have it open go on with a file that has no name; whoever opens the path now "
     "gets another, empty one. Commits go to the nameless file and are lost.",
     "Close all connections first, or put the database back to its state while it stays open: "
     "walgrind fixture, or the backup API into it.",
     WG_DIAG_USED, false, unlink_open},
    {"deleted-in-service", WG_DIAG_ERROR,
     "%s was deleted while a process that works with it was running",
     "Nobody had the file open at that moment, but a process that had used it since the other one "
     "began came back and found no database (14 'unable to open database file') or an empty one: what "
     "was committed is gone, and only chance decides whether a request was under way.",
     "Stop the server before its databases are deleted, or put them back to their state while it "
     "runs: walgrind fixture.",
     WG_DIAG_MISSED, true, deleted_in_service},
    {"wal-unlink", WG_DIAG_ERROR, "the WAL of %s was deleted while it was in use",
     "Committed transactions that were only in the WAL are gone for everybody who opens the database "
     "from now on; new connections fail with 522 'disk I/O error'.",
     "Never delete -wal or -shm files of a database that is open.", WG_DIAG_USED, true, wal_unlink},
    {"wal-unlink-by-sqlite", WG_DIAG_ERROR,
     "SQLite deleted the WAL of %s though another process was using it",
     "The process that closed its last connection believed to be alone, since the locks of the others "
     "were gone. Their commits in that WAL are lost, and 522 'disk I/O error' follows.",
     "This is what lost locks lead to: put right what made a process that had it open lose them, "
     "which is a finding of its own.",
     WG_DIAG_AT_ONCE, true, wal_unlink_by_sqlite},
    {"shm-unlink", WG_DIAG_ERROR, "the -shm of %s was deleted while it was in use",
     "Connections that have it mapped and connections that open it anew no longer share their locks "
     "and their index of the WAL: both write, and one of them loses its commits.",
     "Never delete -wal or -shm files of a database that is open.", WG_DIAG_USED, false,
     shm_unlink},
    {"hot-journal-deleted", WG_DIAG_ERROR, "the journal of %s was deleted behind SQLite's back",
     "The rollback journal is what undoes a transaction that did not end. Without it a half-written "
     "transaction stays in the database, which is then corrupt without any error.",
     "Never delete -journal files; open the database once, and SQLite rolls back and deletes it.",
     WG_DIAG_USED, false, hot_journal_deleted},
    {"copy-over", WG_DIAG_ERROR, "%s was written over by code that is not SQLite",
     "The file changed under the connections that have it open. Their caches, and a WAL that stayed "
     "beside it, belong to the old content: 'malformed', or the old data again.",
     "Close all connections first and remove the -wal, or restore through SQLite: the backup API "
     "with the open database as target.",
     WG_DIAG_USED, false, copy_over},
    {"fd-reuse", WG_DIAG_ERROR, "code that is not SQLite wrote into SQLite's descriptor of %s",
     "A descriptor was closed twice or used after it was closed, and its number belongs to the "
     "database now. What was meant for a log or a socket lies in the database.",
     "Find who writes to a stale descriptor number: the stack is below.", WG_DIAG_AT_ONCE, false,
     fd_reuse},
    {"truncate-db", WG_DIAG_ERROR, "%s was cut by code that is not SQLite",
     "Pages are missing from now on: 'malformed', and SIGBUS in readers that have it mapped.",
     "Never truncate a database file; delete rows, or DROP TABLE and VACUUM.", WG_DIAG_USED, false,
     truncate_db},
    {"wal-truncate", WG_DIAG_ERROR, "the WAL of %s was cut by code that is not SQLite",
     "The index of the WAL points behind its end: every access fails with 522 'disk I/O error'.",
     "Use PRAGMA wal_checkpoint(TRUNCATE).", WG_DIAG_AT_ONCE, false, wal_truncate},
    {"shm-truncate", WG_DIAG_ERROR, "the -shm of %s was cut while it was mapped",
     "Whoever has it mapped dies from SIGBUS at the next access.", "Leave -shm files alone.",
     WG_DIAG_AT_ONCE, false, shm_truncate},
    {"fork-use", WG_DIAG_ERROR, "a connection to %s was used after fork()",
     "Locks belong to the process that took them: the child has none, though its copy of the "
     "connection believes it has. Both write; commits are lost or the database breaks.",
     "Open a connection of its own in each process, after the fork. In pre-fork servers: in the "
     "worker's start hook.",
     WG_DIAG_AT_ONCE, true, fork_use},
    {"hard-link", WG_DIAG_ERROR, "%s is open under two names",
     "SQLite finds the -wal and the journal by the name. With two names there are two of them for "
     "one database.",
     "Use one name. Copy instead of linking.", WG_DIAG_AT_ONCE, false, hard_link},
    {"two-copies", WG_DIAG_ERROR, "two libraries of SQLite in one process have %s open",
     "Each keeps its own list of the locks of the process. When one of them closes the file, POSIX "
     "ends the locks of the other.",
     "Link one SQLite only: the system's, or the bundled one.", WG_DIAG_AT_ONCE, false, two_copies},
    {"nofile", WG_DIAG_ERROR, "no descriptor was left in a process that works with %s",
     "The limit of open files was reached: SQLite cannot open the database or its WAL (14 'unable to "
     "open database file'), or a server takes no connection any more and seems to hang.",
     "Close connections (in Python `with sqlite3.connect(...)` ends the transaction, not the "
     "connection), use a pool, or raise RLIMIT_NOFILE.",
     WG_DIAG_AT_ONCE, true, nofile},
    {"disk-full", WG_DIAG_ERROR, "no space was left to write %s",
     "SQLITE_FULL (13), or 4874 'disk I/O error' where the -shm could not grow.",
     "Make room; a WAL that grows without end has a reader that never ends.", WG_DIAG_AT_ONCE, true,
     disk_full},
    {"fsize-limit", WG_DIAG_ERROR, "%s would have passed the limit of file sizes",
     "RLIMIT_FSIZE makes writes fail: 778 'disk I/O error'.", "Raise the limit (ulimit -f).",
     WG_DIAG_AT_ONCE, true, fsize_limit},
    {"as-limit", WG_DIAG_ERROR, "no address space was left to map the -shm of %s",
     "RLIMIT_AS makes mmap fail: 5386 'disk I/O error'.",
     "Raise the limit (ulimit -v); PRAGMA mmap_size=0 where memory maps of databases take it up.",
     WG_DIAG_AT_ONCE, true, as_limit},
    {"dir-readonly", WG_DIAG_ERROR, "the directory of %s does not let SQLite create its journal",
     "SQLite needs to create -journal or -wal beside the database: 1544, or 14 in WAL mode.",
     "Let the process write to the directory, not only to the file.", WG_DIAG_AT_ONCE, true,
     dir_readonly},
    {"overlay-copy-up", WG_DIAG_ERROR,
     "%s is mapped as it was before an overlay file system copied it up",
     "The file lay in a lower layer when it was opened for reading; the first open for writing then "
     "made a copy of it, and what is mapped of it (PRAGMA mmap_size) stays the old file for ever. "
     "The reader sees none of the commits since, without any error, or 11 'malformed' when old pages "
     "and new ones meet; SIGBUS ends it where the old file is shorter.",
     "Set PRAGMA mmap_size=0 in who opens it read-only; or keep databases on a volume; or let the "
     "container touch the file at its start, before anybody opens it.",
     WG_DIAG_AT_ONCE, true, overlay_copy_up},
    {"stale-wal", WG_DIAG_ERROR, "another file was put in the place of %s, and its old WAL stayed",
     "Whoever opened the database next found a WAL beside it and replayed it: pages of the old "
     "database lie in the new one. It is malformed, or it has the old content again.",
     "Remove -wal and -shm with the database, or move the files in as a whole; or restore through "
     "SQLite: the backup API with the database as target.",
     WG_DIAG_AT_ONCE, false, NULL},
    {"wal-reset-bug", WG_DIAG_ERROR,
     "the index of the WAL of %s counts more frames as checkpointed than there are",
     "A checkpoint and the commit that begins the WAL anew met in an unlucky order, as SQLite 3.7.0 "
     "to 3.51.2 lets them. Further checkpoints skip frames that were never copied: acknowledged "
     "commits are lost, or indexes are malformed.",
     "Upgrade SQLite to 3.51.3, 3.50.7, 3.44.6 or newer; until then let one connection do all "
     "checkpoints, or use wal_checkpoint(RESTART).",
     WG_DIAG_AT_ONCE, true, wal_reset_bug},
    {"copy-live", WG_DIAG_ERROR, "%s was copied without its WAL while it was in use",
     "What was committed lies in the WAL until a checkpoint: the copy lacks it, and when pages were "
     "being written, it is malformed. The copy was opened afterwards.",
     "Copy with VACUUM INTO or the backup API (.backup of the command line).", WG_DIAG_AT_ONCE,
     false, NULL},
    {"cookie-aba", WG_DIAG_ERROR,
     "the schema cookie of %s was set back to a value that it had before",
     "A connection reads the schema anew when the cookie in the database is not the one it knows. It "
     "had the same value under another schema, so one that was idle meanwhile went on with the old "
     "one: 'malformed' on a healthy file, or rows of another table.",
     "Never restore page 1, or set PRAGMA schema_version, to an older value while connections are open: "
     "restore through the backup API, which moves the cookie on.",
     WG_DIAG_AT_ONCE, false, NULL},
    {"immutable", WG_DIAG_ERROR, "%s was opened as immutable and written to meanwhile",
     "immutable=1 promises that the file does not change; SQLite then takes no locks, looks at no "
     "WAL and never reads a page again: 'malformed', or old data.",
     "Open with mode=ro; immutable=1 only for files that nobody writes.", WG_DIAG_AT_ONCE, false,
     NULL},
    {"nolock", WG_DIAG_ERROR, "%s was opened without locks, and others write to it",
     "nolock=1 takes no locks. Two connections then write at once: 5898 'disk I/O error', and the "
     "database is corrupt.",
     "Leave nolock=1 out, or see to it that there is one connection.", WG_DIAG_AT_ONCE, false,
     NULL},
    {"vfs-mix", WG_DIAG_ERROR, "connections to %s lock in different ways",
     "The VFS unix-dotfile locks with a file beside the database, unix-none not at all; neither sees "
     "the locks of the other connections, and both write at once.",
     "Open the database with the same VFS everywhere.", WG_DIAG_AT_ONCE, false, NULL},
    {"thread-misuse", WG_DIAG_ERROR, "two threads used one connection to %s at the same time",
     "The connection has no mutex (SQLITE_OPEN_NOMUTEX, or SQLite built or configured for one thread "
     "per connection): thousands of 'malformed' on a healthy file, and at worst real damage.",
     "A connection for each thread, or SQLITE_OPEN_FULLMUTEX.", WG_DIAG_AT_ONCE, true, NULL},
    {"no-tempdir", WG_DIAG_ERROR,
     "SQLite found no directory for temporary files while working on %s",
     "Large sorts, VACUUM and statement journals need one: 6410 'disk I/O error'.",
     "Make /var/tmp or /tmp writable for the process, or set SQLITE_TMPDIR; or PRAGMA "
     "temp_store=MEMORY.",
     WG_DIAG_AT_ONCE, true, NULL},
    {"busy-zero", WG_DIAG_WARNING,
     "a call on %s failed at once, since the connection has no busy timeout",
     "Another connection was writing. SQLite waits for it only when it was told how long: 5 "
     "'database is locked' after 0 ms. The program did not try again.",
     "sqlite3_busy_timeout(), PRAGMA busy_timeout=5000, or timeout= of the driver.",
     WG_DIAG_AT_ONCE, true, NULL},
    {"busy-snapshot", WG_DIAG_WARNING,
     "a transaction on %s read, then wanted to write what had changed meanwhile",
     "517 'database is locked': what it read is no longer the newest state, so waiting could not "
     "help, and the busy timeout is ignored. The program did not begin again.",
     "BEGIN IMMEDIATE for transactions that will write; on 517 ROLLBACK and do the whole "
     "transaction again.",
     WG_DIAG_AT_ONCE, true, NULL},
    {"upgrade-deadlock", WG_DIAG_WARNING,
     "a transaction on %s that had read wanted to write while another one did",
     "Each would wait for the other to end, so SQLite refuses at once and ignores the busy timeout: "
     "5 'database is locked'. The program did not begin again.",
     "BEGIN IMMEDIATE for transactions that will write.", WG_DIAG_AT_ONCE, true, NULL},
    {"idle-reader", WG_DIAG_WARNING,
     "a statement on %s was left unfinished while others waited to commit",
     "With a rollback journal a commit needs all readers to be gone. This one had given a row and "
     "was neither finished nor reset: 5 'database is locked' after the whole busy timeout.",
     "Fetch all rows, or reset the statement (close the cursor); or use WAL mode.", WG_DIAG_AT_ONCE,
     false, NULL},
    {"leaked-transaction", WG_DIAG_WARNING,
     "a transaction on %s was left open while others waited for it",
     "The connection did nothing during all of the time for which another one waited: somebody "
     "returned it without COMMIT or ROLLBACK. 5 'database is locked' follows, or a WAL that grows.",
     "End transactions on every path, errors too (a context manager, a defer).", WG_DIAG_AT_ONCE,
     false, NULL},
    {"shared-cache", WG_DIAG_WARNING,
     "a call on %s failed at once, since connections share a cache",
     "In shared cache mode connections of a process lock tables against each other: 262 'database "
     "table is locked', and the busy timeout is ignored. The program did not try again.",
     "Do not use cache=shared; WAL mode has readers beside a writer.", WG_DIAG_AT_ONCE, true, NULL},
    {"wal-init-race", WG_DIAG_WARNING, "several connections switched %s to WAL at the same time",
     "The change of the journal mode needs the database alone: 5 'database is locked' now and then, "
     "whatever the busy timeout.",
     "Set journal_mode=WAL once, when the database is made; it stays in the file.", WG_DIAG_AT_ONCE,
     true, NULL},
    {"reader-starves-checkpoint", WG_DIAG_WARNING, "a reader of %s kept the WAL growing",
     "A checkpoint cannot pass what the oldest reader sees, and the WAL is only begun anew when "
     "nobody reads from it. This one has read since before it grew, and did nothing meanwhile.",
     "End the read transaction (finish or reset its statement).", WG_DIAG_AT_ONCE, false, NULL},
    {"lock-stuck", WG_DIAG_WARNING, "a process that holds locks on %s was stopped",
     "A stopped process keeps its locks: 5 'database is locked' for others after their whole busy "
     "timeout, 15 'locking protocol' where it was changing the index of the WAL.",
     "Let it go on (SIGCONT), or end it; do not stop processes in a transaction.", WG_DIAG_AT_ONCE,
     true, NULL},
};
const size_t wg_detector_count = sizeof wg_detectors / sizeof wg_detectors[0];

const struct wg_detector *wg_detector_find(const char *id)
{
    for (size_t i = 0; i < wg_detector_count; i++)
        if (strcmp(wg_detectors[i].id, id) == 0)
            return &wg_detectors[i];
    return NULL;
}
