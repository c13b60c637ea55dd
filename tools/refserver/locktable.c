/* SPDX-License-Identifier: MIT */
#include "tools/refserver/locktable.h"

#include <poll.h>

#define FRESH "updated_at >= datetime('now', '-" WG_LOCK_SECONDS " seconds')"

static int acquire_once(struct wg_req *req, struct wg_conn *conn, const char *stable_id,
                        const char *session)
{
    if (wg_conn_begin(conn) < 0)
        return -1;
    (void)req;
    int changed = wg_stmt_run(conn,
                              "INSERT INTO locks (file_id, session_id) VALUES (?1, ?2) "
                              "ON CONFLICT (file_id) DO UPDATE SET session_id = "
                              "excluded.session_id, updated_at = CURRENT_TIMESTAMP "
                              "WHERE session_id = excluded.session_id OR NOT (" FRESH ")",
                              "ss", stable_id, session);
    if (changed < 0) {
        wg_conn_rollback(conn);
        return -1;
    }
    return wg_conn_commit(conn) < 0 ? -1 : changed > 0;
}

int wg_lock_acquire(struct wg_req *req, const char *stable_id, const char *session)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_LOCKS);
    if (conn == NULL)
        return -1;
    for (int attempt = 0;; attempt++) {
        int got = acquire_once(req, conn, stable_id, session);
        int code = req->fail.code & 0xff;
        bool transient = code == SQLITE_BUSY || code == SQLITE_LOCKED;
        if (got >= 0 || !transient || attempt == WG_LOCK_RETRIES - 1)
            return got;
        req->fail = (struct wg_fail){0};
        poll(NULL, 0, 100 * (attempt + 1));
    }
}

int wg_lock_release(struct wg_req *req, const char *stable_id, const char *session)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_LOCKS);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int64_t mine = 0;
    int got = wg_stmt_int(conn, &mine, "SELECT session_id = ? FROM locks WHERE file_id = ?", "ss",
                          session, stable_id);
    int result = got <= 0 ? got : mine ? 1 : 2;
    if (result == 1 && !wg_break_leaks_lock(req->app) &&
        wg_stmt_run(conn, "DELETE FROM locks WHERE file_id = ? AND session_id = ?", "ss", stable_id,
                    session) < 0)
        result = -1;
    if (result < 0) {
        wg_conn_rollback(conn);
        return -1;
    }
    return wg_conn_commit(conn) < 0 ? -1 : result;
}

int wg_lock_holder(struct wg_req *req, const char *stable_id, const char **ret)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_LOCKS);
    if (conn == NULL)
        return -1;
    *ret = NULL;
    sqlite3_stmt *row = wg_stmt_start(
        conn, "SELECT session_id FROM locks WHERE file_id = ? AND " FRESH, "s", stable_id);
    int got = wg_stmt_step(conn, row);
    if (got == 1) {
        *ret = wg_arena_strdup(&req->arena, (const char *)sqlite3_column_text(row, 0));
        wg_stmt_end(row);
    }
    return got < 0 ? -1 : 0;
}
