/* SPDX-License-Identifier: MIT */
#include "harness/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Fills everything but the message's tail; returns the length of the formatted text. */
__attribute__((format(printf, 7, 0))) static size_t fill(struct wg_err *err, enum wg_err_kind kind,
                                                         int sys_errno, int sqlite_code,
                                                         const char *file, int line,
                                                         const char *format, va_list ap)
{
    assert(kind != WG_ERR_NONE);
    err->kind = kind;
    err->sys_errno = sys_errno;
    err->sqlite_code = sqlite_code;
    err->file = file;
    err->line = line;
    int n = vsnprintf(err->message, sizeof err->message, format, ap);
    if (n < 0) {
        err->message[0] = '\0';
        return 0;
    }
    return (size_t)n < sizeof err->message ? (size_t)n : sizeof err->message - 1;
}

int wg_err_set_at(struct wg_err *err, enum wg_err_kind kind, int sys_errno, int sqlite_code,
                  const char *file, int line, const char *format, ...)
{
    if (!err || err->kind != WG_ERR_NONE)
        return -1;
    va_list ap;
    va_start(ap, format);
    size_t used = fill(err, kind, sys_errno, sqlite_code, file, line, format, ap);
    va_end(ap);
    if (kind == WG_ERR_SQLITE)
        snprintf(err->message + used, sizeof err->message - used, " (SQLite code %d)", sqlite_code);
    return -1;
}

int wg_err_errno_at(struct wg_err *err, const char *file, int line, const char *format, ...)
{
    int saved = errno;
    if (!err || err->kind != WG_ERR_NONE)
        return -1;
    va_list ap;
    va_start(ap, format);
    size_t used = fill(err, WG_ERR_SYSTEM, saved, 0, file, line, format, ap);
    va_end(ap);
    char text[128];
    snprintf(err->message + used, sizeof err->message - used, ": %s",
             strerror_r(saved, text, sizeof text));
    errno = saved;
    return -1;
}

int wg_err_wrap(struct wg_err *err, const char *format, ...)
{
    if (!wg_err_is_set(err))
        return -1;
    char inner[sizeof err->message];
    memcpy(inner, err->message, sizeof inner);
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->message)
        snprintf(err->message + used, sizeof err->message - used, ": %s", inner);
    return -1;
}

bool wg_err_is_set(const struct wg_err *err)
{
    return err && err->kind != WG_ERR_NONE;
}

void wg_err_clear(struct wg_err *err)
{
    if (err)
        *err = WG_ERR_INIT;
}

int wg_err_exit_code(const struct wg_err *err)
{
    if (!wg_err_is_set(err))
        return 0;
    return err->kind == WG_ERR_USAGE ? 2 : 3;
}
