/* SPDX-License-Identifier: MIT */
/*
 * suite_rules.h - what walgrind.yaml says of some suites only.
 *
 *     run:
 *       suites:
 *         files_*: {timeout: 60s, suite-timeout: 5m, exclusive: true, retries: 2}
 */
#ifndef WG_TOOLS_WALGRIND_SUITE_RULES_H
#define WG_TOOLS_WALGRIND_SUITE_RULES_H

#include "harness/run/plan.h"
#include "tools/walgrind/command.h"

#include <stdint.h>

#define WG_SUITE_RULES_MAX 64

struct wg_suite_rule {
    const char *suites; /* a glob */
    const char *place;  /* FILE:LINE:COLUMN of it */
    int64_t timeout_ms; /* 0: not said */
    int64_t suite_timeout_ms;
    long retries; /* -1: not said */
    bool exclusive;
};

struct wg_suite_rules {
    struct wg_suite_rule items[WG_SUITE_RULES_MAX];
    size_t count;
};

/* The keys of a rule, for a struct wg_suite_rule. */
extern const struct wg_option wg_suite_rule_options[];

/* A new rule; its texts are borrowed. NULL when there are WG_SUITE_RULES_MAX. */
struct wg_suite_rule *wg_suite_rules_add(struct wg_suite_rules *rules, const char *suites,
                                         const char *place);
/* Applies them to the tests of a plan in order, so that the last word counts. A glob that no suite
 * matches is a usage error with its place. */
int wg_suite_rules_apply(const struct wg_suite_rules *rules, struct wg_plan *plan,
                         struct wg_err *err);

#endif
