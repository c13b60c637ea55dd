/* SPDX-License-Identifier: MIT */
/*
 * state.h - what a bisection has seen so far, as an append-only file of JSON lines.
 *
 * The file is the bisection: the posterior, the next choice and every report are functions of it
 * and of the repository. Each record is one line, written with one write(2) before the caller goes
 * on. A process killed at any point therefore leaves whole records and at most one torn one at the
 * end, which is cut off when the file is opened again. Each record is synced to the disk before the
 * caller goes on, so a power failure takes no more than that either. While it is open, the file is
 * locked (flock): two processes cannot lead one bisection.
 *
 * Records have "event":
 *   start    "version", "good", "bad" (full ids), "argv" and the options of the command; the first.
 *            "imports": so many imported runs follow at once; without all of them nothing was
 * begun. "ways": other ways to run the command (provoke.h), numbered from 1 build    "commit",
 * "key", "ok", "ms", "output" (of a failed one) run      "n" (from 1), "commit", "seed", "result"
 * (a name of WG_BISECT_RESULTS), "exit", "ms", "signature" (the line that matched), "imported"
 * (from `git bisect log`), "way" (how the command was run; without it 0, as it was given) way
 * "way", "words": from here on the command is run this way; only runs made this way count verdict
 * "step", "commit", "probability"; the bisection was over at that point Readers ignore members and
 * events that they do not know.
 */
#ifndef WG_HARNESS_BISECT_STATE_H
#define WG_HARNESS_BISECT_STATE_H

#include "harness/base/err.h"
#include "harness/bisect/history.h"
#include "harness/bisect/posterior.h"
#include "harness/bisect/provoke.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define WG_BISECT_STATE_VERSION 1

/*
 * What one run says. X(identifier, name, meaning)
 */
#define WG_BISECT_RESULTS(X)                                                                       \
    X(GOOD, "good", "exit code 0")                                                                 \
    X(BAD, "bad", "exit code 1 to 127 other than 125, with the failure that is hunted")            \
    X(SKIP, "skip", "exit code 125: this commit cannot be tested")                                 \
    X(OTHER, "other", "failed in another way than the one that is hunted; no observation")         \
    X(LOST, "lost", "the infrastructure failed; no observation")

enum wg_bisect_result {
#define WG_BISECT_RESULT_ENUM(identifier, name, meaning) WG_BISECT_RESULT_##identifier,
    WG_BISECT_RESULTS(WG_BISECT_RESULT_ENUM)
#undef WG_BISECT_RESULT_ENUM
        WG_BISECT_RESULT_COUNT
};

const char *wg_bisect_result_name(enum wg_bisect_result result);

struct wg_bisect_state;

enum wg_bisect_access {
    WG_BISECT_LOOK,   /* reads what is there, also while another process leads the bisection */
    WG_BISECT_LEAD,   /* for appending; locks the file */
    WG_BISECT_CREATE, /* the same, and makes the file when it is not there */
};

/*
 * Opens the file at `path`. Without a whole start record in it (absent, empty, or killed while
 * starting) wg_bisect_state_start() is NULL. Fails when it is to be led and another process has it
 * locked (WG_ERR_STATE), and on whole lines that do not parse (WG_ERR_FORMAT). To look changes
 * nothing: a torn record at the end is left to whoever leads.
 */
int wg_bisect_state_open(const char *path, enum wg_bisect_access access,
                         struct wg_bisect_state **ret_state, struct wg_err *err);
void wg_bisect_state_destroy(struct wg_bisect_state *state);

/* The start record, borrowed, or NULL. */
const json_t *wg_bisect_state_start(const struct wg_bisect_state *state);
/* All records in order, borrowed: a JSON array. */
const json_t *wg_bisect_state_records(const struct wg_bisect_state *state);
/* The last record when it is a verdict, borrowed, or NULL. */
const json_t *wg_bisect_state_verdict(const struct wg_bisect_state *state);

/* Appends a record and takes over the reference, also on failure. */
int wg_bisect_state_append(struct wg_bisect_state *state, json_t *record, struct wg_err *err);

/*
 * Adds up the builds and the runs that were made in this way per node: `ret_tally` has an element
 * per node and is overwritten. A node is untestable when its build failed, when it said "skip"
 * before it said anything else, or when it failed in other ways again and again. Runs for which a
 * way was kept do not count, since they were chosen for having failed; those made since then do.
 */
void wg_bisect_state_tally(const struct wg_bisect_state *state,
                           const struct wg_bisect_history *history, size_t way,
                           struct wg_bisect_tally *ret_tally);

/*
 * Adds up the runs of BAD per way, for wg_bisect_provoke(): `ret_ways` has `count` elements and is
 * overwritten.
 */
void wg_bisect_state_ways(const struct wg_bisect_state *state,
                          const struct wg_bisect_history *history, size_t count,
                          struct wg_bisect_way *ret_ways);

/* The way that was decided on last, or -1. */
long wg_bisect_state_way(const struct wg_bisect_state *state);

/* The number of the next run: one above the highest recorded. */
unsigned wg_bisect_state_next_run(const struct wg_bisect_state *state);

/* The seed of run `n` of a bisection, 0 to 2^31 - 1: a pure function of both. */
uint64_t wg_bisect_seed(uint64_t base, unsigned n);

/* The mean price of a build in runs, from the durations recorded; `fallback` without any. */
double wg_bisect_state_build_cost(const struct wg_bisect_state *state, double fallback);

#endif
