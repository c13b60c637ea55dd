/* SPDX-License-Identifier: MIT */
/*
 * files_save.c - POST /files/save: what it makes of a document, and of bad requests.
 *
 * Who may save is in files_save_rights.c, what is stored in files_save_content.c, versions and
 * their names in files_save_version.c. To add a case: a Test() here, named by its claim; its
 * description is the row of the contract's catalogue.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <string.h>

static char *tei(const char *doc_id)
{
    return api_tei_make(&(struct api_tei_options){.doc_id = doc_id, .edition = "An edition"});
}

Test(files_save, first_save_creates_gold, .description = "SAVE-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");

    struct wg_response *response = api_save_try(reviewer, doc, tei(doc), false);

    const char *gold = api_expect_saved(response, "new_gold");
    api_expect_meta(reviewer, gold, json_pack("{s:s,s:b}", "doc_id", doc, "is_gold_standard", 1));
}

Test(files_save, update_of_gold_keeps_its_id, .description = "SAVE-05 SAVE-13")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml = tei(doc);

    const char *saved = api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    cr_assert(eq(str, (char *)saved, gold));
    api_expect_content(api_serve(reviewer, gold), xml);
}

Test(files_save, update_with_identical_content_is_saved, .description = "SAVE-06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = tei(doc);
    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");
    char *before = api_hash(reviewer, gold);

    const char *saved = api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    cr_assert(eq(str, (char *)saved, (char *)gold));
    cr_assert(eq(str, api_hash(reviewer, gold), before));
}

Test(files_save, six_characters_of_an_id_are_the_whole_id, .description = "SAVE-14")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    if (strlen(gold) != 6)
        cr_skip_test("this file got a longer stable id");

    struct wg_response *response = api_save_try(reviewer, wg_format("%.6s", gold), tei(doc), false);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), gold));
}

Test(files_save, malformed_xml_is_refused, .description = "SAVE-15")
{
    struct wg_http *reviewer = api_login("reviewer");

    struct wg_response *response =
        api_save_try(reviewer, api_nonce("doc"), "<not-valid-xml>", false);

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Invalid XML: ");
}

struct not_xml {
    const char label[16];
    const char xml[16];
};

ParameterizedTestParameters(files_save, what_is_no_document_is_refused)
{
    static struct not_xml rows[] = {
        {"empty", ""},
        {"text only", "abc"},
    };
    return cr_make_param_array(struct not_xml, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct not_xml *row, files_save, what_is_no_document_is_refused,
                  .description = "SAVE-X30")
{
    struct wg_http *reviewer = api_login("reviewer");

    struct wg_response *response = api_save_try(reviewer, api_nonce("doc"), row->xml, false);

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Invalid XML: ");
}

Test(files_save, base64_is_decoded, .description = "SAVE-16")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml = tei(doc);

    struct wg_response *response =
        wg_http_post_json(reviewer, "/api/v1/files/save",
                          json_pack("{s:s,s:o,s:s}", "file_id", gold, "xml_string", api_base64(xml),
                                    "encoding", "base64"));

    api_expect_saved(response, "saved");
    api_expect_content(api_serve(reviewer, gold), xml);
}

Test(files_save, null_encoding_is_plain_text, .description = "SAVE-16")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = tei(doc);

    struct wg_response *response = wg_http_post_json(
        reviewer, "/api/v1/files/save",
        json_pack("{s:s,s:s,s:n}", "file_id", doc, "xml_string", xml, "encoding"));

    api_expect_content(api_serve(reviewer, api_expect_saved(response, "new_gold")), xml);
}

Test(files_save, anonymous_is_refused, .description = "SAVE-X01")
{
    char *doc = api_nonce("doc");

    struct wg_response *response = api_save_try(api_anonymous(), doc, tei(doc), false);

    wg_expect_error(response, 401, "Authentication required");
}

Test(files_save, xml_string_is_required, .description = "SAVE-X02")
{
    struct wg_response *response = wg_http_post_json(api_login("reviewer"), "/api/v1/files/save",
                                                     json_pack("{s:s}", "file_id", "abcdef"));

    wg_expect_422(response, "body", "xml_string");
}

Test(files_save, file_id_is_required, .description = "SAVE-X02")
{
    struct wg_response *response = wg_http_post_json(api_login("reviewer"), "/api/v1/files/save",
                                                     json_pack("{s:s}", "xml_string", "<a/>"));

    wg_expect_422(response, "body", "file_id");
}

Test(files_save, missing_session_comes_before_missing_fields, .description = "SAVE-X38")
{
    struct wg_response *response =
        wg_http_post_json(api_anonymous(), "/api/v1/files/save", json_object());

    wg_expect_error(response, 401, "Authentication required");
}

Test(files_save, malformed_json_comes_before_missing_session, .description = "SAVE-X38")
{
    struct wg_response *response =
        wg_http_post_raw(api_anonymous(), "/api/v1/files/save", "application/json", "{", 1);

    wg_expect_422(response, NULL);
}

Test(files_save, reference_in_the_xml_decides_the_document, .description = "SAVE-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *hint = api_nonce("hint"), *doc = api_nonce("doc");

    struct wg_response *response = api_save_try(reviewer, hint, tei(doc), false);

    api_expect_meta(reviewer, api_expect_saved(response, "new_gold"),
                    json_pack("{s:s}", "doc_id", doc));
}

Test(files_save, hint_names_the_document_without_reference, .description = "SAVE-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *hint = api_nonce("hint");

    struct wg_response *response = api_save_try(reviewer, hint, tei(NULL), false);

    api_expect_meta(reviewer, api_expect_saved(response, "new_gold"),
                    json_pack("{s:s}", "doc_id", hint));
}

Test(files_save, path_as_hint_is_cut_to_its_base_name, .description = "SAVE-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *name = api_nonce("doc"), *path = wg_format("/data/x/%s.tei.xml", name);

    struct wg_response *response = api_save_try(reviewer, path, tei(NULL), false);

    api_expect_meta(reviewer, api_expect_saved(response, "new_gold"),
                    json_pack("{s:s}", "doc_id", name));
}

Test(files_save, without_any_id_is_refused, .description = "SAVE-X08")
{
    struct wg_response *response = api_save_try(api_login("reviewer"), "", tei(NULL), false);

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Cannot extract file_id from XML");
}

Test(files_save, content_hash_addresses_a_file, .description = "SAVE-X25")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response =
        api_save_try(reviewer, api_hash(reviewer, gold), tei(doc), false);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), gold));
}

Test(files_save, word_for_true_is_a_boolean, .description = "SAVE-X31")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = wg_http_post_json(
        annotator, "/api/v1/files/save",
        json_pack("{s:s,s:s,s:s}", "file_id", gold, "xml_string", tei(doc), "new_version", "yes"));

    cr_assert(ne(str, (char *)api_expect_saved(response, "new"), gold));
}

Test(files_save, word_that_is_no_boolean_is_refused, .description = "SAVE-X31")
{
    struct wg_response *response =
        wg_http_post_json(api_login("reviewer"), "/api/v1/files/save",
                          json_pack("{s:s,s:s,s:s}", "file_id", "abcdef", "xml_string", "<a/>",
                                    "new_version", "maybe"));

    wg_expect_422(response, "body", "new_version");
}

Test(files_save, number_is_no_text, .description = "SAVE-X02")
{
    struct wg_response *response =
        wg_http_post_json(api_login("reviewer"), "/api/v1/files/save",
                          json_pack("{s:i,s:s}", "file_id", 123456, "xml_string", "<a/>"));

    wg_expect_422(response, "body", "file_id");
}

Test(files_save, saver_holds_the_lock, .description = "SAVE-X21")
{
    struct wg_http *reviewer = api_login("reviewer"), *other = api_login("reviewer");
    char *doc = api_nonce("doc");

    const char *gold = api_expect_saved(api_save_try(reviewer, doc, tei(doc), false), "new_gold");

    api_expect_lock(other, gold, api_session(reviewer));
    api_expect_lock(reviewer, gold, NULL);
}

Test(files_save, saver_of_an_update_holds_the_lock, .description = "SAVE-X21")
{
    struct wg_http *reviewer = api_login("reviewer"), *other = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    api_expect_lock(other, gold, NULL);

    api_expect_saved(api_save_try(reviewer, gold, tei(doc), false), "saved");

    api_expect_lock(other, gold, api_session(reviewer));
}

Test(files_save, file_locked_by_another_session_is_refused, .description = "SAVE-X20")
{
    struct wg_http *owner = api_login("reviewer"), *other = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = tei(doc);
    const char *gold = api_expect_saved(api_save_try(owner, doc, xml, false), "new_gold");

    struct wg_response *response = api_save_try(other, gold, tei(doc), false);

    wg_expect_error(response, 423, "Failed to acquire lock");
    api_expect_content(api_serve(other, gold), xml);
    api_expect_lock(other, gold, api_session(owner));
}

Test(files_save, upload_based_version_needs_both_fields, .description = "SAVE-X37")
{
    struct wg_response *response = wg_http_post_json(
        api_login("reviewer"), "/api/v1/files/create_version_from_upload", json_object());

    wg_expect_error(response, 400, "Missing temp_filename or file_id");
}

Test(files_save, upload_based_version_needs_the_file, .description = "SAVE-X37")
{
    char *name = api_nonce("upload");

    struct wg_response *response =
        wg_http_post_json(api_login("reviewer"), "/api/v1/files/create_version_from_upload",
                          json_pack("{s:s,s:s}", "temp_filename", name, "file_id", "abcdef"));

    wg_expect_error(response, 404, wg_format("Temporary file %s not found", name));
}

Test(files_save, upload_based_version_needs_a_session, .description = "SAVE-X37")
{
    struct wg_response *response =
        wg_http_post_json(api_anonymous(), "/api/v1/files/create_version_from_upload",
                          json_pack("{s:s,s:s}", "temp_filename", "x", "file_id", "abcdef"));

    wg_expect_error(response, 401, "Authentication required");
}

Test(files_save, upload_based_version_needs_an_object, .description = "SAVE-X37")
{
    struct wg_response *response = wg_http_post_json(
        api_login("reviewer"), "/api/v1/files/create_version_from_upload", json_array());

    wg_expect_422(response, NULL);
}
