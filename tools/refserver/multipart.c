/* SPDX-License-Identifier: MIT */
#include "tools/refserver/multipart.h"

#include <string.h>
#include <strings.h>

/* Value of parameter `name` in a header such as `form-data; name="x"; filename="y"`, or NULL. */
static char *header_parameter(struct wg_arena *arena, const char *header, const char *name)
{
    size_t length = strlen(name);
    const char *at = strchr(header, ';');
    while (at != NULL) {
        at += 1 + strspn(at + 1, " \t");
        bool hit = strncasecmp(at, name, length) == 0 && at[length] == '=';
        const char *value = strchr(at, '=');
        if (value == NULL)
            return NULL;
        value++;
        struct wg_buf text = {0};
        wg_buf_add(&text, "", 0);
        if (*value == '"') {
            for (value++; *value != '\0' && *value != '"'; value++) {
                if (*value == '\\' && (value[1] == '"' || value[1] == '\\'))
                    value++;
                wg_buf_add(&text, value, 1);
            }
        } else {
            wg_buf_add(&text, value, strcspn(value, "; \t"));
        }
        char *copy = hit ? wg_arena_strdup(arena, text.data) : NULL;
        wg_buf_finish(&text);
        if (hit)
            return copy;
        at = strchr(value, ';');
    }
    return NULL;
}

/* Browsers percent-encode a quote in a file name; nothing else is decoded. */
static void take_part(struct wg_req *req, const char *headers, const char *data, size_t size,
                      const char *name, struct wg_part *ret)
{
    static const char wanted[] = "content-disposition:";
    for (const char *line = headers; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (strncasecmp(line, wanted, sizeof wanted - 1) == 0) {
            size_t length = end != NULL ? (size_t)(end - line) : strlen(line);
            char *text = wg_arena_strndup(&req->arena, line, length);
            char *field = header_parameter(&req->arena, text, "name");
            char *filename = header_parameter(&req->arena, text, "filename");
            if (wg_text_same(field, name) && filename != NULL && !ret->present)
                *ret = (struct wg_part){true, filename, data, size};
        }
        line = end != NULL ? end + 2 : NULL;
    }
}

int wg_multipart_find(struct wg_req *req, const char *name, struct wg_part *ret)
{
    const char *type = wg_req_header(req, "Content-Type");
    *ret = (struct wg_part){0};
    if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0)
        return 0;
    char *boundary = header_parameter(&req->arena, type, "boundary");
    if (boundary == NULL || *boundary == '\0')
        return -1;
    char *marker = wg_arena_format(&req->arena, "\r\n--%s", boundary);
    size_t marker_length = strlen(marker);
    const char *at = req->body.data, *end = at + req->body.len;
    if (req->body.len < marker_length || memcmp(at, marker + 2, marker_length - 2) != 0)
        return -1;
    at += marker_length - 2;
    while (end - at >= 2 && memcmp(at, "--", 2) != 0) {
        if (memcmp(at, "\r\n", 2) != 0)
            return -1;
        const char *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        if (blank == NULL)
            return -1;
        const char *data = blank + 4;
        /* An empty part shares the line end before the boundary with its headers. */
        const char *next = memmem(blank + 2, (size_t)(end - blank - 2), marker, marker_length);
        if (next == NULL)
            return -1;
        size_t size = next > data ? (size_t)(next - data) : 0;
        char *headers = wg_arena_strndup(&req->arena, at + 2, (size_t)(blank - at - 2));
        take_part(req, headers, data, size, name, ret);
        at = next + marker_length;
    }
    return end - at >= 2 ? 0 : -1;
}
