/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a growing byte buffer with a limit that is set where it is made.
 *
 * The content is always followed by a NUL, so `buf.data` is a C string when the content holds none.
 * An append that would pass the limit keeps what fits, sets `truncated` and returns -1; nothing
 * else fails (memory exhaustion aborts: a test harness cannot go on without memory).
 */
#ifndef WG_HARNESS_BASE_BUF_H
#define WG_HARNESS_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct wg_buf {
    char *data;  /* never NULL after init; NUL behind the last byte */
    size_t size; /* bytes of content */
    size_t room; /* bytes allocated, private */
    size_t max;  /* limit of size */
    bool truncated;
};

/* Makes an empty buffer that holds at most `max` bytes. Allocates nothing yet. */
void wg_buf_init(struct wg_buf *buf, size_t max);
/* Frees the content; the buffer is empty and usable afterwards. */
void wg_buf_finish(struct wg_buf *buf);
/* Empties the buffer, keeps its memory. */
void wg_buf_reset(struct wg_buf *buf);

int wg_buf_append(struct wg_buf *buf, const void *bytes, size_t size);
int wg_buf_puts(struct wg_buf *buf, const char *text);
int wg_buf_printf(struct wg_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int wg_buf_vprintf(struct wg_buf *buf, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Removes the first `size` bytes (all when there are fewer). */
void wg_buf_consume(struct wg_buf *buf, size_t size);

/* Hands the content to the caller (free() it); the buffer is empty afterwards. Never NULL. */
char *wg_buf_steal(struct wg_buf *buf);

#endif
