/* SPDX-License-Identifier: MIT */
/*
 * event_log.h - writes the record of a run and shows each event to whoever listens.
 *
 * One write(2) per event, so that a reader of the file, also one that comes after `kill -9`, sees
 * whole lines only. A failed write (disk full) is remembered and reported once by
 * wg_event_log_error(): a run whose record is incomplete must not end as a pass.
 */
#ifndef WG_HARNESS_RUN_EVENT_LOG_H
#define WG_HARNESS_RUN_EVENT_LOG_H

#include "harness/base/err.h"
#include "harness/wire/events.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct wg_event_log;

/* Called with every event, in order; `event` is borrowed. */
typedef void (*wg_event_listener)(void *context, enum wg_event_kind kind, const json_t *event);

/* Creates `path` (which must not exist). */
int wg_event_log_create(const char *path, struct wg_event_log **ret_log, struct wg_err *err);
void wg_event_log_destroy(struct wg_event_log *log);

/* Up to 4 listeners, called in the order in which they were added. */
void wg_event_log_listen(struct wg_event_log *log, wg_event_listener listener, void *context);

/* Adds "event", "seq" and "at_ns" to `members` (a JSON object, taken over), writes and shows it. */
void wg_event_emit(struct wg_event_log *log, enum wg_event_kind kind, json_t *members);

/* Nanoseconds since the log was created, as in "at_ns". */
long long wg_event_log_now_ns(const struct wg_event_log *log);
/* CLOCK_MONOTONIC when the log was created. */
int64_t wg_event_log_base_ns(const struct wg_event_log *log);

/* The first write error, NULL when every event so far was written whole. */
const struct wg_err *wg_event_log_error(const struct wg_event_log *log);

/* Name of a kind, outcome or class; and back (-1 when unknown). */
const char *wg_event_name(enum wg_event_kind kind);
int wg_event_kind_of(const char *name);

#endif
