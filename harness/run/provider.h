/* SPDX-License-Identifier: MIT */
/*
 * provider.h - what the runner asks of the layer that makes databases and servers.
 *
 * A unit of isolation is one set of databases with one server on it. The runner decides when units
 * begin, are reset and end, and which tests run in which; how databases are cloned and servers are
 * started is the provider's business (fixtures/unit). The table of functions keeps the dependency
 * one-way: the harness never includes the fixtures.
 *
 * A unit's life, all calls from the runner's one thread:
 *
 *   begin ──> poll_ready … = 1 ──> (environment, tests, collect, reset)* ──> stop ──> check … ──>
 * finish │            └─ = -1
 * ──────────────────────────────────────────────────────────────────────────┘ └─ -1: nothing was
 * made
 *
 * None of the calls may block for longer than one database operation takes; waiting is done by the
 * runner on the descriptors of poll_fds() and on process_fd().
 */
#ifndef WG_HARNESS_RUN_PROVIDER_H
#define WG_HARNESS_RUN_PROVIDER_H

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/str.h"

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>

struct wg_event_log;

struct wg_unit_request {
    long long number; /* unique in the run; names the unit in events */
    const char *name; /* suite, worker or "all"; for people */
    const char *mode; /* isolation mode */
    long round;
    bool resets;                   /* false: wg_unit_ops.reset will never be called */
    const char *sandbox_directory; /* where the unit may make its own directory; absolute */
    const char *log_path;          /* the server's output goes here; absolute, does not exist yet */
};

struct wg_unit_ops {
    /* Clones the databases and starts the server; returns without waiting for it. */
    int (*begin)(void *provider, const struct wg_unit_request *request, struct wg_event_log *log,
                 void **ret_unit, struct wg_err *err);
    /* 1 ready, 0 not yet, -1 it will never be. */
    int (*poll_ready)(void *unit, struct wg_err *err);
    /* Descriptors to wait on while not ready: fills up to `max`, returns how many; lowers
     * *timeout_ms when the unit wants to be asked again earlier. */
    int (*poll_fds)(void *unit, struct pollfd *fds, int max, int *timeout_ms);
    /* pidfd of the server, -1 when it was reaped. Readable means that the server has died. */
    int (*process_fd)(void *unit);
    /* Members for the "unit-started" event (new reference). */
    json_t *(*describe)(void *unit);
    /* Adds NAME=value strings that a test of this unit gets. */
    void (*environment)(void *unit, struct wg_strv *env);
    /*
     * Emits evidence for what the server has logged since the last call. `test` is the test that
     * just ended when it was alone on the server, else NULL.
     */
    void (*collect)(void *unit, const char *test);
    /*
     * Looks at the databases that a failed test left; fills further members of its "test-finished"
     * event (new reference). `alone`: nobody else used them. NULL: there is nothing to look at.
     */
    json_t *(*inspect)(void *unit, const char *test, long long attempt, bool alone);
    /* Puts databases and files back to the template. Fills members of the "reset" event in any case
     * (new reference). -1: the unit cannot be used any more. */
    int (*reset)(void *unit, json_t **ret_details, struct wg_err *err);
    /* Asks the server to stop; `force` kills it. Does not wait. */
    void (*stop)(void *unit, bool force);
    /*
     * Asks, after the server has stopped, whether the application's own invariants hold; called
     * until it returns true. Meanwhile `ret_fd` and `ret_deadline` are what to wait for. The result
     * is told of by finish(). NULL: there is nothing to ask.
     */
    bool (*check)(void *unit, int *ret_fd, struct wg_deadline *ret_deadline);
    /*
     * After the server has died (or was never started): verifies the databases when `verify` is
     * set, emits "verified" and "evidence" events and fills members of "unit-finished" (new
     * reference), removes the sandbox, frees the unit.
     */
    void (*finish)(void *unit, bool verify, json_t **ret_details);
};

#endif
