/* SPDX-License-Identifier: MIT */
/*
 * probe_plain.c - a library without SQLite, as large as one with it, that reads the start of a
 * file. It is built a second time with the name of a function of SQLite's for what it exports: the
 * two have their code at the same places.
 */
#include <fcntl.h>
#include <unistd.h>

extern const char plain_padding[1 << 20];
const char plain_padding[1 << 20] = "as large";
__attribute__((visibility("default"))) extern const char WG_TEST_EXPORT[1];
const char WG_TEST_EXPORT[1] = "";

__attribute__((visibility("default"))) int plain_read(const char *path);

int plain_read(const char *path)
{
    char start[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, start, sizeof start);
    close(fd);
    return got == (ssize_t)sizeof start ? 0 : -1;
}
