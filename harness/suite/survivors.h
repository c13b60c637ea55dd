/* SPDX-License-Identifier: MIT */
/* survivors.h - finds and kills the processes that a test left behind. */
#ifndef WG_HARNESS_SUITE_SURVIVORS_H
#define WG_HARNESS_SUITE_SURVIVORS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* What a test's processes are recognised by. */
struct wg_test_marks {
    pid_t group;          /* leader and process group */
    long long run;        /* value of WALGRIND_RUN_ID */
    ino_t event_channel;  /* inode of the event channel, which children inherit */
    const pid_t *leaders; /* of all running tests, this one among them: never survivors */
    size_t leader_count;  /* 1: no other test runs, and every orphan is this one's */
};

/*
 * Kills every process that belongs to a test whose leader has ended. Waits until none is left, at
 * most a second. Appends "pid N name" for each to the JSON array `found`. The leader itself, a
 * zombie, is left to the caller.
 */
void wg_survivors_kill(const struct wg_test_marks *marks, json_t *found);

/* Name of the environment variable that marks the processes of a test. */
#define WG_RUN_ID_ENV "WALGRIND_RUN_ID"

#endif
