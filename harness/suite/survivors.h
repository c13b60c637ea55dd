/* SPDX-License-Identifier: MIT */
/* survivors.h - finds and kills the processes that a test left behind. */
#ifndef WG_HARNESS_SUITE_SURVIVORS_H
#define WG_HARNESS_SUITE_SURVIVORS_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* What a test's processes are recognised by. */
struct wg_test_marks {
    pid_t group;         /* leader and process group */
    long long run;       /* value of WALGRIND_RUN_ID */
    ino_t event_channel; /* inode of the event channel, which children inherit */
};

/*
 * Kills every process that the test `running[ended]` left behind; `ended` equal to `count` means
 * all tests. The leaders of `running` are no survivors: that of a test which has ended is a zombie
 * and left to the caller. Waits until no survivor is left, at most a second. Appends "pid N name"
 * for each to the JSON array `found`.
 */
void wg_survivors_kill(const struct wg_test_marks *running, size_t count, size_t ended,
                       json_t *found);

/* Name of the environment variable that marks the processes of a test. */
#define WG_RUN_ID_ENV "WALGRIND_RUN_ID"

#endif
