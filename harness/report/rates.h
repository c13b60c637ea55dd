/* SPDX-License-Identifier: MIT */
/* rates.h - how often tests fail, when they ran more than once, and how sure that is. */
#ifndef WG_HARNESS_REPORT_RATES_H
#define WG_HARNESS_REPORT_RATES_H

#include "harness/report/model.h"

/* A test in one mode. */
struct wg_rate {
    const char *test, *mode; /* borrowed from the model */
    long runs, failed;
    double *ms; /* of the runs that did not fail, in their order: runs - failed of them */
};

struct wg_rates {
    struct wg_rate *items;
    size_t count;
};

/* All tests that ran, in the order of their first end; every try counts as a run. */
void wg_rates_all(const struct wg_model *model, struct wg_rates *ret_rates);
/* Those that failed at least once and ran at least twice, the highest rate first. */
void wg_rates_of(const struct wg_model *model, struct wg_rates *ret_rates);
void wg_rates_finish(struct wg_rates *rates);

/*
 * The 95 % interval of a failure rate after `failed` of `runs` (at least one): the score interval
 * of E. B. Wilson, Journal of the American Statistical Association 22 (1927), which keeps its
 * promise for rates near 0 and 1 and for few runs too.
 */
struct wg_interval {
    double low, high;
};
struct wg_interval wg_rate_interval(long failed, long runs);

#endif
