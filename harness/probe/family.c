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

#define HEADER_TEXT "SQLite format 3" /* sqlite.org/fileformat2.html, section 1.3 */

static bool ends_with(const char *path, size_t size, const char *suffix, size_t length)
{
    return size > length && memcmp(path + size - length, suffix, length) == 0;
}

static const char *last_part(const char *path, size_t size)
{
    const char *slash = memrchr(path, '/', size);
    return slash ? slash + 1 : path;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* NAME-mjXXXXXX9XX, a super-journal (vdbeaux.c of SQLite makes these names). */
static bool is_super_journal(const char *path, size_t size)
{
    const char *end = path + size;
    if (size <= 12 || memcmp(end - 12, "-mj", 3) != 0 || end[-3] != '9')
        return false;
    for (int i = 1; i <= 9; i++)
        if (!is_hex(end[-i]))
            return false;
    return true;
}

struct wg_family wg_probe_family_of_name(const char *path, size_t size)
{
    static const struct {
        const char *suffix;
        size_t length;
        enum wg_trace_role role;
    } suffixes[] = {
        {"-wal", 4, WG_TRACE_ROLE_WAL},
        {"-shm", 4, WG_TRACE_ROLE_SHM},
        {"-journal", 8, WG_TRACE_ROLE_JOURNAL},
    };
    const char *name = last_part(path, size);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (ends_with(name, size - (size_t)(name - path), suffixes[i].suffix, suffixes[i].length))
            return (struct wg_family){suffixes[i].role, size - suffixes[i].length};
    if (is_super_journal(path, size))
        return (struct wg_family){WG_TRACE_ROLE_SUPER_JOURNAL, size - 12};
    if (strncmp(name, "etilqs_", 7) == 0)
        return (struct wg_family){WG_TRACE_ROLE_TEMPORARY, size};
    return (struct wg_family){WG_TRACE_ROLE_NONE, size};
}

bool wg_probe_name_like_database(const char *path, size_t size)
{
    static const char *const endings[] = {".db",   ".sqlite", ".sqlite3",  ".db3",  ".sdb",
                                          ".s3db", ".sl3",    ".sqlitedb", ".gpkg", ".mbtiles"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(path, size, endings[i], strlen(endings[i])))
            return true;
    return false;
}

/* Pages have at least 512 bytes, and a database consists of whole pages. */
static bool size_of_database(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size >= 512 && st->st_size % 512 == 0;
}

bool wg_probe_header_of_fd(int fd, const struct stat *st)
{
    char start[16];
    return size_of_database(st) &&
           syscall(SYS_pread64, fd, start, sizeof start, (off_t)0) == sizeof start &&
           memcmp(start, HEADER_TEXT, sizeof start) == 0;
}

static bool header_of_path(int directory_fd, const char *path, const struct stat *st)
{
    if (!size_of_database(st))
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
    char *at = link + 14;
    char digits[12];
    int count = 0;
    for (unsigned rest = (unsigned)fd; count == 0 || rest > 0; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 0)
        *at++ = digits[--count];
    *at = '\0';
    ssize_t size = readlink(link, buffer, WG_PROBE_PATH - 1);
    if (size <= 0 || buffer[0] != '/')
        size = 0;
    buffer[size] = '\0';
    return (size_t)size;
}

/* Takes "." and ".." and double slashes out of an absolute path, in place. */
static size_t normalise(char *path, size_t size)
{
    size_t out = 0;
    for (size_t in = 0; in < size;) {
        while (in < size && path[in] == '/')
            in++;
        size_t part = in;
        while (in < size && path[in] != '/')
            in++;
        size_t length = in - part;
        if (length == 0 || (length == 1 && path[part] == '.'))
            continue;
        if (length == 2 && path[part] == '.' && path[part + 1] == '.') {
            while (out > 0 && path[--out] != '/')
                ;
            continue;
        }
        path[out++] = '/';
        memmove(path + out, path + part, length);
        out += length;
    }
    if (out == 0)
        path[out++] = '/';
    path[out] = '\0';
    return out;
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
    return normalise(buffer, used + size);
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
