/* SPDX-License-Identifier: MIT */
#include "harness/base/buf.h"

#include "harness/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an empty buffer points to, so that `data` is a string before anything was allocated. It is
 * never written: every write goes through grow(). */
static const char empty[1];

void wg_buf_init(struct wg_buf *buf, size_t max)
{
    *buf = (struct wg_buf){.data = (char *)empty, .max = max};
}

void wg_buf_finish(struct wg_buf *buf)
{
    if (buf->room > 0)
        free(buf->data);
    wg_buf_init(buf, buf->max);
}

void wg_buf_reset(struct wg_buf *buf)
{
    buf->size = 0;
    buf->truncated = false;
    if (buf->room > 0)
        buf->data[0] = '\0';
}

/* Makes room for `size` content bytes and the NUL. */
static void grow(struct wg_buf *buf, size_t size)
{
    if (size < buf->room)
        return;
    size_t room = buf->room ? buf->room : 64;
    while (room <= size)
        room *= 2;
    buf->data = wg_realloc(buf->room > 0 ? buf->data : NULL, room);
    buf->room = room;
}

int wg_buf_append(struct wg_buf *buf, const void *bytes, size_t size)
{
    int rc = 0;
    if (size > buf->max - buf->size) {
        size = buf->max - buf->size;
        buf->truncated = true;
        rc = -1;
    }
    if (size == 0)
        return rc;
    grow(buf, buf->size + size);
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return rc;
}

int wg_buf_puts(struct wg_buf *buf, const char *text)
{
    return wg_buf_append(buf, text, strlen(text));
}

int wg_buf_vprintf(struct wg_buf *buf, const char *format, va_list ap)
{
    char *text = NULL;
    int n = vasprintf(&text, format, ap);
    if (n < 0)
        abort();
    int rc = wg_buf_append(buf, text, (size_t)n);
    free(text);
    return rc;
}

int wg_buf_printf(struct wg_buf *buf, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int rc = wg_buf_vprintf(buf, format, ap);
    va_end(ap);
    return rc;
}

void wg_buf_consume(struct wg_buf *buf, size_t size)
{
    if (size >= buf->size) {
        buf->size = 0;
    } else {
        buf->size -= size;
        memmove(buf->data, buf->data + size, buf->size);
    }
    if (buf->room > 0)
        buf->data[buf->size] = '\0';
}

char *wg_buf_steal(struct wg_buf *buf)
{
    char *data = buf->room > 0 ? buf->data : wg_strdup("");
    wg_buf_init(buf, buf->max);
    return data;
}
