/* SPDX-License-Identifier: MIT */
#include "harness/run/server_log.h"

#include "harness/base/buf.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t wg_server_log_size(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static bool is_of_another(const char *line, size_t length, const char *test)
{
    static const char member[] = "\"test\":\"";
    const char *at = memmem(line, length, member, sizeof member - 1);
    if (!at)
        return false;
    at += sizeof member - 1;
    size_t left = length - (size_t)(at - line), wanted = strlen(test);
    return left <= wanted || memcmp(at, test, wanted) != 0 || at[wanted] != '"';
}

static void take_lines(const char *text, size_t size, const char *test, struct wg_buf *out)
{
    for (const char *end = text + size; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = newline ? (size_t)(newline - text) + 1 : (size_t)(end - text);
        if (!is_of_another(text, length, test))
            wg_buf_append(out, text, length);
        text += length;
    }
}

char *wg_server_log_cut(const char *path, int64_t from, int64_t to, const char *test)
{
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_SERVER_LOG_CUT + 64);
    int64_t begin = to - from > WG_LIMIT_SERVER_LOG_CUT ? to - WG_LIMIT_SERVER_LOG_CUT : from;
    int fd = to > begin ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        char *text = wg_malloc((size_t)(to - begin));
        ssize_t n = pread(fd, text, (size_t)(to - begin), (off_t)begin);
        size_t size = n > 0 ? (size_t)n : 0, skipped = 0;
        if (begin > from && size > 0) { /* it begins within a line */
            const char *newline = memchr(text, '\n', size);
            skipped = newline ? (size_t)(newline - text) + 1 : 0;
            wg_buf_printf(&out, "… %lld bytes before\n", (long long)(begin - from));
        }
        take_lines(text + skipped, size - skipped, test, &out);
        free(text);
        close(fd);
    }
    return wg_buf_steal(&out);
}
