/* SPDX-License-Identifier: MIT */
/*
 * files_garbage_collect.c - POST /files/garbage_collect: who may collect what, and what is gone
 * then.
 *
 * A collection is global: it purges the deleted rows of all tests and sweeps all content without a
 * row. So nothing else may run beside these tests; by hand that takes -j1 and no other client.
 * Cutoffs have the granularity of a day (UTC), so they stay two days away from the rows they are
 * to hit or to spare.
 */
#include "harness/base/str.h"
#include "harness/suite/suite.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COLLECT     "/api/v1/files/garbage_collect"
#define ADMIN_ONLY  "Admin role required to garbage collect files deleted within the last 24 hours"
#define ROUNDS      8
#define COLLECTIONS 3
#define UPLOADS     2
#define SAVES       3
#define MINUTE      60L
#define HOUR        (60 * MINUTE)
#define DAY         (24 * HOUR)

TestSuite(files_garbage_collect, .data = &(struct wg_test_options){.exclusive = true});

/* The time so many seconds from now, as the contract writes it. */
static char *from_now(long seconds)
{
    char text[32];
    time_t when = time(NULL) + seconds;
    struct tm parts;
    cr_assert(gmtime_r(&when, &parts) != NULL);
    cr_assert(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
    return wg_strdup(text);
}

static struct wg_response *collect(struct wg_http *http, const char *cutoff)
{
    return wg_http_post_json(http, COLLECT, json_pack("{s:s}", "deleted_before", cutoff));
}

static struct wg_response *collect_status(struct wg_http *http, const char *cutoff,
                                          const char *status)
{
    return wg_http_post_json(
        http, COLLECT, json_pack("{s:s,s:s}", "deleted_before", cutoff, "sync_status", status));
}

static void expect_counts(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_size(response, "", eq, 3);
    wg_expect_int(response, "purged_count", ge, 0);
    wg_expect_int(response, "files_deleted", ge, 0);
    wg_expect_int(response, "storage_freed", ge, 0);
}

static void expect_nothing_done(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(
        response, "",
        json_pack("{s:i,s:i,s:i}", "purged_count", 0, "files_deleted", 0, "storage_freed", 0));
}

/* Makes a PDF and deletes it; its stable id. Uploading the bytes again tells whether its row is
 * still there. */
static char *deleted_pdf(struct wg_http *http, const char *name, const char *bytes)
{
    char *pdf = api_upload(http, name, bytes, strlen(bytes));
    api_delete(http, pdf);
    return pdf;
}

static bool has_survived(struct wg_http *http, const char *pdf, const char *name, const char *bytes)
{
    return strcmp(api_upload(http, name, bytes, strlen(bytes)), pdf) == 0;
}

/* Puts content that no row knows into the store; its path. */
static char *stray_content(void)
{
    char *name = api_nonce("stray"), *hash = api_sha256(name, strlen(name));
    char *path = api_stored_path(hash, API_PDF);
    char *shard = wg_strndup(path, (size_t)(strrchr(path, '/') - path));
    mkdir(shard, 0777); /* may be there */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    cr_assert(fd >= 0, "cannot create %s", path);
    cr_assert(write(fd, name, strlen(name)) == (ssize_t)strlen(name));
    close(fd);
    return path;
}

Test(files_garbage_collect, admin_gets_three_counts, .description = "GC-03")
{
    expect_counts(collect(api_login("admin"), from_now(-5 * DAY)));
}

Test(files_garbage_collect, sync_status_is_a_filter, .description = "GC-04")
{
    expect_counts(collect_status(api_login("admin"), from_now(365 * DAY), "pending_delete"));
}

Test(files_garbage_collect, nothing_is_older_than_the_system, .description = "GC-05")
{
    expect_nothing_done(collect(api_login("admin"), "2000-01-01T00:00:00Z"));
}

Test(files_garbage_collect, text_that_is_no_time_is_refused, .description = "GC-06")
{
    wg_expect_422(collect(api_login("admin"), "invalid-timestamp"), "body", "deleted_before");
}

Test(files_garbage_collect, anonymous_is_refused, .description = "GC-07")
{
    wg_expect_error(collect(api_anonymous(), from_now(-5 * DAY)), 401, "Authentication required");
}

Test(files_garbage_collect, cutoff_is_required, .description = "GC-08")
{
    wg_expect_422(wg_http_post_json(api_login("admin"), COLLECT, json_object()), "body",
                  "deleted_before");
}

struct age {
    char label[32];
    long seconds;
};

ParameterizedTestParameters(files_garbage_collect, young_files_are_for_admins)
{
    static struct age rows[] = {
        {"one hour", -HOUR},
        {"a minute less than a day", -DAY + MINUTE},
        {"the future", DAY},
    };
    return cr_make_param_array(struct age, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct age *row, files_garbage_collect, young_files_are_for_admins,
                  .description = "GC-09 GC-X01 GC-X02")
{
    wg_expect_error(collect(api_login("annotator"), from_now(row->seconds)), 403, ADMIN_ONLY);
}

ParameterizedTestParameters(files_garbage_collect, old_files_are_for_everyone)
{
    static struct age rows[] = {{"a second more than a day", -DAY - 1}, {"two days", -2 * DAY}};
    return cr_make_param_array(struct age, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct age *row, files_garbage_collect, old_files_are_for_everyone,
                  .description = "GC-10 GC-13")
{
    expect_counts(collect(api_login("annotator"), from_now(row->seconds)));
}

Test(files_garbage_collect, wildcard_role_may_collect_young_files, .description = "GC-11")
{
    expect_counts(collect(api_login("admin"), from_now(-HOUR)));
}

Test(files_garbage_collect, literal_admin_may_collect_young_files, .description = "GC-X09")
{
    struct wg_http *admin = api_user(API_LIST("admin"), NULL, NULL);

    expect_counts(collect(admin, from_now(0)));
}

Test(files_garbage_collect, reviewer_may_not_collect_young_files, .description = "GC-X01")
{
    wg_expect_error(collect(api_login("reviewer"), from_now(-HOUR)), 403, ADMIN_ONLY);
}

Test(files_garbage_collect, deleted_pdf_is_purged, .description = "GC-X03")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
    char *pdf = deleted_pdf(reviewer, name, bytes);

    struct wg_response *response = collect(api_login("admin"), from_now(2 * DAY));

    wg_expect_status(response, 200);
    wg_expect_int(response, "purged_count", ge, 1);
    wg_expect_int(response, "files_deleted", ge, 1);
    wg_expect_int(response, "storage_freed", ge, (int64_t)strlen(bytes));
    cr_assert(not(has_survived(reviewer, pdf, name, bytes)));
}

Test(files_garbage_collect, content_of_a_purged_pdf_leaves_the_disk, .description = "GC-X03")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
    char *pdf = deleted_pdf(reviewer, name, bytes), *hash = api_sha256(bytes, strlen(bytes));
    cr_assert(api_is_stored(hash, API_PDF));

    expect_counts(collect(api_login("admin"), from_now(2 * DAY)));

    cr_assert(not(api_is_stored(hash, API_PDF)));
    cr_assert(
        eq(i64, wg_db_int("metadata", "SELECT count(*) FROM files WHERE stable_id = ?", pdf), 0));
    cr_assert(eq(
        i64, wg_db_int("metadata", "SELECT count(*) FROM storage_refs WHERE file_hash = ?", hash),
        0));
}

Test(files_garbage_collect, content_of_a_purged_tei_can_be_saved_again, .description = "GC-X04")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = api_tei(doc, NULL, NULL);
    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");
    api_delete(reviewer, gold);

    expect_counts(collect(api_login("admin"), from_now(2 * DAY)));

    api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");
}

Test(files_garbage_collect, rows_of_another_sync_status_survive, .description = "GC-X05")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
    char *pdf = deleted_pdf(reviewer, name, bytes);

    expect_counts(collect_status(api_login("admin"), from_now(2 * DAY), "deletion_synced"));

    cr_assert(has_survived(reviewer, pdf, name, bytes));
}

Test(files_garbage_collect, rows_younger_than_the_cutoff_survive, .description = "GC-X06")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
    char *pdf = deleted_pdf(reviewer, name, bytes);

    expect_counts(collect(api_login("admin"), from_now(-2 * DAY)));

    cr_assert(has_survived(reviewer, pdf, name, bytes));
}

Test(files_garbage_collect, live_files_survive, .description = "GC-X07")
{
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    expect_counts(collect(api_login("admin"), from_now(2 * DAY)));

    wg_expect_status(api_serve(reviewer, pdf), 200);
    wg_expect_status(api_serve(reviewer, gold), 200);
}

Test(files_garbage_collect, time_without_zone_is_accepted, .description = "GC-X08")
{
    expect_nothing_done(collect(api_login("user"), "2001-01-01T00:00:00"));
}

Test(files_garbage_collect, second_run_finds_nothing, .description = "GC-X10")
{
    struct wg_http *admin = api_login("admin");
    deleted_pdf(admin, wg_format("%s.pdf", api_nonce("doc")), api_pdf_bytes());
    char *cutoff = from_now(2 * DAY);
    wg_expect_int(collect(admin, cutoff), "purged_count", ge, 1);

    expect_nothing_done(collect(admin, cutoff));
}

Test(files_garbage_collect, old_rows_are_collected_for_everyone, .description = "GC-X11")
{
    api_need_data();
    struct wg_http *annotator = api_login("annotator");
    char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
    char *pdf = deleted_pdf(annotator, name, bytes);
    wg_db_exec("metadata",
               "UPDATE files SET updated_at = datetime('now','-3 days') WHERE stable_id = ?", pdf);

    expect_counts(collect(annotator, from_now(-2 * DAY)));

    cr_assert(not(has_survived(annotator, pdf, name, bytes)));
}

Test(files_garbage_collect, content_without_a_row_is_swept, .description = "GC-X12")
{
    api_need_data();
    struct wg_http *admin = api_login("admin");
    char *stray = stray_content();
    deleted_pdf(admin, wg_format("%s.pdf", api_nonce("doc")), api_pdf_bytes());

    expect_counts(collect(admin, from_now(2 * DAY)));

    cr_assert(access(stray, F_OK) != 0, "%s is still there", stray);
}

Test(files_garbage_collect, nothing_is_swept_without_a_candidate, .description = "GC-X13")
{
    api_need_data();
    char *stray = stray_content();

    expect_nothing_done(collect(api_login("admin"), "2000-01-01T00:00:00Z"));

    bool there = access(stray, F_OK) == 0;
    unlink(stray);
    rmdir(dirname(stray)); /* unless others keep content there */
    cr_assert(there, "the stray content is gone");
}

/* Each round a deleted PDF is uploaded again while collections purge it, beside first saves:
 * whatever comes first, what was answered with 200 can be read afterwards. */
Test(files_garbage_collect, collections_beside_writers_lose_nothing, .description = "GC-X07")
{
    struct wg_http *admin = api_login("admin");

    for (int round = 0; round < ROUNDS; round++) {
        char *name = wg_format("%s.pdf", api_nonce("doc")), *bytes = api_pdf_bytes();
        char *docs[SAVES], *cutoff = from_now(2 * DAY);
        const struct wg_part parts[] = {{"file", name, "application/pdf", bytes, strlen(bytes)},
                                        {0}};
        struct wg_request requests[COLLECTIONS + UPLOADS + SAVES] = {0};
        struct wg_response *responses[COLLECTIONS + UPLOADS + SAVES];
        struct wg_response **uploads = responses + COLLECTIONS, **saves = uploads + UPLOADS;
        deleted_pdf(admin, name, bytes);
        for (size_t i = 0; i < COLLECTIONS; i++)
            requests[i] = (struct wg_request){.path = COLLECT,
                                              .json = json_pack("{s:s}", "deleted_before", cutoff)};
        for (size_t i = 0; i < UPLOADS; i++)
            requests[COLLECTIONS + i] =
                (struct wg_request){.path = "/api/v1/files/upload", .parts = parts};
        for (size_t i = 0; i < SAVES; i++) {
            docs[i] = api_nonce("doc");
            requests[COLLECTIONS + UPLOADS + i] =
                (struct wg_request){.path = "/api/v1/files/save",
                                    .json = json_pack("{s:s,s:s}", "file_id", docs[i], "xml_string",
                                                      api_tei(docs[i], NULL, NULL))};
        }

        wg_http_send_all(admin, requests, COLLECTIONS + UPLOADS + SAVES, responses);

        for (size_t i = 0; i < COLLECTIONS; i++)
            expect_counts(responses[i]);
        for (size_t i = 0; i < UPLOADS; i++) {
            wg_expect_status(uploads[i], 200);
            wg_expect_body(api_serve(admin, wg_require_str(uploads[i], "filename")), bytes);
        }
        for (size_t i = 0; i < SAVES; i++)
            wg_expect_status(api_serve(admin, api_expect_saved(saves[i], "new_gold")), 200);
    }
}
