/* SPDX-License-Identifier: MIT */
/*
 * provoke.h - which way of running the command makes BAD fail most often.
 *
 * A bisection takes about 40 / p1 runs, p1 being the failure rate of bad commits, so nothing saves
 * as much as a higher p1. Before the search, several *ways* to run the command are tried at BAD:
 * way 0 is the command as it was given, the others change its environment or its options.
 *
 *   1. Way 0, until it has failed three times. One that fails in half of its runs is kept: no
 *      other way could save more than trying it costs.
 *   2. The others in turn, each in batches that double, until it has failed three times. One is
 *      given up as soon as a rate three times the best one known would have shown by now, unless
 *      it is that best one itself. The first that fails in half of its runs is kept.
 *   3. When all are known or given up, the one with the highest rate, if that is at least half as
 *      high again as the rate of way 0.
 *
 * A way that gives no answers is dropped, and so is one under which GOOD fails before anything else
 * was run: failures that it brings in itself would cost more than it saves.
 *
 * A pure function of the numbers of runs, as plan.h is.
 */
#ifndef WG_HARNESS_BISECT_PROVOKE_H
#define WG_HARNESS_BISECT_PROVOKE_H

#include <stdbool.h>
#include <stddef.h>

#define WG_BISECT_WAYS 16 /* the most, way 0 among them */

/* What is known about one way: its runs of BAD. */
struct wg_bisect_way {
    unsigned failures, passes;
    unsigned skips; /* runs that said neither */
    bool dropped;
};

struct wg_bisect_provoking {
    bool decided;
    size_t way;     /* the one that is kept, or the one to run next */
    unsigned batch; /* run it up to so many times, stop at the first failure */
};

/*
 * What to do next with `count` ways (1 to WG_BISECT_WAYS). `runs_most` is the number of runs of
 * BAD without a failure after which a bisection is given up: while nothing has failed at all, the
 * other ways together are run that often as well.
 */
struct wg_bisect_provoking wg_bisect_provoke(const struct wg_bisect_way *ways, size_t count,
                                             unsigned runs_most);

#endif
