/* SPDX-License-Identifier: MIT */
/*
 * stacks.h - the stacks of a process that hangs, taken by a debugger beside the event loop.
 *
 * A timed-out test is worth more with the line that it hung in. `eu-stack` is used when it is
 * installed, else `gdb`; without either, or when the kernel forbids tracing, the report holds what
 * /proc tells (state, wait channel, system call). Nothing here blocks: the debugger runs as a child
 * whose pidfd the loop waits on, until a deadline.
 */
#ifndef WG_HARNESS_RUN_STACKS_H
#define WG_HARNESS_RUN_STACKS_H

#include "harness/base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct wg_stacks;

/* Starts taking the stacks of `pid`. Never NULL. */
struct wg_stacks *wg_stacks_start(pid_t pid);
/* Readable when the debugger has ended; -1 when there is none to wait for. */
int wg_stacks_fd(const struct wg_stacks *stacks);
/* True when there is nothing (more) to wait for. */
bool wg_stacks_ready(struct wg_stacks *stacks);
/* Appends what was learned, ends the debugger if it still runs, frees. */
void wg_stacks_finish(struct wg_stacks *stacks, struct wg_buf *out);

#endif
