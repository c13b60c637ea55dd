/* SPDX-License-Identifier: MIT */
/*
 * json.h - the little glue between jansson and this project: files, lines, and reads with defaults.
 *
 * Ownership follows jansson: functions named `_new` or with a `ret_` argument give a reference that
 * the caller releases with json_decref(); every other pointer is borrowed from its object.
 */
#ifndef WG_HARNESS_BASE_JSON_H
#define WG_HARNESS_BASE_JSON_H

#include "harness/base/buf.h"
#include "harness/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Parses a whole file of at most WG_LIMIT_JSON_FILE bytes; errors name path, line and column. */
int wg_json_read_file(const char *path, json_t **ret_value, struct wg_err *err);

/* Writes a value to a temporary name beside `path`, syncs nothing, renames it into place. */
int wg_json_write_file(const char *path, const json_t *value, struct wg_err *err);

/* Appends the compact form (keys in insertion order, UTF-8, no final newline). */
void wg_json_dump(const json_t *value, struct wg_buf *out);

/* A JSON string from bytes that may not be UTF-8: bad bytes become U+FFFD, NUL becomes U+2400. */
json_t *wg_json_string_new(const char *bytes, size_t size);
/* The same of a C string: for whatever comes from outside, as paths do. */
json_t *wg_json_text_new(const char *text);

/* Borrowed string member, or `fallback` when absent or of another type. */
const char *wg_json_str(const json_t *object, const char *key, const char *fallback);
int64_t wg_json_int(const json_t *object, const char *key, int64_t fallback);
double wg_json_real(const json_t *object, const char *key, double fallback);
bool wg_json_bool(const json_t *object, const char *key, bool fallback);

#endif
