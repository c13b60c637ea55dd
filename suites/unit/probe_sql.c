/* SPDX-License-Identifier: MIT */
/* probe_sql.c - the SQLite API under the probe: by every way in which a program can get at it. */
#include "suites/unit/probe_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sqlite3.h>
#include <string.h>

/* How many records of a type have this text; the last one, if any, is given back. */
static size_t count_text(const struct wg_watched *watched, enum wg_trace_type type,
                         const char *text, struct wg_trace_event *ret_last)
{
    size_t count = 0;
    for (size_t i = 0; i < wg_trace_count(watched->trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched->trace, i, &event);
        if (event.type != type || strcmp(event.text, text) != 0)
            continue;
        count++;
        *ret_last = event;
    }
    return count;
}

TestSuite(probe_sql, .timeout = 60);

Test(probe_sql, a_linked_program_shows_connections_and_statements)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, "healthy", NULL);
    struct wg_trace_event open, exec, lock;
    cr_assert(zero(int, watched.status));
    cr_assert(
        eq(sz, wg_probe_count(&watched, (struct wg_trace_record){.type = WG_TRACE_SQL_OPEN}, &open),
           1));
    cr_expect(eq(str, (char *)open.path, watched.database));
    cr_expect(eq(str, (char *)open.database, watched.database));
    cr_assert(eq(sz, count_text(&watched, WG_TRACE_SQL_EXEC, "INSERT INTO t VALUES(?)", &exec), 1));
    cr_expect(eq(u64, exec.record->connection, open.record->connection));
    cr_expect(zero(int, exec.record->error));
    /* What the files go through belongs to the connection. */
    wg_probe_count(&watched,
                   (struct wg_trace_record){.type = WG_TRACE_LOCK, .role = WG_TRACE_ROLE_SHM},
                   &lock);
    cr_expect(eq(u64, lock.record->connection, open.record->connection));
    wg_probe_finish(&watched);
}

Test(probe_sql, functions_of_a_handle_are_seen)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_SQL_WORKER, "by-handle", NULL);
    struct wg_trace_event event = {0};
    cr_assert(zero(int, watched.status));
    cr_assert(eq(sz,
                 count_text(&watched, WG_TRACE_SQL_EXEC,
                            "CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(?, ?)", &event),
                 1));
    cr_expect(eq(int, event.record->error, SQLITE_ERROR));
    cr_expect(ge(sz, event.frame_count, 1));
    /* Of a run the first step and the one that ends it. */
    cr_expect(
        eq(sz, count_text(&watched, WG_TRACE_SQL_STEP, "SELECT a FROM t WHERE a <> ?", &event), 2));
    cr_expect(eq(i64, event.record->result, SQLITE_DONE));
    cr_expect(eq(sz, count_text(&watched, WG_TRACE_SQL_RESET, "SELECT a, ? FROM t", &event), 1));
    wg_probe_finish(&watched);
}

Test(probe_sql, programs_go_on_as_without_it)
{
    const char *deeds[] = {"own-log", "two-libraries", "none"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_SQL_WORKER, deeds[i], NULL);
        cr_expect(zero(int, watched.status), "%s: status %x", deeds[i], watched.status);
        cr_expect(zero(sz, wg_trace_damage_count(watched.trace)), "%s", deeds[i]);
        wg_probe_finish(&watched);
    }
}

Test(probe_sql, connections_of_two_libraries_are_told_apart)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_SQL_WORKER, "two-libraries", NULL);
    struct wg_trace_event event;
    cr_assert(eq(
        sz, wg_probe_count(&watched, (struct wg_trace_record){.type = WG_TRACE_SQL_OPEN}, &event),
        2));
    cr_expect(eq(str, (char *)event.path, ":memory:"));
    cr_expect(eq(str, (char *)event.database, ""));
    wg_probe_finish(&watched);
}

/* Places for libraries are few: those that were unloaded must not keep theirs. */
Test(probe_sql, libraries_that_come_and_go_are_all_seen)
{
    const char *deeds[] = {"again", "again-elsewhere"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_SQL_WORKER, deeds[i], NULL);
        struct wg_trace_record opens = {.type = WG_TRACE_SQL_OPEN};
        cr_expect(zero(int, watched.status), "%s: status %x", deeds[i], watched.status);
        cr_expect(eq(sz, wg_probe_count(&watched, opens, NULL), 40), "%s", deeds[i]);
        wg_probe_finish(&watched);
    }
}
