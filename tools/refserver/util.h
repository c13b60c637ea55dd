/* SPDX-License-Identifier: MIT
 *
 * Small helpers of the reference server: memory, text, clock, digest.
 *
 * The server is a program under test, so it shares no code with the tests. Memory comes in two
 * kinds: `wg_mem_*` for what outlives a request, and an arena for what does not. An arena is freed
 * in one go when its request ends; strings and JSON values taken from it are never freed one by
 * one. Running out of memory ends the process: there is nothing sensible to answer then.
 *
 * Locking: an arena belongs to one thread at a time. The rest keeps no state.
 */
#ifndef WG_REFSERVER_UTIL_H
#define WG_REFSERVER_UTIL_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory; never NULL. */
void *wg_mem_alloc(size_t size);
void *wg_mem_resize(void *old, size_t size);
char *wg_mem_strdup(const char *text);

struct wg_arena_chunk;
struct wg_arena {
    struct wg_arena_chunk *chunks;
    struct wg_arena_json *values;
};

/* Zeroed memory that lives until wg_arena_finish. */
void *wg_arena_alloc(struct wg_arena *arena, size_t size);
/* Copy of `text`; NULL gives NULL. */
char *wg_arena_strdup(struct wg_arena *arena, const char *text);
char *wg_arena_strndup(struct wg_arena *arena, const char *text, size_t length);
char *wg_arena_format(struct wg_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *wg_arena_vformat(struct wg_arena *arena, const char *format, va_list list)
    __attribute__((format(printf, 2, 0)));
/* Takes over one reference to `value` (NULL is fine) and returns it, borrowed from now on. */
json_t *wg_arena_json(struct wg_arena *arena, json_t *value);
/* Compact JSON text of a value. */
const char *wg_arena_json_text(struct wg_arena *arena, const json_t *value);
void wg_arena_finish(struct wg_arena *arena);

/* A growing byte string, always followed by a NUL that is not counted. */
struct wg_buf {
    char *data;
    size_t len;
    size_t cap;
};

void wg_buf_add(struct wg_buf *buf, const void *data, size_t length);
void wg_buf_add_text(struct wg_buf *buf, const char *text);
void wg_buf_addf(struct wg_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wg_buf_finish(struct wg_buf *buf);
/* Whole file into `ret`; 0, or -1 with errno set. */
int wg_file_read(const char *path, struct wg_buf *ret);

/* Why a request cannot be answered. The first reason wins. */
struct wg_fail {
    int code; /* SQLite's extended code, or 0 */
    bool set;
    char message[400];
};
void wg_fail_set(struct wg_fail *fail, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define WG_SHA256_HEX 64
void wg_sha256_hex(const void *data, size_t length, char ret[WG_SHA256_HEX + 1]);
/* Decodes standard base64, blanks ignored. 0, or -1 if the text is not base64. */
int wg_base64_decode(const char *text, struct wg_buf *ret);
void wg_random_bytes(void *ret, size_t length);
#define WG_UUID_TEXT 36
void wg_uuid_make(char ret[WG_UUID_TEXT + 1]);

/* Seconds since 1970 with fraction. */
double wg_clock_unix(void);
/* Milliseconds of the monotonic clock. */
int64_t wg_clock_ms(void);

/* `text` as a JSON string (bytes that are not UTF-8 become U+FFFD); NULL as JSON null. */
json_t *wg_json_text(const char *text);
/* Text of member `key`, or NULL if absent or no string. */
const char *wg_json_get_text(const json_t *object, const char *key);
/* Whether the array holds the string. NULL is an empty array. */
bool wg_json_has_text(const json_t *array, const char *text);

bool wg_text_ends_with(const char *text, const char *end);
bool wg_text_starts_with(const char *text, const char *start);
bool wg_text_same(const char *a, const char *b); /* NULL equals NULL only */
bool wg_text_empty(const char *text);            /* NULL, or no character but blanks */

#endif
