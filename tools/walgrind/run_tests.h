/* SPDX-License-Identifier: MIT */
/* run_tests.h - walgrind run --tests: a command in the place of a suite binary. */
#ifndef WG_TOOLS_WALGRIND_RUN_TESTS_H
#define WG_TOOLS_WALGRIND_RUN_TESTS_H

#include "harness/run/runner.h"
#include "tools/walgrind/run_config.h"
#include "tools/walgrind/run_directory.h"
#include "tools/walgrind/run_probe.h"

/*
 * Refuses options and operands that have no meaning for a command, which runs as one. `given` is as
 * it was read, before anything was settled.
 */
int wg_run_tests_check(const struct wg_run_config *given, const struct wg_strv *operands,
                       struct wg_err *err);

/* Runs the command, watched as `probe` says; returns as wg_foreign_run(). */
int wg_run_tests_execute(const char *tests, const struct wg_run_options *options,
                         const struct wg_run_directory *directory, const struct wg_run_probe *probe,
                         struct wg_event_log *log, struct wg_err *err);

#endif
