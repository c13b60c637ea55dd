/* SPDX-License-Identifier: MIT */
/*
 * calls_dlsym.c - dlsym() and dlclose(), for code that asks a handle for SQLite's functions:
 * Python's ctypes, Go without cgo, LuaJIT's FFI.
 *
 * What RTLD_NEXT and RTLD_DEFAULT mean depends on the address to which dlsym() returns. So the
 * stand-in is a few instructions that leave the stack as it was and jump to the C library's
 * function; only a name that begins with sqlite3_ is looked at before. A handle's function is
 * replaced by one that goes with the library in which it lies (wg_sql_handed): the caller says
 * nothing about that, being libffi or the like. Where there are no such instructions for the
 * machine, dlsym() is left alone.
 */
#include "harness/probe/real.h"
#include "harness/probe/sql.h"

#include <dlfcn.h>
#include <string.h>

/* The C library's dlsym. Read by the instructions below, so neither static nor renamed. */
wg_dlsym *wg_dlsym_real;

wg_dlsym *wg_probe_dlsym(void)
{
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
    for (size_t i = 0; !wg_dlsym_real && i < sizeof versions / sizeof *versions; i++) {
        void *found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
        memcpy(&wg_dlsym_real, &found, sizeof found);
    }
    return wg_dlsym_real;
}

#ifdef __x86_64__

/* In the probe's scope alone, the name that nobody has. */
static const char absent[] = "sqlite3_";

/*
 * What dlsym() is to answer instead of asking the C library; NULL: ask it, for `*name`.
 */
void *wg_dlsym_instead(void *handle, const char **name) __attribute__((used));
void *wg_dlsym_instead(void *handle, const char **name)
{
    static const char prefix[] = "sqlite3_";
    wg_dlsym *real = wg_probe_dlsym();
    if (!*name || strncmp(*name, prefix, sizeof prefix - 1) != 0 || handle == RTLD_NEXT)
        return NULL;
    if (!wg_sql_handed(NULL, *name + sizeof prefix - 1))
        return NULL;
    void *found = real(handle, *name);
    if (found && wg_sql_is_ours(found)) {
        /* The global scope; in a program without SQLite there must be none there. */
        if (!wg_sql_any_library())
            *name = absent;
        return NULL;
    }
    const struct wg_sql_library *library =
        found && wg_probe.fd_max != 0 ? wg_sql_library_at(found) : NULL;
    return library ? wg_sql_handed(library, *name + sizeof prefix - 1) : NULL;
}

/* handle in rdi, name in rsi; 16 bytes alignment at the call. */
__asm__(".text\n"
        ".globl dlsym\n"
        ".type dlsym, @function\n"
        "dlsym:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "pushq %rdi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "pushq %rsi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "subq $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "leaq 8(%rsp), %rsi\n"
        "call wg_dlsym_instead\n"
        "addq $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "popq %rsi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "popq %rdi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "testq %rax, %rax\n"
        "jne 1f\n"
        "jmp *wg_dlsym_real(%rip)\n"
        "1: ret\n"
        ".cfi_endproc\n"
        ".size dlsym, . - dlsym\n");

#endif

int wg_call_dlclose(void *handle) WG_STANDS_FOR("dlclose");
int wg_call_dlclose(void *handle)
{
    int result = WG_REAL(dlclose)(handle);
    wg_sql_forget_unloaded();
    wg_probe_forget_unloaded();
    return result;
}
