/* SPDX-License-Identifier: MIT */
/* probe_trace.c - the probe in a real program: what it records, and that it does no harm. */
#include "suites/unit/probe_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

TestSuite(probe, .timeout = 60);

Test(probe, a_close_beside_sqlite_is_recorded_with_the_locks_that_it_drops)
{
    const char *deeds[] = {"read-beside", "read-beside-stdio", "read-beside-syscall"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, deeds[i], NULL);
        struct wg_trace_event event;
        cr_assert(zero(int, watched.status), "%s", deeds[i]);
        cr_assert(eq(sz,
                     wg_probe_count(&watched,
                                    (struct wg_trace_record){.type = WG_TRACE_CLOSE,
                                                             .role = WG_TRACE_ROLE_DATABASE,
                                                             .origin = WG_TRACE_ORIGIN_OTHER},
                                    &event),
                     1),
                  "%s", deeds[i]);
        cr_expect(eq(u32, event.record->held, WG_TRACE_HELD_SHARED));
        cr_expect(eq(int, event.record->open_count, 2));
        cr_expect(eq(str, (char *)event.path, watched.database));
        cr_expect(ge(sz, event.frame_count, 2));
        wg_probe_finish(&watched);
    }
}

/* POSIX locks are not inherited: what the child closes drops none, and those of its parent stay. */
Test(probe, a_forked_child_holds_no_locks)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "read-in-child", NULL);
    size_t closes = 0;
    cr_assert(zero(int, watched.status));
    for (size_t i = 0; i < wg_trace_count(watched.trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched.trace, i, &event);
        if (event.type != WG_TRACE_CLOSE || event.origin != WG_TRACE_ORIGIN_OTHER)
            continue;
        closes++;
        cr_expect(eq(u32, event.record->held, event.process->parent ? 0 : WG_TRACE_HELD_SHARED));
    }
    cr_expect(eq(sz, closes, 2));
    wg_probe_finish(&watched);
}

/* In a program that stands in for file calls itself, as with a sanitizer's runtime in it. */
Test(probe, who_called_what_passes_calls_on_is_told)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER_PASSING, "read-beside", NULL);
    struct wg_trace_record like = {.type = WG_TRACE_CLOSE, .origin = WG_TRACE_ORIGIN_OTHER};
    cr_assert(zero(int, watched.status));
    cr_expect(eq(sz, wg_probe_count(&watched, like, NULL), 1));
    like.type = WG_TRACE_OPEN;
    cr_expect(eq(sz, wg_probe_count(&watched, like, NULL), 1));
    like.origin = WG_TRACE_ORIGIN_SQLITE;
    cr_expect(ge(sz, wg_probe_count(&watched, like, NULL), 3));
    like.type = WG_TRACE_WRITE;
    cr_expect(ge(sz, wg_probe_count(&watched, like, NULL), 3));
    like.origin = WG_TRACE_ORIGIN_OTHER;
    cr_expect(zero(sz, wg_probe_count(&watched, like, NULL)));
    wg_probe_finish(&watched);
}

Test(probe, a_healthy_program_shows_sqlite_alone)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "healthy", NULL);
    cr_assert(zero(int, watched.status));
    for (size_t i = 0; i < wg_trace_count(watched.trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched.trace, i, &event);
        if (event.role != WG_TRACE_ROLE_NONE)
            cr_expect(eq(int, event.origin, WG_TRACE_ORIGIN_SQLITE));
        cr_expect(zero(int, event.record->error));
    }
    cr_expect(ge(
        sz,
        wg_probe_count(&watched,
                       (struct wg_trace_record){.type = WG_TRACE_LOCK, .role = WG_TRACE_ROLE_SHM},
                       NULL),
        5));
    cr_expect(eq(int, wg_trace_process_at(watched.trace, 0)->state, WG_TRACE_EXITED));
    wg_probe_finish(&watched);
}

/* Every byte of a WAL is in one record, and a transaction in few of them. */
Test(probe, pieces_that_follow_each_other_are_one_write)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "wide", NULL);
    int64_t sum = 0, longest = 0, end = 0;
    size_t count = 0;
    cr_assert(zero(int, watched.status));
    for (size_t i = 0; i < wg_trace_count(watched.trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched.trace, i, &event);
        const struct wg_trace_record *record = event.record;
        if (event.type != WG_TRACE_WRITE || event.role != WG_TRACE_ROLE_WAL)
            continue;
        cr_expect(eq(i64, record->result, record->length));
        cr_expect(eq(i64, record->offset, end));
        end = record->offset + record->length;
        sum += record->length;
        longest = record->length > longest ? record->length : longest;
        count++;
    }
    cr_expect(eq(i64, sum, end), "no byte twice, none left out");
    cr_expect(ge(i64, longest, 50000));
    cr_expect(lt(sz, count, 12), "%zu records", count);
    wg_probe_finish(&watched);
}

Test(probe, writes_that_leave_a_gap_stay_apart)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "apart", NULL);
    struct wg_trace_event event;
    cr_assert(zero(int, watched.status));
    cr_assert(ge(sz,
                 wg_probe_count(&watched,
                                (struct wg_trace_record){.type = WG_TRACE_WRITE,
                                                         .role = WG_TRACE_ROLE_DATABASE},
                                &event),
                 2));
    cr_expect(eq(i64, event.record->offset, 3 * 4096), "the page of the third table");
    cr_expect(eq(i64, event.record->length, 4096));
    wg_probe_finish(&watched);
}

Test(probe, a_connection_used_after_fork_is_marked_as_inherited)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "fork-use", NULL);
    struct wg_trace_event event;
    cr_assert(zero(int, watched.status));
    cr_assert(ge(
        sz,
        wg_probe_count(&watched,
                       (struct wg_trace_record){.type = WG_TRACE_LOCK, .flags = WG_TRACE_INHERITED},
                       &event),
        1));
    cr_assert(ne(ptr, (void *)event.process->parent, NULL));
    cr_expect(eq(int, event.process->ppid, event.process->parent->pid));
    wg_probe_finish(&watched);
}

Test(probe, a_program_that_unlinks_a_database_is_named)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "healthy", "unlink");
    struct wg_trace_event event;
    cr_assert(eq(sz,
                 wg_probe_count(&watched,
                                (struct wg_trace_record){.type = WG_TRACE_UNLINK,
                                                         .role = WG_TRACE_ROLE_DATABASE,
                                                         .origin = WG_TRACE_ORIGIN_OTHER},
                                &event),
                 1));
    cr_expect(eq(str, (char *)event.path, watched.database));
    cr_expect(ne(ptr, strstr(event.process->command, "unlink"), NULL));
    wg_probe_finish(&watched);
}

Test(probe, records_survive_a_kill)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "die", NULL);
    cr_assert(eq(int, WTERMSIG(watched.status), SIGKILL));
    struct wg_trace_event event = {0};
    cr_assert(eq(
        sz, wg_probe_count(&watched, (struct wg_trace_record){.type = WG_TRACE_KILL}, &event), 1));
    cr_expect(eq(i64, event.record->offset, SIGKILL));
    cr_expect(eq(int, event.process->state, WG_TRACE_RUNNING));
    cr_expect(zero(u64, event.process->torn));
    wg_probe_finish(&watched);
}

Test(probe, programs_go_on_as_without_it)
{
    const char *deeds[] = {
        "errno",  "close-everything", "many-threads", "fork-storm", "small-files",
        "chroot", "handler",          "signals",      "nobody",     "beside-another-library",
        "vfork"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, deeds[i], NULL);
        cr_expect(zero(int, watched.status), "%s: status %x", deeds[i], watched.status);
        cr_expect(zero(sz, wg_trace_damage_count(watched.trace)), "%s", deeds[i]);
        wg_probe_finish(&watched);
    }
}

Test(probe, a_missing_directory_does_no_harm)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "healthy", NULL);
    cr_expect(zero(
        int, wg_probe_run(WG_TEST_PROBE_WORKER, "healthy", watched.database, "/nowhere/at/all")));
    wg_probe_finish(&watched);
}

/* Writes the frames of probe_cpython.c at its deletion, "" when there are none. */
static void frames_when(const char *deed, char frames[static 512])
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_CPYTHON, deed, NULL);
    struct wg_trace_event event = {0};
    cr_assert(zero(int, watched.status), "%s", deed);
    cr_assert(
        eq(sz, wg_probe_count(&watched, (struct wg_trace_record){.type = WG_TRACE_UNLINK}, &event),
           1));
    snprintf(frames, 512, "%s", event.script ? event.script : "");
    wg_probe_finish(&watched);
}

Test(probe, frames_of_a_python_that_tells_no_traceback_are_read_by_its_offsets)
{
    char frames[512];
    frames_when("sound", frames);
    cr_expect(
        eq(str, frames,
           "/srv/app.py:10 delete\n/\u65e5\\udcff.py:22 \u00e9?\u20ac\n/srv/app.py:112 delete\n"
           "/srv/app.py:111 delete\n/srv/app.py:0 delete\n/srv/app.py:111 delete\n"));
    frames_when("damaged", frames);
    cr_expect(eq(str, frames, "/srv/app.py:10 delete\n/\u65e5\\udcff.py:22 \u00e9?\u20ac\n"));
    frames_when("release", frames);
    cr_expect(eq(str, frames, ""));
    frames_when("threads", frames);
    cr_expect(eq(str, frames, ""));
    frames_when("outside", frames);
    cr_expect(eq(str, frames, ""));
}
