/* SPDX-License-Identifier: MIT */
#include "harness/tracer/watch.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CLOSE_CALLS 20000
#define CLOSE_LOCKS 64
#define PAUSE_NS    INT64_C(1000000000)
#define CHANGES     (IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_CLOSE_WRITE)

struct watch {
    int number;
    uint64_t dev, ino;
};

struct wg_watches {
    int fd;
    struct watch *items;
    size_t count;
};

struct wg_watches *wg_watches_create(void)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fcntl(fd, F_SETOWN, getpid()) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) != 0) {
        close(fd);
        return NULL;
    }
    struct wg_watches *watches = wg_calloc(1, sizeof *watches);
    watches->fd = fd;
    return watches;
}

void wg_watches_destroy(struct wg_watches *watches)
{
    if (!watches)
        return;
    close(watches->fd);
    free(watches->items);
    free(watches);
}

void wg_watches_add(struct wg_watches *watches, const struct wg_image *image,
                    const struct wg_outside_fd *entry)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)image->tid, entry->fd);
    int number = watches ? inotify_add_watch(watches->fd, path, CHANGES) : -1;
    for (size_t i = 0; i < (watches ? watches->count : 0); i++)
        if (watches->items[i].number == number)
            return;
    if (number < 0)
        return;
    watches->items = wg_realloc(watches->items, (watches->count + 1) * sizeof *watches->items);
    watches->items[watches->count++] =
        (struct watch){.number = number, .dev = entry->dev, .ino = entry->ino};
}

static bool opened_by_sqlite(const struct wg_outside_fd *entry)
{
    return entry->opener == WG_TRACE_ORIGIN_SQLITE_LIKELY;
}

static void watch_closely(struct wg_image *image)
{
    image->close_calls = CLOSE_CALLS;
    image->close_locks = CLOSE_LOCKS;
}

static void changed(struct wg_image *const *images, size_t image_count, const struct watch *watch)
{
    int64_t now_ns = wg_clock_now_ns();
    for (size_t i = 0; i < image_count; i++) {
        struct wg_image *image = images[i];
        bool uses = false;
        for (size_t j = 0; j < image->fd_count; j++)
            uses |= image->fds[j].ino == watch->ino && image->fds[j].dev == watch->dev &&
                    opened_by_sqlite(&image->fds[j]);
        if (!uses)
            continue;
        if (image->watched_ns != 0 && now_ns - image->watched_ns < PAUSE_NS) {
            image->is_due = true;
            continue;
        }
        image->watched_ns = now_ns;
        watch_closely(image);
    }
}

void wg_watches_read(struct wg_watches *watches, struct wg_image *const *images, size_t image_count)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size;
    while (watches && (size = read(watches->fd, buffer, sizeof buffer)) > 0) {
        for (char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const void *)at;
            at += sizeof *event + event->len;
            for (size_t i = watches->count; i-- > 0;) {
                if (watches->items[i].number != event->wd)
                    continue;
                changed(images, image_count, &watches->items[i]);
                if (event->mask & IN_IGNORED)
                    watches->items[i] = watches->items[--watches->count];
            }
        }
    }
}

void wg_watch_users(struct wg_image *const *images, size_t image_count, const char *path,
                    size_t base)
{
    for (size_t i = 0; i < image_count; i++)
        for (size_t j = 0; j < images[i]->fd_count; j++) {
            const struct wg_outside_fd *entry = &images[i]->fds[j];
            if (entry->base == base && memcmp(entry->path, path, base) == 0 &&
                opened_by_sqlite(entry))
                watch_closely(images[i]);
        }
}

void wg_watch_heir(struct wg_image *image)
{
    for (size_t i = 0; i < image->fd_count; i++)
        if (image->fds[i].owner != image->pid && opened_by_sqlite(&image->fds[i]))
            watch_closely(image);
}

void wg_watch_spend(struct wg_image *image, bool is_lock)
{
    if (image->close_calls > 0)
        image->close_calls--;
    if (is_lock && image->close_locks > 0 && --image->close_locks == 0)
        image->close_calls = 0;
    if (image->close_calls == 0 && image->is_due &&
        wg_clock_now_ns() - image->watched_ns >= PAUSE_NS) {
        image->is_due = false;
        image->watched_ns = wg_clock_now_ns();
        watch_closely(image);
    }
}
