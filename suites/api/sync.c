/* SPDX-License-Identifier: MIT */
/*
 * sync.c - remote synchronisation, which is not configured on the server under test.
 */
#include "suites/api/api.h"

Test(sync, status_needs_a_session, .description = "SYNC-X01")
{
    wg_expect_error(wg_http_get(api_anonymous(), "/api/v1/sync/status"), 401,
                    "Authentication required");
}

Test(sync, status_tells_that_there_is_nothing, .description = "SYNC-X02")
{
    struct wg_response *response = wg_http_get(api_login("user"), "/api/v1/sync/status");

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:b, s:i, s:i, s:i, s:n, s:b}", "needs_sync", 0, "local_version", 0,
                             "remote_version", 0, "unsynced_count", 0, "last_sync_time",
                             "sync_in_progress", 0));
}

/* A synchronisation with this body is skipped: every counter is 0. */
static void expect_skipped(json_t *body)
{
    static const char *const counters[] = {
        "uploaded",        "downloaded", "deleted_local", "deleted_remote",
        "metadata_synced", "conflicts",  "errors",        "duration_ms",
    };

    struct wg_response *response = wg_http_post_json(api_login("user"), "/api/v1/sync", body);

    wg_expect_status(response, 200);
    wg_expect_bool(response, "skipped", true);
    wg_expect_null(response, "new_version");
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        wg_expect_int(response, counters[i], eq, 0);
}

Test(sync, is_skipped, .description = "SYNC-X03")
{
    expect_skipped(json_object());
}

Test(sync, is_skipped_when_forced, .description = "SYNC-X03")
{
    expect_skipped(json_pack("{s:b}", "force", 1));
}

Test(sync, needs_a_body, .description = "SYNC-X04")
{
    wg_expect_422(wg_http_post(api_login("user"), "/api/v1/sync"), "body");
}

Test(sync, has_no_conflicts, .description = "SYNC-X05")
{
    struct wg_response *response = wg_http_get(api_login("user"), "/api/v1/sync/conflicts");

    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:[], s:i}", "conflicts", "total", 0));
}

static struct wg_response *resolve(const char *resolution)
{
    return wg_http_post_json(
        api_login("user"), "/api/v1/sync/resolve-conflict",
        json_pack("{s:s, s:s}", "file_id", api_nonce("f"), "resolution", resolution));
}

Test(sync, has_no_conflict_to_resolve, .description = "SYNC-X06")
{
    wg_expect_error(resolve("local_wins"), 400,
                    "WebDAV not configured - no sync conflicts to resolve");
}

Test(sync, refuses_an_unknown_resolution, .description = "SYNC-X06")
{
    wg_expect_422(resolve("nobody_wins"), "body", "resolution");
}
