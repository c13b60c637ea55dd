/* SPDX-License-Identifier: MIT */
/*
 * files_locks.c - acquire_lock, check_lock, release_lock and the list of locks.
 *
 * A lock belongs to a session, not to a user, and names a file by its stable id. It is stale 90
 * seconds after it was last refreshed: nobody waits for that here, the tests of staleness make the
 * lock older in the database.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>

#define EDIT_DENIED "Access denied: You don't have permission to edit this document"
#define RACERS      10

/* A new gold file that is not locked. */
static char *new_file(void)
{
    return api_gold(api_nonce("doc"), NULL);
}

static void expect_acquired(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_string("OK"));
}

static void expect_not_acquired(struct wg_response *response, const char *id)
{
    wg_expect_error(response, 423, wg_format("Could not acquire lock for %s", id));
}

static void expect_released(struct wg_response *response, const char *id)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s,s:o}", "action", "released", "message",
                             json_sprintf("Lock successfully released for file %s", id)));
}

Test(files_locks, locks_are_listed_as_an_array, .description = "LOCK-01")
{
    struct wg_response *response = wg_http_get(api_login("reviewer"), "/api/v1/files/locks");

    wg_expect_status(response, 200);
    wg_expect_json(response, "locked_files", json_array());
}

Test(files_locks, unknown_file_is_not_locked, .description = "LOCK-02")
{
    api_expect_lock(api_login("reviewer"), "/data/non-existent-file.pdf", NULL);
}

Test(files_locks, acquired_lock_is_listed, .description = "LOCK-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    cr_assert(not(api_lists_lock(reviewer, gold)));

    expect_acquired(api_file_post(reviewer, "acquire_lock", gold));

    cr_assert(api_lists_lock(reviewer, gold));
}

Test(files_locks, own_lock_does_not_count_as_locked, .description = "LOCK-04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    api_acquire(reviewer, gold);

    api_expect_lock(reviewer, gold, NULL);
}

Test(files_locks, own_lock_can_be_acquired_again, .description = "LOCK-05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    api_acquire(reviewer, gold);

    expect_acquired(api_file_post(reviewer, "acquire_lock", gold));
}

Test(files_locks, released_lock_is_gone, .description = "LOCK-06 LOCK-X08")
{
    struct wg_http *reviewer = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(reviewer, gold);

    expect_released(api_file_post(reviewer, "release_lock", gold), gold);

    api_expect_lock(other, gold, NULL);
    cr_assert(not(api_lists_lock(reviewer, gold)));
}

Test(files_locks, releasing_one_file_keeps_the_other_locked, .description = "LOCK-07")
{
    struct wg_http *reviewer = api_login("reviewer"), *other = api_login("annotator");
    char *first = new_file(), *second = new_file();
    api_acquire(reviewer, first);
    api_acquire(reviewer, second);

    expect_released(api_file_post(reviewer, "release_lock", second), second);

    api_expect_lock(other, first, api_session(reviewer));
    api_expect_lock(other, second, NULL);
}

Test(files_locks, release_of_an_unknown_file_is_no_error, .description = "LOCK-08")
{
    struct wg_response *response =
        api_file_post(api_login("reviewer"), "release_lock", "/data/non-existent-lock.pdf");

    wg_expect_status(response, 200);
    wg_expect_str(response, "action", eq, "already_released");
    wg_expect_str(response, "message", eq,
                  "File not found - lock already released: /data/non-existent-lock.pdf");
}

struct verb {
    char name[24];
};

ParameterizedTestParameters(files_locks, file_id_is_required)
{
    static struct verb rows[] = {{"acquire_lock"}, {"check_lock"}, {"release_lock"}};
    return cr_make_param_array(struct verb, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct verb *row, files_locks, file_id_is_required,
                  .description = "LOCK-09 LOCK-X18")
{
    struct wg_http *reviewer = api_login("reviewer");

    struct wg_response *response = wg_http_post_json(
        reviewer, wg_http_path(reviewer, "/api/v1/files/%s", row->name), json_object());

    wg_expect_422(response, "body", "file_id");
}

Test(files_locks, session_holds_two_locks_at_once, .description = "LOCK-10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *first = new_file(), *second = new_file();

    expect_acquired(api_file_post(reviewer, "acquire_lock", first));
    expect_acquired(api_file_post(reviewer, "acquire_lock", second));

    cr_assert(api_lists_lock(reviewer, first));
    cr_assert(api_lists_lock(reviewer, second));
    expect_released(api_file_post(reviewer, "release_lock", first), first);
    expect_released(api_file_post(reviewer, "release_lock", second), second);
}

Test(files_locks, other_session_sees_the_owner, .description = "LOCK-X01")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);

    api_expect_lock(other, gold, api_session(owner));
}

Test(files_locks, second_session_gets_423, .description = "LOCK-X02")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);

    expect_not_acquired(api_file_post(other, "acquire_lock", gold), gold);

    api_expect_lock(other, gold, api_session(owner));
}

Test(files_locks, two_sessions_of_one_user_are_distinct, .description = "LOCK-X03")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("reviewer");
    char *gold = new_file();
    api_acquire(owner, gold);

    expect_not_acquired(api_file_post(other, "acquire_lock", gold), gold);
}

Test(files_locks, unknown_file_cannot_be_locked, .description = "LOCK-X04")
{
    char *id = api_nonce("none");

    struct wg_response *response = api_file_post(api_login("reviewer"), "acquire_lock", id);

    wg_expect_error(response, 404, wg_format("File not found: %s", id));
}

Test(files_locks, anonymous_may_not_lock, .description = "LOCK-X05")
{
    char *gold = new_file();

    struct wg_response *response = api_file_post(api_anonymous(), "acquire_lock", gold);

    wg_expect_error(response, 403, EDIT_DENIED);
    api_expect_lock(api_login("reviewer"), gold, NULL);
}

Test(files_locks, unknown_session_may_not_lock, .description = "LOCK-X05")
{
    char *gold = new_file();
    struct wg_http *stranger = api_with_session(api_nonce("session"));

    struct wg_response *response = api_file_post(stranger, "acquire_lock", gold);

    wg_expect_error(response, 403, EDIT_DENIED);
    api_expect_lock(api_login("reviewer"), gold, NULL);
}

Test(files_locks, list_holds_own_locks_only, .description = "LOCK-X06")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("reviewer");
    char *gold = new_file();
    api_acquire(owner, gold);

    cr_assert(api_lists_lock(owner, gold));
    cr_assert(not(api_lists_lock(other, gold)));
}

Test(files_locks, release_of_a_free_file_says_so, .description = "LOCK-X07")
{
    char *gold = new_file();

    struct wg_response *response = api_file_post(api_login("reviewer"), "release_lock", gold);

    wg_expect_status(response, 200);
    wg_expect_str(response, "action", eq, "already_released");
    wg_expect_str(response, "message", eq,
                  wg_format("Lock was already released for file %s", gold));
}

Test(files_locks, released_file_can_be_locked_by_another, .description = "LOCK-X09")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);
    expect_released(api_file_post(owner, "release_lock", gold), gold);

    expect_acquired(api_file_post(other, "acquire_lock", gold));

    api_expect_lock(owner, gold, api_session(other));
}

Test(files_locks, foreign_release_fails_and_changes_nothing, .description = "LOCK-X10")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("reviewer");
    char *gold = new_file();
    api_acquire(owner, gold);

    api_expect_refused(api_file_post(other, "release_lock", gold));

    api_expect_lock(other, gold, api_session(owner));
}

Test(files_locks, lock_survives_logout, .description = "LOCK-X11")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);
    wg_expect_status(wg_http_post(owner, "/api/v1/auth/logout"), 200);

    expect_not_acquired(api_file_post(other, "acquire_lock", gold), gold);
}

Test(files_locks, content_hash_and_stable_id_name_one_lock, .description = "LOCK-X12")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();

    expect_acquired(api_file_post(owner, "acquire_lock", api_hash(owner, gold)));

    api_expect_lock(other, gold, api_session(owner));
    cr_assert(api_lists_lock(owner, gold));
}

Test(files_locks, lock_survives_a_change_of_content, .description = "LOCK-X13")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *before = api_hash(owner, gold);
    api_acquire(owner, gold);

    api_save(owner, gold, api_tei(doc, NULL, NULL), false);

    cr_assert(ne(str, api_hash(owner, gold), before));
    api_expect_lock(other, gold, api_session(owner));
}

Test(files_locks, pdf_can_be_locked, .description = "LOCK-X14")
{
    struct wg_http *owner = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));

    expect_acquired(api_file_post(owner, "acquire_lock", pdf));

    api_expect_lock(api_login("annotator"), pdf, api_session(owner));
}

Test(files_locks, of_ten_sessions_one_gets_the_lock, .description = "LOCK-X15")
{
    char *gold = new_file();
    struct wg_http *clients[RACERS];
    json_t *bodies[RACERS];
    struct wg_response *responses[RACERS];
    for (size_t i = 0; i < RACERS; i++) {
        clients[i] = api_login("reviewer");
        bodies[i] = json_pack("{s:s}", "file_id", gold);
    }

    api_post_at_once(clients, false, "/api/v1/files/acquire_lock", bodies, RACERS, responses);

    cr_assert(eq(sz, api_count_status(responses, RACERS, 200), 1));
    cr_assert(eq(sz, api_count_status(responses, RACERS, 423), RACERS - 1));
    for (size_t i = 0; i < RACERS; i++) {
        if (responses[i]->status == 200)
            api_expect_lock(clients[(i + 1) % RACERS], gold, api_session(clients[i]));
    }
}

Test(files_locks, loser_of_a_race_gets_the_lock_after_the_winner, .description = "LOCK-X15")
{
    char *gold = new_file();
    struct wg_http *clients[2] = {api_login("reviewer"), api_login("annotator")};
    struct wg_response *responses[2];
    json_t *bodies[2] = {json_pack("{s:s}", "file_id", gold), json_pack("{s:s}", "file_id", gold)};

    api_post_at_once(clients, false, "/api/v1/files/acquire_lock", bodies, 2, responses);

    size_t winner = responses[0]->status == 200 ? 0 : 1;
    expect_acquired(responses[winner]);
    expect_not_acquired(responses[1 - winner], gold);
    expect_released(api_file_post(clients[winner], "release_lock", gold), gold);
    expect_acquired(api_file_post(clients[1 - winner], "acquire_lock", gold));
}

Test(files_locks, ten_files_are_locked_in_parallel, .description = "LOCK-X16")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *files[RACERS];
    json_t *bodies[RACERS];
    struct wg_response *responses[RACERS];
    for (size_t i = 0; i < RACERS; i++) {
        files[i] = new_file();
        bodies[i] = json_pack("{s:s}", "file_id", files[i]);
    }

    api_post_at_once(&reviewer, true, "/api/v1/files/acquire_lock", bodies, RACERS, responses);

    for (size_t i = 0; i < RACERS; i++) {
        expect_acquired(responses[i]);
        cr_assert(api_lists_lock(reviewer, files[i]));
    }
}

Test(files_locks, deleted_file_is_not_locked, .description = "LOCK-X17")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = new_file();
    api_acquire(owner, gold);

    api_delete(owner, gold);

    api_expect_lock(other, gold, NULL);
}
