/* SPDX-License-Identifier: MIT */
/* base_err.c - the error value: first one wins, context in front, codes kept. */
#include "harness/base/err.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

TestSuite(base_err, .timeout = 10);

Test(base_err, set_records_kind_message_and_line)
{
    struct wg_err err = WG_ERR_INIT;
    cr_assert(not(wg_err_is_set(&err)));
    int line = __LINE__ + 1;
    cr_assert(eq(int, wg_err_set(&err, WG_ERR_FORMAT, "bad %s %d", "thing", 7), -1));
    cr_assert(wg_err_is_set(&err));
    cr_assert(eq(int, (int)err.kind, WG_ERR_FORMAT));
    cr_assert(eq(str, err.message, "bad thing 7"));
    cr_assert(eq(int, err.line, line));
    cr_assert(strstr(err.file, "base_err.c") != NULL);
}

Test(base_err, the_first_error_wins)
{
    struct wg_err err = WG_ERR_INIT;
    wg_err_set(&err, WG_ERR_USAGE, "first");
    errno = EACCES;
    cr_assert(eq(int, wg_err_set(&err, WG_ERR_STATE, "second"), -1));
    cr_assert(eq(int, wg_err_errno(&err, "third"), -1));
    cr_assert(eq(int, wg_err_sqlite(&err, 10, "fourth"), -1));
    cr_assert(eq(str, err.message, "first"));
    cr_assert(eq(int, (int)err.kind, WG_ERR_USAGE));
    cr_assert(zero(int, err.sys_errno));
}

Test(base_err, errno_is_recorded_named_and_left_as_it_was)
{
    struct wg_err err = WG_ERR_INIT;
    errno = ENOENT;
    cr_assert(eq(int, wg_err_errno(&err, "open %s", "x"), -1));
    cr_assert(eq(int, errno, ENOENT));
    cr_assert(eq(int, err.sys_errno, ENOENT));
    cr_assert(eq(int, (int)err.kind, WG_ERR_SYSTEM));
    cr_assert(eq(str, err.message, "open x: No such file or directory"));
}

Test(base_err, sqlite_codes_stay_extended)
{
    struct wg_err err = WG_ERR_INIT;
    wg_err_sqlite(&err, 4618, "step");
    cr_assert(eq(int, err.sqlite_code, 4618));
    cr_assert(eq(int, (int)err.kind, WG_ERR_SQLITE));
    cr_assert(eq(str, err.message, "step (SQLite code 4618)"));
}

Test(base_err, wrap_puts_context_in_front)
{
    struct wg_err err = WG_ERR_INIT;
    wg_err_set(&err, WG_ERR_STATE, "inner");
    cr_assert(eq(int, wg_err_wrap(&err, "while %s", "cloning"), -1));
    wg_err_wrap(&err, "test 3");
    cr_assert(eq(str, err.message, "test 3: while cloning: inner"));
    cr_assert(eq(int, (int)err.kind, WG_ERR_STATE));
}

Test(base_err, wrapping_no_error_does_not_make_one)
{
    struct wg_err err = WG_ERR_INIT;
    wg_err_wrap(&err, "context");
    cr_assert(not(wg_err_is_set(&err)));
    cr_assert(eq(str, err.message, ""));
}

Test(base_err, long_messages_and_contexts_are_cut_not_overrun)
{
    struct {
        struct wg_err err;
        char behind[8192];
    } place = {.err = WG_ERR_INIT};
    static const char untouched[sizeof place.behind];
    char text[4096];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    errno = EIO;
    wg_err_errno(&place.err, "%s", text);
    cr_assert(eq(sz, strlen(place.err.message), sizeof place.err.message - 1));
    wg_err_wrap(&place.err, "short");
    cr_assert(eq(sz, strlen(place.err.message), sizeof place.err.message - 1));
    cr_assert(zero(int, strncmp(place.err.message, "short: aaa", 10)));
    wg_err_wrap(&place.err, "%s", text);
    cr_assert(eq(sz, strlen(place.err.message), sizeof place.err.message - 1));
    cr_assert(zero(int, memcmp(place.behind, untouched, sizeof untouched)));
}

Test(base_err, every_function_accepts_no_error_value)
{
    cr_assert(eq(int, wg_err_set(NULL, WG_ERR_STATE, "x"), -1));
    cr_assert(eq(int, wg_err_errno(NULL, "x"), -1));
    cr_assert(eq(int, wg_err_wrap(NULL, "x"), -1));
    cr_assert(not(wg_err_is_set(NULL)));
    cr_assert(zero(int, wg_err_exit_code(NULL)));
    wg_err_clear(NULL);
}

Test(base_err, a_cleared_error_can_be_set_again)
{
    struct wg_err err = WG_ERR_INIT;
    wg_err_set(&err, WG_ERR_STATE, "one");
    wg_err_clear(&err);
    cr_assert(not(wg_err_is_set(&err)));
    wg_err_set(&err, WG_ERR_LIMIT, "two");
    cr_assert(eq(str, err.message, "two"));
}

Test(base_err, only_usage_errors_exit_with_2)
{
    for (int kind = WG_ERR_NONE; kind <= WG_ERR_STATE; kind++) {
        struct wg_err err = {.kind = (enum wg_err_kind)kind};
        int expected = kind == WG_ERR_NONE ? 0 : kind == WG_ERR_USAGE ? 2 : 3;
        cr_expect(eq(int, wg_err_exit_code(&err), expected));
    }
}
