/* SPDX-License-Identifier: MIT */
/* diag_symbol.c - addresses of native stacks get names, and none that are not theirs. */
#include "harness/diag/symbol.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A return address just behind the beginning of a function of this program, as in its file. */
static uint64_t address_in_file(void *function)
{
    Dl_info info;
    cr_assert(ne(int, dladdr(function, &info), 0));
    return (uint64_t)((uintptr_t)function - (uintptr_t)info.dli_fbase) + 2;
}

Test(diag_symbol, an_address_of_this_program_has_its_function_and_line)
{
    char path[PATH_MAX] = "";
    struct wg_symbols *symbols = wg_symbols_create();
    void *function = NULL;
    uint64_t (*here)(void *) = address_in_file;
    memcpy(&function, &here, sizeof function);
    cr_assert(ge(i64, readlink("/proc/self/exe", path, sizeof path - 1), 1));
    char *text = wg_symbols_describe(symbols, path, address_in_file(function));
    cr_expect(wg_str_starts(text, "address_in_file ("), "%s", text);
    cr_expect(ne(ptr, strstr(text, "diag_symbol.c:"), NULL), "%s", text);
    free(text);
    wg_symbols_destroy(symbols);
}

Test(diag_symbol, what_cannot_be_read_keeps_its_address)
{
    struct wg_symbols *symbols = wg_symbols_create();
    for (int again = 0; again < 2; again++) {
        char *text = wg_symbols_describe(symbols, "/nowhere/libgone.so", 0x1234);
        cr_expect(eq(str, text, "/nowhere/libgone.so+0x1234"));
        free(text);
    }
    wg_symbols_destroy(symbols);
}
