/* SPDX-License-Identifier: MIT */
/*
 * files_list.c - GET /files/list: groups by document, what they and their items hold, and labels.
 *
 * Other tests' documents are in the list too, so a test looks for its own document and never
 * counts. Who sees which document is in files_list_access.c.
 */
#include "suites/api/api.h"

#include "harness/base/json.h"
#include "harness/base/str.h"

#include <regex.h>

#define LIST "/api/v1/files/list"

/* The group of a document that the admin must see. */
static json_t *group_of(const char *doc)
{
    json_t *group = api_list_find(api_login("admin"), doc);
    cr_assert(ne(ptr, group, NULL), "document %s is not listed", doc);
    return group;
}

static json_t *source_of(const char *doc)
{
    return json_object_get(group_of(doc), "source");
}

/* The artifact with an id, NULL when there is none. */
static json_t *artifact_of(const char *doc, const char *id)
{
    return api_find(json_object_get(group_of(doc), "artifacts"), "id", id);
}

static void expect_text(const json_t *object, const char *key, const char *value)
{
    cr_assert(eq(str, (char *)wg_json_str(object, key, "(no string)"), (char *)value), "%s", key);
}

/* Saves a TEI as reviewer; gives its stable id. */
static const char *save_tei(const struct api_tei_options *options)
{
    json_t *saved = api_save(api_login("reviewer"), options->doc_id, api_tei_make(options), false);
    return wg_json_str(saved, "file_id", NULL);
}

Test(files_list, admin_gets_an_array, .description = "LIST-03")
{
    struct wg_response *response = wg_http_get(api_login("admin"), LIST);

    wg_expect_status(response, 200);
    cr_assert(eq(int, json_is_array(wg_require_json(response, "files")), 1));
}

Test(files_list, user_gets_an_array, .description = "LIST-04")
{
    struct wg_response *response = wg_http_get(api_login("user"), LIST);

    wg_expect_status(response, 200);
    cr_assert(eq(int, json_is_array(wg_require_json(response, "files")), 1));
}

Test(files_list, groups_have_source_and_artifacts, .description = "LIST-05")
{
    json_t *group;
    size_t index;
    api_gold(api_nonce("doc"), NULL);

    json_t *files = wg_require_json(wg_http_get(api_login("admin"), LIST), "files");

    cr_assert(ge(sz, json_array_size(files), 1));
    json_array_foreach(files, index, group)
    {
        cr_assert(eq(int, json_is_object(json_object_get(group, "source")), 1));
        cr_assert(eq(int, json_is_array(json_object_get(group, "artifacts")), 1));
        for (const char *const *old = API_LIST("pdf", "gold", "versions", "variants"); *old; old++)
            cr_assert(eq(ptr, json_object_get(group, *old), NULL), "%s", *old);
    }
}

Test(files_list, two_pdfs_make_two_groups, .description = "BATCH-10")
{
    const char *first = api_nonce("doc");
    const char *second = api_nonce("doc");
    const char *first_pdf = api_pdf(first);
    const char *second_pdf = api_pdf(second);

    expect_text(source_of(first), "id", first_pdf);
    expect_text(source_of(second), "id", second_pdf);
}

Test(files_list, pdf_is_source_and_teis_are_artifacts, .description = "LIST-X03")
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    const char *gold = api_gold(doc, NULL);
    const char *version = api_version(gold, doc);

    expect_text(source_of(doc), "id", pdf);
    expect_text(source_of(doc), "file_type", "pdf");
    json_t *artifact = artifact_of(doc, gold);
    cr_assert(eq(int, json_is_true(json_object_get(artifact, "is_gold_standard")), 1));
    cr_assert(eq(int, json_is_null(json_object_get(artifact, "version")), 1));
    artifact = artifact_of(doc, version);
    cr_assert(eq(int, json_is_false(json_object_get(artifact, "is_gold_standard")), 1));
    cr_assert(eq(i64, wg_json_int(artifact, "version", -1), 1));
}

/* Date and time without zone, to the second. */
static void expect_time(const char *text)
{
    regex_t pattern;
    cr_assert(eq(int,
                 regcomp(&pattern, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
                         REG_EXTENDED | REG_NOSUB),
                 0));
    cr_assert(eq(int, regexec(&pattern, text, 0, NULL, 0), 0), "%s", text);
    regfree(&pattern);
}

/* The fields that source and artifacts share. */
static void expect_item(struct wg_response *served, json_t *item)
{
    wg_expect_status(served, 200);
    cr_assert(eq(i64, wg_json_int(item, "file_size", -1), (int64_t)served->body.size));
    for (const char *const *key = API_LIST("id", "filename", "file_type", "label"); *key; key++)
        cr_assert(eq(int, json_is_string(json_object_get(item, *key)), 1), "%s", *key);
    for (const char *const *key = API_LIST("created_at", "updated_at"); *key; key++)
        expect_time(wg_json_str(item, *key, ""));
}

Test(files_list, source_has_its_fields, .description = "LIST-X04")
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);

    expect_item(api_serve(api_anonymous(), pdf), source_of(doc));
}

Test(files_list, artifact_has_its_fields, .description = "LIST-X04")
{
    const char *doc = api_nonce("doc");
    const char *variant = api_nonce("v");
    api_pdf(doc);
    const char *gold = api_gold(doc, variant);

    json_t *artifact = artifact_of(doc, gold);

    expect_item(api_serve(api_anonymous(), gold), artifact);
    expect_text(artifact, "variant", variant);
    cr_assert(eq(int, json_is_boolean(json_object_get(artifact, "is_locked")), 1));
    cr_assert(eq(int, json_is_null(json_object_get(artifact, "access_control")), 1));
}

Test(files_list, tei_without_pdf_is_source, .description = "LIST-X05")
{
    const char *doc = api_nonce("doc");
    const char *gold = api_gold(doc, NULL);

    expect_text(source_of(doc), "id", gold);
    expect_text(source_of(doc), "file_type", "tei");
    expect_text(source_of(doc), "label", wg_format("Edition of %s", doc));
    cr_assert(eq(sz, json_array_size(json_object_get(group_of(doc), "artifacts")), 0));
}

Test(files_list, tei_with_variant_lists_itself, .description = "LIST-X06")
{
    const char *doc = api_nonce("doc");
    const char *variant = api_nonce("v");
    const char *gold = api_gold(doc, variant);

    expect_text(source_of(doc), "id", gold);
    expect_text(artifact_of(doc, gold), "variant", variant);
}

Test(files_list, variant_keeps_documents_that_have_it, .description = "LIST-X07")
{
    struct wg_http *admin = api_login("admin");
    const char *doc = api_nonce("doc");
    const char *variant = api_nonce("v");
    api_gold(doc, variant);
    api_gold(api_nonce("doc"), NULL);

    struct wg_response *response =
        wg_http_get(admin, wg_http_path(admin, LIST "?variant=%s", variant));

    wg_expect_size(response, "files", eq, 1);
    wg_expect_str(response, "files[0].doc_id", eq, doc);
}

Test(files_list, unknown_variant_keeps_none, .description = "LIST-X07")
{
    struct wg_http *admin = api_login("admin");
    api_gold(api_nonce("doc"), api_nonce("v"));

    struct wg_response *response =
        wg_http_get(admin, wg_http_path(admin, LIST "?variant=%s", api_nonce("v")));

    wg_expect_json(response, "files", json_array());
}

Test(files_list, refresh_is_accepted, .description = "LIST-X08")
{
    wg_expect_status(wg_http_get(api_login("user"), LIST "?refresh=true"), 200);
}

Test(files_list, refresh_must_be_a_boolean, .description = "LIST-X08")
{
    wg_expect_422(wg_http_get(api_login("user"), LIST "?refresh=maybe"), "query", "refresh");
}

Test(files_list, deleted_document_disappears, .description = "LIST-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *doc = api_nonce("doc");
    const char *gold = api_gold(doc, NULL);
    cr_assert(ne(ptr, api_list_find(reviewer, doc), NULL));

    api_delete(reviewer, gold);

    cr_assert(eq(ptr, api_list_find(reviewer, doc), NULL));
}

Test(files_list, tei_becomes_source_when_the_pdf_goes, .description = "LIST-X12")
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    const char *gold = api_gold(doc, NULL);

    api_delete(api_login("reviewer"), pdf);

    expect_text(source_of(doc), "id", gold);
}

Test(files_list, upload_label_decodes_the_slash, .description = "LIST-X13")
{
    const char *nonce = api_nonce("n");
    const char *doc = wg_format("10.1111__%s", nonce);
    api_pdf(doc);

    expect_text(source_of(doc), "label", wg_format("10.1111/%s", nonce));
}

Test(files_list, generic_label_gives_way_to_the_document_id, .description = "LIST-X14")
{
    const char *doc = api_nonce("doc");

    save_tei(&(struct api_tei_options){.doc_id = doc, .edition = "Untitled"});

    expect_text(source_of(doc), "label", doc);
}

Test(files_list, gold_without_title_is_called_gold, .description = "LIST-X15")
{
    const char *doc = api_nonce("doc");
    api_pdf(doc);

    const char *gold = save_tei(&(struct api_tei_options){.doc_id = doc});

    expect_text(artifact_of(doc, gold), "label", "Gold");
}

Test(files_list, gold_without_title_names_its_variant, .description = "LIST-X15")
{
    const char *doc = api_nonce("doc");
    api_pdf(doc);

    const char *gold = save_tei(&(struct api_tei_options){.doc_id = doc, .variant = "some.v"});

    expect_text(artifact_of(doc, gold), "label", "Gold (some.v)");
}

Test(files_list, metadata_is_that_of_the_pdf, .description = "LIST-X16")
{
    const char *doc = api_nonce("doc");
    api_pdf(doc);

    save_tei(&(struct api_tei_options){
        .doc_id = doc, .title = "A Fine Title", .forename = "Ada", .surname = "Example"});

    expect_text(json_object_get(group_of(doc), "doc_metadata"), "title", "A Fine Title");
}
