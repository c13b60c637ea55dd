/* SPDX-License-Identifier: MIT */
#include "harness/base/str.h"

#include "harness/base/limit.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void *wg_malloc(size_t size)
{
    return must(malloc(size ? size : 1));
}

void *wg_calloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

void *wg_realloc(void *memory, size_t size)
{
    return must(realloc(memory, size ? size : 1));
}

char *wg_strdup(const char *text)
{
    return must(strdup(text));
}

char *wg_strndup(const char *text, size_t size)
{
    return must(strndup(text, size));
}

char *wg_format(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *text = NULL;
    if (vasprintf(&text, format, ap) < 0)
        abort();
    va_end(ap);
    return text;
}

bool wg_str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool wg_str_ends(const char *text, const char *suffix)
{
    size_t text_len = strlen(text), suffix_len = strlen(suffix);
    return text_len >= suffix_len && strcmp(text + text_len - suffix_len, suffix) == 0;
}

int wg_str_to_long(const char *text, long min, long max, long *ret_value)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
        return -1;
    *ret_value = value;
    return 0;
}

void wg_strv_take(struct wg_strv *list, char *text)
{
    assert(text);
    list->items = wg_realloc(list->items, (list->count + 2) * sizeof *list->items);
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

void wg_strv_push(struct wg_strv *list, const char *text)
{
    wg_strv_take(list, wg_strdup(text));
}

void wg_strv_setenv(struct wg_strv *list, const char *name, const char *value)
{
    char *text = wg_format("%s=%s", name, value);
    size_t name_len = strlen(name);
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], name, name_len) == 0 && list->items[i][name_len] == '=') {
            free(list->items[i]);
            list->items[i] = text;
            return;
        }
    }
    wg_strv_take(list, text);
}

void wg_strv_extend(struct wg_strv *list, char *const *items)
{
    for (; items && *items; items++)
        wg_strv_push(list, *items);
}

void wg_strv_finish(struct wg_strv *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct wg_strv){0};
}

static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[WG_LIMIT_TEST_NAME];
    size_t b_length = strlen(b);
    if (strlen(a) >= WG_LIMIT_TEST_NAME || b_length >= WG_LIMIT_TEST_NAME)
        return UINT_MAX;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *wg_str_nearest(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    unsigned limit = (unsigned)(strlen(word) / 3 + 1);
    for (; *words; words++) {
        unsigned distance = edit_distance(word, *words);
        if (distance <= limit && distance < strlen(word)) {
            nearest = *words;
            limit = distance - (distance > 0);
        }
    }
    return nearest;
}
