/* SPDX-License-Identifier: MIT */
/*
 * files_save_version.c - POST /files/save: gold or version, numbers, variants, names, and saves at
 * the same time.
 *
 * A save that neither updates a known file nor finds a gold file of the same document and variant
 * makes a gold file; else it makes a version. Versions are numbered per document and variant.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>

#define PARALLEL 5 /* saves under way at once */

static char *tei(const char *doc_id)
{
    return api_tei_make(&(struct api_tei_options){.doc_id = doc_id, .edition = "An edition"});
}

static char *tei_variant(const char *doc_id, const char *variant)
{
    return api_tei_make(&(struct api_tei_options){.doc_id = doc_id, .variant = variant});
}

/* Saves a version and releases nothing; its stable id. */
static const char *save_version(struct wg_http *http, const char *file_id, const char *xml)
{
    return api_expect_saved(api_save_try(http, file_id, xml, true), "new");
}

Test(files_save, second_version_is_a_third_file, .description = "SAVE-10")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    char *first = (char *)save_version(annotator, gold, tei(doc));
    char *second = (char *)save_version(annotator, gold, tei(doc));

    cr_assert(all(ne(str, first, gold), ne(str, second, gold), ne(str, first, second)));
}

Test(files_save, variant_in_the_xml_is_the_variant_of_the_gold, .description = "SAVE-11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    struct wg_response *response =
        api_save_try(reviewer, doc, tei_variant(doc, "grobid.training"), false);

    api_expect_meta(reviewer, api_expect_saved(response, "new_gold"),
                    json_pack("{s:s,s:b}", "variant", "grobid.training", "is_gold_standard", 1));
}

Test(files_save, version_of_a_variant_has_the_variant, .description = "SAVE-12")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, "grobid.training");

    const char *version = save_version(annotator, gold, tei_variant(doc, "grobid.training"));

    cr_assert(ne(str, (char *)version, gold));
    api_expect_meta(annotator, version,
                    json_pack("{s:s,s:b}", "variant", "grobid.training", "is_gold_standard", 0));
}

Test(files_save, saving_by_document_id_beside_gold_makes_a_version, .description = "SAVE-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(reviewer, doc, tei(doc), false);

    cr_assert(ne(str, (char *)api_expect_saved(response, "new"), gold));
}

Test(files_save, other_variant_by_document_id_makes_a_gold, .description = "SAVE-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(reviewer, doc, tei_variant(doc, "v"), false);

    const char *other = api_expect_saved(response, "new_gold");
    api_expect_meta(reviewer, other, json_pack("{s:s}", "variant", "v"));
    api_expect_meta(reviewer, gold, json_pack("{s:n,s:b}", "variant", "is_gold_standard", 1));
}

Test(files_save, gold_has_no_version_number, .description = "SAVE-X12")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    api_expect_meta(api_login("reviewer"), gold,
                    json_pack("{s:n,s:o}", "version", "filename", json_sprintf("%s.tei.xml", doc)));
}

Test(files_save, versions_count_from_one, .description = "SAVE-X12")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    for (int number = 1; number <= 2; number++) {
        const char *version = save_version(annotator, gold, tei(doc));

        api_expect_meta(annotator, version,
                        json_pack("{s:i,s:o,s:s}", "version", number, "filename",
                                  json_sprintf("%s.v%d.tei.xml", doc, number), "doc_id", doc));
    }
}

Test(files_save, variant_is_part_of_the_name, .description = "SAVE-X13")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, "some.variant");

    const char *version = save_version(reviewer, gold, tei_variant(doc, "some.variant"));

    api_expect_meta(reviewer, gold,
                    json_pack("{s:o}", "filename", json_sprintf("%s.some.variant.tei.xml", doc)));
    api_expect_meta(
        reviewer, version,
        json_pack("{s:o}", "filename", json_sprintf("%s.some.variant.v1.tei.xml", doc)));
}

Test(files_save, variants_are_numbered_apart, .description = "SAVE-X12")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    save_version(reviewer, gold, tei(doc));

    const char *version = save_version(reviewer, gold, tei_variant(doc, "v"));

    api_expect_meta(reviewer, version, json_pack("{s:i,s:s}", "version", 1, "variant", "v"));
}

/* Saves versions 1 and 2, deletes one of them, and expects the number of the next. */
static void expect_next_number(int deleted, int next)
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    const char *versions[2];
    for (size_t i = 0; i < 2; i++)
        versions[i] = save_version(annotator, gold, tei(doc));
    api_delete(annotator, versions[deleted - 1]);

    const char *version = save_version(annotator, gold, tei(doc));

    api_expect_meta(annotator, version, json_pack("{s:i}", "version", next));
}

Test(files_save, number_below_a_living_version_is_not_reused, .description = "SAVE-X12")
{
    expect_next_number(1, 3);
}

Test(files_save, number_of_a_deleted_last_version_is_reused, .description = "SAVE-X12")
{
    expect_next_number(2, 2);
}

Test(files_save, same_version_twice_is_one_file, .description = "SAVE-17 SAVE-X14")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml = tei(doc);
    const char *first = save_version(annotator, gold, xml);

    struct wg_response *response = api_save_try(annotator, gold, xml, true);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), (char *)first));
    api_expect_meta(annotator, first, json_pack("{s:i}", "version", 1));
}

Test(files_save, version_needs_no_gold, .description = "SAVE-X15")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc");

    const char *version = save_version(annotator, api_nonce("hint"), tei(doc));

    api_expect_meta(annotator, version,
                    json_pack("{s:s,s:i,s:b}", "doc_id", doc, "version", 1, "is_gold_standard", 0));
}

Test(files_save, version_of_a_pdf_belongs_to_its_document, .description = "SAVE-X16")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);

    const char *version = save_version(annotator, pdf, tei(NULL));

    api_expect_meta(annotator, version, json_pack("{s:s,s:s}", "doc_id", doc, "file_type", "tei"));
}

/* Every answer is a new version, and together they have the numbers from 1 on. */
static void expect_all_numbers(struct wg_http *http, struct wg_response *const *responses)
{
    int seen[PARALLEL + 1] = {0};
    for (size_t i = 0; i < PARALLEL; i++) {
        json_t *meta = api_meta(http, api_expect_saved(responses[i], "new"));
        json_int_t number = json_integer_value(json_object_get(meta, "version"));
        cr_assert(number >= 1 && number <= PARALLEL, "a version has number %d", (int)number);
        seen[number]++;
    }
    for (int number = 1; number <= PARALLEL; number++)
        cr_assert(seen[number] == 1, "%d versions have number %d", seen[number], number);
}

static json_t *version_body(const char *file_id, const char *doc)
{
    return json_pack("{s:s,s:s,s:b}", "file_id", file_id, "xml_string", tei(doc), "new_version", 1);
}

Test(files_save, parallel_versions_have_no_gap_and_no_duplicate, .description = "SAVE-X34")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    json_t *bodies[PARALLEL];
    struct wg_response *responses[PARALLEL];
    for (size_t i = 0; i < PARALLEL; i++)
        bodies[i] = version_body(gold, doc);

    api_post_at_once(&annotator, true, "/api/v1/files/save", bodies, PARALLEL, responses);

    expect_all_numbers(annotator, responses);
}

Test(files_save, parallel_versions_of_many_sessions_have_no_gap, .description = "SAVE-X34")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    struct wg_http *clients[PARALLEL];
    json_t *bodies[PARALLEL];
    struct wg_response *responses[PARALLEL];
    for (size_t i = 0; i < PARALLEL; i++) {
        clients[i] = api_login(i % 2 == 0 ? "annotator" : "reviewer");
        bodies[i] = version_body(gold, doc);
    }

    api_post_at_once(clients, false, "/api/v1/files/save", bodies, PARALLEL, responses);

    expect_all_numbers(clients[0], responses);
    for (size_t i = 0; i < PARALLEL; i++) {
        api_expect_lock(clients[(i + 1) % PARALLEL], wg_require_str(responses[i], "file_id"),
                        api_session(clients[i]));
    }
}

Test(files_save, parallel_updates_leave_one_of_their_contents, .description = "SAVE-X35")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml[PARALLEL];
    json_t *bodies[PARALLEL];
    struct wg_response *responses[PARALLEL];
    for (size_t i = 0; i < PARALLEL; i++) {
        xml[i] = tei(doc);
        bodies[i] = json_pack("{s:s,s:s}", "file_id", gold, "xml_string", xml[i]);
    }

    api_post_at_once(&reviewer, true, "/api/v1/files/save", bodies, PARALLEL, responses);

    struct wg_response *served = api_serve(reviewer, gold);
    wg_expect_status(served, 200);
    size_t same = 0;
    for (size_t i = 0; i < PARALLEL; i++) {
        cr_assert(eq(str, (char *)api_expect_saved(responses[i], "saved"), gold));
        same += strcmp(served->body.data, xml[i]) == 0;
    }
    cr_assert(eq(sz, same, 1));
}

Test(files_save, of_parallel_updates_by_two_sessions_one_wins, .description = "SAVE-X20")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml[2];
    struct wg_http *clients[2];
    json_t *bodies[2];
    struct wg_response *responses[2];
    for (size_t i = 0; i < 2; i++) {
        clients[i] = api_login("reviewer");
        xml[i] = tei(doc);
        bodies[i] = json_pack("{s:s,s:s}", "file_id", gold, "xml_string", xml[i]);
    }

    api_post_at_once(clients, false, "/api/v1/files/save", bodies, 2, responses);

    size_t winner = responses[0]->status == 200 ? 0 : 1;
    api_expect_saved(responses[winner], "saved");
    wg_expect_error(responses[1 - winner], 423, "Failed to acquire lock");
    api_expect_content(api_serve(clients[0], gold), xml[winner]);
    api_expect_lock(clients[1 - winner], gold, api_session(clients[winner]));
}
