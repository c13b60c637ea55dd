/* SPDX-License-Identifier: MIT */
#include "harness/report/rates.h"

#include "harness/base/json.h"
#include "harness/base/str.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z95 1.959963984540054 /* the 0.975 quantile of the normal distribution */

/* Index of the test's row in `index` by mode and name, a new row when it has none. */
static struct wg_rate *row_of(struct wg_rates *rates, json_t *index, const json_t *event)
{
    const char *test = wg_json_str(event, "test", ""), *mode = wg_json_str(event, "mode", "");
    char *key = wg_format("%s %s", mode, test);
    int64_t row = wg_json_int(index, key, -1);
    if (row < 0) {
        row = (int64_t)rates->count++;
        rates->items = wg_realloc(rates->items, rates->count * sizeof *rates->items);
        rates->items[row] = (struct wg_rate){.test = test, .mode = mode};
        json_object_set_new(index, key, json_integer(row));
    }
    free(key);
    return &rates->items[row];
}

static int by_rate(const void *a, const void *b)
{
    const struct wg_rate *left = a, *right = b;
    double left_rate = (double)left->failed / (double)left->runs;
    double right_rate = (double)right->failed / (double)right->runs;
    if (left_rate != right_rate)
        return left_rate < right_rate ? 1 : -1;
    return strcmp(left->test, right->test);
}

static void count(struct wg_rates *rates, json_t *index, const struct wg_event_list *events)
{
    for (size_t i = 0; i < events->count; i++) {
        const json_t *event = events->items[i];
        enum wg_outcome outcome = wg_outcome_of(wg_json_str(event, "outcome", ""));
        if (outcome == WG_OUTCOME_SKIPPED || outcome == WG_OUTCOME_NOT_RUN)
            continue;
        struct wg_rate *rate = row_of(rates, index, event);
        if (wg_outcome_is_failure(outcome)) {
            rate->failed++;
        } else {
            long passed = rate->runs - rate->failed;
            rate->ms = wg_realloc(rate->ms, (size_t)(passed + 1) * sizeof *rate->ms);
            rate->ms[passed] = wg_json_real(event, "ms", 0);
        }
        rate->runs++;
    }
}

void wg_rates_all(const struct wg_model *model, struct wg_rates *ret_rates)
{
    struct wg_rates rates = {0};
    json_t *index = json_object();
    count(&rates, index, &model->finished);
    count(&rates, index, &model->retried);
    json_decref(index);
    *ret_rates = rates;
}

void wg_rates_of(const struct wg_model *model, struct wg_rates *ret_rates)
{
    struct wg_rates rates;
    size_t kept = 0;
    wg_rates_all(model, &rates);
    for (size_t i = 0; i < rates.count; i++) {
        if (rates.items[i].failed > 0 && rates.items[i].runs > 1)
            rates.items[kept++] = rates.items[i];
        else
            free(rates.items[i].ms);
    }
    rates.count = kept;
    if (kept > 0)
        qsort(rates.items, kept, sizeof *rates.items, by_rate);
    *ret_rates = rates;
}

void wg_rates_finish(struct wg_rates *rates)
{
    for (size_t i = 0; i < rates->count; i++)
        free(rates->items[i].ms);
    free(rates->items);
    *rates = (struct wg_rates){0};
}

struct wg_interval wg_rate_interval(long failed, long runs)
{
    assert(runs > 0 && failed >= 0 && failed <= runs);
    double n = (double)runs, p = (double)failed / n, zz = Z95 * Z95;
    double middle = (p + zz / (2 * n)) / (1 + zz / n);
    double half = Z95 / (1 + zz / n) * sqrt(p * (1 - p) / n + zz / (4 * n * n));
    return (struct wg_interval){
        .low = failed == 0 ? 0 : middle - half,
        .high = failed == runs ? 1 : middle + half,
    };
}
