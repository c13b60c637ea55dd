/* SPDX-License-Identifier: MIT
 *
 * Import: documents from a ZIP archive.
 *
 * The PDF and XML files below the import root are scanned, then grouped into documents: a PDF and a
 * TEI file belong together if their base names are equal or the TEI's file reference is the PDF's
 * base name. Each document is one transaction; an error ends that document only. Content that a
 * live row has already is skipped.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/tei.h"
#include "tools/refserver/zip.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TITLE_MAX 40

const struct wg_field wg_import_fields[] = {
    {"recursive_collections", WG_FIELD_BOOL, WG_IN_QUERY, NULL},
    {0},
};

struct scanned {
    const struct wg_entry *entry;
    const char *path; /* below the import root */
    const char *name; /* its last component */
    const char *base; /* without extensions and version marker */
    bool pdf;
    bool marked; /* has a version marker */
    struct wg_tei tei;
    const char *id;     /* document id that the XML states, or NULL */
    const char *doc_id; /* of the document that the file belongs to; NULL until grouped */
};

struct import {
    struct wg_req *req;
    const char *collection; /* parameter, or NULL */
    bool recursive;
    struct scanned *files;
    size_t count;
    int64_t imported;
    int64_t skipped;
    json_t *errors;
};

/* Start of ".v<digits>." in a name, or NULL; `ret_length` covers both dots. */
static const char *find_marker(const char *name, size_t *ret_length)
{
    for (const char *at = strstr(name, ".v"); at != NULL; at = strstr(at + 1, ".v")) {
        size_t digits = strspn(at + 2, "0123456789");
        if (digits > 0 && at[2 + digits] == '.') {
            *ret_length = digits + 3;
            return at;
        }
    }
    return NULL;
}

static const char *decode_name(struct wg_arena *arena, const char *name)
{
    char *copy = wg_arena_strdup(arena, name), *to = copy;
    for (const char *from = name; *from != '\0';) {
        bool pair = from[0] == '_' && from[1] == '_';
        *to++ = pair ? '/' : *from;
        from += pair ? 2 : 1;
    }
    *to = '\0';
    return copy;
}

static bool looks_like_doi(const char *text)
{
    if (strncmp(text, "10.", 3) != 0)
        return false;
    size_t digits = strspn(text + 3, "0123456789");
    return digits >= 4 && text[3 + digits] == '/' && text[4 + digits] != '\0';
}

static void describe(struct import *job, struct scanned *file)
{
    struct wg_arena *arena = &job->req->arena;
    const char *slash = strrchr(file->path, '/'), *complaint;
    size_t length = 0;
    file->name = slash != NULL ? slash + 1 : file->path;
    file->pdf = wg_text_ends_with(file->name, ".pdf");
    const char *name = file->name;
    const char *marker = file->pdf ? NULL : find_marker(name, &length);
    file->marked = marker != NULL;
    if (marker != NULL)
        name = wg_arena_format(arena, "%.*s%s", (int)(marker - name), name, marker + length);
    char *base = wg_arena_strndup(arena, name, strlen(name) - 4);
    if (!file->pdf && wg_text_ends_with(base, ".tei"))
        base[strlen(base) - 4] = '\0';
    file->base = base;
    if (file->pdf ||
        wg_tei_parse(arena, file->entry->data, file->entry->size, &file->tei, &complaint) < 0)
        return;
    file->id = file->tei.file_reference != NULL ? file->tei.file_reference : file->tei.doi;
    wg_tei_finish(&file->tei);
}

/* Length of "<dir>/" if the archive's top level is that one directory, else 0. */
static size_t root_length(const struct wg_entries *entries)
{
    const char *top = NULL;
    size_t length = 0;
    for (size_t i = 0; i < entries->count; i++) {
        const char *name = entries->items[i].name;
        size_t part = strcspn(name, "/");
        if (name[0] == '.' || (part == 8 && strncmp(name, "__MACOSX", 8) == 0))
            continue;
        if (name[part] != '/' || (top != NULL && (part != length || strncmp(top, name, part) != 0)))
            return 0;
        top = name;
        length = part;
    }
    return top != NULL ? length + 1 : 0;
}

static void scan(struct import *job, const struct wg_entries *entries)
{
    size_t root = root_length(entries);
    job->files = wg_arena_alloc(&job->req->arena, (entries->count + 1) * sizeof *job->files);
    for (size_t i = 0; i < entries->count; i++) {
        const char *name = entries->items[i].name, *slash = strrchr(name, '/');
        const char *last = slash != NULL ? slash + 1 : name;
        bool wanted = wg_text_ends_with(last, ".pdf") || wg_text_ends_with(last, ".xml");
        if (!wanted || strncmp(last, "._", 2) == 0 || strlen(name) <= root)
            continue;
        struct scanned *file = &job->files[job->count++];
        file->entry = &entries->items[i];
        file->path = name + root;
        describe(job, file);
    }
}

static bool belong_together(struct wg_arena *arena, const struct scanned *pdf,
                            const struct scanned *tei)
{
    return strcmp(pdf->base, tei->base) == 0 ||
           strcmp(decode_name(arena, pdf->base), decode_name(arena, tei->base)) == 0 ||
           wg_text_same(tei->tei.file_reference, pdf->base);
}

static void group(struct import *job)
{
    struct wg_arena *arena = &job->req->arena;
    for (size_t i = 0; i < job->count; i++) {
        struct scanned *pdf = &job->files[i];
        const char *id = NULL;
        if (!pdf->pdf)
            continue;
        for (size_t k = 0; k < job->count && id == NULL; k++)
            if (!job->files[k].pdf && belong_together(arena, pdf, &job->files[k]))
                id = job->files[k].id;
        const char *decoded = decode_name(arena, pdf->base);
        if (id == NULL)
            id = looks_like_doi(decoded) ? decoded : pdf->base;
        pdf->doc_id = id;
        for (size_t k = 0; k < job->count; k++)
            if (!job->files[k].pdf && job->files[k].doc_id == NULL &&
                belong_together(arena, pdf, &job->files[k]))
                job->files[k].doc_id = id;
    }
    for (size_t i = 0; i < job->count; i++)
        if (job->files[i].doc_id == NULL)
            job->files[i].doc_id = job->files[i].id != NULL ? job->files[i].id : job->files[i].base;
}

/* Collection of the document that begins with `file`; NULL for none. */
static const char *collection_of(struct import *job, const struct scanned *file)
{
    static const char *const plain[] = {"pdf", "tei", "versions", "version"};
    if (!job->recursive)
        return job->collection;
    for (const char *at = file->path; strchr(at, '/') != NULL; at = strchr(at, '/') + 1) {
        const char *part = wg_arena_strndup(&job->req->arena, at, strcspn(at, "/"));
        bool skip = *part == '\0';
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            skip |= strcmp(plain[i], part) == 0;
        if (!skip)
            return part;
    }
    return NULL;
}

static int ensure_collection(struct wg_req *req, const char *id)
{
    json_t *content = wg_config_edit(&req->app->configs, WG_CONFIG_COLLECTIONS, &req->fail);
    if (content == NULL)
        return -1;
    int rc = 0;
    if (wg_config_find(content, "id", id, NULL) == NULL) {
        json_t *entry = json_pack("{s:s}", "description", "");
        json_object_set_new(entry, "id", wg_json_text(id));
        json_object_set_new(entry, "name", wg_json_text(id));
        json_array_append_new(content, entry);
        rc = wg_config_write(&req->app->configs, WG_CONFIG_COLLECTIONS, content, &req->fail);
    }
    wg_config_leave(&req->app->configs, WG_CONFIG_COLLECTIONS, content);
    return rc;
}

/* Stores the content and inserts the row, two references. 1 imported, 0 skipped, -1 failure. */
static int insert(struct import *job, const struct scanned *from, struct wg_file *file)
{
    struct wg_req *req = job->req;
    struct wg_staged staged;
    struct wg_file twin;
    char hash[WG_SHA256_HEX + 1];
    wg_sha256_hex(from->entry->data, from->entry->size, hash);
    int known = wg_file_find_content(req, hash, &twin);
    if (known < 0)
        return -1;
    if (known == 1 && !twin.deleted)
        return 0;
    file->id = hash;
    file->filename = from->name;
    file->file_size = (int64_t)from->entry->size;
    file->doc_metadata = wg_arena_json(&req->arena, json_object());
    json_t *origin = json_object();
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32];
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    json_object_set_new(origin, "original_path", wg_json_text(from->path));
    json_object_set_new(origin, "imported_at", json_string(stamp));
    file->file_metadata = wg_arena_json(&req->arena, origin);
    if (wg_file_insert(req, file) < 0 || wg_reference_add(req, hash, file->file_type) < 0 ||
        wg_store_stage(&req->app->store, &req->arena, from->entry->data, from->entry->size,
                       file->file_type, &staged, &req->fail) < 0)
        return -1;
    int rc = wg_store_publish(&req->app->store, &staged, &req->fail);
    wg_store_discard(&staged);
    return rc < 0 ? -1 : 1;
}

static int import_pdf(struct import *job, const struct scanned *from, json_t *collections)
{
    struct wg_file file = {
        .doc_id = from->doc_id,
        .file_type = "pdf",
        .has_version = true,
        .version = 1,
        .collections = collections,
    };
    return insert(job, from, &file);
}

static bool generic(const char *label)
{
    return label == NULL || *label == '\0' || strcasecmp(label, "untitled") == 0 ||
           strcasecmp(label, "unknown title") == 0;
}

/* First run of exactly or at least four digits in a date. */
static const char *year_of(struct wg_arena *arena, const char *date)
{
    for (; date != NULL && *date != '\0'; date++)
        if (strspn(date, "0123456789") >= 4)
            return wg_arena_strndup(arena, date, 4);
    return NULL;
}

static const char *short_title(struct wg_arena *arena, const char *title)
{
    size_t points = 0;
    for (const char *at = title; *at != '\0'; at++) {
        bool start = ((unsigned char)*at & 0xc0) != 0x80;
        if (start && points++ == TITLE_MAX)
            return wg_arena_format(arena, "%.*s...", (int)(at - title), title);
    }
    return title;
}

static const char *pdf_label(struct wg_arena *arena, const json_t *metadata, const char *doc_id)
{
    const char *title = wg_json_get_text(metadata, "title");
    const char *year = year_of(arena, wg_json_get_text(metadata, "date"));
    const char *family =
        wg_json_get_text(json_array_get(json_object_get(metadata, "authors"), 0), "family");
    const char *label = "";
    if (family != NULL && *family != '\0')
        label = family;
    if (year != NULL)
        label = wg_arena_format(arena, "%s%s(%s)", label, *label != '\0' ? " " : "", year);
    if (title != NULL)
        label = wg_arena_format(arena, "%s%s%s", label, *label != '\0' ? " " : "",
                                short_title(arena, title));
    return *label != '\0' ? label : doc_id;
}

/* Completes the PDF row of the document from the TEI; what is there already wins. */
static int complete_pdf(struct import *job, const struct scanned *from, const char *doc_id)
{
    struct wg_req *req = job->req;
    struct wg_file pdf;
    json_t *metadata = wg_arena_json(&req->arena, wg_tei_metadata(&from->tei));
    if (json_object_size(metadata) == 0)
        return 0;
    int found = wg_file_find_pdf(req, doc_id, &pdf);
    if (found <= 0)
        return found;
    json_object_update(metadata, pdf.doc_metadata);
    return wg_stmt_run(req->conns[WG_DB_METADATA],
                       "UPDATE files SET doc_metadata = ?, label = ?, updated_at = "
                       "CURRENT_TIMESTAMP, local_modified_at = CURRENT_TIMESTAMP WHERE rowid = ?",
                       "ssi", wg_arena_json_text(&req->arena, metadata),
                       pdf_label(&req->arena, metadata, doc_id), pdf.row) < 0
               ? -1
               : 0;
}

static int import_tei(struct import *job, const struct scanned *from, json_t *collections)
{
    struct wg_req *req = job->req;
    const char *label = from->tei.edition_title;
    struct wg_file file = {
        .doc_id = from->id != NULL ? from->id : from->doc_id,
        .file_type = "tei",
        .variant = from->tei.variant,
        .has_version = true,
        .gold = !from->marked,
        .collections = collections,
    };
    if (label == NULL)
        label = from->tei.responsibilities;
    file.label = generic(label) ? file.doc_id : label;
    if (wg_stmt_int(req->conns[WG_DB_METADATA], &file.version,
                    "SELECT count(*) FROM files WHERE deleted = 0 AND doc_id = ? AND file_type = "
                    "'tei' AND variant IS ?",
                    "ss", file.doc_id, file.variant) < 0)
        return -1;
    int got = insert(job, from, &file);
    if (got == 1 && complete_pdf(job, from, file.doc_id) < 0)
        return -1;
    return got;
}

/* All files of the document that `first` begins, in one transaction. */
static int import_document(struct import *job, const struct scanned *first)
{
    struct wg_req *req = job->req;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    const char *collection = collection_of(job, first);
    json_t *collections = wg_arena_json(&req->arena, json_array());
    int64_t imported = 0, skipped = 0;
    bool have_pdf = false;
    if (collection != NULL && ensure_collection(req, collection) < 0)
        return -1;
    if (collection != NULL)
        json_array_append_new(collections, wg_json_text(collection));
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < job->count; i++) {
            const struct scanned *file = &job->files[i];
            int got = 0;
            if (file->pdf != (pass == 0) || strcmp(file->doc_id, first->doc_id) != 0)
                continue;
            if (!file->pdf)
                got = import_tei(job, file, collections);
            else if (!have_pdf)
                got = import_pdf(job, file, collections);
            have_pdf |= file->pdf;
            if (got < 0)
                return -1;
            imported += got == 1;
            skipped += got == 0;
        }
    }
    if (wg_conn_commit(conn) < 0)
        return -1;
    job->imported += imported;
    job->skipped += skipped;
    return 0;
}

static void import_documents(struct import *job)
{
    struct wg_req *req = job->req;
    json_t *seen = wg_arena_json(&req->arena, json_object());
    for (size_t i = 0; i < job->count; i++) {
        const char *doc_id = job->files[i].doc_id;
        if (json_object_get(seen, doc_id) != NULL)
            continue;
        json_object_set_new_nocheck(seen, doc_id, json_true());
        if (import_document(job, &job->files[i]) == 0)
            continue;
        if (req->conns[WG_DB_METADATA] != NULL)
            wg_conn_rollback(req->conns[WG_DB_METADATA]);
        json_t *error = json_object();
        json_object_set_new(error, "doc_id", wg_json_text(doc_id));
        json_object_set_new(error, "error", wg_json_text(req->fail.message));
        json_array_append_new(job->errors, error);
        req->fail = (struct wg_fail){0};
    }
}

/* Whether the answer has been decided before the archive is opened; then the reply is set. */
static int refuse_early(struct wg_req *req, const char *collection)
{
    if (!wg_text_ends_with(req->part.filename, ".zip")) {
        wg_reply_detail(req, 400, "Only .zip files are accepted");
        return 1;
    }
    const struct wg_visible *visible = wg_visible_get(req);
    if (visible == NULL)
        return -1;
    if (collection != NULL && !visible->all && !wg_json_has_text(visible->names, collection)) {
        wg_reply_detail(req, 403, "You don't have access to collection '%s'", collection);
        return 1;
    }
    return 0;
}

int wg_import_run(struct wg_req *req)
{
    const char *recursive = wg_req_query(req, "recursive_collections"), *error;
    struct wg_entries entries;
    struct import job = {
        .req = req,
        .collection = wg_req_query(req, "collection"),
        .recursive = recursive != NULL && wg_bool_word(recursive) == 1,
        .errors = wg_arena_json(&req->arena, json_array()),
    };
    if (wg_text_empty(job.collection))
        job.collection = NULL;
    int refused = refuse_early(req, job.collection);
    if (refused != 0)
        return refused < 0 ? -1 : 0;
    if (wg_zip_read(&req->arena, req->part.data, req->part.size, &entries, &error) < 0)
        return wg_reply_detail(req, 400, "Not a valid zip file: %s", error);
    if (entries.count == 0)
        return wg_reply_detail(req, 400, "Import from zip failed: Zip archive is empty");
    scan(&job, &entries);
    group(&job);
    import_documents(&job);
    return wg_reply_json(req, 200,
                         json_pack("{s:I,s:I,s:I,s:i,s:O}", "files_scanned", (json_int_t)job.count,
                                   "files_imported", (json_int_t)job.imported, "files_skipped",
                                   (json_int_t)job.skipped, "files_updated", 0, "errors",
                                   job.errors));
}
