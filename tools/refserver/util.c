/* SPDX-License-Identifier: MIT */
#include "tools/refserver/util.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct wg_arena_chunk {
    struct wg_arena_chunk *next;
    max_align_t data[];
};

struct wg_arena_json {
    struct wg_arena_json *next;
    json_t *value;
};

void *wg_mem_alloc(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

void *wg_mem_resize(void *old, size_t size)
{
    void *memory = realloc(old, size > 0 ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

char *wg_mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(wg_mem_alloc(size), text, size);
}

void *wg_arena_alloc(struct wg_arena *arena, size_t size)
{
    struct wg_arena_chunk *chunk = wg_mem_alloc(sizeof *chunk + size);
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk->data;
}

char *wg_arena_strndup(struct wg_arena *arena, const char *text, size_t length)
{
    char *copy = wg_arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *wg_arena_strdup(struct wg_arena *arena, const char *text)
{
    return text == NULL ? NULL : wg_arena_strndup(arena, text, strlen(text));
}

char *wg_arena_vformat(struct wg_arena *arena, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    assert(length >= 0);
    char *text = wg_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *wg_arena_format(struct wg_arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = wg_arena_vformat(arena, format, list);
    va_end(list);
    return text;
}

json_t *wg_arena_json(struct wg_arena *arena, json_t *value)
{
    if (value == NULL)
        return NULL;
    struct wg_arena_json *entry = wg_arena_alloc(arena, sizeof *entry);
    entry->value = value;
    entry->next = arena->values;
    arena->values = entry;
    return value;
}

const char *wg_arena_json_text(struct wg_arena *arena, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    char *copy = wg_arena_strdup(arena, text != NULL ? text : "null");
    free(text);
    return copy;
}

void wg_arena_finish(struct wg_arena *arena)
{
    for (struct wg_arena_json *entry = arena->values; entry != NULL; entry = entry->next)
        json_decref(entry->value);
    arena->values = NULL;
    while (arena->chunks != NULL) {
        struct wg_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
}

void wg_buf_add(struct wg_buf *buf, const void *data, size_t length)
{
    if (buf->len + length + 1 > buf->cap) {
        size_t cap = buf->cap < 256 ? 256 : buf->cap;
        while (cap < buf->len + length + 1)
            cap *= 2;
        buf->data = wg_mem_resize(buf->data, cap);
        buf->cap = cap;
    }
    if (length > 0)
        memcpy(buf->data + buf->len, data, length);
    buf->len += length;
    buf->data[buf->len] = '\0';
}

void wg_buf_add_text(struct wg_buf *buf, const char *text)
{
    wg_buf_add(buf, text, strlen(text));
}

void wg_buf_addf(struct wg_buf *buf, const char *format, ...)
{
    struct wg_arena arena = {0};
    va_list list;
    va_start(list, format);
    wg_buf_add_text(buf, wg_arena_vformat(&arena, format, list));
    va_end(list);
    wg_arena_finish(&arena);
}

void wg_buf_finish(struct wg_buf *buf)
{
    free(buf->data);
    *buf = (struct wg_buf){0};
}

int wg_file_read(const char *path, struct wg_buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = -1;
    char block[16384];
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto out;
        if (got == 0)
            break;
        wg_buf_add(ret, block, (size_t)got);
    }
    wg_buf_add(ret, "", 0);
    rc = 0;
out:;
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

void wg_fail_set(struct wg_fail *fail, int code, const char *format, ...)
{
    if (fail == NULL || fail->set)
        return;
    fail->set = true;
    fail->code = code;
    va_list list;
    va_start(list, format);
    vsnprintf(fail->message, sizeof fail->message, format, list);
    va_end(list);
}

void wg_sha256_hex(const void *data, size_t length, char ret[WG_SHA256_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, length, data);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[WG_SHA256_HEX] = '\0';
}

int wg_base64_decode(const char *text, struct wg_buf *ret)
{
    struct base64_decode_ctx context;
    size_t length = strlen(text);
    size_t size = BASE64_DECODE_LENGTH(length) + 1;
    uint8_t *bytes = wg_mem_alloc(size);
    int rc = -1;
    base64_decode_init(&context);
    if (base64_decode_update(&context, &size, bytes, length, text) == 1 &&
        base64_decode_final(&context) == 1) {
        wg_buf_add(ret, bytes, size);
        rc = 0;
    }
    free(bytes);
    return rc;
}

void wg_random_bytes(void *ret, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = getrandom((char *)ret + done, length - done, 0);
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            abort();
    }
}

void wg_uuid_make(char ret[WG_UUID_TEXT + 1])
{
    uint8_t b[16];
    wg_random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(ret, WG_UUID_TEXT + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

double wg_clock_unix(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int64_t wg_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Length of the valid UTF-8 sequence at `s`, 0 if there is none. */
static size_t sequence_length(const unsigned char *s)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (length == 4 && s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

json_t *wg_json_text(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    struct wg_buf clean = {0};
    wg_buf_add(&clean, "", 0);
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
        size_t length = sequence_length(s);
        if (length == 0)
            wg_buf_add_text(&clean, "\xef\xbf\xbd");
        else
            wg_buf_add(&clean, s, length);
        s += length == 0 ? 1 : length;
    }
    value = json_string(clean.data);
    wg_buf_finish(&clean);
    return value != NULL ? value : json_string("");
}

const char *wg_json_get_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool wg_json_has_text(const json_t *array, const char *text)
{
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value)
    {
        if (json_is_string(value) && strcmp(json_string_value(value), text) == 0)
            return true;
    }
    return false;
}

bool wg_text_ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool wg_text_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool wg_text_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool wg_text_empty(const char *text)
{
    if (text == NULL)
        return true;
    while (*text != '\0' && isspace((unsigned char)*text))
        text++;
    return *text == '\0';
}
