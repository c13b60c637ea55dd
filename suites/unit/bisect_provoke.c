/* SPDX-License-Identifier: MIT */
/* What provoke.h promises: by single decisions, and by whole courses with known failure rates. */
#include "harness/bisect/provoke.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdint.h>

#define RUNS_MOST 300

/* One decision: what is known of the ways, and what follows. */
static const struct {
    const char *label;
    struct wg_bisect_way ways[3];
    size_t count;
    struct wg_bisect_provoking expected;
} decisions[] = {
    {"nothing else to try", {{0}}, 1, {true, 0, 0}},
    {"first as it was given", {{0}}, 3, {false, 0, 32}},
    {"and as often as it takes", {{.failures = 2, .passes = 10}}, 3, {false, 0, 20}},
    {"it fails often enough", {{.failures = 3, .passes = 2}}, 3, {true, 0, 0}},
    {"then the others", {{.failures = 3, .passes = 17}}, 3, {false, 1, 4}},
    {"in turn", {{.failures = 3, .passes = 17}, {.passes = 4}}, 3, {false, 2, 4}},
    {"one that has failed goes on",
     {{.failures = 3, .passes = 17}, {.failures = 1, .passes = 3}, {.passes = 9}},
     3,
     {false, 1, 4}},
    {"given up when three times the rate would have shown",
     {{.failures = 3, .passes = 27}, {.passes = 7}, {.passes = 8}},
     3,
     {true, 0, 0}},
    {"the first that fails often is kept",
     {{.failures = 3, .passes = 27}, {.failures = 3, .passes = 1}},
     3,
     {true, 1, 0}},
    {"a little better is not better",
     {{.failures = 3, .passes = 12}, {.failures = 3, .passes = 11}, {.passes = 9}},
     3,
     {true, 0, 0}},
    {"a dropped way is neither run nor kept",
     {{.failures = 3, .passes = 27}, {.failures = 1, .dropped = true}, {.passes = 20}},
     3,
     {true, 0, 0}},
    {"nothing has failed yet", {{.passes = 32}, {.passes = 8}, {.passes = 4}}, 3, {false, 2, 4}},
    {"nothing fails in any way",
     {{.passes = 32}, {.passes = 150}, {.passes = 150}},
     3,
     {true, 0, 0}},
    {"the only one that fails is run until its rate is known",
     {{.passes = 32}, {.failures = 1, .passes = 30}, {.passes = 60}},
     3,
     {false, 1, 16}},
    {"and is better than one that never did",
     {{.passes = 32}, {.failures = 3, .passes = 60}, {.passes = 60}},
     3,
     {true, 1, 0}},
};

Test(bisect_provoke, decisions_are_those_of_the_manual)
{
    for (size_t i = 0; i < sizeof decisions / sizeof decisions[0]; i++) {
        struct wg_bisect_provoking got =
            wg_bisect_provoke(decisions[i].ways, decisions[i].count, RUNS_MOST);
        struct wg_bisect_provoking expected = decisions[i].expected;
        cr_expect(got.decided == expected.decided && got.way == expected.way &&
                      (got.decided || got.batch == expected.batch),
                  "%s: %s way %zu, batch %u", decisions[i].label, got.decided ? "keep" : "run",
                  got.way, got.batch);
    }
}

static double uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

/* Provokes with these rates until it is decided; returns the way and counts the runs. */
static size_t provoke(const double *rates, size_t count, uint64_t *random, unsigned *ret_runs)
{
    struct wg_bisect_way ways[WG_BISECT_WAYS] = {{0}};
    for (;;) {
        struct wg_bisect_provoking next = wg_bisect_provoke(ways, count, RUNS_MOST);
        if (next.decided)
            return next.way;
        cr_assert(next.batch > 0 && next.batch <= RUNS_MOST);
        bool failed = false;
        for (unsigned i = 0; i < next.batch && !failed; i++, (*ret_runs)++) {
            failed = uniform(random) < rates[next.way];
            ways[next.way].failures += failed;
            ways[next.way].passes += !failed;
        }
    }
}

/* The mean rate that is gone on with, and what finding it costs on average. */
static const struct {
    const char *label;
    double rates[4];
    double rate_least, runs_most;
} courses[] = {
    {"one helps much", {0.05, 0.05, 0.5, 0.02}, 0.45, 90},
    {"none helps", {0.05, 0.05, 0.05, 0.05}, 0.05, 110},
    {"not needed", {0.8, 0.9, 0.9, 0.9}, 0.79, 8},
    {"only one way fails at all", {0, 0, 0.3, 0}, 0.28, 90},
    {"nothing fails in any way", {0, 0, 0, 0}, 0, 332.5},
};

Test(bisect_provoke, finds_the_way_that_fails_most_at_a_bounded_price)
{
    enum { TRIALS = 400 };
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
        double rate = 0;
        unsigned runs = 0;
        for (int trial = 0; trial < TRIALS; trial++)
            rate += courses[i].rates[provoke(courses[i].rates, 4, &random, &runs)];
        rate /= TRIALS;
        double mean = (double)runs / TRIALS;
        cr_expect(le(dbl, courses[i].rate_least, rate + 1e-9), "%s", courses[i].label);
        cr_expect(le(dbl, mean, courses[i].runs_most), "%s", courses[i].label);
    }
}
