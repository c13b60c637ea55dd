/* SPDX-License-Identifier: MIT */
/* report_rates.c - failure rates of tests that ran more than once, and their intervals. */
#include "harness/report/rates.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

/* Bounds computed from the formula in Python, to six digits. */
struct row {
    long failed, runs;
    double low, high;
};

ParameterizedTestParameters(rates, interval_is_wilsons)
{
    static struct row rows[] = {
        {0, 1, 0, 0.793451},         {0, 10, 0, 0.277533},           {1, 10, 0.017876, 0.404150},
        {5, 10, 0.236593, 0.763407}, {10, 10, 0.722467, 1},          {4, 4, 0.510109, 1},
        {3, 20, 0.052369, 0.360419}, {50, 1000, 0.038130, 0.065314},
    };
    return cr_make_param_array(struct row, rows, sizeof rows / sizeof *rows, NULL);
}

ParameterizedTest(struct row *row, rates, interval_is_wilsons)
{
    struct wg_interval interval = wg_rate_interval(row->failed, row->runs);
    cr_expect(epsilon_eq(dbl, interval.low, row->low, 1e-5), "%ld of %ld", row->failed, row->runs);
    cr_expect(epsilon_eq(dbl, interval.high, row->high, 1e-5), "%ld of %ld", row->failed,
              row->runs);
}

static void finished(struct wg_model *model, const char *mode, const char *test,
                     const char *outcome)
{
    json_t *event = json_pack("{s:s, s:s, s:s}", "mode", mode, "test", test, "outcome", outcome);
    wg_model_apply(model, WG_EVENT_TEST_FINISHED, event);
    json_decref(event);
}

Test(rates, highest_comes_first_and_modes_are_told_apart)
{
    struct wg_model model;
    struct wg_rates rates;
    wg_model_init(&model);
    for (int i = 0; i < 4; i++) {
        finished(&model, "none", "a/often", i < 3 ? "failed" : "passed");
        finished(&model, "suite", "a/often", "passed");
        finished(&model, "none", "a/seldom", i == 1 ? "timeout" : "passed");
        finished(&model, "none", "a/skipped", "skipped");
    }
    finished(&model, "none", "a/once", "failed");
    wg_rates_of(&model, &rates);
    cr_assert(eq(sz, rates.count, 2));
    cr_expect(eq(str, (char *)rates.items[0].test, "a/often"));
    cr_expect(eq(str, (char *)rates.items[0].mode, "none"));
    cr_expect(eq(long, rates.items[0].failed, 3));
    cr_expect(eq(long, rates.items[0].runs, 4));
    cr_expect(eq(str, (char *)rates.items[1].test, "a/seldom"));
    cr_expect(eq(long, rates.items[1].failed, 1));
    wg_rates_finish(&rates);
    wg_model_finish(&model);
}
