/* SPDX-License-Identifier: MIT */
#include "suites/api/files.h"

#include "harness/base/json.h"
#include "harness/base/str.h"
#include "suites/api/api.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wg_response *api_delete_try(struct wg_http *http, const char *file_id)
{
    return wg_http_post_json(http, "/api/v1/files/delete", json_pack("{s:[s]}", "files", file_id));
}

struct wg_response *api_place_try(struct wg_http *http, const char *verb, const char *pdf_id,
                                  const char *xml_id, const char *collection)
{
    return wg_http_post_json(http, wg_http_path(http, "/api/v1/files/%s", verb),
                             json_pack("{s:s,s:s,s:s}", "pdf_id", pdf_id, "xml_id", xml_id,
                                       "destination_collection", collection));
}

struct wg_response *api_patch_try(struct wg_http *http, const char *file_id, json_t *body)
{
    return wg_http_patch_json(http, wg_http_path(http, "/api/v1/files/%s/metadata", file_id), body);
}

void api_post_at_once(struct wg_http *const *clients, bool one_client, const char *path,
                      json_t *const *bodies, size_t count, struct wg_response **ret_responses)
{
    struct wg_request *requests = wg_calloc(count, sizeof *requests);
    for (size_t i = 0; i < count; i++) {
        requests[i] = (struct wg_request){.method = "POST",
                                          .path = path,
                                          .json = bodies[i],
                                          .session = clients[one_client ? 0 : i]};
    }
    wg_http_send_all(clients[0], requests, count, ret_responses);
    for (size_t i = 0; i < count; i++)
        json_decref(bodies[i]);
    free(requests);
}

size_t api_count_status(struct wg_response *const *responses, size_t count, long status)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += responses[i]->status == status;
    return found;
}

char *api_hash(struct wg_http *http, const char *file_id)
{
    struct wg_response *response = api_meta_try(http, file_id);
    wg_expect_status(response, 200);
    return wg_strdup(wg_require_str(response, "id"));
}

bool api_lists_lock(struct wg_http *http, const char *file_id)
{
    struct wg_response *response = wg_http_get(http, "/api/v1/files/locks");
    wg_expect_status(response, 200);
    json_t *list = wg_require_json(response, "locked_files"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), file_id) == 0)
            return true;
    }
    return false;
}

json_t *api_base64(const char *text)
{
    size_t size = strlen(text);
    char *encoded = wg_malloc(BASE64_ENCODE_RAW_LENGTH(size));
    base64_encode_raw(encoded, size, (const uint8_t *)text);
    json_t *value = json_stringn(encoded, BASE64_ENCODE_RAW_LENGTH(size));
    free(encoded);
    return value;
}

const char *api_expect_saved_at(struct wg_place place, struct wg_response *response,
                                const char *word)
{
    wg_response_expect_status(place, response, 200);
    wg_response_expect_str(place, response, "status", WG_OP_eq, word);
    wg_response_expect_str(place, response, "file_id", WG_OP_matches, API_STABLE_ID);
    return wg_response_require_str(place, response, "file_id");
}

void api_expect_lock_at(struct wg_place place, struct wg_http *http, const char *file_id,
                        const char *owner)
{
    struct wg_response *response = api_file_post(http, "check_lock", file_id);
    wg_response_expect_status(place, response, 200);
    wg_response_expect_bool(place, response, "is_locked", owner != NULL);
    if (owner != NULL)
        wg_response_expect_str(place, response, "locked_by", WG_OP_eq, owner);
    else
        wg_response_expect_null(place, response, "locked_by");
}

void api_expect_meta_at(struct wg_place place, struct wg_http *http, const char *file_id,
                        json_t *want)
{
    const char *key;
    json_t *value;
    if (want == NULL)
        wg_test_fail(place, "the wanted metadata could not be built");
    struct wg_response *response = api_meta_try(http, file_id);
    wg_response_expect_status(place, response, 200);
    json_object_foreach(want, key, value)
    {
        wg_response_expect_json(place, response, key, json_incref(value));
    }
    json_decref(want);
}

void api_expect_refused_at(struct wg_place place, struct wg_response *response)
{
    if (response->status < 400)
        wg_test_fail(place, "%s %s: expected some status of failure, got %ld", response->method,
                     response->url, response->status);
}

void api_expect_content_at(struct wg_place place, struct wg_response *response, const char *text)
{
    wg_response_expect_status(place, response, 200);
    wg_response_expect_body(place, response, WG_OP_eq, text);
    if (response->body.size != strlen(text))
        wg_test_fail(place, "%s: %zu bytes instead of %zu", response->url, response->body.size,
                     strlen(text));
}

void api_expect_gone_at(struct wg_place place, struct wg_http *http, const char *file_id)
{
    char *detail = wg_format("File not found: %s", file_id);
    wg_response_expect_error(place, api_serve(http, file_id), 404, detail);
    wg_response_expect_error(place, api_meta_try(http, file_id), 404, detail);
    free(detail);
}

bool api_is_stored(const char *hash, const char *ext)
{
    char *path = api_stored_path(hash, ext);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

void api_age_lock(const char *file_id, const char *column, int seconds)
{
    char *sql =
        wg_format("UPDATE locks SET %s = datetime(%s, ?) WHERE file_id = ?", column, column);
    char *shift = wg_format("-%d seconds", seconds);
    int64_t changed = wg_db_exec("locks", sql, shift, file_id);
    cr_assert(changed == 1, "%s has no lock to age", file_id);
    free(shift);
    free(sql);
}

void api_set_access(const char *file_id, const char *column, const char *rule, const char *value,
                    const char *owner)
{
    char *sql = wg_format("UPDATE files SET %s = json_set(coalesce(%s, '{}'), '$.access_control', "
                          "json_object(?, ?, 'owner', ?)) WHERE stable_id = ?",
                          column, column);
    int64_t changed = wg_db_exec("metadata", sql, rule, value, owner, file_id);
    cr_assert(changed == 1, "there is no file %s", file_id);
    free(sql);
}
