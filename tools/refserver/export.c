/* SPDX-License-Identifier: MIT
 *
 * Export: documents as a ZIP archive.
 *
 * A document takes part if it has a gold TEI file that matches the variant patterns (and, with a
 * collection filter, a PDF in one of the collections). It contributes those TEI files, its PDFs,
 * and on request its other TEI files. How names and directories are made is a row of a table per
 * grouping.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/tei.h"
#include "tools/refserver/zip.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const struct wg_field wg_export_fields[] = {{"include_versions", WG_FIELD_BOOL, WG_IN_QUERY, NULL},
                                            {0}};

struct export
{
    struct wg_req *req;
    struct wg_zip *archive;
    const json_t *collections; /* filter, or NULL for none */
    const json_t *variants;    /* patterns; empty matches all */
    bool versions;
    int (*place)(struct export * job, const struct wg_file *file, const char *name);
    json_t *names; /* set of names in the archive */
};

/* Adds the stored content of the file under a name that is made unique if need be. */
static int add_file(struct export *job, const struct wg_file *file, const char *name)
{
    struct wg_req *req = job->req;
    struct wg_buf content = {0};
    char *path = wg_store_path(&req->app->store, &req->arena, file->id, file->file_type);
    int rc = 0;
    if (json_object_get(job->names, name) != NULL)
        name = wg_arena_format(&req->arena, "%s.%s", name, file->stable_id);
    if (wg_file_read(path, &content) == 0) {
        json_object_set_new_nocheck(job->names, name, json_true());
        rc = wg_zip_add(job->archive, name, content.data, content.len);
    }
    wg_buf_finish(&content);
    if (rc < 0)
        wg_fail_set(&req->fail, 0, "cannot write the archive");
    return rc;
}

static const char *type_directory(const struct wg_file *file)
{
    if (strcmp(file->file_type, "pdf") == 0)
        return "pdf";
    return file->gold ? "tei" : "versions";
}

static int place_by_type(struct export *job, const struct wg_file *file, const char *name)
{
    return add_file(job, file,
                    wg_arena_format(&job->req->arena, "%s/%s", type_directory(file), name));
}

static int place_by_collection(struct export *job, const struct wg_file *file, const char *name)
{
    size_t i;
    json_t *collection;
    if (json_array_size(file->collections) == 0)
        return add_file(
            job, file,
            wg_arena_format(&job->req->arena, "uncategorized/%s/%s", type_directory(file), name));
    json_array_foreach(file->collections, i, collection)
    {
        const char *directory = json_string_value(collection);
        if (directory != NULL && add_file(job, file,
                                          wg_arena_format(&job->req->arena, "%s/%s/%s", directory,
                                                          type_directory(file), name)) < 0)
            return -1;
    }
    return 0;
}

static int place_by_variant(struct export *job, const struct wg_file *file, const char *name)
{
    const char *directory = "pdf";
    if (strcmp(file->file_type, "pdf") != 0)
        directory = file->variant != NULL && *file->variant != '\0' ? file->variant : "default";
    return add_file(job, file, wg_arena_format(&job->req->arena, "%s/%s", directory, name));
}

static const struct {
    const char *name;
    int (*place)(struct export *, const struct wg_file *, const char *);
} groupings[] = {
    {"collection", place_by_collection}, {"type", place_by_type}, {"variant", place_by_variant}};

static const char *export_name(struct export *job, const struct wg_file *file)
{
    struct wg_arena *arena = &job->req->arena;
    const char *base = wg_doc_id_encode(arena, file->doc_id), *variant = file->variant;
    if (strcmp(file->file_type, "pdf") == 0)
        return wg_arena_format(arena, "%s.pdf", base);
    if (variant != NULL && *variant != '\0')
        base = wg_arena_format(arena, "%s.%s", base, wg_doc_id_encode(arena, variant));
    if (!file->gold)
        base = wg_arena_format(arena, "%s.v%lld", base, (long long)file->version);
    return wg_arena_format(arena, "%s.tei.xml", base);
}

static bool matches_variant(const struct export *job, const struct wg_file *file)
{
    size_t i;
    json_t *pattern;
    if (json_array_size(job->variants) == 0)
        return true;
    json_array_foreach(job->variants, i, pattern)
    {
        if (fnmatch(json_string_value(pattern), file->variant != NULL ? file->variant : "", 0) == 0)
            return true;
    }
    return false;
}

static bool in_collections(const struct export *job, const struct wg_file *file)
{
    size_t i;
    json_t *name;
    json_array_foreach(job->collections, i, name)
    {
        if (wg_json_has_text(file->collections, json_string_value(name)))
            return true;
    }
    return false;
}

/* Documents that take part, a set of ids. */
static json_t *select_documents(struct export *job, const struct wg_files *files)
{
    json_t *allowed = wg_arena_json(&job->req->arena, json_object());
    json_t *chosen = wg_arena_json(&job->req->arena, json_object());
    for (size_t i = 0; i < files->count; i++) {
        const struct wg_file *file = &files->items[i];
        if (strcmp(file->file_type, "pdf") == 0 && in_collections(job, file))
            json_object_set_new_nocheck(allowed, file->doc_id, json_true());
    }
    for (size_t i = 0; i < files->count; i++) {
        const struct wg_file *file = &files->items[i];
        if (strcmp(file->file_type, "tei") == 0 && file->gold && matches_variant(job, file) &&
            (job->collections == NULL || json_object_get(allowed, file->doc_id) != NULL))
            json_object_set_new_nocheck(chosen, file->doc_id, json_true());
    }
    return chosen;
}

static int write_files(struct export *job)
{
    struct wg_files files;
    if (wg_files_query(job->req, &files, WG_FILES_WHERE "deleted = 0 ORDER BY rowid", NULL, NULL,
                       NULL) < 0)
        return -1;
    const json_t *chosen = select_documents(job, &files);
    for (size_t i = 0; i < files.count; i++) {
        const struct wg_file *file = &files.items[i];
        bool pdf = strcmp(file->file_type, "pdf") == 0;
        if (json_object_get(chosen, file->doc_id) == NULL)
            continue;
        if (!pdf && (strcmp(file->file_type, "tei") != 0 || !matches_variant(job, file) ||
                     (!file->gold && !job->versions)))
            continue;
        if (job->place(job, file, export_name(job, file)) < 0)
            return -1;
    }
    return 0;
}

/* Comma-separated words of a query parameter; empty when absent. */
static json_t *words_of(struct wg_req *req, const char *name)
{
    json_t *list = wg_arena_json(&req->arena, json_array());
    char *rest = wg_arena_strdup(&req->arena, wg_req_query(req, name));
    for (char *word = strsep(&rest, ","); word != NULL; word = strsep(&rest, ",")) {
        word += strspn(word, " ");
        word[strcspn(word, " ")] = '\0';
        if (*word != '\0')
            json_array_append_new(list, wg_json_text(word));
    }
    return list;
}

/* The collection filter. 1 go on, 0 refused (reply set), -1 failure. */
static int choose_collections(struct export *job)
{
    struct wg_req *req = job->req;
    const struct wg_visible *visible = wg_visible_get(req);
    json_t *wanted = words_of(req, "collections"), *name;
    if (visible == NULL)
        return -1;
    if (visible->all) {
        job->collections = json_array_size(wanted) > 0 ? wanted : NULL;
        return 1;
    }
    if (json_array_size(visible->names) == 0) {
        wg_reply_detail(req, 403, "You don't have access to any collections");
        return 0;
    }
    job->collections = visible->names;
    if (json_array_size(wanted) == 0)
        return 1;
    json_t *both = wg_arena_json(&req->arena, json_array());
    size_t i;
    json_array_foreach(wanted, i, name)
    {
        if (wg_json_has_text(visible->names, json_string_value(name)))
            json_array_append(both, name);
    }
    job->collections = both;
    if (json_array_size(both) > 0)
        return 1;
    wg_reply_detail(req, 403, "You don't have access to any of the requested collections");
    return 0;
}

int wg_export_get(struct wg_req *req)
{
    struct export job = {.req = req};
    struct wg_buf zip = {0};
    const char *grouping = wg_req_query(req, "group_by");
    const char *versions = wg_req_query(req, "include_versions");
    for (size_t i = 0; i < sizeof groupings / sizeof *groupings; i++)
        if (grouping == NULL ? i == 0 : strcmp(groupings[i].name, grouping) == 0)
            job.place = groupings[i].place;
    if (job.place == NULL)
        return wg_reply_detail(
            req, 400, "Invalid group_by: %s. Must be 'type', 'collection', or 'variant'", grouping);
    int chosen = choose_collections(&job);
    if (chosen != 1)
        return chosen;
    job.variants = words_of(req, "variants");
    job.versions = versions != NULL && wg_bool_word(versions) == 1;
    job.names = wg_arena_json(&req->arena, json_object());
    job.archive = wg_zip_create(&zip);
    int rc = write_files(&job);
    if (wg_zip_close(job.archive) < 0 && rc == 0) {
        wg_fail_set(&req->fail, 0, "cannot write the archive");
        rc = -1;
    }
    if (rc < 0) {
        wg_buf_finish(&zip);
        return -1;
    }
    req->reply.status = 200;
    req->reply.content_type = "application/zip";
    req->reply.body = zip;
    wg_reply_header(req, "Content-Disposition", "attachment; filename=\"export.zip\"");
    return 0;
}
