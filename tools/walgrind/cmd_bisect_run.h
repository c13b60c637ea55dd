/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_run.h - does what a plan asks for: checks out, builds, runs, records.
 *
 * Every finished build and run is in the log before the next step. The exit code of a run is read
 * as `git bisect run` reads it: 0 good, 125 skip, any other up to 127 bad, everything else ends the
 * bisection without an answer (the log stays). A run of `walgrind` itself knows more: 3 is a
 * failure of the infrastructure and no observation, 2 a wrong command line.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_RUN_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_RUN_H

#include "tools/walgrind/cmd_bisect_session.h"

/* Checks that the command can be found: in PATH, at its absolute path, or in BAD's tree. */
int bisect_check_command(const struct bisect_session *session, struct wg_err *err);

/*
 * Carries out the choices of one plan. Ends early with an error and *ret_interrupted when
 * `interrupt_fd` (a signalfd) becomes readable; what was running is killed and not recorded.
 */
int bisect_round(struct bisect_session *session, const struct wg_bisect_plan *plan,
                 int interrupt_fd, bool *ret_interrupted, struct wg_err *err);

#endif
