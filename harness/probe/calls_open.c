/* SPDX-License-Identifier: MIT */
/* calls_open.c - the functions that open files. */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <stdarg.h>

static bool takes_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static int open_noted(struct wg_opening *opening, enum wg_trace_call call, const void *caller)
{
    wg_opening_begin(opening, call, caller);
    int fd = wg_opening_strikes(opening) ? -1
                                         : WG_REAL(openat)(opening->directory_fd, opening->path,
                                                           opening->flags, opening->mode);
    wg_opening_end(opening, fd);
    return fd;
}

/* The one way in for all variants; `path` NULL is left to the kernel to refuse. */
static int open_any(enum wg_trace_call call, const void *caller, int directory_fd, const char *path,
                    int flags, mode_t mode)
{
    if (wg_probe.fd_max == 0 || !path || (flags & O_DIRECTORY) ||
        (flags & O_TMPFILE) == O_TMPFILE || (flags & O_PATH))
        return WG_REAL(openat)(directory_fd, path, flags, mode);
    struct wg_opening opening;
    opening.path = path;
    opening.directory_fd = directory_fd;
    opening.flags = flags;
    opening.mode = mode;
    return open_noted(&opening, call, caller);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return takes_mode(flags) ? va_arg(arguments, mode_t) : 0;
}

int wg_call_open(const char *path, int flags, ...) WG_STANDS_FOR("open");
int wg_call_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(WG_CALL_open, WG_CALLER(), AT_FDCWD, path, flags, mode);
}
int wg_call_open64(const char *path, int flags, ...) WG_ALSO("open", "open64");

int wg_call_open_2(const char *path, int flags) WG_STANDS_FOR("__open_2");
int wg_call_open_2(const char *path, int flags)
{
    return open_any(WG_CALL_open, WG_CALLER(), AT_FDCWD, path, flags, 0);
}
int wg_call_open64_2(const char *path, int flags) WG_ALSO("__open_2", "__open64_2");

int wg_call_openat(int directory_fd, const char *path, int flags, ...) WG_STANDS_FOR("openat");
int wg_call_openat(int directory_fd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(WG_CALL_openat, WG_CALLER(), directory_fd, path, flags, mode);
}
int wg_call_openat64(int directory_fd, const char *path, int flags, ...)
    WG_ALSO("openat", "openat64");

int wg_call_openat_2(int directory_fd, const char *path, int flags) WG_STANDS_FOR("__openat_2");
int wg_call_openat_2(int directory_fd, const char *path, int flags)
{
    return open_any(WG_CALL_openat, WG_CALLER(), directory_fd, path, flags, 0);
}
int wg_call_openat64_2(int directory_fd, const char *path, int flags)
    WG_ALSO("__openat_2", "__openat64_2");

int wg_call_creat(const char *path, mode_t mode) WG_STANDS_FOR("creat");
int wg_call_creat(const char *path, mode_t mode)
{
    return open_any(WG_CALL_creat, WG_CALLER(), AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int wg_call_creat64(const char *path, mode_t mode) WG_ALSO("creat", "creat64");

/* The flags of open() that an fopen mode stands for. */
static int flags_of_mode(const char *mode)
{
    bool plus = false;
    int flags = 0;
    for (const char *c = mode; *c && *c != ','; c++) {
        plus |= *c == '+';
        flags |= *c == 'e' ? O_CLOEXEC : *c == 'x' ? O_EXCL : 0;
    }
    int write = plus ? O_RDWR : O_WRONLY;
    if (mode[0] == 'w')
        return flags | write | O_CREAT | O_TRUNC;
    if (mode[0] == 'a')
        return flags | write | O_CREAT | O_APPEND;
    return flags | (plus ? O_RDWR : O_RDONLY);
}

FILE *wg_call_fopen(const char *path, const char *mode) WG_STANDS_FOR("fopen");
FILE *wg_call_fopen(const char *path, const char *mode)
{
    if (wg_probe.fd_max == 0 || !path || !mode)
        return WG_REAL(fopen)(path, mode);
    struct wg_opening opening;
    opening.path = path;
    opening.directory_fd = AT_FDCWD;
    opening.flags = flags_of_mode(mode);
    opening.mode = 0666;
    wg_opening_begin(&opening, WG_CALL_fopen, WG_CALLER());
    FILE *file = WG_REAL(fopen)(path, mode);
    wg_opening_end(&opening, file ? fileno(file) : -1);
    return file;
}
FILE *wg_call_fopen64(const char *path, const char *mode) WG_ALSO("fopen", "fopen64");
