/* SPDX-License-Identifier: MIT */
/*
 * foreground.h - runs a command as if it had been started by hand.
 *
 * It stays in the foreground process group and has this program's descriptors and environment. This
 * program only waits: signals from the keyboard reach the command by themselves, SIGTERM and SIGHUP
 * are handed on.
 */
#ifndef WG_TOOLS_WALGRIND_FOREGROUND_H
#define WG_TOOLS_WALGRIND_FOREGROUND_H

#include "harness/base/err.h"

/* Runs the command to its end. Its wait status; -1 with WG_ERR_USAGE when it cannot be executed. */
int wg_foreground_run(char *const *command, struct wg_err *err);

/* What a shell would say: the exit code, or 128 + the signal that ended it. */
int wg_foreground_exit_code(int status);

#endif
