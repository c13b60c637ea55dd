/* SPDX-License-Identifier: MIT */
/* main.c - decides which of its two lives the suite binary leads. */
#include "harness/suite/suite.h"

#include "harness/base/str.h"
#include "harness/suite/internal.h"
#include "harness/wire/suite_protocol.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define PREPARE_MAX 8

/* Filled by constructors before main(), read once: the back end's part of the suite binary's state.
 */
static struct {
    void (*calls[PREPARE_MAX])(void);
    size_t count;
    void (*before_each)(const char *suite);
} prepare_list;

void wg_suite_on_load(void (*prepare)(void))
{
    assert(prepare_list.count < PREPARE_MAX);
    prepare_list.calls[prepare_list.count++] = prepare;
}

void wg_suite_before_each(void (*check)(const char *suite))
{
    prepare_list.before_each = check;
}

void wg_suite_check(const char *suite)
{
    if (prepare_list.before_each != NULL)
        prepare_list.before_each(suite);
}

void wg_suite_prepare(void)
{
    for (size_t i = 0; i < prepare_list.count; i++)
        prepare_list.calls[i]();
}

static int run_by_hand(int argc, char **argv)
{
    struct criterion_test_set *tests = criterion_initialize();
    int result = 0;
    if (criterion_handle_args(argc, argv, true))
        result = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return result;
}

int wg_suite_main(int argc, char **argv)
{
    const char *fd_text = getenv(WG_SUITE_FD_ENV);
    long fd;
    if (!fd_text)
        return run_by_hand(argc, argv);
    if (wg_str_to_long(fd_text, 3, INT_MAX, &fd) != 0)
        return 3;
    unsetenv(WG_SUITE_FD_ENV);
    unsetenv("LD_BIND_NOW"); /* was for this process, see the runner; not for what tests start */
    return wg_fork_server((int)fd);
}

/* Criterion starts its workers by patching the `main` that it finds in the dynamic symbol table, so
 * this one must be in there: hidden, it would be libcriterion's that is patched, and ours that
 * runs. */
__attribute__((visibility("default"))) int main(int argc, char **argv)
{
    return wg_suite_main(argc, argv);
}
