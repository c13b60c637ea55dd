/* SPDX-License-Identifier: MIT */
/*
 * files_serve_part.c - GET /files/{id} with byte ranges, and ids that are no file's own.
 *
 * A server may ignore Range (RFC 9110 section 14.2), so each range is either honoured exactly or
 * answered with the whole file; anything else would hand a client wrong bytes.
 */
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <stdlib.h>
#include <string.h>

static struct wg_response *get_range(struct wg_http *http, const char *id, const char *range)
{
    const struct wg_pair headers[] = {{"Range", range}, {NULL, NULL}};
    return wg_http_send(http,
                        &(struct wg_request){.path = wg_http_path(http, "/api/v1/files/%s", id),
                                             .headers = headers});
}

/* The range was honoured with these bytes of the file, or the whole file was sent. */
static void expect_part(struct wg_response *response, const char *whole, size_t first, size_t size)
{
    if (response->status == 200) {
        wg_expect_body(response, whole);
        return;
    }
    wg_expect_status(response, 206);
    cr_assert(eq(sz, response->body.size, size));
    cr_expect(eq(int, memcmp(response->body.data, whole + first, size), 0));
    wg_expect_header_starts(response, "Content-Range", "bytes ");
}

Test(files_serve_part, first_bytes_are_the_first, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));

    expect_part(get_range(http, id, "bytes=0-9"), bytes, 0, 10);
}

Test(files_serve_part, open_range_reaches_the_end, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));

    expect_part(get_range(http, id, "bytes=5-"), bytes, 5, strlen(bytes) - 5);
}

Test(files_serve_part, suffix_range_is_the_end, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));

    expect_part(get_range(http, id, "bytes=-4"), bytes, strlen(bytes) - 4, 4);
}

Test(files_serve_part, end_behind_the_file_is_cut, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));

    expect_part(get_range(http, id, "bytes=3-999999"), bytes, 3, strlen(bytes) - 3);
}

Test(files_serve_part, range_behind_the_file_gets_nothing_of_it, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));
    struct wg_response *response = get_range(http, id, "bytes=999999-");

    if (response->status == 200)
        wg_expect_body(response, bytes);
    else
        wg_expect_status(response, 416);
}

Test(files_serve_part, malformed_range_is_ignored, .description = "SERVE-X13")
{
    struct wg_http *http = api_login("user");
    char *bytes = api_pdf_bytes();
    const char *id = api_upload(http, "a.pdf", bytes, strlen(bytes));
    struct wg_response *response = get_range(http, id, "lines=1-2");

    if (response->status != 400) /* some servers refuse it */
        api_expect_content(response, bytes);
}

Test(files_serve_part, schema_of_a_document_is_its_gold, .description = "SERVE-X05")
{
    struct wg_http *http = api_login("user");
    const char *doc = api_nonce("schema-");
    const char *gold = api_gold(doc, NULL);

    struct wg_response *by_id = api_serve(http, gold), *by_name = api_serve(http, doc);

    wg_expect_status(by_name, 200);
    wg_expect_body(by_name, by_id->body.data);
}

Test(files_serve_part, schema_of_no_document_is_not_found, .description = "SERVE-X05")
{
    const char *doc = api_nonce("schema-");
    struct wg_http *http = api_login("user");

    wg_expect_error(api_serve(http, doc), 404, wg_http_path(http, "File not found: %s", doc));
}

Test(files_serve_part, empty_pdf_is_a_pdf_where_there_is_one, .description = "SERVE-X16")
{
    struct wg_response *response = api_serve(api_anonymous(), "empty.pdf");

    if (response->status == 404) {
        wg_expect_detail(response, "empty.pdf not found");
    } else {
        wg_expect_status(response, 200);
        wg_expect_header(response, "Content-Type", "application/pdf");
        wg_expect_body_contains(response, "%PDF-");
    }
}
