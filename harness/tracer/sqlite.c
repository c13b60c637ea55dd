/* SPDX-License-Identifier: MIT */
/*
 * sqlite.c - from outside: is there an SQLite in a process, and was it SQLite that made a call?
 *
 * Return addresses say little from here (every call of a static program leaves from libc's part of
 * it), so the flags of open() decide: since 3.31 SQLite opens with O_NOFOLLOW. A program whose
 * SQLite does not, is left unaccused.
 */
#include "harness/tracer/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool search(const char *path, const struct stat *st)
{
    char needle[WG_PROBE_NEEDLE + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool found = false;
    void *bytes = st->st_size > 0 ? mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                                  : MAP_FAILED;
    close(fd);
    if (bytes != MAP_FAILED) {
        wg_probe_needle(needle);
        found = memmem(bytes, (size_t)st->st_size, needle, WG_PROBE_NEEDLE) != NULL;
        munmap(bytes, (size_t)st->st_size);
    }
    return found;
}

static bool file_has_sqlite(struct wg_searched *searched, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    for (size_t i = 0; i < searched->count; i++)
        if (searched->files[i].dev == st.st_dev && searched->files[i].ino == st.st_ino)
            return searched->files[i].found;
    bool found = search(path, &st);
    if (searched->count < sizeof searched->files / sizeof searched->files[0]) {
        searched->files[searched->count].dev = st.st_dev;
        searched->files[searched->count].ino = st.st_ino;
        searched->files[searched->count++].found = found;
    }
    return found;
}

bool wg_image_has_sqlite(struct wg_image *image)
{
    char path[64], line[PATH_MAX + 128];
    if (image->has_sqlite)
        return true;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)image->tid);
    FILE *maps = fopen(path, "re");
    while (maps && !image->has_sqlite && fgets(line, sizeof line, maps)) {
        char *name = strchr(line, '/');
        /* Only code; a mapped database is not asked. */
        if (!name || !strstr(line, "r-xp"))
            continue;
        name[strcspn(name, "\n")] = '\0';
        char there[sizeof line + 64];
        snprintf(there, sizeof there, "/proc/%d/root%s", (int)image->tid, name);
        image->has_sqlite = file_has_sqlite(image->searched, there);
    }
    if (maps)
        fclose(maps);
    return image->has_sqlite;
}

static bool is_side_file(enum wg_trace_role role)
{
    return role == WG_TRACE_ROLE_WAL || role == WG_TRACE_ROLE_SHM || role == WG_TRACE_ROLE_JOURNAL;
}

enum wg_trace_origin wg_image_origin_of_open(struct wg_image *image, int flags,
                                             enum wg_trace_role role)
{
    if (!wg_image_has_sqlite(image))
        return WG_TRACE_ORIGIN_OTHER;
    if (flags & O_NOFOLLOW) {
        image->has_nofollow = true;
        return WG_TRACE_ORIGIN_SQLITE_LIKELY;
    }
    /* SQLite never empties a file by opening it, and always wants to read. */
    if ((flags & O_TRUNC) || (flags & O_ACCMODE) == O_WRONLY)
        return WG_TRACE_ORIGIN_OTHER_LIKELY;
    if (is_side_file(role) && (flags & O_CREAT) && (flags & O_ACCMODE) == O_RDWR)
        image->is_old = true;
    return image->has_nofollow && !image->is_old ? WG_TRACE_ORIGIN_OTHER_LIKELY
                                                 : WG_TRACE_ORIGIN_UNKNOWN;
}

enum wg_trace_origin wg_image_origin_of_fd(struct wg_image *image,
                                           const struct wg_outside_fd *entry)
{
    return wg_image_has_sqlite(image) ? entry->opener : WG_TRACE_ORIGIN_OTHER;
}

enum wg_trace_origin wg_image_origin_of_path(struct wg_image *image,
                                             const struct wg_outside_look *look)
{
    if (!wg_image_has_sqlite(image))
        return WG_TRACE_ORIGIN_OTHER;
    if (look->role == WG_TRACE_ROLE_DATABASE || look->role == WG_TRACE_ROLE_EMPTY)
        return WG_TRACE_ORIGIN_OTHER_LIKELY;
    for (size_t i = 0; i < image->fd_count; i++) {
        const struct wg_outside_fd *entry = &image->fds[i];
        if (entry->base == look->base && memcmp(entry->path, look->path, look->base) == 0 &&
            entry->opener != WG_TRACE_ORIGIN_OTHER_LIKELY)
            return entry->opener == WG_TRACE_ORIGIN_SQLITE_LIKELY ? entry->opener
                                                                  : WG_TRACE_ORIGIN_UNKNOWN;
    }
    return WG_TRACE_ORIGIN_OTHER_LIKELY;
}
