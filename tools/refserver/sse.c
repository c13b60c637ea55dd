/* SPDX-License-Identifier: MIT */
#include "tools/refserver/sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wg_stream {
    struct wg_hub *hub;
    struct wg_stream *next;
    char *session;
    struct MHD_Connection *connection;
    struct wg_buf pending;
    size_t taken; /* bytes of `pending` already handed out */
    int64_t ping_at_ms;
    bool suspended;
};

static void add_event_locked(struct wg_stream *stream, const char *event, const char *data)
{
    if (stream->pending.len - stream->taken > WG_STREAM_BYTES_MAX)
        return;
    wg_buf_addf(&stream->pending, "event: %s\ndata: %s\n\n", event, data);
    stream->ping_at_ms = wg_clock_ms() + WG_STREAM_PING_MS;
}

static void resume_locked(struct wg_stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
}

/* Sends due pings; returns when the next one is due. */
static int64_t ping_locked(struct wg_hub *hub)
{
    int64_t now = wg_clock_ms(), next = now + WG_STREAM_PING_MS;
    for (struct wg_stream *stream = hub->streams; stream != NULL; stream = stream->next) {
        if (stream->suspended && stream->ping_at_ms <= now) {
            add_event_locked(stream, "ping", "keepalive");
            resume_locked(stream);
        }
        if (stream->suspended && stream->ping_at_ms < next)
            next = stream->ping_at_ms;
    }
    return next;
}

static void *tick(void *argument)
{
    struct wg_hub *hub = argument;
    pthread_mutex_lock(&hub->mutex);
    while (!hub->closing) {
        int64_t next = ping_locked(hub);
        struct timespec until = {.tv_sec = next / 1000, .tv_nsec = (next % 1000) * 1000000};
        if (hub->streams == NULL)
            pthread_cond_wait(&hub->wake, &hub->mutex);
        else
            pthread_cond_timedwait(&hub->wake, &hub->mutex, &until);
    }
    pthread_mutex_unlock(&hub->mutex);
    return NULL;
}

void wg_hub_init(struct wg_hub *hub)
{
    pthread_condattr_t attributes;
    *hub = (struct wg_hub){0};
    pthread_mutex_init(&hub->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&hub->ticker, NULL, tick, hub) != 0)
        abort();
}

void wg_hub_close(struct wg_hub *hub)
{
    pthread_mutex_lock(&hub->mutex);
    hub->closing = true;
    for (struct wg_stream *stream = hub->streams; stream != NULL; stream = stream->next)
        resume_locked(stream);
    pthread_cond_signal(&hub->wake);
    pthread_mutex_unlock(&hub->mutex);
    pthread_join(hub->ticker, NULL);
}

void wg_hub_finish(struct wg_hub *hub)
{
    pthread_cond_destroy(&hub->wake);
    pthread_mutex_destroy(&hub->mutex);
}

struct wg_stream *wg_stream_open(struct wg_hub *hub, const char *session)
{
    struct wg_stream *stream = wg_mem_alloc(sizeof *stream);
    stream->hub = hub;
    stream->session = wg_mem_strdup(session);
    add_event_locked(stream, "connected", "Stream connected");
    pthread_mutex_lock(&hub->mutex);
    bool room = hub->count < WG_STREAMS_MAX;
    if (room) {
        hub->count++;
        stream->next = hub->streams;
        hub->streams = stream;
        pthread_cond_signal(&hub->wake);
    }
    pthread_mutex_unlock(&hub->mutex);
    if (room)
        return stream;
    wg_buf_finish(&stream->pending);
    free(stream->session);
    free(stream);
    return NULL;
}

void wg_stream_abandon(struct wg_stream *stream)
{
    struct wg_hub *hub = stream->hub;
    pthread_mutex_lock(&hub->mutex);
    struct wg_stream **place = &hub->streams;
    while (*place != stream)
        place = &(*place)->next;
    *place = stream->next;
    hub->count--;
    pthread_mutex_unlock(&hub->mutex);
    wg_buf_finish(&stream->pending);
    free(stream->session);
    free(stream);
}

/* libmicrohttpd asks for bytes. Runs on its threads. */
static ssize_t read_stream(void *argument, uint64_t position, char *bytes, size_t max)
{
    struct wg_stream *stream = argument;
    struct wg_hub *hub = stream->hub;
    ssize_t given = 0;
    (void)position;
    pthread_mutex_lock(&hub->mutex);
    size_t left = stream->pending.len - stream->taken;
    if (left > 0) {
        size_t part = left < max ? left : max;
        memcpy(bytes, stream->pending.data + stream->taken, part);
        stream->taken += part;
        if (stream->taken == stream->pending.len)
            stream->taken = stream->pending.len = 0;
        given = (ssize_t)part;
    } else if (hub->closing) {
        given = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&hub->mutex);
    return given;
}

static void free_stream(void *argument)
{
    wg_stream_abandon(argument);
}

enum MHD_Result wg_stream_start(struct wg_stream *stream, struct MHD_Connection *connection)
{
    stream->connection = connection;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, stream, free_stream);
    if (response == NULL) {
        wg_stream_abandon(stream);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    MHD_set_response_options(response, MHD_RF_SEND_KEEP_ALIVE_HEADER, MHD_RO_END);
    enum MHD_Result queued = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return queued;
}

bool wg_hub_is_heard(struct wg_hub *hub)
{
    pthread_mutex_lock(&hub->mutex);
    bool heard = hub->streams != NULL;
    pthread_mutex_unlock(&hub->mutex);
    return heard;
}

void wg_hub_send(struct wg_hub *hub, const char *session, const char *event, const char *data)
{
    pthread_mutex_lock(&hub->mutex);
    struct wg_stream *stream = hub->streams;
    while (stream != NULL && strcmp(stream->session, session) != 0)
        stream = stream->next;
    if (stream != NULL) {
        add_event_locked(stream, event, data);
        resume_locked(stream);
    }
    pthread_mutex_unlock(&hub->mutex);
}
