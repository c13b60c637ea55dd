/* SPDX-License-Identifier: MIT */
/*
 * unit.h - one unit of the provider (harness/run/provider.h) for as long as a command runs.
 *
 * What a lane of the runner does with a state machine, step by step for one unit: it begins, a
 * command uses it, it ends. Its events are those of a lane.
 */
#ifndef WG_HARNESS_FOREIGN_UNIT_H
#define WG_HARNESS_FOREIGN_UNIT_H

#include "harness/run/pollset.h"
#include "harness/run/runner.h"

#include <stdbool.h>
#include <stdint.h>

/* What the rounds of a run share. */
struct wg_foreign_session {
    const struct wg_run_options *options;
    struct wg_event_log *log;
    struct wg_pollset set;
    long long units, attempts;
    int interrupts; /* signals so far; the second one means: no grace */
    long round;
};

struct wg_foreign_unit {
    struct wg_foreign_session *session;
    void *unit; /* of the provider */
    long long number;
    int64_t begun_ns;
    bool died, killed, ready;
};

/* Notes the signals that have come, each as an event. */
void wg_foreign_take_interrupts(struct wg_foreign_session *session);

/*
 * Waits until the server is ready. 1 when it is; 0 when it is not and will not be, which is in the
 * record, with why in `err`, or because the run is stopped. Ended by wg_foreign_unit_end() in any
 * case.
 */
int wg_foreign_unit_begin(struct wg_foreign_session *session, struct wg_foreign_unit *ret_unit,
                          struct wg_err *err);
/* Adds the server's end to what is waited for. */
void wg_foreign_unit_watch(struct wg_foreign_unit *unit);
/* Puts it into the record when the server has died. */
void wg_foreign_unit_notice_death(struct wg_foreign_unit *unit);
/* Stops the server, has its data checked and verified. */
void wg_foreign_unit_end(struct wg_foreign_unit *unit);

#endif
