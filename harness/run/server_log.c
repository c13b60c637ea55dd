/* SPDX-License-Identifier: MIT */
#include "harness/run/server_log.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the log, before the lines of other tests are left out. */
#define READ_MAX ((int64_t)64 * WG_LIMIT_SERVER_LOG_CUT)

int64_t wg_server_log_size(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* `own` is the test's name as JSON has it, quotes and all. */
static bool is_of_another(const char *line, size_t length, const char *own)
{
    static const char member[] = "\"test\":";
    const char *at = memmem(line, length, member, sizeof member - 1);
    if (!at)
        return false;
    at += sizeof member - 1;
    size_t left = length - (size_t)(at - line), wanted = strlen(own);
    return *at == '"' && (left <= wanted || memcmp(at, own, wanted) != 0);
}

/* Moves the lines that may be the test's to the beginning; their size. */
static size_t keep_lines(char *text, size_t size, const char *test)
{
    struct wg_buf own;
    size_t kept = 0;
    json_t *name = wg_json_text_new(test);
    wg_buf_init(&own, WG_LIMIT_PACKET);
    wg_json_dump(name, &own);
    json_decref(name);
    for (size_t at = 0, length; at < size; at += length) {
        const char *newline = memchr(text + at, '\n', size - at);
        length = newline ? (size_t)(newline - text) + 1 - at : size - at;
        if (is_of_another(text + at, length, own.data))
            continue;
        memmove(text + kept, text + at, length);
        kept += length;
    }
    wg_buf_finish(&own);
    return kept;
}

/* Where the first whole line begins at or behind `at`; `at` itself when there is none. */
static size_t next_line(const char *text, size_t size, size_t at)
{
    const char *newline = at > 0 && at < size ? memchr(text + at - 1, '\n', size - at + 1) : NULL;
    return newline ? (size_t)(newline - text) + 1 : at;
}

char *wg_server_log_cut(const char *path, int64_t from, int64_t to, const char *test)
{
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_SERVER_LOG_CUT + 64);
    int64_t begin = to - from > READ_MAX ? to - READ_MAX : from;
    int fd = to > begin ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        char *text = wg_malloc((size_t)(to - begin));
        ssize_t n = pread(fd, text, (size_t)(to - begin), (off_t)begin);
        size_t size = n > 0 ? (size_t)n : 0;
        size_t skipped = next_line(text, size, begin > from ? 1 : 0);
        char *lines = text + skipped;
        size_t kept = keep_lines(lines, size - skipped, test);
        size_t cut = kept > WG_LIMIT_SERVER_LOG_CUT
                         ? next_line(lines, kept, kept - WG_LIMIT_SERVER_LOG_CUT)
                         : 0;
        int64_t before = begin - from + (int64_t)(skipped + cut);
        if (before > 0)
            wg_buf_printf(&out, "… %lld bytes before\n", (long long)before);
        wg_buf_append(&out, lines + cut, kept - cut);
        free(text);
        close(fd);
    }
    return wg_buf_steal(&out);
}
