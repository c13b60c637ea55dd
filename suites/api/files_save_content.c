/* SPDX-License-Identifier: MIT */
/*
 * files_save_content.c - POST /files/save: what is stored, and what is read from it.
 *
 * A document whose file reference is right is stored byte for byte; else it is serialised again, so
 * tests of that case look for substrings only. The content hash names the content, the stable id
 * the file.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <string.h>

/* Saves a document as a new gold file, as reviewer; its stable id. */
static const char *save_new(struct wg_http *http, const char *doc,
                            const struct api_tei_options *parts)
{
    return api_expect_saved(api_save_try(http, doc, api_tei_make(parts), false), "new_gold");
}

static char *reference_element(const char *doc)
{
    return wg_format("<idno type=\"fileref\">%s</idno>", doc);
}

Test(files_save, content_with_its_reference_is_kept_byte_for_byte, .description = "SAVE-X03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");
    char *xml =
        wg_format("%s\n<!-- the end -->\n", api_tei_make(&(struct api_tei_options){.doc_id = doc}));
    cr_assert(wg_str_starts(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));

    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");

    api_expect_content(api_serve(reviewer, gold), xml);
}

Test(files_save, missing_reference_is_inserted, .description = "SAVE-X04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    const char *gold = save_new(reviewer, doc, &(struct api_tei_options){.edition = "An edition"});

    struct wg_response *response = api_serve(reviewer, gold);
    wg_expect_status(response, 200);
    wg_expect_body_contains(response, reference_element(doc));
}

Test(files_save, foreign_reference_is_rewritten_on_update, .description = "SAVE-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *foreign = api_nonce("foreign");
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = foreign});

    api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    struct wg_response *response = api_serve(reviewer, gold);
    wg_expect_body_contains(response, reference_element(doc));
    cr_assert(strstr(response->body.data, foreign) == NULL);
    api_expect_meta(reviewer, gold, json_pack("{s:s}", "doc_id", doc));
}

Test(files_save, edition_title_is_the_label, .description = "SAVE-X09")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *title = api_nonce("edition");

    const char *gold =
        save_new(reviewer, doc, &(struct api_tei_options){.doc_id = doc, .edition = title});

    api_expect_meta(reviewer, gold, json_pack("{s:s}", "label", title));
}

Test(files_save, update_without_edition_title_clears_the_label, .description = "SAVE-X09")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");
    const char *gold =
        save_new(reviewer, doc, &(struct api_tei_options){.doc_id = doc, .edition = "A title"});
    char *untitled = api_tei_make(&(struct api_tei_options){.doc_id = doc});

    api_expect_saved(api_save_try(reviewer, gold, untitled, false), "saved");

    api_expect_meta(reviewer, gold, json_pack("{s:n}", "label"));
}

Test(files_save, content_hash_changes_and_stable_id_stays, .description = "SAVE-X26")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *before = api_hash(reviewer, gold);
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = doc});

    api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    struct wg_response *served = api_serve(reviewer, gold);
    char *after = api_sha256(served->body.data, served->body.size);
    cr_assert(ne(str, after, before));
    api_expect_meta(reviewer, gold,
                    json_pack("{s:s,s:s,s:I}", "id", after, "stable_id", gold, "file_size",
                              (json_int_t)strlen(xml)));
}

Test(files_save, old_content_cannot_be_reached, .description = "SAVE-X27")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *before = api_hash(reviewer, gold);
    wg_expect_status(api_serve(reviewer, before), 200);
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = doc});

    api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    wg_expect_error(api_serve(reviewer, before), 404, wg_format("File not found: %s", before));
}

Test(files_save, processing_instruction_is_kept, .description = "SAVE-X28")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    const char *gold =
        save_new(reviewer, doc,
                 &(struct api_tei_options){
                     .instruction = "<?xml-model href=\"http://schema.invalid/x.rng\"?>"});

    struct wg_response *response = api_serve(reviewer, gold);
    wg_expect_body_contains(response, "<?xml-model href=\"http://schema.invalid/x.rng\"?>");
    wg_expect_body_contains(response, reference_element(doc));
}

struct kept {
    char label[24];
    char body[80];
};

ParameterizedTestParameters(files_save, content_survives_serialisation)
{
    static struct kept rows[] = {
        {"two and three bytes", "Gr\303\274\303\237e, \342\202\254 12, \346\227\245\346\234\254"},
        {"four bytes", "\360\237\234\201 and \360\235\204\236"},
        {"comment", "before <!-- a comment, a < b --> after"},
        {"CDATA section", "<![CDATA[a < b && c > d]]>"},
        {"escaped markup", "a &lt; b &amp;&amp; c"},
        {"empty element", "one<lb n=\"2\"/>two"},
    };
    return cr_make_param_array(struct kept, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct kept *row, files_save, content_survives_serialisation,
                  .description = "SAVE-X29")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    const char *gold =
        save_new(reviewer, doc,
                 &(struct api_tei_options){.text = wg_format("%s %s", wg_nonce(), row->body)});

    struct wg_response *response = api_serve(reviewer, gold);
    wg_expect_status(response, 200);
    wg_expect_body_contains(response, reference_element(doc));
    wg_expect_body_contains(response, row->body);
}

/* A document with all bibliographic data. */
static char *rich_tei(const char *doc)
{
    return api_tei_make(&(struct api_tei_options){
        .doc_id = doc,
        .edition = "A rich edition",
        .title = "Machine Learning in Digital Humanities",
        .forename = "Jane",
        .surname = "Smith",
        .publisher = "Digital Press",
        .date = "2023",
    });
}

Test(files_save, gold_gives_its_metadata_to_the_pdf, .description = "SAVE-18")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);

    api_expect_saved(api_save_try(reviewer, doc, rich_tei(doc), false), "new_gold");

    struct wg_response *response = api_meta_try(reviewer, pdf);
    wg_expect_str(response, "label", eq, "Smith (2023) Machine Learning in Digital Humanities");
    wg_expect_str(response, "doc_metadata.title", eq, "Machine Learning in Digital Humanities");
    wg_expect_str(response, "doc_metadata.date", eq, "2023");
    wg_expect_str(response, "doc_metadata.publisher", eq, "Digital Press");
    wg_expect_json(response, "doc_metadata.authors",
                   json_pack("[{s:s,s:s}]", "given", "Jane", "family", "Smith"));
    wg_expect_absent(response, "doc_metadata.journal");
}

Test(files_save, update_of_gold_gives_its_metadata_to_the_pdf, .description = "SAVE-18")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    api_expect_saved(api_save_try(reviewer, gold, rich_tei(doc), false), "saved");

    api_expect_meta(
        reviewer, pdf,
        json_pack("{s:s}", "label", "Smith (2023) Machine Learning in Digital Humanities"));
}

Test(files_save, version_leaves_the_pdf_alone, .description = "SAVE-19")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    json_t *before = api_meta(reviewer, pdf);

    api_expect_saved(api_save_try(reviewer, gold, rich_tei(doc), true), "new");

    api_expect_meta(reviewer, pdf,
                    json_pack("{s:O,s:O}", "label", json_object_get(before, "label"),
                              "doc_metadata", json_object_get(before, "doc_metadata")));
}

Test(files_save, pdf_without_title_is_labelled_by_the_reference, .description = "SAVE-X33")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);
    wg_expect_status(api_patch_try(reviewer, pdf, json_pack("{s:s}", "label", "Something else")),
                     200);

    save_new(reviewer, doc,
             &(struct api_tei_options){.doc_id = doc, .edition = "No title", .date = "2023"});

    api_expect_meta(reviewer, pdf, json_pack("{s:s}", "label", doc));
}

Test(files_save, old_content_leaves_the_disk, .description = "SAVE-X36")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *before = api_hash(reviewer, gold);
    cr_assert(api_is_stored(before, API_TEI));
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = doc});

    api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    cr_assert(api_is_stored(api_sha256(xml, strlen(xml)), API_TEI));
    cr_assert(not(api_is_stored(before, API_TEI)));
}

Test(files_save, content_of_another_file_is_refused, .description = "SAVE-X26")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *xml = api_tei_make(&(struct api_tei_options){.doc_id = doc});
    const char *twin = api_expect_saved(api_save_try(reviewer, gold, xml, true), "new");
    char *before = api_hash(reviewer, gold);

    api_expect_refused(api_save_try(reviewer, gold, xml, false));

    cr_assert(eq(str, api_hash(reviewer, gold), before));
    api_expect_content(api_serve(reviewer, twin), xml);
}
