/* SPDX-License-Identifier: MIT */
/*
 * import.c - POST /import: what is refused, which files of an archive are taken, and what documents
 * become of them.
 */
#include "suites/api/api.h"
#include "suites/api/zip.h"

#include "harness/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asserts the counts of an answer without errors. */
static void expect_counts(struct wg_response *response, int64_t scanned, int64_t imported,
                          int64_t skipped)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:I, s:I, s:I, s:i, s:[]}", "files_scanned", (json_int_t)scanned,
                             "files_imported", (json_int_t)imported, "files_skipped",
                             (json_int_t)skipped, "files_updated", 0, "errors"));
}

/* A PDF and a TEI of one document, side by side. */
static struct wg_response *import_pair(struct wg_http *http, const char *query, const char *doc,
                                       const char *xml)
{
    return api_import(http, query,
                      API_ENTRIES({wg_format("pdf/%s.pdf", doc), api_pdf_bytes()},
                                  {wg_format("tei/%s.tei.xml", doc), xml}));
}

/* The group of a document in the list that admin sees. */
static json_t *listed(const char *doc)
{
    json_t *group = api_list_find(api_login("admin"), doc);
    cr_assert(group != NULL, "%s is not listed", doc);
    return group;
}

static json_t *artifact(const json_t *group, size_t index)
{
    return json_array_get(json_object_get(group, "artifacts"), index);
}

static bool is_gold(const json_t *file)
{
    const json_t *gold = json_object_get(file, "is_gold_standard");
    cr_assert(gold != NULL, "the list does not tell whether the file is gold");
    return gold == json_true();
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* ---- What is refused ---- */

Test(import, needs_a_session, .description = "IMP-02")
{
    wg_expect_status(import_pair(api_anonymous(), "", api_nonce("doc"), api_tei("x", NULL, NULL)),
                     401);
}

Test(import, only_zip_files_are_accepted, .description = "IMP-05 IMP-X18")
{
    wg_expect_error(api_import_bytes(api_login("admin"), "", "test.txt", "text", 4), 400,
                    "Only .zip files are accepted");
}

Test(import, garbage_is_no_archive, .description = "IMP-08 IMP-X18")
{
    struct wg_response *response =
        api_import_bytes(api_login("admin"), "", "garbage.zip", "no archive", 10);

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Not a valid zip file: ");
}

Test(import, empty_archive_is_refused, .description = "IMP-06 IMP-X18")
{
    wg_expect_error(api_import(api_login("admin"), "", API_ENTRIES({NULL, NULL})), 400,
                    "Import from zip failed: Zip archive is empty");
}

Test(import, part_must_be_there, .description = "IMP-X17")
{
    const struct wg_part parts[] = {{.name = "other", .bytes = "x", .size = 1}, {.name = NULL}};

    wg_expect_422(wg_http_post_parts(api_login("admin"), "/api/v1/import", parts), "body", "file");
}

Test(import, limited_user_may_not_import_into_a_foreign_collection, .description = "IMP-X15")
{
    struct wg_http *user = api_login("user");
    const char *collection = api_nonce("collection");
    api_collection(collection);

    wg_expect_error(import_pair(user, wg_format("?collection=%s", collection), api_nonce("doc"),
                                api_tei("x", NULL, NULL)),
                    403, wg_format("You don't have access to collection '%s'", collection));
}

Test(import, limited_user_may_import_into_an_own_collection, .description = "IMP-X16")
{
    const char *doc = api_nonce("doc");

    expect_counts(
        import_pair(api_login("user"), "?collection=default", doc, api_tei(doc, NULL, NULL)), 2, 2,
        0);
}

/* ---- Which files are taken ---- */

Test(import, both_files_of_a_document_are_imported, .description = "IMP-03 IMP-X01")
{
    const char *doc = api_nonce("doc");

    expect_counts(import_pair(api_login("admin"), "", doc, api_tei(doc, NULL, NULL)), 2, 2, 0);
}

Test(import, second_import_skips_what_is_there, .description = "IMP-X02")
{
    struct wg_http *admin = api_login("admin");
    const char *doc = api_nonce("doc");
    const struct api_entry entries[] = {{wg_format("%s.pdf", doc), api_pdf_bytes()},
                                        {wg_format("%s.tei.xml", doc), api_tei(doc, NULL, NULL)},
                                        {NULL, NULL}};

    expect_counts(api_import(admin, "", entries), 2, 2, 0);
    expect_counts(api_import(admin, "", entries), 2, 0, 2);
}

Test(import, other_files_are_ignored, .description = "IMP-X19")
{
    const char *doc = api_nonce("doc");

    expect_counts(
        api_import(api_login("admin"), "",
                   API_ENTRIES({wg_format("%s.pdf", doc), api_pdf_bytes()},
                               {wg_format("%s.tei.xml", doc), api_tei(doc, NULL, NULL)},
                               {"readme.txt", "no document"}, {"__MACOSX/._a.pdf", "no PDF"})),
        2, 2, 0);
}

Test(import, export_of_a_collection_imports_as_known, .description = "IMP-X20")
{
    struct wg_http *admin = api_login("admin");
    const char *doc = api_nonce("doc"), *collection = api_nonce("collection");
    api_collection(collection);
    expect_counts(
        import_pair(admin, wg_format("?collection=%s", collection), doc, api_tei(doc, NULL, NULL)),
        2, 2, 0);

    struct wg_response *exported =
        wg_http_get(admin, wg_http_path(admin, "/api/v1/export?collections=%s", collection));
    wg_expect_status(exported, 200);

    expect_counts(
        api_import_bytes(admin, "", "again.zip", exported->body.data, exported->body.size), 2, 0,
        2);
}

/* ---- Documents ---- */

Test(import, document_has_its_source_and_its_gold, .description = "IMP-X03")
{
    const char *doc = api_nonce("doc");
    expect_counts(
        import_pair(api_login("admin"), "?collection=default", "paper", api_tei(doc, NULL, NULL)),
        2, 2, 0);

    json_t *group = listed(doc);

    cr_expect(eq(str, (char *)text_at(json_object_get(group, "source"), "file_type"), "pdf"));
    cr_expect(eq(sz, json_array_size(json_object_get(group, "artifacts")), 1));
    cr_expect(is_gold(artifact(group, 0)));
    json_t *meta = api_meta(api_login("admin"), text_at(artifact(group, 0), "id"));
    cr_expect(eq(int, (int)json_integer_value(json_object_get(meta, "version")), 0));
}

Test(import, doi_of_the_tei_names_the_document, .description = "IMP-X04")
{
    const char *nonce = api_nonce("n");
    char *doi = wg_format("10.1234/%s", nonce);
    char *xml = api_tei_make(&(struct api_tei_options){.doi = doi});

    expect_counts(import_pair(api_login("admin"), "", nonce, xml), 2, 2, 0);

    listed(wg_format("10.1234__%s", nonce));
}

Test(import, pdf_named_like_a_doi_gets_it, .description = "IMP-X05")
{
    const char *nonce = api_nonce("n");

    expect_counts(api_import(api_login("admin"), "",
                             API_ENTRIES({wg_format("10.1234__%s.pdf", nonce), api_pdf_bytes()})),
                  1, 1, 0);

    listed(wg_format("10.1234/%s", nonce));
}

Test(import, other_pdf_is_named_after_its_file_and_has_no_collection, .description = "IMP-X06")
{
    struct wg_http *admin = api_login("admin");
    const char *nonce = api_nonce("n");
    char *bytes = api_pdf_bytes();

    expect_counts(api_import(admin, "", API_ENTRIES({wg_format("%s.pdf", nonce), bytes})), 1, 1, 0);

    const char *id = text_at(json_object_get(listed(nonce), "source"), "id");
    wg_expect_body(api_serve(admin, id), bytes);
}

Test(import, collection_is_created_and_assigned, .description = "IMP-04 IMP-X07")
{
    struct wg_http *admin = api_login("admin");
    const char *doc = api_nonce("doc"), *collection = api_nonce("collection");
    expect_counts(
        import_pair(admin, wg_format("?collection=%s", collection), doc, api_tei(doc, NULL, NULL)),
        2, 2, 0);

    struct wg_response *made =
        wg_http_get(admin, wg_http_path(admin, "/api/v1/collections/%s", collection));

    wg_expect_status(made, 200);
    wg_expect_str(made, "name", eq, collection);
    json_t *meta = api_meta(admin, text_at(json_object_get(listed(doc), "source"), "id"));
    cr_expect(json_equal(json_object_get(meta, "doc_collections"), json_pack("[s]", collection)));
}

Test(import, version_marker_makes_no_gold, .description = "IMP-X08")
{
    const char *doc = api_nonce("doc"), *collection = api_nonce("collection");
    expect_counts(
        api_import(api_login("admin"), wg_format("?collection=%s", collection),
                   API_ENTRIES({wg_format("%s.pdf", doc), api_pdf_bytes()},
                               {wg_format("%s.v2.tei.xml", doc), api_tei(doc, NULL, NULL)})),
        2, 2, 0);

    cr_expect(not(is_gold(artifact(listed(doc), 0))));
}

Test(import, two_tei_of_one_variant_have_two_versions, .description = "IMP-X09")
{
    struct wg_http *admin = api_login("admin");
    const char *doc = api_nonce("doc");
    expect_counts(
        api_import(admin, "?collection=default",
                   API_ENTRIES({wg_format("%s.pdf", doc), api_pdf_bytes()},
                               {wg_format("%s.tei.xml", doc), api_tei(doc, NULL, NULL)},
                               {wg_format("%s.v1.tei.xml", doc), api_tei(doc, NULL, NULL)})),
        3, 3, 0);

    json_t *group = listed(doc);
    int64_t sum = 0, difference = 0;
    for (size_t i = 0; i < 2; i++) {
        json_t *meta = api_meta(admin, text_at(artifact(group, i), "id"));
        int64_t version = json_integer_value(json_object_get(meta, "version"));
        sum += version;
        difference = version - difference;
    }
    cr_expect(eq(long, (long)sum, 1));
    cr_expect(ne(long, (long)difference, 0));
}

Test(import, variant_is_read_from_the_tei, .description = "IMP-X10")
{
    const char *doc = api_nonce("doc"), *variant = api_nonce("variant");
    expect_counts(import_pair(api_login("admin"), "", doc, api_tei(doc, variant, NULL)), 2, 2, 0);

    cr_expect(eq(str, (char *)text_at(artifact(listed(doc), 0), "variant"), (char *)variant));
}

Test(import, pdf_is_labelled_with_author_year_and_title, .description = "IMP-X11")
{
    const char *doc = api_nonce("doc");
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = doc,
                                                       .title = "A short title",
                                                       .forename = "Ada",
                                                       .surname = "Example",
                                                       .date = "2023"});

    expect_counts(import_pair(api_login("admin"), "", doc, xml), 2, 2, 0);

    cr_expect(eq(str, (char *)text_at(json_object_get(listed(doc), "source"), "label"),
                 "Example (2023) A short title"));
}

Test(import, long_title_is_cut_in_the_label, .description = "IMP-X11")
{
    const char *doc = api_nonce("doc");
    char *xml = api_tei_make(&(struct api_tei_options){
        .doc_id = doc, .title = "1234567890123456789012345678901234567890 and more"});

    expect_counts(import_pair(api_login("admin"), "", doc, xml), 2, 2, 0);

    cr_expect(eq(str, (char *)text_at(json_object_get(listed(doc), "source"), "label"),
                 "1234567890123456789012345678901234567890..."));
}

/* ---- Collections from directories ---- */

/* The collections of a document's PDF. */
static json_t *collections_of(const char *doc)
{
    json_t *meta =
        api_meta(api_login("admin"), text_at(json_object_get(listed(doc), "source"), "id"));
    return json_object_get(meta, "doc_collections");
}

static struct wg_response *import_two_directories(struct wg_http *http, const char *query,
                                                  const char *const *collections,
                                                  const char *const *docs)
{
    return api_import(
        http, query,
        API_ENTRIES(
            {wg_format("%s/pdf/%s.pdf", collections[0], docs[0]), api_pdf_bytes()},
            {wg_format("%s/tei/%s.tei.xml", collections[0], docs[0]), api_tei(docs[0], NULL, NULL)},
            {wg_format("%s/pdf/%s.pdf", collections[1], docs[1]), api_pdf_bytes()},
            {wg_format("%s/tei/%s.tei.xml", collections[1], docs[1]),
             api_tei(docs[1], NULL, NULL)}));
}

Test(import, recursive_import_takes_collections_from_directories, .description = "IMP-07 IMP-X12")
{
    struct wg_http *admin = api_login("admin");
    const char *const collections[] = {api_nonce("one"), api_nonce("two")};
    const char *const docs[] = {api_nonce("doc"), api_nonce("doc")};

    expect_counts(import_two_directories(admin, "?recursive_collections=true", collections, docs),
                  4, 4, 0);

    for (size_t i = 0; i < 2; i++) {
        cr_expect(json_equal(collections_of(docs[i]), json_pack("[s]", collections[i])));
        wg_expect_status(
            wg_http_get(admin, wg_http_path(admin, "/api/v1/collections/%s", collections[i])), 200);
    }
}

Test(import, directories_beat_the_collection_parameter, .description = "IMP-X13")
{
    const char *const collections[] = {api_nonce("one"), api_nonce("two")};
    const char *const docs[] = {api_nonce("doc"), api_nonce("doc")};

    expect_counts(import_two_directories(api_login("admin"),
                                         "?recursive_collections=true&collection=default",
                                         collections, docs),
                  4, 4, 0);

    cr_expect(json_equal(collections_of(docs[0]), json_pack("[s]", collections[0])));
}

Test(import, single_top_directory_is_no_collection, .description = "IMP-X14")
{
    const char *doc = api_nonce("doc"), *collection = api_nonce("one");

    expect_counts(
        api_import(api_login("admin"), "?recursive_collections=true",
                   API_ENTRIES({wg_format("export/%s/%s.pdf", collection, doc), api_pdf_bytes()},
                               {wg_format("export/%s/%s.tei.xml", collection, doc),
                                api_tei(doc, NULL, NULL)})),
        2, 2, 0);

    cr_expect(json_equal(collections_of(doc), json_pack("[s]", collection)));
}
