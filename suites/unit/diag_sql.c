/* SPDX-License-Identifier: MIT */
/* diag_sql.c - the rules about SQL on traces made for them: who is blamed, and above all who is
 * not. */
#include "harness/base/clock.h"
#include "harness/diag/detector.h"
#include "harness/diag/diag.h"
#include "harness/sys/tree.h"
#include "harness/trace/write.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE "/srv/app.db"
#define US(n)    ((int64_t)(n)*1000)
#define FIRST    0x1000 /* connections */
#define SECOND   0x2000

enum { BUSY = 5, DONE = 101, ROW = 100 };

/* What a test works with; of the process that runs it. */
static struct {
    char directory[64];
    struct wg_trace_writer *server, *other;
    struct wg_trace *trace;
    struct wg_findings findings;
} fixture;

static void begin(void)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace_writer_options options = {.pid = 700, .ppid = 1, .command = "server"};
    snprintf(fixture.directory, sizeof fixture.directory, "/tmp/walgrind-unit-sql-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(fixture.directory), NULL));
    cr_assert(
        zero(int, wg_trace_writer_create(fixture.directory, &options, &fixture.server, &err)));
    options = (struct wg_trace_writer_options){.pid = 701, .ppid = 1, .command = "other"};
    cr_assert(zero(int, wg_trace_writer_create(fixture.directory, &options, &fixture.other, &err)));
}

static void end(void)
{
    wg_findings_finish(&fixture.findings);
    wg_trace_destroy(fixture.trace);
    wg_tree_remove(fixture.directory, NULL);
}

TestSuite(diag_sql, .init = begin, .fini = end, .timeout = 20);

static void add(struct wg_trace_writer *writer, struct wg_trace_record record, const char *text)
{
    record.dev = 1;
    wg_trace_writer_add(
        writer, &(struct wg_trace_event_spec){
                    .record = record, .path = DATABASE, .text = text, .database = DATABASE});
}

/* Opens a connection with a busy timeout, at the very beginning. */
static void connect_with(struct wg_trace_writer *writer, uint64_t connection, int64_t timeout_ms)
{
    struct wg_trace_record record = {
        .type = WG_TRACE_SQL_OPEN, .time_ns = US(1), .connection = connection, .result = 1};
    add(writer, record, "");
    record.type = WG_TRACE_SQL_CONFIG;
    record.call = WG_CALL_sqlite3_busy_timeout;
    record.time_ns = US(2);
    record.offset = timeout_ms;
    add(writer, record, "");
}

struct statement {
    int64_t at_us;
    uint32_t took_us, tid;
    int result;
    bool open; /* a transaction afterwards */
};

static void say(struct wg_trace_writer *writer, uint64_t connection, const char *sql,
                struct statement how)
{
    add(writer,
        (struct wg_trace_record){.type = WG_TRACE_SQL_STEP,
                                 .call = WG_CALL_sqlite3_step,
                                 .time_ns = US(how.at_us),
                                 .duration_us = how.took_us,
                                 .tid = how.tid,
                                 .connection = connection,
                                 .offset = (int64_t)connection + 1,
                                 .result = how.result,
                                 .error = how.result == ROW || how.result == DONE ? 0 : how.result,
                                 .length = how.open},
        sql);
}

/* The one finding's id, "" for none. */
static const char *diagnose(void)
{
    struct wg_err err = WG_ERR_INIT;
    wg_trace_writer_destroy(fixture.server);
    wg_trace_writer_destroy(fixture.other);
    cr_assert(zero(int, wg_trace_open(fixture.directory, &fixture.trace, &err)), "%s", err.message);
    wg_diag_run(fixture.trace, &fixture.findings);
    cr_assert(ge(sz, 1, fixture.findings.count));
    return fixture.findings.count == 0 ? "" : fixture.findings.items[0].detector->id;
}

Test(diag_sql, a_refusal_without_a_timeout_is_a_warning)
{
    connect_with(fixture.server, FIRST, 0);
    say(fixture.server, FIRST, "INSERT", (struct statement){100, 10, 1, BUSY, false});
    cr_assert(eq(str, (char *)diagnose(), "busy-zero"));
    cr_expect(zero(sz, wg_findings_errors(&fixture.findings)));
}

Test(diag_sql, saying_it_again_is_right_whatever_comes_of_it)
{
    connect_with(fixture.server, FIRST, 0);
    say(fixture.server, FIRST, "INSERT", (struct statement){100, 10, 1, BUSY, false});
    say(fixture.server, FIRST, "INSERT", (struct statement){200, 10, 1, BUSY, false});
    connect_with(fixture.other, FIRST, 0);
    say(fixture.other, FIRST, "DELETE", (struct statement){100, 10, 1, BUSY, false});
    say(fixture.other, FIRST, "DELETE", (struct statement){200, 10, 1, DONE, false});
    cr_assert(eq(str, (char *)diagnose(), ""));
}

Test(diag_sql, the_same_sql_of_another_thread_and_connection_is_no_retry)
{
    connect_with(fixture.server, FIRST, 0);
    connect_with(fixture.server, SECOND, 0);
    say(fixture.server, FIRST, "INSERT", (struct statement){100, 10, 1, BUSY, false});
    say(fixture.server, SECOND, "INSERT", (struct statement){200, 10, 2, DONE, false});
    cr_assert(eq(str, (char *)diagnose(), "busy-zero"));
}

/* A transaction that wrote, and a call of 1 s that waits for it; `busy` when its holder works. */
static void wait_for_writer(bool busy, bool alive)
{
    connect_with(fixture.server, FIRST, 1000);
    connect_with(fixture.other, SECOND, 1000);
    say(fixture.other, SECOND, "BEGIN IMMEDIATE", (struct statement){100, 10, 9, DONE, true});
    say(fixture.server, FIRST, "INSERT", (struct statement){1000, 1000000, 1, BUSY, false});
    if (busy)
        say(fixture.other, SECOND, "UPDATE", (struct statement){5000, 10, 9, DONE, true});
    if (alive)
        say(fixture.other, SECOND, "COMMIT", (struct statement){3000000, 10, 9, DONE, false});
    /* The last record of all, or nothing would be after it. */
    say(fixture.server, FIRST, "SELECT 1", (struct statement){4000000, 10, 1, ROW, false});
}

Test(diag_sql, an_idle_transaction_is_named_by_its_begin)
{
    wait_for_writer(false, true);
    cr_assert(eq(str, (char *)diagnose(), "leaked-transaction"));
    cr_expect(eq(int, fixture.findings.items[0].event.process->pid, 701));
    cr_expect(eq(str, (char *)fixture.findings.items[0].event.text, "BEGIN IMMEDIATE"));
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    wg_finding_print(&fixture.findings.items[0], out);
    fclose(out);
    cr_expect(ne(ptr, strstr(text, "call    sqlite3_step: BEGIN IMMEDIATE\n"), NULL), "%s", text);
    free(text);
}

Test(diag_sql, a_transaction_that_works_is_not_blamed)
{
    wait_for_writer(true, true);
    cr_assert(eq(str, (char *)diagnose(), ""));
}

Test(diag_sql, the_dead_are_not_blamed)
{
    wait_for_writer(false, false);
    cr_assert(eq(str, (char *)diagnose(), ""));
}

Test(diag_sql, readers_are_not_blamed_in_wal_mode)
{
    connect_with(fixture.server, FIRST, 1000);
    connect_with(fixture.other, SECOND, 1000);
    add(fixture.other,
        (struct wg_trace_record){.type = WG_TRACE_LOCK,
                                 .time_ns = US(50),
                                 .role = WG_TRACE_ROLE_SHM,
                                 .origin = WG_TRACE_ORIGIN_SQLITE,
                                 .lock_type = WG_TRACE_LOCK_READ,
                                 .offset = WG_TRACE_SHM_LOCK_FIRST + 4},
        "");
    say(fixture.other, SECOND, "SELECT", (struct statement){100, 10, 9, ROW, false});
    say(fixture.server, FIRST, "INSERT", (struct statement){1000, 1000000, 1, BUSY, false});
    say(fixture.other, SECOND, "SELECT", (struct statement){3000000, 10, 9, DONE, false});
    cr_assert(eq(str, (char *)diagnose(), ""));
}

Test(diag_sql, a_timeout_in_a_script_counts)
{
    const char *const scripts[] = {"PRAGMA journal_mode=WAL; PRAGMA busy_timeout=1000; SELECT ?",
                                   "PRAGMA synchronous=1; PRAGMA main.busy_timeout(1000)"};
    const uint64_t connections[] = {FIRST, SECOND};
    for (size_t i = 0; i < 2; i++) {
        connect_with(fixture.server, connections[i], 0);
        say(fixture.server, connections[i], scripts[i], (struct statement){50, 10, 1, DONE, false});
        say(fixture.server, connections[i], "INSERT",
            (struct statement){100, 1000000, 1, BUSY, false});
    }
    cr_assert(eq(str, (char *)diagnose(), ""));
}

Test(diag_sql, a_script_that_was_cut_may_have_set_a_timeout)
{
    connect_with(fixture.server, FIRST, 0);
    add(fixture.server,
        (struct wg_trace_record){.type = WG_TRACE_SQL_EXEC,
                                 .call = WG_CALL_sqlite3_exec,
                                 .time_ns = US(50),
                                 .connection = FIRST,
                                 .flags = WG_TRACE_CUT},
        "CREATE TABLE t(a)");
    say(fixture.server, FIRST, "INSERT", (struct statement){100, 10, 1, BUSY, false});
    cr_assert(eq(str, (char *)diagnose(), ""));
}

/* An open transaction of which this is known, and a call that waits for another one in vain. */
static const char *wait_beside(const char *sql)
{
    connect_with(fixture.server, FIRST, 1000);
    connect_with(fixture.other, SECOND, 1000);
    say(fixture.other, SECOND, sql, (struct statement){100, 10, 9, DONE, true});
    say(fixture.server, FIRST, "BEGIN", (struct statement){1000, 1000000, 1, BUSY, false});
    say(fixture.other, SECOND, "COMMIT", (struct statement){3000000, 10, 9, DONE, false});
    say(fixture.server, FIRST, "SELECT 1", (struct statement){4000000, 10, 1, ROW, false});
    return diagnose();
}

Test(diag_sql, columns_and_functions_do_not_write)
{
    cr_assert(
        eq(str,
           (char *)wait_beside("SELECT created_at, replace(a, ?, ?) FROM t WHERE update_id = ?; "
                               "WITH x AS (SELECT replace(a, ?, ?)) SELECT deleted FROM x"),
           ""));
}

Test(diag_sql, a_write_behind_with_is_one)
{
    cr_assert(eq(str, (char *)wait_beside("SELECT 1; WITH x AS (SELECT 1) REPLACE INTO t SELECT 1"),
                 "leaked-transaction"));
}

/* SQLite's write of page 1 with a schema cookie, in a transaction that begins or goes on. */
static void write_cookie(int64_t at_us, uint32_t cookie, enum wg_trace_role role, bool begins)
{
    struct wg_trace_record lock = {.type = WG_TRACE_LOCK,
                                   .time_ns = US(at_us),
                                   .role = WG_TRACE_ROLE_SHM,
                                   .origin = WG_TRACE_ORIGIN_SQLITE,
                                   .lock_type = WG_TRACE_LOCK_WRITE,
                                   .offset = WG_TRACE_SHM_LOCK_FIRST};
    if (begins)
        add(fixture.other, lock, "");
    add(fixture.other,
        (struct wg_trace_record){.type = WG_TRACE_WRITE,
                                 .call = WG_CALL_pwrite,
                                 .time_ns = US(at_us + 1),
                                 .role = role,
                                 .origin = WG_TRACE_ORIGIN_SQLITE,
                                 .length = 4096,
                                 .ino2 = WG_TRACE_COOKIE | cookie},
        "");
}

Test(diag_sql, a_cookie_that_comes_back_misleads_who_was_idle)
{
    const struct {
        const char *label;
        struct {
            uint32_t cookie;
            enum wg_trace_role role;
            bool begins;
        } writes[3];
        int result;
        const char *id;
    } rows[] = {
        {"back", {{2, WG_TRACE_ROLE_WAL, true}, {1, WG_TRACE_ROLE_WAL, true}}, 11, "cookie-aba"},
        {"back with a journal",
         {{2, WG_TRACE_ROLE_DATABASE, true}, {1, WG_TRACE_ROLE_DATABASE, true}},
         11,
         "cookie-aba"},
        {"back and on",
         {{3, WG_TRACE_ROLE_WAL, true}, {0, WG_TRACE_ROLE_WAL, true}, {1, WG_TRACE_ROLE_WAL, true}},
         11,
         "cookie-aba"},
        {"nobody is misled",
         {{2, WG_TRACE_ROLE_WAL, true}, {1, WG_TRACE_ROLE_WAL, true}},
         DONE,
         ""},
        {"another value", {{3, WG_TRACE_ROLE_WAL, true}, {2, WG_TRACE_ROLE_WAL, true}}, 11, ""},
        {"a rollback",
         {{2, WG_TRACE_ROLE_DATABASE, true}, {1, WG_TRACE_ROLE_DATABASE, false}},
         11,
         ""},
        {"a checkpoint of older frames",
         {{2, WG_TRACE_ROLE_WAL, true}, {1, WG_TRACE_ROLE_DATABASE, true}},
         11,
         ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        connect_with(fixture.server, FIRST, 0);
        write_cookie(10, 1, rows[i].writes[0].role, true);
        say(fixture.server, FIRST, "SELECT a", (struct statement){50, 10, 1, DONE, false});
        for (int64_t j = 0; j < 3 && rows[i].writes[j].role != 0; j++)
            write_cookie(100 + 10 * j, rows[i].writes[j].cookie, rows[i].writes[j].role,
                         rows[i].writes[j].begins);
        say(fixture.server, FIRST, "SELECT b",
            (struct statement){200, 10, 1, rows[i].result, false});
        cr_expect(eq(str, (char *)diagnose(), (char *)rows[i].id), "%s", rows[i].label);
        end();
        begin();
        fixture.findings = (struct wg_findings){0};
    }
    diagnose();
}

Test(diag_sql, sqlite_inside_a_program_is_told)
{
    const char *exe = NULL;
    connect_with(fixture.server, FIRST, 0);
    add(fixture.other,
        (struct wg_trace_record){.type = WG_TRACE_OPEN,
                                 .time_ns = US(50),
                                 .fd = 3,
                                 .role = WG_TRACE_ROLE_DATABASE,
                                 .origin = WG_TRACE_ORIGIN_SQLITE_LIKELY},
        "");
    diagnose();
    cr_assert(eq(sz, wg_diag_without_sql(fixture.trace, &exe), 1));
    cr_expect(ne(ptr, (void *)exe, NULL));
}
