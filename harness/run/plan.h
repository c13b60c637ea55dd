/* SPDX-License-Identifier: MIT */
/*
 * plan.h - which tests there are, and which of them run.
 *
 * Tests are named "suite/name". A pattern is a glob (fnmatch(3)) over the whole name, or over the
 * suite when it has no slash: `files_*`, `auth/login*`, a single test's full name. Square brackets
 * are literal when they stand behind a test's name as a parameterised case shows them
 * ("name[3:label]").
 */
#ifndef WG_HARNESS_RUN_PLAN_H
#define WG_HARNESS_RUN_PLAN_H

#include "harness/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wg_test {
    long id;           /* number in the suite binary */
    char *full_name;   /* "suite/name" */
    const char *suite; /* borrowed from the plan's suites */
    char *file;
    long line;
    char *description; /* empty if none */
    bool disabled;
    bool exclusive;
    int timeout_ms; /* 0: the run's default */
    int retries;    /* -1: the run's default */
    int signal;     /* that it must die from, 0 if none */
    int exit_code;  /* that it must end with */
    bool selected;
    double expected_ms; /* what history says; -1: it knows nothing */
    bool failed_last;
    int rank; /* the higher, the earlier; see wg_plan_rank() */
};

struct wg_suite {
    char *name;
    bool exclusive;
    size_t first, count; /* its tests: plan.tests[first … first + count) */
    int rank;
    int timeout_ms; /* of the suite as a whole; 0: the run's default */
};

struct wg_plan {
    struct wg_test *tests; /* sorted by suite, in source order inside a suite */
    size_t test_count;
    struct wg_suite *suites;
    size_t suite_count;
    size_t selected_count;
    int rank_max; /* of all tests */
};

/* Takes over `tests` (allocated with malloc, suite names not yet set: suites[i] per test gives
 * them) and groups them. */
void wg_plan_init(struct wg_plan *plan, struct wg_test *tests, char **suite_names, size_t count);
void wg_plan_finish(struct wg_plan *plan);

/*
 * Marks the tests that match one of the patterns (all when there are none). A pattern that matches
 * nothing, and a selection that is empty, are usage errors; the message names the nearest test.
 */
int wg_plan_select(struct wg_plan *plan, char *const *patterns, struct wg_err *err);

struct wg_filter;

/* Takes the selection away from tests that do not match. None left is a usage error. */
int wg_plan_filter(struct wg_plan *plan, const struct wg_filter *filter, const char *text,
                   int64_t slow_ms, struct wg_err *err);
/* Leaves of the selected tests number `part`, `part` + `parts`, … in the order of the binary, so
 * that machines that split a selection run each test once. */
int wg_plan_partition(struct wg_plan *plan, long part, long parts, struct wg_err *err);

/*
 * Longest first, so that the last to run are short: ranks tests and suites by their expected time
 * in powers of two from WG_PLAN_LONG_MS, below which all are alike, and puts suites of a higher
 * rank before others. The order stays what it was within a rank, and from run to run.
 */
#define WG_PLAN_LONG_MS 100
void wg_plan_rank(struct wg_plan *plan);

/* Reorders suites, and tests inside suites, by a seed: the same seed gives the same order. */
void wg_plan_shuffle(struct wg_plan *plan, uint64_t seed);

/* True when the pattern matches the test. */
bool wg_plan_matches(const struct wg_test *test, const char *pattern);

#endif
