/* SPDX-License-Identifier: MIT
 *
 * Settings (config.json) and instructions (prompt.json).
 */
#include "tools/refserver/handlers.h"
#include "tools/refserver/internet.h"

const struct wg_field wg_config_set_fields[] = {
    {"key", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"value", WG_FIELD_ANY, WG_REQUIRED, NULL},
    {0},
};

const struct wg_field wg_instruction_fields[] = {
    {"label", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"extractor", WG_FIELD_TEXT_LIST, WG_REQUIRED, NULL},
    {"text", WG_FIELD_TEXT_LIST, WG_REQUIRED, NULL},
    {0},
};

int wg_config_list(struct wg_req *req)
{
    json_t *settings = wg_config_load(&req->app->configs, WG_CONFIG_SETTINGS, &req->fail);
    return settings != NULL ? wg_reply_json(req, 200, settings) : -1;
}

int wg_config_get(struct wg_req *req)
{
    json_t *settings = wg_arena_json(
        &req->arena, wg_config_load(&req->app->configs, WG_CONFIG_SETTINGS, &req->fail));
    if (settings == NULL)
        return -1;
    json_t *value = json_object_get(settings, req->arguments[0]);
    if (value == NULL)
        return wg_reply_detail(req, 404, "Key '%s' not found", req->arguments[0]);
    return wg_reply_json(req, 200, json_incref(value));
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    case JSON_ARRAY: return "array";
    case JSON_OBJECT: return "object";
    case JSON_NULL: break;
    }
    return "null";
}

static bool holds(const json_t *array, const json_t *wanted)
{
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value)
    {
        bool numbers = json_is_number(value) && json_is_number(wanted);
        if (json_equal(value, wanted) ||
            (numbers && json_number_value(value) == json_number_value(wanted)))
            return true;
    }
    return false;
}

/* Why the value must not be stored under the key, or NULL. */
static const char *objection(struct wg_req *req, const json_t *settings, const char *key,
                             const json_t *value)
{
    static const char *const types[] = {"string", "number", "boolean", "array", "object", "null"};
    if (wg_text_ends_with(key, ".values") && !json_is_array(value))
        return "Values keys must be arrays";
    if (wg_text_ends_with(key, ".type")) {
        bool known = false;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            known |= wg_text_same(types[i], json_string_value(value));
        if (!known)
            return "Type must be one of ['string', 'number', 'boolean', 'array', 'object', "
                   "'null']";
    }
    const json_t *values =
        json_object_get(settings, wg_arena_format(&req->arena, "%s.values", key));
    const json_t *type = json_object_get(settings, wg_arena_format(&req->arena, "%s.type", key));
    if ((values != NULL && !holds(values, value)) ||
        (type != NULL && !wg_text_same(json_string_value(type), type_name(value))))
        return "Value does not meet validation constraints";
    return NULL;
}

int wg_config_set(struct wg_req *req)
{
    const char *key = wg_req_text(req, "key");
    json_t *value = json_object_get(req->json, "value");
    if (*key == '\0')
        return wg_reply_detail(req, 400, "Missing 'key' in request");
    json_t *settings = wg_config_edit(&req->app->configs, WG_CONFIG_SETTINGS, &req->fail);
    if (settings == NULL)
        return -1;
    int rc = -1;
    const char *why = objection(req, settings, key, value);
    if (why != NULL) {
        rc = wg_reply_detail(req, 400, "%s", why);
        goto out;
    }
    json_object_set(settings, key, value);
    char *type = wg_arena_format(&req->arena, "%s.type", key);
    if (!wg_text_ends_with(key, ".type") && !wg_text_ends_with(key, ".values") &&
        json_object_get(settings, type) == NULL)
        json_object_set_new(settings, type, json_string(type_name(value)));
    if (wg_config_write(&req->app->configs, WG_CONFIG_SETTINGS, settings, &req->fail) == 0)
        rc = wg_reply_json(req, 200, json_pack("{s:s}", "result", "OK"));
out:
    wg_config_leave(&req->app->configs, WG_CONFIG_SETTINGS, settings);
    return rc;
}

int wg_instructions_get(struct wg_req *req)
{
    if (!wg_config_exists(&req->app->configs, WG_CONFIG_PROMPT))
        return wg_reply_json(req, 200,
                             json_pack("[{s:s,s:[s],s:[]}]", "label", "Default instructions",
                                       "extractor", "llamore-gemini", "text"));
    json_t *content = wg_config_load(&req->app->configs, WG_CONFIG_PROMPT, &req->fail);
    return content != NULL ? wg_reply_json(req, 200, content) : -1;
}

int wg_instructions_set(struct wg_req *req)
{
    json_t *list = wg_arena_json(&req->arena, json_array()), *record;
    size_t i;
    json_array_foreach(req->json, i, record)
    {
        json_array_append_new(list,
                              json_pack("{s:O,s:O,s:O}", "label", json_object_get(record, "label"),
                                        "extractor", json_object_get(record, "extractor"), "text",
                                        json_object_get(record, "text")));
    }
    json_t *old = wg_config_edit(&req->app->configs, WG_CONFIG_PROMPT, &req->fail);
    if (old == NULL)
        return -1;
    int rc = wg_config_write(&req->app->configs, WG_CONFIG_PROMPT, list, &req->fail);
    wg_config_leave(&req->app->configs, WG_CONFIG_PROMPT, old);
    return rc < 0 ? -1 : wg_reply_json(req, 200, json_pack("{s:s}", "result", "ok"));
}

int wg_config_state(struct wg_req *req)
{
    return wg_reply_json(req, 200,
                         json_pack("{s:b,s:b}", "webdavEnabled",
                                   wg_options_truth(req->app->options.webdav_enabled),
                                   "hasInternet", wg_internet_reachable()));
}
