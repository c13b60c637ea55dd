/* SPDX-License-Identifier: MIT */
/*
 * collections_files.c - the files of a collection: which are listed, and what its deletion does to
 * them.
 *
 * A file whose last collection goes is deleted, one with another collection stays.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

/* DELETE of a collection as admin; the answer, which is 200. */
static struct wg_response *drop(const char *id)
{
    struct wg_http *admin = api_login("admin");
    struct wg_response *response =
        api_manage(admin, "DELETE", wg_http_path(admin, "/api/v1/collections/%s", id), NULL);
    wg_expect_status(response, 200);
    return response;
}

static struct wg_response *files_of(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, "/api/v1/collections/%s/files", id));
}

/* A collection of the test's own. */
static char *new_collection(void)
{
    char *id = api_nonce("c");
    api_collection(id);
    return id;
}

Test(collections, deleting_the_last_one_deletes_the_file, .description = "COLL-X14")
{
    const char *collection = new_collection();
    const char *pdf = api_pdf(api_nonce("doc"));
    api_move(pdf, collection);

    struct wg_response *response = drop(collection);

    wg_expect_int(response, "files_deleted", eq, 1);
    wg_expect_int(response, "files_updated", eq, 0);
    wg_expect_status(api_serve(api_anonymous(), pdf), 404);
}

Test(collections, deleting_one_of_two_keeps_the_file, .description = "COLL-X15")
{
    const char *collection = new_collection();
    const char *pdf = api_pdf(api_nonce("doc"));
    api_copy(pdf, collection);

    struct wg_response *response = drop(collection);

    wg_expect_int(response, "files_updated", eq, 1);
    wg_expect_int(response, "files_deleted", eq, 0);
    struct wg_http *user = api_login("user");
    wg_expect_json(api_meta_try(user, pdf), "doc_collections", json_pack("[s]", "_inbox"));
}

Test(collections, deleting_an_empty_one_touches_no_file, .description = "COLL-X16")
{
    const char *collection = new_collection();

    wg_expect_json(drop(collection), "",
                   json_pack("{s:b, s:s, s:i, s:i}", "success", 1, "collection_id", collection,
                             "files_updated", 0, "files_deleted", 0));
}

Test(collections, files_are_the_pdfs_by_original_name, .description = "COLL-X17")
{
    const char *collection = new_collection();
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    api_gold(doc, NULL);
    api_move(pdf, collection);

    struct wg_response *response = files_of(api_login("admin"), collection);

    wg_expect_status(response, 200);
    wg_expect_str(response, "collection_id", eq, collection);
    wg_expect_json(response, "files",
                   json_pack("[{s:o, s:s, s:s}]", "filename", json_sprintf("%s.pdf", doc),
                             "stable_id", pdf, "file_type", "pdf"));
}

Test(collections, files_of_an_unknown_one_are_not_found, .description = "COLL-X18")
{
    const char *id = api_nonce("c");

    wg_expect_error(files_of(api_login("admin"), id), 404,
                    wg_format("Collection '%s' not found", id));
}

Test(collections, files_need_a_session, .description = "COLL-X18")
{
    wg_expect_error(files_of(api_anonymous(), "default"), 401, "Authentication required");
}

Test(collections, files_of_an_empty_one_are_none, .description = "COLL-X18")
{
    struct wg_response *response = files_of(api_login("admin"), new_collection());

    wg_expect_status(response, 200);
    wg_expect_json(response, "files", json_array());
}
