/* SPDX-License-Identifier: MIT */
/*
 * script_python.c - the Python frames of the calling thread.
 *
 * CPython has a function for crash handlers, _Py_DumpTraceback(fd, thread state): it allocates
 * nothing, takes no lock, needs no GIL when the frames are those of the calling thread (which is
 * here, in a call, and so does not run Python code), and survives damaged state. It writes to a
 * descriptor; here, to a pipe that lives for the moment and does not block.
 *
 * CPython 3.4 to 3.8, 3.11 and 3.12 export it; for others see script_cpython.c.
 */
#include "harness/probe/script.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DUMP_MAX 3000

typedef void *get_state_function(void);
typedef void dump_function(int fd, void *state);

static struct {
    _Atomic(get_state_function *) get_state;
    _Atomic(dump_function *) dump;
} python;

void wg_script_python_search(const struct wg_module *module)
{
    get_state_function *get_state = NULL;
    dump_function *dump = NULL;
    void *found = wg_probe_symbol(module, "PyGILState_GetThisThreadState");
    memcpy(&get_state, &found, sizeof found);
    found = wg_probe_symbol(module, "_Py_DumpTraceback");
    memcpy(&dump, &found, sizeof found);
    if (get_state && dump) {
        atomic_store(&python.dump, dump);
        atomic_store(&python.get_state, get_state);
    }
}

/* Copies up to `end`; returns what was written. */
static char *copy_until(char *out, const char *limit, const char *from, const char *end)
{
    while (from < end && out < limit)
        *out++ = *from++;
    return out;
}

/*
 * Turns lines '  File "PATH", line N in NAME' into "PATH:N NAME\n"; what is not of that form is
 * left out.
 */
static size_t convert(const char *dump, const char *dump_end, char *out, size_t room)
{
    char *to = out;
    const char *limit = out + room - 1;
    int frames = 0;
    for (const char *line = dump; line < dump_end && frames < WG_TRACE_SCRIPT_MAX;) {
        const char *end = memchr(line, '\n', (size_t)(dump_end - line));
        if (!end)
            break;
        size_t size = (size_t)(end - line);
        const char *file = size > 8 && memcmp(line, "  File \"", 8) == 0 ? line + 8 : NULL;
        const char *file_end = file ? memmem(file, (size_t)(end - file), "\", line ", 8) : NULL;
        const char *number = file_end ? file_end + 8 : NULL;
        const char *number_end = number ? memmem(number, (size_t)(end - number), " in ", 4) : NULL;
        if (number_end && to + size < limit) {
            to = copy_until(to, limit, file, file_end);
            *to++ = ':';
            to = copy_until(to, limit, number, number_end);
            *to++ = ' ';
            to = copy_until(to, limit, number_end + 4, end);
            *to++ = '\n';
            frames++;
        }
        line = end + 1;
    }
    return (size_t)(to - out);
}

/* Apart, so that only threads of an interpreter need room for its buffers: the stack may be that of
 * a signal handler. */
__attribute__((noinline)) static uint32_t dump_frames(void *state, uint16_t *flags)
{
    int ends[2];
    if (syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    atomic_load (&python.dump)(ends[1], state);
    char dump[DUMP_MAX];
    char text[DUMP_MAX / 2];
    long size = syscall(SYS_read, ends[0], dump, sizeof dump);
    syscall(SYS_close, ends[0]);
    syscall(SYS_close, ends[1]);
    size_t used = size > 0 ? convert(dump, dump + size, text, sizeof text) : 0;
    return wg_probe_string(text, used, flags);
}

uint32_t wg_script_python_frames(uint16_t *flags)
{
    get_state_function *get_state = atomic_load(&python.get_state);
    void *state = get_state ? get_state() : NULL;
    return state ? dump_frames(state, flags) : 0;
}
