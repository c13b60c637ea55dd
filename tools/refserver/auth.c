/* SPDX-License-Identifier: MIT
 *
 * Login, logout, status; liveness and totals.
 */
#include "tools/refserver/handlers.h"

#include <string.h>

const struct wg_field wg_login_fields[] = {
    {"username", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"passwd_hash", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {0},
};

int wg_health_get(struct wg_req *req)
{
    if (!wg_break_at_ready(req->app))
        return wg_reply_detail(req, 503, "not ready");
    return wg_reply_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

int wg_stats_get(struct wg_req *req)
{
    return wg_reply_json(req, 200, wg_log_totals(&req->app->log));
}

/* What login and status say about a user, a new reference. */
static json_t *describe(const json_t *entry)
{
    json_t *view = json_object();
    json_object_set(view, "username", json_object_get(entry, "username"));
    json_t *fullname = json_object_get(entry, "fullname");
    json_object_set(view, "fullname", fullname != NULL ? fullname : json_null());
    json_object_set_new(view, "roles", wg_user_roles(entry));
    return view;
}

static int create_session(struct wg_req *req, const char *user, char id[WG_UUID_TEXT + 1])
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_SESSIONS);
    double timeout = wg_session_timeout(req);
    wg_uuid_make(id);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    double now = wg_clock_unix();
    if (wg_stmt_run(conn, "DELETE FROM sessions WHERE last_access < ?", "f", now - timeout) < 0 ||
        wg_stmt_run(conn,
                    "INSERT INTO sessions (session_id, username, created_at, last_access) "
                    "VALUES (?, ?, ?, ?)",
                    "ssff", id, user, now, now) < 0)
        return -1;
    return wg_conn_commit(conn);
}

int wg_auth_login(struct wg_req *req)
{
    const char *name = wg_req_text(req, "username"), *hash = wg_req_text(req, "passwd_hash");
    char id[WG_UUID_TEXT + 1];
    if (*name == '\0' || *hash == '\0')
        return wg_reply_detail(req, 400, "Missing username or password hash");
    json_t *users =
        wg_arena_json(&req->arena, wg_config_load(&req->app->configs, WG_CONFIG_USERS, &req->fail));
    if (users == NULL)
        return -1;
    const json_t *entry = wg_config_find(users, "username", name, NULL);
    if (entry == NULL || !wg_text_same(wg_json_get_text(entry, "passwd_hash"), hash))
        return wg_reply_detail(req, 401, "Invalid credentials");
    if (create_session(req, name, id) < 0)
        return -1;
    json_t *view = describe(entry);
    json_object_set_new(view, "sessionId", json_string(id));
    return wg_reply_json(req, 200, view);
}

int wg_auth_logout(struct wg_req *req)
{
    struct wg_conn *conn;
    if (req->session != NULL) {
        conn = wg_req_conn(req, WG_DB_SESSIONS);
        if (conn == NULL ||
            wg_stmt_run(conn, "DELETE FROM sessions WHERE session_id = ?", "s", req->session) < 0)
            return -1;
    }
    return wg_reply_json(req, 200, json_pack("{s:s}", "status", "logged_out"));
}

int wg_auth_status(struct wg_req *req)
{
    return wg_reply_json(req, 200, describe(req->user.entry));
}
