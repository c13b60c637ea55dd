/* SPDX-License-Identifier: MIT */
/* call.h - from a system call that a process is stopped at to a record; private to the tracer. */
#ifndef WG_HARNESS_TRACER_CALL_H
#define WG_HARNESS_TRACER_CALL_H

#include "harness/tracer/filter.h"
#include "harness/tracer/image.h"
#include "harness/tracer/watch.h"

/* A call between its beginning and its end. */
struct wg_outside_pending {
    const struct wg_outside_call *call; /* NULL: none */
    struct wg_trace_event_spec spec;
    struct wg_outside_look look, target;
    struct wg_outside_fd source; /* of a duplicate; its path is not owned */
    int flags;
};

/* All processes of the tracer, and where records go. */
struct wg_outside_world {
    struct wg_image **images;
    size_t image_count;
    char *traces;
    struct wg_watches *watches; /* files whose changes from elsewhere are of interest */
};

/*
 * The call begins. Returns true when its result is wanted: then `pending` is filled and
 * wg_outside_leave() is to be called; else what there was to record has been recorded.
 */
bool wg_outside_enter(struct wg_outside_world *world, struct wg_image *image, pid_t tid,
                      const struct wg_outside_call *call, const uint64_t arguments[static 6],
                      uint64_t instruction, struct wg_outside_pending *pending);
/* It returned `result`, or -errno. */
void wg_outside_leave(struct wg_outside_world *world, struct wg_image *image,
                      struct wg_outside_pending *pending, int64_t result);

#endif
