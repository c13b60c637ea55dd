/* SPDX-License-Identifier: MIT */
/* report_compare.c - what is a regression, and what is chance. */
#include "harness/report/compare.h"
#include "harness/report/significance.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

/* ---- Significance. Expected values come from exact fractions in Python. ---- */

struct table {
    long a_failed, a_runs, b_failed, b_runs;
    double p;
};

ParameterizedTestParameters(significance, fishers_test_is_exact)
{
    static struct table rows[] = {
        {0, 20, 3, 20, 0.115385}, {0, 1, 1, 1, 0.5},
        {1, 10, 9, 10, 0.000547}, {5, 100, 15, 100, 0.015860},
        {3, 3, 0, 3, 1},          {500, 10000, 600, 10000, 0.001062},
        {0, 5, 0, 5, 1},          {5, 5, 5, 5, 1},
    };
    return cr_make_param_array(struct table, rows, sizeof rows / sizeof *rows, NULL);
}

ParameterizedTest(struct table *row, significance, fishers_test_is_exact)
{
    double p = wg_fisher_worse(row->a_failed, row->a_runs, row->b_failed, row->b_runs);
    cr_expect(epsilon_eq(dbl, p, row->p, 1e-6), "%ld/%ld %ld/%ld: %f", row->a_failed, row->a_runs,
              row->b_failed, row->b_runs, p);
}

Test(significance, ranks_are_compared_with_ties)
{
    const double low[] = {1, 2, 3, 4, 5}, high[] = {10, 9, 8, 7, 6};
    const double a[] = {1, 2, 2, 3, 9}, b[] = {2, 3, 4, 4, 8}, same[] = {7, 7, 7};
    cr_expect(epsilon_eq(dbl, wg_rank_sum(low, 5, high, 5), 0.012186, 1e-6));
    cr_expect(epsilon_eq(dbl, wg_rank_sum(high, 5, low, 5), 0.012186, 1e-6));
    cr_expect(epsilon_eq(dbl, wg_rank_sum(a, 5, b, 5), 0.338269, 1e-6));
    cr_expect(epsilon_eq(dbl, wg_rank_sum(same, 3, same, 3), 1, 0));
    cr_expect(epsilon_eq(dbl, wg_rank_sum(a, 5, b, 0), 1, 0));
}

Test(significance, median_is_the_middle)
{
    const double values[] = {9, 1, 5, 2};
    cr_expect(epsilon_eq(dbl, wg_median(values, 4), 3.5, 0));
    cr_expect(epsilon_eq(dbl, wg_median(values, 3), 5, 0));
    cr_expect(epsilon_eq(dbl, wg_median(values, 1), 9, 0));
}

/* ---- Comparison ---- */

/* `runs` runs of a test of which the first `failed` fail, all others taking `ms` and a little. */
static void ran(struct wg_model *model, const char *test, int failed, int runs, double ms)
{
    for (int i = 0; i < runs; i++) {
        json_t *event = json_pack("{s:s, s:s, s:s, s:f}", "mode", "none", "test", test, "outcome",
                                  i < failed ? "failed" : "passed", "ms", ms + 0.01 * i);
        wg_model_apply(model, WG_EVENT_TEST_FINISHED, event);
        json_decref(event);
    }
}

struct row {
    int a_failed, a_runs, b_failed, b_runs;
    double a_ms, b_ms;
    int kind; /* -1: nothing changed */
    bool regression;
};

ParameterizedTestParameters(compare, change_has_its_kind)
{
    static struct row rows[] = {
        {0, 1, 0, 1, 5, 5, -1, false},
        {0, 1, 1, 1, 5, 5, WG_CHANGE_NEW_FAILURE, true},
        {0, 20, 1, 20, 5, 5, WG_CHANGE_NEW_FAILURE, true},
        {1, 20, 2, 20, 5, 5, WG_CHANGE_STILL_FAILS, false},
        {1, 20, 9, 20, 5, 5, WG_CHANGE_FAILS_MORE, true},
        {9, 20, 1, 20, 5, 5, WG_CHANGE_STILL_FAILS, false},
        {1, 1, 0, 1, 5, 5, WG_CHANGE_FIXED, false},
        {0, 0, 0, 3, 5, 5, WG_CHANGE_NEW_TEST, false},
        {0, 0, 1, 3, 5, 5, WG_CHANGE_NEW_FAILURE, true},
        {0, 3, 0, 0, 5, 5, WG_CHANGE_GONE, false},
        {0, 10, 0, 10, 20, 40, WG_CHANGE_SLOWER, false},
        {0, 10, 0, 10, 40, 20, WG_CHANGE_FASTER, false},
        {0, 10, 0, 10, 2, 4, -1, false},     /* less than WG_COMPARE_MS */
        {0, 10, 0, 10, 100, 110, -1, false}, /* less than a fifth */
        {0, 4, 0, 10, 20, 40, -1, false},    /* too few runs */
    };
    return cr_make_param_array(struct row, rows, sizeof rows / sizeof *rows, NULL);
}

ParameterizedTest(struct row *row, compare, change_has_its_kind)
{
    struct wg_model a, b;
    struct wg_comparison comparison;
    wg_model_init(&a);
    wg_model_init(&b);
    ran(&a, "x/y", row->a_failed, row->a_runs, row->a_ms);
    ran(&b, "x/y", row->b_failed, row->b_runs, row->b_ms);
    wg_compare(&a, &b, &comparison);
    cr_expect(eq(sz, comparison.count, row->kind < 0 ? 0 : 1));
    cr_expect(eq(int, comparison.count ? (int)comparison.changes[0].kind : -1, row->kind));
    cr_expect(eq(int, comparison.regression, row->regression));
    wg_comparison_finish(&comparison);
    wg_model_finish(&a);
    wg_model_finish(&b);
}

static void evidence(struct wg_model *model, const char *class_name)
{
    json_t *event = json_pack("{s:s}", "class", class_name);
    wg_model_apply(model, WG_EVENT_EVIDENCE, event);
    json_decref(event);
}

Test(compare, new_io_error_is_a_regression_and_an_old_one_is_not)
{
    struct wg_model a, b;
    struct wg_comparison comparison;
    wg_model_init(&a);
    wg_model_init(&b);
    ran(&a, "x/y", 0, 1, 5);
    ran(&b, "x/y", 0, 1, 5);
    evidence(&b, "io");
    wg_compare(&a, &b, &comparison);
    cr_expect(comparison.regression);
    wg_comparison_finish(&comparison);
    evidence(&a, "corrupt");
    wg_compare(&a, &b, &comparison);
    cr_expect(not(comparison.regression));
    wg_comparison_finish(&comparison);
    wg_model_finish(&a);
    wg_model_finish(&b);
}

static void found(struct wg_model *model, bool fails)
{
    json_t *event = json_pack("{s:s, s:b}", "id", "unlink-open", "fails", fails);
    wg_model_apply(model, WG_EVENT_FINDING, event);
    json_decref(event);
}

Test(compare, new_finding_is_a_regression_and_a_warning_is_not)
{
    struct wg_model clean, warned, failing;
    struct wg_comparison comparison;
    wg_model_init(&clean);
    wg_model_init(&warned);
    wg_model_init(&failing);
    found(&warned, false);
    found(&failing, true);
    wg_compare(&clean, &failing, &comparison);
    cr_expect(eq(int, comparison.regression, true));
    wg_comparison_finish(&comparison);
    wg_compare(&clean, &warned, &comparison);
    cr_expect(not(comparison.regression));
    wg_comparison_finish(&comparison);
    wg_compare(&failing, &failing, &comparison);
    cr_expect(not(comparison.regression));
    wg_comparison_finish(&comparison);
    wg_model_finish(&clean);
    wg_model_finish(&warned);
    wg_model_finish(&failing);
}
