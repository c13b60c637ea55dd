/* SPDX-License-Identifier: MIT */
/*
 * export.c - GET /export: which documents an archive holds, and under which names.
 *
 * Every test exports a collection of its own, so that what others make does not show; an export
 * without a filter is only asked about the test's own documents.
 */
#include "suites/api/api.h"
#include "suites/api/zip.h"

#include "harness/base/str.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT "/api/v1/export"

/* A document with a PDF, and a collection for it. The PDF lies in _inbox, where reviewers may save
 * to its document, until settle() moves it. */
struct document {
    const char *doc, *collection, *pdf;
};

static struct document document_new(void)
{
    struct document made = {.doc = api_nonce("doc"), .collection = api_nonce("collection")};
    api_collection(made.collection);
    made.pdf = api_pdf(made.doc);
    return made;
}

/* As admin: the document lies in its collection and nowhere else from now on. */
static void settle(const struct document *document)
{
    api_move(document->pdf, document->collection);
}

static struct wg_response *export_try(struct wg_http *http, const char *query)
{
    return wg_http_get(http, wg_http_path(http, EXPORT "?%s", query));
}

/* As admin: the archive of the collection, `more` appended to the query. */
static struct api_archive export_collection(const char *collection, const char *more)
{
    struct wg_http *admin = api_login("admin");
    return api_archive_read(
        wg_http_get(admin, wg_http_path(admin, EXPORT "?collections=%s%s", collection, more)));
}

#define expect_entry(archive, ...)                                                                 \
    cr_expect(api_archive_find((archive), wg_format(__VA_ARGS__)) != NULL, "no entry %s",          \
              wg_format(__VA_ARGS__))

/* ---- Who may export what ---- */

Test(export, needs_a_session, .description = "EXP-02")
{
    wg_expect_status(wg_http_get(api_anonymous(), EXPORT), 401);
}

Test(export, session_comes_before_the_query, .description = "EXP-X14")
{
    wg_expect_status(export_try(api_anonymous(), "include_versions=x"), 401);
    wg_expect_status(export_try(api_login("admin"), "include_versions=x"), 422);
}

Test(export, session_id_may_stand_in_the_query, .description = "EXP-03")
{
    struct document own = document_new();
    api_gold(own.doc, NULL);
    settle(&own);
    struct wg_http *anonymous = api_anonymous();

    struct api_archive archive =
        api_archive_read(wg_http_get(anonymous, wg_http_path(anonymous, EXPORT "?sessionId=%s",
                                                             api_session(api_login("admin")))));

    cr_expect(ge(sz, archive.count, 1));
}

Test(export, answer_is_an_attachment, .description = "EXP-X01")
{
    struct wg_response *response = export_try(api_login("user"), "collections=_inbox");

    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Type", "application/zip");
    wg_expect_header(response, "Content-Disposition", "attachment; filename=\"export.zip\"");
}

Test(export, unknown_grouping_is_refused, .description = "EXP-06 EXP-X02")
{
    wg_expect_error(export_try(api_login("user"), "group_by=invalid"), 400,
                    "Invalid group_by: invalid. Must be 'type', 'collection', or 'variant'");
}

Test(export, limited_caller_may_not_export_a_foreign_collection, .description = "EXP-X09")
{
    struct document own = document_new();
    settle(&own);
    struct wg_http *user = api_login("user");

    wg_expect_error(wg_http_get(user, wg_http_path(user, EXPORT "?collections=%s", own.collection)),
                    403, "You don't have access to any of the requested collections");
}

Test(export, foreign_part_of_a_request_is_left_out, .description = "EXP-X10")
{
    struct document own = document_new();
    api_gold(own.doc, NULL);
    settle(&own);
    struct wg_http *user = api_login("user");

    struct api_archive archive = api_archive_read(
        wg_http_get(user, wg_http_path(user, EXPORT "?collections=%s,_inbox", own.collection)));

    cr_expect(eq(sz, api_archive_count(&archive, own.doc), 0));
}

Test(export, user_without_groups_may_export_nothing, .description = "EXP-X11")
{
    struct wg_http *lonely = api_user(API_LIST("user"), NULL, NULL);

    wg_expect_error(wg_http_get(lonely, EXPORT), 403, "You don't have access to any collections");
}

/* ---- What is selected ---- */

Test(export, entries_equal_the_served_files, .description = "EXP-X03")
{
    struct document own = document_new();
    const char *gold = api_gold(own.doc, NULL);
    settle(&own);
    struct wg_http *admin = api_login("admin");
    struct api_archive archive = export_collection(own.collection, "");

    const char *pdf =
        api_archive_find(&archive, wg_format("%s/pdf/%s.pdf", own.collection, own.doc));
    const char *tei =
        api_archive_find(&archive, wg_format("%s/tei/%s.tei.xml", own.collection, own.doc));

    cr_assert(pdf != NULL && tei != NULL);
    wg_expect_body(api_serve(admin, own.pdf), pdf);
    wg_expect_body(api_serve(admin, gold), tei);
    cr_expect(eq(sz, archive.count, 2));
}

Test(export, collection_filter_puts_entries_below_its_name, .description = "EXP-04")
{
    struct document own = document_new();
    api_gold(own.doc, NULL);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "");

    cr_assert(ge(sz, archive.count, 1));
    cr_expect(
        eq(sz, api_archive_count(&archive, wg_format("^%s/", own.collection)), archive.count));
}

Test(export, pdf_without_gold_is_left_out, .description = "EXP-X04")
{
    struct document own = document_new();
    settle(&own);

    cr_expect(eq(sz, export_collection(own.collection, "").count, 0));
}

Test(export, every_pdf_has_its_gold, .description = "EXP-07")
{
    struct document own = document_new(), bare = document_new();
    api_gold(own.doc, NULL);
    settle(&own);
    api_move(bare.pdf, own.collection);
    struct api_archive archive = export_collection(own.collection, "&group_by=type");

    expect_entry(&archive, "pdf/%s.pdf", own.doc);
    cr_expect(eq(sz, api_archive_count(&archive, bare.doc), 0));
}

Test(export, versions_are_left_out_by_default, .description = "EXP-09")
{
    struct document own = document_new();
    api_version(api_gold(own.doc, NULL), own.doc);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "&group_by=type");

    cr_expect(eq(sz, api_archive_count(&archive, "versions/"), 0));
    cr_expect(eq(sz, api_archive_count(&archive, "^tei/"), 1));
}

Test(export, versions_are_included_on_request, .description = "EXP-X05")
{
    struct document own = document_new();
    api_version(api_gold(own.doc, NULL), own.doc);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "&include_versions=true");

    expect_entry(&archive, "%s/versions/%s.v1.tei.xml", own.collection, own.doc);
    cr_expect(eq(sz, archive.count, 3));
}

Test(export, variant_filter_keeps_its_variant_only, .description = "EXP-08")
{
    struct document own = document_new(), other = document_new();
    const char *variant = api_nonce("variant");
    api_gold(own.doc, variant);
    api_gold(other.doc, NULL);
    settle(&own);
    api_move(other.pdf, own.collection);
    struct api_archive archive =
        export_collection(own.collection, wg_format("&group_by=type&variants=%s", variant));

    expect_entry(&archive, "tei/%s.%s.tei.xml", own.doc, variant);
    expect_entry(&archive, "pdf/%s.pdf", own.doc);
    cr_expect(eq(sz, archive.count, 2));
}

Test(export, variant_may_be_a_pattern, .description = "EXP-X07")
{
    struct document own = document_new();
    const char *variant = api_nonce("variant");
    api_gold(own.doc, variant);
    api_gold(own.doc, api_nonce("other"));
    settle(&own);
    struct api_archive archive =
        export_collection(own.collection, wg_format("&variants=nothing,%.8s*", variant));

    expect_entry(&archive, "%s/tei/%s.%s.tei.xml", own.collection, own.doc, variant);
    cr_expect(eq(sz, api_archive_count(&archive, "other"), 0));
}

Test(export, question_mark_and_brackets_are_patterns_too, .description = "EXP-X07")
{
    struct document own = document_new();
    api_gold(own.doc, "v1");
    api_gold(own.doc, "w1");
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "&variants=%5Buv%5D%3F");

    cr_expect(eq(sz, api_archive_count(&archive, "\\.v1\\.tei"), 1));
    cr_expect(eq(sz, api_archive_count(&archive, "\\.w1\\.tei"), 0));
}

Test(export, unknown_variant_gives_an_empty_archive, .description = "EXP-X08")
{
    struct document own = document_new();
    api_gold(own.doc, NULL);
    settle(&own);

    cr_expect(eq(
        sz, export_collection(own.collection, wg_format("&variants=%s", api_nonce("v"))).count, 0));
}

Test(export, tei_without_pdf_is_in_an_unfiltered_export_only, .description = "EXP-X13")
{
    const char *doc = api_nonce("doc");
    api_gold(doc, NULL);
    struct wg_http *admin = api_login("admin");

    struct api_archive all = api_archive_read(wg_http_get(admin, EXPORT));
    struct api_archive inbox = export_collection("_inbox", "");

    cr_expect(eq(sz, api_archive_count(&all, doc), 1));
    cr_expect(eq(sz, api_archive_count(&inbox, doc), 0));
}

/* ---- Names ---- */

Test(export, group_by_type_has_directories_of_types, .description = "EXP-05")
{
    struct document own = document_new();
    api_gold(own.doc, NULL);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "&group_by=type");

    expect_entry(&archive, "pdf/%s.pdf", own.doc);
    expect_entry(&archive, "tei/%s.tei.xml", own.doc);
}

Test(export, group_by_variant_has_directories_of_variants, .description = "EXP-X06")
{
    struct document own = document_new();
    const char *variant = api_nonce("variant");
    api_gold(own.doc, variant);
    api_gold(own.doc, NULL);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "&group_by=variant");

    expect_entry(&archive, "pdf/%s.pdf", own.doc);
    expect_entry(&archive, "%s/%s.%s.tei.xml", variant, own.doc, variant);
    expect_entry(&archive, "default/%s.tei.xml", own.doc);
}

Test(export, document_of_two_collections_is_there_twice, .description = "EXP-X12")
{
    struct document own = document_new();
    const char *second = api_nonce("second");
    api_collection(second);
    api_gold(own.doc, NULL);
    settle(&own);
    api_copy(own.pdf, second);
    struct api_archive archive = export_collection(own.collection, "");

    expect_entry(&archive, "%s/pdf/%s.pdf", own.collection, own.doc);
    expect_entry(&archive, "%s/pdf/%s.pdf", second, own.doc);
}

Test(export, document_ids_are_encoded_in_names, .description = "EXP-X15")
{
    struct document own = document_new();
    const char *gold = api_gold(own.doc, NULL), *nonce = api_nonce("b");
    struct wg_http *reviewer = api_login("reviewer");
    wg_expect_status(wg_http_patch_json(reviewer,
                                        wg_http_path(reviewer, "/api/v1/files/%s/doc-id", gold),
                                        json_pack("{s:o}", "doc_id", json_sprintf("a:%s", nonce))),
                     200);
    settle(&own);
    struct api_archive archive = export_collection(own.collection, "");

    expect_entry(&archive, "%s/pdf/a$3A$%s.pdf", own.collection, nonce);
    expect_entry(&archive, "%s/tei/a$3A$%s.tei.xml", own.collection, nonce);
}
