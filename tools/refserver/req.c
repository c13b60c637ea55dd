/* SPDX-License-Identifier: MIT */
#include "tools/refserver/req.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wg_req *wg_req_new(struct wg_app *app, struct MHD_Connection *connection, const char *method,
                          const char *path)
{
    struct wg_req *req = wg_mem_alloc(sizeof *req);
    req->app = app;
    req->connection = connection;
    req->method = wg_arena_strdup(&req->arena, method);
    req->path = wg_arena_strdup(&req->arena, path);
    req->started_ms = wg_clock_ms();
    req->reply.fd = -1;
    return req;
}

void wg_req_free(struct wg_req *req)
{
    if (req == NULL)
        return;
    wg_reply_clear(req);
    wg_buf_finish(&req->body);
    wg_arena_finish(&req->arena);
    free(req);
}

const char *wg_req_query(struct wg_req *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *wg_req_header(struct wg_req *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

struct wg_conn *wg_req_conn(struct wg_req *req, enum wg_db_name name)
{
    if (req->conns[name] == NULL)
        req->conns[name] = wg_conn_borrow(&req->app->db[name], &req->fail);
    req->lent[name] |= req->conns[name] != NULL;
    return req->conns[name];
}

const char *wg_req_text(struct wg_req *req, const char *name)
{
    return wg_json_get_text(req->json, name);
}

bool wg_req_bool(struct wg_req *req, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(req->json, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

json_t *wg_req_value(struct wg_req *req, const char *name)
{
    json_t *value = json_object_get(req->json, name);
    return json_is_null(value) ? NULL : value;
}

void wg_reply_clear(struct wg_req *req)
{
    if (req->reply.fd >= 0)
        close(req->reply.fd);
    if (req->reply.stream != NULL)
        wg_stream_abandon(req->reply.stream);
    wg_buf_finish(&req->reply.body);
    req->reply = (struct wg_reply){.fd = -1};
}

int wg_reply_json(struct wg_req *req, int status, json_t *owned)
{
    assert(owned != NULL);
    wg_reply_clear(req);
    char *text = json_dumps(owned, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(owned);
    if (text == NULL)
        abort();
    req->reply.status = status;
    req->reply.content_type = "application/json";
    req->reply.body = (struct wg_buf){.data = text, .len = strlen(text)};
    req->reply.body.cap = req->reply.body.len + 1;
    return 0;
}

int wg_reply_detail(struct wg_req *req, int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = wg_arena_vformat(&req->arena, format, list);
    va_end(list);
    json_t *object = json_object();
    json_object_set_new(object, "detail", wg_json_text(text));
    return wg_reply_json(req, status, object);
}

int wg_reply_text_500(struct wg_req *req)
{
    wg_reply_clear(req);
    req->reply.status = 500;
    req->reply.content_type = "text/plain; charset=utf-8";
    wg_buf_add_text(&req->reply.body, "Internal Server Error");
    return 0;
}

void wg_reply_header(struct wg_req *req, const char *name, const char *value)
{
    assert(req->reply.header_count < sizeof req->reply.headers / sizeof *req->reply.headers);
    req->reply.headers[req->reply.header_count].name = name;
    req->reply.headers[req->reply.header_count++].value = value;
}
