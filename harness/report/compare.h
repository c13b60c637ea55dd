/* SPDX-License-Identifier: MIT */
/*
 * compare.h - what a second run shows that the first did not: for checks before a merge.
 *
 * A test that never failed in A and fails in B is a regression whatever the numbers, since that is
 * what a check is for. One that failed before is a regression only when it fails significantly more
 * often (Fisher's exact test, 5 %). I/O errors, broken databases and findings of the probe that A
 * did not have are one.
 * Durations are told, not judged: a test is slower or faster when the rank sum test says so at 1 %
 * over all tests together (Bonferroni), by at least a fifth and WG_COMPARE_MS, in at least
 * WG_COMPARE_ROUNDS runs each.
 */
#ifndef WG_HARNESS_REPORT_COMPARE_H
#define WG_HARNESS_REPORT_COMPARE_H

#include "harness/report/model.h"

#include <stdio.h>

#define WG_COMPARE_ROUNDS 5
#define WG_COMPARE_MS     5.0

/* X(identifier, title, 1 if it is a regression) in the order in which they are printed. */
#define WG_CHANGES(X)                                                                              \
    X(NEW_FAILURE, "new failure", 1)                                                               \
    X(FAILS_MORE, "fails more often", 1)                                                           \
    X(STILL_FAILS, "still fails", 0)                                                               \
    X(FIXED, "fixed", 0)                                                                           \
    X(SLOWER, "slower", 0)                                                                         \
    X(FASTER, "faster", 0)                                                                         \
    X(NEW_TEST, "new test", 0)                                                                     \
    X(GONE, "gone", 0)

enum wg_change_kind {
#define ROW(identifier, title, regression) WG_CHANGE_##identifier,
    WG_CHANGES(ROW)
#undef ROW
        WG_CHANGE_COUNT
};

struct wg_change {
    enum wg_change_kind kind;
    const char *test, *mode; /* borrowed from the models */
    long a_failed, a_runs, b_failed, b_runs;
    double a_ms, b_ms; /* medians, of durations that changed */
    double p;          /* of the test that the kind rests on; 1 for none */
};

struct wg_comparison {
    struct wg_change *changes; /* by kind, then by name */
    size_t count;
    long counts[WG_CHANGE_COUNT];
    long a_io, b_io, a_bad, b_bad; /* I/O errors, broken databases */
    long a_findings, b_findings;   /* of the probe, those that fail a run */
    bool durations;                /* there were enough runs to compare them */
    bool regression;
};

void wg_compare(const struct wg_model *a, const struct wg_model *b,
                struct wg_comparison *ret_comparison);
void wg_comparison_finish(struct wg_comparison *comparison);

void wg_comparison_print(const struct wg_comparison *comparison, FILE *out);
/* For a comment on a pull request. */
void wg_comparison_write_markdown(const struct wg_comparison *comparison, FILE *out);

#endif
