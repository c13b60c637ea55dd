/* SPDX-License-Identifier: MIT */
/*
 * storage.c - content on disk and its reference counts, and the names of files.
 *
 * Content lives under the SHA-256 of its bytes, in a directory named by the first two digits. Each
 * test follows content of its own. All of them look at the server's disk, so they are skipped
 * without it; the shapes of the tables are in storage_schema.c.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define NAMES   50 /* files whose names are compared */
#define REFS    "SELECT ref_count FROM storage_refs WHERE file_hash = ?"
#define HAS_REF "SELECT count(*) FROM storage_refs WHERE file_hash = ?"

static void expect_stored_once(const char *hash)
{
    cr_assert(eq(i64, wg_db_int("metadata", REFS, hash), 1));
    cr_assert(api_is_stored(hash, API_TEI));
}

static void expect_not_stored(const char *hash)
{
    cr_assert(eq(i64, wg_db_int("metadata", HAS_REF, hash), 0));
    cr_assert(not(api_is_stored(hash, API_TEI)));
}

/* How many names in the store begin with the hash. */
static size_t names_of(const char *hash)
{
    char *path = wg_format("%s/files/%.2s", wg_data_dir(), hash);
    DIR *directory = opendir(path);
    cr_assert(directory != NULL, "cannot open %s", path);
    size_t found = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        found += wg_str_starts(entry->d_name, hash);
    closedir(directory);
    return found;
}

Test(storage, saved_content_is_stored_and_counted, .description = "STOR-01")
{
    api_need_data();

    char *gold = api_gold(api_nonce("doc"), NULL);

    expect_stored_once(api_hash(api_login("reviewer"), gold));
}

Test(storage, stored_bytes_are_the_served_bytes, .description = "STOR-01")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL), *hash = api_hash(reviewer, gold);

    struct wg_response *served = api_serve(reviewer, gold);

    cr_assert(eq(str, api_sha256(served->body.data, served->body.size), hash));
    FILE *file = fopen(api_stored_path(hash, API_TEI), "re");
    cr_assert(file != NULL);
    char *stored = wg_calloc(served->body.size + 2, 1);
    cr_assert(eq(sz, fread(stored, 1, served->body.size + 1, file), served->body.size));
    fclose(file);
    cr_assert(eq(str, stored, served->body.data));
}

Test(storage, same_text_in_two_documents_is_stored_twice, .description = "STOR-02")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *text = api_nonce("text"), *hashes[2];

    for (size_t i = 0; i < 2; i++) {
        char *doc = api_nonce("doc");
        struct wg_response *response = api_save_try(reviewer, doc, api_tei(doc, NULL, text), false);
        hashes[i] = api_hash(reviewer, api_expect_saved(response, "new_gold"));
    }

    cr_assert(ne(str, hashes[0], hashes[1]));
    expect_stored_once(hashes[0]);
    expect_stored_once(hashes[1]);
}

Test(storage, deletion_removes_content_and_count, .description = "STOR-03 STOR-04")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *first = api_gold(api_nonce("doc"), NULL), *second = api_gold(api_nonce("doc"), NULL);
    char *first_hash = api_hash(reviewer, first), *second_hash = api_hash(reviewer, second);

    api_delete(reviewer, first);
    expect_not_stored(first_hash);
    expect_stored_once(second_hash);

    api_delete(reviewer, second);
    expect_not_stored(second_hash);
}

Test(storage, change_of_content_removes_the_old, .description = "STOR-05")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *gold = api_gold(doc, NULL), *before = api_hash(reviewer, gold);

    api_save(reviewer, gold, api_tei(doc, NULL, NULL), false);

    expect_not_stored(before);
    expect_stored_once(api_hash(reviewer, gold));
}

Test(storage, saving_the_same_content_keeps_the_count, .description = "STOR-05")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *gold = api_gold(api_nonce("doc"), NULL);
    char *xml = wg_strdup(api_serve(reviewer, gold)->body.data);

    api_save(reviewer, gold, xml, false);

    expect_stored_once(api_hash(reviewer, gold));
}

Test(storage, upload_counts_twice, .description = "STOR-X06")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *pdf = api_pdf(api_nonce("doc")), *hash = api_hash(reviewer, pdf);
    cr_assert(eq(i64, wg_db_int("metadata", REFS, hash), 2));

    api_delete(reviewer, pdf);

    cr_assert(eq(i64, wg_db_int("metadata", REFS, hash), 1));
    cr_assert(api_is_stored(hash, API_PDF));
}

Test(storage, no_temporary_name_remains, .description = "STOR-X08")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *pdf = api_pdf(doc), *gold = api_gold(doc, NULL);

    cr_assert(eq(sz, names_of(api_hash(reviewer, pdf)), 1));
    cr_assert(eq(sz, names_of(api_hash(reviewer, gold)), 1));
}

Test(storage, stable_ids_are_readable_and_unique, .description = "STOR-X09")
{
    char *ids[NAMES];

    for (size_t i = 0; i < NAMES; i++) {
        ids[i] = api_pdf(api_nonce("doc"));
        size_t size = strlen(ids[i]);
        cr_assert(size >= 6 && size <= 12, "%s", ids[i]);
        cr_assert(strspn(ids[i], "abcdefghjkmnpqrstuvwxyz23456789") == size, "%s", ids[i]);
        for (size_t k = 0; k < i; k++)
            cr_assert(ne(str, ids[i], ids[k]));
    }
}

Test(storage, new_row_has_its_defaults, .description = "STOR-X05")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);

    char *row = wg_db_text(
        "metadata",
        "SELECT printf('%s %s %s %s %s %s', deleted, sync_status, doc_id_type, mime_type IS NULL, "
        "remote_version IS NULL, sync_hash IS NULL) FROM files WHERE stable_id = ?",
        gold);

    cr_assert(eq(str, row, "0 modified custom 1 1 1"));
}

Test(storage, columns_of_a_new_row_are_json, .description = "STOR-X05")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);

    char *row = wg_db_text("metadata",
                           "SELECT json_type(doc_collections) || ' ' || "
                           "json_type(coalesce(doc_metadata, '{}')) || ' ' || "
                           "json_type(coalesce(file_metadata, '{}')) FROM files "
                           "WHERE stable_id = ?",
                           gold);

    cr_assert(eq(str, row, "array object object"));
}

Test(storage, times_of_a_new_row_are_now_in_utc, .description = "STOR-X05")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);

    int64_t oldest = wg_db_int("metadata",
                               "SELECT max(strftime('%s','now') - strftime('%s', created_at), "
                               "strftime('%s','now') - strftime('%s', updated_at), "
                               "strftime('%s','now') - strftime('%s', local_modified_at)) "
                               "FROM files WHERE stable_id = ?",
                               gold);
    int64_t plain = wg_db_int("metadata",
                              "SELECT datetime(created_at) = created_at AND "
                              "datetime(updated_at) = updated_at FROM files WHERE stable_id = ?",
                              gold);

    cr_assert(oldest >= 0 && oldest <= 30, "a time is %d seconds old", (int)oldest);
    cr_assert(eq(i64, plain, 1));
}
