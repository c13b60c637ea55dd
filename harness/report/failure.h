/* SPDX-License-Identifier: MIT */
/* failure.h - what every report says of a test that did not pass. */
#ifndef WG_HARNESS_REPORT_FAILURE_H
#define WG_HARNESS_REPORT_FAILURE_H

#include "harness/base/buf.h"

#include <jansson.h>

/*
 * What kept a finished test from passing: its reason, messages with their places, stacks, and the
 * command that repeats it, a line each. `test` is an event "test-finished".
 */
void wg_failure_describe(const json_t *test, struct wg_buf *out);

/* Why it was skipped; "without a reason" when nothing says so. Borrowed. */
const char *wg_skip_reason(const json_t *test);

#endif
