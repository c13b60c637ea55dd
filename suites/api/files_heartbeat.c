/* SPDX-License-Identifier: MIT */
/*
 * files_heartbeat.c - POST /files/heartbeat: keeps a lock alive, and takes a free one.
 *
 * A heartbeat is an acquisition without a check of rights; so it also brings back a lock that was
 * lost, unless another session has it by now.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#define HELD_BY_ANOTHER "Failed to refresh lock. It may have been acquired by another session."
#define BEATS           20

/* A gold file that is locked by the session. */
static char *locked_file(struct wg_http *owner)
{
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_acquire(owner, gold);
    return gold;
}

static void expect_refreshed(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "status", "lock_refreshed"));
}

Test(files_heartbeat, owner_refreshes, .description = "HB-02 HB-X07")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    expect_refreshed(api_file_post(owner, "heartbeat", gold));

    api_expect_lock(api_login("annotator"), gold, api_session(owner));
}

Test(files_heartbeat, lock_of_a_save_is_refreshed, .description = "HB-02")
{
    struct wg_http *owner = api_login("reviewer");
    char *doc = api_nonce("doc");
    json_t *saved = api_save(owner, doc, api_tei(doc, NULL, NULL), false);

    expect_refreshed(
        api_file_post(owner, "heartbeat", json_string_value(json_object_get(saved, "file_id"))));
}

Test(files_heartbeat, owner_refreshes_again_and_again, .description = "HB-04")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    for (int i = 0; i < 3; i++)
        expect_refreshed(api_file_post(owner, "heartbeat", gold));
}

Test(files_heartbeat, unknown_file_gets_404, .description = "HB-06 HB-X03")
{
    char *id = api_nonce("nonexistent");

    struct wg_response *response = api_file_post(api_login("reviewer"), "heartbeat", id);

    wg_expect_error(response, 404, wg_format("File not found: %s", id));
}

Test(files_heartbeat, file_id_is_required, .description = "HB-07")
{
    struct wg_response *response =
        wg_http_post_json(api_login("reviewer"), "/api/v1/files/heartbeat", json_object());

    wg_expect_422(response, "body", "file_id");
}

Test(files_heartbeat, answer_has_no_cache_status, .description = "HB-08")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    struct wg_response *response = api_file_post(owner, "heartbeat", gold);

    wg_expect_status(response, 200);
    wg_expect_absent(response, "cache_status");
}

Test(files_heartbeat, free_file_is_locked, .description = "HB-X01")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);
    api_release(owner, gold);
    api_expect_lock(api_login("annotator"), gold, NULL);

    expect_refreshed(api_file_post(owner, "heartbeat", gold));

    api_expect_lock(api_login("annotator"), gold, api_session(owner));
}

Test(files_heartbeat, lock_of_another_session_gets_409, .description = "HB-X02")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("reviewer");
    char *gold = locked_file(owner);

    wg_expect_error(api_file_post(other, "heartbeat", gold), 409, HELD_BY_ANOTHER);

    api_expect_lock(other, gold, api_session(owner));
}

Test(files_heartbeat, content_hash_names_the_file, .description = "HB-X06")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    expect_refreshed(api_file_post(owner, "heartbeat", api_hash(owner, gold)));

    api_expect_lock(api_login("annotator"), gold, api_session(owner));
}

Test(files_heartbeat, keeps_a_lock_alive, .description = "HB-X04")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 80);
    expect_refreshed(api_file_post(owner, "heartbeat", gold));

    api_age_lock(gold, "updated_at", 60);

    wg_expect_error(api_file_post(other, "acquire_lock", gold), 423,
                    wg_format("Could not acquire lock for %s", gold));
}

Test(files_heartbeat, takes_over_a_stale_lock, .description = "HB-X05")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 120);

    expect_refreshed(api_file_post(other, "heartbeat", gold));

    api_expect_lock(owner, gold, api_session(other));
}

Test(files_heartbeat, old_owner_of_a_lost_lock_gets_409, .description = "HB-X05")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 120);
    api_acquire(other, gold);

    wg_expect_error(api_file_post(owner, "heartbeat", gold), 409, HELD_BY_ANOTHER);
}

Test(files_heartbeat, owner_refreshes_in_parallel, .description = "HB-X08")
{
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);
    json_t *bodies[BEATS];
    struct wg_response *responses[BEATS];
    for (size_t i = 0; i < BEATS; i++)
        bodies[i] = json_pack("{s:s}", "file_id", gold);

    api_post_at_once(&owner, true, "/api/v1/files/heartbeat", bodies, BEATS, responses);

    for (size_t i = 0; i < BEATS; i++)
        expect_refreshed(responses[i]);
}
