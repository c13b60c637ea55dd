/* SPDX-License-Identifier: MIT */
/*
 * plugins_execute.c - POST /plugins/<id>/execute, and the routes that plugins have of their own.
 *
 * The sample analyser is the plugin that is the same everywhere; of the report plugins only the
 * addresses that they compute are looked at. Input that a plugin rejects is answered with 404.
 */
#include "suites/api/api.h"

#include "harness/base/json.h"
#include "harness/base/str.h"

#include <string.h>

#define OWN_ROUTE "/api/plugins/sample-analyzer"

/* Executes an endpoint; takes over `params`. */
static struct wg_response *execute(struct wg_http *http, const char *plugin, const char *endpoint,
                                   json_t *params)
{
    return wg_http_post_json(http, wg_http_path(http, "/api/v1/plugins/%s/execute", plugin),
                             json_pack("{s:s, s:o}", "endpoint", endpoint, "params", params));
}

/* The sample analyser's answer about a text, as user. */
static struct wg_response *analyze(const char *text)
{
    struct wg_response *response =
        execute(api_login("user"), "sample-analyzer", "execute", json_pack("{s:s}", "text", text));
    wg_expect_status(response, 200);
    wg_expect_bool(response, "success", true);
    return response;
}

Test(plugins_execute, text_is_analyzed, .description = "PLUG-05")
{
    struct wg_response *response = analyze("Some words to count");

    wg_expect_int(response, "result.analysis.word_count", gt, 0);
    wg_expect_int(response, "result.analysis.character_count", gt, 0);
}

Test(plugins_execute, info_tells_name_and_version, .description = "PLUG-06")
{
    struct wg_response *response =
        execute(api_login("user"), "sample-analyzer", "info", json_object());

    wg_expect_status(response, 200);
    wg_expect_bool(response, "success", true);
    wg_expect_present(response, "result.plugin");
    wg_expect_present(response, "result.version");
}

Test(plugins_execute, unknown_plugin_is_not_found, .description = "PLUG-07")
{
    wg_expect_error(execute(api_login("user"), "nonexistent", "execute", json_object()), 404,
                    "Plugin not found: nonexistent");
}

Test(plugins_execute, unknown_endpoint_is_not_found, .description = "PLUG-08 PLUG-X17")
{
    wg_expect_error(execute(api_login("user"), "sample-analyzer", "nonexistent", json_object()),
                    404, "Endpoint not found: sample-analyzer.nonexistent");
}

Test(plugins_execute, anonymous_finds_no_plugin, .description = "PLUG-09")
{
    wg_expect_error(execute(api_anonymous(), "sample-analyzer", "info", json_object()), 404,
                    "Plugin not found: sample-analyzer");
}

Test(plugins_execute, body_needs_its_fields, .description = "PLUG-10")
{
    struct wg_response *response = wg_http_post_json(
        api_login("user"), "/api/v1/plugins/sample-analyzer/execute", json_object());

    wg_expect_422(response, "body", "endpoint");
    wg_expect_422(response, "body", "params");
}

Test(plugins_execute, numbers_are_exact, .description = "PLUG-X07")
{
    struct wg_response *response = analyze("Hello world! This is a test.");

    wg_expect_int(response, "result.analysis.character_count", eq, 28);
    wg_expect_int(response, "result.analysis.word_count", eq, 6);
    wg_expect_int(response, "result.analysis.line_count", eq, 1);
    wg_expect_int(response, "result.analysis.unique_words", eq, 6);
    wg_expect_real(response, "result.analysis.average_word_length", gt, 3.833);
    wg_expect_real(response, "result.analysis.average_word_length", lt, 3.834);
}

Test(plugins_execute, empty_text_has_no_words, .description = "PLUG-X08")
{
    struct wg_response *response = analyze("");

    wg_expect_int(response, "result.analysis.character_count", eq, 0);
    wg_expect_int(response, "result.analysis.word_count", eq, 0);
    wg_expect_int(response, "result.analysis.unique_words", eq, 0);
    wg_expect_str(response, "result.text_preview", eq, "");
}

Test(plugins_execute, preview_is_cut, .description = "PLUG-X09")
{
    char text[151] = {0};
    memset(text, 'x', 150);

    struct wg_response *response = analyze(text);

    wg_expect_str(response, "result.text_preview", eq, wg_format("%.100s...", text));
}

Test(plugins_execute, lines_and_different_words_are_counted, .description = "PLUG-X10")
{
    struct wg_response *response = analyze("a b\nA");

    wg_expect_int(response, "result.analysis.line_count", eq, 2);
    wg_expect_int(response, "result.analysis.word_count", eq, 3);
    wg_expect_int(response, "result.analysis.unique_words", eq, 2);
}

Test(plugins_execute, stored_tei_is_analyzed, .description = "PLUG-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *doc = api_nonce("doc");
    const char *xml = api_tei(doc, NULL, wg_format("Übergröße %s", wg_nonce()));
    const char *gold = wg_json_str(api_save(reviewer, doc, xml, false), "file_id", NULL);

    struct wg_response *response =
        execute(reviewer, "sample-analyzer", "execute", json_pack("{s:s}", "xml", gold));

    wg_expect_status(response, 200);
    /* Three letters of the text take two bytes. */
    wg_expect_int(response, "result.analysis.character_count", eq, (int64_t)strlen(xml) - 3);
    wg_expect_str(response, "result.document.xml", eq, gold);
}

/* Analysing a file that is no TEI is answered as if it were not there. */
static void expect_no_xml(const char *id)
{
    wg_expect_error(
        execute(api_login("user"), "sample-analyzer", "execute", json_pack("{s:s}", "xml", id)),
        404, wg_format("XML file not found: %s", id));
}

Test(plugins_execute, unknown_xml_is_not_found, .description = "PLUG-X12")
{
    expect_no_xml(api_nonce("f"));
}

Test(plugins_execute, pdf_is_no_xml, .description = "PLUG-X12")
{
    expect_no_xml(api_pdf(api_nonce("doc")));
}

Test(plugins_execute, text_must_be_a_string, .description = "PLUG-X13")
{
    wg_expect_error(
        execute(api_login("user"), "sample-analyzer", "execute", json_pack("{s:i}", "text", 5)),
        404, "Parameter 'text' must be a string");
}

Test(plugins_execute, plugin_not_permitted_is_not_found, .description = "PLUG-X14")
{
    wg_expect_error(execute(api_login("user"), "rng-converter", "convert_to_rng", json_object()),
                    404, "Plugin not found: rng-converter");
}

Test(plugins_execute, params_must_be_an_object, .description = "PLUG-X15")
{
    wg_expect_422(execute(api_login("user"), "sample-analyzer", "info", json_array()), "body",
                  "params");
}

Test(plugins_execute, fields_are_checked_before_the_plugin, .description = "PLUG-X16")
{
    wg_expect_422(
        wg_http_post_json(api_login("user"), "/api/v1/plugins/nonexistent/execute", json_object()),
        NULL);
}

Test(plugins_execute, info_is_exact, .description = "PLUG-X18")
{
    wg_expect_json(execute(api_login("user"), "sample-analyzer", "info", json_object()), "result",
                   json_pack("{s:s, s:s, s:s}", "plugin", "Sample Text Analyzer", "version",
                             "1.0.0", "message", "Sample analyzer ready to analyze text"));
}

Test(plugins_routes, analyze_counts_words, .description = "PLUG-X19")
{
    struct wg_response *response = wg_http_post_json(api_anonymous(), OWN_ROUTE "/analyze",
                                                     json_pack("{s:s}", "text", "two words"));

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:i, s:i, s:s}", "word_count", 2, "char_count", 9, "message",
                             "Analyzed 2 words in 9 characters"));
}

Test(plugins_routes, analyze_needs_a_text, .description = "PLUG-X19")
{
    wg_expect_422(wg_http_post_json(api_anonymous(), OWN_ROUTE "/analyze", json_object()), "body",
                  "text");
}

Test(plugins_routes, status_is_active, .description = "PLUG-X19")
{
    wg_expect_json(wg_http_get(api_anonymous(), OWN_ROUTE "/status"), "",
                   json_pack("{s:s, s:s, s:s}", "plugin", "sample-analyzer", "status", "active",
                             "version", "1.0.0"));
}

Test(plugins_execute, report_without_a_collection_says_so, .description = "PLUG-X20")
{
    struct wg_response *response =
        execute(api_login("user"), "edit-history", "show_history", json_object());

    wg_expect_status(response, 200);
    wg_expect_bool(response, "success", true);
    wg_expect_str(response, "result.error", eq, "No collection selected");
}

Test(plugins_execute, report_gives_its_addresses, .description = "PLUG-X21")
{
    const char *query = "collection=default&variant=grobid";

    struct wg_response *response =
        execute(api_login("user"), "edit-history", "show_history",
                json_pack("{s:s, s:s}", "collection", "default", "variant", "grobid"));

    wg_expect_status(response, 200);
    wg_expect_str(response, "result.outputUrl", eq,
                  wg_format("/api/plugins/edit-history/view?%s", query));
    wg_expect_str(response, "result.exportUrl", eq,
                  wg_format("/api/plugins/edit-history/export?%s", query));
    wg_expect_str(response, "result.collection", eq, "default");
    wg_expect_str(response, "result.variant", eq, "grobid");
}
