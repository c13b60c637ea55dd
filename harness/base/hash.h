/* SPDX-License-Identifier: MIT */
/* hash.h - SHA-256 (FIPS 180-4) for content addresses; the arithmetic is nettle's. */
#ifndef WG_HARNESS_BASE_HASH_H
#define WG_HARNESS_BASE_HASH_H

#include "harness/base/err.h"

#include <nettle/sha2.h>
#include <stddef.h>

#define WG_HASH_HEX_SIZE 65 /* 64 hexadecimal digits and a NUL */

struct wg_hash {
    struct sha256_ctx context;
};

void wg_hash_init(struct wg_hash *hash);
void wg_hash_add(struct wg_hash *hash, const void *bytes, size_t size);
/* Adds the text and its NUL, so that ("ab","c") and ("a","bc") differ. */
void wg_hash_add_str(struct wg_hash *hash, const char *text);
/* Adds the content of a file, read from the start. */
int wg_hash_add_file(struct wg_hash *hash, const char *path, struct wg_err *err);
/* Ends the computation and writes lower-case hexadecimal. */
void wg_hash_hex(struct wg_hash *hash, char hex[static WG_HASH_HEX_SIZE]);

#endif
