/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_start.h - from the words of the command line to a log with a start record.
 *
 * Every mistake in the range, the command or a pattern is found before anything is written.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_START_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_START_H

#include "harness/bisect/state.h"
#include "tools/walgrind/cmd_bisect_git.h"

struct bisect_options {
    struct wg_strv touching, provoke;
    const char *build, *match, *match_regex, *json, *html, *from_git_log, *format;
    double confidence; /* 0: not given */
    double build_cost;
    long budget, jobs, keep_trees, bad_runs, seed; /* -1: not given */
    int64_t timeout_ms;
    bool share_tree;
};

/* What the verbs share. */
struct bisect_call {
    struct bisect_options options;
    struct wg_strv words; /* operands behind the verb */
    struct bisect_repo repo;
    char *log_path;
};

/* Opens the log; one that is not there and is not to be created is empty. The caller destroys it.
 */
int bisect_open_log(const struct bisect_call *call, enum wg_bisect_access access,
                    struct wg_bisect_state **ret_state, struct wg_err *err);

/*
 * Writes a new log for the words and options of the command line, or with `resume` opens an
 * unfinished one that was started with the same. The caller destroys the state.
 */
int bisect_start(struct bisect_call *call, bool resume, struct wg_bisect_state **ret_state,
                 struct wg_err *err);

#endif
