/* SPDX-License-Identifier: MIT */
/*
 * write.h - make trace files from plain values: for tests, and for what watches from outside.
 *
 *     struct wg_trace_writer_options options = {.pid = 7};
 *     struct wg_trace_event_spec spec = {.record = {.type = WG_TRACE_CLOSE, .time_ns = 5, .fd = 3},
 *                                        .path = "a.db"};
 *     struct wg_trace_writer *writer;
 *     wg_trace_writer_create(directory, &options, &writer, &err);
 *     wg_trace_writer_add(writer, &spec);
 *     wg_trace_writer_destroy(writer);
 *
 * A record goes to the area that WG_TRACE_TYPES names. Not thread-safe.
 */
#ifndef WG_HARNESS_TRACE_WRITE_H
#define WG_HARNESS_TRACE_WRITE_H

#include "harness/base/err.h"
#include "harness/wire/trace.h"

#include <stddef.h>
#include <stdint.h>

struct wg_trace_writer_options {
    int pid, ppid;
    int64_t start_ns;                           /* 0: 1 */
    int64_t wall_ns;                            /* since 1970, at start_ns; 0: unknown */
    int64_t parent_ns;                          /* 0: no traced parent */
    const char *exe, *command, *cwd, *libc;     /* NULL: "" */
    uint64_t rare_max, frequent_max, text_size; /* capacity of the areas; 0: 4096, 4096, 1 MiB */
};

struct wg_trace_event_spec {
    struct wg_trace_record record;               /* its commit and references are ignored */
    const char *path, *text, *database, *script; /* NULL: none */
    const uint64_t *frames;
    size_t frame_count;
};

struct wg_trace_writer;

int wg_trace_writer_create(const char *directory, const struct wg_trace_writer_options *options,
                           struct wg_trace_writer **ret_writer, struct wg_err *err);
/* A record that finds no room is counted, as the probe does; that is no error. */
void wg_trace_writer_add(struct wg_trace_writer *writer, const struct wg_trace_event_spec *spec);
/* How the process ended; a writer that is destroyed without it leaves WG_TRACE_RUNNING. */
void wg_trace_writer_end(struct wg_trace_writer *writer, enum wg_trace_state state);
void wg_trace_writer_destroy(struct wg_trace_writer *writer);

#endif
