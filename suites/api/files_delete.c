/* SPDX-License-Identifier: MIT */
/*
 * files_delete.c - POST /files/delete: soft deletion of any mix of files, known or not.
 *
 * A deleted file is gone for every request, though its row stays until it is collected. Ids that
 * name nothing are skipped, so a deletion can be repeated; roles and locks are not asked.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <string.h>

#define DELETE  "/api/v1/files/delete"
#define RACERS  5
#define ROW(of) "SELECT " of " FROM files WHERE stable_id = ?"

static char *new_file(void)
{
    return api_gold(api_nonce("doc"), NULL);
}

static void expect_ok(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "result", "ok"));
}

Test(files_delete, one_file_is_deleted, .description = "DEL-02")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();

    expect_ok(api_delete_try(reviewer, gold));

    api_expect_gone(reviewer, gold);
}

Test(files_delete, several_files_are_deleted, .description = "DEL-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *first = new_file(), *second = new_file();

    expect_ok(wg_http_post_json(reviewer, DELETE, json_pack("{s:[ss]}", "files", first, second)));

    api_expect_gone(reviewer, first);
    api_expect_gone(reviewer, second);
}

Test(files_delete, empty_list_is_no_error, .description = "DEL-04")
{
    expect_ok(wg_http_post_json(api_login("reviewer"), DELETE, json_pack("{s:[]}", "files")));
}

Test(files_delete, blank_ids_are_skipped, .description = "DEL-05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();

    expect_ok(wg_http_post_json(reviewer, DELETE, json_pack("{s:[sss]}", "files", "", "  ", gold)));

    api_expect_gone(reviewer, gold);
}

Test(files_delete, unknown_id_is_skipped, .description = "DEL-06")
{
    expect_ok(api_delete_try(api_login("reviewer"), api_nonce("none")));
}

Test(files_delete, file_named_by_the_list_is_deleted, .description = "DEL-07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    json_t *artifacts = json_object_get(api_list_find(reviewer, doc), "artifacts");
    cr_assert(api_find(artifacts, "id", gold) != NULL);

    expect_ok(api_delete_try(reviewer, gold));

    artifacts = json_object_get(api_list_find(reviewer, doc), "artifacts");
    cr_assert(eq(sz, json_array_size(artifacts), 0));
    wg_expect_status(api_serve(reviewer, pdf), 200);
}

Test(files_delete, anonymous_is_refused, .description = "DEL-X01")
{
    char *gold = new_file();

    wg_expect_error(api_delete_try(api_anonymous(), gold), 401, "Authentication required");

    wg_expect_status(api_serve(api_anonymous(), gold), 200);
}

Test(files_delete, unknown_session_is_refused, .description = "DEL-X01")
{
    struct wg_http *stranger = api_with_session(api_nonce("session"));

    wg_expect_error(api_delete_try(stranger, new_file()), 401, "Session expired");
}

struct bad_body {
    char json[24];
};

ParameterizedTestParameters(files_delete, list_of_strings_is_required)
{
    static struct bad_body rows[] = {
        {"{}"}, {"{\"files\":\"x\"}"}, {"{\"files\":[null]}"}, {"{\"files\":[1]}"}};
    return cr_make_param_array(struct bad_body, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct bad_body *row, files_delete, list_of_strings_is_required,
                  .description = "DEL-X02")
{
    struct wg_response *response = wg_http_post_raw(
        api_login("reviewer"), DELETE, "application/json", row->json, strlen(row->json));

    wg_expect_422(response, NULL);
}

Test(files_delete, deleted_file_is_gone_everywhere, .description = "DEL-X03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    api_delete(reviewer, gold);

    api_expect_gone(reviewer, gold);
    cr_assert(api_list_find(reviewer, doc) == NULL);
    wg_expect_status(api_file_post(reviewer, "acquire_lock", gold), 404);
}

Test(files_delete, content_hash_names_the_file, .description = "DEL-X04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();

    expect_ok(api_delete_try(reviewer, api_hash(reviewer, gold)));

    api_expect_gone(reviewer, gold);
}

Test(files_delete, unknown_id_does_not_protect_the_others, .description = "DEL-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file(), *none = api_nonce("none");

    expect_ok(wg_http_post_json(reviewer, DELETE, json_pack("{s:[ss]}", "files", none, gold)));

    api_expect_gone(reviewer, gold);
}

Test(files_delete, same_id_twice_is_no_error, .description = "DEL-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();

    expect_ok(wg_http_post_json(reviewer, DELETE, json_pack("{s:[ss]}", "files", gold, gold)));

    api_expect_gone(reviewer, gold);
}

Test(files_delete, deletion_can_be_repeated, .description = "DEL-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();

    expect_ok(api_delete_try(reviewer, gold));
    expect_ok(api_delete_try(reviewer, gold));
}

Test(files_delete, siblings_stay, .description = "DEL-X08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);

    expect_ok(api_delete_try(reviewer, version));

    api_expect_gone(reviewer, version);
    wg_expect_status(api_serve(reviewer, gold), 200);
}

Test(files_delete, user_without_role_may_delete, .description = "DEL-X09")
{
    struct wg_http *user = api_login("user");
    char *gold = new_file();

    expect_ok(api_delete_try(user, gold));

    api_expect_gone(user, gold);
}

Test(files_delete, row_is_kept_and_marked, .description = "DEL-X10")
{
    api_need_data();
    char *gold = new_file();

    api_delete(api_login("reviewer"), gold);

    cr_assert(eq(i64, wg_db_int("metadata", ROW("deleted"), gold), 1));
    cr_assert(eq(str, wg_db_text("metadata", ROW("sync_status"), gold), "pending_delete"));
    cr_assert(
        wg_db_int("metadata", ROW("strftime('%s','now') - strftime('%s', updated_at)"), gold) < 30);
}

Test(files_delete, content_of_a_saved_file_leaves_the_disk, .description = "DEL-X11")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file(), *hash = api_hash(reviewer, gold);
    cr_assert(api_is_stored(hash, API_TEI));

    api_delete(reviewer, gold);

    cr_assert(not(api_is_stored(hash, API_TEI)));
}

Test(files_delete, content_of_an_upload_stays_until_collected, .description = "DEL-X11")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc")), *hash = api_hash(reviewer, pdf);

    api_delete(reviewer, pdf);

    cr_assert(api_is_stored(hash, API_PDF));
}

Test(files_delete, protected_file_is_deleted_by_its_owner_only, .description = "DEL-X12")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer"), *owner = api_login("user");
    char *gold = new_file();
    api_set_access(gold, "file_metadata", "editability", "protected", "user");

    wg_expect_error(api_delete_try(reviewer, gold), 403,
                    wg_format("Insufficient permissions to delete %s", gold));

    wg_expect_status(api_serve(reviewer, gold), 200);
    expect_ok(api_delete_try(owner, gold));
    api_expect_gone(owner, gold);
}

Test(files_delete, files_before_a_refused_one_stay_deleted, .description = "DEL-X12")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *first = new_file(), *second = new_file(), *third = new_file();
    api_set_access(second, "file_metadata", "editability", "protected", "user");

    struct wg_response *response =
        wg_http_post_json(reviewer, DELETE, json_pack("{s:[sss]}", "files", first, second, third));

    wg_expect_error(response, 403, wg_format("Insufficient permissions to delete %s", second));
    api_expect_gone(reviewer, first);
    wg_expect_status(api_serve(reviewer, second), 200);
    wg_expect_status(api_serve(reviewer, third), 200);
}

Test(files_delete, parallel_deletions_of_one_file_all_succeed, .description = "DEL-X13")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    json_t *bodies[RACERS];
    struct wg_response *responses[RACERS];
    for (size_t i = 0; i < RACERS; i++)
        bodies[i] = json_pack("{s:[s]}", "files", gold);

    api_post_at_once(&reviewer, true, DELETE, bodies, RACERS, responses);

    for (size_t i = 0; i < RACERS; i++)
        expect_ok(responses[i]);
    api_expect_gone(reviewer, gold);
}

Test(files_delete, lock_of_another_session_does_not_protect, .description = "DEL-X14")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);

    expect_ok(api_delete_try(other, gold));

    api_expect_gone(owner, gold);
}

Test(files_delete, content_of_a_deleted_file_blocks_its_hash, .description = "DEL-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = api_tei(doc, NULL, NULL);
    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");
    api_delete(reviewer, gold);

    api_expect_refused(api_save_try(reviewer, doc, xml, false));
}
