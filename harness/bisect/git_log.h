/* SPDX-License-Identifier: MIT */
/*
 * git_log.h - the format of `git bisect log`, read and written.
 *
 * It is a shell script of `git bisect start|good|bad|skip` lines (git-bisect(1), "bisect log" and
 * "bisect replay") with comments. What git takes for proof, one line per commit, is here a single
 * run's observation when read, and a posterior of the stated confidence when written.
 */
#ifndef WG_HARNESS_BISECT_GIT_LOG_H
#define WG_HARNESS_BISECT_GIT_LOG_H

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/bisect/posterior.h"

/* Revisions as they stand in the log; the first of `goods` and of `bads` are the ends. */
struct wg_bisect_git_log {
    struct wg_strv goods, bads, skips;
};

/*
 * Reads a log. The caller finishes it. Fails with WG_ERR_FORMAT on lines that are no bisect
 * commands and when one of the two ends is missing.
 */
int wg_bisect_git_log_parse(const char *text, struct wg_bisect_git_log *ret_log,
                            struct wg_err *err);
void wg_bisect_git_log_finish(struct wg_bisect_git_log *log);

/*
 * Writes a log that `git bisect replay` takes: tested commits that are bad or good with at least
 * `confidence`, untestable ones as skipped, the undecided as comments. `subjects` has the first
 * line of the message of each node. `culprit` is a node, or -1 while it is not known.
 */
void wg_bisect_git_log_write(const struct wg_bisect_posterior *posterior,
                             const struct wg_bisect_tally *tally, double confidence,
                             char *const *subjects, long culprit, struct wg_buf *out);

#endif
