/* SPDX-License-Identifier: MIT */
#include "tools/refserver/entity.h"

static json_t *initial_value(const struct wg_entity_member *member)
{
    json_error_t error;
    return json_loads(member->initial, JSON_DECODE_ANY, &error);
}

json_t *wg_entity_view(const struct wg_entity *entity, const json_t *entry)
{
    json_t *view = json_object();
    json_object_set(view, entity->key, json_object_get(entry, entity->key));
    for (const struct wg_entity_member *member = entity->members; member->name != NULL; member++) {
        json_t *value = json_object_get(entry, member->name);
        if (value != NULL)
            json_object_set(view, member->name, value);
        else
            json_object_set_new(view, member->name, initial_value(member));
    }
    return view;
}

static int not_found(struct wg_req *req, const struct wg_entity *entity, const char *id)
{
    return wg_reply_detail(req, 404, "%s '%s' not found", entity->noun, id);
}

int wg_entity_list(struct wg_req *req, const struct wg_entity *entity)
{
    json_t *content = wg_config_load(&req->app->configs, entity->file, &req->fail);
    if (content == NULL)
        return -1;
    json_t *list = json_array(), *entry;
    size_t i;
    json_array_foreach(content, i, entry)
    {
        json_array_append_new(list, wg_entity_view(entity, entry));
    }
    json_decref(content);
    return wg_reply_json(req, 200, list);
}

int wg_entity_get(struct wg_req *req, const struct wg_entity *entity, const char *id)
{
    json_t *content =
        wg_arena_json(&req->arena, wg_config_load(&req->app->configs, entity->file, &req->fail));
    if (content == NULL)
        return -1;
    const json_t *entry = wg_config_find(content, entity->key, id, NULL);
    if (entry == NULL)
        return not_found(req, entity, id);
    return wg_reply_json(req, 200, wg_entity_view(entity, entry));
}

int wg_entity_create(struct wg_req *req, const struct wg_entity *entity)
{
    const char *id = wg_req_text(req, entity->key);
    json_t *content = wg_config_edit(&req->app->configs, entity->file, &req->fail);
    if (content == NULL)
        return -1;
    int rc = -1;
    if (wg_config_find(content, entity->key, id, NULL) != NULL) {
        rc = wg_reply_detail(req, 400, "%s '%s' already exists", entity->noun, id);
        goto out;
    }
    json_t *entry = json_object();
    json_object_set_new(entry, entity->key, wg_json_text(id));
    for (const struct wg_entity_member *member = entity->members; member->name != NULL; member++) {
        json_t *value = member->fixed ? NULL : wg_req_value(req, member->name);
        if (value != NULL)
            json_object_set(entry, member->name, value);
        else
            json_object_set_new(entry, member->name, initial_value(member));
    }
    if (entity->complete != NULL)
        entity->complete(req, entry);
    json_array_append_new(content, entry);
    if (wg_config_write(&req->app->configs, entity->file, content, &req->fail) == 0)
        rc = wg_reply_json(req, 200, wg_entity_view(entity, entry));
out:
    wg_config_leave(&req->app->configs, entity->file, content);
    return rc;
}

int wg_entity_update(struct wg_req *req, const struct wg_entity *entity, const char *id)
{
    json_t *content = wg_config_edit(&req->app->configs, entity->file, &req->fail);
    if (content == NULL)
        return -1;
    int rc = -1;
    json_t *entry = wg_config_find(content, entity->key, id, NULL);
    if (entry == NULL) {
        rc = not_found(req, entity, id);
        goto out;
    }
    for (const struct wg_entity_member *member = entity->members; member->name != NULL; member++) {
        json_t *value = member->fixed ? NULL : wg_req_value(req, member->name);
        if (value != NULL)
            json_object_set(entry, member->name, value);
    }
    if (entity->complete != NULL)
        entity->complete(req, entry);
    if (wg_config_write(&req->app->configs, entity->file, content, &req->fail) == 0)
        rc = wg_reply_json(req, 200, wg_entity_view(entity, entry));
out:
    wg_config_leave(&req->app->configs, entity->file, content);
    return rc;
}

int wg_entity_delete(struct wg_req *req, const struct wg_entity *entity, const char *id)
{
    json_t *content = wg_config_edit(&req->app->configs, entity->file, &req->fail);
    size_t index;
    if (content == NULL)
        return -1;
    int rc = -1;
    if (wg_config_find(content, entity->key, id, &index) == NULL) {
        rc = not_found(req, entity, id);
        goto out;
    }
    json_array_remove(content, index);
    if (wg_config_write(&req->app->configs, entity->file, content, &req->fail) == 0) {
        char *message =
            wg_arena_format(&req->arena, "%s '%s' deleted successfully", entity->noun, id);
        rc = wg_reply_json(req, 200,
                           json_pack("{s:b,s:o}", "success", 1, "message", wg_json_text(message)));
    }
out:
    wg_config_leave(&req->app->configs, entity->file, content);
    return rc;
}
