/* SPDX-License-Identifier: MIT */
/* probe_storms.c - the probe in programs that are hard on it (probe_storm.c). */
#include "suites/unit/probe_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/wait.h>

TestSuite(probe_storms, .timeout = 60);

Test(probe_storms, storms_and_limits_do_no_harm)
{
    const char *deeds[] = {"thousand-threads", "fork-from-threads", "vfork-storm",
                           "spawn-storm",      "exec-of-nothing",   "close-ranges",
                           "small-limits",     "directory-gone",    "full-disk",
                           "raised-privileges"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, deeds[i], NULL);
        bool cannot = WIFEXITED(watched.status) && WEXITSTATUS(watched.status) == 77;
        cr_expect(cannot || watched.status == 0, "%s: status %x", deeds[i], watched.status);
        cr_expect(zero(sz, wg_trace_damage_count(watched.trace)), "%s", deeds[i]);
        wg_probe_finish(&watched);
    }
}

/* How many records tell of a call on files of the role by somebody. */
static size_t count_of(const struct wg_watched *watched, enum wg_trace_type type,
                       enum wg_trace_role role, enum wg_trace_origin origin)
{
    const struct wg_trace_record like = {
        .type = (uint16_t)type, .role = (uint8_t)role, .origin = (uint8_t)origin};
    return wg_probe_count(watched, like, NULL);
}

Test(probe_storms, a_vfork_child_does_not_touch_what_is_known_of_its_parent)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "vfork-storm", NULL);
    cr_assert(zero(int, watched.status));
    cr_expect(
        zero(sz, count_of(&watched, WG_TRACE_CLOSE, WG_TRACE_ROLE_NONE, WG_TRACE_ORIGIN_OTHER)));
    cr_expect(
        zero(sz, count_of(&watched, WG_TRACE_OPEN, WG_TRACE_ROLE_NONE, WG_TRACE_ORIGIN_OTHER)));
    cr_expect(eq(
        sz, count_of(&watched, WG_TRACE_CLOSE, WG_TRACE_ROLE_DATABASE, WG_TRACE_ORIGIN_SQLITE), 1));
    cr_expect(
        ge(sz, count_of(&watched, WG_TRACE_WRITE, WG_TRACE_ROLE_WAL, WG_TRACE_ORIGIN_SQLITE), 100));
    wg_probe_finish(&watched);
}

Test(probe_storms, what_a_child_does_after_a_vfork_is_its_own)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "vfork-in-child", NULL);
    struct wg_trace_event event;
    struct wg_trace_record like = {.type = WG_TRACE_UNLINK, .origin = WG_TRACE_ORIGIN_OTHER};
    cr_assert(zero(int, watched.status));
    cr_assert(eq(sz, wg_probe_count(&watched, like, &event), 2));
    cr_assert(ne(ptr, (void *)event.process->parent, NULL));
    cr_expect(eq(int, event.process->ppid, event.process->parent->pid));
    cr_expect(eq(int, (int)event.record->tid, event.process->pid));
    const struct wg_trace_process *child = event.process;
    cr_assert(eq(
        sz, wg_probe_count(&watched, (struct wg_trace_record){.type = WG_TRACE_EXEC}, &event), 2));
    cr_expect(eq(ptr, (void *)event.process, (void *)child));
    cr_expect(eq(int, (int)event.record->tid, child->pid));
    wg_probe_finish(&watched);
}

Test(probe_storms, a_library_at_the_place_of_another_one_is_not_taken_for_it)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "library-storm", NULL);
    cr_assert(zero(int, watched.status));
    cr_expect(eq(
        sz, count_of(&watched, WG_TRACE_CLOSE, WG_TRACE_ROLE_DATABASE, WG_TRACE_ORIGIN_OTHER), 50));
    wg_probe_finish(&watched);
}

Test(probe_storms, the_same_address_in_another_library_is_another_caller)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "same-address", NULL);
    struct wg_trace_event last;
    struct wg_trace_record like = {.type = WG_TRACE_CLOSE, .origin = WG_TRACE_ORIGIN_OTHER};
    size_t by_sqlite = 0;
    cr_assert(zero(int, watched.status));
    cr_assert(eq(sz, wg_probe_count(&watched, like, &last), 10));
    for (size_t i = 0; i < wg_trace_count(watched.trace); i++) {
        const struct wg_trace_record *record = wg_trace_record_at(watched.trace, i);
        by_sqlite += record->type == WG_TRACE_CLOSE && record->origin == WG_TRACE_ORIGIN_SQLITE &&
                     record->caller == last.record->caller;
    }
    cr_expect(eq(sz, by_sqlite, 10));
    wg_probe_finish(&watched);
}

static void check_sqlite_inside(const char *program)
{
    struct wg_watched watched = wg_probe_watch(program, "read-beside", NULL);
    struct wg_trace_event event;
    cr_assert(zero(int, watched.status));
    cr_expect(
        ge(sz, count_of(&watched, WG_TRACE_LOCK, WG_TRACE_ROLE_SHM, WG_TRACE_ORIGIN_SQLITE_LIKELY),
           5));
    cr_assert(eq(sz,
                 wg_probe_count(&watched,
                                (struct wg_trace_record){.type = WG_TRACE_CLOSE,
                                                         .role = WG_TRACE_ROLE_DATABASE,
                                                         .origin = WG_TRACE_ORIGIN_OTHER_LIKELY},
                                &event),
                 1));
    cr_expect(eq(u32, event.record->held, WG_TRACE_HELD_SHARED));
    wg_probe_finish(&watched);
}

Test(probe_storms, a_program_with_sqlite_inside_and_gaps_between_its_parts_is_understood)
{
    check_sqlite_inside(WG_TEST_PROBE_WORKER_GAPS);
}

Test(probe_storms, a_program_with_sqlite_inside_at_fixed_addresses_is_understood)
{
    check_sqlite_inside(WG_TEST_PROBE_WORKER_FIXED);
}
