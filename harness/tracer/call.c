/* SPDX-License-Identifier: MIT */
#include "harness/tracer/call.h"

#include "harness/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernel-internal results of interrupted calls, which are made again (include/linux/errno.h). */
#define RESTART_FIRST 512
#define RESTART_LAST  530

/* What is being handled. */
struct stop {
    struct wg_outside_world *world;
    struct wg_image *image;
    const struct wg_outside_call *call;
    const uint64_t *arguments;
    struct wg_outside_pending *pending;
};

/* --- the memory of the process -------------------------------------------------------------- */

static bool read_memory(struct wg_image *image, uint64_t address, void *to, size_t size)
{
    struct iovec here = {to, size};
    struct iovec there = {(void *)(uintptr_t)address, size}; /* NOLINT(performance-no-int-to-ptr) */
    if (process_vm_readv(image->tid, &here, 1, &there, 1, 0) == (ssize_t)size)
        return true;
    image->is_hidden |= errno == EPERM;
    return false;
}

/* A string; false when it cannot be read or is too long. Page by page, since it may end at one. */
static bool read_text(struct wg_image *image, uint64_t address, char to[static PATH_MAX])
{
    for (size_t used = 0; used < PATH_MAX;) {
        size_t size = 4096 - ((address + used) & 4095);
        if (size > PATH_MAX - used)
            size = PATH_MAX - used;
        if (!read_memory(image, address + used, to + used, size))
            return false;
        if (memchr(to + used, '\0', size))
            return true;
        used += size;
    }
    return false;
}

/* --- parts of records ----------------------------------------------------------------------- */

static int int_argument(const struct stop *stop, int index)
{
    return (int)(uint32_t)stop->arguments[index];
}

static void fill_fd(struct stop *stop, const struct wg_outside_fd *entry, int fd)
{
    struct wg_trace_event_spec *spec = &stop->pending->spec;
    spec->record.fd = fd;
    spec->record.dev = entry->dev;
    spec->record.ino = entry->ino;
    spec->record.role = (uint8_t)entry->role;
    spec->record.opener = (uint8_t)entry->opener;
    spec->record.origin = (uint8_t)wg_image_origin_of_fd(stop->image, entry);
    spec->record.open_count = wg_image_open_count(stop->image, entry->dev, entry->ino);
    if (entry->owner != stop->image->pid)
        spec->record.flags |= WG_TRACE_INHERITED;
    spec->path = entry->path;
}

static void fill_look(struct stop *stop, const struct wg_outside_look *look)
{
    struct wg_trace_event_spec *spec = &stop->pending->spec;
    spec->record.dev = look->st.st_dev;
    spec->record.ino = look->st.st_ino;
    spec->record.role = (uint8_t)look->role;
    spec->record.origin = (uint8_t)wg_image_origin_of_path(stop->image, look);
    spec->record.open_count = wg_image_open_count(stop->image, look->st.st_dev, look->st.st_ino);
    if (look->exists && look->st.st_nlink > 1 && S_ISREG(look->st.st_mode))
        spec->record.flags |= WG_TRACE_LINKS;
    spec->path = look->path;
}

/* Did other code than SQLite do something to the file that SQLite would have to know? */
static bool changes(const struct wg_trace_record *record_of)
{
    if (record_of->origin == WG_TRACE_ORIGIN_SQLITE_LIKELY || record_of->error != 0)
        return false;
    return record_of->type == WG_TRACE_UNLINK || record_of->type == WG_TRACE_RENAME ||
           record_of->type == WG_TRACE_TRUNCATE || record_of->type == WG_TRACE_COPY ||
           (record_of->type == WG_TRACE_OPEN && (record_of->length & O_TRUNC));
}

/* Records what `pending` says; the database is the path without what a side file adds. */
static void record(const struct stop *stop, const char *path, size_t base)
{
    char database[PATH_MAX];
    struct wg_trace_event_spec *spec = &stop->pending->spec;
    snprintf(database, sizeof database, "%.*s", (int)(base < PATH_MAX ? base : PATH_MAX - 1), path);
    spec->database = database;
    wg_image_record(stop->image, stop->world->traces, spec);
    if (changes(&spec->record))
        wg_watch_users(stop->world->images, stop->world->image_count, path, base);
}

/* Looks at the file that two arguments name: directory and path. False when there is no path. */
static bool look_at(const struct stop *stop, int fd, int path, bool follow,
                    struct wg_outside_look *ret_look)
{
    char text[PATH_MAX];
    if (!read_text(stop->image, stop->arguments[path], text) || text[0] == '\0')
        return false;
    wg_image_look(stop->world->images, stop->world->image_count, stop->image,
                  fd >= 0 ? int_argument(stop, fd) : AT_FDCWD, text, follow, ret_look);
    return true;
}

/* --- open ----------------------------------------------------------------------------------- */

static int flags_of_open(const struct stop *stop)
{
    if (stop->call->value < 0)
        return O_CREAT | O_WRONLY | O_TRUNC;
    if (stop->call->number == SYS_openat2) {
        struct open_how how = {0};
        return read_memory(stop->image, stop->arguments[2], &how, sizeof how) ? (int)how.flags
                                                                              : O_PATH;
    }
    return int_argument(stop, stop->call->value);
}

/* Could what is opened be part of a database? Any file that exists is known by its content. */
static bool may_be_family(const struct wg_outside_look *look, int flags)
{
    if (look->role != WG_TRACE_ROLE_NONE)
        return true;
    if (look->exists ? !S_ISREG(look->st.st_mode) || look->st.st_size > 0 : !(flags & O_CREAT))
        return false;
    return (flags & O_NOFOLLOW) || wg_probe_name_like_database(look->path, look->size);
}

static bool enter_open(struct stop *stop)
{
    struct wg_outside_pending *pending = stop->pending;
    int flags = flags_of_open(stop);
    if ((flags & (O_DIRECTORY | O_PATH)) || (flags & O_TMPFILE) == O_TMPFILE)
        return false;
    if (!look_at(stop, stop->call->fd, stop->call->path, !(flags & O_NOFOLLOW), &pending->look) ||
        !may_be_family(&pending->look, flags))
        return false;
    pending->flags = flags;
    pending->spec.record.type = WG_TRACE_OPEN;
    pending->spec.record.length = flags;
    return true;
}

/* SQLite could not open a file. */
static void leave_failed_open(struct stop *stop, int error)
{
    struct wg_outside_pending *pending = stop->pending;
    struct wg_outside_look *look = &pending->look;
    enum wg_trace_origin origin = wg_image_origin_of_open(stop->image, pending->flags, look->role);
    if (origin != WG_TRACE_ORIGIN_SQLITE_LIKELY || error == ENOENT)
        return;
    if (look->role == WG_TRACE_ROLE_NONE)
        look->role = WG_TRACE_ROLE_DATABASE;
    fill_look(stop, look);
    pending->spec.record.origin = (uint8_t)origin;
    record(stop, look->path, look->base);
}

static void leave_open(struct stop *stop, int fd)
{
    struct wg_outside_pending *pending = stop->pending;
    const struct wg_outside_look *look = &pending->look;
    char path[PATH_MAX];
    struct stat st;
    if (fd < 0) {
        leave_failed_open(stop, -fd);
        return;
    }
    if (!wg_image_fd_look(stop->image, fd, &st, path) || !S_ISREG(st.st_mode))
        return;
    if (st.st_nlink == 0)
        snprintf(path, sizeof path, "%s", look->path);
    struct wg_family family = wg_probe_family_of_name(path, strlen(path));
    enum wg_trace_role role = family.role != WG_TRACE_ROLE_NONE ? family.role : look->role;
    enum wg_trace_origin origin = wg_image_origin_of_open(stop->image, pending->flags, role);
    if (role == WG_TRACE_ROLE_NONE && origin == WG_TRACE_ORIGIN_SQLITE_LIKELY)
        role = WG_TRACE_ROLE_DATABASE;
    if (role == WG_TRACE_ROLE_NONE)
        role = WG_TRACE_ROLE_EMPTY;
    struct wg_outside_fd entry = {
        .fd = fd,
        .dev = st.st_dev,
        .ino = st.st_ino,
        .role = role,
        .opener = origin,
        .owner = stop->image->pid,
        .path = path,
        .base = family.role != WG_TRACE_ROLE_NONE ? family.base : strlen(path),
    };
    const struct wg_outside_fd *added = wg_image_fd_add(stop->image, &entry);
    fill_fd(stop, added, fd);
    pending->spec.record.origin = (uint8_t)origin;
    pending->spec.record.open_count--; /* as it was before */
    if (st.st_nlink != 1)
        pending->spec.record.flags |= st.st_nlink == 0 ? WG_TRACE_UNLINKED : WG_TRACE_LINKS;
    if (pending->flags & (O_CREAT | O_TRUNC))
        pending->spec.record.ino2 = look->st.st_ino;
    record(stop, added->path, added->base);
    if (origin == WG_TRACE_ORIGIN_SQLITE_LIKELY && role != WG_TRACE_ROLE_JOURNAL)
        wg_watches_add(stop->world->watches, stop->image, added);
}

/* --- close, dup, locks ---------------------------------------------------------------------- */

/* Recorded when it begins: what it drops is gone afterwards, and so may be the number. */
static void close_one(struct stop *stop, struct wg_outside_fd *entry)
{
    struct wg_trace_record *record_of = &stop->pending->spec.record;
    record_of->type = WG_TRACE_CLOSE;
    record_of->flags = 0;
    fill_fd(stop, entry, entry->fd);
    if (entry->role == WG_TRACE_ROLE_DATABASE || entry->role == WG_TRACE_ROLE_SHM)
        record_of->held = wg_image_held(stop->image, entry->ino, entry->role);
    record(stop, entry->path, entry->base);
    wg_image_fd_remove(stop->image, entry);
}

static void enter_close_range(struct stop *stop)
{
    unsigned first = (unsigned)stop->arguments[0];
    unsigned last = (unsigned)stop->arguments[1];
    if (stop->arguments[2] & 4) /* CLOSE_RANGE_CLOEXEC */
        return;
    for (size_t i = stop->image->fd_count; i-- > 0;) {
        unsigned fd = (unsigned)stop->image->fds[i].fd;
        struct wg_outside_fd *entry =
            fd >= first && fd <= last ? wg_image_fd(stop->image, (int)fd) : NULL;
        if (entry)
            close_one(stop, entry);
    }
}

static bool begin_dup(struct stop *stop, struct wg_outside_fd *source)
{
    stop->pending->spec.record.type = WG_TRACE_DUP;
    stop->pending->spec.record.held = 0; /* which the close of a target has left there */
    stop->pending->source = *source;
    fill_fd(stop, source, source->fd);
    return true;
}

static bool enter_dup(struct stop *stop)
{
    struct wg_outside_fd *source = wg_image_fd(stop->image, int_argument(stop, 0));
    int to = stop->call->value >= 0 ? int_argument(stop, stop->call->value) : -1;
    struct wg_outside_fd *target =
        to >= 0 && to != int_argument(stop, 0) ? wg_image_fd(stop->image, to) : NULL;
    struct stat st;
    char path[PATH_MAX];
    /* Without a source it fails and closes nothing. */
    if (target && wg_image_fd_look(stop->image, int_argument(stop, 0), &st, path)) {
        close_one(stop, target);
        source = wg_image_fd(stop->image, int_argument(stop, 0));
    }
    return source && begin_dup(stop, source);
}

static void leave_dup(struct stop *stop, int fd)
{
    struct wg_outside_fd copy = stop->pending->source;
    struct wg_outside_fd *source = wg_image_fd(stop->image, copy.fd);
    if (fd < 0 || !source)
        return;
    copy = *source;
    copy.fd = fd;
    const struct wg_outside_fd *added = wg_image_fd_add(stop->image, &copy);
    stop->pending->spec.record.length = -1;
    stop->pending->spec.path = added->path;
    record(stop, added->path, added->base);
}

static bool enter_lock(struct stop *stop, struct wg_outside_fd *entry, int command)
{
    struct flock lock = {0};
    struct wg_trace_record *record_of = &stop->pending->spec.record;
    if ((entry->role != WG_TRACE_ROLE_DATABASE && entry->role != WG_TRACE_ROLE_SHM) ||
        !read_memory(stop->image, stop->arguments[2], &lock, sizeof lock))
        return false;
    record_of->type = WG_TRACE_LOCK;
    record_of->offset = lock.l_start;
    record_of->length = lock.l_len;
    record_of->lock_type = (uint8_t)(lock.l_type == F_RDLCK   ? WG_TRACE_LOCK_READ
                                     : lock.l_type == F_WRLCK ? WG_TRACE_LOCK_WRITE
                                                              : WG_TRACE_LOCK_UNLOCK);
    if (command == F_SETLKW || command == F_OFD_SETLKW)
        record_of->lock_type |= WG_TRACE_LOCK_WAIT;
    if (command == F_OFD_SETLK || command == F_OFD_SETLKW)
        record_of->lock_type |= WG_TRACE_LOCK_OFD;
    fill_fd(stop, entry, entry->fd);
    if (lock.l_type != F_UNLCK)
        return true;
    record(stop, entry->path, entry->base);
    return false;
}

static bool enter_fcntl(struct stop *stop)
{
    int command = int_argument(stop, 1);
    struct wg_outside_fd *entry = wg_image_fd(stop->image, int_argument(stop, 0));
    if (!entry)
        return false;
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? begin_dup(stop, entry)
                                                            : enter_lock(stop, entry, command);
}

/* --- sizes, copies -------------------------------------------------------------------------- */

static bool enter_ftruncate(struct stop *stop)
{
    struct stat st;
    char path[PATH_MAX];
    struct wg_outside_fd *entry = wg_image_fd(stop->image, int_argument(stop, 0));
    if (!entry || !wg_image_fd_look(stop->image, entry->fd, &st, path))
        return false;
    stop->pending->spec.record.type = WG_TRACE_TRUNCATE;
    stop->pending->spec.record.offset = st.st_size;
    stop->pending->spec.record.length = (int64_t)stop->arguments[1];
    fill_fd(stop, entry, entry->fd);
    return true;
}

static bool enter_copy(struct stop *stop)
{
    int from = int_argument(stop, stop->call->fd);
    int to = int_argument(stop, stop->call->to_fd);
    struct wg_outside_fd *target = wg_image_fd(stop->image, to);
    struct wg_outside_fd *entry = target ? target : wg_image_fd(stop->image, from);
    struct stat st;
    if (!entry)
        return false;
    stop->pending->spec.record.type = WG_TRACE_COPY;
    stop->pending->spec.record.offset = target != NULL;
    stop->pending->spec.record.length = (int64_t)stop->arguments[stop->call->value];
    fill_fd(stop, entry, entry->fd);
    if (wg_image_fd_look(stop->image, target ? from : to, &st, stop->pending->target.path))
        stop->pending->spec.text = stop->pending->target.path;
    return true;
}

static bool enter_clone_file(struct stop *stop)
{
    struct wg_outside_fd *target = wg_image_fd(stop->image, int_argument(stop, 0));
    if (!target)
        return false;
    stop->pending->spec.record.type = WG_TRACE_COPY;
    stop->pending->spec.record.offset = 1;
    fill_fd(stop, target, target->fd);
    return true;
}

/* --- names ---------------------------------------------------------------------------------- */

static bool enter_unlink(struct stop *stop)
{
    struct wg_outside_look *look = &stop->pending->look;
    if (!look_at(stop, stop->call->fd, stop->call->path, false, look) || !look->exists ||
        look->role == WG_TRACE_ROLE_NONE || S_ISDIR(look->st.st_mode))
        return false;
    stop->pending->spec.record.type = WG_TRACE_UNLINK;
    stop->pending->spec.record.offset = (int64_t)look->st.st_nlink;
    fill_look(stop, look);
    return true;
}

static bool enter_truncate(struct stop *stop)
{
    struct wg_outside_look *look = &stop->pending->look;
    if (!look_at(stop, -1, 0, true, look) || !look->exists || look->role == WG_TRACE_ROLE_NONE)
        return false;
    stop->pending->spec.record.type = WG_TRACE_TRUNCATE;
    stop->pending->spec.record.offset = look->st.st_size;
    stop->pending->spec.record.length = (int64_t)stop->arguments[1];
    fill_look(stop, look);
    return true;
}

/* Both names matter: the role is that of the file that moves, else of the one it replaces. */
static bool enter_rename(struct stop *stop, enum wg_trace_type type)
{
    struct wg_outside_pending *pending = stop->pending;
    struct wg_outside_look *look = &pending->look;
    struct wg_outside_look *target = &pending->target;
    if (!look_at(stop, stop->call->fd, stop->call->path, false, look) ||
        !look_at(stop, stop->call->to_fd, stop->call->to_path, false, target) || !look->exists ||
        (look->role == WG_TRACE_ROLE_NONE && target->role == WG_TRACE_ROLE_NONE))
        return false;
    pending->spec.record.type = (uint16_t)type;
    bool by_target = look->role == WG_TRACE_ROLE_NONE;
    if (by_target && type == WG_TRACE_LINK)
        return false;
    fill_look(stop, look);
    if (by_target) {
        pending->spec.record.role = (uint8_t)target->role;
        pending->spec.record.offset = 1;
        pending->spec.record.origin = (uint8_t)wg_image_origin_of_path(stop->image, target);
    }
    pending->spec.record.ino2 = target->st.st_ino;
    pending->spec.text = target->path;
    return true;
}

static void leave_path(struct stop *stop)
{
    const struct wg_outside_pending *pending = stop->pending;
    bool by_target = pending->spec.record.type == WG_TRACE_RENAME && pending->spec.record.offset;
    const struct wg_outside_look *named = by_target ? &pending->target : &pending->look;
    record(stop, named->path, named->base);
}

/* --- processes ------------------------------------------------------------------------------ */

static void enter_exec(struct stop *stop)
{
    struct wg_outside_look *look = &stop->pending->look;
    if (!look_at(stop, stop->call->fd, stop->call->path, true, look))
        return;
    stop->pending->spec.record.type = WG_TRACE_EXEC;
    stop->pending->spec.path = look->path;
    record(stop, "", 0);
}

static void mark(struct stop *stop, const char *words)
{
    stop->pending->spec.record.type = WG_TRACE_MARK;
    stop->pending->spec.text = words;
    record(stop, "", 0);
}

static void enter_ptrace(struct stop *stop)
{
    int request = int_argument(stop, 0);
    if (request == 0 || request == 16 || request == 0x4206) /* TRACEME, ATTACH, SEIZE */
        mark(stop, WG_TRACE_NOT_COVERED
             "it debugs another program, which fails where walgrind traces that already; "
             "--trace=preload leaves it alone");
}

bool wg_outside_enter(struct wg_outside_world *world, struct wg_image *image, pid_t tid,
                      const struct wg_outside_call *call, const uint64_t arguments[static 6],
                      uint64_t instruction, struct wg_outside_pending *pending)
{
    struct stop stop = {world, image, call, arguments, pending};
    struct wg_outside_fd *entry;
    pending->call = NULL;
    memset(&pending->spec, 0, sizeof pending->spec);
    pending->spec.record.time_ns = wg_clock_now_ns();
    pending->spec.record.tid = (uint32_t)tid;
    pending->spec.record.fd = -1;
    pending->spec.record.caller = instruction;
    pending->spec.record.call = call->call;
    bool wanted = false;
    switch (call->kind) {
    case WG_OUTSIDE_OPEN: wanted = enter_open(&stop); break;
    case WG_OUTSIDE_CLOSE:
        entry = wg_image_fd(image, int_argument(&stop, 0));
        if (entry)
            close_one(&stop, entry);
        break;
    case WG_OUTSIDE_CLOSE_RANGE: enter_close_range(&stop); break;
    case WG_OUTSIDE_DUP: wanted = enter_dup(&stop); break;
    case WG_OUTSIDE_FCNTL: wanted = enter_fcntl(&stop); break;
    case WG_OUTSIDE_TRUNCATE: wanted = enter_truncate(&stop); break;
    case WG_OUTSIDE_FTRUNCATE: wanted = enter_ftruncate(&stop); break;
    case WG_OUTSIDE_UNLINK: wanted = enter_unlink(&stop); break;
    case WG_OUTSIDE_RENAME: wanted = enter_rename(&stop, WG_TRACE_RENAME); break;
    case WG_OUTSIDE_LINK: wanted = enter_rename(&stop, WG_TRACE_LINK); break;
    case WG_OUTSIDE_COPY: wanted = enter_copy(&stop); break;
    case WG_OUTSIDE_CLONE_FILE: wanted = enter_clone_file(&stop); break;
    case WG_OUTSIDE_EXEC: enter_exec(&stop); break;
    case WG_OUTSIDE_IO_URING:
        mark(&stop, WG_TRACE_NOT_COVERED "it uses io_uring, whose calls are not seen");
        break;
    case WG_OUTSIDE_PTRACE: enter_ptrace(&stop); break;
    }
    if (wanted)
        pending->call = call;
    else if (image->is_hidden && !image->hidden_told) {
        image->hidden_told = true;
        mark(&stop, WG_TRACE_NOT_COVERED "it has forbidden others to look at it (PR_SET_DUMPABLE)");
    }
    return wanted;
}

void wg_outside_leave(struct wg_outside_world *world, struct wg_image *image,
                      struct wg_outside_pending *pending, int64_t result)
{
    struct stop stop = {world, image, pending->call, NULL, pending};
    struct wg_trace_record *record_of = &pending->spec.record;
    int64_t took_us = (wg_clock_now_ns() - record_of->time_ns) / 1000;
    pending->call = NULL;
    if (result <= -RESTART_FIRST && result >= -RESTART_LAST)
        return;
    record_of->duration_us = (uint32_t)(took_us > UINT32_MAX ? UINT32_MAX : took_us);
    record_of->result = result < 0 ? -1 : result;
    record_of->error = result < 0 ? (int32_t)-result : 0;
    switch (record_of->type) {
    case WG_TRACE_OPEN: leave_open(&stop, (int)result); break;
    case WG_TRACE_DUP: leave_dup(&stop, (int)result); break;
    case WG_TRACE_LOCK:
    case WG_TRACE_COPY: {
        struct wg_outside_fd *entry = wg_image_fd(image, record_of->fd);
        if (entry) {
            pending->spec.path = entry->path;
            record(&stop, entry->path, entry->base);
        }
        break;
    }
    case WG_TRACE_TRUNCATE:
        if (record_of->fd >= 0) {
            struct wg_outside_fd *entry = wg_image_fd(image, record_of->fd);
            pending->spec.path = entry ? entry->path : "";
            record(&stop, pending->spec.path, entry ? entry->base : 0);
            break;
        }
        leave_path(&stop);
        break;
    default: leave_path(&stop); break;
    }
}
