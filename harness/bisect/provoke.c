/* SPDX-License-Identifier: MIT */
#include "harness/bisect/provoke.h"

#include <assert.h>
#include <math.h>

#define FAILURES_KNOWN 3   /* so many make the rate of a way known */
#define OFTEN          0.5 /* a rate that is high enough */
#define FIRST_RUNS     32  /* of way 0, before the others are tried with less than that known */
#define BATCH_FIRST    4   /* of a way that has no runs yet */
#define BATCH_MOST     16  /* between looks at the other ways */
#define TIMES_WANTED   3   /* another way is worth finding when it fails this many times as often */
#define RATE_MOST      0.9 /* what that is capped to */
#define DOUBT          0.1 /* a way is given up when so good a one would look worse this seldom */
#define BETTER         1.5 /* times the rate of way 0 that a way must have to be kept */

static unsigned runs_of(const struct wg_bisect_way *way)
{
    return way->failures + way->passes;
}

/* The posterior mean with Jeffreys' prior. */
static double rate_of(const struct wg_bisect_way *way)
{
    return (way->failures + 0.5) / (runs_of(way) + 1.0);
}

/* P(at most `failures` of `runs` fail) at this rate. */
static double binomial_tail(unsigned failures, unsigned runs, double rate)
{
    double term = pow(1 - rate, runs), sum = term;
    for (unsigned k = 1; k <= failures && k <= runs; k++) {
        term *= (double)(runs - k + 1) / k * rate / (1 - rate);
        sum += term;
    }
    return sum;
}

/* The way with the highest rate among those that have failed; -1 when none has. */
static long best_of(const struct wg_bisect_way *ways, size_t count)
{
    long best = -1;
    for (size_t i = 0; i < count; i++)
        if (!ways[i].dropped && ways[i].failures > 0 &&
            (best < 0 || rate_of(&ways[i]) > rate_of(&ways[best])))
            best = (long)i;
    return best;
}

/* How many more runs of another way are worth making now: 0 when it is known or given up. */
static unsigned worth(const struct wg_bisect_way *way, bool best, double rate, unsigned runs_each)
{
    unsigned runs = runs_of(way);
    unsigned batch = runs < BATCH_FIRST ? BATCH_FIRST : runs < BATCH_MOST ? runs : BATCH_MOST;
    if (way->dropped || way->failures >= FAILURES_KNOWN)
        return 0;
    if (!(rate > 0)) /* nothing has failed in any way */
        return runs >= runs_each ? 0 : batch < runs_each - runs ? batch : runs_each - runs;
    bool hopeful = binomial_tail(way->failures, runs, fmin(TIMES_WANTED * rate, RATE_MOST)) > DOUBT;
    return best || hopeful ? batch : 0;
}

static struct wg_bisect_provoking keep(size_t way)
{
    return (struct wg_bisect_provoking){.decided = true, .way = way};
}

struct wg_bisect_provoking wg_bisect_provoke(const struct wg_bisect_way *ways, size_t count,
                                             unsigned runs_most)
{
    assert(count > 0 && count <= WG_BISECT_WAYS);
    if (count == 1)
        return keep(0);
    const struct wg_bisect_way *given = &ways[0];
    unsigned first = runs_most < FIRST_RUNS ? runs_most : FIRST_RUNS;
    if (!given->dropped && given->failures < FAILURES_KNOWN && runs_of(given) < first)
        return (struct wg_bisect_provoking){.batch = first - runs_of(given)};
    long best = best_of(ways, count);
    if (best >= 0 && ways[best].failures >= FAILURES_KNOWN && rate_of(&ways[best]) >= OFTEN)
        return keep((size_t)best);
    double rate = best >= 0 ? rate_of(&ways[best]) : 0;
    unsigned runs_each = (runs_most + (unsigned)count - 2) / ((unsigned)count - 1);
    struct wg_bisect_provoking next = {0};
    for (size_t i = 1; i < count; i++) {
        unsigned batch = worth(&ways[i], best == (long)i, rate, runs_each);
        if (batch > 0 && (next.way == 0 || runs_of(&ways[i]) < runs_of(&ways[next.way])))
            next = (struct wg_bisect_provoking){.way = i, .batch = batch};
    }
    if (next.way > 0)
        return next;
    return keep(best > 0 && rate >= BETTER * rate_of(given) ? (size_t)best : 0);
}
