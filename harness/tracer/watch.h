/* SPDX-License-Identifier: MIT */
/*
 * watch.h - when a process is watched closely: stopped at every call, to see its locks.
 *
 * That a database was deleted, replaced or cut is a finding only once somebody uses it afterwards,
 * and use shows in locks. A stop at each lock would cost a writing program as much as strace does.
 * So locks are looked at
 *   - in processes that have a database open of which other code has just changed a file: a process
 *     of this tracer, or anybody (inotify tells that);
 *   - in a child that inherits a database through fork(), since a lock there is wrong by itself;
 * until CLOSE_LOCKS locks were seen or CLOSE_CALLS calls made. Changes from elsewhere, which may as
 * well be SQLite closing a file, lead to it once a second at most.
 */
#ifndef WG_HARNESS_TRACER_WATCH_H
#define WG_HARNESS_TRACER_WATCH_H

#include "harness/tracer/image.h"

#include <stddef.h>

struct wg_watches;

/* Events are announced by SIGIO. NULL when there can be none; then only the tracer's own processes
 * are known of. */
struct wg_watches *wg_watches_create(void);
void wg_watches_destroy(struct wg_watches *watches);
/* Watches the file behind a descriptor; NULL `watches` is fine, here and below. */
void wg_watches_add(struct wg_watches *watches, const struct wg_image *image,
                    const struct wg_outside_fd *entry);
/* Reads what happened: processes that have such a file open are to be watched closely. */
void wg_watches_read(struct wg_watches *watches, struct wg_image *const *images,
                     size_t image_count);

/* From now on, for other code changed a file of the database at `path` (`base` bytes). */
void wg_watch_users(struct wg_image *const *images, size_t image_count, const char *path,
                    size_t base);
/* From now on, if it has a database open that another process opened. */
void wg_watch_heir(struct wg_image *image);
/* One call, or one lock, was seen. */
void wg_watch_spend(struct wg_image *image, bool is_lock);

#endif
