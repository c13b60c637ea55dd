/* SPDX-License-Identifier: MIT */
/*
 * rates.h - what is not known about the failure rates, as a grid of cells with prior weights.
 *
 * A bad commit fails a run with a probability that is beta distributed over the commits, with mean
 * mu and concentration kappa: Beta(mu * kappa, (1 - mu) * kappa). kappa = infinity is one rate for
 * all bad commits; 8 and 2 let it differ from commit to commit, without which a rate that does
 * differ makes the posterior far too sure of itself. mu is log-uniform, with an atom at "always":
 * a regression that shows in every run is the most common kind.
 *
 * kappa is raised to 4 / mu and 2 / mu where it is less: below 1 / mu the density has a pole at
 * zero, and a commit that passed a thousand times could still be a bad one with next to no
 * failures. No number of runs would settle that when only few commits are bad. With 4 / mu the rate
 * of a commit is off its mean by half of it (one standard deviation), with 2 / mu by 0.7 of it;
 * both at 2 / mu cost 4 to 8 % more runs and were right no more often, not even with rates that
 * differed by half.
 *
 * A good commit fails with one probability p0, "noise": half of the prior says never, the rest is
 * log-uniform. Noise at more than half of mu is excluded: then "bad" would not mean worse. Its
 * values lie 15 % apart: some thousand runs know p0 to within 10 %, and with a true value between
 * two that lie far apart the posterior of everything else is wrong.
 *
 * To add a concentration: a row of `concentrations` in rates.c and WG_BISECT_CONCENTRATIONS.
 */
#ifndef WG_HARNESS_BISECT_RATES_H
#define WG_HARNESS_BISECT_RATES_H

#include <stddef.h>

#define WG_BISECT_CONCENTRATIONS 3
#define WG_BISECT_MEANS          33 /* values of mu, the last of them the atom at "always" */
#define WG_BISECT_CELLS          (WG_BISECT_CONCENTRATIONS * WG_BISECT_MEANS)
#define WG_BISECT_NOISES         48 /* values of p0, the first of them zero */

/* The sizes of a batch: "run up to m times, stop at the first failure". */
#define WG_BISECT_BATCHES   7
#define WG_BISECT_BATCH_MAX 64

struct wg_bisect_cell {
    double mu;
    double kappa;      /* HUGE_VAL: the same rate everywhere */
    double log_weight; /* natural logarithm of the prior weight; -HUGE_VAL for unused cells */
    double log_beta;   /* ln B(mu * kappa, (1 - mu) * kappa), 0 for infinite kappa */
    size_t noises;     /* the first so many values of p0 can go with this mu */
};

struct wg_bisect_rates {
    struct wg_bisect_cell cells[WG_BISECT_CELLS];
    double noise[WG_BISECT_NOISES];
    double log_fail[WG_BISECT_NOISES]; /* ln p0 */
    double log_pass[WG_BISECT_NOISES]; /* ln (1 - p0) */
    double noise_weight[WG_BISECT_NOISES];
    double noise_total[WG_BISECT_NOISES + 1]; /* sum of the first n weights */
};

/* Fills in the grid. The same numbers every time. */
void wg_bisect_rates_init(struct wg_bisect_rates *rates);

/* Batch size number `i`: 1, 2, 4 … 64. */
static inline unsigned wg_bisect_batch(size_t i)
{
    return 1u << i;
}

/* ln P(this sequence of `failures` and `passes` at one bad commit | cell). */
double wg_bisect_log_bad(const struct wg_bisect_cell *cell, unsigned failures, unsigned passes);

/*
 * P(the next n runs of a bad commit pass | cell, what it did so far) for n = 1, 2, 4 … 64.
 */
void wg_bisect_pass_bad(const struct wg_bisect_cell *cell, unsigned failures, unsigned passes,
                        double pass[static WG_BISECT_BATCHES]);

#endif
