/* SPDX-License-Identifier: MIT */
/* internal.h - what the files of the suite back end share. */
#ifndef WG_HARNESS_SUITE_INTERNAL_H
#define WG_HARNESS_SUITE_INTERNAL_H

#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stddef.h>
#include <stdint.h>

/* One executable test: a Test(), or one case of a ParameterizedTest(). */
struct wg_case {
    struct criterion_test *test;
    struct criterion_suite *suite; /* NULL when there is no TestSuite() of that name */
    void *param;                   /* NULL for Test() */
    size_t index;                  /* of the parameter */
    const char *label;             /* NULL if none */
};

struct wg_case_list {
    struct wg_case *items;
    size_t count;
};

/* All cases of this binary, in the order in which the linker laid them out. Returns NULL, or which
 * limit they exceed. */
const char *wg_cases_collect(struct wg_case_list *ret_list);
/* Members of the "test" message of a case (new reference). */
json_t *wg_case_describe(const struct wg_case *test_case, size_t id);

/* The fork server's loop; returns the exit code. */
int wg_fork_server(int control_fd);

/* In a forked child: from now on the calls of the test become events on `event_fd`. */
void wg_child_begin(const struct wg_case *test_case, int event_fd);
/* In a forked child: runs the test, sends "done", does not return. */
_Noreturn void wg_child_run(void);
/* True in a forked child. */
bool wg_child_is_active(void);

/* Calls what wg_suite_on_load() registered. */
void wg_suite_prepare(void);
/* Calls what wg_suite_before_each registered; may leave the phase of the test that it is in. */
void wg_suite_check(const char *suite);

/* Sends one JSON packet with descriptors; 0 or -1 with errno. Takes over `message`. */
int wg_packet_send(int fd, json_t *message);

#endif
