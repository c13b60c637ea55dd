/* SPDX-License-Identifier: MIT */
/*
 * filter.h - the system calls that the tracer stops at, and the seccomp filter that picks them out.
 *
 * Rare calls only: what opens, closes, deletes, renames, cuts and copies files, and exec. Locks are
 * not rare, SQLite takes and drops some at each transaction: watch.h has when they are looked at.
 * All other calls run at full speed: the kernel knows for each number whether the filter always
 * lets it pass (seccomp_cache, Linux 5.11).
 *
 * A call that the filter picks fails with ENOSYS when nobody traces the process. So the filter is
 * installed only after the tracer has attached, and the tracer lives as long as the last process
 * that inherited the filter.
 *
 * To add a call: a row, and what call.c does at its kind.
 */
#ifndef WG_HARNESS_TRACER_FILTER_H
#define WG_HARNESS_TRACER_FILTER_H

#include "harness/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* What is done at a call. */
enum wg_outside_kind {
    WG_OUTSIDE_OPEN,
    WG_OUTSIDE_CLOSE,
    WG_OUTSIDE_CLOSE_RANGE,
    WG_OUTSIDE_DUP,
    WG_OUTSIDE_FCNTL,
    WG_OUTSIDE_TRUNCATE,
    WG_OUTSIDE_FTRUNCATE,
    WG_OUTSIDE_UNLINK,
    WG_OUTSIDE_RENAME,
    WG_OUTSIDE_LINK,
    WG_OUTSIDE_COPY,
    WG_OUTSIDE_CLONE_FILE,
    WG_OUTSIDE_EXEC,
    WG_OUTSIDE_IO_URING,
    WG_OUTSIDE_PTRACE,
};

/* A row: where in the arguments the descriptors and paths are; -1: none. */
struct wg_outside_call {
    long number;
    enum wg_outside_kind kind;
    uint16_t call;         /* enum wg_trace_call */
    int8_t fd, path;       /* a descriptor of a directory and a path, or the descriptor */
    int8_t to_fd, to_path; /* the same of the second file */
    int8_t value;          /* flags, length, command, second descriptor: see call.c */
};

extern const struct wg_outside_call wg_outside_calls[];
extern const size_t wg_outside_call_count;

/* The row for a call when it locks a file, which the filter does not pick; else NULL. */
const struct wg_outside_call *wg_outside_lock_call(uint64_t number, uint64_t command);

/*
 * Installs the filter for this thread and what it starts. Takes the chance to gain privileges by
 * exec (PR_SET_NO_NEW_PRIVS) only when the kernel demands it. Cannot be undone.
 */
int wg_outside_filter_install(struct wg_err *err);

#endif
