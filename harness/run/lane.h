/* SPDX-License-Identifier: MIT */
/*
 * lane.h - one unit of isolation at work: begins it, feeds it tests, resets it, ends it.
 *
 *   IDLE -> STARTING -> READY -> STOPPING -> DONE
 *     ^________________________________|          a dead or unusable unit with tests left is
 * replaced
 *
 * wg_lane_step() makes every transition that needs no waiting and never blocks; what the lane waits
 * for it puts into a pollset.
 */
#ifndef WG_HARNESS_RUN_LANE_H
#define WG_HARNESS_RUN_LANE_H

#include "harness/run/attempt.h"
#include "harness/run/pollset.h"
#include "harness/run/runner.h"

#include <stdbool.h>
#include <stddef.h>

/* Tests in the order in which they are to run; lanes of one queue take from its front. */
struct wg_queue {
    struct wg_queued {
        const struct wg_test *test;
        int tries; /* that have failed in this round */
    } * entries;
    size_t count, next;
};

/* At its end; the queue grows. */
void wg_queue_push(struct wg_queue *queue, const struct wg_test *test, int tries);

/* What the lanes of one round share. */
struct wg_round {
    const struct wg_run_options *options;
    const struct wg_mode *mode;
    long number;
    struct wg_event_log *log;
    struct wg_suite_client *client;
    long long *next_unit; /* counters of the run */
    long long *next_attempt;
    int64_t *suites_begun_ns; /* when the first test of each suite began, 0: not yet */
    bool stopping;            /* interrupted: start nothing more */
    bool force;               /* interrupted twice: no grace */
};

struct wg_lane;

/* `name` and `queue` are borrowed; `concurrency` tests at once. */
struct wg_lane *wg_lane_create(struct wg_round *round, const char *name, int index,
                               struct wg_queue *queue, int concurrency);
void wg_lane_destroy(struct wg_lane *lane);

/* Goes as far as it can without waiting. */
void wg_lane_step(struct wg_lane *lane);
/* Adds what it waits for. */
void wg_lane_watch(struct wg_lane *lane, struct wg_pollset *set);
/* Has work that it has not begun: the lane wants to be among the active ones. */
bool wg_lane_is_idle(const struct wg_lane *lane);
void wg_lane_activate(struct wg_lane *lane);
bool wg_lane_is_done(const struct wg_lane *lane);

/* The attempt of that number if it runs here, else NULL. */
struct wg_attempt *wg_lane_find_attempt(struct wg_lane *lane, long long number);
/* The fork server is gone: no running attempt will hear of its end. */
void wg_lane_lose_attempts(struct wg_lane *lane, const char *why);

#endif
