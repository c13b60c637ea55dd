/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - the directory of a run's databases, and the removal of what killed runs left.
 *
 * A sandbox holds `owner`, a file that its run keeps locked with flock(2) for as long as it lives,
 * and `processes`, the manifest: one line "PID START_TICKS NAME" for every server, written before
 * the server gets any work. The kernel drops the lock however the run ends; so a sandbox whose
 * `owner` can be locked belongs to nobody, and whoever comes next kills the processes of its
 * manifest (a pid counts only with the start time written beside it, so a reused pid is left alone)
 * and removes the directory. A pid file could not promise that.
 */
#ifndef WG_HARNESS_RUN_SANDBOX_H
#define WG_HARNESS_RUN_SANDBOX_H

#include "harness/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct wg_sandbox;

/* Makes a sandbox where `need_bytes` fit, on a tmpfs if one has room. */
int wg_run_sandbox_create(uint64_t need_bytes, struct wg_sandbox **ret_sandbox, struct wg_err *err);
const char *wg_run_sandbox_path(const struct wg_sandbox *sandbox);
bool wg_run_sandbox_is_tmpfs(const struct wg_sandbox *sandbox);
/* Removes the directory with all in it. NULL is fine. */
int wg_run_sandbox_destroy(struct wg_sandbox *sandbox, struct wg_err *err);

/* Adds a process to the manifest of the sandbox directory `path`. */
int wg_run_sandbox_note_process(const char *path, pid_t pid, const char *name, struct wg_err *err);

struct wg_reaped {
    int sandboxes;
    int processes;
};

/* Cleans up after killed runs of this user, in every place where sandboxes may lie. What cannot be
 * cleaned is left for the next start; that is no error. */
void wg_run_sandbox_reap(struct wg_reaped *ret_reaped);

#endif
