/* SPDX-License-Identifier: MIT */
/*
 * files_save_rights.c - POST /files/save: who may create and edit what, in which collections.
 *
 * Roles grant kinds of files (gold, version), collections grant documents; both are checked. The
 * texts of the refusals are part of the contract, since clients show them.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

static char *tei(const char *doc_id)
{
    return api_tei_make(&(struct api_tei_options){.doc_id = doc_id, .edition = "An edition"});
}

Test(files_save, annotator_may_not_create_gold, .description = "SAVE-04")
{
    char *doc = api_nonce("doc");

    struct wg_response *response = api_save_try(api_login("annotator"), doc, tei(doc), false);

    wg_expect_error(response, 403, "Only reviewers can create new gold standard files");
}

Test(files_save, annotator_may_not_edit_gold, .description = "SAVE-07")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    struct wg_http *annotator = api_login("annotator");
    char *before = api_hash(annotator, gold);

    struct wg_response *response = api_save_try(annotator, gold, tei(doc), false);

    wg_expect_error(response, 403, "Only reviewers can edit gold standard files");
    cr_assert(eq(str, api_hash(annotator, gold), before));
}

Test(files_save, annotator_may_create_versions, .description = "SAVE-08")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(api_login("annotator"), gold, tei(doc), true);

    cr_assert(ne(str, (char *)api_expect_saved(response, "new"), gold));
}

Test(files_save, annotator_may_edit_versions, .description = "SAVE-09")
{
    char *doc = api_nonce("doc"), *version = api_version(api_gold(doc, NULL), doc);
    char *xml = tei(doc);
    struct wg_http *annotator = api_login("annotator");

    struct wg_response *response = api_save_try(annotator, version, xml, false);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), version));
    api_expect_content(api_serve(annotator, version), xml);
}

Test(files_save, user_without_role_may_not_create_gold, .description = "SAVE-X17")
{
    char *doc = api_nonce("doc");

    struct wg_response *response = api_save_try(api_login("user"), doc, tei(doc), false);

    wg_expect_error(response, 403, "Only reviewers can create new gold standard files");
}

Test(files_save, user_without_role_may_not_create_versions, .description = "SAVE-X17")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(api_login("user"), gold, tei(doc), true);

    wg_expect_error(response, 403, "Only annotators or reviewers can create version files");
}

Test(files_save, user_without_role_may_not_edit_gold, .description = "SAVE-X17")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(api_login("user"), gold, tei(doc), false);

    wg_expect_error(response, 403, "Only reviewers can edit gold standard files");
}

Test(files_save, user_without_role_may_not_edit_versions, .description = "SAVE-X17")
{
    char *doc = api_nonce("doc"), *version = api_version(api_gold(doc, NULL), doc);

    struct wg_response *response = api_save_try(api_login("user"), version, tei(doc), false);

    wg_expect_error(response, 403, "Only annotators or reviewers can edit version files");
}

Test(files_save, refused_save_takes_no_lock, .description = "SAVE-X17")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    wg_expect_status(api_save_try(api_login("user"), gold, tei(doc), false), 403);

    api_expect_lock(api_login("reviewer"), gold, NULL);
}

Test(files_save, reviewer_may_create_versions, .description = "SAVE-X18")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);

    struct wg_response *response = api_save_try(api_login("reviewer"), gold, tei(doc), true);

    cr_assert(ne(str, (char *)api_expect_saved(response, "new"), gold));
}

Test(files_save, reviewer_may_edit_versions, .description = "SAVE-X18")
{
    char *doc = api_nonce("doc"), *version = api_version(api_gold(doc, NULL), doc);

    struct wg_response *response = api_save_try(api_login("reviewer"), version, tei(doc), false);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), version));
}

Test(files_save, wildcard_role_may_do_all, .description = "SAVE-X19")
{
    struct wg_http *admin = api_login("admin");
    char *doc = api_nonce("doc");

    const char *gold = api_expect_saved(api_save_try(admin, doc, tei(doc), false), "new_gold");
    const char *version = api_expect_saved(api_save_try(admin, gold, tei(doc), true), "new");

    api_expect_saved(api_save_try(admin, gold, tei(doc), false), "saved");
    api_expect_saved(api_save_try(admin, version, tei(doc), false), "saved");
}

Test(files_save, document_starts_in_the_inbox, .description = "SAVE-X22")
{
    char *gold = api_gold(api_nonce("doc"), NULL);

    api_expect_meta(api_login("reviewer"), gold, json_pack("{s:[s]}", "doc_collections", "_inbox"));
}

Test(files_save, collections_come_from_the_pdf, .description = "SAVE-X23")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc);
    api_move(pdf, "default");

    char *gold = api_gold(doc, NULL);

    api_expect_meta(reviewer, gold, json_pack("{s:[s]}", "doc_collections", "default"));
}

/* A document in a collection that only the wildcard user sees; its PDF. */
static char *hidden_document(const char *doc, const char *collection)
{
    char *pdf = api_pdf(doc);
    api_collection(collection);
    api_move(pdf, collection);
    return pdf;
}

Test(files_save, gold_of_an_invisible_document_is_refused, .description = "SAVE-X24")
{
    char *doc = api_nonce("doc"), *collection = api_nonce("c");
    hidden_document(doc, collection);

    struct wg_response *response = api_save_try(api_login("reviewer"), doc, tei(doc), false);

    wg_expect_error(
        response, 403,
        wg_format("You do not have access to any of this document's collections: %s", collection));
}

Test(files_save, version_of_an_invisible_document_is_refused, .description = "SAVE-X24")
{
    char *doc = api_nonce("doc"), *collection = api_nonce("c");
    char *pdf = hidden_document(doc, collection);

    struct wg_response *response = api_save_try(api_login("reviewer"), pdf, tei(doc), true);

    wg_expect_error(
        response, 403,
        wg_format("You do not have access to any of this document's collections: %s", collection));
}

Test(files_save, update_in_an_invisible_collection_is_refused, .description = "SAVE-X24")
{
    char *doc = api_nonce("doc"), *collection = api_nonce("c");
    char *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    api_collection(collection);
    api_move(pdf, collection);

    struct wg_response *response = api_save_try(api_login("reviewer"), gold, tei(doc), false);

    wg_expect_error(
        response, 403,
        wg_format("You do not have access to any of this document's collections: %s", collection));
}
