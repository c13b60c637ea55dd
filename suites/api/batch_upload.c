/* SPDX-License-Identifier: MIT */
/*
 * batch_upload.c - what a client does that uploads a directory of PDFs: it makes a collection if
 * need be, then uploads and extracts each PDF into it, and skips what the collection lists already.
 *
 * Extraction is that of the mock extractor, which the testing mode of the server offers.
 */
#include "suites/api/api.h"

#include "harness/base/json.h"
#include "harness/base/str.h"

#include <string.h>

/* Makes the collection of a batch as the client does: only when it is not listed. */
static void ensure_collection(struct wg_http *http, const char *id)
{
    json_t *list = wg_require_json(wg_http_get(http, "/api/v1/collections"), "");
    if (api_find(list, "id", id) != NULL)
        return;
    json_t *body = json_pack("{s:s, s:s}", "id", id, "name", id);
    wg_expect_status(api_manage(http, "POST", "/api/v1/collections", body), 201);
}

/* Uploads and extracts one PDF into a collection; gives the stable id of the TEI. */
static const char *process(struct wg_http *http, const char *filename, const char *collection,
                           const char *variant)
{
    const char *bytes = api_pdf_bytes();
    const char *pdf = api_upload(http, filename, bytes, strlen(bytes));
    struct wg_response *response = wg_http_post_json(
        http, "/api/v1/extract",
        json_pack("{s:s, s:s, s:{s:s, s:s}}", "extractor", "mock-extractor", "file_id", pdf,
                  "options", "collection", collection, "variant_id", variant));
    wg_expect_status(response, 200);
    wg_expect_str(response, "pdf", eq, pdf);
    return wg_require_str(response, "xml");
}

static json_t *files_of(struct wg_http *http, const char *collection)
{
    struct wg_response *response =
        wg_http_get(http, wg_http_path(http, "/api/v1/collections/%s/files", collection));
    wg_expect_status(response, 200);
    return wg_require_json(response, "files");
}

/* A batch of `count` new PDFs as this client, after which the collection lists exactly these. */
static void expect_batch(struct wg_http *http, int count)
{
    const char *collection = api_nonce("batch");
    json_t *names = json_array();
    ensure_collection(http, collection);

    for (int i = 0; i < count; i++) {
        const char *name = wg_format("%s.pdf", api_nonce("paper"));
        process(http, name, collection, "test");
        json_array_append_new(names, json_string(name));
    }

    json_t *files = files_of(http, collection);
    cr_assert(eq(sz, json_array_size(files), (size_t)count));
    for (int i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, (size_t)i));
        cr_assert(ne(ptr, api_find(files, "filename", name), NULL), "%s", name);
    }
}

Test(batch_upload, lists_its_pdfs_in_the_collection, .description = "BATCH-03 BATCH-06")
{
    expect_batch(api_login("admin"), 2);
}

Test(batch_upload, makes_a_collection_that_is_not_there, .description = "BATCH-05")
{
    struct wg_http *admin = api_login("admin");
    const char *collection = api_nonce("batch");
    json_t *list = wg_require_json(wg_http_get(admin, "/api/v1/collections"), "");
    cr_assert(eq(ptr, api_find(list, "id", collection), NULL));

    ensure_collection(admin, collection);
    const char *xml = process(admin, wg_format("%s.pdf", api_nonce("paper")), collection, "test");

    json_t *meta = api_meta(admin, xml);
    cr_assert(eq(str, (char *)wg_json_str(meta, "variant", ""), "test"));
    cr_assert(api_has(json_object_get(meta, "doc_collections"), collection));
}

Test(batch_upload, processes_three_pdfs, .description = "BATCH-07")
{
    expect_batch(api_login("admin"), 3);
}

Test(batch_upload, works_with_given_credentials, .description = "BATCH-08")
{
    char *name;
    api_user(API_LIST("user", "reviewer"), API_LIST("default"), &name);

    expect_batch(api_login_with(name, name), 1);
}

Test(batch_upload, second_run_finds_what_the_first_did, .description = "BATCH-09")
{
    struct wg_http *admin = api_login("admin");
    const char *collection = api_nonce("batch");
    const char *first = wg_format("%s.pdf", api_nonce("paper"));
    const char *second = wg_format("%s.pdf", api_nonce("paper"));
    ensure_collection(admin, collection);
    process(admin, first, collection, "test");
    process(admin, second, collection, "test");

    ensure_collection(admin, collection);
    json_t *done = files_of(admin, collection);

    cr_assert(ne(ptr, api_find(done, "filename", first), NULL));
    cr_assert(ne(ptr, api_find(done, "filename", second), NULL));
    cr_assert(eq(sz, json_array_size(done), 2));
}
