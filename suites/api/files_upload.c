/* SPDX-License-Identifier: MIT */
/*
 * files_upload.c - POST /files/upload: what is accepted, what becomes of names, and how content
 * that is there already is found again.
 *
 * Content is unique: a second upload of the same bytes gives the file that holds them.
 */
#include "suites/api/api.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPLOAD "/api/v1/files/upload"

/* Uploads a PDF with bytes of its own as reviewer; gives its stable id. */
static const char *upload_as(const char *filename)
{
    const char *bytes = api_pdf_bytes();
    return api_upload(api_login("reviewer"), filename, bytes, strlen(bytes));
}

/* The metadata of a file of _inbox. */
static json_t *meta_of(const char *id)
{
    return api_meta(api_login("reviewer"), id);
}

static void expect_meta(const char *id, const char *key, const char *value)
{
    const char *found = wg_json_str(meta_of(id), key, "(no string)");
    cr_assert(eq(str, (char *)found, (char *)value), "%s", key);
}

Test(files_upload, pdf_gets_a_stable_id, .description = "UP-X01")
{
    const char *bytes = api_pdf_bytes();
    const char *name = wg_format("%s.pdf", api_nonce("doc"));

    struct wg_response *response = wg_http_upload(api_login("reviewer"), UPLOAD, "file", name,
                                                  "application/pdf", bytes, strlen(bytes));

    wg_expect_status(response, 200);
    wg_expect_size(response, "", eq, 2);
    wg_expect_str(response, "type", eq, "pdf");
    wg_expect_str(response, "filename", matches, "^[a-z0-9]{6,12}$");
}

Test(files_upload, needs_a_session, .description = "UP-X02")
{
    const char *bytes = api_pdf_bytes();

    wg_expect_error(wg_http_upload(api_anonymous(), UPLOAD, "file", "a.pdf", "application/pdf",
                                   bytes, strlen(bytes)),
                    401, "Session required for file upload");
}

Test(files_upload, text_is_refused, .description = "UP-X03")
{
    const char *text = api_nonce("plain text ");

    wg_expect_error(wg_http_upload(api_login("reviewer"), UPLOAD, "file", "a.txt", "text/plain",
                                   text, strlen(text)),
                    400, "Invalid file type. Allowed types: application/pdf, application/xml");
}

Test(files_upload, part_must_be_named_file, .description = "UP-X04")
{
    const char *bytes = api_pdf_bytes();

    struct wg_response *response = wg_http_upload(api_login("reviewer"), UPLOAD, "other", "a.pdf",
                                                  "application/pdf", bytes, strlen(bytes));

    wg_expect_422(response, "body", "file");
}

Test(files_upload, bytes_are_served_back, .description = "UP-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    /* Bytes that no text has: all values, twice, after a unique head. */
    struct wg_buf bytes;
    wg_buf_init(&bytes, 4096);
    wg_buf_printf(&bytes, "%%PDF-1.4 %s\n", wg_nonce());
    for (int i = 0; i < 512; i++)
        wg_buf_append(&bytes, &(unsigned char){(unsigned char)i}, 1);

    const char *id = api_upload(reviewer, "bytes.pdf", bytes.data, bytes.size);

    struct wg_response *response = api_serve(reviewer, id);
    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Type", "application/pdf");
    cr_assert(eq(sz, response->body.size, bytes.size));
    cr_assert(eq(int, memcmp(response->body.data, bytes.data, bytes.size), 0));
}

Test(files_upload, same_content_gives_the_same_file, .description = "UP-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *bytes = api_pdf_bytes();
    const char *name = wg_format("%s.pdf", api_nonce("doc"));

    char *first = api_upload(reviewer, name, bytes, strlen(bytes));
    char *second = api_upload(reviewer, name, bytes, strlen(bytes));

    cr_assert(eq(str, first, second));
}

Test(files_upload, same_content_keeps_its_first_name, .description = "UP-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *bytes = api_pdf_bytes();
    const char *doc = api_nonce("doc");
    char *first = api_upload(reviewer, wg_format("%s.pdf", doc), bytes, strlen(bytes));

    char *second =
        api_upload(reviewer, wg_format("%s.pdf", api_nonce("other")), bytes, strlen(bytes));

    cr_assert(eq(str, first, second));
    expect_meta(first, "doc_id", doc);
    expect_meta(first, "label", doc);
}

Test(files_upload, blanks_become_underscores_in_the_document_id, .description = "UP-X08")
{
    const char *nonce = api_nonce("n");

    const char *id = upload_as(wg_format("my  paper %s.pdf", nonce));

    expect_meta(id, "doc_id", wg_format("my_paper_%s", nonce));
    expect_meta(id, "label", wg_format("my  paper %s", nonce));
}

Test(files_upload, upper_case_extension_is_a_pdf, .description = "UP-X09")
{
    const char *id = upload_as(wg_format("%s.PDF", api_nonce("doc")));

    expect_meta(id, "file_type", "pdf");
}

Test(files_upload, first_metadata, .description = "UP-X10")
{
    const char *doc = api_nonce("doc");
    json_t *meta = meta_of(api_pdf(doc));

    cr_assert(api_has(json_object_get(meta, "doc_collections"), "_inbox"));
    cr_assert(eq(sz, json_array_size(json_object_get(meta, "doc_collections")), 1));
    cr_assert(eq(i64, wg_json_int(meta, "version", -1), 1));
    cr_assert(eq(int, json_is_false(json_object_get(meta, "is_gold_standard")), 1));
    cr_assert(eq(int, json_is_null(json_object_get(meta, "variant")), 1));
    cr_assert(eq(str, (char *)wg_json_str(meta, "sync_status", ""), "modified"));
    json_t *origin = json_object_get(meta, "file_metadata");
    cr_assert(
        eq(str, (char *)wg_json_str(origin, "original_filename", ""), wg_format("%s.pdf", doc)));
    cr_assert(eq(str, (char *)wg_json_str(origin, "upload_source", ""), "upload_endpoint"));
}

Test(files_upload, id_is_the_hash_of_the_bytes, .description = "UP-X11")
{
    const char *bytes = api_pdf_bytes();

    const char *id = api_upload(api_login("reviewer"), "a.pdf", bytes, strlen(bytes));

    expect_meta(id, "id", api_sha256(bytes, strlen(bytes)));
}

Test(files_upload, deleted_file_is_restored, .description = "UP-X12")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *bytes = api_pdf_bytes();
    const char *doc = api_nonce("doc");
    const char *other = api_nonce("other");
    char *first = api_upload(reviewer, wg_format("%s.pdf", doc), bytes, strlen(bytes));
    api_delete(reviewer, first);
    wg_expect_status(api_serve(reviewer, first), 404);

    char *second = api_upload(reviewer, wg_format("%s.pdf", other), bytes, strlen(bytes));

    cr_assert(eq(str, first, second));
    wg_expect_status(api_serve(reviewer, first), 200);
    expect_meta(first, "doc_id", doc);
    expect_meta(first, "label", other);
}

Test(files_upload, content_is_stored_by_its_hash, .description = "UP-X13")
{
    api_need_data();
    const char *bytes = api_pdf_bytes();
    api_upload(api_login("reviewer"), "a.pdf", bytes, strlen(bytes));

    const char *path = api_stored_path(api_sha256(bytes, strlen(bytes)), ".pdf");
    char stored[256] = {0};
    FILE *file = fopen(path, "re");
    cr_assert(ne(ptr, file, NULL), "%s", path);
    size_t size = fread(stored, 1, sizeof stored - 1, file);
    fclose(file);

    cr_assert(eq(sz, size, strlen(bytes)));
    cr_assert(eq(str, stored, (char *)bytes));
}

Test(files_upload, five_megabytes_are_accepted, .description = "UP-X14")
{
    enum { SIZE = 5 * 1024 * 1024 };
    char *bytes = wg_malloc(SIZE);
    memset(bytes, 'x', SIZE);
    const char *head = api_pdf_bytes();
    memcpy(bytes, head, strlen(head));

    const char *id = api_upload(api_login("reviewer"), "large.pdf", bytes, SIZE);

    cr_assert(eq(i64, wg_json_int(meta_of(id), "file_size", -1), SIZE));
}

enum { AT_ONCE = 8 };

/* Uploads at once `AT_ONCE` files, file i with bytes[i]; gives the different stable ids. */
static size_t upload_at_once(char *const bytes[AT_ONCE])
{
    struct wg_part parts[AT_ONCE][2];
    struct wg_request requests[AT_ONCE];
    struct wg_response *responses[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        parts[i][0] = (struct wg_part){.name = "file",
                                       .filename = "together.pdf",
                                       .content_type = "application/pdf",
                                       .bytes = bytes[i],
                                       .size = strlen(bytes[i])};
        parts[i][1] = (struct wg_part){.name = NULL};
        requests[i] = (struct wg_request){.path = UPLOAD, .parts = parts[i]};
    }

    wg_http_send_all(api_login("reviewer"), requests, AT_ONCE, responses);

    json_t *ids = json_object();
    for (int i = 0; i < AT_ONCE; i++) {
        wg_expect_status(responses[i], 200);
        json_object_set_new(ids, wg_require_str(responses[i], "filename"), json_true());
    }
    return json_object_size(ids);
}

Test(files_upload, eight_equal_at_once_give_one_file, .description = "UP-X15")
{
    char *bytes[AT_ONCE];
    bytes[0] = api_pdf_bytes();
    for (int i = 1; i < AT_ONCE; i++)
        bytes[i] = bytes[0];

    cr_assert(eq(sz, upload_at_once(bytes), 1));
}

Test(files_upload, eight_different_at_once_give_eight_files, .description = "UP-X16")
{
    char *bytes[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        bytes[i] = api_pdf_bytes();

    cr_assert(eq(sz, upload_at_once(bytes), AT_ONCE));
}

Test(files_upload, two_pdfs_of_one_name_share_a_document, .description = "UP-X17")
{
    const char *doc = api_nonce("doc");

    char *first = api_pdf(doc);
    char *second = api_pdf(doc);

    cr_assert(ne(str, first, second));
    expect_meta(first, "doc_id", doc);
    expect_meta(second, "doc_id", doc);
    json_t *source = json_object_get(api_list_find(api_login("reviewer"), doc), "source");
    const char *id = wg_json_str(source, "id", "");
    cr_assert(strcmp(id, first) == 0 || strcmp(id, second) == 0);
}

Test(files_upload, file_name_may_be_non_ascii, .description = "UP-X20")
{
    const char *nonce = api_nonce("n");

    const char *id = upload_as(wg_format("Müller %s.pdf", nonce));

    expect_meta(id, "doc_id", wg_format("Müller_%s", nonce));
}
