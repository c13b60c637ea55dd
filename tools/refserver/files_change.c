/* SPDX-License-Identifier: MIT
 *
 * Deleting files, and moving or copying documents between collections.
 */
#include "tools/refserver/event.h"
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <string.h>

const struct wg_field wg_delete_fields[] = {{"files", WG_FIELD_TEXT_LIST, WG_REQUIRED, NULL}, {0}};

const struct wg_field wg_copy_fields[] = {
    {"pdf_id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"xml_id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"destination_collection", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {0},
};

/* 1 deleted, 0 nothing to delete, 2 not permitted, -1 failure. */
static int delete_one(struct wg_req *req, const char *id, json_t *deleted)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    struct wg_file file;
    struct wg_drops drops = {0};
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int found = wg_file_find(req, id, &file);
    if (found == 1 && !wg_access_write(req, file.doc_metadata, file.file_metadata))
        found = 2;
    if (found != 1) {
        wg_conn_rollback(conn);
        return found;
    }
    if (wg_file_soft_delete(req, &file, &drops) < 0) {
        wg_conn_rollback(conn);
        return -1;
    }
    if (wg_store_commit(&req->app->store, conn, &drops) < 0)
        return -1;
    json_array_append_new(deleted, wg_json_text(file.stable_id));
    return 1;
}

int wg_files_delete(struct wg_req *req)
{
    json_t *deleted = wg_arena_json(&req->arena, json_array()), *item;
    size_t i;
    json_array_foreach(json_object_get(req->json, "files"), i, item)
    {
        const char *id = json_string_value(item);
        if (wg_text_empty(id))
            continue;
        int got = delete_one(req, id, deleted);
        if (got < 0)
            return -1;
        if (got == 2)
            return wg_reply_detail(req, 403, "Insufficient permissions to delete %s", id);
    }
    if (json_array_size(deleted) > 0)
        wg_event_send(req, req->session, "fileDataChanged",
                      json_pack("{s:s,s:O}", "reason", "files_deleted", "stable_ids", deleted));
    return wg_reply_json(req, 200, json_pack("{s:s}", "result", "ok"));
}

/* The PDF that is to be moved or copied. 1 found, 0 refused (reply set), -1 failure. */
static int find_pdf(struct wg_req *req, const char *verb, struct wg_file *ret)
{
    const char *id = wg_req_text(req, "pdf_id");
    int found = wg_file_find(req, id, ret);
    if (found < 0)
        return -1;
    if (found == 0)
        wg_reply_detail(req, 404, "PDF file not found: %s", id);
    else if (strcmp(ret->file_type, "pdf") != 0)
        wg_reply_detail(req, 400, "Expected PDF file, got %s", ret->file_type);
    else if (!wg_access_write(req, ret->doc_metadata, ret->file_metadata))
        wg_reply_detail(req, 403, "Insufficient permissions to %s this document", verb);
    else
        return 1;
    return 0;
}

static int copy_to(struct wg_req *req, const struct wg_file *pdf, const char *destination)
{
    if (wg_json_has_text(pdf->collections, destination))
        return 0;
    json_t *collections = wg_arena_json(&req->arena, json_copy(pdf->collections));
    json_array_append_new(collections, wg_json_text(destination));
    return wg_file_set_collections(req, pdf, collections);
}

static int move_to(struct wg_req *req, const struct wg_file *pdf, const char *destination)
{
    struct wg_files files;
    if (json_array_size(pdf->collections) == 1 && wg_json_has_text(pdf->collections, destination))
        return 0;
    json_t *collections = wg_arena_json(&req->arena, json_array());
    json_array_append_new(collections, wg_json_text(destination));
    if (wg_files_query(req, &files, WG_FILES_WHERE WG_LIVE "doc_id = ? AND file_type = 'tei'",
                       pdf->doc_id, NULL, NULL) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++)
        if (wg_file_set_collections(req, &files.items[i], collections) < 0)
            return -1;
    return wg_file_set_collections(req, pdf, collections);
}

static int place(struct wg_req *req, const char *verb,
                 int (*act)(struct wg_req *, const struct wg_file *, const char *))
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    struct wg_file pdf;
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int found = find_pdf(req, verb, &pdf);
    if (found == 1 && act(req, &pdf, wg_req_text(req, "destination_collection")) < 0)
        found = -1;
    if (found != 1) {
        wg_conn_rollback(conn);
        return found;
    }
    if (wg_conn_commit(conn) < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:s,s:o}", "new_pdf_id", pdf.stable_id, "new_xml_id",
                                   wg_json_text(wg_req_text(req, "xml_id"))));
}

int wg_files_copy(struct wg_req *req)
{
    return place(req, "copy", copy_to);
}

int wg_files_move(struct wg_req *req)
{
    return place(req, "move", move_to);
}
