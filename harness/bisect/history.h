/* SPDX-License-Identifier: MIT */
/*
 * history.h - the commits between GOOD and BAD as a graph, with all ancestors as one bit matrix.
 *
 * Node 0 is GOOD, taken as an ancestor of every other node; the rest are the commits that BAD
 * reaches and GOOD does not, parents before children, BAD last. A hypothesis has the number of a
 * node: "node c is the culprit" makes exactly the nodes bad that have c among their ancestors or
 * are c. Hypothesis 0 is therefore "already bad at GOOD", and needs no code of its own anywhere.
 *
 * The matrix takes nodes^2 / 8 bytes: 125 KB for 1000 commits, 50 MB at WG_LIMIT_BISECT_COMMITS.
 */
#ifndef WG_HARNESS_BISECT_HISTORY_H
#define WG_HARNESS_BISECT_HISTORY_H

#include "harness/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wg_bisect_commit {
    char *id;
    size_t *parents; /* nodes; a parent outside the range stands for GOOD and is node 0 */
    size_t parent_count;
};

struct wg_bisect_history {
    size_t count; /* nodes, GOOD among them */
    size_t words; /* 64-bit words of one row of the matrix */
    struct wg_bisect_commit *commits;
    uint64_t *ancestors; /* row x, bit c: c is x or an ancestor of x */
    size_t *by_id;       /* node numbers in the order of their ids, private */
};

/*
 * Reads what `git rev-list --topo-order --parents BAD ^GOOD` prints: a line per commit, its id and
 * those of its parents, children before parents. `good` becomes node 0. The caller finishes the
 * history. Fails with WG_ERR_FORMAT on text of another shape, WG_ERR_USAGE on an empty range and
 * WG_ERR_LIMIT on one too large.
 */
int wg_bisect_history_parse(const char *good, const char *text,
                            struct wg_bisect_history *ret_history, struct wg_err *err);
void wg_bisect_history_finish(struct wg_bisect_history *history);

/* The node of a commit id, or -1. */
long wg_bisect_history_find(const struct wg_bisect_history *history, const char *id);

/* BAD's node. */
static inline size_t wg_bisect_history_bad(const struct wg_bisect_history *history)
{
    return history->count - 1;
}

/* Whether node `x` is bad when node `c` is the culprit. */
static inline bool wg_bisect_is_bad(const struct wg_bisect_history *history, size_t x, size_t c)
{
    return (history->ancestors[x * history->words + c / 64] >> (c % 64)) & 1;
}

#endif
