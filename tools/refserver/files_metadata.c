/* SPDX-License-Identifier: MIT
 *
 * Metadata of a file, its gold standard flag, and the document id of its document.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/tei.h"

#include <string.h>

const struct wg_field wg_metadata_fields[] = {
    {"fileref", WG_FIELD_TEXT, 0, NULL}, {"title", WG_FIELD_TEXT, 0, NULL},
    {"doi", WG_FIELD_TEXT, 0, NULL},     {"variant", WG_FIELD_TEXT, 0, NULL},
    {"label", WG_FIELD_TEXT, 0, NULL},   {0},
};

const struct wg_field wg_doc_id_fields[] = {{"doc_id", WG_FIELD_TEXT, WG_REQUIRED, NULL}, {0}};

/* The file of the path. 1 found, 0 answered 404, -1 failure. */
static int find_file(struct wg_req *req, struct wg_file *ret)
{
    int found = wg_file_find_stable(req, req->arguments[0], ret);
    if (found == 0)
        wg_reply_detail(req, 404, "File not found: %s", req->arguments[0]);
    return found;
}

/* 1 permitted, 0 answered 403, -1 failure. */
static int check_access(struct wg_req *req, const struct wg_file *file, const char *verb)
{
    int visible = wg_visible_any(req, file->collections);
    if (visible == 0)
        wg_reply_detail(req, 403, "You do not have permission to %s this file", verb);
    return visible;
}

static json_t *time_text(struct wg_req *req, const char *stamp)
{
    char *copy = wg_arena_strdup(&req->arena, stamp);
    if (copy != NULL && strlen(copy) > 10 && copy[10] == ' ')
        copy[10] = 'T';
    return wg_json_text(copy);
}

int wg_metadata_get(struct wg_req *req)
{
    struct wg_file file;
    int found = find_file(req, &file);
    if (found == 1)
        found = check_access(req, &file, "access");
    if (found != 1)
        return found;
    json_t *view = json_object();
    json_object_set_new(view, "id", wg_json_text(file.id));
    json_object_set_new(view, "stable_id", wg_json_text(file.stable_id));
    json_object_set_new(view, "filename", wg_json_text(file.filename));
    json_object_set_new(view, "doc_id", wg_json_text(file.doc_id));
    json_object_set_new(view, "file_type", wg_json_text(file.file_type));
    json_object_set_new(view, "file_size", json_integer(file.file_size));
    json_object_set_new(view, "label", wg_json_text(file.label));
    json_object_set_new(view, "variant", wg_json_text(file.variant));
    json_object_set_new(view, "version",
                        file.has_version ? json_integer(file.version) : json_null());
    json_object_set_new(view, "is_gold_standard", json_boolean(file.gold));
    json_object_set(view, "doc_collections", file.collections);
    json_object_set(view, "doc_metadata", file.doc_metadata);
    json_object_set(view, "file_metadata", file.file_metadata);
    json_object_set_new(view, "sync_status", wg_json_text(file.sync_status));
    json_object_set_new(view, "local_modified_at", time_text(req, file.local_modified_at));
    json_object_set_new(view, "sync_hash", wg_json_text(file.sync_hash));
    json_object_set_new(view, "deleted", json_boolean(file.deleted));
    json_object_set_new(view, "created_at", time_text(req, file.created_at));
    json_object_set_new(view, "updated_at", time_text(req, file.updated_at));
    return wg_reply_json(req, 200, view);
}

int wg_metadata_patch(struct wg_req *req)
{
    static const char *const unstorable[] = {"fileref", "title", "doi"};
    const char *label = wg_req_text(req, "label"), *variant = wg_req_text(req, "variant");
    const char *column = NULL;
    struct wg_file file;
    int found = find_file(req, &file);
    if (found == 1)
        found = check_access(req, &file, "modify");
    if (found != 1)
        return found;
    for (size_t i = 0; i < 3 && column == NULL; i++)
        if (wg_req_text(req, unstorable[i]) != NULL)
            column = unstorable[i];
    if (column != NULL)
        return wg_reply_detail(req, 500, "Failed to update metadata: no such column: %s", column);
    if (label == NULL && variant == NULL)
        return wg_reply_detail(req, 400, "No metadata fields provided");
    if (wg_stmt_run(req->conns[WG_DB_METADATA],
                    "UPDATE files SET label = coalesce(?, label), variant = coalesce(?, variant), "
                    "local_modified_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP "
                    "WHERE stable_id = ?",
                    "sss", label, variant, file.stable_id) < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:s}", "message", "File metadata updated successfully"));
}

static bool may_curate(struct wg_req *req)
{
    /* Literally these two: the wildcard does not count here. */
    return wg_user_has_role(&req->user, "reviewer") || wg_user_has_role(&req->user, "admin");
}

static int promote(struct wg_req *req, const struct wg_file *file)
{
    struct wg_conn *conn = req->conns[WG_DB_METADATA];
    if (wg_stmt_run(conn,
                    "UPDATE files SET is_gold_standard = 0, local_modified_at = "
                    "CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP WHERE deleted = 0 AND "
                    "doc_id = ? AND is_gold_standard = 1 AND coalesce(variant, '') = coalesce(?, "
                    "'') AND stable_id <> ?",
                    "sss", file->doc_id, file->variant, file->stable_id) < 0 ||
        wg_stmt_run(conn,
                    "UPDATE files SET is_gold_standard = 1, local_modified_at = "
                    "CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP WHERE stable_id = ?",
                    "s", file->stable_id) < 0)
        return -1;
    return wg_conn_commit(conn);
}

int wg_gold_standard_set(struct wg_req *req)
{
    struct wg_file file;
    if (!may_curate(req))
        return wg_reply_detail(req, 403, "Only reviewers and admins can set gold standard");
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int found = find_file(req, &file);
    if (found == 1)
        found = check_access(req, &file, "modify");
    if (found == 1)
        found = promote(req, &file) < 0 ? -1 : 1;
    if (found != 1)
        return found;
    return wg_reply_json(req, 200,
                         json_pack("{s:s}", "message", "File set as gold standard successfully"));
}

/* Puts the new id into the stored XML. What cannot be rewritten keeps its content: not an error. */
static int rewrite_content(struct wg_req *req, const struct wg_file *file, const char *doc_id)
{
    struct wg_store *store = &req->app->store;
    struct wg_buf xml = {0};
    struct wg_tei tei;
    struct wg_file twin;
    struct wg_staged staged;
    const char *complaint;
    size_t size;
    int rc = 0;
    char *path = wg_store_path(store, &req->arena, file->id, file->file_type);
    if (wg_file_read(path, &xml) < 0)
        goto out;
    if (wg_tei_parse(&req->arena, xml.data, xml.len, &tei, &complaint) < 0)
        goto out;
    const char *text = wg_tei_set_reference(&req->arena, &tei, xml.data, xml.len, doc_id, &size);
    wg_tei_finish(&tei);
    char hash[WG_SHA256_HEX + 1];
    wg_sha256_hex(text, size, hash);
    if (strcmp(hash, file->id) == 0 || (rc = wg_file_find_content(req, hash, &twin)) != 0) {
        rc = rc < 0 ? -1 : 0;
        goto out;
    }
    rc = -1;
    if (wg_store_stage(store, &req->arena, text, size, file->file_type, &staged, &req->fail) < 0)
        goto out;
    rc = wg_store_publish(store, &staged, &req->fail);
    wg_store_discard(&staged);
    if (rc == 0 &&
        wg_stmt_run(req->conns[WG_DB_METADATA], "UPDATE files SET id = ? WHERE rowid = ?", "si",
                    hash, file->row) < 0)
        rc = -1;
out:
    wg_buf_finish(&xml);
    return rc;
}

static int rename_document(struct wg_req *req, const struct wg_file *file, const char *doc_id)
{
    struct wg_conn *conn = req->conns[WG_DB_METADATA];
    struct wg_files files;
    if (wg_files_query(req, &files, WG_FILES_WHERE WG_LIVE "doc_id = ? AND file_type = 'tei'",
                       file->doc_id, NULL, NULL) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++)
        if (rewrite_content(req, &files.items[i], doc_id) < 0)
            return -1;
    if (wg_stmt_run(conn,
                    "UPDATE files SET doc_id = ?, local_modified_at = CURRENT_TIMESTAMP, "
                    "updated_at = CURRENT_TIMESTAMP, sync_status = 'modified' WHERE deleted = 0 "
                    "AND doc_id = ?",
                    "ss", doc_id, file->doc_id) < 0)
        return -1;
    return wg_conn_commit(conn);
}

int wg_doc_id_patch(struct wg_req *req)
{
    const char *doc_id = wg_req_text(req, "doc_id");
    struct wg_file file;
    if (!may_curate(req))
        return wg_reply_detail(req, 403, "Only reviewers and admins can update document ID");
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int found = find_file(req, &file);
    if (found != 1)
        return found;
    if (!file.gold)
        return wg_reply_detail(req, 400,
                               "Only gold standard files can have their document ID updated");
    found = check_access(req, &file, "modify");
    if (found != 1)
        return found;
    if (*doc_id == '\0')
        return wg_reply_detail(req, 400, "new_doc_id cannot be empty");
    if (rename_document(req, &file, doc_id) < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:s}", "message", "Document ID updated successfully"));
}
