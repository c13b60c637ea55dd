/* SPDX-License-Identifier: MIT */
/*
 * files_gold.c - POST /files/{id}/gold-standard: one gold file a document and variant.
 *
 * The right belongs to the literal roles reviewer and admin, which is why the wildcard user is not
 * asked here.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#define NO_ROLE "Only reviewers and admins can set gold standard"

static struct wg_response *promote(struct wg_http *http, const char *id)
{
    return wg_http_post(http, wg_http_path(http, "/api/v1/files/%s/gold-standard", id));
}

static void expect_promoted(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s}", "message", "File set as gold standard successfully"));
}

/* What the file list says of an artifact, which must be in it. */
static bool is_listed_as_gold(struct wg_http *http, const char *doc, const char *id)
{
    json_t *artifacts = json_object_get(api_list_find(http, doc), "artifacts");
    json_t *artifact = api_find(artifacts, "id", id);
    cr_assert(artifact != NULL, "%s is not in the list", id);
    return json_is_true(json_object_get(artifact, "is_gold_standard"));
}

Test(files_gold, version_is_promoted, .description = "META-11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc");
    api_pdf(doc);
    char *gold = api_gold(doc, NULL), *version = api_version(gold, doc);

    expect_promoted(promote(reviewer, version));

    cr_assert(is_listed_as_gold(reviewer, doc, version));
    cr_assert(not(is_listed_as_gold(reviewer, doc, gold)));
}

Test(files_gold, promotion_demotes_the_old_gold, .description = "META-X09")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);

    expect_promoted(promote(reviewer, version));

    api_expect_meta(reviewer, gold, json_pack("{s:b,s:n}", "is_gold_standard", 0, "version"));
    api_expect_meta(reviewer, version,
                    json_pack("{s:b,s:i,s:o}", "is_gold_standard", 1, "version", 1, "filename",
                              json_sprintf("%s.v1.tei.xml", doc)));
}

Test(files_gold, promotion_is_per_variant, .description = "META-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL);
    char *other = api_gold(doc, "v"), *version = api_version(gold, doc);

    expect_promoted(promote(reviewer, version));

    api_expect_meta(reviewer, other, json_pack("{s:b}", "is_gold_standard", 1));
    api_expect_meta(reviewer, gold, json_pack("{s:b}", "is_gold_standard", 0));
}

Test(files_gold, other_documents_keep_their_gold, .description = "META-X10")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    char *bystander = api_gold(api_nonce("doc"), NULL);

    expect_promoted(promote(reviewer, version));

    api_expect_meta(reviewer, bystander, json_pack("{s:b}", "is_gold_standard", 1));
}

Test(files_gold, promotion_can_be_repeated, .description = "META-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);

    expect_promoted(promote(reviewer, version));
    expect_promoted(promote(reviewer, version));

    api_expect_meta(reviewer, version, json_pack("{s:b}", "is_gold_standard", 1));
    api_expect_meta(reviewer, gold, json_pack("{s:b}", "is_gold_standard", 0));
}

Test(files_gold, literal_admin_may_promote, .description = "META-X12")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    struct wg_http *admin = api_user(API_LIST("admin"), API_LIST("default"), NULL);

    expect_promoted(promote(admin, version));

    api_expect_meta(admin, version, json_pack("{s:b}", "is_gold_standard", 1));
}

Test(files_gold, annotator_may_not_promote, .description = "META-12")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    struct wg_http *annotator = api_login("annotator");

    wg_expect_error(promote(annotator, version), 403, NO_ROLE);

    api_expect_meta(annotator, gold, json_pack("{s:b}", "is_gold_standard", 1));
}

Test(files_gold, user_without_role_may_not_promote, .description = "META-X12")
{
    wg_expect_error(promote(api_login("user"), api_gold(api_nonce("doc"), NULL)), 403, NO_ROLE);
}

Test(files_gold, anonymous_may_not_promote, .description = "META-X12")
{
    wg_expect_error(promote(api_anonymous(), api_gold(api_nonce("doc"), NULL)), 401,
                    "Authentication required");
}

Test(files_gold, without_visible_collection_is_refused, .description = "META-X12")
{
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);
    api_move(pdf, api_nonce("c"));

    wg_expect_error(promote(api_login("reviewer"), gold), 403, API_NO_CHANGE);
}

Test(files_gold, unknown_file_gets_404, .description = "META-13")
{
    char *none = api_nonce("none");

    wg_expect_error(promote(api_login("reviewer"), none), 404,
                    wg_format("File not found: %s", none));
}

Test(files_gold, role_is_checked_before_existence, .description = "META-X13")
{
    wg_expect_error(promote(api_login("annotator"), api_nonce("none")), 403, NO_ROLE);
}

Test(files_gold, former_gold_can_be_edited_without_being_reviewer, .description = "META-X19")
{
    struct wg_http *annotator = api_login("annotator");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    expect_promoted(promote(api_login("reviewer"), version));

    struct wg_response *response = api_save_try(annotator, gold, api_tei(doc, NULL, NULL), false);

    cr_assert(eq(str, (char *)api_expect_saved(response, "saved"), gold));
}

Test(files_gold, new_gold_is_closed_to_annotators, .description = "META-X19")
{
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *version = api_version(gold, doc);
    expect_promoted(promote(api_login("reviewer"), version));

    struct wg_response *response =
        api_save_try(api_login("annotator"), version, api_tei(doc, NULL, NULL), false);

    wg_expect_error(response, 403, "Only reviewers can edit gold standard files");
}
