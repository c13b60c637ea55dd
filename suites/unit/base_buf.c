/* SPDX-License-Identifier: MIT */
/* base_buf.c - the growing buffer: content, limit, truncation. */
#include "harness/base/buf.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(base_buf, .timeout = 10);

Test(base_buf, a_new_buffer_is_an_empty_string)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 100);
    cr_assert(eq(str, buf.data, ""));
    cr_assert(zero(sz, buf.size));
    cr_assert(not(buf.truncated));
}

Test(base_buf, appends_keep_bytes_and_a_nul_behind_them)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 1000);
    cr_assert(zero(int, wg_buf_append(&buf, "a\0b", 3)));
    cr_assert(zero(int, wg_buf_puts(&buf, "cd")));
    cr_assert(zero(int, wg_buf_printf(&buf, "%d", 42)));
    cr_assert(eq(sz, buf.size, 7));
    cr_assert(zero(int, memcmp(buf.data, "a\0bcd42", 8)));
    wg_buf_finish(&buf);
}

Test(base_buf, growth_over_many_appends_loses_nothing)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 1u << 20);
    for (int i = 0; i < 10000; i++)
        wg_buf_printf(&buf, "%05d", i);
    cr_assert(eq(sz, buf.size, 50000));
    for (int i = 0; i < 10000; i++) {
        char digits[6] = {0};
        memcpy(digits, buf.data + 5 * i, 5);
        cr_assert(eq(int, (int)strtol(digits, NULL, 10), i));
    }
    wg_buf_finish(&buf);
}

Test(base_buf, an_append_up_to_the_limit_is_whole)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 5);
    cr_assert(zero(int, wg_buf_puts(&buf, "12345")));
    cr_assert(eq(str, buf.data, "12345"));
    cr_assert(not(buf.truncated));
    wg_buf_finish(&buf);
}

Test(base_buf, an_append_past_the_limit_keeps_what_fits_and_says_so)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 5);
    cr_assert(zero(int, wg_buf_puts(&buf, "123")));
    cr_assert(eq(int, wg_buf_puts(&buf, "4567"), -1));
    cr_assert(eq(str, buf.data, "12345"));
    cr_assert(buf.truncated);
    cr_assert(eq(int, wg_buf_puts(&buf, "8"), -1));
    cr_assert(eq(sz, buf.size, 5));
    wg_buf_finish(&buf);
}

Test(base_buf, a_formatted_append_past_the_limit_keeps_what_fits)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 8);
    cr_assert(eq(int, wg_buf_printf(&buf, "%s-%s", "abcdef", "ghijkl"), -1));
    cr_assert(eq(str, buf.data, "abcdef-g"));
    cr_assert(buf.truncated);
    wg_buf_finish(&buf);
}

Test(base_buf, reset_forgets_content_and_truncation)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 2);
    wg_buf_puts(&buf, "abc");
    wg_buf_reset(&buf);
    cr_assert(eq(str, buf.data, ""));
    cr_assert(not(buf.truncated));
    cr_assert(zero(int, wg_buf_puts(&buf, "xy")));
    wg_buf_finish(&buf);
}

Test(base_buf, consume_removes_from_the_front)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 100);
    wg_buf_puts(&buf, "first\nsecond");
    wg_buf_consume(&buf, 6);
    cr_assert(eq(str, buf.data, "second"));
    wg_buf_consume(&buf, 1000);
    cr_assert(eq(str, buf.data, ""));
    wg_buf_finish(&buf);
}

Test(base_buf, steal_hands_over_and_leaves_an_empty_buffer)
{
    struct wg_buf buf;
    wg_buf_init(&buf, 100);
    wg_buf_puts(&buf, "mine");
    char *text = wg_buf_steal(&buf);
    cr_assert(eq(str, text, "mine"));
    cr_assert(eq(str, buf.data, ""));
    free(text);
    text = wg_buf_steal(&buf);
    cr_assert(eq(str, text, ""));
    free(text);
    wg_buf_finish(&buf);
}
