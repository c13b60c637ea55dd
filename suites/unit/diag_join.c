/* SPDX-License-Identifier: MIT */
/* diag_join.c - a finding is joined with its moment in the run and with what was seen later. */
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/diag/detector.h"
#include "harness/diag/effect.h"
#include "harness/sys/tree.h"
#include "harness/trace/write.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER   700
#define OTHER    701
#define DATABASE "/srv/unit-1/metadata.db"
#define MS(n)    ((n)*WG_NS_PER_MS)

/* What a test works with; of the process that runs it. */
static struct {
    char directory[64];
    struct wg_trace_writer *server, *other;
    struct wg_run_log run;
    struct wg_trace *trace;
    struct wg_findings findings;
} fixture;

static void begin(void)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace_writer_options options = {.pid = SERVER, .ppid = 1, .command = "server"};
    snprintf(fixture.directory, sizeof fixture.directory, "/tmp/walgrind-unit-join-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(fixture.directory), NULL));
    cr_assert(
        zero(int, wg_trace_writer_create(fixture.directory, &options, &fixture.server, &err)));
    options = (struct wg_trace_writer_options){.pid = OTHER, .ppid = 1, .command = "count"};
    cr_assert(zero(int, wg_trace_writer_create(fixture.directory, &options, &fixture.other, &err)));
}

static void end(void)
{
    wg_findings_finish(&fixture.findings);
    wg_run_log_finish(&fixture.run);
    wg_trace_destroy(fixture.trace);
    wg_tree_remove(fixture.directory, NULL);
}

TestSuite(diag_join, .init = begin, .fini = end, .timeout = 20);

static void call(struct wg_trace_writer *writer, struct wg_trace_record record, const char *path)
{
    record.dev = 1;
    wg_trace_writer_add(writer, &(struct wg_trace_event_spec){
                                    .record = record, .path = path, .database = DATABASE});
}

/* SQLite opens the database and other code closes it: the locks are gone at `ns`. */
static void drop_locks(int64_t ns)
{
    struct wg_trace_record record = {.type = WG_TRACE_OPEN,
                                     .time_ns = ns - 5,
                                     .fd = 3,
                                     .ino = 10,
                                     .role = WG_TRACE_ROLE_DATABASE,
                                     .origin = WG_TRACE_ORIGIN_SQLITE,
                                     .opener = WG_TRACE_ORIGIN_SQLITE};
    call(fixture.server, record, DATABASE);
    record.type = WG_TRACE_CLOSE;
    record.time_ns = ns;
    record.origin = record.opener = WG_TRACE_ORIGIN_OTHER;
    record.held = WG_TRACE_HELD_SHARED;
    record.open_count = 2;
    call(fixture.server, record, DATABASE);
}

static void fail_with(struct wg_trace_writer *writer, int64_t ns, int code)
{
    call(
        writer,
        (struct wg_trace_record){.type = WG_TRACE_SQL_STEP, .time_ns = ns, .fd = -1, .error = code},
        "");
}

static void emit(enum wg_event_kind kind, int64_t at_ns, json_t *event)
{
    json_object_set_new(event, "at_ns", json_integer(at_ns));
    wg_run_log_apply(&fixture.run, kind, event);
    json_decref(event);
}

static void start_unit(void)
{
    emit(WG_EVENT_RUN_STARTED, 0, json_pack("{s:i}", "mono_ns", 0));
    emit(WG_EVENT_UNIT_STARTED, 1,
         json_pack("{s:i, s:s, s:s, s:i}", "unit", 1, "mode", "none", "data", "/srv/unit-1",
                   "server_pid", SERVER));
}

static void run_test(int attempt, const char *test, int64_t from_ns, int64_t to_ns)
{
    emit(WG_EVENT_TEST_STARTED, from_ns,
         json_pack("{s:i, s:i, s:s, s:i}", "attempt", attempt, "unit", 1, "test", test, "pid",
                   900 + attempt));
    emit(WG_EVENT_TEST_FINISHED, to_ns, json_pack("{s:i, s:s}", "attempt", attempt, "test", test));
}

static void ask(int attempt, int status, int64_t from_ns, int64_t to_ns)
{
    emit(WG_EVENT_REQUEST, to_ns,
         json_pack("{s:i, s:s, s:s, s:i, s:f}", "attempt", attempt, "method", "GET", "path", "/x",
                   "status", status, "ms", (double)(to_ns - from_ns) / (double)WG_NS_PER_MS));
}

/* The one finding of the trace, joined. */
static const struct wg_finding *join(void)
{
    struct wg_err err = WG_ERR_INIT;
    wg_trace_writer_destroy(fixture.server);
    wg_trace_writer_destroy(fixture.other);
    cr_assert(zero(int, wg_trace_open(fixture.directory, &fixture.trace, &err)), "%s", err.message);
    wg_diag_run(fixture.trace, &fixture.findings);
    cr_assert(eq(sz, fixture.findings.count, 1));
    wg_diag_join(fixture.trace, fixture.run.unit_count ? &fixture.run : NULL, &fixture.findings);
    return &fixture.findings.items[0];
}

Test(diag_join, an_error_that_the_mechanism_makes_is_explained_and_another_only_later)
{
    drop_locks(MS(10));
    fail_with(fixture.server, MS(20), 1);
    fail_with(fixture.server, MS(30), 522);
    fail_with(fixture.server, MS(31), 522);
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->effect_count, 2));
    cr_expect(not(finding->effects[0].explained));
    cr_expect(eq(int, finding->effects[0].code, 1));
    cr_expect(eq(int, finding->effects[1].explained, true));
    cr_expect(eq(int, finding->effects[1].code, 522));
    cr_expect(eq(sz, finding->effects[1].count, 2));
    cr_expect(eq(i64, finding->effects[1].first_ns, MS(30)));
}

/* The probe tells of a mapping once a descriptor, and a process may open one more. */
Test(diag_join, a_stale_mapping_is_one_finding_and_explains_malformed)
{
    struct wg_trace_record record = {.type = WG_TRACE_STALE_MAP,
                                     .call = WG_CALL_fcntl,
                                     .time_ns = MS(10),
                                     .ino = 10,
                                     .role = WG_TRACE_ROLE_DATABASE,
                                     .origin = WG_TRACE_ORIGIN_SQLITE,
                                     .opener = WG_TRACE_ORIGIN_SQLITE,
                                     .held = WG_TRACE_HELD_SHARED};
    call(fixture.server, record, DATABASE);
    record.time_ns = MS(11);
    record.caller = 77;
    call(fixture.server, record, DATABASE);
    fail_with(fixture.server, MS(20), 11);
    const struct wg_finding *finding = join();
    cr_assert(eq(str, (char *)finding->detector->id, "overlay-copy-up"));
    cr_expect(eq(sz, finding->times, 2));
    cr_expect(eq(int, wg_finding_is_error(finding), true));
    cr_assert(eq(sz, finding->effect_count, 1));
    cr_expect(eq(int, finding->effects[0].explained, true));
}

Test(diag_join, what_was_before_or_on_another_database_is_no_effect)
{
    fail_with(fixture.server, MS(5), 522);
    drop_locks(MS(10));
    wg_trace_writer_add(
        fixture.server,
        &(struct wg_trace_event_spec){
            .record = {.type = WG_TRACE_SQL_STEP, .time_ns = MS(20), .fd = -1, .error = 522},
            .database = "/srv/unit-1/users.db"});
    cr_expect(zero(sz, join()->effect_count));
}

Test(diag_join, effects_name_the_processes_in_which_they_were_seen)
{
    drop_locks(MS(10));
    fail_with(fixture.server, MS(20), 522);
    fail_with(fixture.other, MS(21), 522);
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->effect_count, 1));
    cr_assert(eq(sz, finding->effects[0].pid_count, 2));
    cr_expect(eq(int, finding->effects[0].pids[0], SERVER));
    cr_expect(eq(int, finding->effects[0].pids[1], OTHER));
}

Test(diag_join, the_moment_is_the_test_with_a_request_under_way)
{
    drop_locks(MS(10));
    start_unit();
    run_test(1, "a/idle", MS(1), MS(40));
    run_test(2, "b/asks", MS(1), MS(40));
    ask(2, 200, MS(9), MS(12));
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->moment.tests.count, 1));
    cr_expect(eq(str, finding->moment.tests.items[0], "b/asks"));
    cr_expect(eq(str, finding->moment.requests.items[0], "GET /x"));
    cr_expect(eq(str, finding->moment.who, "the server of unit 1 (none)"));
}

Test(diag_join, an_error_is_of_the_test_whose_request_failed)
{
    drop_locks(MS(10));
    fail_with(fixture.server, MS(30), 522);
    start_unit();
    run_test(1, "a/fine", MS(20), MS(40));
    run_test(2, "b/fails", MS(20), MS(40));
    ask(1, 200, MS(29), MS(31));
    ask(2, 500, MS(29), MS(31));
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->effects[0].tests.count, 1));
    cr_expect(eq(str, finding->effects[0].tests.items[0], "b/fails"));
}

static void log_error(int64_t read_ns, const char *test)
{
    emit(WG_EVENT_EVIDENCE, read_ns,
         json_pack("{s:i, s:s, s:s, s:s}", "unit", 1, "class", "io", "message",
                   "sqlite3.OperationalError: disk I/O error", "test", test));
}

Test(diag_join, a_line_of_the_log_is_the_error_that_a_call_returned)
{
    drop_locks(MS(10));
    fail_with(fixture.server, MS(30), 522);
    start_unit();
    run_test(1, "a/fails", MS(20), MS(40));
    log_error(MS(41), "a/fails");
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->effect_count, 1));
    cr_expect(eq(sz, finding->effects[0].count, 1));
    cr_expect(eq(int, finding->effects[0].exact, true));
}

Test(diag_join, a_line_of_the_log_alone_counts_when_its_test_began_later)
{
    drop_locks(MS(10));
    start_unit();
    run_test(1, "a/during", MS(5), MS(15));
    log_error(MS(16), "a/during");
    run_test(2, "b/after", MS(20), MS(40));
    log_error(MS(41), "b/after");
    const struct wg_finding *finding = join();
    cr_assert(eq(sz, finding->effect_count, 1));
    cr_expect(eq(sz, finding->effects[0].count, 1));
    cr_expect(not(finding->effects[0].exact));
    cr_expect(eq(str, finding->effects[0].tests.items[0], "b/after"));
}

Test(diag_join, symptoms_are_of_detectors_that_exist)
{
    size_t rows = 0;
    for (size_t i = 0; i < wg_detector_count; i++) {
        const struct wg_symptom *symptom = wg_detector_symptom(&wg_detectors[i]);
        rows += symptom != NULL;
        if (symptom && symptom->leads_to)
            cr_expect(ne(ptr, (void *)wg_detector_find(symptom->leads_to), NULL), "%s",
                      symptom->leads_to);
    }
    cr_expect(eq(sz, rows, wg_symptom_count), "a row of symptom.c names no detector");
}
