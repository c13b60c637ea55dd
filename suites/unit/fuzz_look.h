/* SPDX-License-Identifier: MIT */
/* fuzz_look.h - what the fuzz targets do with a trace that could be opened. */
#ifndef WG_SUITES_UNIT_FUZZ_LOOK_H
#define WG_SUITES_UNIT_FUZZ_LOOK_H

#include "harness/trace/trace.h"

/*
 * Asks for everything that a reader can be asked for, so that a wrong reference is met; examines
 * it, and writes the findings as text and as JSON. Ends with abort() when a finding contradicts the
 * trace: it must be of an event of the trace, and the findings in the order of time.
 */
void wg_fuzz_look(const struct wg_trace *trace);

#endif
