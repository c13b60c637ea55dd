/* SPDX-License-Identifier: MIT */
/*
 * history.h - what earlier runs showed of each test: how long it takes, and whether it failed.
 *
 * A JSON file, by default .walgrind/history.json:
 *
 *   {"version": 1, "tests": {"auth/login_twice": {"ms": 12.5, "failed": false}, …}}
 *
 * `ms` is the mean of the newest run and of what was there before, so that old runs fade; where a
 * test ran in several modes or rounds, its longest counts. `failed` is of the newest run that ran
 * the test: true when any of its attempts failed. The file is a cache: what is not there is not
 * known, and it is replaced in one piece, so that runs beside each other never mix theirs.
 */
#ifndef WG_HARNESS_REPORT_HISTORY_H
#define WG_HARNESS_REPORT_HISTORY_H

#include "harness/report/model.h"

/* Zero-initialised is an empty one. */
struct wg_history {
    json_t *tests; /* object by full name; NULL when empty */
};

/* A file that is not there gives an empty history; one that is no history is an error. */
int wg_history_read(struct wg_history *ret_history, const char *path, struct wg_err *err);
/* Takes in the tests that a run has finished; skipped ones stay what they were. */
void wg_history_update(struct wg_history *history, const struct wg_model *model);
int wg_history_write(const struct wg_history *history, const char *path, struct wg_err *err);
void wg_history_finish(struct wg_history *history);

/* Milliseconds, -1 when not known. */
double wg_history_ms(const struct wg_history *history, const char *test);
bool wg_history_failed(const struct wg_history *history, const char *test);

#endif
