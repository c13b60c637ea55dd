/* SPDX-License-Identifier: MIT */
/*
 * attempt.h - one execution of one test: its channels, its deadline, its outcome.
 *
 * Life: start -> (started, events, output)* -> exited -> finish. At the deadline: stacks are taken,
 * then SIGTERM, then after the grace SIGKILL, always to the whole process group and always through
 * the fork server, which knows whether the group still exists. The outcome is computed at the end
 * from the wait status and the events (see decide() in attempt.c for the order of the rules).
 */
#ifndef WG_HARNESS_RUN_ATTEMPT_H
#define WG_HARNESS_RUN_ATTEMPT_H

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/run/event_log.h"
#include "harness/run/plan.h"
#include "harness/run/suite_client.h"

#include <jansson.h>
#include <stdbool.h>

struct wg_attempt;

struct wg_attempt_options {
    long long number; /* unique in the run */
    const struct wg_test *test;
    long long unit;
    const char *mode;
    long round;
    int worker;
    int timeout_ms;       /* for this attempt */
    int suite_timeout_ms; /* of its suite, when that is what ends it first; else 0 */
    int grace_ms;
    const struct wg_strv *env;
    const char *repeat;   /* command line that repeats it */
    const char *log_path; /* of the server, as long as the attempt lives; NULL: there is none */
    int try_number;       /* 0: the first */
    bool may_retry;       /* another try follows if this one fails */
};

int wg_attempt_start(const struct wg_attempt_options *options, struct wg_suite_client *client,
                     struct wg_event_log *log, struct wg_attempt **ret_attempt, struct wg_err *err);

long long wg_attempt_number(const struct wg_attempt *attempt);
const struct wg_test *wg_attempt_test(const struct wg_attempt *attempt);
int wg_attempt_tries(const struct wg_attempt *attempt); /* that failed before this one */

/* Two tests share a server just now: if one fails, its event names the other. */
void wg_attempt_meet(struct wg_attempt *attempt, struct wg_attempt *other);

/* Descriptors to poll for input, -1 when closed or not there. */
int wg_attempt_event_fd(const struct wg_attempt *attempt);
int wg_attempt_output_fd(const struct wg_attempt *attempt);
int wg_attempt_stacks_fd(const struct wg_attempt *attempt);
/* When wg_attempt_tick() wants to be called. */
struct wg_deadline wg_attempt_deadline(const struct wg_attempt *attempt);

/* Drain what is readable now; harmless when nothing is. */
void wg_attempt_read_events(struct wg_attempt *attempt);
void wg_attempt_read_output(struct wg_attempt *attempt);

/* "started" or "exited" of the fork server for this attempt. */
void wg_attempt_take_message(struct wg_attempt *attempt, const json_t *message);

/*
 * Acts on deadlines and on debuggers that have ended. When the deadline of the test has passed, the
 * stacks of `server` are taken too, unless it is 0; true in that case.
 */
bool wg_attempt_tick(struct wg_attempt *attempt, pid_t server);

/* The run is being stopped: SIGTERM now, or SIGKILL when `force`. The outcome will be "not-run". */
void wg_attempt_abort(struct wg_attempt *attempt, bool force);
/* The fork server is gone: there will be no "exited". */
void wg_attempt_lost(struct wg_attempt *attempt, const char *why);

/* True when the process has ended, so that the attempt can be finished. */
bool wg_attempt_ended(const struct wg_attempt *attempt);

/* Further members of "test-finished" for a test that failed (new reference). May be NULL. */
typedef json_t *wg_attempt_inspect_fn(void *context, const struct wg_attempt *attempt);

/* Emits "test-finished" and frees; returns the outcome. `ret_retry`: it failed, and its options say
 * that another try follows. */
enum wg_outcome wg_attempt_finish(struct wg_attempt *attempt, wg_attempt_inspect_fn *inspect,
                                  void *context, bool *ret_retry);

/* Emits the pair of events of a test that is not executed (disabled, or its unit failed). */
void wg_attempt_report_unrun(const struct wg_attempt_options *options, enum wg_outcome outcome,
                             const char *reason, struct wg_event_log *log);

#endif
