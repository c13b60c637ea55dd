/* SPDX-License-Identifier: MIT */
/*
 * result.h - what tests of another language said of themselves, whatever format they said it in.
 *
 * Names become "suite/name" as everywhere in a record: one slash at least, no control characters,
 * shorter than WG_LIMIT_TEST_NAME, and no two alike in one list: the second gets a number sign and
 * 2 at its end.
 */
#ifndef WG_HARNESS_FOREIGN_RESULT_H
#define WG_HARNESS_FOREIGN_RESULT_H

#include "harness/base/err.h"
#include "harness/wire/events.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The suite of tests that name none. */
#define WG_FOREIGN_SUITE "tests"

/* One test. Strings are owned and never NULL after wg_foreign_result_init. */
struct wg_foreign_result {
    char *name;
    enum wg_outcome outcome;
    char *reason;  /* one line; "" when there is nothing to say, or the message says it */
    char *message; /* what it said when it failed */
    char *output;  /* what it printed */
    char *file;
    char *stacks, *server_stacks; /* of what was stopped at its deadline */
    long line;
    double ms;
    int64_t ended_ns; /* CLOCK_MONOTONIC when that was read, 0 unknown */
};

/* Passed, with all strings empty but the name. */
void wg_foreign_result_init(struct wg_foreign_result *result, const char *name);
void wg_foreign_result_finish(struct wg_foreign_result *result);
/* Puts a copy of `text` in the place of a string of a result; NULL counts as "". */
void wg_foreign_result_set(char **member, const char *text);

/* Zero-initialised is an empty one. */
struct wg_foreign_results {
    struct wg_foreign_result *items;
    size_t count, room;
    json_t *seen; /* name -> how often */
};

/*
 * Takes the result over, after making its name what names are. WG_ERR_LIMIT after WG_LIMIT_TESTS;
 * the result is freed then.
 */
int wg_foreign_results_take(struct wg_foreign_results *results, struct wg_foreign_result *result,
                            struct wg_err *err);
void wg_foreign_results_finish(struct wg_foreign_results *results);

#endif
