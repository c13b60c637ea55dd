/* SPDX-License-Identifier: MIT */
/*
 * fault_calls.h - the file calls of this process, and SQLite's allocations, fail when a test says
 * so.
 *
 * The calls are defined in the program itself, so the dynamic linker gives them to libsqlite3 as
 * well. Other processes, and calls while nothing is armed, are as always.
 */
#ifndef WG_SUITES_UNIT_FAULT_CALLS_H
#define WG_SUITES_UNIT_FAULT_CALLS_H

#include <stdbool.h>

enum fault {
    FAULT_FULL,   /* ENOSPC: from the n-th call on that needs space, all such calls */
    FAULT_ONCE,   /* EIO: the n-th call that changes a file or a name, that one alone */
    FAULT_WRITES, /* EIO: from the n-th write or truncation on, all of them */
    FAULT_MEMORY, /* the n-th allocation of SQLite, that one alone */
    FAULT_NONE,   /* the n-th call that changes a file or a name is seen by `watch`, and works */
    FAULT_KINDS,
};

const char *fault_text(enum fault fault);
/* Must come before SQLite is used for the first time. */
void fault_prepare(void);
/* `watch` is called before the first call that fails (not for memory); NULL: nobody looks. */
void fault_arm(enum fault fault, long nth, void (*watch)(void *context), void *context);
/* True when the n-th call came since it was armed. */
bool fault_disarm(void);
/* From now on no file system can exchange two names. */
void fault_without_exchange(bool without);
/* The name of the first call that failed; static. */
const char *fault_call(void);

#endif
