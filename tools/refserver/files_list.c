/* SPDX-License-Identifier: MIT
 *
 * The list of documents: one group per document id, with its source (the PDF, or else the newest
 * file) and its artifacts (the other TEI files).
 *
 * All live rows are read newest first and sorted into groups in that order, which is also the order
 * of the answer: the document with the newest file comes first.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <string.h>
#include <strings.h>

const struct wg_field wg_list_fields[] = {{"refresh", WG_FIELD_BOOL, WG_IN_QUERY, NULL}, {0}};

/* One document: its files are items[0..count) of a shared array, newest first. */
struct group {
    const char *doc_id;
    const struct wg_file **items;
    size_t count;
    const struct wg_file *pdf;
};

static bool generic(const char *label)
{
    return label == NULL || *label == '\0' || strcasecmp(label, "untitled") == 0 ||
           strcasecmp(label, "unknown title") == 0;
}

static const char *item_label(const struct wg_file *file)
{
    const char *title = wg_json_get_text(file->doc_metadata, "title");
    if (!generic(file->label))
        return file->label;
    return !generic(title) ? title : file->doc_id;
}

static const char *artifact_label(struct wg_req *req, const struct wg_file *file)
{
    if (!generic(file->label))
        return file->label;
    if (!file->gold)
        return file->doc_id;
    return file->variant != NULL && *file->variant != '\0'
               ? wg_arena_format(&req->arena, "Gold (%s)", file->variant)
               : "Gold";
}

static json_t *time_text(struct wg_req *req, const char *stamp)
{
    char *copy = wg_arena_strdup(&req->arena, stamp);
    char *blank = copy != NULL ? strchr(copy, ' ') : NULL;
    if (blank != NULL)
        *blank = 'T';
    return wg_json_text(copy);
}

static json_t *make_item(struct wg_req *req, const struct wg_file *file, const char *label)
{
    json_t *item = json_object();
    json_object_set_new(item, "id", wg_json_text(file->stable_id));
    json_object_set_new(item, "filename", wg_json_text(file->filename));
    json_object_set_new(item, "file_type", wg_json_text(file->file_type));
    json_object_set_new(item, "label", wg_json_text(label));
    json_object_set_new(item, "file_size", json_integer(file->file_size));
    json_object_set_new(item, "created_at", time_text(req, file->created_at));
    json_object_set_new(item, "updated_at", time_text(req, file->updated_at));
    return item;
}

static json_t *make_artifact(struct wg_req *req, const struct wg_file *file)
{
    json_t *item = make_item(req, file, artifact_label(req, file));
    json_object_set_new(item, "variant", wg_json_text(file->variant));
    json_object_set_new(item, "version",
                        file->has_version ? json_integer(file->version) : json_null());
    json_object_set_new(item, "is_gold_standard", json_boolean(file->gold));
    json_object_set_new(item, "is_locked", json_false());
    json_object_set_new(item, "access_control", json_null());
    return item;
}

static json_t *make_artifacts(struct wg_req *req, const struct group *group,
                              const struct wg_file *source)
{
    json_t *list = json_array();
    for (size_t i = 0; i < group->count; i++) {
        const struct wg_file *file = group->items[i];
        bool itself = file == source && (group->pdf != NULL || file->variant == NULL);
        if (strcmp(file->file_type, "pdf") != 0 && !itself)
            json_array_append_new(list, make_artifact(req, file));
    }
    return list;
}

static bool has_variant(const struct group *group, const char *variant)
{
    for (size_t i = 0; i < group->count; i++)
        if (strcmp(group->items[i]->file_type, "pdf") != 0 &&
            wg_text_same(group->items[i]->variant, variant))
            return true;
    return false;
}

/* The source's collections, reduced to what the caller sees. */
static json_t *shown_collections(const struct wg_visible *visible, const json_t *collections)
{
    json_t *list = json_array(), *name;
    size_t i;
    json_array_foreach(collections, i, name)
    {
        const char *text = json_string_value(name);
        if (text != NULL && (visible->all || wg_json_has_text(visible->names, text)))
            json_array_append(list, name);
    }
    return list;
}

/* The group as clients see it, a new reference; NULL if it is not for this caller. */
static json_t *make_group(struct wg_req *req, const struct group *group, const char *variant)
{
    const struct wg_file *source = group->pdf != NULL ? group->pdf : group->items[0];
    const struct wg_visible *visible = &req->visible;
    if (variant != NULL && !has_variant(group, variant))
        return NULL;
    json_t *collections = shown_collections(visible, source->collections);
    bool hidden = !visible->all && json_array_size(collections) == 0;
    if (hidden || (group->pdf != NULL && !wg_access_read(req, source->doc_metadata, NULL))) {
        json_decref(collections);
        return NULL;
    }
    json_t *view = json_object();
    json_object_set_new(view, "doc_id", wg_json_text(group->doc_id));
    json_object_set_new(view, "collections", collections);
    json_object_set(view, "doc_metadata", source->doc_metadata);
    json_object_set_new(view, "source", make_item(req, source, item_label(source)));
    json_object_set_new(view, "artifacts", make_artifacts(req, group, source));
    return view;
}

/* Sorts rows (newest first) into groups; `ret` has room for one group per row. */
static size_t sort_into_groups(struct wg_req *req, const struct wg_files *files, struct group *ret)
{
    json_t *places = wg_arena_json(&req->arena, json_object());
    const struct wg_file **slots = wg_arena_alloc(&req->arena, (files->count + 1) * sizeof *slots);
    size_t count = 0, used = 0;
    for (size_t i = 0; i < files->count; i++) {
        const char *doc_id = files->items[i].doc_id;
        json_t *place = json_object_get(places, doc_id);
        if (place == NULL) {
            ret[count] = (struct group){.doc_id = doc_id};
            place = json_integer((json_int_t)count++);
            json_object_set_new_nocheck(places, doc_id, place);
        }
        ret[json_integer_value(place)].count++;
    }
    for (size_t i = 0; i < count; i++) {
        ret[i].items = slots + used;
        used += ret[i].count;
        ret[i].count = 0;
    }
    for (size_t i = 0; i < files->count; i++) {
        const struct wg_file *file = &files->items[i];
        struct group *group = &ret[json_integer_value(json_object_get(places, file->doc_id))];
        group->items[group->count++] = file;
        /* The first inserted PDF is the source: rows come newest first, so the last one stays. */
        if (strcmp(file->file_type, "pdf") == 0 &&
            (group->pdf == NULL || file->row < group->pdf->row))
            group->pdf = file;
    }
    return count;
}

int wg_files_list(struct wg_req *req)
{
    struct wg_files files;
    if (wg_visible_get(req) == NULL ||
        wg_files_query(req, &files,
                       WG_FILES_WHERE "deleted = 0 ORDER BY created_at DESC, rowid DESC", NULL,
                       NULL, NULL) < 0)
        return -1;
    struct group *groups = wg_arena_alloc(&req->arena, (files.count + 1) * sizeof *groups);
    size_t count = sort_into_groups(req, &files, groups);
    const char *variant = wg_req_query(req, "variant");
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *view = make_group(req, &groups[i], variant);
        if (view != NULL)
            json_array_append_new(list, view);
    }
    return wg_reply_json(req, 200, json_pack("{s:o}", "files", list));
}
