/* SPDX-License-Identifier: MIT */
/* run_plan.c - selecting and shuffling tests. */
#include "harness/base/str.h"
#include "harness/run/filter.h"
#include "harness/run/plan.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "auth/login",
    "auth/logout",
    "files_save/new",
    "files_save/row[0:one]",
    "files_save/row[1:two]",
    "health/says_ok",
};

static struct wg_plan plan;

static void make_plan(void)
{
    size_t count = sizeof names / sizeof names[0];
    struct wg_test *tests = wg_calloc(count, sizeof *tests);
    char **suites = wg_calloc(count, sizeof *suites);
    for (size_t i = 0; i < count; i++) {
        tests[i].id = (long)i;
        tests[i].full_name = wg_strdup(names[i]);
        tests[i].description = wg_strdup(i == 0 ? "COLL-X03 COLL-X04" : "says what it is");
        suites[i] = wg_strndup(names[i], strcspn(names[i], "/"));
    }
    wg_plan_init(&plan, tests, suites, count);
    for (size_t i = 0; i < count; i++)
        free(suites[i]);
    free(suites);
}

static void drop_plan(void)
{
    wg_plan_finish(&plan);
}

TestSuite(plan, .init = make_plan, .fini = drop_plan);

/* How many tests one pattern selects; -1 for none. */
static long selected_by(const char *pattern, struct wg_err *err)
{
    char *patterns[] = {wg_strdup(pattern), NULL};
    int rc = wg_plan_select(&plan, patterns, err);
    free(patterns[0]);
    return rc == 0 ? (long)plan.selected_count : -1;
}

Test(plan, without_patterns_everything_is_selected)
{
    cr_assert(eq(int, wg_plan_select(&plan, NULL, NULL), 0));
    cr_expect(eq(sz, plan.selected_count, 6));
}

Test(plan, pattern_without_slash_is_a_glob_of_suites)
{
    cr_expect(eq(long, selected_by("files_*", NULL), 3));
    cr_expect(eq(long, selected_by("auth", NULL), 2));
}

Test(plan, pattern_with_slash_is_a_glob_of_full_names)
{
    cr_expect(eq(long, selected_by("*/log*", NULL), 2));
}

Test(plan, brackets_of_a_case_are_taken_literally)
{
    cr_expect(eq(long, selected_by("files_save/row[1:two]", NULL), 1));
    cr_expect(plan.tests[4].selected == true);
}

Test(plan, pattern_that_matches_nothing_is_a_usage_error_that_names_the_nearest)
{
    static const struct {
        const char *pattern, *nearest;
    } cases[] = {
        {"auth/logn", "auth/login"}, {"uath/logout", "auth/logout"}, {"file_save", "files_save"},
        {"xhealth", "health"},       {"health/s", "health/says_ok"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wg_err err = WG_ERR_INIT;
        char *told = wg_format("; the nearest is '%s',", cases[i].nearest);
        cr_expect(eq(long, selected_by(cases[i].pattern, &err), -1), "%s", cases[i].pattern);
        cr_expect(eq(int, (int)err.kind, WG_ERR_USAGE));
        cr_expect(strstr(err.message, told) != NULL, "%s", err.message);
        free(told);
    }
}

Test(plan, pattern_that_is_like_nothing_is_told_without_a_guess)
{
    struct wg_err err = WG_ERR_INIT;
    cr_expect(eq(long, selected_by("zzz", &err), -1));
    cr_expect(eq(str, err.message, "no test matches 'zzz'; 'walgrind list' shows all"));
}

Test(plan, shuffle_is_a_permutation_that_keeps_suites_together)
{
    size_t ids = 0;
    wg_plan_shuffle(&plan, 42);
    for (size_t i = 0; i < plan.test_count; i++)
        ids |= (size_t)1 << plan.tests[i].id;
    cr_expect(eq(sz, ids, 63));
    for (size_t s = 0; s < plan.suite_count; s++)
        for (size_t i = 0; i < plan.suites[s].count; i++)
            cr_expect(
                eq(str, (char *)plan.tests[plan.suites[s].first + i].suite, plan.suites[s].name));
}

Test(plan, same_seed_gives_the_same_order_and_another_seed_another)
{
    long first[6], orders_that_differ = 0;
    wg_plan_shuffle(&plan, 7);
    for (size_t i = 0; i < 6; i++)
        first[i] = plan.tests[i].id;
    for (uint64_t seed = 7; seed < 20; seed++) {
        bool same = true;
        wg_plan_finish(&plan);
        make_plan();
        wg_plan_shuffle(&plan, seed);
        for (size_t i = 0; i < 6; i++)
            same = same && plan.tests[i].id == first[i];
        if (seed == 7)
            cr_expect(same == true);
        orders_that_differ += !same;
    }
    cr_expect(ge(long, orders_that_differ, 7));
}

/* ---- Filters and ranks ---- */

Test(plan, filter_narrows_what_the_names_selected)
{
    struct wg_filter *filter = NULL;
    cr_assert(eq(long, selected_by("files_*", NULL), 3));
    cr_assert(eq(int, wg_filter_parse("auth | test(*/new)", &filter, NULL), 0));
    cr_assert(eq(int, wg_plan_filter(&plan, filter, "F", 1000, NULL), 0));
    cr_expect(eq(sz, plan.selected_count, 1));
    cr_expect(plan.tests[2].selected);
    wg_filter_destroy(filter);
}

Test(plan, filter_that_leaves_nothing_is_told)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_filter *filter = NULL;
    cr_assert(eq(long, selected_by("files_*", NULL), 3));
    cr_assert(eq(int, wg_filter_parse("slow", &filter, NULL), 0));
    cr_expect(eq(int, wg_plan_filter(&plan, filter, "slow", 1000, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_USAGE));
    cr_expect(eq(str, err.message, "nothing is selected: 'slow' matches none of 3 tests"));
    wg_filter_destroy(filter);
}

static void expect_misspelt(const char *text, const char *told)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_filter *filter = NULL;
    cr_assert(eq(int, wg_filter_parse(text, &filter, NULL), 0));
    cr_expect(eq(int, wg_plan_filter(&plan, filter, text, 1000, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_USAGE));
    cr_expect(strstr(err.message, told) != NULL, "%s", err.message);
    wg_filter_destroy(filter);
}

Test(plan, filter_with_a_misspelt_name_is_told)
{
    cr_assert(eq(long, selected_by("files_*", NULL), 3));
    expect_misspelt("all | !(slow | helth)", "no test matches 'helth'; the nearest is 'health',");
    expect_misspelt("suite(auht) & !slow", "no test matches 'auht'; the nearest is 'auth',");
    expect_misspelt("new | test(auth/logn)",
                    "no test matches 'auth/logn'; the nearest is 'auth/login',");
}

/* Joined by '|' it would only select less than was meant. */
Test(plan, filter_with_a_misspelt_id_is_told)
{
    cr_assert(eq(long, selected_by("files_*", NULL), 3));
    expect_misspelt("new | id(COL-X04)",
                    "no test has the id 'COL-X04'; the nearest is 'COLL-X04',");
    expect_misspelt("new | !id(ZZZ-*)", "no test has the id 'ZZZ-*'; 'walgrind list' shows all");
}

static void expect_suites(const char *first, const char *second, const char *third)
{
    cr_expect(eq(str, plan.suites[0].name, (char *)first));
    cr_expect(eq(str, plan.suites[1].name, (char *)second));
    cr_expect(eq(str, plan.suites[2].name, (char *)third));
}

Test(plan, without_history_the_order_stays)
{
    cr_assert(eq(int, wg_plan_select(&plan, NULL, NULL), 0));
    wg_plan_rank(&plan);
    expect_suites("auth", "files_save", "health");
    cr_expect(eq(int, plan.rank_max, 0));
}

Test(plan, long_suites_and_tests_go_first)
{
    cr_assert(eq(int, wg_plan_select(&plan, NULL, NULL), 0));
    plan.tests[2].expected_ms = 99;
    plan.tests[3].expected_ms = 100;
    plan.tests[5].expected_ms = 900;
    wg_plan_rank(&plan);
    expect_suites("health", "files_save", "auth");
    cr_expect(eq(int, plan.tests[2].rank, 0));
    cr_expect(eq(int, plan.tests[3].rank, 1));
    cr_expect(eq(int, plan.tests[5].rank, 4));
    cr_expect(eq(int, plan.rank_max, 4));
}

Test(plan, suites_of_about_the_same_length_keep_their_order)
{
    cr_assert(eq(int, wg_plan_select(&plan, NULL, NULL), 0));
    plan.tests[0].expected_ms = 210;
    plan.tests[5].expected_ms = 390;
    wg_plan_rank(&plan);
    expect_suites("auth", "health", "files_save");
}
