/* SPDX-License-Identifier: MIT */
/* report_model.c - the verdict is what the events say, and never more. */
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/report/failure.h"
#include "harness/report/model.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START "{\"event\":\"run-started\",\"version\":1,\"wall\":\"2026-01-31T00:00:00.000000Z\"}\n"
#define ROUND "{\"event\":\"round-started\",\"mode\":\"suite\",\"round\":1,\"tests\":1}\n"
#define ENDED(mode, outcome)                                                                       \
    "{\"event\":\"test-finished\",\"mode\":\"" mode                                                \
    "\",\"round\":1,\"test\":\"a/b\",\"outcome\":\"" outcome "\"}\n"
#define ROUND_END "{\"event\":\"round-finished\",\"mode\":\"suite\",\"round\":1,\"ms\":5.0}\n"
#define FINISH    "{\"event\":\"run-finished\",\"ms\":9.0}\n"

struct record {
    char label[48];
    char events[1024];
    char verdict[12];
    int exit_code;
};

/* clang-format off */
ParameterizedTestParameters(model, record_has_its_verdict)
{
    static struct record rows[] = {
        {"whole and passed", START ROUND ENDED("suite", "passed") ROUND_END FINISH, "PASS", 0},
        {"cut before its end", START ROUND ENDED("suite", "passed") ROUND_END, "INCOMPLETE", 3},
        {"nothing ran", START ROUND ROUND_END FINISH, "INCOMPLETE", 3},
        {"a failed test", START ROUND ENDED("suite", "failed") ROUND_END FINISH, "FAIL", 1},
        {"a test that never ran", START ROUND ENDED("suite", "not-run") ROUND_END FINISH, "FAIL", 1},
        {"a skipped test", START ROUND ENDED("suite", "skipped") ROUND_END FINISH, "PASS", 0},
        {"a finding of the probe", START ROUND ENDED("suite", "passed")
            "{\"event\":\"finding\",\"fails\":true}\n" ROUND_END FINISH, "FAIL", 1},
        {"a warning of the probe", START ROUND ENDED("suite", "passed")
            "{\"event\":\"finding\",\"fails\":false}\n" ROUND_END FINISH, "PASS", 0},
        {"an I/O error beside passing tests", START ROUND ENDED("suite", "passed")
            "{\"event\":\"evidence\",\"class\":\"io\"}\n" ROUND_END FINISH, "FAIL", 1},
        {"contention only", START ROUND ENDED("suite", "passed")
            "{\"event\":\"evidence\",\"class\":\"busy\"}\n" ROUND_END FINISH, "PASS", 0},
        {"a bad database", START ROUND ENDED("suite", "passed")
            "{\"event\":\"verified\",\"ok\":false}\n" ROUND_END FINISH, "FAIL", 1},
        {"a server that died", START ROUND ENDED("suite", "passed")
            "{\"event\":\"server-died\"}\n" ROUND_END FINISH, "FAIL", 1},
        {"interrupted", START ROUND ENDED("suite", "passed")
            "{\"event\":\"interrupted\"}\n" ROUND_END FINISH, "INCOMPLETE", 3},
        {"an error of the harness", START ROUND ENDED("suite", "passed")
            "{\"event\":\"internal-error\"}\n" ROUND_END FINISH, "ERROR", 3},
        {"an unknown kind of event", START "{\"event\":\"new-kind\"}\n" ROUND ENDED("suite", "passed")
            ROUND_END FINISH, "PASS", 0},
        {"a last line that was cut", START ROUND ENDED("suite", "passed") ROUND_END FINISH "{\"ev",
            "PASS", 0},
    };
    return cr_make_param_array(struct record, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

/* Reads the text as an events.jsonl. */
static int read_record(struct wg_model *model, const char *events, struct wg_err *err)
{
    char directory[] = "/tmp/walgrind-unit-model-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL);
    char *path = wg_format("%s/events.jsonl", directory);
    FILE *file = fopen(path, "we");
    fputs(events, file);
    fclose(file);
    wg_model_init(model);
    int rc = wg_model_read(model, path, err);
    wg_tree_remove(directory, NULL);
    free(path);
    return rc;
}

ParameterizedTest(struct record *row, model, record_has_its_verdict)
{
    struct wg_model model;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, read_record(&model, row->events, &err), 0), "%s", err.message);
    enum wg_verdict verdict = wg_model_verdict(&model);
    cr_expect(eq(str, (char *)wg_verdict_name(verdict), row->verdict), "%s", row->label);
    cr_expect(eq(int, wg_verdict_exit_code(verdict), row->exit_code), "%s", row->label);
    wg_model_finish(&model);
}

Test(model, line_that_is_no_event_is_an_error_with_its_number)
{
    struct wg_model model;
    struct wg_err err = WG_ERR_INIT;
    cr_expect(eq(int, read_record(&model, START "garbage\n" FINISH, &err), -1));
    const char *place = strstr(err.message, "events.jsonl:2:");
    cr_expect(place != NULL, "%s", err.message);
    wg_model_finish(&model);
}

Test(model, record_of_a_newer_version_is_refused)
{
    struct wg_model model;
    struct wg_err err = WG_ERR_INIT;
    cr_expect(
        eq(int, read_record(&model, "{\"event\":\"run-started\",\"version\":99}\n", &err), -1));
    wg_model_finish(&model);
}

Test(model, failure_in_the_swarm_only_depends_on_concurrency)
{
    struct wg_model model;
    cr_assert(eq(
        int, read_record(&model, START ENDED("suite", "passed") ENDED("none", "failed"), NULL), 0));
    cr_expect(wg_model_is_concurrency_dependent(&model, model.finished.items[1]) == true);
    wg_model_finish(&model);
    cr_assert(eq(
        int, read_record(&model, START ENDED("suite", "failed") ENDED("none", "failed"), NULL), 0));
    cr_expect(wg_model_is_concurrency_dependent(&model, model.finished.items[1]) == false);
    wg_model_finish(&model);
}

Test(model, bound_of_zero_failures_is_that_of_the_tables)
{
    cr_expect(epsilon_eq(dbl, wg_zero_failures_bound(1), 0.95, 1e-9));
    cr_expect(lt(dbl, wg_zero_failures_bound(59), 0.05));
    cr_expect(lt(dbl, 0.05, wg_zero_failures_bound(58)));
    cr_expect(lt(dbl, wg_zero_failures_bound(299), 0.01));
}

/* A report of many failures need not be many times the same list. */
Test(model, failed_test_names_the_findings_that_are_nearest)
{
    struct wg_model model;
    struct wg_buf text;
    wg_model_init(&model);
    wg_buf_init(&text, 4096);
    for (int i = 1; i <= 100; i++) {
        json_t *finding =
            json_pack("{s:i, s:b, s:I, s:s, s:s}", "unit", 1, "fails", i % 2, "happened_ns",
                      (json_int_t)i * 1000000, "id", "x", "title", "t");
        wg_model_apply(&model, WG_EVENT_FINDING, finding);
        json_decref(finding);
    }
    json_t *test =
        json_pack("{s:i, s:I, s:f}", "unit", 1, "at_ns", (json_int_t)60400000, "ms", 2.0);
    wg_failure_findings(&model, test, &text);
    cr_expect(eq(str, text.data,
                 "finding 51, 0.009 s before its end, before it began: x: t\n"
                 "finding 53, 0.007 s before its end, before it began: x: t\n"
                 "finding 55, 0.005 s before its end, before it began: x: t\n"
                 "finding 57, 0.003 s before its end, before it began: x: t\n"
                 "finding 59, 0.001 s before its end, while it ran: x: t\n"
                 "and 55 more findings before its end\n"));
    json_decref(test);
    wg_buf_finish(&text);
    wg_model_finish(&model);
}

/* Reports that list findings must have the one that failed the run. */
Test(model, warnings_leave_room_for_a_finding_that_fails_the_run)
{
    struct wg_model model;
    wg_model_init(&model);
    for (int i = 0; i <= 2 * WG_LIMIT_EVIDENCE; i++) {
        json_t *event = json_pack("{s:b}", "fails", i == 2 * WG_LIMIT_EVIDENCE);
        wg_model_apply(&model, WG_EVENT_FINDING, event);
        json_decref(event);
    }
    cr_expect(eq(long, model.finding_count, 2 * WG_LIMIT_EVIDENCE + 1));
    cr_assert(ge(sz, model.findings.count, 2));
    cr_expect(wg_json_bool(model.findings.items[model.findings.count - 1], "fails", false));
    wg_model_finish(&model);
}
