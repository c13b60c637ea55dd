/* SPDX-License-Identifier: MIT */
/*
 * run_support.h - has the sample suite run by the real runner, with units that hold nothing.
 *
 * The provider here makes no databases and starts no server, so what is tested is the runner, the
 * fork server and the record. Its faults are switched on by the fields below.
 */
#ifndef WG_SUITES_UNIT_RUN_SUPPORT_H
#define WG_SUITES_UNIT_RUN_SUPPORT_H

#include "harness/report/model.h"

#include <stdbool.h>

struct run_setup {
    const char *mode;          /* NULL: "suite" */
    const char *const *select; /* NULL-terminated patterns; NULL: all */
    int workers;               /* 0: 2 */
    int suite_timeout_ms;      /* 0: none */
    bool unit_never_starts;
    bool reset_fails;
    int interrupt_after_tests; /* 0: never */
    struct wg_process *server; /* what the unit says is its server; NULL: it has none */
};

/* Runs, fills the model (the caller finishes it), removes the record. The test fails when the
 * harness does. */
void run_sample(const struct run_setup *setup, struct wg_model *model);

/* "test-finished" of a test; the test fails when it is not there. */
const json_t *run_finished(const struct wg_model *model, const char *test);
/* Its outcome, reason, output, and the message of its first record. */
const char *run_outcome(const struct wg_model *model, const char *test);
const char *run_reason(const struct wg_model *model, const char *test);
const char *run_output(const struct wg_model *model, const char *test);
const char *run_message(const struct wg_model *model, const char *test);

#endif
