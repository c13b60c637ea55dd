/* SPDX-License-Identifier: MIT */
#include "tools/refserver/files_save.h"

#include "tools/refserver/event.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/locktable.h"

#include <string.h>

const struct wg_field wg_save_fields[] = {
    {"xml_string", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"file_id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"new_version", WG_FIELD_BOOL, 0, NULL},
    {"encoding", WG_FIELD_TEXT, 0, NULL},
    {0},
};

/* One save on its way. */
struct save {
    struct wg_req *req;
    struct wg_tei tei;
    const char *xml; /* as it will be stored */
    size_t size;
    const char *doc_id;
    struct wg_file known; /* the live file that file_id names */
    bool update;
    struct wg_staged staged;
    const char *status; /* answer, once it is known */
    const char *stable_id;
    const char *reason; /* of the event, or NULL for none */
    bool refused;       /* the reply is set */
};

static int refuse(struct save *save, int status, const char *text)
{
    save->refused = true;
    wg_reply_detail(save->req, status, "%s", text);
    return 0;
}

/* Document id that a path-like hint stands for. */
static const char *hint_of(struct wg_arena *arena, const char *file_id)
{
    const char *slash = strrchr(file_id, '/');
    if (slash == NULL)
        return file_id;
    char *name = wg_arena_strdup(arena, slash + 1);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name)
        *dot = '\0';
    if (wg_text_ends_with(name, ".tei"))
        name[strlen(name) - 4] = '\0';
    return name;
}

static int check_visible(struct save *save, const json_t *collections)
{
    struct wg_req *req = save->req;
    int visible = wg_visible_any(req, collections);
    if (visible != 0)
        return visible < 0 ? -1 : 0;
    const char *list = "";
    size_t i;
    json_t *name;
    json_array_foreach(collections, i, name)
    {
        list = wg_arena_format(&req->arena, "%s%s%s", list, i > 0 ? ", " : "",
                               json_is_string(name) ? json_string_value(name) : "?");
    }
    return refuse(save, 403,
                  wg_arena_format(&req->arena,
                                  "You do not have access to any of this document's "
                                  "collections: %s",
                                  list));
}

static json_t *or_inbox(struct wg_req *req, json_t *collections)
{
    if (json_array_size(collections) > 0)
        return collections;
    return wg_arena_json(&req->arena, json_pack("[s]", "_inbox"));
}

static int take_lock(struct save *save, const char *stable_id)
{
    int got = wg_lock_acquire(save->req, stable_id, save->req->session);
    if (got == 0)
        refuse(save, 423, "Failed to acquire lock");
    return got < 0 ? -1 : 0;
}

int wg_save_pdf_metadata(struct wg_req *req, const char *doc_id, const struct wg_tei *tei,
                         const json_t *collections)
{
    struct wg_file pdf;
    int found = wg_file_find_pdf(req, doc_id, &pdf);
    if (found <= 0)
        return found;
    json_t *metadata = wg_arena_json(&req->arena, wg_tei_metadata(tei));
    const char *label = wg_tei_label(&req->arena, tei);
    if (label == NULL)
        label = tei->file_reference != NULL ? tei->file_reference : tei->doi;
    if (json_object_size(metadata) == 0 && label == NULL && json_array_size(collections) == 0)
        return 0;
    if (json_object_size(metadata) == 0)
        metadata = pdf.doc_metadata;
    json_t *access = json_object_get(pdf.doc_metadata, "access_control");
    if (access != NULL)
        json_object_set(metadata, "access_control", access);
    return wg_stmt_run(req->conns[WG_DB_METADATA],
                       "UPDATE files SET doc_metadata = ?, label = coalesce(?, label), "
                       "doc_collections = ?, sync_status = 'modified', local_modified_at = "
                       "CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP WHERE rowid = ?",
                       "sssi", wg_arena_json_text(&req->arena, metadata), label,
                       wg_arena_json_text(&req->arena, json_array_size(collections) > 0
                                                           ? collections
                                                           : pdf.collections),
                       pdf.row) < 0
               ? -1
               : 0;
}

/* Rights on the file that is to be overwritten, and its lock. */
static int prepare_update(struct save *save)
{
    struct wg_req *req = save->req;
    const struct wg_file *file = &save->known;
    if (check_visible(save, or_inbox(req, file->collections)) < 0 || save->refused)
        return save->refused ? 0 : -1;
    bool reviewer = wg_user_has_right(&req->user, "reviewer");
    if (file->gold && !reviewer)
        return refuse(save, 403, "Only reviewers can edit gold standard files");
    if (file->has_version && !reviewer && !wg_user_has_right(&req->user, "annotator"))
        return refuse(save, 403, "Only annotators or reviewers can edit version files");
    return take_lock(save, file->stable_id);
}

static int update(struct save *save, struct wg_drops *drops)
{
    struct wg_req *req = save->req;
    struct wg_file other, *file = &save->known;
    int found = wg_file_find_stable(req, file->stable_id, file);
    if (found <= 0) {
        if (found == 0)
            wg_fail_set(&req->fail, 0, "file %s is gone", file->stable_id);
        return -1;
    }
    bool changed = strcmp(file->id, save->staged.hash) != 0;
    if (changed) {
        int taken = wg_file_find_content(req, save->staged.hash, &other);
        if (taken > 0)
            wg_fail_set(&req->fail, SQLITE_CONSTRAINT_PRIMARYKEY,
                        "UNIQUE constraint failed: files.id");
        if (taken != 0 || wg_reference_drop(req, file->id, file->file_type, drops) < 0 ||
            wg_reference_add(req, save->staged.hash, file->file_type) < 0)
            return -1;
    }
    if (wg_stmt_run(req->conns[WG_DB_METADATA],
                    "UPDATE files SET id = ?, label = ?, file_size = ?, file_metadata = '{}', "
                    "sync_status = 'modified', local_modified_at = CURRENT_TIMESTAMP, updated_at "
                    "= CURRENT_TIMESTAMP WHERE rowid = ?",
                    "ssii", save->staged.hash, save->tei.edition_title, (int64_t)save->staged.size,
                    file->row) < 0)
        return -1;
    save->status = "saved";
    save->stable_id = file->stable_id;
    save->reason = "file_saved";
    return file->gold ? wg_save_pdf_metadata(req, file->doc_id, &save->tei,
                                             or_inbox(req, file->collections))
                      : 0;
}

static int next_version(struct save *save, int64_t *ret)
{
    return wg_stmt_int(save->req->conns[WG_DB_METADATA], ret,
                       "SELECT 1 + coalesce(max(version), 0) FROM files WHERE deleted = 0 AND "
                       "doc_id = ? AND file_type = 'tei' AND is_gold_standard = 0 AND variant IS ?",
                       "ss", save->doc_id, save->tei.variant) == 1
               ? 0
               : -1;
}

static int insert(struct save *save, json_t *collections, bool gold)
{
    struct wg_req *req = save->req;
    const char *variant = save->tei.variant, *marker = "";
    struct wg_file file = {
        .id = save->staged.hash,
        .doc_id = save->doc_id,
        .file_type = "tei",
        .label = save->tei.edition_title,
        .variant = variant,
        .file_size = (int64_t)save->staged.size,
        .has_version = !gold,
        .gold = gold,
        .collections = collections,
        .doc_metadata = wg_arena_json(&req->arena, json_object()),
        .file_metadata = wg_arena_json(&req->arena, json_object()),
    };
    if (!gold) {
        if (next_version(save, &file.version) < 0)
            return -1;
        marker = wg_arena_format(&req->arena, ".v%lld", (long long)file.version);
    }
    file.filename =
        wg_arena_format(&req->arena, "%s%s%s%s.tei.xml", save->doc_id, variant != NULL ? "." : "",
                        variant != NULL ? variant : "", marker);
    if (wg_file_insert(req, &file) < 0)
        return -1;
    save->status = gold ? "new_gold" : "new";
    save->stable_id = file.stable_id;
    save->reason = "file_created";
    return gold ? wg_save_pdf_metadata(req, save->doc_id, &save->tei, collections) : 0;
}

static int has_gold(struct save *save)
{
    int64_t one;
    return wg_stmt_int(save->req->conns[WG_DB_METADATA], &one,
                       "SELECT 1 FROM files WHERE deleted = 0 AND doc_id = ? AND file_type = "
                       "'tei' AND is_gold_standard = 1 AND variant IS ?",
                       "ss", save->doc_id, save->tei.variant);
}

static int create(struct save *save, bool new_version)
{
    struct wg_req *req = save->req;
    struct wg_file pdf, twin;
    int gold = new_version ? 1 : has_gold(save);
    if (gold < 0)
        return -1;
    bool version = gold == 1, reviewer = wg_user_has_right(&req->user, "reviewer");
    if (version && !reviewer && !wg_user_has_right(&req->user, "annotator"))
        return refuse(save, 403, "Only annotators or reviewers can create version files");
    if (!version && !reviewer)
        return refuse(save, 403, "Only reviewers can create new gold standard files");
    int found = wg_file_find_pdf(req, save->doc_id, &pdf);
    if (found < 0)
        return -1;
    json_t *collections = or_inbox(req, found == 1 ? pdf.collections : NULL);
    if (check_visible(save, collections) < 0)
        return -1;
    if (save->refused)
        return 0;
    found = version ? wg_file_find_content(req, save->staged.hash, &twin) : 0;
    if (found == 1 && !twin.deleted) {
        save->status = "saved";
        save->stable_id = twin.stable_id;
        return 0;
    }
    return found < 0 ? -1 : insert(save, collections, !version);
}

/* The transaction on metadata.db. */
static int write_rows(struct save *save, bool new_version)
{
    struct wg_req *req = save->req;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    struct wg_drops drops = {0};
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    int rc = save->update ? update(save, &drops) : create(save, new_version);
    if (rc == 0 && !save->refused)
        rc = wg_store_publish(&req->app->store, &save->staged, &req->fail);
    if (rc == 0 && !save->refused)
        return wg_store_commit(&req->app->store, conn, &drops);
    wg_conn_rollback(conn);
    return rc;
}

static int finish(struct save *save)
{
    struct wg_req *req = save->req;
    if (!save->update && (take_lock(save, save->stable_id) < 0 || save->refused))
        return save->refused ? 0 : -1;
    if (save->reason != NULL)
        wg_event_send(req, req->session, "fileDataChanged",
                      json_pack("{s:s,s:s}", "reason", save->reason, "stable_id", save->stable_id));
    return wg_reply_json(
        req, 200, json_pack("{s:s,s:s}", "status", save->status, "file_id", save->stable_id));
}

static int run_save(struct save *save, const char *xml, size_t size, const char *file_id,
                    bool new_version)
{
    struct wg_req *req = save->req;
    const char *reference = save->tei.file_reference;
    save->doc_id = reference != NULL ? reference : hint_of(&req->arena, file_id);
    if (*save->doc_id == '\0')
        return refuse(save, 400,
                      "Cannot extract file_id from XML: No fileref found in XML and no file_id "
                      "hint provided");
    if (strlen(file_id) >= 5) {
        int found = wg_file_find(req, file_id, &save->known);
        if (found < 0)
            return -1;
        if (found == 1)
            save->doc_id = save->known.doc_id;
        save->update = found == 1 && !new_version;
    }
    save->xml = wg_tei_set_reference(&req->arena, &save->tei, xml, size, save->doc_id, &save->size);
    if (save->update && (prepare_update(save) < 0 || save->refused))
        return save->refused ? 0 : -1;
    const char *type = save->update ? save->known.file_type : "tei";
    if (wg_store_stage(&req->app->store, &req->arena, save->xml, save->size, type, &save->staged,
                       &req->fail) < 0)
        return -1;
    int rc = write_rows(save, new_version);
    wg_store_discard(&save->staged);
    if (rc < 0 || save->refused)
        return rc;
    return finish(save);
}

int wg_save_xml(struct wg_req *req, const char *xml, size_t size, const char *file_id,
                bool new_version)
{
    struct save save = {.req = req};
    const char *complaint;
    if (wg_tei_parse(&req->arena, xml, size, &save.tei, &complaint) < 0)
        return wg_reply_detail(req, 400, "Invalid XML: %s", complaint);
    int rc = run_save(&save, xml, size, file_id, new_version);
    wg_tei_finish(&save.tei);
    if (rc < 0) {
        /* Content that another row has is the client's conflict, no trouble of the server's. */
        bool conflict = (req->fail.code & 0xff) == SQLITE_CONSTRAINT;
        return wg_reply_detail(req, conflict ? 409 : 500, "Save failed: %s", req->fail.message);
    }
    return 0;
}

int wg_files_save(struct wg_req *req)
{
    const char *xml = wg_req_text(req, "xml_string");
    size_t size = json_string_length(json_object_get(req->json, "xml_string"));
    struct wg_buf decoded = {0};
    int rc;
    if (wg_text_same(wg_req_text(req, "encoding"), "base64")) {
        wg_buf_add(&decoded, "", 0);
        if (wg_base64_decode(xml, &decoded) < 0) {
            wg_buf_finish(&decoded);
            return wg_reply_detail(req, 500, "Save failed: Invalid base64-encoded string");
        }
        xml = decoded.data;
        size = decoded.len;
    }
    rc = wg_save_xml(req, xml, size, wg_req_text(req, "file_id"),
                     wg_req_bool(req, "new_version", false));
    wg_buf_finish(&decoded);
    return rc;
}
