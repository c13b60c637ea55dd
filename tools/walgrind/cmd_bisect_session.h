/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_session.h - one bisection in memory: its settings, its log, its history, its
 * posterior.
 *
 * The settings stand in the start record of the log; a session is made from that record and the
 * repository alone, which is what makes it resumable.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_SESSION_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_SESSION_H

#include "harness/bisect/plan.h"
#include "harness/bisect/state.h"
#include "tools/walgrind/cmd_bisect_child.h"
#include "tools/walgrind/cmd_bisect_git.h"
#include "tools/walgrind/cmd_bisect_tree.h"

struct bisect_settings {
    struct wg_strv argv; /* CMD */
    struct wg_strv touching;
    struct wg_strv ways; /* other ways to run CMD, as cmd_bisect_ways.h has them: numbers from 1 */
    const char *good, *bad; /* full ids; these and the strings below are borrowed */
    const char *build, *match, *match_regex;
    double confidence;
    double build_cost; /* in runs; 0: as measured */
    long budget;       /* runs; 0: none */
    long jobs;
    long keep_trees;
    long bad_runs; /* runs of BAD without a failure before it is given up */
    int64_t timeout_ms;
    uint64_t seed;
    bool share_tree; /* repeats of one commit may run side by side in its tree */
};

struct bisect_session {
    const struct bisect_repo *repo; /* borrowed */
    struct wg_bisect_state *state;  /* borrowed */
    struct bisect_settings settings;
    struct bisect_match match;
    struct bisect_trees trees;
    struct wg_bisect_history history;
    struct bisect_commit_text *texts;
    double *prior;
    struct wg_bisect_tally *tally;
    struct wg_bisect_posterior posterior;
    struct wg_bisect_goal goal;
    struct wg_bisect_way ways[WG_BISECT_WAYS]; /* what they did at BAD */
    size_t way_count;
    size_t way;    /* how CMD is run; the tally holds the runs made like that */
    bool trying;   /* that way is only tried at BAD; the tally is that of way 0 */
    bool progress; /* tell what happens on stderr */
};

/*
 * Makes a session from the start record of `state`; repo and state must outlive it, and it must not
 * be copied. After a failure it is empty.
 */
int bisect_session_open(const struct bisect_repo *repo, struct wg_bisect_state *state,
                        struct bisect_session *ret_session, struct wg_err *err);
void bisect_session_finish(struct bisect_session *session);

/* Adds up the log and says what is to be done next, and in which way. */
void bisect_session_plan(struct bisect_session *session, struct wg_bisect_plan *ret_plan);

/* Notes in the log which way is kept, when that is decided and not there yet. */
int bisect_session_note_way(struct bisect_session *session, struct wg_err *err);

/* The words of a way; "" for the command as it was given. */
const char *bisect_way_words(const struct bisect_session *session, size_t way);

/* The start record of these settings; the caller releases it. */
json_t *bisect_settings_record(const struct bisect_settings *settings);

#endif
