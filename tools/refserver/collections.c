/* SPDX-License-Identifier: MIT
 *
 * Collections: listing what the caller sees, creating, changing, removing.
 *
 * A new collection joins the personal group of its creator, which is made if need be. Removing one
 * takes it from every file; a file that belongs to no other collection is soft-deleted.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct wg_field wg_collection_fields[] = {
    {"id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"name", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"description", WG_FIELD_TEXT, 0, NULL},
    {0},
};

static json_t *view_of(const json_t *entry)
{
    const char *description = wg_json_get_text(entry, "description");
    return json_pack("{s:O,s:O,s:s}", "id", json_object_get(entry, "id"), "name",
                     json_object_get(entry, "name"), "description",
                     description != NULL ? description : "");
}

static json_t *load(struct wg_req *req)
{
    return wg_arena_json(&req->arena,
                         wg_config_load(&req->app->configs, WG_CONFIG_COLLECTIONS, &req->fail));
}

static int compare_names(const void *a, const void *b)
{
    const char *left = wg_json_get_text(*(json_t *const *)a, "name");
    const char *right = wg_json_get_text(*(json_t *const *)b, "name");
    return strcasecmp(left != NULL ? left : "", right != NULL ? right : "");
}

int wg_collections_list(struct wg_req *req)
{
    const struct wg_visible *visible = wg_visible_get(req);
    json_t *content = load(req), *entry;
    size_t i, count = 0;
    if (visible == NULL || content == NULL)
        return -1;
    json_t **shown = wg_arena_alloc(&req->arena, (json_array_size(content) + 1) * sizeof(json_t *));
    json_array_foreach(content, i, entry)
    {
        const char *id = wg_json_get_text(entry, "id");
        if (id != NULL && (visible->all || wg_json_has_text(visible->names, id)))
            shown[count++] = entry;
    }
    qsort(shown, count, sizeof *shown, compare_names);
    json_t *list = json_array();
    for (i = 0; i < count; i++)
        json_array_append_new(list, view_of(shown[i]));
    return wg_reply_json(req, 200, list);
}

int wg_collections_get(struct wg_req *req)
{
    const json_t *content = load(req);
    if (content == NULL)
        return -1;
    const json_t *entry = wg_config_find(content, "id", req->arguments[0], NULL);
    if (entry == NULL)
        return wg_reply_detail(req, 404, "Collection '%s' not found", req->arguments[0]);
    return wg_reply_json(req, 200, view_of(entry));
}

/* Live files that list the collection. */
static int find_files(struct wg_req *req, const char *id, struct wg_files *ret)
{
    return wg_files_query(req, ret,
                          WG_FILES_WHERE WG_LIVE
                          "EXISTS (SELECT 1 FROM json_each(files.doc_collections) "
                          "WHERE json_each.value = ?) ORDER BY created_at, rowid",
                          id, NULL, NULL);
}

int wg_collections_files(struct wg_req *req)
{
    const char *id = req->arguments[0];
    const json_t *content = load(req);
    struct wg_files files;
    if (content == NULL)
        return -1;
    if (wg_config_find(content, "id", id, NULL) == NULL)
        return wg_reply_detail(req, 404, "Collection '%s' not found", id);
    if (find_files(req, id, &files) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < files.count; i++) {
        const struct wg_file *file = &files.items[i];
        const char *original = wg_json_get_text(file->file_metadata, "original_filename");
        if (strcmp(file->file_type, "pdf") != 0)
            continue;
        json_array_append_new(
            list, json_pack("{s:o,s:s,s:s}", "filename",
                            wg_json_text(original != NULL ? original : file->filename), "stable_id",
                            file->stable_id, "file_type", file->file_type));
    }
    return wg_reply_json(req, 200,
                         json_pack("{s:o,s:o}", "collection_id", wg_json_text(id), "files", list));
}

/* Makes sure that the caller is a member of his personal group. */
static int join_group(struct wg_req *req)
{
    json_t *users = wg_config_edit(&req->app->configs, WG_CONFIG_USERS, &req->fail);
    if (users == NULL)
        return -1;
    int rc = 0;
    json_t *user = wg_config_find(users, "username", req->user.name, NULL);
    json_t *groups = json_object_get(user, "groups");
    if (user != NULL && !wg_json_has_text(groups, req->user.name)) {
        if (!json_is_array(groups)) {
            groups = json_array();
            json_object_set_new(user, "groups", groups);
        }
        json_array_append_new(groups, wg_json_text(req->user.name));
        rc = wg_config_write(&req->app->configs, WG_CONFIG_USERS, users, &req->fail);
    }
    wg_config_leave(&req->app->configs, WG_CONFIG_USERS, users);
    return rc;
}

/* Lists the collection in the caller's personal group. */
static int add_to_group(struct wg_req *req, const char *id)
{
    const char *name = req->user.name;
    json_t *groups = wg_config_edit(&req->app->configs, WG_CONFIG_GROUPS, &req->fail);
    if (groups == NULL)
        return -1;
    int rc = 0;
    json_t *group = wg_config_find(groups, "id", name, NULL);
    bool created = group == NULL;
    if (created) {
        group = json_pack(
            "{s:s,s:o,s:o,s:[]}", "id", name, "name",
            wg_json_text(wg_arena_format(&req->arena, "%s's collections", name)), "description",
            wg_json_text(wg_arena_format(&req->arena, "Personal collections for %s", name)),
            "collections");
        json_array_append_new(groups, group);
    }
    json_t *collections = json_object_get(group, "collections");
    if (!wg_json_has_text(collections, "*")) {
        json_array_append_new(collections, wg_json_text(id));
        rc = wg_config_write(&req->app->configs, WG_CONFIG_GROUPS, groups, &req->fail);
    }
    wg_config_leave(&req->app->configs, WG_CONFIG_GROUPS, groups);
    return rc == 0 && created ? join_group(req) : rc;
}

static bool good_id(const char *id)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return *id != '\0' && id[strspn(id, allowed)] == '\0';
}

int wg_collections_create(struct wg_req *req)
{
    const char *id = wg_req_text(req, "id");
    if (!good_id(id))
        return wg_reply_detail(req, 400,
                               "Invalid collection ID. Only letters, numbers, hyphens, and "
                               "underscores are allowed.");
    json_t *content = wg_config_edit(&req->app->configs, WG_CONFIG_COLLECTIONS, &req->fail);
    if (content == NULL)
        return -1;
    int rc = -1;
    if (wg_config_find(content, "id", id, NULL) != NULL) {
        rc = wg_reply_detail(req, 400, "Collection '%s' already exists.", id);
        goto out;
    }
    json_t *entry = view_of(req->json);
    json_array_append_new(content, entry);
    if (wg_config_write(&req->app->configs, WG_CONFIG_COLLECTIONS, content, &req->fail) == 0 &&
        add_to_group(req, id) == 0)
        rc = wg_reply_json(req, 201, json_incref(entry));
out:
    wg_config_leave(&req->app->configs, WG_CONFIG_COLLECTIONS, content);
    return rc;
}

int wg_collections_update(struct wg_req *req)
{
    const char *id = req->arguments[0];
    json_t *content = wg_config_edit(&req->app->configs, WG_CONFIG_COLLECTIONS, &req->fail);
    if (content == NULL)
        return -1;
    int rc = -1;
    json_t *entry = wg_config_find(content, "id", id, NULL);
    if (entry == NULL) {
        rc = wg_reply_detail(req, 404, "Collection '%s' not found", id);
    } else if (strcmp(wg_req_text(req, "id"), id) != 0) {
        rc = wg_reply_detail(req, 400, "Collection ID cannot be changed");
    } else {
        json_t *view = view_of(req->json);
        json_object_update(entry, view);
        if (wg_config_write(&req->app->configs, WG_CONFIG_COLLECTIONS, content, &req->fail) == 0)
            rc = wg_reply_json(req, 200, json_incref(view));
        json_decref(view);
    }
    wg_config_leave(&req->app->configs, WG_CONFIG_COLLECTIONS, content);
    return rc;
}

/* Takes the collection from all files, in one transaction. */
static int remove_from_files(struct wg_req *req, const char *id, int *ret_updated, int *ret_deleted)
{
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    struct wg_files files;
    struct wg_drops drops = {0};
    if (conn == NULL || wg_conn_begin(conn) < 0 || find_files(req, id, &files) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        const struct wg_file *file = &files.items[i];
        json_t *rest = wg_arena_json(&req->arena, json_array()), *name;
        size_t k;
        json_array_foreach(file->collections, k, name)
        {
            if (!wg_text_same(json_string_value(name), id))
                json_array_append(rest, name);
        }
        bool last = json_array_size(rest) == 0;
        *(last ? ret_deleted : ret_updated) += 1;
        if ((last ? wg_file_soft_delete(req, file, &drops)
                  : wg_file_set_collections(req, file, rest)) < 0)
            return -1;
    }
    return wg_store_commit(&req->app->store, conn, &drops);
}

static int remove_entry(struct wg_req *req, const char *id)
{
    json_t *content = wg_config_edit(&req->app->configs, WG_CONFIG_COLLECTIONS, &req->fail);
    size_t index;
    int rc = 0;
    if (content == NULL)
        return -1;
    if (wg_config_find(content, "id", id, &index) != NULL) {
        json_array_remove(content, index);
        rc = wg_config_write(&req->app->configs, WG_CONFIG_COLLECTIONS, content, &req->fail);
    }
    wg_config_leave(&req->app->configs, WG_CONFIG_COLLECTIONS, content);
    return rc;
}

int wg_collections_delete(struct wg_req *req)
{
    const char *id = req->arguments[0];
    const json_t *content = load(req);
    int updated = 0, deleted = 0;
    if (content == NULL)
        return -1;
    if (wg_config_find(content, "id", id, NULL) == NULL)
        return wg_reply_detail(req, 404, "Collection '%s' not found.", id);
    if (remove_from_files(req, id, &updated, &deleted) < 0 || remove_entry(req, id) < 0)
        return -1;
    return wg_reply_json(req, 200,
                         json_pack("{s:b,s:o,s:i,s:i}", "success", 1, "collection_id",
                                   wg_json_text(id), "files_updated", updated, "files_deleted",
                                   deleted));
}
