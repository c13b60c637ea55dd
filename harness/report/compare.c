/* SPDX-License-Identifier: MIT */
#include "harness/report/compare.h"

#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/report/rates.h"
#include "harness/report/significance.h"

#include <stdlib.h>
#include <string.h>

#define RATE_LEVEL     0.05
#define DURATION_LEVEL 0.01
#define DURATION_RATIO 1.2

static const struct {
    const char *title;
    bool regression;
} kinds[] = {
#define ROW(identifier, title, regression) [WG_CHANGE_##identifier] = {title, regression},
    WG_CHANGES(ROW)
#undef ROW
};

static char *key_of(const struct wg_rate *rate)
{
    return wg_format("%s %s", rate->mode, rate->test);
}

/* Positions of the tests in `rates` by mode and name. */
static json_t *index_of(const struct wg_rates *rates)
{
    json_t *index = json_object();
    for (size_t i = 0; i < rates->count; i++) {
        char *key = key_of(&rates->items[i]);
        json_object_set_new(index, key, json_integer((json_int_t)i));
        free(key);
    }
    return index;
}

/* The position of the same test, or -1. */
static int64_t find(const json_t *index, const struct wg_rate *like)
{
    char *key = key_of(like);
    int64_t place = wg_json_int(index, key, -1);
    free(key);
    return place;
}

static void add(struct wg_comparison *comparison, const struct wg_change *change)
{
    comparison->changes =
        wg_realloc(comparison->changes, (comparison->count + 1) * sizeof *comparison->changes);
    comparison->changes[comparison->count++] = *change;
    comparison->counts[change->kind]++;
    comparison->regression = comparison->regression || kinds[change->kind].regression;
}

static void compare_failures(struct wg_comparison *comparison, struct wg_change change)
{
    if (change.a_failed == 0 && change.b_failed == 0)
        return;
    if (change.b_failed == 0) {
        change.kind = WG_CHANGE_FIXED;
        change.p = wg_fisher_worse(change.b_failed, change.b_runs, change.a_failed, change.a_runs);
    } else {
        change.p = wg_fisher_worse(change.a_failed, change.a_runs, change.b_failed, change.b_runs);
        change.kind = change.a_failed == 0    ? WG_CHANGE_NEW_FAILURE
                      : change.p < RATE_LEVEL ? WG_CHANGE_FAILS_MORE
                                              : WG_CHANGE_STILL_FAILS;
    }
    add(comparison, &change);
}

/* `tests`: how many are compared, for Bonferroni's correction. */
static void compare_durations(struct wg_comparison *comparison, struct wg_change change,
                              const struct wg_rate *a, const struct wg_rate *b, size_t tests)
{
    size_t a_count = (size_t)(a->runs - a->failed), b_count = (size_t)(b->runs - b->failed);
    if (a_count < WG_COMPARE_ROUNDS || b_count < WG_COMPARE_ROUNDS)
        return;
    comparison->durations = true;
    change.p = wg_rank_sum(a->ms, a_count, b->ms, b_count);
    change.a_ms = wg_median(a->ms, a_count);
    change.b_ms = wg_median(b->ms, b_count);
    bool slower = change.b_ms > change.a_ms;
    double less = slower ? change.a_ms : change.b_ms, more = slower ? change.b_ms : change.a_ms;
    change.kind = slower ? WG_CHANGE_SLOWER : WG_CHANGE_FASTER;
    if (change.p < DURATION_LEVEL / (double)tests && more - less >= WG_COMPARE_MS &&
        more >= DURATION_RATIO * less)
        add(comparison, &change);
}

static void compare_test(struct wg_comparison *comparison, const struct wg_rate *a,
                         const struct wg_rate *b, size_t tests)
{
    struct wg_change change = {
        .test = b->test,
        .mode = b->mode,
        .a_failed = a->failed,
        .a_runs = a->runs,
        .b_failed = b->failed,
        .b_runs = b->runs,
        .p = 1,
    };
    compare_failures(comparison, change);
    compare_durations(comparison, change, a, b, tests);
}

static void add_new(struct wg_comparison *comparison, const struct wg_rate *b)
{
    struct wg_change change = {
        .kind = b->failed > 0 ? WG_CHANGE_NEW_FAILURE : WG_CHANGE_NEW_TEST,
        .test = b->test,
        .mode = b->mode,
        .b_failed = b->failed,
        .b_runs = b->runs,
        .p = 1,
    };
    add(comparison, &change);
}

static void add_gone(struct wg_comparison *comparison, const struct wg_rate *a)
{
    struct wg_change change = {
        .kind = WG_CHANGE_GONE,
        .test = a->test,
        .mode = a->mode,
        .a_failed = a->failed,
        .a_runs = a->runs,
        .p = 1,
    };
    add(comparison, &change);
}

static int by_kind(const void *a, const void *b)
{
    const struct wg_change *left = a, *right = b;
    if (left->kind != right->kind)
        return (int)left->kind - (int)right->kind;
    int names = strcmp(left->test, right->test);
    return names ? names : strcmp(left->mode, right->mode);
}

void wg_compare(const struct wg_model *a, const struct wg_model *b,
                struct wg_comparison *ret_comparison)
{
    struct wg_rates a_rates, b_rates;
    struct wg_comparison comparison = {
        .a_io = wg_model_io_errors(a),
        .b_io = wg_model_io_errors(b),
        .a_bad = a->databases_bad,
        .b_bad = b->databases_bad,
        .a_findings = a->findings_failing,
        .b_findings = b->findings_failing,
    };
    wg_rates_all(a, &a_rates);
    wg_rates_all(b, &b_rates);
    json_t *a_index = index_of(&a_rates), *b_index = index_of(&b_rates);
    for (size_t i = 0; i < b_rates.count; i++) {
        int64_t before = find(a_index, &b_rates.items[i]);
        if (before >= 0)
            compare_test(&comparison, &a_rates.items[before], &b_rates.items[i], b_rates.count);
        else
            add_new(&comparison, &b_rates.items[i]);
    }
    for (size_t i = 0; i < a_rates.count; i++)
        if (find(b_index, &a_rates.items[i]) < 0)
            add_gone(&comparison, &a_rates.items[i]);
    if (comparison.count > 0)
        qsort(comparison.changes, comparison.count, sizeof *comparison.changes, by_kind);
    comparison.regression = comparison.regression ||
                            (comparison.a_io == 0 && comparison.b_io > 0) ||
                            (comparison.a_bad == 0 && comparison.b_bad > 0) ||
                            (comparison.a_findings == 0 && comparison.b_findings > 0);
    json_decref(a_index);
    json_decref(b_index);
    wg_rates_finish(&a_rates);
    wg_rates_finish(&b_rates);
    *ret_comparison = comparison;
}

void wg_comparison_finish(struct wg_comparison *comparison)
{
    free(comparison->changes);
    *comparison = (struct wg_comparison){0};
}

/* What changed, in words; the caller frees. */
static char *describe(const struct wg_change *change)
{
    switch (change->kind) {
    case WG_CHANGE_SLOWER:
    case WG_CHANGE_FASTER:
        return wg_format("median %.1f ms -> %.1f ms, %.2fx, p = %.2g", change->a_ms, change->b_ms,
                         change->b_ms / (change->a_ms > 0 ? change->a_ms : 1), change->p);
    case WG_CHANGE_NEW_TEST:
        return wg_format("passed %ld of %ld times", change->b_runs, change->b_runs);
    case WG_CHANGE_GONE: return wg_format("ran %ld times before", change->a_runs);
    default:
        if (change->a_runs == 0)
            return wg_format("a new test, failed %ld of %ld times", change->b_failed,
                             change->b_runs);
        return wg_format("%ld of %ld -> %ld of %ld, p = %.2g", change->a_failed, change->a_runs,
                         change->b_failed, change->b_runs, change->p);
    }
}

/* The last line: how many of each kind. The caller frees. */
static char *verdict_of(const struct wg_comparison *comparison)
{
    char *text = wg_format("%s", comparison->regression ? "REGRESSION" : "no regression");
    const char *separator = "  ";
    for (int kind = 0; kind < WG_CHANGE_COUNT; kind++) {
        if (comparison->counts[kind] == 0)
            continue;
        char *longer =
            wg_format("%s%s%ld %s", text, separator, comparison->counts[kind], kinds[kind].title);
        free(text);
        text = longer;
        separator = ", ";
    }
    char *findings =
        comparison->a_findings + comparison->b_findings == 0
            ? wg_strdup("")
            : wg_format(", findings %ld -> %ld", comparison->a_findings, comparison->b_findings);
    char *whole = wg_format("%s%sI/O errors %ld -> %ld, broken databases %ld -> %ld%s", text,
                            separator, comparison->a_io, comparison->b_io, comparison->a_bad,
                            comparison->b_bad, findings);
    free(findings);
    free(text);
    return whole;
}

void wg_comparison_print(const struct wg_comparison *comparison, FILE *out)
{
    for (size_t i = 0; i < comparison->count; i++) {
        const struct wg_change *change = &comparison->changes[i];
        char *text = describe(change);
        fprintf(out, "%s: %s (%s): %s\n", kinds[change->kind].title, change->test, change->mode,
                text);
        free(text);
    }
    if (!comparison->durations)
        fprintf(out,
                "durations: not compared, that takes %d runs of a test on each side "
                "(--repeat)\n",
                WG_COMPARE_ROUNDS);
    char *verdict = verdict_of(comparison);
    fprintf(out, "verdict: %s\n", verdict);
    free(verdict);
}

void wg_comparison_write_markdown(const struct wg_comparison *comparison, FILE *out)
{
    char *verdict = verdict_of(comparison);
    fprintf(out, "### walgrind: %s\n", verdict);
    free(verdict);
    for (size_t i = 0; i < comparison->count; i++) {
        const struct wg_change *change = &comparison->changes[i];
        char *text = describe(change);
        if (i == 0)
            fputs("\n| change | test | mode | |\n|---|---|---|---|\n", out);
        fprintf(out, "| %s | `%s` | %s | %s |\n", kinds[change->kind].title, change->test,
                change->mode, text);
        free(text);
    }
}
