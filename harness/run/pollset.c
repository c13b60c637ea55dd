/* SPDX-License-Identifier: MIT */
#include "harness/run/pollset.h"

#include "harness/base/str.h"

#include <errno.h>
#include <stdlib.h>

void wg_pollset_reset(struct wg_pollset *set)
{
    set->count = 0;
    set->deadline = WG_DEADLINE_NEVER;
}

void wg_pollset_finish(struct wg_pollset *set)
{
    free(set->fds);
    free(set->watchers);
    *set = (struct wg_pollset){0};
}

void wg_pollset_add(struct wg_pollset *set, int fd, short events, wg_poll_handler handler,
                    void *object)
{
    if (fd < 0)
        return;
    if (set->count == set->room) {
        set->room = set->room ? 2 * set->room : 32;
        set->fds = wg_realloc(set->fds, set->room * sizeof *set->fds);
        set->watchers = wg_realloc(set->watchers, set->room * sizeof *set->watchers);
    }
    set->fds[set->count] = (struct pollfd){.fd = fd, .events = events};
    set->watchers[set->count] = (struct wg_poll_watcher){handler, object};
    set->count++;
}

void wg_pollset_until(struct wg_pollset *set, struct wg_deadline deadline)
{
    set->deadline = wg_deadline_earlier(set->deadline, deadline);
}

int wg_pollset_wait(struct wg_pollset *set, struct wg_err *err)
{
    int ready = poll(set->fds, set->count, wg_deadline_poll_ms(set->deadline));
    if (ready < 0 && errno != EINTR)
        return wg_err_errno(err, "poll");
    for (size_t i = 0; ready > 0 && i < set->count; i++)
        if (set->fds[i].revents != 0 && set->watchers[i].handler)
            set->watchers[i].handler(set->watchers[i].object);
    return 0;
}
