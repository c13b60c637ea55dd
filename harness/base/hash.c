/* SPDX-License-Identifier: MIT */
#include "harness/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

void wg_hash_init(struct wg_hash *hash)
{
    sha256_init(&hash->context);
}

void wg_hash_add(struct wg_hash *hash, const void *bytes, size_t size)
{
    sha256_update(&hash->context, size, bytes);
}

void wg_hash_add_str(struct wg_hash *hash, const char *text)
{
    wg_hash_add(hash, text, strlen(text) + 1);
}

int wg_hash_add_file(struct wg_hash *hash, const char *path, struct wg_err *err)
{
    int rc = -1;
    char block[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wg_err_errno(err, "open %s", path);
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            wg_err_errno(err, "read %s", path);
            goto out;
        }
        if (n == 0)
            break;
        wg_hash_add(hash, block, (size_t)n);
    }
    rc = 0;
out:
    close(fd);
    return rc;
}

void wg_hash_hex(struct wg_hash *hash, char hex[static WG_HASH_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash->context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[WG_HASH_HEX_SIZE - 1] = '\0';
}
