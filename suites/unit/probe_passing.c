/* SPDX-License-Identifier: MIT */
/* probe_passing.c - makes a program one that stands in for file calls of the C library and hands
 * them on, as the runtime of a sanitizer does that was linked into it. */
#include <dlfcn.h>
#include <string.h>
#include <sys/types.h>

#define VISIBLE __attribute__((visibility("default")))

int passing_open(const char *path, int flags, mode_t mode) __asm__("open64") VISIBLE;
int passing_close(int fd) __asm__("close") VISIBLE;
ssize_t passing_pwrite(int fd, const void *from, size_t size, off_t at) __asm__("pwrite64") VISIBLE;

/* The next definition: in this program's tests, the probe's. */
static void find(const char *name, void *ret)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(ret, &found, sizeof found);
}

int passing_open(const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...);
    find("open64", &next);
    return next(path, flags, mode);
}

int passing_close(int fd)
{
    int (*next)(int);
    find("close", &next);
    return next(fd);
}

ssize_t passing_pwrite(int fd, const void *from, size_t size, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    find("pwrite64", &next);
    return next(fd, from, size, at);
}
