/* SPDX-License-Identifier: MIT
 *
 * Endpoints of the event stream: subscribe, and the two that exist to test it. The echo endpoint
 * does not pause between messages: that would only keep a worker from other requests.
 */
#include "tools/refserver/event.h"
#include "tools/refserver/handlers.h"

int wg_stream_subscribe(struct wg_req *req)
{
    struct wg_stream *stream = wg_stream_open(&req->app->hub, req->session);
    if (stream == NULL)
        return wg_reply_detail(req, 503, "Too many event streams");
    req->reply.stream = stream;
    return 0;
}

int wg_stream_echo(struct wg_req *req)
{
    size_t i;
    json_t *message;
    json_array_foreach(req->json, i, message)
    {
        wg_hub_send(&req->app->hub, req->session, "test", json_string_value(message));
    }
    return wg_reply_json(req, 200,
                         json_pack("{s:s,s:I}", "status", "ok", "messages_sent",
                                   (json_int_t)json_array_size(req->json)));
}

int wg_stream_broadcast(struct wg_req *req)
{
    json_t *message = json_object_get(req->json, "message"), *data = json_object();
    if (message != NULL)
        json_object_set(data, "message", message);
    else
        json_object_set_new(data, "message", json_string(""));
    int64_t count = 0;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_SESSIONS);
    if (wg_event_send(req, NULL, "broadcast", data) < 0 || conn == NULL ||
        wg_stmt_int(conn, &count, "SELECT count(*) FROM sessions", "") < 0)
        return -1;
    return wg_reply_json(
        req, 200, json_pack("{s:s,s:I}", "status", "ok", "sessions_notified", (json_int_t)count));
}
