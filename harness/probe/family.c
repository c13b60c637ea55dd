/* SPDX-License-Identifier: MIT */
/*
 * family.c - is a file part of a database? By its name, by its first bytes, by what lies beside it.
 *
 * A look at the first bytes of a path must open and close it, and close() would drop the locks that
 * this process holds on the inode. So only files are looked at that this process does not have
 * open as far as the tables know; those that it has open are known by inode already.
 */
#include "harness/probe/probe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool wg_probe_header_of_fd(int fd, const struct stat *st)
{
    char start[16];
    return wg_probe_size_of_database(st) &&
           syscall(SYS_pread64, fd, start, sizeof start, (off_t)0) == sizeof start &&
           memcmp(start, WG_PROBE_HEADER, sizeof start) == 0;
}

static bool header_of_path(int directory_fd, const char *path, const struct stat *st)
{
    if (!wg_probe_size_of_database(st))
        return false;
    /* By system calls: close() must not reach the probe's own. */
    long fd = syscall(SYS_openat, directory_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool found = wg_probe_header_of_fd((int)fd, st);
    syscall(SYS_close, (int)fd);
    return found;
}

size_t wg_probe_path_of_fd(int fd, char *buffer)
{
    char link[40] = "/proc/self/fd/";
    *wg_probe_put_number(link + 14, (unsigned)fd) = '\0';
    ssize_t size = readlink(link, buffer, WG_PROBE_PATH - 1);
    if (size <= 0 || buffer[0] != '/')
        size = 0;
    buffer[size] = '\0';
    return (size_t)size;
}

size_t wg_probe_absolute(int directory_fd, const char *path, char *buffer)
{
    size_t used = 0;
    if (path[0] != '/') {
        if (directory_fd == AT_FDCWD) {
            long size = syscall(SYS_getcwd, buffer, (size_t)WG_PROBE_PATH - 1);
            used = size > 0 && buffer[0] == '/' ? (size_t)size - 1 : 0;
        } else {
            used = wg_probe_path_of_fd(directory_fd, buffer);
        }
        buffer[used++] = '/';
    }
    size_t size = strnlen(path, WG_PROBE_PATH);
    if (used + size >= WG_PROBE_PATH)
        size = WG_PROBE_PATH - 1 - used;
    memcpy(buffer + used, path, size);
    return wg_probe_normalise(buffer, used + size);
}

void wg_probe_look(int directory_fd, const char *path, bool follow, struct wg_look *ret_look)
{
    ret_look->size = 0;
    ret_look->absolute[0] = '\0';
    ret_look->family = (struct wg_family){WG_TRACE_ROLE_NONE, 0};
    ret_look->exists =
        fstatat(directory_fd, path, &ret_look->st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0;
    if (!ret_look->exists)
        memset(&ret_look->st, 0, sizeof ret_look->st);
    size_t size = strnlen(path, WG_PROBE_PATH);
    struct wg_family family = wg_probe_family_of_name(path, size);
    const struct wg_inode *inode = NULL;
    if (S_ISREG(ret_look->st.st_mode))
        inode = wg_probe_inode_find(ret_look->st.st_dev, ret_look->st.st_ino);
    if (family.role == WG_TRACE_ROLE_NONE) {
        bool database = false;
        /* The number of a file that nobody has open may name another file by now. */
        if (inode && atomic_load(&inode->open_count) > 0)
            database = inode->role == WG_TRACE_ROLE_DATABASE || inode->role == WG_TRACE_ROLE_EMPTY;
        else if (ret_look->exists)
            database = header_of_path(directory_fd, path, &ret_look->st);
        if (!database)
            return;
        family.role = WG_TRACE_ROLE_DATABASE;
    }
    size_t cut = size - family.base;
    ret_look->size = wg_probe_absolute(directory_fd, path, ret_look->absolute);
    ret_look->family.role = family.role;
    ret_look->family.base = ret_look->size > cut ? ret_look->size - cut : ret_look->size;
}
