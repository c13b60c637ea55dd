/* SPDX-License-Identifier: MIT */
/*
 * posterior.h - how probable each commit is as the culprit, given every run so far.
 *
 * For hypothesis c the runs at the nodes that c makes bad are beta-binomial with the unknown mu and
 * kappa of rates.h, the runs at all others binomial with the unknown noise p0; both are summed out
 * over their grid. Hypotheses that make the same *tested* nodes bad share one likelihood: they form
 * a class. A linear history with T tested commits has T + 1 classes, so the work is a few
 * dozen classes times 99 cells instead of 1000 hypotheses times 99 cells.
 *
 * The posterior is a pure function of (history, tally, prior): nothing is carried from one
 * computation to the next but memory.
 */
#ifndef WG_HARNESS_BISECT_POSTERIOR_H
#define WG_HARNESS_BISECT_POSTERIOR_H

#include "harness/bisect/history.h"
#include "harness/bisect/rates.h"

/* What is known about one node. */
struct wg_bisect_tally {
    unsigned failures;
    unsigned passes;
    unsigned skips;  /* runs that said neither */
    bool untestable; /* does not build, or says "skip": it can only stay a candidate */
    bool built;
};

struct wg_bisect_posterior {
    const struct wg_bisect_history *history; /* borrowed */
    struct wg_bisect_rates rates;
    double *prior;       /* per hypothesis, sums to 1 */
    double *probability; /* per hypothesis, sums to 1 */

    size_t class_count;
    size_t class_room;
    unsigned *class_of; /* per hypothesis */
    double *class_mass; /* per class, sums to 1 */
    double *cells;      /* per class and cell: P(class, cell), sums to 1 */
    double *pass_bad;   /* per class and batch: P(all pass | class, at an untested bad node) */
    double *pass_good;  /* per class and batch: P(all pass | class, at a good node) */
};

/*
 * Makes a posterior over the hypotheses of `history`, which must outlive it. `prior` has a weight
 * per node (NULL: all alike); `already_bad` is the prior probability of hypothesis 0.
 */
void wg_bisect_posterior_init(struct wg_bisect_posterior *posterior,
                              const struct wg_bisect_history *history, const double *prior,
                              double already_bad);
void wg_bisect_posterior_finish(struct wg_bisect_posterior *posterior);

/* Computes everything from `tally`, one element per node. */
void wg_bisect_posterior_update(struct wg_bisect_posterior *posterior,
                                const struct wg_bisect_tally *tally);

/* The mean failure rate of bad commits, with the bounds that exclude 2.5 % on either side. */
void wg_bisect_posterior_rate(const struct wg_bisect_posterior *posterior, double *ret_mean,
                              double *ret_low, double *ret_high);

/*
 * Groups of hypotheses that no testable node can tell apart: writes the number of the group of
 * every hypothesis to `group_of` and returns how many groups there are.
 */
size_t wg_bisect_groups(const struct wg_bisect_history *history,
                        const struct wg_bisect_tally *tally, unsigned *group_of);

#endif
