/* SPDX-License-Identifier: MIT */
/*
 * script.h - between script.c, which asks, and the interpreters that it asks.
 *
 * All functions here keep to the law of injected code (probe.h): they only read.
 */
#ifndef WG_HARNESS_PROBE_SCRIPT_H
#define WG_HARNESS_PROBE_SCRIPT_H

#include "harness/probe/probe.h"

/* An interpreter that may be in the process; a row of the table in script.c. */
struct wg_script {
    /* Looks for it in one object; called once for each, maybe by several threads at a time. */
    void (*search)(const struct wg_module *module);
    /* A reference to the frames of the calling thread, "FILE:LINE FUNCTION\n" each, innermost
     * first; 0 when it runs nothing of this interpreter. */
    uint32_t (*frames)(uint16_t *flags);
};

/*
 * Reads memory of this process through a pipe: the kernel says EFAULT where a load would end the
 * program. False when not all of it could be read; the pipe is as empty as before.
 */
bool wg_script_peek(const int ends[2], uint64_t address, void *to, size_t size);

/* --- script_python.c --- */
void wg_script_python_search(const struct wg_module *module);
uint32_t wg_script_python_frames(uint16_t *flags);

/* --- script_cpython.c --- */
void wg_script_cpython_search(const struct wg_module *module);
uint32_t wg_script_cpython_frames(uint16_t *flags);

/* --- script_v8.c --- */
void wg_script_v8_search(const struct wg_module *module);
uint32_t wg_script_v8_frames(uint16_t *flags);

#endif
