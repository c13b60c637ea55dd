/* SPDX-License-Identifier: MIT */
/*
 * perfetto.h - a run as a timeline: Chrome's trace event format, which ui.perfetto.dev opens.
 *
 * One process per unit of isolation (a server and its databases), one thread per worker; tests,
 * requests in them and resets are slices, evidence is an instant. Times are microseconds since the
 * run began.
 * Source: "Trace Event Format", Google, the JSON object form.
 */
#ifndef WG_HARNESS_REPORT_PERFETTO_H
#define WG_HARNESS_REPORT_PERFETTO_H

#include "harness/base/err.h"

#include <stdio.h>

int wg_perfetto_write(const char *events_path, FILE *out, struct wg_err *err);

#endif
