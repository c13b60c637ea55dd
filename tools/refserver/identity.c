/* SPDX-License-Identifier: MIT */
#include "tools/refserver/identity.h"

#include <stdlib.h>
#include <string.h>

static const char required[] = "Authentication required";

static const struct {
    const char *missing;
    const char *expired;
    const char *ownerless;
    bool refresh;
    const char *role; /* needed besides a user: that one, admin, or the wildcard */
    const char *forbidden;
} kinds[] = {
    [WG_AUTH_USER] = {required, "Session expired", required, true, NULL, NULL},
    [WG_AUTH_STATUS] = {"Not authenticated", "Session expired", "Not authenticated", true, NULL,
                        NULL},
    [WG_AUTH_MANAGE] = {required, required, required, false, NULL, NULL},
    [WG_AUTH_ADMIN] = {required, required, required, false, "admin",
                       "Insufficient permissions. Admin role required."},
    [WG_AUTH_REVIEWER] = {required, required, required, false, "reviewer",
                          "Insufficient permissions. Reviewer or admin role required."},
    [WG_AUTH_CONFIG] = {required, "Session expired", "Invalid session", false, NULL, NULL},
};

const char *wg_session_id(struct wg_req *req)
{
    const char *sources[3];
    sources[0] = wg_req_header(req, "X-Session-Id");
    sources[1] = wg_req_query(req, "sessionId");
    sources[2] = MHD_lookup_connection_value(req->connection, MHD_COOKIE_KIND, "sessionId");
    for (size_t i = 0; i < 3; i++)
        if (sources[i] != NULL && *sources[i] != '\0')
            return sources[i];
    return NULL;
}

double wg_session_timeout(struct wg_req *req)
{
    const struct wg_options *options = &req->app->options;
    if (options->session_timeout != NULL)
        return strtod(options->session_timeout, NULL);
    json_t *settings =
        wg_arena_json(&req->arena, wg_config_load(&req->app->configs, WG_CONFIG_SETTINGS, NULL));
    const json_t *value = json_object_get(settings, "session.timeout");
    if (json_is_number(value))
        return json_number_value(value);
    return strtod(options->session_fallback, NULL);
}

json_t *wg_user_roles(const json_t *entry)
{
    json_t *roles = json_object_get(entry, "roles");
    if (json_is_array(roles))
        return json_incref(roles);
    const char *role = wg_json_get_text(entry, "role");
    json_t *list = json_array();
    if (role != NULL)
        json_array_append_new(list, wg_json_text(role));
    return list;
}

bool wg_user_has_role(const struct wg_user *user, const char *role)
{
    return wg_json_has_text(user->roles, role);
}

bool wg_user_has_right(const struct wg_user *user, const char *role)
{
    return wg_user_has_role(user, role) || wg_user_has_role(user, "*");
}

/* Name of the session's user, or NULL when there is no live session. -1 on failure. */
static int read_session(struct wg_req *req, const char **ret_user)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_SESSIONS);
    if (conn == NULL)
        return -1;
    sqlite3_stmt *row = wg_stmt_start(
        conn, "SELECT username, last_access FROM sessions WHERE session_id = ?", "s", req->session);
    int got = wg_stmt_step(conn, row);
    if (got <= 0)
        return got;
    double idle = wg_clock_unix() - sqlite3_column_double(row, 1);
    const char *user = wg_arena_strdup(&req->arena, (const char *)sqlite3_column_text(row, 0));
    wg_stmt_end(row);
    if (idle <= wg_session_timeout(req))
        *ret_user = user;
    return 0;
}

static int read_user(struct wg_req *req, const char *name)
{
    json_t *users =
        wg_arena_json(&req->arena, wg_config_load(&req->app->configs, WG_CONFIG_USERS, &req->fail));
    if (users == NULL)
        return -1;
    json_t *entry = wg_config_find(users, "username", name, NULL);
    if (entry == NULL)
        return 0;
    req->user.entry = entry;
    req->user.name = wg_json_get_text(entry, "username");
    req->user.roles = wg_arena_json(&req->arena, wg_user_roles(entry));
    return 0;
}

static bool refuse(struct wg_req *req, int status, const char *text)
{
    wg_reply_detail(req, status, "%s", text);
    return false;
}

bool wg_auth_check(struct wg_req *req, enum wg_auth_kind kind)
{
    const char *user = NULL;
    if (kind == WG_AUTH_NONE)
        return true;
    if (req->session == NULL)
        return kind == WG_AUTH_OPTIONAL || refuse(req, 401, kinds[kind].missing);
    if (read_session(req, &user) < 0)
        return false;
    if (user == NULL)
        return kind == WG_AUTH_OPTIONAL || refuse(req, 401, kinds[kind].expired);
    if (read_user(req, user) < 0)
        return false;
    if (kind == WG_AUTH_OPTIONAL)
        return true;
    if (kinds[kind].refresh &&
        wg_stmt_run(req->conns[WG_DB_SESSIONS],
                    "UPDATE sessions SET last_access = ? WHERE session_id = ?", "fs",
                    wg_clock_unix(), req->session) < 0)
        return false;
    if (req->user.entry == NULL)
        return refuse(req, 401, kinds[kind].ownerless);
    if (kinds[kind].role == NULL || wg_user_has_right(&req->user, kinds[kind].role) ||
        wg_user_has_role(&req->user, "admin"))
        return true;
    return refuse(req, 403, kinds[kind].forbidden);
}

const struct wg_visible *wg_visible_get(struct wg_req *req)
{
    struct wg_visible *visible = &req->visible;
    if (visible->known)
        return visible;
    visible->names = wg_arena_json(&req->arena, json_array());
    visible->known = true;
    if (req->user.entry == NULL)
        return visible;
    const json_t *mine = json_object_get(req->user.entry, "groups");
    visible->all = wg_user_has_role(&req->user, "*") || wg_json_has_text(mine, "*");
    json_t *groups = wg_arena_json(
        &req->arena, wg_config_load(&req->app->configs, WG_CONFIG_GROUPS, &req->fail));
    if (groups == NULL)
        return NULL;
    size_t i, k;
    json_t *group, *collection;
    json_array_foreach(groups, i, group)
    {
        const char *id = wg_json_get_text(group, "id");
        if (id == NULL || !wg_json_has_text(mine, id))
            continue;
        json_array_foreach(json_object_get(group, "collections"), k, collection)
        {
            const char *name = json_string_value(collection);
            if (wg_text_same(name, "*"))
                visible->all = true;
            else if (name != NULL && !wg_json_has_text(visible->names, name))
                json_array_append(visible->names, collection);
        }
    }
    return visible;
}

int wg_visible_any(struct wg_req *req, const json_t *collections)
{
    const struct wg_visible *visible = wg_visible_get(req);
    size_t i;
    json_t *collection;
    if (visible == NULL)
        return -1;
    json_array_foreach(collections, i, collection)
    {
        const char *name = json_string_value(collection);
        if (name != NULL && (visible->all || wg_json_has_text(visible->names, name)))
            return 1;
    }
    return 0;
}

static const json_t *access_of(const json_t *doc_metadata, const json_t *file_metadata)
{
    const json_t *access = json_object_get(doc_metadata, "access_control");
    return json_is_object(access) ? access : json_object_get(file_metadata, "access_control");
}

static bool is_owner(const struct wg_req *req, const json_t *access)
{
    return req->user.entry != NULL &&
           wg_text_same(wg_json_get_text(access, "owner"), req->user.name);
}

bool wg_access_read(const struct wg_req *req, const json_t *doc_metadata,
                    const json_t *file_metadata)
{
    const json_t *access = access_of(doc_metadata, file_metadata);
    if (!wg_text_same(wg_json_get_text(access, "visibility"), "private"))
        return true;
    return is_owner(req, access);
}

bool wg_access_write(const struct wg_req *req, const json_t *doc_metadata,
                     const json_t *file_metadata)
{
    const json_t *access = access_of(doc_metadata, file_metadata);
    if (req->user.entry == NULL)
        return false;
    if (!wg_text_same(wg_json_get_text(access, "visibility"), "private") &&
        !wg_text_same(wg_json_get_text(access, "editability"), "protected"))
        return true;
    return is_owner(req, access);
}
