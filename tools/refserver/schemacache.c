/* SPDX-License-Identifier: MIT */
#include "tools/refserver/schemacache.h"

#include "tools/refserver/xmlcheck.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void wg_schemas_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void wg_schemas_finish(void)
{
    curl_global_cleanup();
}

/* Value of `name="..."` within [from, end), and where it ends. */
static const char *attribute(struct wg_arena *arena, const char *from, const char *end,
                             const char *name, const char **ret_after)
{
    size_t length = strlen(name);
    const char *at = memmem(from, (size_t)(end - from), name, length);
    if (at == NULL || end - at < (ptrdiff_t)length + 2 || at[length] != '=' ||
        at[length + 1] != '"')
        return NULL;
    const char *value = at + length + 2;
    const char *quote = memchr(value, '"', (size_t)(end - value));
    if (quote == NULL)
        return NULL;
    *ret_after = quote;
    return wg_arena_strndup(arena, value, (size_t)(quote - value));
}

const char *wg_schema_find_relaxng(struct wg_arena *arena, const char *xml)
{
    for (const char *at = strstr(xml, "<?xml-model"); at != NULL;
         at = strstr(at + 1, "<?xml-model")) {
        const char *end = strstr(at, "?>"), *after = at;
        if (end == NULL)
            return NULL;
        const char *location = attribute(arena, at, end, "href", &after);
        const char *kind =
            location != NULL ? attribute(arena, after, end, "schematypens", &after) : NULL;
        if (wg_text_same(kind, WG_RELAXNG_NAMESPACE))
            return location;
    }
    return NULL;
}

json_t *wg_schema_find_xsd(struct wg_arena *arena, const char *xml)
{
    json_t *list = wg_arena_json(arena, json_array());
    const char *end = xml + strlen(xml), *after = xml;
    for (const char *at = strstr(xml, "schemaLocation=\""); at != NULL;
         at = strstr(after, "schemaLocation=\"")) {
        const char *pairs = attribute(arena, at, end, "schemaLocation", &after);
        if (pairs == NULL)
            break;
        char *rest = wg_arena_strdup(arena, pairs);
        int index = 0;
        for (char *word = strsep(&rest, " \t\r\n"); word != NULL; word = strsep(&rest, " \t\r\n")) {
            if (*word == '\0')
                continue;
            if (index++ % 2 == 1)
                json_array_append_new(list, wg_json_text(word));
        }
    }
    return list;
}

const char *wg_schema_path(struct wg_req *req, const char *url)
{
    const char *at = strstr(url, "://");
    if (at == NULL)
        return NULL;
    at += 3;
    size_t length = strcspn(at, "?#");
    char *place = wg_arena_strndup(&req->arena, at, length);
    /* A location must not lead out of the cache. */
    if (length == 0 || place[0] == '/' || place[length - 1] == '/' || strchr(place, '/') == NULL ||
        strcmp(place, "..") == 0 || strstr(place, "../") != NULL || wg_text_ends_with(place, "/.."))
        return NULL;
    return wg_arena_format(&req->arena, "%s/schema/cache/%s", req->app->options.data, place);
}

static void make_parents(struct wg_req *req, const char *path)
{
    char *copy = wg_arena_strdup(&req->arena, path);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0755);
        *slash = '/';
    }
}

static size_t receive(char *data, size_t size, size_t count, void *argument)
{
    struct wg_buf *body = argument;
    if (body->len + size * count > (size_t)WG_SCHEMA_BYTES_MAX)
        return 0;
    wg_buf_add(body, data, size * count);
    return size * count;
}

/* The resource at `url` into `body`. 0, or -1 with a reason. */
static int download(struct wg_req *req, const char *url, struct wg_buf *body,
                    const char **ret_error)
{
    CURL *handle = curl_easy_init();
    if (handle == NULL)
        abort();
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, WG_SCHEMA_SECONDS);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, (void *)body);
    CURLcode code = curl_easy_perform(handle);
    curl_easy_cleanup(handle);
    if (code == CURLE_OK && body->len > 0)
        return 0;
    *ret_error =
        wg_arena_format(&req->arena, "Failed to download schema from %s - check the URL: %s", url,
                        code != CURLE_OK ? curl_easy_strerror(code) : "empty answer");
    return -1;
}

/* Written under a temporary name, so that nobody reads half a schema. */
static int write_copy(struct wg_req *req, const char *path, const struct wg_buf *body,
                      const char **ret_error)
{
    uint_fast64_t serial =
        atomic_fetch_add_explicit(&req->app->store.serial, 1, memory_order_relaxed);
    char *temporary = wg_arena_format(&req->arena, "%s.%llu.new", path, (unsigned long long)serial);
    make_parents(req, path);
    FILE *file = fopen(temporary, "we");
    bool good = file != NULL && fwrite(body->data, 1, body->len, file) == body->len;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (good && rename(temporary, path) == 0)
        return 0;
    *ret_error = wg_arena_format(&req->arena, "Failed to download schema: cannot store %s", path);
    unlink(temporary);
    return -1;
}

const char *wg_schema_fetch(struct wg_req *req, const char *url, bool again, const char **ret_error)
{
    const char *path = wg_schema_path(req, url);
    if (path == NULL) {
        *ret_error = wg_arena_format(&req->arena,
                                     "Failed to download schema from %s - check the URL: it names "
                                     "no file",
                                     url);
        return NULL;
    }
    if (!again && access(path, R_OK) == 0)
        return path;
    struct wg_buf body = {0};
    int rc = download(req, url, &body, ret_error);
    if (rc == 0)
        rc = write_copy(req, path, &body, ret_error);
    wg_buf_finish(&body);
    return rc == 0 ? path : NULL;
}
