/* SPDX-License-Identifier: MIT */
/*
 * filter.h - expressions that say which tests run.
 *
 *   suite(files_*) & !slow & (failed(last) | new)
 *
 *   expression = term { "|" term }
 *   term       = factor { "&" factor }
 *   factor     = "!" factor | "(" expression ")" | NAME "(" GLOB ")" | NAME | PATTERN
 *
 * NAME is one of WG_FILTER_PREDICATES; any other word is a pattern as wg_plan_matches() takes it. A
 * glob reaches to the next ")"; what a name has of those is matched by "?".
 */
#ifndef WG_HARNESS_RUN_FILTER_H
#define WG_HARNESS_RUN_FILTER_H

#include "harness/run/plan.h"

/* X(name, 1 if it takes an argument, 2 if it may, meaning) */
#define WG_FILTER_PREDICATES(X)                                                                    \
    X(suite, 1, "the name of its suite matches the glob")                                          \
    X(test, 1, "its full name matches the glob")                                                   \
    X(id, 1, "a word of its description matches the glob")                                         \
    X(failed, 2, "it failed when it last ran; failed(last) is the same")                           \
    X(slow, 0, "it took longer than --slow when it last ran")                                      \
    X(new, 0, "no run of it is known")                                                             \
    X(exclusive, 0, "it runs alone")                                                               \
    X(all, 0, "any test")

struct wg_filter;

/* Errors (WG_ERR_USAGE) name the column, counted from 1. */
int wg_filter_parse(const char *text, struct wg_filter **ret_filter, struct wg_err *err);
void wg_filter_destroy(struct wg_filter *filter);

/* The first name that matches none of the tests, as a word or as the glob of suite(), test() and
 * id(), of which `ret_is_id` then tells; NULL if each has one. Owned by the filter. */
const char *wg_filter_unmatched(const struct wg_filter *filter, const struct wg_plan *plan,
                                bool *ret_is_id);

/* `slow_ms`: what "slow" means. */
bool wg_filter_matches(const struct wg_filter *filter, const struct wg_test *test, int64_t slow_ms);

#endif
