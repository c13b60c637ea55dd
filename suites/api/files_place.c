/* SPDX-License-Identifier: MIT */
/*
 * files_place.c - POST /files/copy and POST /files/move: collections of a document.
 *
 * Copying adds a collection to the PDF and to nothing else; moving replaces the collections of the
 * PDF and of all TEI files. What both refuse alike is tested for both through a parameter. The
 * destination is not looked up: a document can be moved where nobody sees it.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <string.h>

struct verb {
    char name[8];
    char refusal[72]; /* when a document is protected */
};

#define VERB_ROWS                                                                                  \
    {                                                                                              \
        {"copy", "Insufficient permissions to copy this document"},                                \
            {"move", "Insufficient permissions to move this document"},                            \
    }

/* The parameters of a test for both verbs. */
#define FOR_BOTH_VERBS(test)                                                                       \
    ParameterizedTestParameters(files_place, test)                                                 \
    {                                                                                              \
        static struct verb rows[] = VERB_ROWS;                                                     \
        return cr_make_param_array(struct verb, rows, sizeof rows / sizeof *rows);                 \
    }

static void expect_placed(struct wg_response *response, const char *pdf, const char *xml)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s,s:s}", "new_pdf_id", pdf, "new_xml_id", xml));
}

Test(files_copy, copy_adds_the_collection, .description = "COPY-02")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    expect_placed(api_place_try(reviewer, "copy", pdf, gold, "default"), pdf, gold);

    json_t *collections = json_object_get(api_list_find(reviewer, doc), "collections");
    cr_assert(eq(sz, json_array_size(collections), 2));
    cr_assert(api_has(collections, "_inbox"));
    cr_assert(api_has(collections, "default"));
}

Test(files_copy, six_characters_of_an_id_are_the_whole_id, .description = "COPY-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    if (strlen(pdf) != 6 || strlen(gold) != 6)
        cr_skip_test("these files got longer stable ids");

    expect_placed(api_place_try(reviewer, "copy", wg_format("%.6s", pdf), wg_format("%.6s", gold),
                                api_nonce("c")),
                  pdf, gold);
}

Test(files_copy, copy_twice_lists_the_collection_once, .description = "COPY-04 COPY-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));

    expect_placed(api_place_try(reviewer, "copy", pdf, pdf, "default"), pdf, pdf);
    expect_placed(api_place_try(reviewer, "copy", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, pdf, json_pack("{s:[ss]}", "doc_collections", "_inbox", "default"));
}

Test(files_copy, only_the_pdf_is_changed, .description = "COPY-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    expect_placed(api_place_try(reviewer, "copy", pdf, gold, "default"), pdf, gold);

    api_expect_meta(reviewer, pdf, json_pack("{s:[ss]}", "doc_collections", "_inbox", "default"));
    api_expect_meta(reviewer, gold, json_pack("{s:[s]}", "doc_collections", "_inbox"));
}

Test(files_copy, destination_need_not_exist, .description = "COPY-X08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc")), *collection = api_nonce("c");

    expect_placed(api_place_try(reviewer, "copy", pdf, pdf, collection), pdf, pdf);

    api_expect_meta(reviewer, pdf, json_pack("{s:[ss]}", "doc_collections", "_inbox", collection));
}

Test(files_move, moved_document_is_listed_in_the_destination, .description = "MOVE-02 MOVE-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    expect_placed(api_place_try(reviewer, "move", pdf, gold, "default"), pdf, gold);

    json_t *group = api_list_find(reviewer, doc);
    json_t *collections = json_object_get(group, "collections");
    cr_assert(eq(sz, json_array_size(collections), 1));
    cr_assert(api_has(collections, "default"));
    cr_assert(api_find(json_object_get(group, "artifacts"), "id", gold) != NULL);
}

Test(files_move, six_characters_of_an_id_are_the_whole_id, .description = "MOVE-04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    if (strlen(pdf) != 6 || strlen(gold) != 6)
        cr_skip_test("these files got longer stable ids");

    expect_placed(api_place_try(reviewer, "move", wg_format("%.6s", pdf), wg_format("%.6s", gold),
                                "another-collection"),
                  pdf, gold);
}

Test(files_move, move_can_be_repeated, .description = "MOVE-05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);
    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, pdf, json_pack("{s:[s]}", "doc_collections", "default"));
}

Test(files_move, move_replaces_all_collections, .description = "MOVE-X01")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));
    api_copy(pdf, api_nonce("c"));

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, pdf, json_pack("{s:[s]}", "doc_collections", "default"));
}

Test(files_move, all_tei_files_move_too, .description = "MOVE-X02")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    char *version = api_version(gold, doc);

    expect_placed(api_place_try(reviewer, "move", pdf, gold, "default"), pdf, gold);

    api_expect_meta(reviewer, gold, json_pack("{s:[s]}", "doc_collections", "default"));
    api_expect_meta(reviewer, version, json_pack("{s:[s]}", "doc_collections", "default"));
}

Test(files_move, other_documents_stay, .description = "MOVE-X02")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *bystander = api_pdf(api_nonce("doc"));

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, bystander, json_pack("{s:[s]}", "doc_collections", "_inbox"));
}

Test(files_move, invisible_destination_hides_the_document, .description = "MOVE-X03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *collection = api_nonce("c");
    api_collection(collection);

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, collection), pdf, pdf);

    cr_assert(api_list_find(reviewer, doc) == NULL);
    wg_expect_error(api_meta_try(reviewer, pdf), 403, API_NO_ACCESS);
    wg_expect_status(api_serve(reviewer, pdf), 200);
}

Test(files_move, identity_does_not_change, .description = "MOVE-X04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);
    json_t *before = api_meta(reviewer, pdf);

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, pdf,
                    json_pack("{s:O,s:O,s:O,s:O}", "id", json_object_get(before, "id"), "stable_id",
                              json_object_get(before, "stable_id"), "filename",
                              json_object_get(before, "filename"), "doc_id",
                              json_object_get(before, "doc_id")));
}

Test(files_move, move_is_marked_for_synchronisation, .description = "MOVE-X06")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));
    wg_db_exec("metadata", "UPDATE files SET sync_status = 'synced' WHERE stable_id = ?", pdf);
    api_expect_meta(reviewer, pdf, json_pack("{s:s}", "sync_status", "synced"));

    expect_placed(api_place_try(reviewer, "move", pdf, pdf, "default"), pdf, pdf);

    api_expect_meta(reviewer, pdf, json_pack("{s:s}", "sync_status", "modified"));
}

FOR_BOTH_VERBS(unknown_pdf_gets_404)
ParameterizedTest(struct verb *row, files_place, unknown_pdf_gets_404,
                  .description = "COPY-05 COPY-X03 MOVE-06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *none = api_nonce("none");

    struct wg_response *response = api_place_try(reviewer, row->name, none, none, "default");

    wg_expect_error(response, 404, wg_format("PDF file not found: %s", none));
}

FOR_BOTH_VERBS(xml_id_and_destination_are_required)
ParameterizedTest(struct verb *row, files_place, xml_id_and_destination_are_required,
                  .description = "COPY-06 MOVE-07")
{
    struct wg_http *reviewer = api_login("reviewer");

    struct wg_response *response =
        wg_http_post_json(reviewer, wg_http_path(reviewer, "/api/v1/files/%s", row->name),
                          json_pack("{s:s}", "pdf_id", "abcdef"));

    wg_expect_422(response, "body", "xml_id");
    wg_expect_422(response, "body", "destination_collection");
}

FOR_BOTH_VERBS(anonymous_is_refused)
ParameterizedTest(struct verb *row, files_place, anonymous_is_refused, .description = "COPY-X01")
{
    char *pdf = api_pdf(api_nonce("doc"));

    struct wg_response *response = api_place_try(api_anonymous(), row->name, pdf, pdf, "default");

    wg_expect_error(response, 401, "Authentication required");
}

FOR_BOTH_VERBS(tei_is_no_pdf)
ParameterizedTest(struct verb *row, files_place, tei_is_no_pdf, .description = "COPY-X02")
{
    char *gold = api_gold(api_nonce("doc"), NULL);

    struct wg_response *response =
        api_place_try(api_login("reviewer"), row->name, gold, gold, "default");

    wg_expect_error(response, 400, "Expected PDF file, got tei");
}

FOR_BOTH_VERBS(xml_id_is_echoed_unchecked)
ParameterizedTest(struct verb *row, files_place, xml_id_is_echoed_unchecked,
                  .description = "COPY-X04")
{
    char *pdf = api_pdf(api_nonce("doc"));

    expect_placed(api_place_try(api_login("reviewer"), row->name, pdf, "whatever", "default"), pdf,
                  "whatever");
}

FOR_BOTH_VERBS(content_hash_names_the_pdf)
ParameterizedTest(struct verb *row, files_place, content_hash_names_the_pdf,
                  .description = "COPY-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc")), *hash = api_hash(reviewer, pdf);

    expect_placed(api_place_try(reviewer, row->name, hash, hash, "default"), pdf, hash);
}

FOR_BOTH_VERBS(protected_document_is_refused)
ParameterizedTest(struct verb *row, files_place, protected_document_is_refused,
                  .description = "MOVE-X05")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));
    api_set_access(pdf, "doc_metadata", "editability", "protected", "user");

    struct wg_response *response = api_place_try(reviewer, row->name, pdf, pdf, "default");

    wg_expect_error(response, 403, row->refusal);
    api_expect_meta(reviewer, pdf, json_pack("{s:[s]}", "doc_collections", "_inbox"));
}
