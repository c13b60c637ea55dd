/* SPDX-License-Identifier: MIT */
/* command_repeat.c - the command that repeats a test keeps what decides, and survives a shell. */
#include "tools/walgrind/repeat.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static char *prefix_of(const char *const *words)
{
    int count = 0;
    while (words[count])
        count++;
    return wg_repeat_prefix(count, (char **)(void *)words);
}

Test(repeat, keeps_what_is_under_test_and_drops_the_rest)
{
    const char *const words[] = {"run",       "--repeat=9", "--server-arg=--break=crash",
                                 "auth",      "-j8",        "--isolate",
                                 "none",      "--timeout",  "3s",
                                 "--run-dir", "/x",         "--trace=both",
                                 NULL};
    cr_expect(eq(str, prefix_of(words),
                 "walgrind run --server-arg=--break=crash --timeout 3s --trace=both"));
}

Test(repeat, quotes_words_for_the_shell)
{
    const char *const words[] = {"run", "--server=it's $HOME --port {port}", NULL};
    cr_expect(eq(str, prefix_of(words), "walgrind run '--server=it'\\''s $HOME --port {port}'"));
}

Test(repeat, words_behind_two_dashes_are_tests)
{
    const char *const words[] = {"run", "--", "--server=x", NULL};
    cr_expect(eq(str, prefix_of(words), "walgrind run"));
}
