/* SPDX-License-Identifier: MIT */
/*
 * run_log.h - what a run's events say of a moment: which tests ran, which requests were under way,
 * which unit a database belongs to, and what was seen to go wrong.
 *
 * Built from the events of harness/wire/events.h, in order. Times are CLOCK_MONOTONIC, as in
 * traces. The tests of a command are told of only when they have ended, several at once: their
 * times are bounds, and overlap where it is not known which one it was. Not thread-safe.
 */
#ifndef WG_HARNESS_DIAG_RUN_LOG_H
#define WG_HARNESS_DIAG_RUN_LOG_H

#include "harness/wire/events.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One set of databases with its server. */
struct wg_run_unit {
    long long number;
    char mode[16];
    long round;
    char *data; /* directory of its databases, ends without '/' */
    pid_t server_pid;
};

struct wg_run_attempt {
    long long number, unit;
    char *test;
    pid_t pid;
    int64_t begin_ns, end_ns; /* INT64_MAX while it runs */
};

struct wg_run_request {
    long long attempt;
    char *line; /* "GET /x" */
    int status;
    int64_t begin_ns, end_ns;
};

struct wg_run_evidence {
    long long unit;
    int code;
    char *class_, *message, *test, *file; /* "" when unknown */
    int64_t time_ns;                      /* when it was read */
};

struct wg_run_log {
    int64_t base_ns; /* of "at_ns" */
    char *command;   /* that is the tests, NULL when they are those of a suite binary */
    struct wg_run_unit *units;
    size_t unit_count;
    struct wg_run_attempt *attempts;
    size_t attempt_count;
    struct wg_run_request *requests; /* at most WG_LIMIT_DIAG_REQUESTS, the first ones */
    size_t request_count;
    struct wg_run_evidence *evidence; /* at most WG_LIMIT_DIAG_EVIDENCE, the first ones */
    size_t evidence_count;
};

/* Zero at first. Takes in one event; `object` is a struct wg_run_log. */
void wg_run_log_apply(void *object, enum wg_event_kind kind, const json_t *event);
void wg_run_log_finish(struct wg_run_log *log);

/* The unit in whose directory a database lies, NULL if in none. */
const struct wg_run_unit *wg_run_log_unit_of(const struct wg_run_log *log, const char *database);
const struct wg_run_unit *wg_run_log_unit(const struct wg_run_log *log, long long number);
bool wg_run_attempt_covers(const struct wg_run_attempt *attempt, int64_t time_ns);

#endif
