/* SPDX-License-Identifier: MIT */
/* version.c - which SQLite a library is, and what is known against it. */
#include "tools/walgrind/doctor/doctor.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 5000

/* Loads the library and writes what it calls itself; runs in a child, for constructors may do
 * anything. */
static void answer_and_exit(const char *library, int fd)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    const char *(*version)(void) = NULL;
    void *symbol = handle ? dlsym(handle, "sqlite3_libversion") : NULL;
    memcpy(&version, &symbol, sizeof version);
    if (version) {
        const char *text = version();
        if (write(fd, text, strlen(text)) < 0)
            _exit(1);
    }
    _exit(0);
}

bool doctor_sqlite_version(const char *library, char *buffer, size_t size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0)
        answer_and_exit(library, ends[1]);
    close(ends[1]);
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    ssize_t got = child > 0 && poll(&fd, 1, ANSWER_MS) > 0 ? read(ends[0], buffer, size - 1) : 0;
    buffer[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return got > 0;
}

const char *doctor_version_trouble(const char *version)
{
    static const struct {
        int minor, patch; /* of the first good release on a branch */
    } mended[] = {{44, 6}, {50, 7}, {51, 3}};
    int major = 0, minor = 0, patch = 0;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) < 2 || major != 3)
        return NULL;
    bool good = minor < 7 || minor > 51;
    for (size_t i = 0; i < sizeof mended / sizeof mended[0]; i++)
        good |= minor == mended[i].minor && patch >= mended[i].patch;
    return good
               ? NULL
               : "can lose commits when two processes checkpoint and write in an unlucky order (WAL "
                 "reset; fixed in 3.51.3, 3.50.7 and 3.44.6)";
}
