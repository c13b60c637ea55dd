/* SPDX-License-Identifier: MIT */
/* run_outcomes.c - every way in which a test can end is told from every other. */
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "suites/unit/run_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

struct expectation {
    char test[48];
    char outcome[16];
    char text[64]; /* in its reason, its output or its first message */
};

/* clang-format off */
ParameterizedTestParameters(run_outcomes, test_is_told_by_how_it_ended)
{
    static struct expectation rows[] = {
        {"plain/passes", "passed", ""},
        {"plain/fails_new_style", "failed", "the sum of 7"},
        {"plain/fails_new_style", "failed", "actual: 3"},
        {"plain/fails_old_style", "failed", "old words"},
        {"plain/fails_twice_and_goes_on", "failed", "still here"},
        {"plain/skips", "skipped", "not on Sundays"},
        {"plain/is_disabled", "skipped", "disabled"},
        {"ends/crashes", "crashed", "signal 11"},
        {"ends/dies_as_expected", "passed", ""},
        {"ends/should_have_died", "failed", "should have died from signal 6"},
        {"ends/calls_exit_0", "exited", "before it reached its end"},
        {"ends/calls_exit_3", "exited", "exit 3"},
        {"ends/exits_as_expected", "passed", ""},
        {"ends/hangs", "timeout", "still ran after 300 ms"},
        {"ends/hangs", "timeout", "about to hang"},
        {"ends/hangs_and_ignores_term", "timeout", "still ran after 300 ms"},
        {"leaves/a_child_in_its_group", "leaked", "suite-sample"},
        {"leaves/a_forked_daemon", "leaked", "suite-sample"},
        {"leaves/an_executed_daemon", "leaked", "tail"},
        {"output/is_cut_off_by_the_test", "passed", ""},
        {"fixture/fails_in_init", "failed", "fini was reached"},
        {"fixture/fails_in_init", "failed", "in the fixture"},
        {"fixture/fails_in_fini", "failed", "in the fixture"},
        {"fixture/fails_in_a_thread", "failed", "in a thread"},
        {"table/rows[0:one]", "passed", ""},
        {"table/rows[1:two]", "failed", "ne(int, row->value, 2)"},
        {"table/rows[2]", "passed", ""},
    };
    return cr_make_param_array(struct expectation, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct expectation *row, run_outcomes, test_is_told_by_how_it_ended)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.select = (const char *const[]){row->test, NULL}}, &model);

    cr_expect(eq(str, (char *)run_outcome(&model, row->test), row->outcome));
    bool told = strstr(run_reason(&model, row->test), row->text) ||
                strstr(run_output(&model, row->test), row->text) ||
                strstr(run_message(&model, row->test), row->text);
    cr_expect(told == true, "'%s' in reason '%s', output '%s' or message '%s'", row->text,
              run_reason(&model, row->test), run_output(&model, row->test),
              run_message(&model, row->test));
    wg_model_finish(&model);
}

Test(run_outcomes, test_is_not_reached_after_its_init_failed)
{
    struct wg_model model;
    const char *test = "fixture/fails_in_init";
    run_sample(&(struct run_setup){.select = (const char *const[]){test, NULL}}, &model);

    const char *found = strstr(run_output(&model, test), "the test was reached");
    cr_expect(found == NULL);
    wg_model_finish(&model);
}

Test(run_outcomes, output_is_kept_up_to_the_limit)
{
    struct wg_model model;
    const char *test = "output/is_longer_than_the_limit";
    run_sample(&(struct run_setup){.select = (const char *const[]){test, NULL}}, &model);

    cr_expect(eq(str, (char *)run_outcome(&model, test), "passed"));
    cr_expect(eq(sz, strlen(run_output(&model, test)), WG_LIMIT_TEST_OUTPUT));
    cr_expect(wg_json_bool(run_finished(&model, test), "output_cut", false) == true);
    wg_model_finish(&model);
}

Test(run_outcomes, stacks_of_a_hanging_test_are_recorded)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.select = (const char *const[]){"ends/hangs", NULL}}, &model);

    const char *stacks = wg_json_str(run_finished(&model, "ends/hangs"), "stacks", "");
    cr_expect(ge(sz, strlen(stacks), 1));
    wg_model_finish(&model);
}

Test(run_outcomes, stacks_of_the_server_are_recorded_beside_those_of_the_test)
{
    struct wg_model model;
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    struct run_setup setup = {.select = (const char *const[]){"ends/hangs", NULL}};
    char *argv[] = {"/bin/sh", "-c", "sleep 1000 & wait", NULL};
    options.argv = argv;
    cr_assert(eq(int, wg_process_start(&options, &setup.server, NULL), 0));
    run_sample(&setup, &model);

    const json_t *finished = run_finished(&model, "ends/hangs");
    const char *stacks = wg_json_str(finished, "server_stacks", "");
    cr_expect(strstr(stacks, "sh\n") != NULL, "the server itself: %s", stacks);
    cr_expect(strstr(stacks, "sleep\n") != NULL, "the process that it started: %s", stacks);
    cr_expect(strstr(stacks, "#0 ") != NULL || strstr(stacks, "waits in") != NULL, "%s", stacks);
    cr_expect(strstr(wg_json_str(finished, "stacks", ""), "sleep") == NULL);
    wg_model_finish(&model);
    wg_process_destroy(setup.server);
}

Test(run_outcomes, log_of_the_server_is_cut_by_the_time_of_each_test)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.select = (const char *const[]){"logs", NULL}}, &model);

    const json_t *first = run_finished(&model, "logs/a_passes");
    const json_t *range = json_object_get(first, "log");
    cr_assert(eq(sz, json_array_size(range), 2));
    cr_expect(eq(long,
                 (long)(json_integer_value(json_array_get(range, 1)) -
                        json_integer_value(json_array_get(range, 0))),
                 (long)strlen("of the first\n")));
    cr_expect(json_object_get(first, "server_log") == NULL);
    cr_expect(eq(str, (char *)wg_json_str(run_finished(&model, "logs/b_fails"), "server_log", ""),
                 "of the second\n{\"test\":\"logs/b_fails\",\"n\":1}\n"));
    const char *last =
        wg_json_str(run_finished(&model, "logs/c_fails_and_floods"), "server_log", "");
    cr_expect(wg_str_starts(last, "… "), "%.80s", last);
    cr_expect(strstr(last, "\nthe end") != NULL);
    cr_expect(le(sz, strlen(last), WG_LIMIT_SERVER_LOG_CUT + 64));
    wg_model_finish(&model);
}

Test(run_outcomes, test_that_kills_the_fork_server_fails_and_others_still_run)
{
    struct wg_model model;
    const char *const select[] = {"violent/kills_its_parent", "plain/passes", NULL};
    run_sample(&(struct run_setup){.select = select, .workers = 1}, &model);

    cr_expect(eq(str, (char *)run_outcome(&model, "violent/kills_its_parent"), "crashed"));
    cr_expect(eq(str, (char *)run_outcome(&model, "plain/passes"), "passed"));
    wg_model_finish(&model);
}

Test(run_outcomes, databases_of_a_failed_test_are_inspected_before_the_reset)
{
    struct wg_model model;
    const char *const select[] = {"plain/*", "output/*", NULL};
    run_sample(&(struct run_setup){.select = select}, &model);

    for (size_t i = 0; i < model.finished.count; i++) {
        const json_t *finished = model.finished.items[i];
        const char *test = wg_json_str(finished, "test", ""),
                   *outcome = wg_json_str(finished, "outcome", "");
        bool failed = strcmp(outcome, "passed") != 0 && strcmp(outcome, "skipped") != 0 &&
                      strcmp(outcome, "not-run") != 0;
        const char *inspected = wg_json_str(finished, "inspected", "");
        cr_expect(eq(str, (char *)inspected, (char *)(failed ? test : "")), "%s %s", test, outcome);
        cr_expect(eq(long, wg_json_int(finished, "number", -1),
                     failed ? wg_json_int(finished, "attempt", 0) : -1));
    }
    wg_model_finish(&model);
}
