/* SPDX-License-Identifier: MIT */
#include "tools/refserver/event.h"

#include <string.h>

int wg_event_send(struct wg_req *req, const char *except, const char *event, json_t *data)
{
    const char *text = wg_arena_json_text(&req->arena, data);
    json_decref(data);
    /* Usually nobody listens, and reading thousands of sessions would be most of a request. */
    if (!wg_hub_is_heard(&req->app->hub))
        return 0;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_SESSIONS);
    if (conn == NULL)
        return -1;
    sqlite3_stmt *row = wg_stmt_start(conn, "SELECT session_id FROM sessions", "");
    int got;
    while ((got = wg_stmt_step(conn, row)) == 1) {
        const char *session = (const char *)sqlite3_column_text(row, 0);
        if (session != NULL && !wg_text_same(session, except))
            wg_hub_send(&req->app->hub, session, event, text);
    }
    return got;
}
