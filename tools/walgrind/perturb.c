/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/perturb.h"

#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/probe/fault.h"

#include <stdlib.h>
#include <string.h>

static int check_one(const char *origin, const char *text, struct wg_fault_rules *rules,
                     struct wg_err *err)
{
    struct wg_fault_mistake mistake;
    if (wg_fault_parse(text, rules, &mistake) == 0)
        return 0;
    return wg_err_set(err, WG_ERR_USAGE, "%s=%s: '%s' %s", origin, text, mistake.at, mistake.what);
}

int wg_perturb_check(const struct wg_perturb_options *options, struct wg_err *err)
{
    uint64_t seed, line;
    struct wg_fault_rules rules = {0};
    const char *chaos = getenv(WG_CHAOS_ENV);
    const char *faults = getenv(WG_FAULT_ENV);
    for (size_t i = 0; i < options->faults.count; i++)
        if (check_one("--fault", options->faults.items[i], &rules, err) != 0)
            return -1;
    if (options->faults.count == 0 && faults && *faults &&
        check_one(WG_FAULT_ENV, faults, &rules, err) != 0)
        return -1;
    if (options->chaos == 0 && chaos && *chaos && !wg_chaos_parse(chaos, &seed, &line))
        return wg_err_set(err, WG_ERR_USAGE, WG_CHAOS_ENV "=%s is no seed from 1 to 999999999",
                          chaos);
    return 0;
}

static bool is_given(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

bool wg_perturb_is_set(const struct wg_perturb_options *options)
{
    return options->chaos > 0 || options->faults.count > 0 || is_given(WG_CHAOS_ENV) ||
           is_given(WG_FAULT_ENV);
}

void wg_perturb_apply(const struct wg_perturb_options *options)
{
    if (options->chaos > 0) {
        char *seed = wg_format("%ld", options->chaos);
        setenv(WG_CHAOS_ENV, seed, 1);
        free(seed);
    }
    if (options->faults.count > 0) {
        struct wg_buf all;
        wg_buf_init(&all, WG_FAULT_RULES_MAX * WG_FAULT_TEXT_MAX);
        for (size_t i = 0; i < options->faults.count; i++)
            wg_buf_printf(&all, "%s%s", i > 0 ? ";" : "", options->faults.items[i]);
        char *text = wg_buf_steal(&all);
        setenv(WG_FAULT_ENV, text, 1);
        free(text);
    }
}

void wg_perturb_withdraw(void)
{
    unsetenv(WG_CHAOS_ENV);
    unsetenv(WG_FAULT_ENV);
}

/* The specifications that the run had, in the order of the command line. */
static void given_rules(const struct wg_perturb_options *options, struct wg_fault_rules *ret_rules)
{
    struct wg_fault_mistake mistake;
    const char *faults = getenv(WG_FAULT_ENV);
    *ret_rules = (struct wg_fault_rules){0};
    for (size_t i = 0; i < options->faults.count; i++)
        wg_fault_parse(options->faults.items[i], ret_rules, &mistake);
    if (options->faults.count == 0 && faults && *faults)
        wg_fault_parse(faults, ret_rules, &mistake);
}

void wg_perturb_print(const struct wg_trace *trace, const struct wg_perturb_options *options,
                      FILE *out)
{
    struct wg_fault_rules rules;
    size_t strikes[WG_FAULT_RULES_MAX] = {0};
    struct wg_trace_event first[WG_FAULT_RULES_MAX];
    size_t delays = 0;
    int64_t delayed_us = 0;
    given_rules(options, &rules);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        if (event.type != WG_TRACE_FAULT)
            continue;
        if (event.record->flags & WG_TRACE_DELAYED) {
            delays++;
            delayed_us += event.record->offset;
        }
        for (uint32_t j = 0; j < rules.count; j++)
            if (strcmp(event.text, rules.items[j].text) == 0 && strikes[j]++ == 0)
                first[j] = event;
    }
    if (options->chaos > 0 || is_given(WG_CHAOS_ENV))
        fprintf(out, "walgrind: chaos: %zu delays on record, %.3f s together\n", delays,
                (double)delayed_us / 1e6);
    for (uint32_t j = 0; j < rules.count; j++) {
        if (strikes[j] > 0)
            fprintf(out, "walgrind: fault %s: %zu injected, the first into %s of pid %d on %s\n",
                    rules.items[j].text, strikes[j], wg_trace_call_name(first[j].call),
                    (int)first[j].process->pid, first[j].path);
        else
            fprintf(out, "walgrind: fault %s: no call matched, nothing was injected\n",
                    rules.items[j].text);
    }
}
