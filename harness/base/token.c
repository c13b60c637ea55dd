/* SPDX-License-Identifier: MIT */
#include "harness/base/token.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void wg_random_bytes(void *bytes, size_t size)
{
    unsigned char *at = bytes;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        at += n;
        size -= (size_t)n;
    }
}

void wg_token(char *buffer, size_t size)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    assert(size > 0);
    for (size_t i = 0; i + 1 < size; i++) {
        uint32_t value;
        wg_random_bytes(&value, sizeof value);
        buffer[i] = alphabet[value % (i == 0 ? 26 : 36)];
    }
    buffer[size - 1] = '\0';
}
