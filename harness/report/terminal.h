/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the report that people see: progress while the run goes on, the result at its end.
 *
 * Progress goes to a terminal only and is one line that is written over; without a terminal there
 * is one line a round. The result is computed from the model alone, so `walgrind report` prints the
 * same text later.
 */
#ifndef WG_HARNESS_REPORT_TERMINAL_H
#define WG_HARNESS_REPORT_TERMINAL_H

#include "harness/report/model.h"

#include <stdio.h>

struct wg_terminal;

/* `progress` gets the live line when it is a terminal; with `quiet` nothing but answers to those
 * who ask. The model is borrowed and read, never changed. */
struct wg_terminal *wg_terminal_create(FILE *progress, const struct wg_model *model, bool quiet);
void wg_terminal_destroy(struct wg_terminal *terminal);

/* Shows an event that the model has already taken in on the terminal `object`. A
 * wg_event_listener. */
void wg_terminal_show(void *object, enum wg_event_kind kind, const json_t *event);

/* Called a few times a second on the terminal `object`: keeps ages right and names slow tests; when
 * somebody asked, tells what runs. */
void wg_terminal_tick(void *object, bool asked);

struct wg_summary_options {
    bool color;
    const char *directory; /* of the run; NULL when unknown */
};

/* Writes failures, evidence, what was checked, the verdict and what it proves. */
void wg_summary_print(const struct wg_model *model, const struct wg_summary_options *options,
                      FILE *out);

/* True when colours should be used on `out`: a terminal, NO_COLOR unset, TERM not dumb. */
bool wg_terminal_wants_color(FILE *out);

#endif
