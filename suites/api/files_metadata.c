/* SPDX-License-Identifier: MIT */
/*
 * files_metadata.c - GET and PATCH /files/{id}/metadata.
 *
 * Needs no role but a visible collection. Of the five fields that PATCH takes only label and
 * variant can be stored; the content and its hash are not touched. Promotion to gold is in
 * files_gold.c, the document id in files_doc_id.c.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>

#define TIME "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"

static void expect_patched(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s}", "message", "File metadata updated successfully"));
}

static char *new_file(void)
{
    return api_gold(api_nonce("doc"), NULL);
}

/* A document that only the wildcard user sees; its PDF. */
static char *hidden_file(void)
{
    char *pdf = api_pdf(api_nonce("doc")), *collection = api_nonce("c");
    api_collection(collection);
    api_move(pdf, collection);
    return pdf;
}

Test(files_metadata, label_is_stored_and_listed, .description = "META-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *label = api_nonce("label");

    expect_patched(api_patch_try(reviewer, gold, json_pack("{s:s}", "label", label)));

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "label", label));
    json_t *source = json_object_get(api_list_find(reviewer, doc), "source");
    cr_assert(eq(str, (char *)json_string_value(json_object_get(source, "label")), label));
}

Test(files_metadata, variant_is_stored, .description = "META-04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    json_t *before = api_meta(reviewer, gold);

    expect_patched(api_patch_try(reviewer, gold, json_pack("{s:s}", "variant", "v1")));

    api_expect_meta(
        reviewer, gold,
        json_pack("{s:s,s:O}", "variant", "v1", "label", json_object_get(before, "label")));
}

Test(files_metadata, label_and_variant_are_stored_together, .description = "META-05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file(), *label = api_nonce("label");

    expect_patched(
        api_patch_try(reviewer, gold, json_pack("{s:s,s:s}", "label", label, "variant", "v2")));

    api_expect_meta(reviewer, gold, json_pack("{s:s,s:s}", "label", label, "variant", "v2"));
}

Test(files_metadata, unknown_file_cannot_be_patched, .description = "META-06")
{
    struct wg_response *response =
        api_patch_try(api_login("reviewer"), "nonexistent123", json_pack("{s:s}", "label", "x"));

    wg_expect_error(response, 404, "File not found: nonexistent123");
}

Test(files_metadata, patch_without_fields_is_refused, .description = "META-07")
{
    struct wg_response *response = api_patch_try(api_login("reviewer"), new_file(), json_object());

    wg_expect_error(response, 400, "No metadata fields provided");
}

Test(files_metadata, empty_text_clears_the_variant, .description = "META-08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file();
    expect_patched(api_patch_try(reviewer, gold, json_pack("{s:s}", "variant", "v")));

    expect_patched(api_patch_try(reviewer, gold, json_pack("{s:s}", "variant", "")));

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "variant", ""));
}

Test(files_metadata, gold_and_version_are_listed, .description = "META-10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    char *version = api_version(gold, doc);

    json_t *group = api_list_find(reviewer, doc);

    json_t *artifacts = json_object_get(group, "artifacts");
    cr_assert(api_find(artifacts, "id", gold) != NULL);
    cr_assert(api_find(artifacts, "id", version) != NULL);
    cr_assert(api_find(artifacts, "id", pdf) == NULL);
}

Test(files_metadata, anonymous_may_not_read, .description = "META-X01")
{
    wg_expect_error(api_meta_try(api_anonymous(), new_file()), 401, "Authentication required");
}

Test(files_metadata, unknown_file_has_none, .description = "META-X01")
{
    char *id = api_nonce("none");

    wg_expect_error(api_meta_try(api_login("reviewer"), id), 404,
                    wg_format("File not found: %s", id));
}

Test(files_metadata, content_hash_names_no_file, .description = "META-X01")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *hash = api_hash(reviewer, new_file());

    wg_expect_error(api_meta_try(reviewer, hash), 404, wg_format("File not found: %s", hash));
}

Test(files_metadata, all_fields_are_there_with_their_types, .description = "META-X02")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_meta_try(reviewer, gold);

    wg_expect_status(response, 200);
    wg_expect_size(response, "", eq, 19);
    wg_expect_str(response, "id", matches, "^[0-9a-f]{64}$");
    wg_expect_str(response, "stable_id", eq, gold);
    wg_expect_str(response, "filename", eq, wg_format("%s.tei.xml", doc));
    wg_expect_str(response, "doc_id", eq, doc);
    wg_expect_str(response, "file_type", eq, "tei");
    wg_expect_int(response, "file_size", gt, 0);
    wg_expect_str(response, "label", ne, "");
    wg_expect_null(response, "variant");
    wg_expect_null(response, "version");
    wg_expect_bool(response, "is_gold_standard", true);
    wg_expect_json(response, "doc_collections", json_pack("[s]", "_inbox"));
    cr_assert(eq(int, json_typeof(wg_require_json(response, "doc_metadata")), JSON_OBJECT));
    cr_assert(eq(int, json_typeof(wg_require_json(response, "file_metadata")), JSON_OBJECT));
    wg_expect_str(response, "sync_status", eq, "modified");
    wg_expect_str(response, "local_modified_at", matches, TIME);
    wg_expect_null(response, "sync_hash");
    wg_expect_bool(response, "deleted", false);
    wg_expect_str(response, "created_at", matches, TIME);
    wg_expect_str(response, "updated_at", matches, TIME);
}

Test(files_metadata, without_visible_collection_reading_is_refused, .description = "META-X03")
{
    wg_expect_error(api_meta_try(api_login("reviewer"), hidden_file()), 403, API_NO_ACCESS);
}

Test(files_metadata, without_visible_collection_changing_is_refused, .description = "META-X03")
{
    struct wg_response *response =
        api_patch_try(api_login("reviewer"), hidden_file(), json_pack("{s:s}", "label", "x"));

    wg_expect_error(response, 403, API_NO_CHANGE);
}

Test(files_metadata, file_without_collections_is_closed_to_all, .description = "META-X04")
{
    api_need_data();
    char *gold = new_file();
    wg_db_exec("metadata", "UPDATE files SET doc_collections = '[]' WHERE stable_id = ?", gold);

    wg_expect_error(api_meta_try(api_login("admin"), gold), 403, API_NO_ACCESS);
}

Test(files_metadata, anonymous_may_not_patch, .description = "META-X05")
{
    struct wg_response *response =
        api_patch_try(api_anonymous(), new_file(), json_pack("{s:s}", "label", "x"));

    wg_expect_error(response, 401, "Authentication required");
}

Test(files_metadata, label_that_is_no_text_is_refused, .description = "META-X05")
{
    struct wg_response *response =
        api_patch_try(api_login("reviewer"), new_file(), json_pack("{s:i}", "label", 1));

    wg_expect_422(response, "body", "label");
}

Test(files_metadata, user_without_role_may_patch, .description = "META-X06")
{
    struct wg_http *user = api_login("user");
    char *gold = new_file();

    expect_patched(api_patch_try(user, gold, json_pack("{s:s}", "label", "by a user")));

    api_expect_meta(user, gold, json_pack("{s:s}", "label", "by a user"));
}

Test(files_metadata, patch_keeps_content_and_hash, .description = "META-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = new_file(), *before = api_hash(reviewer, gold);
    struct wg_response *served = api_serve(reviewer, gold);

    expect_patched(api_patch_try(reviewer, gold, json_pack("{s:s}", "label", "another")));

    api_expect_meta(reviewer, gold, json_pack("{s:s,s:s}", "id", before, "label", "another"));
    api_expect_content(api_serve(reviewer, gold), served->body.data);
}

Test(files_metadata, null_is_no_field, .description = "META-X08")
{
    struct wg_response *response =
        api_patch_try(api_login("reviewer"), new_file(), json_pack("{s:n}", "label"));

    wg_expect_error(response, 400, "No metadata fields provided");
}
