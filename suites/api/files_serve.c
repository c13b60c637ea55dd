/* SPDX-License-Identifier: MIT */
/*
 * files_serve.c - GET /files/{id}: bytes, types, headers that forbid caches, and what is not there.
 *
 * Anyone who knows an id may read, without a session, unless the file is private. Both prefixes,
 * /api/v1/files and the older /api/files, answer alike.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#define NO_READ "Access denied: You don't have permission to view this document"
#define READS   20
#define SAVES   5

static struct wg_response *serve_compat(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, "/api/files/%s", id));
}

Test(files_serve, compatibility_prefix_serves_content, .description = "SERVE-02 SERVE-03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = api_tei(doc, NULL, NULL);
    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");

    struct wg_response *response = serve_compat(reviewer, gold);

    api_expect_content(response, xml);
    cr_assert(strstr(response->body.data, "xml-model") == NULL);
}

Test(files_serve, update_is_seen_at_once, .description = "SERVE-04 SERVE-05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    wg_expect_status(serve_compat(reviewer, gold), 200);
    char *xml = api_tei_make(&(struct api_tei_options){
        .doc_id = doc, .instruction = "<?xml-model href=\"http://schema.invalid/x.rng\"?>"});

    api_expect_saved(api_save_try(reviewer, gold, xml, false), "saved");

    wg_expect_body_contains(serve_compat(reviewer, gold), "<?xml-model");
    api_expect_content(api_serve(reviewer, gold), xml);
}

Test(files_serve, headers_forbid_caches, .description = "SERVE-06")
{
    struct wg_response *response =
        api_serve(api_login("reviewer"), api_gold(api_nonce("doc"), NULL));

    wg_expect_status(response, 200);
    wg_expect_header(response, "Cache-Control", "no-cache, no-store, must-revalidate");
    wg_expect_header(response, "Pragma", "no-cache");
    wg_expect_header(response, "Expires", "0");
    cr_assert(wg_response_header(response, "Content-Disposition") == NULL);
}

Test(files_serve, both_prefixes_answer_alike, .description = "SERVE-X01")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    static const char *const headers[] = {"Content-Type", "Cache-Control", "Pragma", "Expires",
                                          "ETag"};

    struct wg_response *new = api_serve(reviewer, gold), *old = serve_compat(reviewer, gold);

    wg_expect_status(new, 200);
    wg_expect_status(old, 200);
    wg_expect_body(old, new->body.data);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        wg_expect_header(old, headers[i], wg_response_header(new, headers[i]));
}

Test(files_serve, anonymous_may_read, .description = "SERVE-X02")
{
    wg_expect_status(api_serve(api_anonymous(), api_gold(api_nonce("doc"), NULL)), 200);
}

Test(files_serve, unknown_session_may_read, .description = "SERVE-X02")
{
    struct wg_http *stranger = api_with_session(api_nonce("session"));

    wg_expect_status(api_serve(stranger, api_gold(api_nonce("doc"), NULL)), 200);
}

Test(files_serve, pdf_has_its_type, .description = "SERVE-X03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *bytes = api_pdf_bytes();
    char *pdf = api_upload(reviewer, wg_format("%s.pdf", api_nonce("doc")), bytes, strlen(bytes));

    struct wg_response *response = api_serve(reviewer, pdf);

    api_expect_content(response, bytes);
    wg_expect_header(response, "Content-Type", "application/pdf");
}

Test(files_serve, tei_has_its_type, .description = "SERVE-X03")
{
    struct wg_response *response =
        api_serve(api_login("reviewer"), api_gold(api_nonce("doc"), NULL));

    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Type", "application/xml");
}

Test(files_serve, content_hash_names_the_file, .description = "SERVE-X04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    struct wg_response *by_id = api_serve(reviewer, gold);

    struct wg_response *by_hash = api_serve(reviewer, api_hash(reviewer, gold));

    wg_expect_status(by_id, 200);
    api_expect_content(by_hash, by_id->body.data);
}

Test(files_serve, unknown_id_gets_404, .description = "SERVE-X05")
{
    char *id = api_nonce("none");

    wg_expect_error(api_serve(api_login("reviewer"), id), 404, wg_format("File not found: %s", id));
}

Test(files_serve, unknown_hash_gets_404, .description = "SERVE-X06")
{
    char *id = wg_format("%064d", 0);

    wg_expect_error(api_serve(api_login("reviewer"), id), 404, wg_format("File not found: %s", id));
}

Test(files_serve, prefix_of_a_stable_id_is_not_enough, .description = "SERVE-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *prefix = wg_format("%.5s", api_gold(api_nonce("doc"), NULL));

    wg_expect_error(api_serve(reviewer, prefix), 404, wg_format("File not found: %s", prefix));
}

Test(files_serve, deleted_file_gets_404, .description = "SERVE-X08")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL), *hash = api_hash(reviewer, gold);

    api_delete(reviewer, gold);

    wg_expect_error(api_serve(reviewer, gold), 404, wg_format("File not found: %s", gold));
    wg_expect_error(api_serve(reviewer, hash), 404, wg_format("File not found: %s", hash));
}

struct reserved {
    char label[16];
    char path[32];
    char name[16];
};

ParameterizedTestParameters(files_serve, name_of_another_route_is_an_id)
{
    static struct reserved rows[] = {
        {"save", "/api/v1/files/save", "save"},
        {"delete", "/api/v1/files/delete", "delete"},
        {"list, compat", "/api/files/list", "list"},
    };
    return cr_make_param_array(struct reserved, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct reserved *row, files_serve, name_of_another_route_is_an_id,
                  .description = "SERVE-X09")
{
    struct wg_response *response = wg_http_get(api_login("reviewer"), row->path);

    wg_expect_error(response, 404, wg_format("File not found: %s", row->name));
}

Test(files_serve, validators_are_sent, .description = "SERVE-X10")
{
    struct wg_response *response =
        api_serve(api_login("reviewer"), api_gold(api_nonce("doc"), NULL));

    wg_expect_status(response, 200);
    const char *etag = wg_response_header(response, "ETag");
    cr_assert(etag != NULL && strlen(etag) > 2 && etag[0] == '"' && wg_str_ends(etag, "\""),
              "ETag %s", etag != NULL ? etag : "is missing");
    cr_assert(wg_response_header(response, "Last-Modified") != NULL);
    wg_expect_header(response, "Accept-Ranges", "bytes");
}

Test(files_serve, never_answers_304, .description = "SERVE-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    struct wg_response *first = api_serve(reviewer, gold);
    const char *etag = wg_response_header(first, "ETag");
    cr_assert(etag != NULL);

    struct wg_response *response = wg_http_send(
        reviewer,
        &(struct wg_request){.path = wg_http_path(reviewer, "/api/v1/files/%s", gold),
                             .headers = (struct wg_pair[]){{"If-None-Match", etag}, {0}}});

    api_expect_content(response, first->body.data);
}

Test(files_serve, etag_changes_with_the_content, .description = "SERVE-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    const char *before = wg_response_header(api_serve(reviewer, gold), "ETag");
    cr_assert(before != NULL);
    char *longer = api_tei(doc, NULL, wg_format("a longer text %s", wg_nonce()));

    api_expect_saved(api_save_try(reviewer, gold, longer, false), "saved");

    const char *after = wg_response_header(api_serve(reviewer, gold), "ETag");
    cr_assert(after != NULL);
    cr_assert(ne(str, (char *)after, (char *)before));
}

Test(files_serve, content_length_is_the_file_size, .description = "SERVE-X12")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);

    struct wg_response *response = api_serve(reviewer, gold);

    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Length", wg_format("%zu", response->body.size));
    api_expect_meta(reviewer, gold,
                    json_pack("{s:I}", "file_size", (json_int_t)response->body.size));
}

/* A file that only the user "user" may read. */
static char *private_file(void)
{
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_set_access(gold, "file_metadata", "visibility", "private", "user");
    return gold;
}

Test(files_serve, owner_reads_a_private_file, .description = "SERVE-X14")
{
    api_need_data();

    wg_expect_status(api_serve(api_login("user"), private_file()), 200);
}

Test(files_serve, anonymous_may_not_read_a_private_file, .description = "SERVE-X14")
{
    api_need_data();

    wg_expect_error(api_serve(api_anonymous(), private_file()), 403, NO_READ);
}

struct stranger {
    char name[16];
};

ParameterizedTestParameters(files_serve, others_may_not_read_a_private_file)
{
    static struct stranger rows[] = {{"annotator"}, {"reviewer"}, {"admin"}};
    return cr_make_param_array(struct stranger, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct stranger *row, files_serve, others_may_not_read_a_private_file,
                  .description = "SERVE-X14")
{
    api_need_data();

    wg_expect_error(api_serve(api_login(row->name), private_file()), 403, NO_READ);
}

Test(files_serve, protected_file_can_be_read, .description = "SERVE-X14")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_set_access(gold, "file_metadata", "editability", "protected", "user");

    wg_expect_status(api_serve(api_anonymous(), gold), 200);
}

Test(files_serve, file_without_stored_content_gets_404, .description = "SERVE-X15")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    char *path = api_stored_path(api_hash(reviewer, gold), API_TEI);
    cr_assert(unlink(path) == 0, "cannot remove %s", path);

    wg_expect_error(api_serve(reviewer, gold), 404, wg_format("File content not found: %s", gold));

    /* A live row without content, or an empty directory, would be a finding of the run's check. */
    api_delete(reviewer, gold);
    rmdir(dirname(path));
}

Test(files_serve, readers_beside_writers_see_whole_versions, .description = "SERVE-X17")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *xml[SAVES + 1];
    xml[SAVES] = wg_strdup(api_serve(reviewer, gold)->body.data);
    struct wg_request requests[SAVES + READS] = {0};
    struct wg_response *responses[SAVES + READS];
    for (size_t i = 0; i < SAVES; i++) {
        xml[i] = api_tei(doc, NULL, NULL);
        requests[i] = (struct wg_request){
            .path = "/api/v1/files/save",
            .json = json_pack("{s:s,s:s}", "file_id", gold, "xml_string", xml[i])};
    }
    for (size_t i = SAVES; i < SAVES + READS; i++)
        requests[i].path = wg_http_path(reviewer, "/api/v1/files/%s", gold);

    wg_http_send_all(reviewer, requests, SAVES + READS, responses);

    for (size_t i = 0; i < SAVES; i++)
        api_expect_saved(responses[i], "saved");
    for (size_t i = SAVES; i < SAVES + READS; i++) {
        long status = responses[i]->status; /* 404, 500: lost the race against a save */
        bool whole = status == 404 || status == 500;
        for (size_t k = 0; k < SAVES + 1; k++)
            whole = whole || (status == 200 && strcmp(responses[i]->body.data, xml[k]) == 0);
        cr_assert(whole, "a read saw status %ld, %s", status, responses[i]->body.data);
    }
}
