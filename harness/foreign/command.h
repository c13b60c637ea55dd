/* SPDX-License-Identifier: MIT */
/*
 * command.h - runs a command that is the tests: any program, in any language.
 *
 * Each round has one unit (mode "none"): databases and server begin, the command runs once with the
 * unit's environment, and what it says of its tests becomes the events of tests. It says it as TAP
 * on standard output (tap.h), or in a file of JUnit XML (junit.h). A command that did not end as
 * its results say becomes a test of its own, "tests/command", which fails.
 */
#ifndef WG_HARNESS_FOREIGN_COMMAND_H
#define WG_HARNESS_FOREIGN_COMMAND_H

#include "harness/run/runner.h"

struct wg_foreign_command {
    char *const *argv;      /* words that are "{junit}", "{url}" or "{data}" are replaced */
    const char *junit_path; /* where {junit} is; NULL: TAP on standard output */
    const char *log_path; /* of options->suite_stderr_fd, which gets all that the command prints */
};

/*
 * Goes through options->repeat rounds. Of the options those about tests of a suite binary (plan,
 * modes, copies, retries, workers) are not looked at; timeout_ms is for the whole command.
 * Returns as wg_run(); -1 also when the command cannot be started.
 */
int wg_foreign_run(const struct wg_run_options *options, const struct wg_foreign_command *command,
                   struct wg_event_log *log, struct wg_err *err);

#endif
