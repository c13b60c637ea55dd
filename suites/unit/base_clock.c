/* SPDX-License-Identifier: MIT */
/* base_clock.c - deadlines, and the shape of a printed time. */
#include "harness/base/clock.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <poll.h>

TestSuite(base_clock, .timeout = 10);

Test(base_clock, the_monotonic_clock_does_not_go_back)
{
    int64_t last = wg_clock_now_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = wg_clock_now_ns();
        cr_assert(ge(i64, now, last));
        last = now;
    }
}

Test(base_clock, never_does_not_pass_and_means_wait_without_end)
{
    cr_assert(not(wg_deadline_passed(WG_DEADLINE_NEVER)));
    cr_assert(eq(int, wg_deadline_poll_ms(WG_DEADLINE_NEVER), -1));
    cr_assert(eq(i64, wg_deadline_in_ms(-1).at_ns, INT64_MAX));
}

Test(base_clock, a_deadline_of_now_has_passed)
{
    struct wg_deadline deadline = wg_deadline_in_ms(0);
    cr_assert(wg_deadline_passed(deadline));
    cr_assert(zero(int, wg_deadline_poll_ms(deadline)));
}

Test(base_clock, a_poll_with_the_timeout_of_a_deadline_reaches_it)
{
    struct wg_deadline deadline = wg_deadline_in_ms(20);
    cr_assert(not(wg_deadline_passed(deadline)));
    poll(NULL, 0, wg_deadline_poll_ms(deadline));
    cr_assert(wg_deadline_passed(deadline), "rounded down: poll came back too early");
}

Test(base_clock, a_far_deadline_does_not_overflow_the_timeout)
{
    struct wg_deadline deadline = {wg_clock_now_ns() + WG_NS_PER_S * 3600 * 24 * 365};
    cr_assert(eq(int, wg_deadline_poll_ms(deadline), INT_MAX));
}

Test(base_clock, the_earlier_of_two_deadlines_wins)
{
    struct wg_deadline one = {1}, two = {2};
    cr_assert(eq(i64, wg_deadline_earlier(one, two).at_ns, 1));
    cr_assert(eq(i64, wg_deadline_earlier(two, one).at_ns, 1));
    cr_assert(eq(i64, wg_deadline_earlier(WG_DEADLINE_NEVER, two).at_ns, 2));
}

Test(base_clock, utc_times_have_microseconds_and_a_z)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {999, "1970-01-01T00:00:00.000000Z"},
        {1582934400000001000, "2020-02-29T00:00:00.000001Z"},
        {1767225599999999999, "2025-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[28];
        wg_clock_format_utc(cases[i].ns, text, sizeof text);
        cr_expect(eq(str, text, (char *)cases[i].text));
    }
}
