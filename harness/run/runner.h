/* SPDX-License-Identifier: MIT */
/*
 * runner.h - runs the selected tests of a suite binary in units of isolation.
 *
 * A round executes every selected test once in one mode:
 *
 *   suite   a unit (databases + server) per suite, tests one after another, reset between;
 *           as many suites at once as there are workers
 *   worker  a unit per worker; tests of all suites one after another, reset between
 *   none    one unit for all (the swarm); as many tests at once as there are workers, no reset;
 *           tests of exclusive suites come last, each alone
 *
 * One thread around poll(2). Everything that happens is an event (harness/wire/events.h); what the
 * run has shown is computed from the events, not here.
 */
#ifndef WG_HARNESS_RUN_RUNNER_H
#define WG_HARNESS_RUN_RUNNER_H

#include "harness/base/err.h"
#include "harness/run/event_log.h"
#include "harness/run/plan.h"
#include "harness/run/provider.h"

#include <stdbool.h>
#include <stdint.h>

/* One row of the table of isolation modes. */
struct wg_mode {
    const char *name;
    bool unit_per_suite; /* lanes are suites; else lanes share one queue */
    bool swarm;          /* one lane that runs many tests at once, without resets */
};

/* The row of a name ("swarm" means "none"), NULL when there is none. */
const struct wg_mode *wg_mode_find(const char *name);

struct wg_run_options {
    char *const *suite_argv;            /* as of wg_suite_client_start() */
    struct wg_plan *plan;               /* with its selection made */
    const struct wg_mode *const *modes; /* NULL-terminated; one round each, in order */
    long repeat;                        /* how often the list of modes is gone through */
    int copies;                         /* of each test at once, in the swarm */
    /* Asked before each round but the first: true ends the run. NULL: never. */
    bool (*is_enough)(void *context);
    void *is_enough_context;
    int retries; /* of a test that fails, at the end of its queue */
    int workers;
    int timeout_ms;       /* per test, unless the test or its suite says otherwise */
    int suite_timeout_ms; /* per suite and round, unless the suite says otherwise; 0: none */
    int grace_ms;
    const struct wg_unit_ops *ops;
    void *provider;
    const char *sandbox;       /* directory for the units' directories */
    const char *log_directory; /* directory for the servers' logs; exists */
    const char *repeat_prefix; /* "walgrind run …": what repeats one test when its name is added */
    int interrupt_fd;          /* signalfd(2) of SIGINT, SIGTERM and SIGHUP; -1: none */
    int suite_stderr_fd;       /* output of the fork server itself */
    /* Called every TICK_MS (runner.c); `asked`: SIGUSR1 came through interrupt_fd, or a 't' through
     * key_fd. NULL: never. */
    void (*tick)(void *context, bool asked);
    void *tick_context;
    int key_fd; /* -1: none */
};

struct wg_suite_client;

/*
 * Goes through all rounds. Takes over `client`, a started suite binary whose list gave the plan.
 * Returns 0 when the rounds were gone through, whatever the tests did, also when interrupted; -1
 * when the harness itself failed.
 */
int wg_run(const struct wg_run_options *options, struct wg_suite_client *client,
           struct wg_event_log *log, struct wg_err *err);

#endif
