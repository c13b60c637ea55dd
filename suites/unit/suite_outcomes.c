/* SPDX-License-Identifier: MIT */
/* suite_outcomes.c - what the fork server says of a test, by the way in which it ended. */
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "suites/unit/suite_driver.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)
#define NOT_DONE       (-1)

struct ending {
    char test[48];
    int status; /* of waitpid(2) */
    int failed; /* of "done"; NOT_DONE: there is none */
    char kind[8];
    char text[48]; /* of the first event of that kind */
};

/* clang-format off */
ParameterizedTestParameters(suite_outcomes, ending_is_told)
{
    static struct ending rows[] = {
        {"plain/passes", EXITED(0), 0, "", ""},
        {"plain/fails_new_style", EXITED(0), 1, "assert", "eq(int, 3, 4)"},
        {"plain/fails_new_style", EXITED(0), 1, "assert", "the sum of 7"},
        {"plain/fails_old_style", EXITED(0), 1, "assert", "old words"},
        {"plain/fails_twice_and_goes_on", EXITED(0), 2, "assert", "actual: \"left\""},
        {"plain/skips", EXITED(0), 0, "skip", "not on Sundays"},
        {"ends/crashes", KILLED(SIGSEGV), NOT_DONE, "", ""},
        {"ends/dies_as_expected", KILLED(SIGABRT), NOT_DONE, "", ""},
        {"ends/should_have_died", EXITED(0), 0, "", ""},
        {"ends/calls_exit_0", EXITED(0), NOT_DONE, "", ""},
        {"ends/calls_exit_3", EXITED(3), NOT_DONE, "", ""},
        {"output/is_cut_off_by_the_test", EXITED(0), 0, "", ""},
        {"fixture/fails_in_init", EXITED(0), 1, "assert", "in the fixture"},
        {"fixture/fails_in_fini", EXITED(0), 1, "assert", "in the fixture"},
        {"fixture/fails_in_a_thread", EXITED(0), 1, "assert", "in a thread"},
        {"table/rows[1:two]", EXITED(0), 1, "assert", "ne(int, row->value, 2)"},
        {"table/rows[2]", EXITED(0), 0, "", ""},
        {"forks/child_fails", EXITED(0), 0, "assert", "in the child"},
        {"forks/child_reaches_the_end", EXITED(7), NOT_DONE, "", ""},
        {"sees/nothing_on_stdin", EXITED(0), 0, "", ""},
        {"sees/no_blocked_signal", EXITED(0), 0, "", ""},
        {"says/bytes_that_are_no_text", EXITED(0), 1, "assert", "a\xef\xbf\xbd\"\\b"},
        {"says/an_event_of_its_own", EXITED(0), 0, "log", "hello"},
        {"order/skips_in_init", EXITED(0), 0, "skip", "in init"},
        {"needs/a_redirection", EXITED(0), 1, "assert", "cr_redirect_stdout() needs Criterion's own"},
        {"needs/a_theory", EXITED(0), 1, "assert", "Theory() needs Criterion's own"},
    };
    return cr_make_param_array(struct ending, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

static void run_test(struct suite_driver *driver, const char *name, struct suite_run *ret_run)
{
    driver_start(driver);
    driver_run(driver, name, ret_run);
    driver_collect(driver, ret_run);
}

static void finish(struct suite_driver *driver, struct suite_run *run)
{
    run_finish(run);
    driver_finish(driver);
}

ParameterizedTest(struct ending *row, suite_outcomes, ending_is_told)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, row->test, &run);

    const json_t *done = run_event(&run, "done", 0);
    cr_expect(eq(int, run_status(&run), row->status), "%s", row->test);
    cr_expect(eq(int, (int)wg_json_int(done, "failed", NOT_DONE), row->failed), "%s", row->test);
    cr_expect(run_event(&run, "done", 1) == NULL, "%s said done twice", row->test);
    if (row->kind[0])
        cr_expect(strstr(run_text(&run, row->kind, 0), row->text) != NULL, "'%s' in '%s'",
                  row->text, run_text(&run, row->kind, 0));
    else
        cr_expect(run_event(&run, "assert", 0) == NULL && run_event(&run, "skip", 0) == NULL);
    cr_expect(eq(sz, run_survivors(&run), 0));
    finish(&driver, &run);
}

struct words {
    char test[48];
    char output[96];
};

/* clang-format off */
ParameterizedTestParameters(suite_outcomes, output_is_exactly)
{
    static struct words rows[] = {
        {"plain/passes", ""},
        {"plain/fails_twice_and_goes_on", "still here\n"},
        {"forks/child_fails", "fini\n"},
        {"forks/child_reaches_the_end", ""},
        {"fixture/fails_in_init", "fini was reached\n"},
        {"sees/its_name", "sees/its_name\n"},
        {"sees/its_environment", "from the runner\n"},
        {"sees/its_descriptors", "closing socket\n"},
        {"sees/output_before_a_crash", "last words\n"},
        {"order/passes", "suite init\ninit\nmain\nfini\nsuite fini\n"},
        {"order/fails", "suite init\ninit\nfini\nsuite fini\n"},
        {"order/skips_in_init", "suite init\nfini\nsuite fini\n"},
    };
    return cr_make_param_array(struct words, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct words *row, suite_outcomes, output_is_exactly)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, row->test, &run);
    cr_expect(eq(str, run.output, row->output), "%s", row->test);
    finish(&driver, &run);
}

Test(suite_outcomes, output_of_two_megabytes_arrives_whole)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, "output/is_longer_than_the_limit", &run);
    cr_expect(eq(sz, strlen(run.output), 2u << 20));
    finish(&driver, &run);
}

Test(suite_outcomes, assertion_names_its_file_and_line)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, "plain/fails_new_style", &run);
    const json_t *event = run_event(&run, "assert", 0);
    cr_expect(strstr(wg_json_str(event, "file", ""), "suite_sample.c") != NULL);
    int declared = (int)wg_json_int(driver_test(&driver, "plain/fails_new_style"), "line", 0);
    cr_expect(lt(int, declared, (int)wg_json_int(event, "line", 0)));
    finish(&driver, &run);
}

Test(suite_outcomes, every_part_of_a_comparison_is_told)
{
    static const char *const texts[] = {
        "all of 3\neq(int, 1, 2)\n    actual: 1\n    expected: 2\nlt(int, 3, 1)\n    actual: 3",
        "eq(int[2], left, right) [1]\n    actual: 2\n    expected: 3",
        "    actual:\n        \"one\\n\"\n        \"two\"\n    expected:\n        \"one\\n\"\n        \"2\"",
        "eq(int, 1, 1)",
        "with cr_fail",
        "with cr_fatal",
    };
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, "says/all_that_differs", &run);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect(strstr(run_text(&run, "assert", i), texts[i]) != NULL, "'%s' in '%s'", texts[i],
                  run_text(&run, "assert", i));
    cr_expect(run_event(&run, "assert", sizeof texts / sizeof *texts) == NULL);
    finish(&driver, &run);
}

Test(suite_outcomes, message_larger_than_a_packet_is_cut_and_says_so)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, "says/more_than_a_packet_holds", &run);
    const char *text = run_text(&run, "assert", 0);
    cr_expect(ge(sz, strlen(text), WG_LIMIT_PACKET / 16 + 1));
    cr_expect(strstr(text, "(cut)") != NULL);
    cr_expect(strstr(run_text(&run, "assert", 1), "the next") != NULL);
    finish(&driver, &run);
}

Test(suite_outcomes, use_of_processor_and_memory_is_told)
{
    struct suite_driver driver;
    struct suite_run run;
    run_test(&driver, "output/is_longer_than_the_limit", &run);
    int64_t cpu_us =
        wg_json_int(run.exited, "user_us", 0) + wg_json_int(run.exited, "system_us", 0);
    cr_expect(ge(i64, cpu_us, 1));
    cr_expect(ge(int, (int)wg_json_int(run.exited, "max_rss_kib", 0), 501));
    finish(&driver, &run);
}
