/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_guard.h - a process between bisect and a run or a build, so that nothing is left over.
 *
 * The guard is this program started again with BISECT_GUARD_WORD in front of the command. It is the
 * subreaper of everything that the command starts, detached daemons included, and holds one end of
 * a socket whose other end only bisect has: the lifeline. When bisect is gone, for whatever reason
 * (SIGKILL included), the lifeline breaks and the guard kills everything below it. When the command
 * ends by itself, what it has left running is killed as well, so that no run disturbs the next one.
 *
 * Messages on the lifeline are of type bisect_guard_message: one from the guard once the command
 * was started or could not be, one when all is over; one from bisect to ask for an orderly stop.
 * Only a guard that is itself killed leaves daemons behind; the command then gets SIGKILL.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_GUARD_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_GUARD_H

#include "harness/base/err.h"
#include "harness/sys/process.h"

#include <stdbool.h>

/* The word behind `walgrind bisect` that makes it a guard; not for people. */
#define BISECT_GUARD_WORD "--guard-of-a-run"

struct bisect_guard_message {
    int sys_errno; /* why the command could not be started; 0: it was */
    int status;    /* of waitpid(2), in the last message */
};

/*
 * Starts options->argv below a guard. `ret_guard` is the guard's process, `ret_lifeline` our end of
 * the socket; the caller closes it to kill everything. A command that cannot be executed is an
 * error with its errno.
 */
int bisect_guard_start(const struct wg_process_options *options, struct wg_process **ret_guard,
                       int *ret_lifeline, struct wg_err *err);

/* Asks for SIGTERM to the command's group, SIGKILL after the usual grace. Does not wait. */
void bisect_guard_stop(int lifeline);

/* After the guard has ended: the wait status of the command. False when the guard did not tell. */
bool bisect_guard_status(int lifeline, int *ret_status);

/* The guard itself: `argv` is the command. Returns the exit code of this process. */
int bisect_guard_main(char *const *argv);

#endif
