/* SPDX-License-Identifier: MIT
 *
 * Garbage collection: purges soft-deleted rows, then sweeps stored files that no row knows.
 *
 * Cutoffs count by UTC date: a row deleted on the day of the cutoff qualifies whatever the time.
 * The sweep runs only when at least one row qualified, and inside the same transaction, so that no
 * upload can publish a file between the look into the directory and the look into the table.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FREE_FOR_ALL_SECONDS (24 * 3600)

const struct wg_field wg_garbage_fields[] = {
    {"deleted_before", WG_FIELD_TIME, WG_REQUIRED, NULL},
    {"sync_status", WG_FIELD_TEXT, 0, NULL},
    {0},
};

struct sweep {
    struct wg_req *req;
    struct wg_drops drops;
    int64_t purged;
    int64_t removed;
    int64_t freed;
};

static void drop_file(struct sweep *sweep, const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return;
    sweep->removed++;
    sweep->freed += status.st_size;
    wg_store_drop(&sweep->req->arena, &sweep->drops, path);
}

static int purge(struct sweep *sweep, const struct wg_files *files)
{
    struct wg_req *req = sweep->req;
    struct wg_conn *conn = req->conns[WG_DB_METADATA];
    for (size_t i = 0; i < files->count; i++) {
        const struct wg_file *file = &files->items[i];
        int64_t count = -1;
        if (wg_stmt_run(conn, "DELETE FROM files WHERE rowid = ?", "i", file->row) < 0 ||
            wg_stmt_int(conn, &count, "SELECT ref_count FROM storage_refs WHERE file_hash = ?", "s",
                        file->id) < 0)
            return -1;
        sweep->purged++;
        if (count != 0)
            continue;
        drop_file(sweep, wg_store_path(&req->app->store, &req->arena, file->id, file->file_type));
        if (wg_stmt_run(conn, "DELETE FROM storage_refs WHERE file_hash = ?", "s", file->id) < 0)
            return -1;
    }
    return 0;
}

static bool is_stored_name(const char *name)
{
    static const char *const types[] = {"pdf", "tei", "rng"};
    if (strspn(name, "0123456789abcdef") != WG_SHA256_HEX)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(name + WG_SHA256_HEX, wg_store_extension(types[i])) == 0)
            return true;
    return false;
}

static int sweep_file(struct sweep *sweep, const char *shard, const char *name)
{
    struct wg_req *req = sweep->req;
    struct wg_conn *conn = req->conns[WG_DB_METADATA];
    char *hash = wg_arena_strndup(&req->arena, name, WG_SHA256_HEX);
    char *path = wg_arena_format(&req->arena, "%s/%s", shard, name);
    int64_t one;
    int known = wg_stmt_int(conn, &one, "SELECT 1 FROM files WHERE id = ?", "s", hash);
    if (known != 0)
        return known < 0 ? -1 : 0;
    for (const struct wg_drop *drop = sweep->drops.first; drop != NULL; drop = drop->next)
        if (strcmp(drop->path, path) == 0)
            return 0;
    drop_file(sweep, path);
    return wg_stmt_run(conn, "DELETE FROM storage_refs WHERE file_hash = ?", "s", hash) < 0 ? -1
                                                                                            : 0;
}

static int sweep_shard(struct sweep *sweep, const char *shard)
{
    DIR *directory = opendir(shard);
    int rc = 0;
    if (directory == NULL)
        return 0;
    for (struct dirent *entry = readdir(directory); rc == 0 && entry != NULL;
         entry = readdir(directory))
        if (is_stored_name(entry->d_name))
            rc = sweep_file(sweep, shard, entry->d_name);
    closedir(directory);
    return rc;
}

static int sweep_orphans(struct sweep *sweep)
{
    struct wg_req *req = sweep->req;
    DIR *directory = opendir(req->app->store.root);
    int rc = 0;
    if (directory == NULL)
        return 0;
    for (struct dirent *entry = readdir(directory); rc == 0 && entry != NULL;
         entry = readdir(directory))
        if (strlen(entry->d_name) == 2 && entry->d_name[0] != '.')
            rc = sweep_shard(
                sweep, wg_arena_format(&req->arena, "%s/%s", req->app->store.root, entry->d_name));
    closedir(directory);
    return rc;
}

static int find_candidates(struct wg_req *req, double cutoff, struct wg_files *ret)
{
    time_t seconds = (time_t)cutoff;
    struct tm utc;
    char *text = wg_arena_alloc(&req->arena, 40);
    const char *status = wg_req_text(req, "sync_status");
    gmtime_r(&seconds, &utc);
    strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &utc);
    if (status == NULL)
        return wg_files_query(req, ret, WG_FILES_WHERE "deleted = 1 AND updated_at < ?", text, NULL,
                              NULL);
    return wg_files_query(req, ret,
                          WG_FILES_WHERE "deleted = 1 AND updated_at < ? AND sync_status = ?", text,
                          status, NULL);
}

int wg_garbage_collect(struct wg_req *req)
{
    struct sweep sweep = {.req = req};
    struct wg_files files;
    const json_t *before = json_object_get(req->json, "deleted_before");
    double cutoff = json_number_value(before);
    if (json_is_string(before) && wg_time_parse(json_string_value(before), &cutoff) < 0)
        return -1;
    if (wg_clock_unix() - cutoff < FREE_FOR_ALL_SECONDS && !wg_user_has_right(&req->user, "admin"))
        return wg_reply_detail(req, 403,
                               "Admin role required to garbage collect files deleted within the "
                               "last 24 hours");
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL || wg_conn_begin(conn) < 0 || find_candidates(req, cutoff, &files) < 0)
        return -1;
    if (files.count > 0 && (purge(&sweep, &files) < 0 || sweep_orphans(&sweep) < 0))
        return -1;
    if (wg_store_commit(&req->app->store, conn, &sweep.drops) < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:I,s:I,s:I}", "purged_count", (json_int_t)sweep.purged,
                                   "files_deleted", (json_int_t)sweep.removed, "storage_freed",
                                   (json_int_t)sweep.freed));
}
