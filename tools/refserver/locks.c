/* SPDX-License-Identifier: MIT
 *
 * Lock endpoints. Only acquire_lock checks who is asking; the others believe the session id.
 */
#include "tools/refserver/event.h"
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/locktable.h"

const struct wg_field wg_lock_fields[] = {{"file_id", WG_FIELD_TEXT, WG_REQUIRED, NULL}, {0}};

int wg_locks_list(struct wg_req *req)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_LOCKS);
    if (conn == NULL)
        return -1;
    sqlite3_stmt *row = wg_stmt_start(
        conn,
        "SELECT file_id FROM locks WHERE (?1 IS NULL OR session_id = ?1) AND "
        "updated_at >= datetime('now', '-" WG_LOCK_SECONDS " seconds') ORDER BY acquired_at",
        "s", req->session);
    json_t *list = wg_arena_json(&req->arena, json_array());
    int got;
    while ((got = wg_stmt_step(conn, row)) == 1)
        json_array_append_new(list, wg_json_text((const char *)sqlite3_column_text(row, 0)));
    return got < 0 ? -1 : wg_reply_json(req, 200, json_pack("{s:O}", "locked_files", list));
}

static int reply_locked(struct wg_req *req, const char *holder)
{
    return wg_reply_json(
        req, 200,
        json_pack("{s:b,s:o}", "is_locked", holder != NULL, "locked_by", wg_json_text(holder)));
}

int wg_locks_check(struct wg_req *req)
{
    struct wg_file file;
    const char *holder;
    int found = wg_file_find(req, wg_req_text(req, "file_id"), &file);
    if (found <= 0)
        return found < 0 ? -1 : reply_locked(req, NULL);
    if (wg_lock_holder(req, file.stable_id, &holder) < 0)
        return -1;
    return reply_locked(req, wg_text_same(holder, req->session) ? NULL : holder);
}

int wg_locks_acquire(struct wg_req *req)
{
    const char *id = wg_req_text(req, "file_id");
    struct wg_file file;
    int found = wg_file_find(req, id, &file);
    if (found <= 0)
        return found < 0 ? -1 : wg_reply_detail(req, 404, "File not found: %s", id);
    if (!wg_access_write(req, file.doc_metadata, file.file_metadata))
        return wg_reply_detail(req, 403,
                               "Access denied: You don't have permission to edit this document");
    int got = wg_lock_acquire(req, file.stable_id, req->session);
    if (got <= 0)
        return got < 0 ? -1 : wg_reply_detail(req, 423, "Could not acquire lock for %s", id);
    wg_event_send(req, req->session, "fileDataChanged",
                  json_pack("{s:s,s:s,s:s}", "reason", "lock_acquired", "stable_id", file.stable_id,
                            "locked_by", req->user.name));
    return wg_reply_json(req, 200, json_string("OK"));
}

static int reply_action(struct wg_req *req, const char *action, const char *text, const char *id)
{
    char *message = wg_arena_format(&req->arena, "%s%s", text, id);
    return wg_reply_json(
        req, 200, json_pack("{s:s,s:o}", "action", action, "message", wg_json_text(message)));
}

int wg_locks_release(struct wg_req *req)
{
    const char *id = wg_req_text(req, "file_id");
    struct wg_file file;
    int found = wg_file_find(req, id, &file);
    if (found <= 0)
        return found < 0 ? -1
                         : reply_action(req, "already_released",
                                        "File not found - lock already released: ", id);
    if (req->session == NULL)
        return wg_reply_detail(req, 401, "Authentication required");
    int got = wg_lock_release(req, file.stable_id, req->session);
    if (got < 0)
        return -1;
    if (got == 2)
        return wg_reply_detail(req, 409, "The lock is held by another session");
    wg_event_send(req, req->session, "lockReleased",
                  json_pack("{s:s}", "stable_id", file.stable_id));
    if (got == 0)
        return reply_action(req, "already_released", "Lock was already released for file ",
                            file.stable_id);
    return reply_action(req, "released", "Lock successfully released for file ", file.stable_id);
}

int wg_locks_heartbeat(struct wg_req *req)
{
    const char *id = wg_req_text(req, "file_id");
    struct wg_file file;
    int found = wg_file_find(req, id, &file);
    if (found <= 0)
        return found < 0 ? -1 : wg_reply_detail(req, 404, "File not found: %s", id);
    if (req->session == NULL)
        return wg_reply_detail(req, 401, "Authentication required");
    int got = wg_lock_acquire(req, file.stable_id, req->session);
    if (got < 0)
        return -1;
    if (got == 0)
        return wg_reply_detail(
            req, 409, "Failed to refresh lock. It may have been acquired by another session.");
    return wg_reply_json(req, 200, json_pack("{s:s}", "status", "lock_refreshed"));
}
