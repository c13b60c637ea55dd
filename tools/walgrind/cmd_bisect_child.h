/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_child.h - one build or one run of the tested command, with its output.
 *
 * A guard stands between (cmd_bisect_guard.h): what the command has started ends with it, or with
 * this process. Output of both kinds goes through one pipe, is looked at line by line for the
 * failure that is hunted, and its end is kept. Several children are waited for at a time with one
 * poll(2).
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_CHILD_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_CHILD_H

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "tools/walgrind/cmd_bisect_guard.h"

#include <regex.h>
#include <stdbool.h>

/* Which failures count. Without any part all do. */
struct bisect_match {
    const char *word; /* stands in the output as a word of its own; borrowed, may be NULL */
    bool has_regex;
    regex_t regex; /* POSIX extended, matched against each line */
};

/*
 * Reads --match and --match-regex (NULL when not given). `match` is "finding:ID". A pattern that
 * does not compile is a usage error. The strings must outlive the object.
 */
int bisect_match_init(struct bisect_match *match, const char *finding, const char *regex,
                      struct wg_err *err);
void bisect_match_finish(struct bisect_match *match);
/* True when no failure is singled out. */
bool bisect_match_is_any(const struct bisect_match *match);
/* Whether one line of output shows the hunted failure. */
bool bisect_match_line(const struct bisect_match *match, const char *line);

struct bisect_child {
    struct wg_process *guard; /* cmd_bisect_guard.h; ends when the command has ended */
    int lifeline;
    const struct bisect_match *match; /* borrowed, may be NULL */
    int pipe_fd;
    struct wg_buf line;   /* the line being read */
    struct wg_buf output; /* the last WG_LIMIT_BISECT_OUTPUT bytes or a little more */
    char signature[256];  /* the first line that matched, cut; "" when none did */
    bool matched;
    bool timed_out;
    bool ended;
    int status; /* of waitpid(2), once it has ended */
    int64_t start_ns;
    double ms;
    struct wg_deadline deadline;
};

struct bisect_child_options {
    char *const *argv;
    char *const *envp;
    const char *directory;
    const struct bisect_match *match; /* may be NULL */
    int64_t timeout_ms;               /* 0: none */
};

/* Starts a program. One that cannot be executed fails with its errno in `err`. */
int bisect_child_start(const struct bisect_child_options *options, struct bisect_child **ret_child,
                       struct wg_err *err);

/* Kills what still runs and frees the object. NULL is fine. */
void bisect_child_destroy(struct bisect_child *child);

/*
 * Waits until something happened: reads output, sets `ended` and `timed_out`. Returns early with
 * *ret_interrupted when `interrupt_fd` becomes readable (-1: none).
 */
int bisect_children_wait(struct bisect_child *const *children, size_t count, int interrupt_fd,
                         bool *ret_interrupted, struct wg_err *err);

#endif
