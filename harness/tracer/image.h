/* SPDX-License-Identifier: MIT */
/*
 * image.h - what the tracer knows of a process from outside: its descriptors onto database files,
 * whether there is SQLite in it, and the trace file that its records go to.
 *
 * An image is what runs between fork or exec and the next exec or the end, as in a trace. Files are
 * looked at through /proc/PID/root, cwd and fd, so that chroot and mount namespaces do no harm.
 */
#ifndef WG_HARNESS_TRACER_IMAGE_H
#define WG_HARNESS_TRACER_IMAGE_H

#include "harness/probe/known.h"
#include "harness/trace/write.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A descriptor onto a file of a database family. */
struct wg_outside_fd {
    int fd;
    uint64_t dev, ino;
    enum wg_trace_role role;
    enum wg_trace_origin opener;
    pid_t owner; /* that opened it */
    char *path;
    size_t base; /* bytes of the path that name the database */
};

/* Program files that were searched for SQLite: the same libraries are mapped everywhere. */
struct wg_searched {
    struct {
        dev_t dev;
        ino_t ino;
        bool found;
    } files[256]; /* what does not fit is searched each time */
    size_t count;
};

struct wg_image {
    pid_t pid;
    pid_t ppid;
    pid_t tid; /* of the thread that is looked at: the first one may have ended, and /proc then has
                  nothing under the number of the process */
    int64_t parent_ns; /* start of the file of the image that forked it, 0: none */
    int64_t start_ns;  /* of its own file, 0: has none yet */
    bool by_exec;
    bool muted;        /* the probe is in it and sees what it does */
    bool has_sqlite;   /* once found it stays */
    bool has_nofollow; /* that SQLite opens with O_NOFOLLOW: 3.31 or later */
    bool is_old;       /* it does not: nothing can be told apart */
    bool is_hidden;    /* it has forbidden others to look at it */
    bool hidden_told;
    struct wg_outside_fd *fds;
    size_t fd_count;
    struct wg_trace_writer *writer;
    struct wg_searched *searched; /* of all images of the tracer, which owns it */
    unsigned close_calls; /* so many calls it is watched closely, see watch.h; 0: it is not */
    unsigned close_locks; /* and so many locks */
    int64_t watched_ns;   /* when that began for a change of a file from elsewhere */
    bool is_due;          /* there was one more soon after */
};

/* A file as a path named it just before a call. */
struct wg_outside_look {
    bool exists;
    struct stat st;
    enum wg_trace_role role;
    char path[PATH_MAX]; /* absolute and normal, as the process would write it */
    size_t size, base;
};

struct wg_image *wg_image_create(pid_t pid, pid_t ppid, struct wg_searched *searched);
/* A copy with the same descriptors, for a forked child. */
struct wg_image *wg_image_fork(const struct wg_image *parent, pid_t pid);
void wg_image_destroy(struct wg_image *image);
/* It became another program: forgets what exec ends, and finds what it passed on, which a process
 * that was muted may have opened. */
void wg_image_exec(struct wg_image *image, bool muted);

/* Adds a record, and the file of the image when it has none; `directory` is that of the trace. */
void wg_image_record(struct wg_image *image, const char *directory,
                     struct wg_trace_event_spec *spec);
/* A record of type PROCESS or FORKED, which begins a file. */
void wg_image_announce(struct wg_image *image, const char *directory);
void wg_image_end(struct wg_image *image, const char *directory, pid_t tid, int status);

/* NULL when it is not tracked, or the number stands for another file now, or for none. */
struct wg_outside_fd *wg_image_fd(struct wg_image *image, int fd);
struct wg_outside_fd *wg_image_fd_add(struct wg_image *image, const struct wg_outside_fd *entry);
void wg_image_fd_remove(struct wg_image *image, struct wg_outside_fd *entry);
uint16_t wg_image_open_count(const struct wg_image *image, uint64_t dev, uint64_t ino);
/* WG_TRACE_HELD_* that the process holds on the file, from /proc/locks. */
uint32_t wg_image_held(const struct wg_image *image, uint64_t ino, enum wg_trace_role role);

/* Looks at a path of the process; `directory_fd` as of openat(). */
void wg_image_look(struct wg_image *const *images, size_t image_count, const struct wg_image *image,
                   int directory_fd, const char *path, bool follow,
                   struct wg_outside_look *ret_look);
/* The path and the file behind a descriptor; false when there is none. */
bool wg_image_fd_look(const struct wg_image *image, int fd, struct stat *ret_st,
                      char ret_path[static PATH_MAX]);
/* The first bytes of what /proc/PID/fd/FD is say that it is a database. */
bool wg_image_fd_is_database(const struct wg_image *image, int fd, const struct stat *st);

/* Is there an SQLite in what the process has mapped? */
bool wg_image_has_sqlite(struct wg_image *image);
/* Who made an open(), by its flags. */
enum wg_trace_origin wg_image_origin_of_open(struct wg_image *image, int flags,
                                             enum wg_trace_role role);
/* Who made a call on a descriptor. */
enum wg_trace_origin wg_image_origin_of_fd(struct wg_image *image,
                                           const struct wg_outside_fd *entry);
/* Who changed a name: SQLite does so only to files beside a database that it has open. */
enum wg_trace_origin wg_image_origin_of_path(struct wg_image *image,
                                             const struct wg_outside_look *look);

#endif
