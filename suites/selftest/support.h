/* SPDX-License-Identifier: MIT */
/*
 * support.h - starts the walgrind binary as a user would and looks at what it did.
 *
 * A `place` is a directory of one test: its sandboxes, its cache, its run directories and its
 * working directory lie below, so nothing of the user's is touched and whatever is left is seen.
 * Processes are found by the name of the place in their environment, which every child inherits.
 *
 * place_finish asserts that neither a process nor a sandbox is left. After a failed assertion it
 * does not run: the directory stays, as evidence, and the message names it.
 *
 * The programs come from the environment: WALGRIND_PROGRAM, WALGRIND_REFSERVER, WALGRIND_API_SUITE.
 */
#ifndef WG_SUITES_SELFTEST_SUPPORT_H
#define WG_SUITES_SELFTEST_SUPPORT_H

#include "harness/base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define CALL_TIMEOUT_MS 120000 /* of the whole suite under AddressSanitizer on a slow machine */

struct place {
    char *root;
    char *sandbox;
    char *work;         /* working directory of calls */
    char *record;       /* ROOT/record, a run directory to use */
    struct wg_strv env; /* of calls */
};

void place_init(struct place *place);
void place_finish(struct place *place);
/* Processes with the place in their environment. */
int place_processes(const struct place *place);
/* Entries of the sandbox root. */
int place_sandboxes(const struct place *place);
/* A path below the place; the caller frees it. */
char *place_path(const struct place *place, const char *name);
bool place_has(const struct place *place, const char *name);

struct call {
    struct wg_process *process;
    char *out_path, *err_path;
    char *out, *err; /* once it has ended */
    int exit_code;   /* -1 when a signal ended it */
    int64_t ms;      /* from start to end */
    int64_t begun_ns;
};

/* `walgrind WORDS…` in the place; the list ends with NULL. */
void call_start(struct call *call, const struct place *place, const char *const *words);
/* Any program, limits of the size of files among them: `limit` 0 sets none. */
void call_start_program(struct call *call, const struct place *place, const char *program,
                        const char *const *words);
/* The test fails when it has not ended after the timeout. */
void call_wait(struct call *call, int timeout_ms);
void call_signal(const struct call *call, int number);
void call_finish(struct call *call);
/* Both, with the default timeout. */
void call_run(struct call *call, const struct place *place, const char *const *words);

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The events of a run directory, an array; empty when there is none. The caller releases it. */
json_t *events_read(const char *run_directory);
/* Waits until an event of that name is in the record of a run that is under way. */
void events_await(const char *run_directory, const char *name, int count, int timeout_ms);
/*
 * How many events of that name have the members of the JSON object `pattern` (NULL: any). Strings
 * match when equal; "*" is any text but the empty one; "~text" contains the text; ">5" is a number
 * above.
 */
int events_count(const json_t *events, const char *name, const char *pattern);

#endif
