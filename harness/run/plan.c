/* SPDX-License-Identifier: MIT */
#include "harness/run/plan.h"

#include "harness/base/str.h"
#include "harness/run/filter.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static struct wg_suite *find_suite(struct wg_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->suite_count; i++)
        if (strcmp(plan->suites[i].name, name) == 0)
            return &plan->suites[i];
    return NULL;
}

/* Moves the tests so that those of one suite stand together, keeping their order otherwise. */
static void group_tests(struct wg_plan *plan)
{
    struct wg_test *grouped = wg_calloc(plan->test_count, sizeof *grouped);
    size_t used = 0;
    for (size_t s = 0; s < plan->suite_count; s++) {
        struct wg_suite *suite = &plan->suites[s];
        suite->first = used;
        for (size_t i = 0; i < plan->test_count; i++)
            if (plan->tests[i].suite == suite->name)
                grouped[used++] = plan->tests[i];
        suite->count = used - suite->first;
    }
    assert(used == plan->test_count);
    free(plan->tests);
    plan->tests = grouped;
}

void wg_plan_init(struct wg_plan *plan, struct wg_test *tests, char **suite_names, size_t count)
{
    *plan = (struct wg_plan){.tests = tests, .test_count = count};
    plan->suites = wg_calloc(count, sizeof *plan->suites);
    for (size_t i = 0; i < count; i++) {
        struct wg_suite *suite = find_suite(plan, suite_names[i]);
        if (!suite) {
            suite = &plan->suites[plan->suite_count++];
            suite->name = wg_strdup(suite_names[i]);
        }
        suite->exclusive = suite->exclusive || tests[i].exclusive;
        tests[i].expected_ms = -1;
        tests[i].suite = suite->name;
    }
    group_tests(plan);
}

void wg_plan_finish(struct wg_plan *plan)
{
    for (size_t i = 0; i < plan->test_count; i++) {
        free(plan->tests[i].full_name);
        free(plan->tests[i].file);
        free(plan->tests[i].description);
    }
    for (size_t i = 0; i < plan->suite_count; i++)
        free(plan->suites[i].name);
    free(plan->tests);
    free(plan->suites);
    *plan = (struct wg_plan){0};
}

bool wg_plan_matches(const struct wg_test *test, const char *pattern)
{
    if (strcmp(test->full_name, pattern) == 0)
        return true;
    if (!strchr(pattern, '/'))
        return fnmatch(pattern, test->suite, 0) == 0;
    return fnmatch(pattern, test->full_name, 0) == 0;
}

/* How many leading characters two names share. */
static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

/* The suite or, for a pattern with a slash, the test that was meant: the nearest by edits, else the
 * test that begins most alike. NULL if none does. The plan's. */
static const char *nearest_name(const struct wg_plan *plan, const char *pattern)
{
    bool whole = strchr(pattern, '/') != NULL;
    size_t count = whole ? plan->test_count : plan->suite_count, best = 0;
    const char **names = wg_calloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = whole ? plan->tests[i].full_name : plan->suites[i].name;
    const char *nearest = wg_str_nearest(pattern, names);
    free(names);
    if (nearest)
        return nearest;
    for (size_t i = 0; i < plan->test_count; i++) {
        size_t shared = common_prefix(plan->tests[i].full_name, pattern);
        if (shared > best) {
            best = shared;
            nearest = plan->tests[i].full_name;
        }
    }
    return nearest;
}

static int nothing_matches(const struct wg_plan *plan, const char *pattern, struct wg_err *err)
{
    const char *nearest = nearest_name(plan, pattern);
    if (nearest)
        return wg_err_set(err, WG_ERR_USAGE,
                          "no test matches '%s'; the nearest is '%s', 'walgrind list' shows all",
                          pattern, nearest);
    return wg_err_set(err, WG_ERR_USAGE, "no test matches '%s'; 'walgrind list' shows all",
                      pattern);
}

/* As nothing_matches(), of a word of the descriptions. */
static int no_such_id(const struct wg_plan *plan, const char *glob, struct wg_err *err)
{
    struct wg_strv words = {0};
    for (size_t i = 0; i < plan->test_count; i++) {
        char *text = wg_strdup(plan->tests[i].description), *rest = text;
        for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
            if (*word)
                wg_strv_push(&words, word);
        free(text);
    }
    const char *nearest =
        words.count > 0 ? wg_str_nearest(glob, (const char *const *)words.items) : NULL;
    char *told = nearest ? wg_format("the nearest is '%s', ", nearest) : wg_strdup("");
    int rc = wg_err_set(err, WG_ERR_USAGE, "no test has the id '%s'; %s'walgrind list' shows all",
                        glob, told);
    free(told);
    wg_strv_finish(&words);
    return rc;
}

static void count_selected(struct wg_plan *plan)
{
    plan->selected_count = 0;
    for (size_t i = 0; i < plan->test_count; i++)
        plan->selected_count += plan->tests[i].selected;
}

int wg_plan_select(struct wg_plan *plan, char *const *patterns, struct wg_err *err)
{
    bool all = !patterns || !patterns[0];
    for (size_t i = 0; i < plan->test_count; i++)
        plan->tests[i].selected = all;
    for (size_t p = 0; !all && patterns[p]; p++) {
        bool matched = false;
        for (size_t i = 0; i < plan->test_count; i++) {
            if (wg_plan_matches(&plan->tests[i], patterns[p])) {
                plan->tests[i].selected = true;
                matched = true;
            }
        }
        if (!matched)
            return nothing_matches(plan, patterns[p], err);
    }
    count_selected(plan);
    if (plan->selected_count == 0)
        return wg_err_set(err, WG_ERR_USAGE, "nothing is selected: the suite binary has no tests");
    return 0;
}

int wg_plan_filter(struct wg_plan *plan, const struct wg_filter *filter, const char *text,
                   int64_t slow_ms, struct wg_err *err)
{
    size_t before = plan->selected_count;
    bool is_id = false;
    const char *unmatched = wg_filter_unmatched(filter, plan, &is_id);
    if (unmatched)
        return is_id ? no_such_id(plan, unmatched, err) : nothing_matches(plan, unmatched, err);
    for (size_t i = 0; i < plan->test_count; i++)
        plan->tests[i].selected =
            plan->tests[i].selected && wg_filter_matches(filter, &plan->tests[i], slow_ms);
    count_selected(plan);
    if (plan->selected_count == 0)
        return wg_err_set(err, WG_ERR_USAGE, "nothing is selected: '%s' matches none of %zu tests",
                          text, before);
    return 0;
}

int wg_plan_partition(struct wg_plan *plan, long part, long parts, struct wg_err *err)
{
    size_t before = plan->selected_count, seen = 0;
    for (size_t i = 0; i < plan->test_count; i++)
        if (plan->tests[i].selected)
            plan->tests[i].selected = seen++ % (size_t)parts == (size_t)part - 1;
    count_selected(plan);
    if (plan->selected_count == 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          "nothing is selected: part %ld of %ld has none of %zu tests", part, parts,
                          before);
    return 0;
}

static int rank_of(double ms)
{
    int rank = 0;
    for (double step = WG_PLAN_LONG_MS; ms >= step && rank < 30; step *= 2)
        rank++;
    return rank;
}

void wg_plan_rank(struct wg_plan *plan)
{
    for (size_t s = 0; s < plan->suite_count; s++) {
        struct wg_suite suite = plan->suites[s];
        double total_ms = 0;
        for (size_t i = suite.first; i < suite.first + suite.count; i++) {
            struct wg_test *test = &plan->tests[i];
            test->rank = rank_of(test->expected_ms);
            if (test->rank > plan->rank_max)
                plan->rank_max = test->rank;
            if (test->selected && test->expected_ms > 0)
                total_ms += test->expected_ms;
        }
        suite.rank = rank_of(total_ms);
        size_t place = s;
        for (; place > 0 && plan->suites[place - 1].rank < suite.rank; place--)
            plan->suites[place] = plan->suites[place - 1];
        plan->suites[place] = suite;
    }
}

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Fisher-Yates over elements of any size up to that of a test. */
static void shuffle(void *items, size_t count, size_t size, uint64_t *state)
{
    unsigned char spare[sizeof(struct wg_test)];
    assert(size <= sizeof spare);
    unsigned char *bytes = items;
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)(next_random(state) % i);
        memcpy(spare, bytes + (i - 1) * size, size);
        memcpy(bytes + (i - 1) * size, bytes + other * size, size);
        memcpy(bytes + other * size, spare, size);
    }
}

void wg_plan_shuffle(struct wg_plan *plan, uint64_t seed)
{
    uint64_t state = seed;
    shuffle(plan->suites, plan->suite_count, sizeof *plan->suites, &state);
    for (size_t i = 0; i < plan->suite_count; i++)
        shuffle(plan->tests + plan->suites[i].first, plan->suites[i].count, sizeof *plan->tests,
                &state);
}
