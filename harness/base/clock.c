/* SPDX-License-Identifier: MIT */
#include "harness/base/clock.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    assert(rc == 0);
    (void)rc;
    return (int64_t)ts.tv_sec * WG_NS_PER_S + ts.tv_nsec;
}

int64_t wg_clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wg_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

struct wg_deadline wg_deadline_in_ms(int64_t ms)
{
    if (ms < 0)
        return WG_DEADLINE_NEVER;
    return (struct wg_deadline){wg_clock_now_ns() + ms * WG_NS_PER_MS};
}

bool wg_deadline_passed(struct wg_deadline deadline)
{
    return deadline.at_ns != INT64_MAX && wg_clock_now_ns() >= deadline.at_ns;
}

int wg_deadline_poll_ms(struct wg_deadline deadline)
{
    if (deadline.at_ns == INT64_MAX)
        return -1;
    int64_t left = deadline.at_ns - wg_clock_now_ns();
    if (left <= 0)
        return 0;
    int64_t ms = (left + WG_NS_PER_MS - 1) / WG_NS_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

struct wg_deadline wg_deadline_earlier(struct wg_deadline a, struct wg_deadline b)
{
    return a.at_ns <= b.at_ns ? a : b;
}

void wg_clock_format_utc(int64_t wall_ns, char *buffer, size_t size)
{
    time_t seconds = (time_t)(wall_ns / WG_NS_PER_S);
    struct tm tm;
    char whole[32];
    gmtime_r(&seconds, &tm);
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buffer, size, "%s.%06dZ", whole, (int)(wall_ns % WG_NS_PER_S / 1000));
}
