/* SPDX-License-Identifier: MIT */
/*
 * choose.h - which commit to run next, and how often: most information per cost.
 *
 * A choice is a pair (node, m): run the node up to m times and stop at the first failure. Its worth
 * is the mutual information between "all passed / one failed" and the culprit; its price is
 * the expected number of runs plus the price of a build when the node is not built yet. Batches
 * keep the number of distinct commits small: gain per single run alone would jump from commit to
 * commit and build each.
 *
 * Several choices at a time (for several worktrees) take the outcomes of the earlier ones into
 * account: the second maximises its gain averaged over what the first may show.
 */
#ifndef WG_HARNESS_BISECT_CHOOSE_H
#define WG_HARNESS_BISECT_CHOOSE_H

#include "harness/bisect/posterior.h"

#define WG_BISECT_CHOICES 16 /* the most that can be asked for at a time */

struct wg_bisect_choice {
    size_t node;
    unsigned batch;
    double gain; /* bits */
    double cost; /* in runs */
};

/*
 * Writes up to `wanted` (at most WG_BISECT_CHOICES) choices with different nodes to `ret_choices`
 * and returns how many: 0 when no testable node would tell anything. `posterior` is up to date with
 * `tally`; `build_cost` is the price of a build in runs. The posterior is used for what-if
 * computations and restored.
 */
size_t wg_bisect_choose(struct wg_bisect_posterior *posterior, const struct wg_bisect_tally *tally,
                        double build_cost, size_t wanted, struct wg_bisect_choice *ret_choices);

/* P(the next m runs at `node` all pass), m = 2^batch. */
double wg_bisect_pass_chance(const struct wg_bisect_posterior *posterior,
                             const struct wg_bisect_tally *tally, size_t node, size_t batch);

#endif
