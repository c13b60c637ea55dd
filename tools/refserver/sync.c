/* SPDX-License-Identifier: MIT
 *
 * Synchronisation with a remote store is not part of this server: it answers as one that has no
 * remote store configured.
 */
#include "tools/refserver/handlers.h"

static const char *const resolutions[] = {"local_wins", "remote_wins", "keep_both", NULL};

const struct wg_field wg_sync_fields[] = {{"force", WG_FIELD_BOOL, 0, NULL}, {0}};

const struct wg_field wg_resolve_fields[] = {
    {"file_id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"resolution", WG_FIELD_TEXT, WG_REQUIRED, resolutions},
    {"new_variant", WG_FIELD_TEXT, 0, NULL},
    {0},
};

int wg_sync_status(struct wg_req *req)
{
    return wg_reply_json(req, 200,
                         json_pack("{s:b,s:i,s:i,s:i,s:n,s:b}", "needs_sync", 0, "local_version", 0,
                                   "remote_version", 0, "unsynced_count", 0, "last_sync_time",
                                   "sync_in_progress", 0));
}

int wg_sync_run(struct wg_req *req)
{
    static const char *const counters[] = {"uploaded",       "downloaded",      "deleted_local",
                                           "deleted_remote", "metadata_synced", "conflicts",
                                           "errors",         "duration_ms"};
    json_t *summary = json_pack("{s:b,s:n}", "skipped", 1, "new_version");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        json_object_set_new(summary, counters[i], json_integer(0));
    return wg_reply_json(req, 200, summary);
}

int wg_sync_conflicts(struct wg_req *req)
{
    return wg_reply_json(req, 200, json_pack("{s:[],s:i}", "conflicts", "total", 0));
}

int wg_sync_resolve(struct wg_req *req)
{
    return wg_reply_detail(req, 400, "WebDAV not configured - no sync conflicts to resolve");
}
