/* SPDX-License-Identifier: MIT */
#include "tools/refserver/filerow.h"

#include "tools/refserver/app.h"

#include <string.h>

static const char *text_column(struct wg_req *req, sqlite3_stmt *row, int column)
{
    return wg_arena_strdup(&req->arena, (const char *)sqlite3_column_text(row, column));
}

/* JSON of a column, or the given empty value. */
static json_t *json_column(struct wg_req *req, sqlite3_stmt *row, int column, json_t *empty)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    json_error_t error;
    json_t *value = text != NULL ? json_loads(text, JSON_ALLOW_NUL, &error) : NULL;
    if (value != NULL && json_typeof(value) == json_typeof(empty)) {
        json_decref(empty);
        return wg_arena_json(&req->arena, value);
    }
    json_decref(value);
    return wg_arena_json(&req->arena, empty);
}

static void read_row(struct wg_req *req, sqlite3_stmt *row, struct wg_file *ret)
{
    ret->row = sqlite3_column_int64(row, 0);
    const char **texts[] = {&ret->id,         &ret->stable_id,
                            &ret->filename,   &ret->doc_id,
                            &ret->file_type,  &ret->label,
                            &ret->variant,    &ret->sync_status,
                            &ret->sync_hash,  &ret->local_modified_at,
                            &ret->created_at, &ret->updated_at};
    for (int i = 0; i < 12; i++)
        *texts[i] = text_column(req, row, i + 1);
    ret->file_size = sqlite3_column_int64(row, 13);
    ret->has_version = sqlite3_column_type(row, 14) != SQLITE_NULL;
    ret->version = sqlite3_column_int64(row, 14);
    ret->gold = sqlite3_column_int(row, 15) != 0;
    ret->deleted = sqlite3_column_int(row, 16) != 0;
    ret->collections = json_column(req, row, 17, json_array());
    ret->doc_metadata = json_column(req, row, 18, json_object());
    ret->file_metadata = json_column(req, row, 19, json_object());
}

int wg_files_query(struct wg_req *req, struct wg_files *ret, const char *sql, const char *a,
                   const char *b, const char *c)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL)
        return -1;
    const char *types = a == NULL ? "" : b == NULL ? "s" : c == NULL ? "ss" : "sss";
    sqlite3_stmt *row = wg_stmt_start(conn, sql, types, a, b, c);
    size_t room = 0;
    int got;
    *ret = (struct wg_files){0};
    while ((got = wg_stmt_step(conn, row)) == 1) {
        if (ret->count == room) {
            room = room == 0 ? 4 : room * 2;
            struct wg_file *more = wg_arena_alloc(&req->arena, room * sizeof *more);
            if (ret->count > 0)
                memcpy(more, ret->items, ret->count * sizeof *more);
            ret->items = more;
        }
        read_row(req, row, &ret->items[ret->count++]);
    }
    return got;
}

static int find_one(struct wg_req *req, const char *sql, const char *a, struct wg_file *ret)
{
    struct wg_files files;
    if (wg_files_query(req, &files, sql, a, NULL, NULL) < 0)
        return -1;
    if (files.count == 0)
        return 0;
    *ret = files.items[0];
    return 1;
}

int wg_file_find_stable(struct wg_req *req, const char *id, struct wg_file *ret)
{
    return find_one(req, WG_FILES_WHERE WG_LIVE "stable_id = ?", id, ret);
}

int wg_file_find(struct wg_req *req, const char *id, struct wg_file *ret)
{
    if (strlen(id) != WG_SHA256_HEX)
        return wg_file_find_stable(req, id, ret);
    return find_one(req, WG_FILES_WHERE WG_LIVE "id = ?", id, ret);
}

int wg_file_find_content(struct wg_req *req, const char *hash, struct wg_file *ret)
{
    return find_one(req, WG_FILES_WHERE "id = ?", hash, ret);
}

int wg_file_find_pdf(struct wg_req *req, const char *doc_id, struct wg_file *ret)
{
    return find_one(
        req, WG_FILES_WHERE WG_LIVE "doc_id = ? AND file_type = 'pdf' ORDER BY rowid LIMIT 1",
        doc_id, ret);
}

/* A stable id that nobody has, one character longer after each collision. */
static int make_stable_id(struct wg_req *req, struct wg_conn *conn, const char **ret)
{
    static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
    for (size_t length = WG_STABLE_ID_MIN; length <= WG_STABLE_ID_MAX; length++) {
        unsigned char noise[WG_STABLE_ID_MAX];
        char *id = wg_arena_alloc(&req->arena, length + 1);
        int64_t one;
        wg_random_bytes(noise, sizeof noise);
        for (size_t i = 0; i < length; i++)
            id[i] = alphabet[noise[i] % (sizeof alphabet - 1)];
        int taken = wg_stmt_int(conn, &one, "SELECT 1 FROM files WHERE stable_id = ?", "s", id);
        if (taken < 0)
            return -1;
        *ret = id;
        if (taken == 0)
            return 0;
    }
    wg_fail_set(&req->fail, 0, "no free stable id");
    return -1;
}

int wg_file_insert(struct wg_req *req, struct wg_file *file)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    struct wg_file other;
    int taken = conn == NULL ? -1 : wg_file_find_content(req, file->id, &other);
    if (taken != 0) {
        /* The check stands in for the constraint, so that an expected refusal logs no error. */
        if (taken > 0)
            wg_fail_set(&req->fail, SQLITE_CONSTRAINT_PRIMARYKEY,
                        "UNIQUE constraint failed: files.id");
        return -1;
    }
    if (make_stable_id(req, conn, &file->stable_id) < 0 ||
        wg_stmt_run(conn,
                    "INSERT INTO files (id, stable_id, filename, doc_id, doc_id_type, file_type, "
                    "file_size, label, variant, version, is_gold_standard, local_modified_at, "
                    "sync_status, doc_collections, doc_metadata, file_metadata) "
                    "VALUES (?, ?, ?, ?, 'custom', ?, ?, ?, ?, iif(?, ?, NULL), ?, "
                    "CURRENT_TIMESTAMP, 'modified', ?, ?, ?)",
                    "sssssissiiisss", file->id, file->stable_id, file->filename, file->doc_id,
                    file->file_type, file->file_size, file->label, file->variant,
                    (int64_t)file->has_version, file->version, (int64_t)file->gold,
                    wg_arena_json_text(&req->arena, file->collections),
                    wg_arena_json_text(&req->arena, file->doc_metadata),
                    wg_arena_json_text(&req->arena, file->file_metadata)) < 0)
        return -1;
    return wg_reference_add(req, file->id, file->file_type);
}

int wg_file_soft_delete(struct wg_req *req, const struct wg_file *file, struct wg_drops *drops)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL ||
        wg_stmt_run(conn,
                    "UPDATE files SET deleted = 1, sync_status = 'pending_delete', "
                    "local_modified_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP "
                    "WHERE rowid = ?",
                    "i", file->row) < 0)
        return -1;
    return wg_reference_drop(req, file->id, file->file_type, drops);
}

int wg_file_set_collections(struct wg_req *req, const struct wg_file *file,
                            const json_t *collections)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL)
        return -1;
    return wg_stmt_run(conn,
                       "UPDATE files SET doc_collections = ?, sync_status = 'modified', "
                       "local_modified_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP "
                       "WHERE rowid = ?",
                       "si", wg_arena_json_text(&req->arena, collections), file->row) < 0
               ? -1
               : 0;
}

int wg_reference_add(struct wg_req *req, const char *hash, const char *file_type)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL)
        return -1;
    if (wg_break_loses_update(req->app))
        return 0;
    return wg_stmt_run(conn,
                       "INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES (?, ?, "
                       "1) ON CONFLICT (file_hash) DO UPDATE SET ref_count = ref_count + 1, "
                       "updated_at = CURRENT_TIMESTAMP",
                       "ss", hash, file_type) < 0
               ? -1
               : 0;
}

int wg_reference_drop(struct wg_req *req, const char *hash, const char *file_type,
                      struct wg_drops *drops)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL ||
        wg_stmt_run(conn,
                    "UPDATE storage_refs SET ref_count = ref_count - 1, updated_at = "
                    "CURRENT_TIMESTAMP WHERE file_hash = ? AND ref_count > 0",
                    "s", hash) < 0)
        return -1;
    int64_t left = 0;
    int got = wg_stmt_int(conn, &left, "SELECT ref_count FROM storage_refs WHERE file_hash = ?",
                          "s", hash);
    if (got < 0)
        return -1;
    if (got == 1 && left > 0)
        return 0;
    struct wg_store *store = &req->app->store;
    if (!wg_store_exists(store, &req->arena, hash, file_type))
        return 0;
    wg_store_drop(&req->arena, drops, wg_store_path(store, &req->arena, hash, file_type));
    return wg_stmt_run(conn, "DELETE FROM storage_refs WHERE file_hash = ?", "s", hash) < 0 ? -1
                                                                                            : 0;
}
