/* SPDX-License-Identifier: MIT */
#include "harness/diag/run_log.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE_READING_NS (2 * WG_NS_PER_MS) /* between results that were read at once */

/* Room for one more at the end of an array that doubles. */
static void *grow(void *items, size_t count, size_t size)
{
    bool full = count == 0 || (count & (count - 1)) == 0;
    return full ? wg_realloc(items, (count ? 2 * count : 1) * size) : items;
}

static int64_t time_of(const struct wg_run_log *log, const json_t *event)
{
    return log->base_ns + wg_json_int(event, "at_ns", 0);
}

static int64_t begin_of(const struct wg_run_log *log, const json_t *event)
{
    return time_of(log, event) - (int64_t)(wg_json_real(event, "ms", 0) * (double)WG_NS_PER_MS);
}

static void take_unit(struct wg_run_log *log, const json_t *event)
{
    log->units = grow(log->units, log->unit_count, sizeof *log->units);
    struct wg_run_unit *unit = &log->units[log->unit_count++];
    *unit = (struct wg_run_unit){.number = wg_json_int(event, "unit", 0),
                                 .round = (long)wg_json_int(event, "round", 0),
                                 .data = wg_strdup(wg_json_str(event, "data", "")),
                                 .server_pid = (pid_t)wg_json_int(event, "server_pid", 0)};
    snprintf(unit->mode, sizeof unit->mode, "%s", wg_json_str(event, "mode", ""));
}

static void take_start(struct wg_run_log *log, const json_t *event)
{
    log->attempts = grow(log->attempts, log->attempt_count, sizeof *log->attempts);
    log->attempts[log->attempt_count++] =
        (struct wg_run_attempt){.number = wg_json_int(event, "attempt", 0),
                                .unit = wg_json_int(event, "unit", 0),
                                .test = wg_strdup(wg_json_str(event, "test", "")),
                                .pid = (pid_t)wg_json_int(event, "pid", 0),
                                .begin_ns = time_of(log, event),
                                .end_ns = log->command ? INT64_MIN : INT64_MAX};
}

/*
 * Results of a command are read several at once when the machine is busy, so that each began at the
 * latest when the last one of an earlier reading had ended; of those that come in a file at the end
 * nothing is known.
 */
static void bound_result(const struct wg_run_log *log, const json_t *event,
                         struct wg_run_attempt *attempt)
{
    int64_t ended_ns = wg_json_int(event, "ended_ns", 0);
    attempt->begin_ns = INT64_MAX;
    attempt->end_ns = INT64_MIN;
    if (ended_ns == 0)
        return;
    int64_t end_ns = log->base_ns + ended_ns;
    int64_t begin_ns = log->base_ns;
    for (size_t i = log->attempt_count; i-- > 0 && begin_ns == log->base_ns;)
        if (log->attempts[i].end_ns > log->base_ns &&
            log->attempts[i].end_ns < end_ns - ONE_READING_NS)
            begin_ns = log->attempts[i].end_ns;
    int64_t took_ns = (int64_t)(wg_json_real(event, "ms", 0) * (double)WG_NS_PER_MS);
    attempt->end_ns = end_ns;
    attempt->begin_ns = end_ns - took_ns < begin_ns ? end_ns - took_ns : begin_ns;
}

static void take_finish(struct wg_run_log *log, const json_t *event)
{
    long long number = wg_json_int(event, "attempt", 0);
    for (size_t i = log->attempt_count; i-- > 0;) {
        struct wg_run_attempt *attempt = &log->attempts[i];
        if (attempt->number != number)
            continue;
        if (log->command)
            bound_result(log, event, attempt);
        else
            attempt->end_ns = time_of(log, event);
        return;
    }
}

static void take_request(struct wg_run_log *log, const json_t *event)
{
    if (log->request_count == WG_LIMIT_DIAG_REQUESTS)
        return;
    log->requests = grow(log->requests, log->request_count, sizeof *log->requests);
    log->requests[log->request_count++] =
        (struct wg_run_request){.attempt = wg_json_int(event, "attempt", 0),
                                .line = wg_format("%s %s", wg_json_str(event, "method", ""),
                                                  wg_json_str(event, "path", "")),
                                .status = (int)wg_json_int(event, "status", 0),
                                .begin_ns = begin_of(log, event),
                                .end_ns = time_of(log, event)};
}

static void take_evidence(struct wg_run_log *log, const json_t *event)
{
    if (log->evidence_count == WG_LIMIT_DIAG_EVIDENCE)
        return;
    log->evidence = grow(log->evidence, log->evidence_count, sizeof *log->evidence);
    log->evidence[log->evidence_count++] =
        (struct wg_run_evidence){.unit = wg_json_int(event, "unit", 0),
                                 .code = (int)wg_json_int(event, "code", 0),
                                 .class_ = wg_strdup(wg_json_str(event, "class", "")),
                                 .message = wg_strdup(wg_json_str(event, "message", "")),
                                 .test = wg_strdup(wg_json_str(event, "test", "")),
                                 .file = wg_strdup(wg_json_str(event, "file", "")),
                                 .time_ns = time_of(log, event)};
}

static void take_run(struct wg_run_log *log, const json_t *event)
{
    const char *command = wg_json_str(event, "tests", "");
    log->base_ns = wg_json_int(event, "mono_ns", 0);
    free(log->command);
    log->command = command[0] ? wg_strdup(command) : NULL;
}

void wg_run_log_apply(void *object, enum wg_event_kind kind, const json_t *event)
{
    struct wg_run_log *log = object;
    switch (kind) {
    case WG_EVENT_RUN_STARTED: take_run(log, event); break;
    case WG_EVENT_UNIT_STARTED: take_unit(log, event); break;
    case WG_EVENT_TEST_STARTED: take_start(log, event); break;
    case WG_EVENT_TEST_FINISHED: take_finish(log, event); break;
    case WG_EVENT_REQUEST: take_request(log, event); break;
    case WG_EVENT_EVIDENCE: take_evidence(log, event); break;
    default: break;
    }
}

void wg_run_log_finish(struct wg_run_log *log)
{
    for (size_t i = 0; i < log->unit_count; i++)
        free(log->units[i].data);
    for (size_t i = 0; i < log->attempt_count; i++)
        free(log->attempts[i].test);
    for (size_t i = 0; i < log->request_count; i++)
        free(log->requests[i].line);
    for (size_t i = 0; i < log->evidence_count; i++) {
        struct wg_run_evidence *evidence = &log->evidence[i];
        char *texts[] = {evidence->class_, evidence->message, evidence->test, evidence->file};
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++)
            free(texts[j]);
    }
    free(log->units);
    free(log->attempts);
    free(log->requests);
    free(log->evidence);
    free(log->command);
    *log = (struct wg_run_log){0};
}

const struct wg_run_unit *wg_run_log_unit_of(const struct wg_run_log *log, const char *database)
{
    for (size_t i = 0; i < log->unit_count; i++) {
        size_t size = strlen(log->units[i].data);
        if (size > 0 && strncmp(database, log->units[i].data, size) == 0 && database[size] == '/')
            return &log->units[i];
    }
    return NULL;
}

const struct wg_run_unit *wg_run_log_unit(const struct wg_run_log *log, long long number)
{
    for (size_t i = 0; i < log->unit_count; i++)
        if (log->units[i].number == number)
            return &log->units[i];
    return NULL;
}

bool wg_run_attempt_covers(const struct wg_run_attempt *attempt, int64_t time_ns)
{
    return attempt->begin_ns <= time_ns && time_ns <= attempt->end_ns;
}
