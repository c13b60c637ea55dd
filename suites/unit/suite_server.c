/* SPDX-License-Identifier: MIT */
/* suite_server.c - the fork server: what it leaves behind (nothing), and how it takes requests. */
#include "harness/base/json.h"
#include "suites/unit/suite_driver.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MS    5000
#define AT_ONCE    50
#define RACES      500
#define STAYING_MS 50

/* Starts a test that hangs, and waits until it is there; the pid that it printed, if any. */
static pid_t run_hanging(struct suite_driver *driver, const char *name, struct suite_run *ret_run)
{
    char text[32] = "";
    driver_run(driver, name, ret_run);
    json_t *ready = run_next_event(ret_run);
    cr_assert(strstr(wg_json_str(ready, "message", ""), "ready") != NULL);
    json_decref(ready);
    cr_assert(pread(ret_run->output_fd, text, sizeof text - 1, 0) >= 0);
    return (pid_t)strtol(text, NULL, 10);
}

static void end_hanging(struct suite_driver *driver, struct suite_run *run)
{
    driver_signal(driver, run, SIGKILL);
    driver_collect(driver, run);
}

struct left {
    char test[48];
    char name[24]; /* of the survivor */
};

/* clang-format off */
ParameterizedTestParameters(suite_server, survivor_is_named_and_killed)
{
    static struct left rows[] = {
        {"leaves/a_child_in_its_group", "suite-sample"},
        {"leaves/a_forked_daemon", "suite-sample"},
        {"leaves/an_executed_daemon", "tail"},
        {"leaves/an_unmarked_daemon", "tail"},
    };
    return cr_make_param_array(struct left, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct left *row, suite_server, survivor_is_named_and_killed)
{
    struct suite_driver driver;
    struct suite_run other, run;
    driver_start(&driver);
    run_hanging(&driver, "keeps/a_daemon_and_hangs", &other); /* its daemon is not this one's */
    driver_run(&driver, row->test, &run);
    driver_collect(&driver, &run);

    json_t *survivors = json_object_get(run.exited, "survivors");
    cr_expect(run_left(&run, row->name), "%s", row->test);
    long pid = strtol(json_string_value(json_array_get(survivors, 0)) + strlen("pid "), NULL, 10);
    cr_expect(process_ends((pid_t)pid, 0));

    end_hanging(&driver, &other);
    cr_expect(eq(sz, run_survivors(&other), 1));
    run_finish(&other);
    run_finish(&run);
    driver_finish(&driver);
}

Test(suite_server, daemon_is_found_while_it_is_being_born)
{
    struct suite_driver driver;
    struct suite_run run;
    driver_start(&driver);
    for (int i = 0; i < RACES; i++) {
        driver_run(&driver, "leaves/a_forked_daemon", &run);
        driver_collect(&driver, &run); /* sees the end of the event channel: nobody holds it */
        cr_assert(ge(sz, run_survivors(&run), 1));
        run_finish(&run);
    }
    driver_finish(&driver);
}

Test(suite_server, many_survivors_are_all_killed_and_counted_as_more)
{
    struct suite_driver driver;
    struct suite_run run;
    driver_start(&driver);
    driver_run(&driver, "leaves/more_children_than_are_named", &run);
    driver_collect(&driver, &run); /* sees the end of the event channel: nobody holds it */
    cr_expect(eq(sz, run_survivors(&run), 101));
    cr_expect(run_left(&run, "and more"));
    run_finish(&run);
    driver_finish(&driver);
}

Test(suite_server, daemon_of_a_running_test_outlives_the_end_of_another)
{
    struct suite_driver driver;
    struct suite_run holder, other;
    driver_start(&driver);
    pid_t daemon = run_hanging(&driver, "keeps/a_daemon_and_hangs", &holder);
    driver_run(&driver, "plain/passes", &other);
    driver_collect(&driver, &other);

    cr_expect(eq(sz, run_survivors(&other), 0));
    cr_expect(not(process_ends(daemon, STAYING_MS)));
    end_hanging(&driver, &holder);
    cr_expect(run_left(&holder, "tail"));
    cr_expect(process_ends(daemon, 0));
    run_finish(&holder);
    run_finish(&other);
    driver_finish(&driver);
}

Test(suite_server, kill_reaches_a_test_that_went_to_another_group)
{
    struct suite_driver driver;
    struct suite_run run;
    driver_start(&driver);
    run_hanging(&driver, "keeps/in_another_group_and_hangs", &run);
    end_hanging(&driver, &run);
    cr_expect(eq(int, run_status(&run), SIGKILL));
    cr_expect(eq(sz, run_survivors(&run), 1));
    run_finish(&run);
    driver_finish(&driver);
}

Test(suite_server, late_kill_is_ignored)
{
    struct suite_driver driver;
    struct suite_run run, next;
    driver_start(&driver);
    driver_run(&driver, "plain/passes", &run);
    driver_collect(&driver, &run);
    driver_signal(&driver, &run, SIGKILL);
    driver_run(&driver, "plain/passes", &next);
    driver_collect(&driver, &next);
    cr_expect(eq(int, run_status(&next), 0));
    run_finish(&run);
    run_finish(&next);
    driver_finish(&driver);
}

Test(suite_server, many_tests_at_once_are_kept_apart)
{
    struct suite_driver driver;
    struct suite_run runs[AT_ONCE];
    driver_start(&driver);
    for (size_t i = 0; i < AT_ONCE; i++)
        driver_run(&driver, i % 2 ? "plain/fails_new_style" : "leaves/an_executed_daemon",
                   &runs[i]);
    for (size_t i = 0; i < AT_ONCE; i++) {
        driver_collect(&driver, &runs[i]);
        cr_expect(eq(int, (int)wg_json_int(run_event(&runs[i], "done", 0), "failed", -1), i % 2));
        cr_expect(eq(sz, run_survivors(&runs[i]), 1 - i % 2));
        run_finish(&runs[i]);
    }
    driver_finish(&driver);
}

Test(suite_server, end_of_the_channel_kills_every_test_and_its_daemon)
{
    struct suite_driver driver;
    struct suite_run first, second;
    driver_start(&driver);
    pid_t daemon = run_hanging(&driver, "keeps/a_daemon_and_hangs", &first);
    run_hanging(&driver, "keeps/a_daemon_and_hangs", &second);
    close(driver.fd);
    driver.fd = -1;

    cr_expect(eq(int, driver_wait(&driver), 0));
    cr_expect(process_ends(first.pid, 0));
    cr_expect(process_ends(second.pid, 0));
    cr_expect(process_ends(daemon, 0));
    run_finish(&first);
    run_finish(&second);
    driver_finish(&driver);
}

Test(suite_server, quit_ends_it_with_0)
{
    struct suite_driver driver;
    struct suite_run run;
    driver_start(&driver);
    pid_t daemon = run_hanging(&driver, "keeps/a_daemon_and_hangs", &run);
    driver_send(&driver, json_pack("{s:s}", "op", "quit"));
    cr_expect(eq(int, driver_wait(&driver), 0));
    cr_expect(process_ends(daemon, 0));
    run_finish(&run);
    driver_finish(&driver);
}

Test(suite_server, test_does_not_outlive_a_killed_server)
{
    struct suite_driver driver;
    struct suite_run run;
    driver_start(&driver);
    driver_run(&driver, "ends/hangs", &run);
    kill(wg_process_pid(driver.process), SIGKILL);
    cr_expect(process_ends(run.pid, SOON_MS));
    run_finish(&run);
    driver_finish(&driver);
}

struct nonsense {
    char request[48];
    char answer[48];
};

/* clang-format off */
ParameterizedTestParameters(suite_server, request_that_makes_no_sense_is_an_error_and_exit_3)
{
    static struct nonsense rows[] = {
        {"{\"op\":\"dance\"}", "an unknown request"},
        {"{\"op\":\"run\",\"run\":1,\"id\":0}", "without its two descriptors"},
        {"{\"op\":\"run\",\"run\":1,\"id\":99999}", "without a known test"},
        {"{\"op\":\"run\",\"run\":1}", "without a known test"},
    };
    return cr_make_param_array(struct nonsense, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct nonsense *row, suite_server,
                  request_that_makes_no_sense_is_an_error_and_exit_3)
{
    struct suite_driver driver;
    driver_start(&driver);
    driver_send(&driver, json_loads(row->request, 0, NULL));
    json_t *answer = driver_receive(&driver);

    cr_expect(eq(str, (char *)wg_json_str(answer, "op", ""), "error"));
    cr_expect(strstr(wg_json_str(answer, "message", ""), row->answer) != NULL, "%s",
              wg_json_str(answer, "message", ""));
    cr_expect(eq(int, driver_wait(&driver), 3 << 8));
    json_decref(answer);
    driver_finish(&driver);
}
