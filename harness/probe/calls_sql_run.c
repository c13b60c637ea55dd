/* SPDX-License-Identifier: MIT */
/* calls_sql_run.c - statements: preparing, running and ending them. */
#include "harness/probe/sql.h"

#include <errno.h>

static sqlite3 *handle_of(const struct wg_sql_from *from, sqlite3_stmt *statement)
{
    return statement && from->library->db_handle ? from->library->db_handle(statement) : NULL;
}

static bool is_busy(const struct wg_sql_from *from, sqlite3_stmt *statement)
{
    return statement && from->library->stmt_busy && from->library->stmt_busy(statement);
}

/* --- prepare -------------------------------------------------------------------------------- */

/* Where one of six functions is, and what it was given. */
struct preparing {
    struct wg_note note;
    const struct wg_sql_from *from;
    struct wg_sql_connection *connection;
    sqlite3 *db;
    enum wg_trace_call call;
    uintptr_t before;
};

static void preparing_begin(struct preparing *preparing, const struct wg_sql_from *from,
                            enum wg_trace_call call, sqlite3 *db)
{
    preparing->from = from;
    preparing->db = db;
    preparing->call = call;
    preparing->connection = wg_sql_connection(db);
    wg_sql_begin(&preparing->note, from, WG_TRACE_SQL_PREPARE, call, preparing->connection, db);
    preparing->before = wg_sql_enter(preparing->connection, db);
    errno = preparing->note.saved_errno;
}

/* `sql` is what was given to a function for UTF-8, `wide` what was to one for UTF-16. */
static int preparing_end(struct preparing *preparing, int code, sqlite3_stmt *const *statement,
                         const char *sql, const void *wide, int size)
{
    struct wg_note *note = &preparing->note;
    struct wg_trace_record *record = &note->record;
    wg_sql_outcome(note, preparing->from, preparing->connection, preparing->db, code);
    wg_sql_leave(preparing->connection, preparing->before, preparing->call,
                 preparing->from->caller);
    if (wg_probe_live() && code == SQLITE_OK && statement && *statement) {
        wg_sql_statement_remove(*statement);
        record->offset = (int64_t)(uintptr_t)*statement;
        record->text = wg_sql_statement_text(preparing->from->library, *statement, &record->flags);
    } else if (wg_probe_live() && sql) {
        record->text = wg_sql_text(sql, size, &record->flags);
    } else if (wg_probe_live() && wide) {
        char narrow[2 * WG_SQL_TEXT];
        wg_sql_narrow(wide, size, narrow, sizeof narrow);
        record->text = wg_sql_text(narrow, -1, &record->flags);
    }
    wg_note_end(note);
    return code;
}

int wg_sql_prepare(const struct wg_sql_from *from, sqlite3 *db, const char *sql, int size,
                   sqlite3_stmt **ret, const char **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare, db);
    int code = from->library->prepare(db, sql, size, ret, ret_tail);
    return preparing_end(&preparing, code, ret, sql, NULL, size);
}

int wg_sql_prepare_v2(const struct wg_sql_from *from, sqlite3 *db, const char *sql, int size,
                      sqlite3_stmt **ret, const char **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare_v2, db);
    int code = from->library->prepare_v2(db, sql, size, ret, ret_tail);
    return preparing_end(&preparing, code, ret, sql, NULL, size);
}

int wg_sql_prepare_v3(const struct wg_sql_from *from, sqlite3 *db, const char *sql, int size,
                      unsigned flags, sqlite3_stmt **ret, const char **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare_v3, db);
    int code = from->library->prepare_v3(db, sql, size, flags, ret, ret_tail);
    return preparing_end(&preparing, code, ret, sql, NULL, size);
}

int wg_sql_prepare16(const struct wg_sql_from *from, sqlite3 *db, const void *sql, int size,
                     sqlite3_stmt **ret, const void **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare16, db);
    int code = from->library->prepare16(db, sql, size, ret, ret_tail);
    return preparing_end(&preparing, code, ret, NULL, sql, size);
}

int wg_sql_prepare16_v2(const struct wg_sql_from *from, sqlite3 *db, const void *sql, int size,
                        sqlite3_stmt **ret, const void **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare16_v2, db);
    int code = from->library->prepare16_v2(db, sql, size, ret, ret_tail);
    return preparing_end(&preparing, code, ret, NULL, sql, size);
}

int wg_sql_prepare16_v3(const struct wg_sql_from *from, sqlite3 *db, const void *sql, int size,
                        unsigned flags, sqlite3_stmt **ret, const void **ret_tail)
{
    struct preparing preparing;
    preparing_begin(&preparing, from, WG_CALL_sqlite3_prepare16_v3, db);
    int code = from->library->prepare16_v3(db, sql, size, flags, ret, ret_tail);
    return preparing_end(&preparing, code, ret, NULL, sql, size);
}

/* --- run ------------------------------------------------------------------------------------ */

static int step_noted(const struct wg_sql_from *from, struct wg_sql_connection *connection,
                      sqlite3 *db, sqlite3_stmt *statement)
{
    struct wg_note note;
    bool goes_on = is_busy(from, statement);
    wg_sql_begin(&note, from, WG_TRACE_SQL_STEP, WG_CALL_sqlite3_step, connection, db);
    errno = note.saved_errno;
    int code = from->library->step(statement);
    if (goes_on && code == SQLITE_ROW)
        return code;
    wg_sql_outcome(&note, from, connection, db, code);
    note.record.result = code;
    note.record.offset = (int64_t)(uintptr_t)statement;
    if (statement && code != SQLITE_MISUSE && wg_probe_live())
        note.record.text = wg_sql_statement_text(from->library, statement, &note.record.flags);
    wg_note_end(&note);
    return code;
}

int wg_sql_step(const struct wg_sql_from *from, sqlite3_stmt *statement)
{
    sqlite3 *db = handle_of(from, statement);
    struct wg_sql_connection *connection = wg_sql_connection(db);
    uintptr_t before = wg_sql_enter(connection, db);
    int code = step_noted(from, connection, db, statement);
    wg_sql_leave(connection, before, WG_CALL_sqlite3_step, from->caller);
    return code;
}

/* reset and finalize: of interest when they end a statement that had not come to its end. */
static int end_noted(const struct wg_sql_from *from, enum wg_trace_call call,
                     sqlite3_stmt *statement, int (*real)(sqlite3_stmt *))
{
    struct wg_note note;
    sqlite3 *db = handle_of(from, statement);
    struct wg_sql_connection *connection = wg_sql_connection(db);
    bool ends = is_busy(from, statement);
    uintptr_t before = wg_sql_enter(connection, db);
    if (ends) {
        wg_sql_begin(&note, from, WG_TRACE_SQL_RESET, call, connection, db);
        note.record.offset = (int64_t)(uintptr_t)statement;
        if (wg_probe_live())
            note.record.text = wg_sql_statement_text(from->library, statement, &note.record.flags);
        errno = note.saved_errno;
    }
    if (call == WG_CALL_sqlite3_finalize)
        wg_sql_statement_remove(statement);
    int code = real(statement);
    wg_sql_leave(connection, before, call, from->caller);
    /* The code is that of the step before; where that failed it is known. */
    if (ends && code == SQLITE_OK) {
        /* A connection that was closed before, and goes with its last statement, is not known. */
        wg_sql_outcome(&note, from, connection, db, code);
        wg_note_end(&note);
    }
    return code;
}

int wg_sql_reset(const struct wg_sql_from *from, sqlite3_stmt *statement)
{
    return end_noted(from, WG_CALL_sqlite3_reset, statement, from->library->reset);
}

int wg_sql_finalize(const struct wg_sql_from *from, sqlite3_stmt *statement)
{
    return end_noted(from, WG_CALL_sqlite3_finalize, statement, from->library->finalize);
}

int wg_sql_exec(const struct wg_sql_from *from, sqlite3 *db, const char *sql,
                wg_sql_callback *callback, void *argument, char **ret_message)
{
    struct wg_note note;
    struct wg_sql_connection *connection = wg_sql_connection(db);
    wg_sql_begin(&note, from, WG_TRACE_SQL_EXEC, WG_CALL_sqlite3_exec, connection, db);
    if (sql && wg_probe_live())
        note.record.text = wg_sql_text(sql, -1, &note.record.flags);
    uintptr_t before = wg_sql_enter(connection, db);
    errno = note.saved_errno;
    int code = from->library->exec(db, sql, callback, argument, ret_message);
    wg_sql_outcome(&note, from, connection, db, code);
    wg_sql_leave(connection, before, WG_CALL_sqlite3_exec, from->caller);
    wg_note_end(&note);
    return code;
}
