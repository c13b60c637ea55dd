/* SPDX-License-Identifier: MIT */
/*
 * tracer.h - watches a process and all that it starts from outside, with ptrace, at the rare calls
 * that the seccomp filter picks (filter.h), and writes a trace like that of the probe
 * (WG_TRACE_OUTSIDE in every record).
 *
 * It is for programs that the probe cannot get into: statically linked ones, and those that make
 * calls without libc. What it knows is less: no stacks, no reads and writes, and SQLite is told
 * from other code by the flags with which it opens files (sqlite.c).
 *
 *   filter.c   which calls
 *   tracer.c   stops, signals, threads, forks, execs
 *   call.c     from a call to a record
 *   image.c    what is known of a process
 *   sqlite.c   SQLite or other code
 *   watch.c    when locks are looked at too
 *
 * The tracer is a process of its own that lives as long as the last of its processes, whoever else
 * ends: without it their picked calls would fail with ENOSYS. When it is killed, the programs go
 * on, but their picked calls fail from then on; so it ignores all signals that can be ignored.
 */
#ifndef WG_HARNESS_TRACER_TRACER_H
#define WG_HARNESS_TRACER_TRACER_H

#include "harness/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct wg_tracer;

/*
 * Attaches to a process, which goes on. `traces` is the directory of the trace. `everything`
 * records programs too that the probe is in. Fails with errno EPERM where tracing is not permitted
 * (Yama, containers, another tracer).
 */
int wg_tracer_attach(pid_t pid, pid_t ppid, const char *traces, bool everything,
                     struct wg_tracer **ret_tracer, struct wg_err *err);
/* Works until none of the processes is left. */
void wg_tracer_run(struct wg_tracer *tracer);
void wg_tracer_destroy(struct wg_tracer *tracer);

#endif
