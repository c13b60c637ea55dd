/* SPDX-License-Identifier: MIT */
/* plugins_reports.c - POST /plugins/{id}/execute of the plugins that only compute addresses. */
#include "suites/api/api.h"

/* The result of an endpoint; the answer's "result" is at the root of what the paths name. */
static struct wg_response *execute(const char *user, const char *plugin, const char *endpoint,
                                   json_t *params)
{
    struct wg_http *http = api_login(user);
    struct wg_response *response =
        wg_http_post_json(http, wg_http_path(http, "/api/v1/plugins/%s/execute", plugin),
                          json_pack("{s:s, s:o}", "endpoint", endpoint, "params", params));
    wg_expect_status(response, 200);
    wg_expect_bool(response, "success", true);
    return response;
}

Test(plugins_reports, report_needs_its_subject, .description = "PLUG-X20")
{
    static const struct {
        const char *plugin, *endpoint, *error;
    } rows[] = {
        {"edit-history", "show_history", "No collection selected"},
        {"annotation-progress", "show_progress", "No collection selected"},
        {"annotation-history", "analyze", "No PDF document selected"},
        {"iaa-analyzer", "compute_agreement", "No PDF document selected"},
        {"rng-converter", "convert_to_rng", "No TEI document selected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        wg_expect_str(execute("admin", rows[i].plugin, rows[i].endpoint, json_object()),
                      "result.error", eq, rows[i].error);
}

Test(plugins_reports, report_of_a_collection_has_its_addresses, .description = "PLUG-X20")
{
    struct wg_response *response = execute("user", "edit-history", "show_history",
                                           json_pack("{s:s}", "collection", "default"));

    wg_expect_str(response, "result.outputUrl", eq,
                  "/api/plugins/edit-history/view?collection=default");
    wg_expect_str(response, "result.exportUrl", starts,
                  "/api/plugins/edit-history/export?collection=default");
    wg_expect_str(response, "result.collection", eq, "default");
    wg_expect_str(response, "result.variant", eq, "all");
}

Test(plugins_reports, variant_is_part_of_the_address, .description = "PLUG-X20")
{
    struct wg_response *response =
        execute("user", "annotation-progress", "show_progress",
                json_pack("{s:s, s:s}", "collection", "default", "variant", "v1"));

    wg_expect_str(response, "result.outputUrl", contains, "variant=v1");
    wg_expect_str(response, "result.variant", eq, "v1");
}

Test(plugins_reports, history_of_a_pdf_names_it, .description = "PLUG-X20")
{
    const char *pdf = api_pdf(api_nonce("doc"));
    struct wg_response *response =
        execute("user", "annotation-history", "analyze", json_pack("{s:s}", "pdf", pdf));

    wg_expect_str(response, "result.pdf", eq, pdf);
    wg_expect_str(response, "result.outputUrl", contains, pdf);
}

Test(plugins_reports, agreement_needs_a_known_pdf, .description = "PLUG-X20")
{
    struct wg_response *response = execute("user", "iaa-analyzer", "compute_agreement",
                                           json_pack("{s:s}", "pdf", api_nonce("unknown")));

    wg_expect_str(response, "result.error", eq, "PDF file not found");
}

Test(plugins_reports, agreement_needs_two_versions, .description = "PLUG-X20")
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    api_gold(doc, NULL);
    struct wg_response *response =
        execute("user", "iaa-analyzer", "compute_agreement", json_pack("{s:s}", "pdf", pdf));

    wg_expect_present(response, "result.html");
    wg_expect_absent(response, "result.outputUrl");
}

Test(plugins_reports, agreement_of_two_versions_has_its_address, .description = "PLUG-X20")
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    api_version(api_gold(doc, NULL), doc);
    struct wg_response *response =
        execute("user", "iaa-analyzer", "compute_agreement", json_pack("{s:s}", "pdf", pdf));

    wg_expect_str(response, "result.outputUrl", starts, "/api/plugins/iaa-analyzer/view?");
}

Test(plugins_reports, schema_of_a_document_can_be_downloaded, .description = "PLUG-X14")
{
    const char *gold = api_gold(api_nonce("doc"), NULL);
    struct wg_response *response =
        execute("reviewer", "rng-converter", "convert_to_rng", json_pack("{s:s}", "xml", gold));

    wg_expect_str(response, "result.exportUrl", eq,
                  wg_http_path(api_anonymous(),
                               "/api/plugins/rng-converter/download?file_id=%s&variant=rng-schema",
                               gold));
    wg_expect_str(response, "result.variant", eq, "rng-schema");
    wg_expect_str(response, "result.xml", eq, gold);
}
