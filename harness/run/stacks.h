/* SPDX-License-Identifier: MIT */
/*
 * stacks.h - the stacks of a test that hangs and of the server it asked, beside the event loop.
 *
 * A timed-out test is worth more with the line that it hung in, and with what each thread of the
 * server was doing: often the test waits for an answer, and who is to give it waits for a lock.
 * `eu-stack` is used when it is installed, else `gdb`; without either, or when the kernel forbids
 * tracing, the report holds what /proc tells of each thread (name, state, wait channel, system
 * call). Nothing here blocks: debuggers run as children whose pidfds the loop waits on, until a
 * deadline. A process is stopped while a debugger reads it.
 */
#ifndef WG_HARNESS_RUN_STACKS_H
#define WG_HARNESS_RUN_STACKS_H

#include "harness/base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

/* Processes looked at: the test, the server, and descendants of both; how many may be the test's.
 */
#define WG_STACKS_PROCESSES_MAX 6
#define WG_STACKS_TEST_MAX      3

struct wg_stacks;

/* Starts taking the stacks of a test and, unless it is 0, of a server. Never NULL. */
struct wg_stacks *wg_stacks_start(pid_t test, pid_t server);
/* Readable when a debugger that still runs has ended; -1 when there is none to wait for. */
int wg_stacks_fd(const struct wg_stacks *stacks);
/* True when there is nothing (more) to wait for. */
bool wg_stacks_ready(struct wg_stacks *stacks);
/* Appends what was learned of the test and of the server, ends the debuggers that still run, frees.
 */
void wg_stacks_finish(struct wg_stacks *stacks, struct wg_buf *test, struct wg_buf *server);

#endif
