/* SPDX-License-Identifier: MIT */
/* running.h - the tests that run just now, and for how long; for people who wait. */
#ifndef WG_HARNESS_REPORT_RUNNING_H
#define WG_HARNESS_REPORT_RUNNING_H

#include "harness/wire/events.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct wg_running_test {
    long long attempt;
    char *test;
    char mode[16];
    long worker;
    long pid;
    int64_t begun_ns;
    int64_t told_ms; /* the age at which it was last called slow; 0: never */
};

/* Zero at first; in the order in which the tests began. */
struct wg_running {
    struct wg_running_test *items;
    size_t count, room;
};

/* Takes in "test-started" and "test-finished"; other kinds change nothing. */
void wg_running_apply(struct wg_running *running, enum wg_event_kind kind, const json_t *event,
                      int64_t now_ns);
/* A line each, the oldest first. */
void wg_running_print(const struct wg_running *running, int64_t now_ns, FILE *out);
/* A line for each that has run for WG_DEFAULT_SLOW_NOTICE_MS, and again at each doubling; empty
 * when there is nothing to say. The caller frees it. */
char *wg_running_slow(struct wg_running *running, int64_t now_ns);
void wg_running_finish(struct wg_running *running);

#endif
