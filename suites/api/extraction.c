/* SPDX-License-Identifier: MIT */
/*
 * extraction.c - GET /extract/list and POST /extract, with the mock extractor of testing mode.
 *
 * From a PDF comes a gold file of the same document, and the PDF takes over its title and
 * collection; from a TEI file comes a document of its own. Every run makes new content.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <string.h>

#define EXTRACT "/api/v1/extract"
#define MOCK    "mock-extractor"

/* Takes over `options`, which may be NULL for none. */
static struct wg_response *extract(struct wg_http *http, const char *file_id, json_t *options)
{
    json_t *body = json_pack("{s:s,s:s}", "extractor", MOCK, "file_id", file_id);
    if (options != NULL)
        json_object_set_new(body, "options", options);
    return wg_http_post_json(http, EXTRACT, body);
}

/* Extracts, asserts success; the stable id of the TEI file. */
static const char *extracted(struct wg_http *http, const char *file_id, json_t *options)
{
    struct wg_response *response = extract(http, file_id, options);
    wg_expect_status(response, 200);
    wg_expect_str(response, "xml", matches, API_STABLE_ID);
    return wg_require_str(response, "xml");
}

Test(extraction, extractors_are_listed_with_their_fields, .description = "EXT-03")
{
    struct wg_response *response = wg_http_get(api_login("reviewer"), "/api/v1/extract/list");

    wg_expect_status(response, 200);
    wg_expect_size(response, "", ge, 1);
    json_t *extractor;
    size_t i;
    json_array_foreach(wg_require_json(response, ""), i, extractor)
    {
        static const char *const texts[] = {"id", "name", "description"};
        static const char *const lists[] = {"input", "output"};
        for (size_t k = 0; k < 3; k++)
            cr_assert(json_string_length(json_object_get(extractor, texts[k])) > 0, "%s", texts[k]);
        for (size_t k = 0; k < 2; k++)
            cr_assert(json_array_size(json_object_get(extractor, lists[k])) > 0, "%s", lists[k]);
        cr_assert(eq(ptr, json_object_get(extractor, "available"), json_true()));
    }
}

Test(extraction, mock_extractor_describes_its_options, .description = "EXT-X02")
{
    struct wg_response *response = wg_http_get(api_login("reviewer"), "/api/v1/extract/list");
    json_t *mock = api_find(wg_require_json(response, ""), "id", MOCK);
    cr_assert(mock != NULL, "the server is not in testing mode");

    cr_assert(eq(str, (char *)json_string_value(json_object_get(mock, "name")), "Mock Extractor"));
    cr_assert(api_has(json_object_get(mock, "input"), "pdf"));
    cr_assert(api_has(json_object_get(mock, "input"), "xml"));
    cr_assert(api_has(json_object_get(mock, "output"), "tei-document"));
    json_t *options = json_object_get(mock, "options");
    json_t *variant = json_object_get(options, "variant_id");
    cr_assert(api_has(json_object_get(variant, "options"), "mock-default"));
    cr_assert(json_object_get(mock, "navigation_xpath") == NULL);
    cr_assert(json_object_get(options, "navigation_xpath") == NULL);
}

struct option {
    char name[16];
};

ParameterizedTestParameters(extraction, option_of_the_mock_is_an_optional_text)
{
    static struct option rows[] = {{"doi"}, {"variant_id"}};
    return cr_make_param_array(struct option, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct option *row, extraction, option_of_the_mock_is_an_optional_text,
                  .description = "EXT-X02")
{
    struct wg_response *response = wg_http_get(api_login("reviewer"), "/api/v1/extract/list");
    json_t *mock = api_find(wg_require_json(response, ""), "id", MOCK);

    json_t *option = json_object_get(json_object_get(mock, "options"), row->name);

    cr_assert(option != NULL);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(option, "type")), "string"));
    cr_assert(json_string_length(json_object_get(option, "label")) > 0);
    cr_assert(json_string_length(json_object_get(option, "description")) > 0);
    cr_assert(eq(ptr, json_object_get(option, "required"), json_false()));
}

struct lack {
    char field[12];
};

ParameterizedTestParameters(extraction, extractor_and_file_are_required)
{
    static struct lack rows[] = {{"extractor"}, {"file_id"}};
    return cr_make_param_array(struct lack, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct lack *row, extraction, extractor_and_file_are_required,
                  .description = "EXT-04 EXT-06")
{
    json_t *body = json_pack("{s:s,s:s}", "extractor", MOCK, "file_id", "abcdef");
    json_object_del(body, row->field);

    wg_expect_422(wg_http_post_json(api_login("reviewer"), EXTRACT, body), "body", row->field);
}

ParameterizedTestParameters(extraction, empty_text_is_refused)
{
    static struct lack rows[] = {{"extractor"}, {"file_id"}};
    return cr_make_param_array(struct lack, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct lack *row, extraction, empty_text_is_refused, .description = "EXT-X04")
{
    json_t *body = json_pack("{s:s,s:s}", "extractor", MOCK, "file_id", "abcdef");
    json_object_set_new(body, row->field, json_string(""));

    wg_expect_422(wg_http_post_json(api_login("reviewer"), EXTRACT, body), "body", row->field);
}

Test(extraction, unknown_extractor_is_refused, .description = "EXT-05 EXT-X03")
{
    char *name = api_nonce("extractor"), *gold = api_gold(api_nonce("doc"), NULL);

    struct wg_response *response = wg_http_post_json(
        api_login("reviewer"), EXTRACT,
        json_pack("{s:s,s:s,s:{}}", "extractor", name, "file_id", gold, "options"));

    wg_expect_error(response, 400, wg_format("Unknown extractor: %s", name));
}

Test(extraction, unknown_file_gets_404, .description = "EXT-07 EXT-X03")
{
    char *none = api_nonce("none");

    wg_expect_error(extract(api_login("reviewer"), none, NULL), 404,
                    wg_format("File not found: %s", none));
}

Test(extraction, options_that_are_a_list_are_refused, .description = "EXT-X05")
{
    char *pdf = api_pdf(api_nonce("doc"));

    wg_expect_422(extract(api_login("reviewer"), pdf, json_array()), "body", "options");
}

Test(extraction, options_that_are_null_are_refused, .description = "EXT-X05")
{
    char *pdf = api_pdf(api_nonce("doc"));

    wg_expect_422(extract(api_login("reviewer"), pdf, json_null()), "body", "options");
}

Test(extraction, anonymous_may_not_list, .description = "EXT-X01")
{
    wg_expect_error(wg_http_get(api_anonymous(), "/api/v1/extract/list"), 401,
                    "Authentication required");
}

Test(extraction, anonymous_may_not_extract, .description = "EXT-X01")
{
    wg_expect_error(extract(api_anonymous(), api_pdf(api_nonce("doc")), NULL), 401,
                    "Authentication required");
}

Test(extraction, deleted_file_gets_404, .description = "EXT-X13")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));
    api_delete(reviewer, pdf);

    wg_expect_error(extract(reviewer, pdf, NULL), 404, wg_format("File not found: %s", pdf));
}

Test(extraction, file_and_pdf_land_in_the_collection, .description = "EXT-09")
{
    struct wg_http *admin = api_login("admin");
    char *pdf = api_pdf(api_nonce("doc")), *collection = api_nonce("c");

    const char *xml = extracted(admin, pdf, json_pack("{s:s}", "collection", collection));

    api_expect_meta(admin, xml, json_pack("{s:[s]}", "doc_collections", collection));
    api_expect_meta(admin, pdf, json_pack("{s:[s]}", "doc_collections", collection));
}

Test(extraction, without_option_the_collection_is_the_inbox, .description = "EXT-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));
    api_move(pdf, "default");

    const char *xml = extracted(reviewer, pdf, NULL);

    api_expect_meta(reviewer, xml, json_pack("{s:[s]}", "doc_collections", "_inbox"));
    api_expect_meta(reviewer, pdf, json_pack("{s:[s]}", "doc_collections", "_inbox"));
}

Test(extraction, answer_names_document_and_files, .description = "EXT-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);

    struct wg_response *response = extract(reviewer, pdf, NULL);

    wg_expect_status(response, 200);
    wg_expect_size(response, "", eq, 3);
    wg_expect_str(response, "id", eq, doc);
    wg_expect_str(response, "pdf", eq, pdf);
    wg_expect_str(response, "xml", matches, API_STABLE_ID);
}

Test(extraction, file_from_a_pdf_is_gold_of_its_document, .description = "EXT-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    const char *xml = extracted(reviewer, api_pdf(doc), NULL);

    api_expect_meta(reviewer, xml,
                    json_pack("{s:s,s:s,s:b,s:n,s:n,s:o,s:s}", "doc_id", doc, "file_type", "tei",
                              "is_gold_standard", 1, "version", "variant", "filename",
                              json_sprintf("%s-extracted.xml", doc), "label",
                              "Mock extraction for testing"));
}

Test(extraction, variant_is_stored_and_written, .description = "EXT-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *variant = api_nonce("variant");

    const char *xml =
        extracted(reviewer, api_pdf(api_nonce("doc")), json_pack("{s:s}", "variant_id", variant));

    api_expect_meta(reviewer, xml, json_pack("{s:s}", "variant", variant));
    wg_expect_body_contains(api_serve(reviewer, xml), variant);
}

Test(extraction, content_has_reference_doi_and_extractor, .description = "EXT-X08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *doi = wg_format("10.1234/%s", wg_nonce());

    const char *xml = extracted(reviewer, api_pdf(doc), json_pack("{s:s}", "doi", doi));

    struct wg_response *served = api_serve(reviewer, xml);
    wg_expect_status(served, 200);
    wg_expect_body_contains(served, doc);
    wg_expect_body_contains(served, doi);
    wg_expect_body_contains(served, MOCK);
    wg_expect_body_contains(served, "http://www.tei-c.org/ns/1.0");
}

Test(extraction, markup_in_options_is_text, .description = "EXT-X08")
{
    struct wg_http *reviewer = api_login("reviewer");

    const char *id =
        extracted(reviewer, api_pdf(api_nonce("doc")), json_pack("{s:s}", "doi", "10.1000/a<b>&c"));

    wg_expect_body_contains(api_serve(reviewer, id), "10.1000/a&lt;b&gt;&amp;c");
}

Test(extraction, content_can_be_saved_unchanged, .description = "EXT-X08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");
    const char *xml = extracted(reviewer, api_pdf(doc), NULL);
    char *before = api_hash(reviewer, xml), *body = wg_strdup(api_serve(reviewer, xml)->body.data);

    api_expect_saved(api_save_try(reviewer, xml, body, false), "saved");

    cr_assert(eq(str, api_hash(reviewer, xml), before));
}

Test(extraction, pdf_takes_the_title_of_the_result, .description = "EXT-X09")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);

    extracted(reviewer, pdf, NULL);

    wg_expect_str(api_meta_try(reviewer, pdf), "doc_metadata.title", eq, "Unknown Title");
    json_t *source = json_object_get(api_list_find(reviewer, doc), "source");
    cr_assert(eq(str, (char *)json_string_value(json_object_get(source, "label")), doc));
}

Test(extraction, tei_from_a_tei_is_listed_as_one, .description = "EXT-08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);

    const char *xml = extracted(reviewer, gold, json_pack("{s:s}", "doi", "10.1234/mock"));

    json_t *meta = api_meta(reviewer, xml);
    const char *doc = json_string_value(json_object_get(meta, "doc_id"));
    json_t *source = json_object_get(api_list_find(reviewer, doc), "source");
    cr_assert(eq(str, (char *)json_string_value(json_object_get(source, "id")), (char *)xml));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(source, "file_type")), "tei"));
}

Test(extraction, result_from_a_tei_is_a_document_of_its_own, .description = "EXT-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);

    struct wg_response *response = extract(reviewer, gold, NULL);

    wg_expect_status(response, 200);
    wg_expect_null(response, "id");
    wg_expect_null(response, "pdf");
    const char *xml = wg_require_str(response, "xml");
    struct wg_response *meta = api_meta_try(reviewer, xml);
    wg_expect_str(meta, "doc_id", matches, "^mock-extractor_[0-9]{8}_[0-9]{6}_[0-9a-f]{8}$");
    wg_expect_str(meta, "filename", eq, wg_format("%s.tei.xml", wg_require_str(meta, "doc_id")));
    wg_expect_str(meta, "label", eq, MOCK);
    wg_expect_bool(meta, "is_gold_standard", true);
    wg_expect_json(meta, "doc_collections", json_pack("[s]", "_inbox"));
}

Test(extraction, content_hash_names_the_file, .description = "EXT-X12")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));

    struct wg_response *response = extract(reviewer, api_hash(reviewer, pdf), NULL);

    wg_expect_status(response, 200);
    wg_expect_str(response, "pdf", eq, pdf);
}

Test(extraction, two_runs_give_two_files, .description = "EXT-X14")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc"));

    const char *first = extracted(reviewer, pdf, NULL), *second = extracted(reviewer, pdf, NULL);

    cr_assert(ne(str, (char *)first, (char *)second));
    wg_expect_status(api_serve(reviewer, first), 200);
    wg_expect_status(api_serve(reviewer, second), 200);
}

Test(extraction, no_lock_is_left, .description = "EXT-X16")
{
    struct wg_http *reviewer = api_login("reviewer"), *other = api_login("annotator");
    char *pdf = api_pdf(api_nonce("doc"));

    const char *xml = extracted(reviewer, pdf, NULL);

    api_expect_lock(other, xml, NULL);
    api_expect_lock(other, pdf, NULL);
}

Test(extraction, user_without_role_may_extract, .description = "EXT-09")
{
    struct wg_http *user = api_login("user");

    extracted(user, api_pdf(api_nonce("doc")), NULL);
}
