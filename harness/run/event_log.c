/* SPDX-License-Identifier: MIT */
#include "harness/run/event_log.h"

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENERS_MAX  4
#define EVENT_MAX_SIZE (8u << 20) /* bytes of one line: a test's output and messages fit */

struct wg_event_log {
    int fd;
    char *path;
    long long sequence;
    int64_t started_ns;
    struct wg_err write_error;
    struct wg_buf line; /* reused for every event */
    struct {
        wg_event_listener call;
        void *context;
    } listeners[LISTENERS_MAX];
    size_t listener_count;
};

const char *wg_event_name(enum wg_event_kind kind)
{
    static const char *const names[] = {
#define EVENT_NAME(identifier, name, members) [WG_EVENT_##identifier] = (name),
        WG_EVENTS(EVENT_NAME)
#undef EVENT_NAME
    };
    assert(kind < WG_EVENT_COUNT);
    return names[kind];
}

int wg_event_kind_of(const char *name)
{
    for (int kind = 0; kind < WG_EVENT_COUNT; kind++)
        if (strcmp(wg_event_name((enum wg_event_kind)kind), name) == 0)
            return kind;
    return -1;
}

int wg_event_log_create(const char *path, struct wg_event_log **ret_log, struct wg_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return wg_err_errno(err, "create %s", path);
    struct wg_event_log *log = wg_calloc(1, sizeof *log);
    log->fd = fd;
    log->path = wg_strdup(path);
    log->started_ns = wg_clock_now_ns();
    wg_buf_init(&log->line, EVENT_MAX_SIZE);
    *ret_log = log;
    return 0;
}

void wg_event_log_destroy(struct wg_event_log *log)
{
    if (!log)
        return;
    close(log->fd);
    free(log->path);
    wg_buf_finish(&log->line);
    free(log);
}

void wg_event_log_listen(struct wg_event_log *log, wg_event_listener listener, void *context)
{
    assert(log->listener_count < LISTENERS_MAX);
    log->listeners[log->listener_count].call = listener;
    log->listeners[log->listener_count].context = context;
    log->listener_count++;
}

long long wg_event_log_now_ns(const struct wg_event_log *log)
{
    return wg_clock_now_ns() - log->started_ns;
}

int64_t wg_event_log_base_ns(const struct wg_event_log *log)
{
    return log->started_ns;
}

/* Writes the line whole or remembers why not. A part that was written is cut off by the next
 * reader, which takes a last line without newline for what it is. */
static void write_line(struct wg_event_log *log)
{
    ssize_t n;
    do
        n = write(log->fd, log->line.data, log->line.size);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)log->line.size)
        return;
    if (n >= 0)
        errno = ENOSPC;
    wg_err_errno(&log->write_error, "write %s", log->path);
}

void wg_event_emit(struct wg_event_log *log, enum wg_event_kind kind, json_t *members)
{
    assert(json_is_object(members));
    json_t *event =
        json_pack("{s:s, s:I, s:I}", "event", wg_event_name(kind), "seq",
                  (json_int_t)++log->sequence, "at_ns", (json_int_t)wg_event_log_now_ns(log));
    assert(event);
    json_object_update(event, members);
    json_decref(members);

    wg_buf_reset(&log->line);
    wg_json_dump(event, &log->line);
    wg_buf_puts(&log->line, "\n");
    if (log->line.truncated)
        wg_err_set(&log->write_error, WG_ERR_LIMIT, "an event of kind %s is larger than %u bytes",
                   wg_event_name(kind), EVENT_MAX_SIZE);
    else if (!wg_err_is_set(&log->write_error))
        write_line(log);

    for (size_t i = 0; i < log->listener_count; i++)
        log->listeners[i].call(log->listeners[i].context, kind, event);
    json_decref(event);
}

const struct wg_err *wg_event_log_error(const struct wg_event_log *log)
{
    return wg_err_is_set(&log->write_error) ? &log->write_error : NULL;
}
