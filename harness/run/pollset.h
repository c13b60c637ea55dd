/* SPDX-License-Identifier: MIT */
/*
 * pollset.h - one round of poll(2) over descriptors that each know whom to tell.
 *
 * The set is filled anew for every round, so nobody has to remember to take a closed descriptor
 * out. Handlers may read and note, but must not free objects of the same round: the loop acts on
 * what was noted afterwards.
 */
#ifndef WG_HARNESS_RUN_POLLSET_H
#define WG_HARNESS_RUN_POLLSET_H

#include "harness/base/clock.h"
#include "harness/base/err.h"

#include <poll.h>
#include <stddef.h>

typedef void (*wg_poll_handler)(void *object);

struct wg_pollset {
    struct pollfd *fds; /* fds[i] belongs to watchers[i]; poll(2) wants the array bare */
    struct wg_poll_watcher {
        wg_poll_handler handler; /* NULL: only wakes the loop */
        void *object;
    } * watchers;
    size_t count, room;
    struct wg_deadline deadline;
};

/* Empties the set and sets its deadline to never. A set of zeros is a valid new one. */
void wg_pollset_reset(struct wg_pollset *set);
void wg_pollset_finish(struct wg_pollset *set);
/* Waits for `fd` to be readable (`events` as in poll(2)); -1 is ignored. */
void wg_pollset_add(struct wg_pollset *set, int fd, short events, wg_poll_handler handler,
                    void *object);
/* The round ends at the earliest of the deadlines given. */
void wg_pollset_until(struct wg_pollset *set, struct wg_deadline deadline);
/* Waits, then calls the handlers of the descriptors that are ready. */
int wg_pollset_wait(struct wg_pollset *set, struct wg_err *err);

#endif
