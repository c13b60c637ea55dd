/* SPDX-License-Identifier: MIT */
/*
 * handover.c - programs that the probe cannot get into are started with a tracer beside them.
 *
 * Where WALGRIND_TRACER names it, a program that exec is to start and that is linked statically, or
 * makes calls without libc, is replaced by walgrind-tracer, which attaches a tracer to the process
 * and then becomes the program.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void wg_handover_start(void)
{
    const char *tracer = getenv(WG_TRACER_ENV);
    if (tracer && tracer[0] == '/' && strlen(tracer) < sizeof wg_probe.tracer)
        memcpy(wg_probe.tracer, tracer, strlen(tracer) + 1);
}

/* Opens a program for a look; -1 when the probe can get into it, or nobody may. */
static int open_covered_not(const char *path)
{
    struct stat st;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* One with raised privileges would run without them under a tracer. */
    bool mine = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & (S_ISUID | S_ISGID)) &&
                faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
    const char *why = mine ? wg_probe_obstacle(fd) : NULL;
    if (why && why != wg_probe_is_32_bit)
        return fd;
    syscall(SYS_close, fd);
    return -1;
}

bool wg_handover_search(const char *name, char buffer[static WG_PROBE_PATH])
{
    const char *at = getenv("PATH");
    size_t length = strlen(name);
    while (at && *at) {
        size_t size = strcspn(at, ":");
        if (size > 0 && size + 1 + length < WG_PROBE_PATH) {
            memcpy(buffer, at, size);
            buffer[size] = '/';
            memcpy(buffer + size + 1, name, length + 1);
            if (faccessat(AT_FDCWD, buffer, X_OK, AT_EACCESS) == 0)
                return true;
        }
        at += size + (at[size] == ':');
    }
    return false;
}

/* After chroot, or by another user, the tracer may be out of reach. */
static void note_uncovered(void)
{
    static const char words[] = WG_TRACE_NOT_COVERED
        "it starts a program that the probe cannot get into, where the tracer is out of reach";
    struct wg_note note;
    if (!wg_probe_live() || wg_probe_in_vfork())
        return;
    wg_note_begin(&note, WG_TRACE_MARK, WG_CALL_none, NULL);
    note.record.text = wg_probe_string(words, sizeof words - 1, &note.record.flags);
    wg_note_end(&note);
}

void wg_handover_begin(struct wg_handover *handover, const char *file, bool searched,
                       char *const *arguments)
{
    static const char *const mode = "gaps";
    char found[WG_PROBE_PATH];
    int saved_errno = errno;
    *handover = (struct wg_handover){.file = file, .arguments = arguments};
    if (wg_probe.fd_max == 0 || !wg_probe.tracer[0] || !arguments || !arguments[0])
        return;
    if (searched && !strchr(file, '/')) {
        if (!wg_handover_search(file, found)) {
            errno = saved_errno;
            return;
        }
        file = found;
    }
    int fd = open_covered_not(file);
    if (fd >= 0)
        syscall(SYS_close, fd);
    bool reachable = faccessat(AT_FDCWD, wg_probe.tracer, X_OK, AT_EACCESS) == 0;
    if (fd >= 0 && !reachable)
        note_uncovered();
    if (fd >= 0 && reachable) {
        size_t count = 0;
        while (arguments[count])
            count++;
        size_t pointers = (count + 4) * sizeof(char *);
        size_t size = pointers + strlen(file) + 1;
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) {
            const char **list = memory;
            char *path = (char *)memory + pointers;
            memcpy(path, file, strlen(file) + 1);
            list[0] = wg_probe.tracer;
            list[1] = mode;
            list[2] = path;
            memcpy(list + 3, arguments, (count + 1) * sizeof(char *));
            handover->file = wg_probe.tracer;
            handover->arguments = (char *const *)memory;
            handover->memory = memory;
            handover->size = size;
        }
    }
    errno = saved_errno;
}

void wg_handover_end(const struct wg_handover *handover)
{
    int saved_errno = errno;
    if (handover->memory)
        munmap(handover->memory, handover->size);
    errno = saved_errno;
}
