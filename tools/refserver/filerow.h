/* SPDX-License-Identifier: MIT
 *
 * Rows of metadata.db: files and storage references.
 *
 * A file has a stable id that never changes and an id that is the SHA-256 of its present content.
 * Because the latter is the primary key, two rows can never hold the same content, and a
 * soft-deleted row keeps blocking its content until it is purged.
 *
 * All functions work on the connection that the request has borrowed; those that write expect an
 * open transaction.
 */
#ifndef WG_REFSERVER_FILEROW_H
#define WG_REFSERVER_FILEROW_H

#include "tools/refserver/req.h"

#define WG_STABLE_ID_MIN 6
#define WG_STABLE_ID_MAX 12

struct wg_file {
    int64_t row;
    const char *id;
    const char *stable_id;
    const char *filename;
    const char *doc_id;
    const char *file_type;
    const char *label; /* or NULL, like the next */
    const char *variant;
    const char *sync_status;
    const char *sync_hash;
    const char *local_modified_at;
    const char *created_at;
    const char *updated_at;
    int64_t file_size;
    int64_t version;
    bool has_version;
    bool gold;
    bool deleted;
    json_t *collections; /* array */
    json_t *doc_metadata;
    json_t *file_metadata;
};

struct wg_files {
    struct wg_file *items; /* arena */
    size_t count;
};

/* Columns in the order of the struct; a query is WG_FILES_WHERE "condition ORDER BY ...". */
#define WG_FILES_WHERE                                                                             \
    "SELECT rowid, id, stable_id, filename, doc_id, file_type, label, variant, sync_status, "      \
    "sync_hash, local_modified_at, created_at, updated_at, file_size, version, "                   \
    "is_gold_standard, deleted, doc_collections, doc_metadata, file_metadata FROM files WHERE "
#define WG_LIVE "deleted = 0 AND "

/* All rows of a query with up to three text arguments (NULL ends them early). 0 / -1. */
int wg_files_query(struct wg_req *req, struct wg_files *ret, const char *sql, const char *a,
                   const char *b, const char *c);
/* Live file by content hash (64 characters) or stable id. 1 found, 0 not, -1 failure. */
int wg_file_find(struct wg_req *req, const char *id, struct wg_file *ret);
/* Same, by stable id only. */
int wg_file_find_stable(struct wg_req *req, const char *id, struct wg_file *ret);
/* Row with that content, deleted or not. */
int wg_file_find_content(struct wg_req *req, const char *hash, struct wg_file *ret);
/* The document's live PDF, the first inserted. */
int wg_file_find_pdf(struct wg_req *req, const char *doc_id, struct wg_file *ret);

/* Inserts a row; gives it a stable id; adds one reference. Fails if the content has a row. */
int wg_file_insert(struct wg_req *req, struct wg_file *file);
int wg_file_soft_delete(struct wg_req *req, const struct wg_file *file, struct wg_drops *drops);
int wg_file_set_collections(struct wg_req *req, const struct wg_file *file,
                            const json_t *collections);

int wg_reference_add(struct wg_req *req, const char *hash, const char *file_type);
/* One reference less; at the end of the count the stored file goes with the transaction. */
int wg_reference_drop(struct wg_req *req, const char *hash, const char *file_type,
                      struct wg_drops *drops);

#endif
