/* SPDX-License-Identifier: MIT */
/* selection.h - which tests run and in which order: names, filters, and what earlier runs showed.
 */
#ifndef WG_TOOLS_WALGRIND_SELECTION_H
#define WG_TOOLS_WALGRIND_SELECTION_H

#include "harness/run/plan.h"
#include "tools/walgrind/command.h"

struct wg_selection {
    const char *filter;  /* or NULL */
    bool failed;         /* only tests that failed when they last ran */
    const char *history; /* NULL: the default place; "none" keeps none */
    int64_t slow_ms;
    const char *partition; /* "K/N" or NULL */
};

#define WG_DEFAULT_SLOW_MS 1000

/* Rows for the tables of options; `type` has a struct wg_selection called `selection`. */
#define WG_SELECTION_OPTIONS(type)                                                                 \
    {"filter",                                                                                     \
     'E',                                                                                          \
     WG_OPTION_STRING,                                                                             \
     offsetof(type, selection.filter),                                                             \
     "EXPRESSION",                                                                                 \
     "Only tests for which it holds, e.g. 'suite(files_*) & !slow'. Conditions: suite(GLOB), "     \
     "test(GLOB), id(GLOB), failed, slow, new, exclusive, all; joined by & | ! and parentheses.",  \
     0,                                                                                            \
     0},                                                                                           \
        {"failed",                                                                                 \
         0,                                                                                        \
         WG_OPTION_FLAG,                                                                           \
         offsetof(type, selection.failed),                                                         \
         NULL,                                                                                     \
         "Only tests that failed when they last ran.",                                             \
         0,                                                                                        \
         0},                                                                                       \
        {"slow",                                                                                   \
         0,                                                                                        \
         WG_OPTION_DURATION,                                                                       \
         offsetof(type, selection.slow_ms),                                                        \
         "TIME",                                                                                   \
         "Tests that take longer are slow: reports mark them, --filter knows them. Default: 1s.",  \
         0,                                                                                        \
         0},                                                                                       \
        {"partition",                                                                              \
         0,                                                                                        \
         WG_OPTION_STRING,                                                                         \
         offsetof(type, selection.partition),                                                      \
         "K/N",                                                                                    \
         "Only part K of N of the selected tests, for N machines that share them.",                \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "history", 0, WG_OPTION_STRING, offsetof(type, selection.history), "FILE",                 \
            "What earlier runs showed of each test: --failed and the order, longest first, need "  \
            "it. Default: .walgrind/history.json; none: keep none.",                               \
            0, 0                                                                                   \
    }

/* Path of the history, NULL when none is kept; `based`: whether the run is kept below .walgrind. */
const char *wg_selection_history(const struct wg_selection *selection, bool based);

/*
 * Marks the tests that `patterns` and the selection name, after reading the history from `history`
 * (NULL: none) into the plan.
 */
int wg_selection_apply(const struct wg_selection *selection, const char *history,
                       char *const *patterns, struct wg_plan *plan, struct wg_err *err);

#endif
