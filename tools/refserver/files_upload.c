/* SPDX-License-Identifier: MIT
 *
 * Upload of PDF files. Only the name decides about the type, as where no content sniffing is
 * available. The reference count rises by two for a new file: once for storing, once for the row.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool has_extension(const char *name, const char *extension)
{
    size_t length = strlen(name), tail = strlen(extension);
    return length >= tail && strcasecmp(name + length - tail, extension) == 0;
}

/* Name without its last extension. */
static char *base_name(struct wg_arena *arena, const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash != NULL ? slash + 1 : name;
    const char *dot = strrchr(name, '.');
    return wg_arena_strndup(arena, name,
                            dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name));
}

static const char *doc_id_of(struct wg_arena *arena, const char *base)
{
    char *id = wg_arena_strdup(arena, base), *to = id;
    for (const char *from = base; *from != '\0'; from++) {
        if (!isspace((unsigned char)*from))
            *to++ = *from;
        else if (from == base || !isspace((unsigned char)from[-1]))
            *to++ = '_';
    }
    *to = '\0';
    return id;
}

static const char *label_of(struct wg_arena *arena, const char *base)
{
    char *label = wg_arena_strdup(arena, base), *to = label;
    for (const char *from = base; *from != '\0'; from++) {
        if (from[0] == '_' && from[1] == '_') {
            *to++ = '/';
            from++;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return label;
}

static int restore(struct wg_req *req, const struct wg_file *file, const char *label)
{
    if (wg_stmt_run(req->conns[WG_DB_METADATA],
                    "UPDATE files SET deleted = 0, sync_status = 'modified', label = ?, "
                    "local_modified_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP "
                    "WHERE rowid = ?",
                    "si", label, file->row) < 0)
        return -1;
    return wg_reference_add(req, file->id, file->file_type);
}

static int insert(struct wg_req *req, struct wg_file *file, const struct wg_staged *staged,
                  const char *base)
{
    *file = (struct wg_file){
        .id = staged->hash,
        .filename = wg_arena_format(&req->arena, "%s.pdf", staged->hash),
        .doc_id = doc_id_of(&req->arena, base),
        .file_type = "pdf",
        .label = label_of(&req->arena, base),
        .file_size = (int64_t)staged->size,
        .version = 1,
        .has_version = true,
        .collections = wg_arena_json(&req->arena, json_pack("[s]", "_inbox")),
        .doc_metadata = wg_arena_json(&req->arena, json_object()),
        .file_metadata = wg_arena_json(
            &req->arena, json_pack("{s:o,s:s,s:o}", "original_filename",
                                   wg_json_text(req->part.filename), "upload_source",
                                   "upload_endpoint", "session_id", wg_json_text(req->session))),
    };
    return wg_file_insert(req, file);
}

/* Row for the staged content: the live one, the restored one or a new one. */
static int store_upload(struct wg_req *req, struct wg_staged *staged, struct wg_file *file)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    char *base = base_name(&req->arena, req->part.filename);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    if (wg_store_publish(&req->app->store, staged, &req->fail) < 0 ||
        wg_reference_add(req, staged->hash, "pdf") < 0)
        return -1;
    int known = wg_file_find_content(req, staged->hash, file);
    if (known < 0)
        return -1;
    if (known == 0 && insert(req, file, staged, base) < 0)
        return -1;
    if (known == 1 && file->deleted && restore(req, file, label_of(&req->arena, base)) < 0)
        return -1;
    return wg_conn_commit(conn);
}

int wg_files_upload(struct wg_req *req)
{
    struct wg_staged staged;
    struct wg_file file;
    if (req->session == NULL)
        return wg_reply_detail(req, 401, "Session required for file upload");
    if (*req->part.filename == '\0')
        return wg_reply_detail(req, 400, "No selected file");
    /* XML comes in through save; the store would not know its type. */
    if (!has_extension(req->part.filename, ".pdf"))
        return wg_reply_detail(
            req, 400, "Invalid file type. Allowed types: application/pdf, application/xml");
    if (wg_store_stage(&req->app->store, &req->arena, req->part.data, req->part.size, "pdf",
                       &staged, &req->fail) < 0)
        return -1;
    int rc = store_upload(req, &staged, &file);
    wg_store_discard(&staged);
    if (rc < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:s,s:s}", "type", "pdf", "filename", file.stable_id));
}
