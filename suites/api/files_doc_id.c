/* SPDX-License-Identifier: MIT */
/*
 * files_doc_id.c - PATCH /files/{id}/doc-id: a whole document gets another id.
 *
 * All rows of the document follow, the PDF included, and the file references inside the TEI files
 * are rewritten, which changes their content hashes. The value is stored as it is sent.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>

static struct wg_response *rename_to(struct wg_http *http, const char *id, const char *doc)
{
    return wg_http_patch_json(http, wg_http_path(http, "/api/v1/files/%s/doc-id", id),
                              json_pack("{s:s}", "doc_id", doc));
}

static void expect_renamed(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "message", "Document ID updated successfully"));
}

static char *reference_element(const char *doc)
{
    return wg_format("<idno type=\"fileref\">%s</idno>", doc);
}

Test(files_doc_id, gold_and_version_get_the_new_id, .description = "META-14")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    char *renamed = api_nonce("renamed");

    expect_renamed(rename_to(reviewer, gold, renamed));

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "doc_id", renamed));
    api_expect_meta(reviewer, version, json_pack("{s:s}", "doc_id", renamed));
}

Test(files_doc_id, filenames_stay, .description = "META-14")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    expect_renamed(rename_to(reviewer, gold, api_nonce("renamed")));

    api_expect_meta(reviewer, gold,
                    json_pack("{s:o}", "filename", json_sprintf("%s.tei.xml", doc)));
}

Test(files_doc_id, version_cannot_be_renamed, .description = "META-15")
{
    char *doc = api_nonce("doc"), *version = api_version(api_gold(doc, NULL), doc);

    wg_expect_error(rename_to(api_login("reviewer"), version, api_nonce("renamed")), 400,
                    "Only gold standard files can have their document ID updated");
}

Test(files_doc_id, annotator_is_refused, .description = "META-16")
{
    char *gold = api_gold(api_nonce("doc"), NULL);

    wg_expect_error(rename_to(api_login("annotator"), gold, api_nonce("renamed")), 403,
                    "Only reviewers and admins can update document ID");
}

Test(files_doc_id, role_is_checked_before_existence, .description = "META-16")
{
    wg_expect_error(rename_to(api_login("annotator"), api_nonce("none"), api_nonce("renamed")), 403,
                    "Only reviewers and admins can update document ID");
}

Test(files_doc_id, anonymous_is_refused, .description = "META-16")
{
    char *gold = api_gold(api_nonce("doc"), NULL);

    wg_expect_error(rename_to(api_anonymous(), gold, api_nonce("renamed")), 401,
                    "Authentication required");
}

Test(files_doc_id, empty_id_is_refused, .description = "META-17")
{
    char *gold = api_gold(api_nonce("doc"), NULL);

    wg_expect_error(rename_to(api_login("reviewer"), gold, ""), 400, "new_doc_id cannot be empty");
}

Test(files_doc_id, unknown_file_gets_404, .description = "META-18")
{
    char *none = api_nonce("none");

    wg_expect_error(rename_to(api_login("reviewer"), none, api_nonce("renamed")), 404,
                    wg_format("File not found: %s", none));
}

Test(files_doc_id, without_visible_collection_is_refused, .description = "META-18")
{
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    api_move(pdf, api_nonce("c"));

    wg_expect_error(rename_to(api_login("reviewer"), gold, api_nonce("renamed")), 403,
                    API_NO_CHANGE);
}

Test(files_doc_id, encoded_id_is_stored_verbatim, .description = "META-19")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    char *encoded = wg_format("10.1234__%s$3A$x", wg_nonce());

    expect_renamed(rename_to(reviewer, gold, encoded));

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "doc_id", encoded));
}

Test(files_doc_id, plain_id_is_not_encoded, .description = "META-19")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL), *plain = wg_format("a b:%s", wg_nonce());

    expect_renamed(rename_to(reviewer, gold, plain));

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "doc_id", plain));
}

Test(files_doc_id, references_in_all_tei_files_are_rewritten, .description = "META-20")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    char *renamed = api_nonce("renamed");

    expect_renamed(rename_to(reviewer, gold, renamed));

    const char *files[] = {gold, version};
    for (size_t i = 0; i < 2; i++) {
        struct wg_response *response = api_serve(reviewer, files[i]);
        wg_expect_status(response, 200);
        wg_expect_body_contains(response, reference_element(renamed));
        cr_assert(strstr(response->body.data, reference_element(doc)) == NULL);
    }
}

Test(files_doc_id, pdf_follows, .description = "META-X14")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    char *renamed = api_nonce("renamed");

    expect_renamed(rename_to(reviewer, gold, renamed));

    api_expect_meta(reviewer, pdf, json_pack("{s:s}", "doc_id", renamed));
    json_t *group = api_list_find(reviewer, renamed);
    json_t *source = json_object_get(json_object_get(group, "source"), "id");
    cr_assert(eq(str, (char *)json_string_value(source), pdf));
    cr_assert(api_find(json_object_get(group, "artifacts"), "id", gold) != NULL);
    cr_assert(api_list_find(reviewer, doc) == NULL);
}

Test(files_doc_id, content_hash_changes_and_stable_id_stays, .description = "META-X15")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL), *before = api_hash(reviewer, gold);

    expect_renamed(rename_to(reviewer, gold, api_nonce("renamed")));

    struct wg_response *served = api_serve(reviewer, gold);
    wg_expect_status(served, 200);
    char *after = api_sha256(served->body.data, served->body.size);
    cr_assert(ne(str, after, before));
    api_expect_meta(reviewer, gold, json_pack("{s:s,s:s}", "id", after, "stable_id", gold));
}

Test(files_doc_id, same_id_changes_nothing, .description = "META-X16")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *before = api_hash(reviewer, gold);
    struct wg_response *served = api_serve(reviewer, gold);

    expect_renamed(rename_to(reviewer, gold, doc));

    api_expect_content(api_serve(reviewer, gold), served->body.data);
    api_expect_meta(reviewer, gold, json_pack("{s:s,s:s}", "id", before, "doc_id", doc));
}

Test(files_doc_id, doc_id_is_required, .description = "META-X17")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);

    struct wg_response *response = wg_http_patch_json(
        reviewer, wg_http_path(reviewer, "/api/v1/files/%s/doc-id", gold), json_object());

    wg_expect_422(response, "body", "doc_id");
}

Test(files_doc_id, id_of_another_document_merges_them, .description = "META-X18")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *other = api_nonce("doc"), *pdf = api_pdf(other);
    char *gold = api_gold(doc, NULL), *twin = api_gold(other, NULL);

    expect_renamed(rename_to(reviewer, gold, other));

    json_t *group = api_list_find(reviewer, other);
    json_t *source = json_object_get(json_object_get(group, "source"), "id");
    cr_assert(eq(str, (char *)json_string_value(source), pdf));
    cr_assert(api_find(json_object_get(group, "artifacts"), "id", gold) != NULL);
    cr_assert(api_find(json_object_get(group, "artifacts"), "id", twin) != NULL);
    cr_assert(api_list_find(reviewer, doc) == NULL);
}
