/* SPDX-License-Identifier: MIT */
/*
 * err.h - the error value that every fallible function fills in.
 *
 * An error is a plain value in the caller's memory. It is made at the line that failed, with the
 * code, the errno or the SQLite code of that moment; on the way out callers put context in front
 * of it. The first error wins: setting one that is already set keeps the old one, so clean-up code
 * may call fallible functions with the same `err`.
 *
 *     int wg_thing_open(const char *path, struct wg_thing **ret_thing, struct wg_err *err)
 *     {
 *         int fd = open(path, O_RDONLY | O_CLOEXEC);
 *         if (fd < 0)
 *             return wg_err_errno(err, "open %s", path);
 *         ...
 *     }
 *
 * Every function here accepts `err == NULL` and then records nothing. None prints: only tools and
 * reports do.
 */
#ifndef WG_HARNESS_BASE_ERR_H
#define WG_HARNESS_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* What kind of thing went wrong; decides the exit code of a command (see wg_err_exit_code). */
enum wg_err_kind {
    WG_ERR_NONE = 0,
    WG_ERR_USAGE,   /* the caller's words: bad option, bad file, nothing selected; exit 2 */
    WG_ERR_SYSTEM,  /* a system call failed; errno is recorded; exit 3 */
    WG_ERR_SQLITE,  /* SQLite refused; the extended result code is recorded; exit 3 */
    WG_ERR_TIMEOUT, /* a deadline passed; exit 3 */
    WG_ERR_LIMIT,   /* a limit of limit.h was reached; exit 3 */
    WG_ERR_FORMAT,  /* input that does not parse; exit 3 */
    WG_ERR_STATE,   /* the world is not as it must be (server died, file changed); exit 3 */
};

struct wg_err {
    enum wg_err_kind kind;
    int sys_errno;   /* errno at the failing line, 0 if none */
    int sqlite_code; /* SQLite extended result code, 0 if none */
    const char *file;
    int line;
    char message[1024]; /* one line, no final newline; cut at the limit */
};

#define WG_ERR_INIT ((struct wg_err){.kind = WG_ERR_NONE})

/*
 * Records an error; returns -1 so that `return wg_err_set(...)` reads well. `kind` must not be
 * WG_ERR_NONE. The macros capture file and line, then call a function.
 */
#define wg_err_set(err, kind, ...)                                                                 \
    wg_err_set_at((err), (kind), 0, 0, __FILE__, __LINE__, __VA_ARGS__)
/* The same for a failed system call; appends ": " and strerror(errno). */
#define wg_err_errno(err, ...) wg_err_errno_at((err), __FILE__, __LINE__, __VA_ARGS__)
/* The same for SQLite; `code` is the extended result code and is appended as a number. */
#define wg_err_sqlite(err, code, ...)                                                              \
    wg_err_set_at((err), WG_ERR_SQLITE, 0, (code), __FILE__, __LINE__, __VA_ARGS__)

int wg_err_set_at(struct wg_err *err, enum wg_err_kind kind, int sys_errno, int sqlite_code,
                  const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
int wg_err_errno_at(struct wg_err *err, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of the message; returns -1. Does nothing to an error that is not set.
 */
int wg_err_wrap(struct wg_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True when an error has been recorded. */
bool wg_err_is_set(const struct wg_err *err);

/* Forgets the error, so that the value can be used again. */
void wg_err_clear(struct wg_err *err);

/* The exit code of DESIGN: 0 for no error, 2 for usage, 3 for the rest. */
int wg_err_exit_code(const struct wg_err *err);

#endif
