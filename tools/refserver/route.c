/* SPDX-License-Identifier: MIT */
#include "tools/refserver/route.h"

#include "tools/refserver/handlers.h"

#include <string.h>

#define V1           "/api/v1"
#define FIELDS(name) WG_BODY_FIELDS, wg_##name##_fields
#define NO_BODY      WG_BODY_NONE, NULL
#define LOCKS(path, handler)                                                                       \
    {                                                                                              \
        "POST", V1 "/files/" path, WG_AUTH_NONE, FIELDS(lock), handler                             \
    }

static const struct wg_route routes[] = {
    {"GET", "/health", WG_AUTH_NONE, NO_BODY, wg_health_get},
    {"GET", "/__stats", WG_AUTH_NONE, NO_BODY, wg_stats_get},
    {"POST", V1 "/auth/login", WG_AUTH_NONE, FIELDS(login), wg_auth_login},
    {"POST", V1 "/auth/logout", WG_AUTH_NONE, NO_BODY, wg_auth_logout},
    {"GET", V1 "/auth/status", WG_AUTH_STATUS, NO_BODY, wg_auth_status},
    {"GET", V1 "/config/list", WG_AUTH_NONE, NO_BODY, wg_config_list},
    {"GET", V1 "/config/get/{}", WG_AUTH_NONE, NO_BODY, wg_config_get},
    {"POST", V1 "/config/set", WG_AUTH_CONFIG, FIELDS(config_set), wg_config_set},
    {"GET", V1 "/config/instructions", WG_AUTH_CONFIG, NO_BODY, wg_instructions_get},
    {"POST", V1 "/config/instructions", WG_AUTH_CONFIG, WG_BODY_RECORD_LIST, wg_instruction_fields,
     wg_instructions_set},
    {"GET", V1 "/config/state", WG_AUTH_NONE, NO_BODY, wg_config_state},
    {"GET", V1 "/users", WG_AUTH_MANAGE, NO_BODY, wg_users_list},
    {"GET", V1 "/users/{}", WG_AUTH_MANAGE, NO_BODY, wg_users_get},
    {"POST", V1 "/users", WG_AUTH_ADMIN, FIELDS(user_create), wg_users_create},
    {"PUT", V1 "/users/me/profile", WG_AUTH_MANAGE, FIELDS(user_update), wg_users_profile},
    {"PUT", V1 "/users/{}", WG_AUTH_ADMIN, FIELDS(user_update), wg_users_update},
    {"DELETE", V1 "/users/{}", WG_AUTH_ADMIN, NO_BODY, wg_users_delete},
    {"GET", V1 "/groups", WG_AUTH_MANAGE, NO_BODY, wg_groups_list},
    {"GET", V1 "/groups/{}", WG_AUTH_MANAGE, NO_BODY, wg_groups_get},
    {"POST", V1 "/groups", WG_AUTH_ADMIN, FIELDS(group_create), wg_groups_create},
    {"PUT", V1 "/groups/{}", WG_AUTH_ADMIN, FIELDS(group_update), wg_groups_update},
    {"DELETE", V1 "/groups/{}", WG_AUTH_ADMIN, NO_BODY, wg_groups_delete},
    {"GET", V1 "/roles", WG_AUTH_MANAGE, NO_BODY, wg_roles_list},
    {"GET", V1 "/roles/{}", WG_AUTH_MANAGE, NO_BODY, wg_roles_get},
    {"POST", V1 "/roles", WG_AUTH_ADMIN, FIELDS(role_create), wg_roles_create},
    {"PUT", V1 "/roles/{}", WG_AUTH_ADMIN, FIELDS(role_update), wg_roles_update},
    {"DELETE", V1 "/roles/{}", WG_AUTH_ADMIN, NO_BODY, wg_roles_delete},
    {"GET", V1 "/collections", WG_AUTH_MANAGE, NO_BODY, wg_collections_list},
    {"GET", V1 "/collections/{}", WG_AUTH_MANAGE, NO_BODY, wg_collections_get},
    {"GET", V1 "/collections/{}/files", WG_AUTH_MANAGE, NO_BODY, wg_collections_files},
    {"POST", V1 "/collections", WG_AUTH_REVIEWER, FIELDS(collection), wg_collections_create},
    {"PUT", V1 "/collections/{}", WG_AUTH_ADMIN, FIELDS(collection), wg_collections_update},
    {"DELETE", V1 "/collections/{}", WG_AUTH_ADMIN, NO_BODY, wg_collections_delete},
    {"GET", V1 "/files/list", WG_AUTH_OPTIONAL, WG_BODY_NONE, wg_list_fields, wg_files_list},
    {"POST", V1 "/files/upload", WG_AUTH_NONE, WG_BODY_FILE, NULL, wg_files_upload},
    {"POST", V1 "/files/save", WG_AUTH_USER, FIELDS(save), wg_files_save},
    {"POST", V1 "/files/create_version_from_upload", WG_AUTH_USER, WG_BODY_OBJECT, NULL,
     wg_files_version_from_upload},
    {"POST", V1 "/files/delete", WG_AUTH_USER, FIELDS(delete), wg_files_delete},
    {"POST", V1 "/files/copy", WG_AUTH_USER, FIELDS(copy), wg_files_copy},
    {"POST", V1 "/files/move", WG_AUTH_USER, FIELDS(copy), wg_files_move},
    {"POST", V1 "/files/garbage_collect", WG_AUTH_USER, FIELDS(garbage), wg_garbage_collect},
    {"GET", V1 "/files/locks", WG_AUTH_NONE, NO_BODY, wg_locks_list},
    LOCKS("check_lock", wg_locks_check),
    LOCKS("release_lock", wg_locks_release),
    LOCKS("heartbeat", wg_locks_heartbeat),
    {"POST", V1 "/files/acquire_lock", WG_AUTH_OPTIONAL, FIELDS(lock), wg_locks_acquire},
    {"GET", V1 "/files/{}/metadata", WG_AUTH_USER, NO_BODY, wg_metadata_get},
    {"PATCH", V1 "/files/{}/metadata", WG_AUTH_USER, FIELDS(metadata), wg_metadata_patch},
    {"POST", V1 "/files/{}/gold-standard", WG_AUTH_USER, NO_BODY, wg_gold_standard_set},
    {"PATCH", V1 "/files/{}/doc-id", WG_AUTH_USER, FIELDS(doc_id), wg_doc_id_patch},
    {"GET", V1 "/files/{}", WG_AUTH_OPTIONAL, NO_BODY, wg_files_serve},
    {"GET", "/api/files/{}", WG_AUTH_OPTIONAL, NO_BODY, wg_files_serve},
    {"GET", V1 "/export", WG_AUTH_USER, WG_BODY_NONE, wg_export_fields, wg_export_get},
    {"POST", V1 "/import", WG_AUTH_USER, WG_BODY_FILE, wg_import_fields, wg_import_run},
    {"GET", V1 "/extract/list", WG_AUTH_USER, NO_BODY, wg_extract_list},
    {"POST", V1 "/extract", WG_AUTH_USER, FIELDS(extract), wg_extract_run},
    {"POST", V1 "/validate", WG_AUTH_NONE, FIELDS(validate), wg_xml_validate},
    {"POST", V1 "/validate/autocomplete-data", WG_AUTH_NONE, FIELDS(autocomplete),
     wg_xml_autocomplete},
    {"GET", V1 "/sse/subscribe", WG_AUTH_USER, NO_BODY, wg_stream_subscribe},
    {"POST", V1 "/sse/test/echo", WG_AUTH_USER, WG_BODY_TEXT_LIST, NULL, wg_stream_echo},
    {"POST", V1 "/sse/test/broadcast", WG_AUTH_USER, WG_BODY_OBJECT, NULL, wg_stream_broadcast},
    {"GET", V1 "/plugins", WG_AUTH_OPTIONAL, NO_BODY, wg_plugins_list},
    {"POST", V1 "/plugins/{}/execute", WG_AUTH_OPTIONAL, FIELDS(plugin), wg_plugins_execute},
    {"POST", "/api/plugins/sample-analyzer/analyze", WG_AUTH_NONE, FIELDS(analyze),
     wg_sample_analyze},
    {"GET", "/api/plugins/sample-analyzer/status", WG_AUTH_NONE, NO_BODY, wg_sample_status},
    {"GET", V1 "/sync/status", WG_AUTH_USER, NO_BODY, wg_sync_status},
    {"GET", V1 "/sync/conflicts", WG_AUTH_USER, NO_BODY, wg_sync_conflicts},
    {"POST", V1 "/sync", WG_AUTH_USER, FIELDS(sync), wg_sync_run},
    {"POST", V1 "/sync/resolve-conflict", WG_AUTH_USER, FIELDS(resolve), wg_sync_resolve},
};

/* Whether the path has the pattern's shape; segments that "{}" stands for go to `arguments`. */
static bool match(struct wg_req *req, const char *pattern)
{
    const char *path = req->path;
    size_t count = 0;
    while (*pattern != '\0' || *path != '\0') {
        if (strncmp(pattern, "{}", 2) == 0) {
            size_t length = strcspn(path, "/");
            if (length == 0 || count == WG_PATH_ARGUMENTS_MAX)
                return false;
            req->arguments[count++] = wg_arena_strndup(&req->arena, path, length);
            pattern += 2;
            path += length;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return true;
}

static const struct wg_route *find_route(struct wg_req *req)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].method, req->method) == 0 && match(req, routes[i].pattern))
            return &routes[i];
    return NULL;
}

/* What the static file server below the API says about a path that is no file of its own. */
static void answer_unknown(struct wg_req *req)
{
    if (strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0)
        wg_reply_detail(req, 404, "Not Found");
    else
        wg_reply_detail(req, 405, "Method Not Allowed");
}

/* A connection that does not come back may have a transaction open: here its request is known. */
static void log_leak(struct wg_req *req, const char *db)
{
    wg_log_line(&req->app->log, "error", "leak",
                json_pack("{s:s, s:s, s:s, s:s}", "db", db, "method", req->method, "path",
                          req->path, "message", "the request ended without its connection"));
}

static void give_back_connections(struct wg_req *req)
{
    for (size_t i = 0; i < WG_DB_COUNT; i++) {
        if (req->lent[i] && req->conns[i] == NULL)
            log_leak(req, wg_db_kinds[i].name);
        wg_conn_give_back(req->conns[i]);
        req->conns[i] = NULL;
        req->lent[i] = false;
    }
}

/* Runs the handler; a save as often as the strategy of initialisation tries it. */
static void handle(struct wg_req *req)
{
    bool saves = req->route->handler == wg_files_save;
    for (int left = saves ? req->app->lender.strategy->save_attempts : 0;; left--) {
        bool failed = req->route->handler(req) < 0;
        req->fail.set |= failed;
        if (left <= 1 || !(failed || req->reply.status >= 500))
            return;
        give_back_connections(req);
        wg_reply_clear(req);
        req->fail = (struct wg_fail){0};
    }
}

static void run_route(struct wg_req *req)
{
    if (req->route == NULL) {
        answer_unknown(req);
        return;
    }
    if (wg_text_starts_with(req->path, "/api/")) {
        wg_hazards_at_request(&req->app->hazards);
        if (wg_break_at_request(req))
            return;
    }
    if (wg_body_parse(req) && wg_auth_check(req, req->route->auth) && wg_body_check(req))
        handle(req);
    if (req->reply.status == 0 && req->reply.stream == NULL)
        wg_reply_detail(req, 500, "%s",
                        req->fail.message[0] != '\0' ? req->fail.message : "Internal error");
    if (wg_text_starts_with(req->path, "/api/"))
        wg_break_at_reply(req);
}

static void log_request(struct wg_req *req)
{
    json_t *fields = json_object();
    json_object_set_new(fields, "method", wg_json_text(req->method));
    json_object_set_new(fields, "path", wg_json_text(req->path));
    json_object_set_new(fields, "status",
                        json_integer(req->reply.stream != NULL ? 200 : req->reply.status));
    json_object_set_new(fields, "ms", json_integer(wg_clock_ms() - req->started_ms));
    if (req->session != NULL)
        json_object_set_new(fields, "session", wg_json_text(req->session));
    if (req->reply.status >= 500 && req->fail.message[0] != '\0')
        json_object_set_new(fields, "reason", wg_json_text(req->fail.message));
    wg_log_line(&req->app->log, "info", "request", fields);
}

void wg_route_dispatch(struct wg_req *req)
{
    struct wg_log *log = &req->app->log;
    atomic_fetch_add_explicit(&log->requests, 1, memory_order_relaxed);
    req->test = wg_req_header(req, "X-Walgrind-Test");
    req->session = wg_session_id(req);
    wg_log_set_test(log, req->test);
    req->route = find_route(req);
    run_route(req);
    give_back_connections(req);
    log_request(req);
    wg_log_set_test(log, NULL);
}
