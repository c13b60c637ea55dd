/* SPDX-License-Identifier: MIT */
/*
 * clock.h - monotonic time, deadlines, and the wall clock for reports.
 *
 * All waiting is done against deadlines on CLOCK_MONOTONIC; the wall clock only stamps events.
 */
#ifndef WG_HARNESS_BASE_CLOCK_H
#define WG_HARNESS_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WG_NS_PER_MS INT64_C(1000000)
#define WG_NS_PER_S  INT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t wg_clock_now_ns(void);
/* Nanoseconds since 1970 UTC. */
int64_t wg_clock_wall_ns(void);

struct wg_deadline {
    int64_t at_ns; /* CLOCK_MONOTONIC; INT64_MAX is never */
};

#define WG_DEADLINE_NEVER ((struct wg_deadline){INT64_MAX})

/* The moment `ms` milliseconds from now; negative means never. */
struct wg_deadline wg_deadline_in_ms(int64_t ms);
bool wg_deadline_passed(struct wg_deadline deadline);
/* A timeout for poll(2): -1 for never, 0 when passed, else milliseconds rounded up. */
int wg_deadline_poll_ms(struct wg_deadline deadline);
struct wg_deadline wg_deadline_earlier(struct wg_deadline a, struct wg_deadline b);

/* Writes wall-clock nanoseconds as "2026-01-31T12:34:56.123456Z" (28 bytes with the NUL). */
void wg_clock_format_utc(int64_t wall_ns, char *buffer, size_t size);

#endif
