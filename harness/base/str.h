/* SPDX-License-Identifier: MIT */
/*
 * str.h - strings that the caller owns, lists of them, and allocation that cannot fail.
 *
 * A harness without memory cannot do its work, so these abort with a message from the C library
 * instead of burdening every caller with a branch that is never tested.
 */
#ifndef WG_HARNESS_BASE_STR_H
#define WG_HARNESS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc, calloc, realloc and strdup, but abort() instead of returning NULL. */
void *wg_malloc(size_t size);
void *wg_calloc(size_t count, size_t size);
void *wg_realloc(void *memory, size_t size);
char *wg_strdup(const char *text);
char *wg_strndup(const char *text, size_t size);

/* A formatted string; the caller frees it. */
char *wg_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool wg_str_starts(const char *text, const char *prefix);
bool wg_str_ends(const char *text, const char *suffix);

/* The whole of `text` as an integer in min..max; -1 when it is not one, 0 and *ret_value when it
 * is. */
int wg_str_to_long(const char *text, long min, long max, long *ret_value);

/* The word of a NULL-terminated list that is nearest to `word` (edit distance), NULL if none is
 * near. Words of WG_LIMIT_TEST_NAME bytes and more are near to none. */
const char *wg_str_nearest(const char *word, const char *const *words);

/* A NULL-terminated list of owned strings, usable as argv or envp (`list.items`). */
struct wg_strv {
    char **items; /* NULL-terminated; NULL itself while the list is empty and new */
    size_t count;
};

void wg_strv_push(struct wg_strv *list, const char *text);
/* Takes over `text`. */
void wg_strv_take(struct wg_strv *list, char *text);
/* Sets NAME=value in a list used as environment, replacing an older value. */
void wg_strv_setenv(struct wg_strv *list, const char *name, const char *value);
/* Adds a copy of every string of a NULL-terminated array (NULL adds nothing). */
void wg_strv_extend(struct wg_strv *list, char *const *items);
void wg_strv_finish(struct wg_strv *list);

#endif
