/* SPDX-License-Identifier: MIT */
/* calls_sql.c - connections: opening and closing them, their settings, and SQLite's log. */
#include "harness/probe/sql.h"

#include <errno.h>
#include <string.h>

#define LOG_TEXT 256 /* bytes of a message that are kept */

void wg_sql_begin(struct wg_note *note, const struct wg_sql_from *from, enum wg_trace_type type,
                  enum wg_trace_call call, struct wg_sql_connection *connection, const sqlite3 *db)
{
    wg_note_begin(note, type, call, from->caller);
    note->record.connection = (uintptr_t)db;
    note->strikes = wg_probe_strikes;
    if (!connection || !wg_probe_live())
        return;
    note->record.database = wg_probe_name_ref(atomic_load(&connection->database));
    if (atomic_load_explicit(&connection->owner, memory_order_relaxed) != wg_probe.local->pid)
        note->record.flags |= WG_TRACE_INHERITED;
}

void wg_sql_outcome(struct wg_note *note, const struct wg_sql_from *from,
                    struct wg_sql_connection *connection, sqlite3 *db, int code)
{
    const struct wg_sql_library *library = from->library;
    note->saved_errno = errno;
    wg_note_took(note);
    bool valid = connection && code != SQLITE_MISUSE;
    if (valid && library->get_autocommit)
        note->record.length = library->get_autocommit(db) ? 0 : 1;
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return;
    int extended = valid && library->extended_errcode ? library->extended_errcode(db) : code;
    note->record.error = (extended & 0xff) == (code & 0xff) ? extended : code;
    if (note->strikes != wg_probe_strikes)
        note->record.flags |= WG_TRACE_INJECTED;
    /* A program that tries again and again must not be slowed down by stacks. */
    uint32_t count = connection ? atomic_fetch_add(&connection->failures, 1) + 1 : 1;
    note->stack = (count & (count - 1)) == 0;
}

/* --- SQLite's log --------------------------------------------------------------------------- */

/* "statement aborts at N: [SQL] why" has the SQL with its literals. */
static size_t size_without_sql(const char *message)
{
    static const char abort[] = "statement aborts at ";
    size_t size = strnlen(message, LOG_TEXT);
    const char *sql = strncmp(message, abort, sizeof abort - 1) == 0 ? strchr(message, '[') : NULL;
    return sql && (size_t)(sql - message) < size ? (size_t)(sql - message) : size;
}

static void log_line(void *argument, int code, const char *message)
{
    struct wg_sql_library *library = argument;
    /* What statements answer anyway, and often. */
    int kind = code & 0xff;
    bool telling = kind != SQLITE_CONSTRAINT && kind != SQLITE_BUSY && kind != SQLITE_LOCKED &&
                   kind != SQLITE_SCHEMA && kind != SQLITE_ERROR;
    if (telling && wg_probe_live() && !wg_probe_in_vfork()) {
        struct wg_note note;
        wg_note_begin(&note, WG_TRACE_SQL_LOG, WG_CALL_sqlite3_log, NULL);
        note.record.error = code;
        note.record.text =
            wg_probe_words(message, message ? size_without_sql(message) : 0, &note.record.flags);
        note.stack = kind == SQLITE_NOTICE || kind == SQLITE_WARNING;
        wg_note_end(&note);
    }
    wg_sql_log *log = atomic_load(&library->log);
    if (log)
        log(atomic_load(&library->log_argument), code, message);
}

void wg_sql_offer_log(struct wg_sql_library *library)
{
    /* Once: a library that has begun answers 21, and tells that a log which was set unseen. */
    if (!library->config || wg_probe.fd_max == 0 || atomic_exchange(&library->log_set, 1))
        return;
    int saved_errno = errno;
    library->config(SQLITE_CONFIG_LOG, log_line, library);
    errno = saved_errno;
}

static void note_config(const struct wg_sql_from *from, enum wg_trace_call call,
                        struct wg_sql_connection *connection, const sqlite3 *db, int64_t value,
                        int code)
{
    struct wg_note note;
    wg_sql_begin(&note, from, WG_TRACE_SQL_CONFIG, call, connection, db);
    note.record.offset = value;
    note.record.error = code;
    note.saved_errno = errno;
    note.ordinary = call == WG_CALL_sqlite3_busy_timeout || call == WG_CALL_sqlite3_busy_handler;
    wg_note_end(&note);
}

int wg_sql_config(const struct wg_sql_from *from, int option, void *first, void *second,
                  void *third)
{
    struct wg_sql_library *library = from->library;
    int code;
    if (option == SQLITE_CONFIG_LOG) {
        code = library->config(option, log_line, library);
        if (code == SQLITE_OK) {
            wg_sql_log *log = NULL;
            memcpy(&log, &first, sizeof log);
            /* Without a log in between: ours may be called from another thread. */
            atomic_store(&library->log, NULL);
            atomic_store(&library->log_argument, second);
            atomic_store(&library->log, log);
            atomic_store(&library->log_set, 1);
        }
    } else {
        code = library->config(option, first, second, third);
    }
    note_config(from, WG_CALL_sqlite3_config, NULL, NULL, option, code);
    return code;
}

/* --- open and close ------------------------------------------------------------------------- */

static void opened(struct wg_note *note, const struct wg_sql_from *from, sqlite3 **db, int code,
                   int64_t flags, const char *vfs)
{
    int saved_errno = errno;
    struct wg_sql_connection *connection = NULL;
    if (code == SQLITE_OK && db)
        connection = wg_sql_connection_add(from->library, *db);
    errno = saved_errno;
    wg_sql_outcome(note, from, connection, db ? *db : NULL, code);
    note->record.connection = db ? (uintptr_t)*db : 0;
    note->record.offset = flags;
    note->record.length = 0;
    if (connection)
        note->record.result = atomic_load(&connection->bare) ? 0 : 1;
    if (wg_probe_live()) {
        if (vfs)
            note->record.text = wg_probe_words(vfs, strnlen(vfs, 64), &note->record.flags);
        if (connection)
            note->record.database = wg_probe_name_ref(atomic_load(&connection->database));
    }
    wg_note_end(note);
}

/* Settings by which an open can be the cause of what happens later. */
static bool is_special(const char *name, int flags, const char *vfs)
{
    return vfs || (flags & SQLITE_OPEN_SHAREDCACHE) ||
           (name && (strstr(name, "immutable=") || strstr(name, "nolock=") ||
                     strstr(name, "vfs=") || strstr(name, "cache=")));
}

static void opening(struct wg_note *note, const struct wg_sql_from *from, enum wg_trace_call call,
                    const char *name, size_t size)
{
    wg_sql_offer_log(from->library);
    wg_sql_begin(note, from, WG_TRACE_SQL_OPEN, call, NULL, NULL);
    if (name && wg_probe_live())
        note->record.path = wg_probe_words(name, size, &note->record.flags);
    note->ordinary = true;
}

int wg_sql_open(const struct wg_sql_from *from, const char *name, sqlite3 **ret)
{
    struct wg_note note;
    opening(&note, from, WG_CALL_sqlite3_open, name, name ? strnlen(name, WG_PROBE_PATH) : 0);
    errno = note.saved_errno;
    int code = from->library->open(name, ret);
    note.stack = is_special(name, 0, NULL);
    opened(&note, from, ret, code, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    return code;
}

int wg_sql_open16(const struct wg_sql_from *from, const void *name, sqlite3 **ret)
{
    struct wg_note note;
    char narrow[WG_PROBE_PATH] = "";
    size_t size = name ? wg_sql_narrow(name, -1, narrow, sizeof narrow) : 0;
    opening(&note, from, WG_CALL_sqlite3_open16, narrow, size);
    errno = note.saved_errno;
    int code = from->library->open16(name, ret);
    note.stack = is_special(narrow, 0, NULL);
    opened(&note, from, ret, code, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    return code;
}

int wg_sql_open_v2(const struct wg_sql_from *from, const char *name, sqlite3 **ret, int flags,
                   const char *vfs)
{
    struct wg_note note;
    opening(&note, from, WG_CALL_sqlite3_open_v2, name, name ? strnlen(name, WG_PROBE_PATH) : 0);
    errno = note.saved_errno;
    int code = from->library->open_v2(name, ret, flags, vfs);
    note.stack = is_special(name, flags, vfs);
    opened(&note, from, ret, code, flags, vfs);
    return code;
}

static int close_noted(const struct wg_sql_from *from, enum wg_trace_call call, sqlite3 *db,
                       int (*real)(sqlite3 *))
{
    struct wg_note note;
    struct wg_sql_connection *connection = wg_sql_connection(db);
    wg_sql_begin(&note, from, WG_TRACE_SQL_CLOSE, call, connection, db);
    if (connection && from->library->get_autocommit)
        note.record.length = from->library->get_autocommit(db) ? 0 : 1;
    note.ordinary = true;
    wg_sql_connection_remove(db);
    uintptr_t before = wg_sql_enter(NULL, db);
    errno = note.saved_errno;
    int code = real(db);
    wg_sql_leave(NULL, before, call, from->caller);
    note.saved_errno = errno;
    wg_note_took(&note);
    note.record.error = code;
    note.stack = code != SQLITE_OK;
    if (code == SQLITE_BUSY && connection)
        wg_sql_connection_add(from->library, db);
    wg_note_end(&note);
    return code;
}

int wg_sql_close(const struct wg_sql_from *from, sqlite3 *db)
{
    return close_noted(from, WG_CALL_sqlite3_close, db, from->library->close);
}

int wg_sql_close_v2(const struct wg_sql_from *from, sqlite3 *db)
{
    return close_noted(from, WG_CALL_sqlite3_close_v2, db, from->library->close_v2);
}

/* --- settings and services of a connection -------------------------------------------------- */

int wg_sql_busy_timeout(const struct wg_sql_from *from, sqlite3 *db, int ms)
{
    int code = from->library->busy_timeout(db, ms);
    note_config(from, WG_CALL_sqlite3_busy_timeout, wg_sql_connection(db), db, ms, code);
    return code;
}

int wg_sql_busy_handler(const struct wg_sql_from *from, sqlite3 *db, wg_sql_busy *handler,
                        void *argument)
{
    int code = from->library->busy_handler(db, handler, argument);
    note_config(from, WG_CALL_sqlite3_busy_handler, wg_sql_connection(db), db, handler ? 1 : 0,
                code);
    return code;
}

int wg_sql_enable_shared_cache(const struct wg_sql_from *from, int enable)
{
    int code = from->library->enable_shared_cache(enable);
    note_config(from, WG_CALL_sqlite3_enable_shared_cache, NULL, NULL, enable, code);
    return code;
}

sqlite3_backup *wg_sql_backup_init(const struct wg_sql_from *from, sqlite3 *target,
                                   const char *target_name, sqlite3 *source,
                                   const char *source_name)
{
    struct wg_note note;
    struct wg_sql_connection *connection = wg_sql_connection(target);
    wg_sql_begin(&note, from, WG_TRACE_SQL_BACKUP, WG_CALL_sqlite3_backup_init, connection, target);
    note.record.offset = (int64_t)(uintptr_t)source;
    errno = note.saved_errno;
    sqlite3_backup *backup = from->library->backup_init(target, target_name, source, source_name);
    wg_sql_outcome(&note, from, connection, target, backup ? SQLITE_OK : SQLITE_ERROR);
    wg_note_end(&note);
    return backup;
}

static void note_checkpoint(struct wg_note *note, const struct wg_sql_from *from,
                            struct wg_sql_connection *connection, sqlite3 *db, int mode, int code)
{
    wg_sql_outcome(note, from, connection, db, code);
    note->record.offset = mode;
    wg_note_end(note);
}

int wg_sql_wal_checkpoint(const struct wg_sql_from *from, sqlite3 *db, const char *schema)
{
    struct wg_note note;
    struct wg_sql_connection *connection = wg_sql_connection(db);
    wg_sql_begin(&note, from, WG_TRACE_SQL_CHECKPOINT, WG_CALL_sqlite3_wal_checkpoint, connection,
                 db);
    note.record.result = -1;
    uintptr_t before = wg_sql_enter(connection, db);
    errno = note.saved_errno;
    int code = from->library->wal_checkpoint(db, schema);
    wg_sql_leave(connection, before, WG_CALL_sqlite3_wal_checkpoint, from->caller);
    note_checkpoint(&note, from, connection, db, SQLITE_CHECKPOINT_PASSIVE, code);
    return code;
}

int wg_sql_wal_checkpoint_v2(const struct wg_sql_from *from, sqlite3 *db, const char *schema,
                             int mode, int *ret_log, int *ret_done)
{
    struct wg_note note;
    struct wg_sql_connection *connection = wg_sql_connection(db);
    int log = -1, done = -1;
    wg_sql_begin(&note, from, WG_TRACE_SQL_CHECKPOINT, WG_CALL_sqlite3_wal_checkpoint_v2,
                 connection, db);
    uintptr_t before = wg_sql_enter(connection, db);
    errno = note.saved_errno;
    int code = from->library->wal_checkpoint_v2(db, schema, mode, &log, &done);
    wg_sql_leave(connection, before, WG_CALL_sqlite3_wal_checkpoint_v2, from->caller);
    if (ret_log)
        *ret_log = log;
    if (ret_done)
        *ret_done = done;
    note.record.result = log;
    note.record.ino2 = (uint64_t)(int64_t)done;
    note_checkpoint(&note, from, connection, db, mode, code);
    return code;
}
