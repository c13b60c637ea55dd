/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/suite_rules.h"

#include <fnmatch.h>
#include <stddef.h>

#define RULE(member) offsetof(struct wg_suite_rule, member)

const struct wg_option wg_suite_rule_options[] = {
    {"timeout", 0, WG_OPTION_DURATION, RULE(timeout_ms), "TIME", "Deadline of each test.", 0, 0},
    {"suite-timeout", 0, WG_OPTION_DURATION, RULE(suite_timeout_ms), "TIME",
     "Deadline of the suite as a whole.", 0, 0},
    {"retries", 0, WG_OPTION_INT, RULE(retries), "N", "Further tries of a test that fails.", 0,
     100},
    {"exclusive", 0, WG_OPTION_FLAG, RULE(exclusive), NULL, "Its tests run alone.", 0, 0},
    {0},
};

struct wg_suite_rule *wg_suite_rules_add(struct wg_suite_rules *rules, const char *suites,
                                         const char *place)
{
    if (rules->count == WG_SUITE_RULES_MAX)
        return NULL;
    struct wg_suite_rule *rule = &rules->items[rules->count++];
    *rule = (struct wg_suite_rule){.suites = suites, .place = place, .retries = -1};
    return rule;
}

static void apply_to_suite(const struct wg_suite_rule *rule, struct wg_plan *plan,
                           struct wg_suite *suite)
{
    suite->exclusive |= rule->exclusive;
    suite->timeout_ms =
        rule->suite_timeout_ms > 0 ? (int)rule->suite_timeout_ms : suite->timeout_ms;
    for (size_t i = suite->first; i < suite->first + suite->count; i++) {
        struct wg_test *test = &plan->tests[i];
        test->exclusive |= rule->exclusive;
        test->timeout_ms = rule->timeout_ms > 0 ? (int)rule->timeout_ms : test->timeout_ms;
        test->retries = rule->retries >= 0 ? (int)rule->retries : test->retries;
    }
}

int wg_suite_rules_apply(const struct wg_suite_rules *rules, struct wg_plan *plan,
                         struct wg_err *err)
{
    for (size_t r = 0; r < rules->count; r++) {
        size_t matched = 0;
        for (size_t s = 0; s < plan->suite_count; s++) {
            if (fnmatch(rules->items[r].suites, plan->suites[s].name, 0) != 0)
                continue;
            apply_to_suite(&rules->items[r], plan, &plan->suites[s]);
            matched++;
        }
        if (matched == 0)
            return wg_err_set(err, WG_ERR_USAGE, "%s: no suite matches '%s'", rules->items[r].place,
                              rules->items[r].suites);
    }
    return 0;
}
