/* SPDX-License-Identifier: MIT */
#include "tools/refserver/db.h"

#include "tools/refserver/strategy/strategy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct wg_db_kind wg_db_kinds[WG_DB_COUNT] = {
    [WG_DB_METADATA] = {"metadata", "metadata.db", "wal", 60000, true},
    [WG_DB_SESSIONS] = {"sessions", "sessions.db", "wal", 5000, true},
    [WG_DB_LOCKS] = {"locks", "locks.db", "delete", 30000, false},
};

/* Logs what went wrong last on the connection and tells the request. Always -1. */
static int conn_error(struct wg_conn *conn, const char *sql)
{
    int code = sqlite3_extended_errcode(conn->handle);
    const char *message = sqlite3_errmsg(conn->handle);
    wg_log_sqlite(conn->db->log, code, sqlite3_system_errno(conn->handle), conn->db->kind->name,
                  message, sql);
    wg_fail_set(conn->fail, code, "%s", message);
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN: conn->broken = true; break;
    default: break;
    }
    return -1;
}

void wg_db_init(struct wg_db *db, enum wg_db_name name, const char *directory,
                struct wg_lender *lender, struct wg_log *log)
{
    struct wg_buf path = {0}, lock = {0};
    *db = (struct wg_db){.name = name, .kind = &wg_db_kinds[name], .lender = lender, .log = log};
    wg_buf_addf(&path, "%s/%s", directory, db->kind->file);
    wg_buf_addf(&lock, "%s.init.lock", path.data);
    db->path = path.data;
    db->lock_path = lock.data;
    pthread_mutex_init(&db->mutex, NULL);
}

void wg_db_close_idle(struct wg_db *db)
{
    pthread_mutex_lock(&db->mutex);
    struct wg_conn *idle = db->idle;
    db->idle = NULL;
    pthread_mutex_unlock(&db->mutex);
    while (idle != NULL) {
        struct wg_conn *next = idle->next;
        wg_conn_close(idle);
        idle = next;
    }
}

void wg_db_finish(struct wg_db *db)
{
    wg_db_close_idle(db);
    pthread_mutex_destroy(&db->mutex);
    free(db->path);
    free(db->lock_path);
    db->path = db->lock_path = NULL;
}

struct wg_conn *wg_conn_open(struct wg_db *db, bool create, struct wg_fail *fail)
{
    struct wg_conn *conn = wg_mem_alloc(sizeof *conn);
    conn->db = db;
    conn->fail = fail;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(db->path, &conn->handle, flags, NULL) != SQLITE_OK) {
        if (conn->handle == NULL)
            abort();
        conn_error(conn, NULL);
        wg_conn_close(conn);
        return NULL;
    }
    sqlite3_extended_result_codes(conn->handle, 1);
    sqlite3_busy_timeout(conn->handle, wg_lender_busy_ms(db->lender, db->kind));
    const char *setup = NULL;
    if (db->kind->foreign_keys)
        setup = "PRAGMA foreign_keys=ON";
    else if (strcmp(wg_lender_journal(db->lender, db->kind), "delete") == 0)
        setup = "PRAGMA journal_mode=DELETE";
    if (setup != NULL && wg_conn_script(conn, setup) < 0) {
        wg_conn_close(conn);
        return NULL;
    }
    return conn;
}

void wg_conn_close(struct wg_conn *conn)
{
    if (conn == NULL)
        return;
    for (size_t i = 0; i < conn->cached; i++)
        sqlite3_finalize(conn->cache[i].statement);
    sqlite3_close(conn->handle);
    free(conn);
}

struct wg_conn *wg_conn_borrow(struct wg_db *db, struct wg_fail *fail)
{
    return db->lender->strategy->borrow(db, fail);
}

struct wg_conn *wg_pool_take(struct wg_db *db, struct wg_fail *fail)
{
    pthread_mutex_lock(&db->mutex);
    struct wg_conn *conn = db->idle;
    if (conn != NULL)
        db->idle = conn->next;
    pthread_mutex_unlock(&db->mutex);
    if (conn == NULL)
        return wg_conn_open(db, false, fail);
    conn->next = NULL;
    conn->fail = fail;
    return conn;
}

void wg_conn_give_back(struct wg_conn *conn)
{
    if (conn == NULL)
        return;
    if (!sqlite3_get_autocommit(conn->handle))
        wg_conn_rollback(conn);
    conn->db->lender->strategy->give_back(conn);
}

void wg_pool_put(struct wg_conn *conn)
{
    struct wg_db *db = conn->db;
    conn->fail = NULL;
    if (conn->broken) {
        wg_manager_close(conn);
        return;
    }
    pthread_mutex_lock(&db->mutex);
    conn->next = db->idle;
    db->idle = conn;
    pthread_mutex_unlock(&db->mutex);
}

static sqlite3_stmt *cached_statement(struct wg_conn *conn, const char *sql)
{
    for (size_t i = 0; i < conn->cached; i++)
        if (conn->cache[i].sql == sql)
            return conn->cache[i].statement;
    assert(conn->cached < WG_STATEMENTS_MAX);
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK) {
        conn_error(conn, sql);
        return NULL;
    }
    conn->cache[conn->cached].sql = sql;
    conn->cache[conn->cached++].statement = statement;
    return statement;
}

static int bind_one(sqlite3_stmt *statement, int index, char type, va_list *list)
{
    switch (type) {
    case 's': {
        const char *text = va_arg(*list, const char *);
        return sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
    }
    case 'i': return sqlite3_bind_int64(statement, index, va_arg(*list, int64_t));
    case 'f': return sqlite3_bind_double(statement, index, va_arg(*list, double));
    default: assert(false); return SQLITE_MISUSE; /* no such letter */
    }
}

static sqlite3_stmt *start_list(struct wg_conn *conn, const char *sql, const char *types,
                                va_list *list)
{
    sqlite3_stmt *statement = cached_statement(conn, sql);
    if (statement == NULL)
        return NULL;
    assert(!sqlite3_stmt_busy(statement));
    atomic_fetch_add_explicit(&conn->db->log->statements, 1, memory_order_relaxed);
    for (int i = 0; types[i] != '\0'; i++) {
        if (bind_one(statement, i + 1, types[i], list) != SQLITE_OK) {
            conn_error(conn, sql);
            return NULL;
        }
    }
    return statement;
}

sqlite3_stmt *wg_stmt_start(struct wg_conn *conn, const char *sql, const char *types, ...)
{
    va_list list;
    va_start(list, types);
    sqlite3_stmt *statement = start_list(conn, sql, types, &list);
    va_end(list);
    return statement;
}

int wg_stmt_step(struct wg_conn *conn, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return -1;
    switch (sqlite3_step(statement)) {
    case SQLITE_ROW: return 1;
    case SQLITE_DONE: wg_stmt_end(statement); return 0;
    default:
        conn_error(conn, sqlite3_sql(statement));
        wg_stmt_end(statement);
        return -1;
    }
}

void wg_stmt_end(sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int wg_stmt_run(struct wg_conn *conn, const char *sql, const char *types, ...)
{
    va_list list;
    va_start(list, types);
    sqlite3_stmt *statement = start_list(conn, sql, types, &list);
    va_end(list);
    int got;
    do {
        got = wg_stmt_step(conn, statement);
    } while (got == 1);
    return got < 0 ? -1 : sqlite3_changes(conn->handle);
}

int wg_stmt_int(struct wg_conn *conn, int64_t *ret, const char *sql, const char *types, ...)
{
    va_list list;
    va_start(list, types);
    sqlite3_stmt *statement = start_list(conn, sql, types, &list);
    va_end(list);
    int got = wg_stmt_step(conn, statement);
    if (got == 1) {
        *ret = sqlite3_column_int64(statement, 0);
        wg_stmt_end(statement);
    }
    return got;
}

int wg_conn_script(struct wg_conn *conn, const char *sql)
{
    atomic_fetch_add_explicit(&conn->db->log->statements, 1, memory_order_relaxed);
    if (sqlite3_exec(conn->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return conn_error(conn, sql);
    return 0;
}

int wg_conn_begin(struct wg_conn *conn)
{
    return wg_stmt_run(conn, "BEGIN IMMEDIATE", "") < 0 ? -1 : 0;
}

int wg_conn_commit(struct wg_conn *conn)
{
    if (wg_stmt_run(conn, "COMMIT", "") >= 0)
        return 0;
    wg_conn_rollback(conn);
    return -1;
}

void wg_conn_rollback(struct wg_conn *conn)
{
    /* SQLite rolls back by itself after some errors; a second ROLLBACK would only add noise. */
    if (!sqlite3_get_autocommit(conn->handle))
        wg_stmt_run(conn, "ROLLBACK", "");
}
