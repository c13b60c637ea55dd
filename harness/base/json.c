/* SPDX-License-Identifier: MIT */
#include "harness/base/json.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wg_json_read_file(const char *path, json_t **ret_value, struct wg_err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return wg_err_errno(err, "open %s", path);
    int rc = -1;
    json_error_t error;
    json_t *value = NULL;
    struct stat st;
    if (fstat(fileno(file), &st) != 0) {
        wg_err_errno(err, "stat %s", path);
        goto out;
    }
    if (S_ISDIR(st.st_mode)) {
        wg_err_set(err, WG_ERR_FORMAT, "%s is a directory, not a JSON file", path);
        goto out;
    }
    if (st.st_size > (off_t)WG_LIMIT_JSON_FILE) {
        wg_err_set(err, WG_ERR_LIMIT, "%s is larger than %u bytes", path, WG_LIMIT_JSON_FILE);
        goto out;
    }
    value = json_loadf(file, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        wg_err_set(err, WG_ERR_FORMAT, "%s:%d:%d: %s", path, error.line, error.column, error.text);
        goto out;
    }
    *ret_value = value;
    rc = 0;
out:
    fclose(file);
    return rc;
}

int wg_json_write_file(const char *path, const json_t *value, struct wg_err *err)
{
    int rc = -1;
    char *temporary = wg_format("%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(temporary, "we");
    if (!file) {
        wg_err_errno(err, "create %s", temporary);
        goto out;
    }
    bool bad = json_dumpf(value, file, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0;
    bad = fputc('\n', file) == EOF || bad;
    int saved = errno;
    bad = fclose(file) != 0 || bad;
    if (bad) {
        errno = errno ? errno : saved;
        wg_err_errno(err, "write %s", temporary);
        unlink(temporary);
        goto out;
    }
    if (rename(temporary, path) != 0) {
        wg_err_errno(err, "rename %s to %s", temporary, path);
        unlink(temporary);
        goto out;
    }
    rc = 0;
out:
    free(temporary);
    return rc;
}

static int dump_chunk(const char *bytes, size_t size, void *out)
{
    return wg_buf_append(out, bytes, size);
}

void wg_json_dump(const json_t *value, struct wg_buf *out)
{
    json_dump_callback(value, dump_chunk, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Length of the well-formed UTF-8 sequence at `at` (RFC 3629), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char first, last, second_min, second_max, length;
    } forms[] = {
        {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (at[0] < forms[i].first || at[0] > forms[i].last)
            continue;
        size_t length = forms[i].length;
        if (length > left)
            return 0;
        if (length > 1 && (at[1] < forms[i].second_min || at[1] > forms[i].second_max))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((at[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

json_t *wg_json_string_new(const char *bytes, size_t size)
{
    struct wg_buf clean;
    wg_buf_init(&clean, size * 3 + 1);
    const unsigned char *at = (const unsigned char *)bytes;
    size_t left = size;
    while (left > 0) {
        size_t length = utf8_sequence(at, left);
        if (length > 0) {
            wg_buf_append(&clean, at, length);
        } else {
            wg_buf_puts(&clean, *at == 0 ? "\xe2\x90\x80" : "\xef\xbf\xbd");
            length = 1;
        }
        at += length;
        left -= length;
    }
    json_t *value = json_stringn(clean.data, clean.size);
    wg_buf_finish(&clean);
    if (!value)
        abort();
    return value;
}

json_t *wg_json_text_new(const char *text)
{
    return wg_json_string_new(text, strlen(text));
}

const char *wg_json_str(const json_t *object, const char *key, const char *fallback)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : fallback;
}

int64_t wg_json_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

double wg_json_real(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool wg_json_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}
