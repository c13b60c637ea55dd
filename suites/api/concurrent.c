/* SPDX-License-Identifier: MIT */
/*
 * concurrent.c - many clients at the same time, where the order must not matter.
 *
 * All requests of a race are under way at once (wg_http_send_all); each test says what must hold in
 * whatever order the server takes them. Races inside one resource are with that resource: versions
 * in files_save_version.c, locks in files_locks.c, reads beside writes in files_serve.c.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>

#define CLIENTS 8
#define WRITERS 32 /* of one file: more of them, since each is done in a moment */
#define ROUNDS  5
#define SAVE    "/api/v1/files/save"
#define SET     "/api/v1/config/set"

static void login_all(struct wg_http *clients[static CLIENTS], const char *user)
{
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = api_login(user);
}

static json_t *save_body(const char *file_id, const char *xml, bool new_version)
{
    return json_pack("{s:s,s:s,s:b}", "file_id", file_id, "xml_string", xml, "new_version",
                     new_version);
}

/* How many saves were answered with a status word. */
static size_t count_word(struct wg_response *const *responses, const char *word)
{
    size_t found = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        wg_expect_status(responses[i], 200);
        found += strcmp(wg_require_str(responses[i], "status"), word) == 0;
    }
    return found;
}

static struct wg_response *get_config(struct wg_http *http, const char *key)
{
    return wg_http_get(http, wg_http_path(http, "/api/v1/config/get/%s", key));
}

Test(concurrent, two_sessions_race_for_a_lock_again_and_again, .description = "LOCK-X15")
{
    struct wg_http *clients[2] = {api_login("reviewer"), api_login("annotator")};
    char *gold = api_gold(api_nonce("doc"), NULL);

    for (int round = 0; round < ROUNDS; round++) {
        struct wg_response *responses[2];
        json_t *bodies[2] = {json_pack("{s:s}", "file_id", gold),
                             json_pack("{s:s}", "file_id", gold)};
        api_post_at_once(clients, false, "/api/v1/files/acquire_lock", bodies, 2, responses);

        cr_assert(eq(sz, api_count_status(responses, 2, 200), 1));
        cr_assert(eq(sz, api_count_status(responses, 2, 423), 1));
        size_t winner = responses[0]->status == 200 ? 0 : 1;
        api_expect_lock(clients[1 - winner], gold, api_session(clients[winner]));
        api_release(clients[winner], gold);
    }
}

Test(concurrent, heartbeat_and_acquisition_race_for_one_lock, .description = "LOCK-X15")
{
    struct wg_http *clients[2] = {api_login("reviewer"), api_login("reviewer")};
    char *gold = api_gold(api_nonce("doc"), NULL);
    json_t *body = json_pack("{s:s}", "file_id", gold);
    struct wg_request requests[] = {
        {.path = "/api/v1/files/heartbeat", .json = body, .session = clients[0]},
        {.path = "/api/v1/files/acquire_lock", .json = body, .session = clients[1]},
    };
    struct wg_response *responses[2];

    wg_http_send_all(clients[0], requests, 2, responses);

    cr_assert(eq(sz, api_count_status(responses, 2, 200), 1));
    bool beaten = responses[0]->status != 200;
    wg_expect_status(responses[beaten ? 0 : 1], beaten ? 409 : 423);
}

Test(concurrent, stale_lock_is_taken_over_by_one_session, .description = "LOCK-X19")
{
    api_need_data();
    struct wg_http *clients[CLIENTS];
    login_all(clients, "annotator");
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_acquire(api_login("reviewer"), gold);
    api_age_lock(gold, "updated_at", 120);
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        bodies[i] = json_pack("{s:s}", "file_id", gold);

    api_post_at_once(clients, false, "/api/v1/files/acquire_lock", bodies, CLIENTS, responses);

    cr_assert(eq(sz, api_count_status(responses, CLIENTS, 200), 1));
    cr_assert(eq(sz, api_count_status(responses, CLIENTS, 423), CLIENTS - 1));
}

Test(concurrent, first_saves_of_a_document_make_one_gold, .description = "SAVE-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        bodies[i] = save_body(doc, api_tei(doc, NULL, NULL), false);

    api_post_at_once(&reviewer, true, SAVE, bodies, CLIENTS, responses);

    cr_assert(eq(sz, count_word(responses, "new_gold"), 1));
    cr_assert(eq(sz, count_word(responses, "new"), CLIENTS - 1));
}

Test(concurrent, first_saves_of_many_documents_make_as_many_gold, .description = "SAVE-03")
{
    struct wg_http *clients[CLIENTS];
    login_all(clients, "reviewer");
    char *docs[CLIENTS];
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        docs[i] = api_nonce("doc");
        bodies[i] = save_body(docs[i], api_tei(docs[i], NULL, NULL), false);
    }

    api_post_at_once(clients, false, SAVE, bodies, CLIENTS, responses);

    for (size_t i = 0; i < CLIENTS; i++) {
        api_expect_meta(clients[i], api_expect_saved(responses[i], "new_gold"),
                        json_pack("{s:s}", "doc_id", docs[i]));
    }
}

Test(concurrent, same_version_saved_at_once_is_one_file, .description = "SAVE-X14")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml = api_tei(doc, NULL, NULL);
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        bodies[i] = save_body(gold, xml, true);

    api_post_at_once(&annotator, true, SAVE, bodies, CLIENTS, responses);

    cr_assert(eq(sz, count_word(responses, "new"), 1));
    cr_assert(eq(sz, count_word(responses, "saved"), CLIENTS - 1));
    const char *id = wg_require_str(responses[0], "file_id");
    for (size_t i = 1; i < CLIENTS; i++)
        wg_expect_str(responses[i], "file_id", eq, id);
}

Test(concurrent, versions_of_two_documents_are_numbered_apart, .description = "SAVE-X34")
{
    struct wg_http *annotator = api_login("annotator");
    char *docs[2] = {api_nonce("doc"), api_nonce("doc")};
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        bodies[i] = save_body(docs[i % 2], api_tei(docs[i % 2], NULL, NULL), true);

    api_post_at_once(&annotator, true, SAVE, bodies, CLIENTS, responses);

    json_int_t sums[2] = {0};
    for (size_t i = 0; i < CLIENTS; i++) {
        json_t *meta = api_meta(annotator, api_expect_saved(responses[i], "new"));
        json_int_t version = json_integer_value(json_object_get(meta, "version"));
        cr_assert(version >= 1 && version <= CLIENTS / 2, "version %d", (int)version);
        sums[i % 2] += (json_int_t)1 << (4 * version);
    }
    cr_assert(sums[0] == 0x11110 && sums[1] == 0x11110, "numbers %llx and %llx",
              (unsigned long long)sums[0], (unsigned long long)sums[1]);
}

Test(concurrent, promotions_at_once_leave_one_gold, .description = "META-X09")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *files[3] = {gold, api_version(gold, doc), api_version(gold, doc)};
    struct wg_request requests[3] = {0};
    struct wg_response *responses[3];
    for (size_t i = 0; i < 3; i++) {
        requests[i] = (struct wg_request){
            .method = "POST",
            .path = wg_http_path(reviewer, "/api/v1/files/%s/gold-standard", files[i])};
    }

    wg_http_send_all(reviewer, requests, 3, responses);

    size_t left = 0;
    for (size_t i = 0; i < 3; i++) {
        wg_expect_status(responses[i], 200);
        json_t *meta = api_meta(reviewer, files[i]);
        left += json_is_true(json_object_get(meta, "is_gold_standard"));
    }
    cr_assert(eq(sz, left, 1));
}

Test(concurrent, sets_of_different_keys_lose_nothing, .description = "CONF-X22")
{
    struct wg_http *user = api_login("user");
    char *keys[ROUNDS][WRITERS];

    for (size_t round = 0; round < ROUNDS; round++) {
        json_t *bodies[WRITERS];
        struct wg_response *responses[WRITERS];
        for (size_t i = 0; i < WRITERS; i++) {
            keys[round][i] = api_nonce("key");
            bodies[i] = json_pack("{s:s,s:i}", "key", keys[round][i], "value", (int)i);
        }
        api_post_at_once(&user, true, SET, bodies, WRITERS, responses);
        cr_assert(eq(sz, api_count_status(responses, WRITERS, 200), WRITERS));
    }

    struct wg_response *list = wg_http_get(user, "/api/v1/config/list");
    wg_expect_status(list, 200);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < WRITERS; i++)
            wg_expect_int(list, keys[round][i], eq, (int64_t)i);
    }
}

Test(concurrent, sets_of_one_key_leave_one_of_the_values, .description = "CONF-X22")
{
    struct wg_http *clients[CLIENTS];
    login_all(clients, "user");
    char *key = api_nonce("key"), *values[CLIENTS];
    json_t *bodies[CLIENTS];
    struct wg_response *responses[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        values[i] = api_nonce("value");
        bodies[i] = json_pack("{s:s,s:s}", "key", key, "value", values[i]);
    }

    api_post_at_once(clients, false, SET, bodies, CLIENTS, responses);

    struct wg_response *response = get_config(clients[0], key);
    wg_expect_status(response, 200);
    size_t same = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        wg_expect_status(responses[i], 200);
        same += strcmp(wg_require_str(response, ""), values[i]) == 0;
    }
    cr_assert(eq(sz, same, 1));
}

Test(concurrent, reads_beside_sets_are_whole, .description = "CONF-X22")
{
    struct wg_http *user = api_login("user");
    char *key = api_nonce("key");
    struct wg_request requests[2 * CLIENTS] = {0};
    struct wg_response *responses[2 * CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        requests[2 * i] = (struct wg_request){
            .path = SET, .json = json_pack("{s:s,s:i}", "key", key, "value", (int)i)};
        requests[2 * i + 1] = (struct wg_request){.path = "/api/v1/config/list"};
    }

    wg_http_send_all(user, requests, 2 * CLIENTS, responses);

    for (size_t i = 0; i < CLIENTS; i++) {
        wg_expect_status(responses[2 * i], 200);
        wg_expect_status(responses[2 * i + 1], 200);
        wg_expect_present(responses[2 * i + 1], "'session.timeout'");
    }
}

/* Upload counts two references, deletion takes one back, a copy is none: section 5.4. */
Test(concurrent, copies_beside_a_deletion_leave_the_reference_count_right,
     .description = "COPY-X06 DEL-X13")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");

    for (int round = 0; round < ROUNDS; round++) {
        char *pdf = api_pdf(api_nonce("doc")), *hash = api_hash(reviewer, pdf);
        struct wg_request requests[CLIENTS] = {0};
        struct wg_response *responses[CLIENTS];
        for (size_t i = 0; i < CLIENTS; i++) {
            bool deletes = i == CLIENTS / 2;
            requests[i].path = deletes ? "/api/v1/files/delete" : "/api/v1/files/copy";
            requests[i].json = deletes ? json_pack("{s:[s]}", "files", pdf)
                                       : json_pack("{s:s,s:s,s:s}", "pdf_id", pdf, "xml_id", pdf,
                                                   "destination_collection", "default");
        }

        wg_http_send_all(reviewer, requests, CLIENTS, responses);

        for (size_t i = 0; i < CLIENTS; i++)
            cr_assert(responses[i]->status == 200 || responses[i]->status == 404, "%zu: %ld", i,
                      responses[i]->status);
        cr_assert(eq(long, responses[CLIENTS / 2]->status, 200));
        wg_expect_status(api_serve(reviewer, pdf), 404);
        cr_assert(eq(
            i64,
            wg_db_int("metadata", "SELECT ref_count FROM storage_refs WHERE file_hash = ?", hash),
            1));
    }
}
