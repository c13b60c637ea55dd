/* SPDX-License-Identifier: MIT */
/*
 * script.c - the frames of an interpreted language in the calling thread, since that is where its
 * users live.
 *
 * To add an interpreter: a file of its own, and a row in the table. The stack walk must have come
 * first: it makes the interpreter's object known.
 */
#include "harness/probe/script.h"

#include <sys/syscall.h>
#include <unistd.h>

static const struct wg_script scripts[] = {
    {wg_script_python_search, wg_script_python_frames},
    {wg_script_cpython_search, wg_script_cpython_frames},
    {wg_script_v8_search, wg_script_v8_frames},
};

#define SCRIPTS (sizeof scripts / sizeof scripts[0])

static _Atomic uint32_t searched; /* modules that were asked */

bool wg_script_peek(const int ends[2], uint64_t address, void *to, size_t size)
{
    long given = syscall(SYS_write, ends[1], address, size);
    long taken = given > 0 ? syscall(SYS_read, ends[0], to, (size_t)given) : 0;
    return given == (long)size && taken == given;
}

static void search(void)
{
    for (uint32_t i = atomic_load(&searched);
         i < WG_PROBE_MODULES && atomic_load(&wg_probe.modules[i].state) == 2; i++) {
        for (size_t script = 0; script < SCRIPTS; script++)
            scripts[script].search(&wg_probe.modules[i]);
        atomic_store(&searched, i + 1);
    }
}

uint32_t wg_probe_script(uint16_t *flags)
{
    search();
    uint32_t text = 0;
    for (size_t script = 0; script < SCRIPTS && !text; script++)
        text = scripts[script].frames(flags);
    return text;
}
