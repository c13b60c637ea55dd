/* SPDX-License-Identifier: MIT */
/* failure.h - what every report says of a test that did not pass. */
#ifndef WG_HARNESS_REPORT_FAILURE_H
#define WG_HARNESS_REPORT_FAILURE_H

#include "harness/base/buf.h"
#include "harness/report/model.h"

#include <jansson.h>

/*
 * What kept a finished test from passing: its reason, messages with their places, who ran beside
 * it, stacks, what the probe found on its databases before, and the command that repeats it, a
 * line each. `test` is an event "test-finished" of
 * the model.
 */
void wg_failure_describe(const struct wg_model *model, const json_t *test, struct wg_buf *out);

/* "a/b, c/d and 3 more": the tests that ran beside it on its server, at most `shown` by name; empty
 * when there were none or the record does not say. The caller frees it. */
char *wg_failure_beside(const json_t *test, size_t shown);

/* The command that runs a test that depends on concurrency together with those that ran beside it;
 * empty when it does not. The caller frees it. */
char *wg_failure_company(const struct wg_model *model, const json_t *test);

/* The findings on the databases of a test that are from before its end, a line each: those that
 * fail the run first, the nearest to its end first, and how many more there are. Empty when there
 * are none. That they are its cause is not said. */
void wg_failure_findings(const struct wg_model *model, const json_t *test, struct wg_buf *out);

/* Why it was skipped; "without a reason" when nothing says so. Borrowed. */
const char *wg_skip_reason(const json_t *test);

#endif
