/* SPDX-License-Identifier: MIT */
/*
 * suite.h - the back end behind Criterion's Test(): one binary, two lives.
 *
 * Tests are written with Criterion's macros. Linked with this library, the binary started by hand
 * is a normal Criterion program (its options, its output, a process per test). Started by `walgrind
 * run` it is a fork server: it loads once and forks one child per test on request, which costs a
 * twentieth (see docs/benchmarks.md). The functions through which a test talks to its runner are
 * exported symbols of libcriterion; this library defines them too, and what is in the binary wins
 * over what is in a shared library. In the first life they pass calls on, in the second they write
 * events (harness/wire/suite_protocol.h).
 *
 * To link a suite binary: sources + dep_suite, `export_dynamic: true`. Nothing else; main() is
 * here.
 *
 * Not supported under the fork server: cr_redirect_stdout() and its kin (the runner captures output
 * itself) and Theory(); both say so and fail.
 *
 * What differs from Criterion's own runner for a test: its fini runs also when its init failed; its
 * orphans become its own children (it is a child subreaper), so it waits for the children it means
 * with waitpid(2), not for any; a process that it forks and that reaches the end of the test body
 * exits there.
 */
#ifndef WG_HARNESS_SUITE_SUITE_H
#define WG_HARNESS_SUITE_SUITE_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Options beyond Criterion's, for Test() and TestSuite():
 *     TestSuite(storage, .data = &(struct wg_test_options){.exclusive = true});
 * Criterion documents .data as free for the user.
 */
struct wg_test_options {
    bool exclusive; /* of a suite: nothing else may run beside its tests */
    int timeout_ms; /* deadline of the test, or of each test of the suite; 0: the runner's */
    const char *(*label)(const void *param); /* names a parameterised case; NULL or "" for none */
};

/* What main() does; returns the exit code. */
int wg_suite_main(int argc, char **argv);

/*
 * Sends one event of WG_TEST_EVENTS from inside a test; takes over `event`. Does nothing under
 * Criterion's own runner, and after the runner is gone. Thread-safe.
 */
void wg_suite_emit(json_t *event);

/*
 * Has `prepare` called once in the fork server before any test is forked: for initialisation that
 * is the same for all tests (curl_global_init). Started by hand, the binary executes itself anew
 * for each test and never calls it, so `prepare` must do nothing that a test cannot do without. To
 * be called from a constructor; at most 8.
 */
void wg_suite_on_load(void (*prepare)(void));

/*
 * Has `check` called in the fork server's child before each test, ahead of its init, with the name
 * of its suite. It may skip or fail the test as the test itself could (cr_skip_test). Never called
 * when the binary is started by hand. To be called from a constructor; the last one counts.
 */
void wg_suite_before_each(void (*check)(const char *suite));

#endif
