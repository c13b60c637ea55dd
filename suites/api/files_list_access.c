/* SPDX-License-Identifier: MIT */
/*
 * files_list_access.c - GET /files/list: who sees which document, and which of its collections.
 *
 * The fixture's admin sees every collection, its other users _inbox and default. An own collection
 * is therefore one that only admin sees.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#define LIST "/api/v1/files/list"

static bool sees(const char *user, const char *doc)
{
    return api_list_find(api_login(user), doc) != NULL;
}

/* A PDF in a collection that only admin sees. */
static const char *hidden_document(void)
{
    const char *doc = api_nonce("doc");
    const char *collection = api_nonce("c");
    api_collection(collection);
    api_move(api_pdf(doc), collection);
    return doc;
}

Test(files_list, admin_sees_what_the_user_sees_and_more, .description = "LIST-06")
{
    const char *open = api_nonce("doc");
    api_pdf(open);
    const char *hidden = hidden_document();

    cr_assert(sees("user", open));
    cr_assert(sees("admin", open));
    cr_assert(not(sees("user", hidden)));
    cr_assert(sees("admin", hidden));
}

Test(files_list, anonymous_sees_nothing, .description = "LIST-X01")
{
    api_pdf(api_nonce("doc"));

    struct wg_response *response = wg_http_get(api_anonymous(), LIST);

    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:[]}", "files"));
}

Test(files_list, unknown_session_sees_nothing, .description = "LIST-X02")
{
    api_pdf(api_nonce("doc"));

    struct wg_response *response = wg_http_get(api_with_session("bogus"), LIST);

    wg_expect_status(response, 200);
    wg_expect_json(response, "files", json_array());
}

Test(files_list, document_of_a_foreign_collection_is_hidden, .description = "LIST-X09")
{
    const char *doc = hidden_document();

    cr_assert(not(sees("reviewer", doc)));
    cr_assert(sees("admin", doc));
}

Test(files_list, foreign_collections_are_left_out, .description = "LIST-X10")
{
    const char *doc = api_nonce("doc");
    char *collection = api_nonce("c");
    api_collection(collection);
    api_copy(api_pdf(doc), collection);

    json_t *seen = json_object_get(api_list_find(api_login("reviewer"), doc), "collections");
    cr_assert(eq(sz, json_array_size(seen), 1));
    cr_assert(api_has(seen, "_inbox"));
    json_t *all = json_object_get(api_list_find(api_login("admin"), doc), "collections");
    cr_assert(api_has(all, "_inbox"));
    cr_assert(api_has(all, collection));
}

/* A PDF in _inbox that is private to the fixture's user. */
static const char *private_document(void)
{
    const char *doc = api_nonce("doc");
    const char *pdf = api_pdf(doc);
    int64_t rows = wg_db_exec("metadata", "UPDATE files SET doc_metadata = ? WHERE stable_id = ?",
                              "{\"access_control\": {\"visibility\": \"private\","
                              " \"editability\": \"editable\", \"owner\": \"user\"}}",
                              pdf);
    cr_assert(eq(i64, rows, 1));
    return doc;
}

Test(files_list, owner_sees_a_private_document, .description = "LIST-X17")
{
    api_need_data();

    cr_assert(sees("user", private_document()));
}

Test(files_list, others_do_not_see_a_private_document, .description = "LIST-X17")
{
    api_need_data();

    cr_assert(not(sees("annotator", private_document())));
}

Test(files_list, admin_does_not_see_a_private_document, .description = "LIST-X17")
{
    api_need_data();

    cr_assert(not(sees("admin", private_document())));
}
