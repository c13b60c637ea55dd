/* SPDX-License-Identifier: MIT */
/*
 * run_probe.h - the probe, or a tracer, for the server, the tests and every child of a `walgrind
 * run`.
 *
 * Traces lie in RUN/trace. When the tests are over, what they show is joined with the events of the
 * run and becomes events itself: a "finding" each, and "probed", which says what was watched and
 * what was not. A run that goes on for hours would leave traces without end, so between rounds,
 * when no server runs, more than WG_LIMIT_TRACE_KEPT bytes are looked at and deleted; those of a
 * finding only when they are four times as many.
 */
#ifndef WG_TOOLS_WALGRIND_RUN_PROBE_H
#define WG_TOOLS_WALGRIND_RUN_PROBE_H

#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/diag/run_log.h"
#include "harness/run/event_log.h"
#include "tools/walgrind/run_directory.h"
#include "tools/walgrind/watch.h"

#include <stdint.h>

struct wg_run_probe {
    char *off; /* why there is none; NULL when there is one */
    enum wg_watch_how how;
    char *traces;            /* directory */
    const char *events;      /* file of the run's events */
    struct wg_strv programs; /* that the run starts itself */
    struct wg_strv gaps;
    struct wg_run_log units; /* what of the run is needed without findings: its units alone */
    int64_t since_ns;        /* findings up to here were told of */
    int64_t processes, records, lost;
    int64_t told; /* findings */
};

/*
 * Has everything that is started from now on watched, unless `unwanted` says why not or that is not
 * possible, which is no error but said in the report. `directory` is borrowed.
 */
void wg_run_probe_begin(struct wg_run_probe *probe, enum wg_watch_how how, const char *unwanted,
                        const struct wg_run_directory *directory);
/* Makes of a command that the run starts one that is watched as wanted; none is fine. */
int wg_run_probe_command(const struct wg_run_probe *probe, struct wg_strv *command,
                         struct wg_err *err);
/* A program that the run starts: named in the report when the probe does not get into it. */
void wg_run_probe_add_program(struct wg_run_probe *probe, const char *name);
/* Something that cannot be watched, and why. */
void wg_run_probe_add_gap(struct wg_run_probe *probe, const char *gap);

/* A wg_event_listener; `object` is a struct wg_run_probe. It must hear all events of the run. */
void wg_run_probe_hear(void *object, enum wg_event_kind kind, const json_t *event);

/* Between rounds: reads and deletes the traces of ended processes when they are large. */
int wg_run_probe_digest(struct wg_run_probe *probe, struct wg_event_log *log, struct wg_err *err);
/* At the end: emits the findings and what was watched. */
int wg_run_probe_conclude(struct wg_run_probe *probe, struct wg_event_log *log, struct wg_err *err);
void wg_run_probe_finish(struct wg_run_probe *probe);

#endif
