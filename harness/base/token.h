/* SPDX-License-Identifier: MIT */
/* token.h - unguessable names: sandboxes, control secrets, the unique part of a test's data. */
#ifndef WG_HARNESS_BASE_TOKEN_H
#define WG_HARNESS_BASE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

/* Fills `bytes` from the kernel's generator (getrandom(2)); aborts when it refuses. */
void wg_random_bytes(void *bytes, size_t size);

/* Writes `size - 1` random characters of [a-z0-9], first one a letter, and a NUL. */
void wg_token(char *buffer, size_t size);

#endif
