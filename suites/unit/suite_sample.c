/* SPDX-License-Identifier: MIT */
/*
 * suite_sample.c - a suite binary whose tests end in every way in which a test can end.
 *
 * The area "run" has it run by the runner and looks at what is said of each. Names say what the
 * test does, not what must hold.
 */
#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

Test(plain, passes)
{
    cr_assert(eq(int, 1, 1));
}

Test(plain, fails_new_style)
{
    cr_assert(eq(int, 3, 4), "the sum of %d", 7);
}

Test(plain, fails_old_style)
{
    cr_assert_eq(1, 2, "old %s", "words");
}

Test(plain, fails_twice_and_goes_on)
{
    cr_expect(eq(str, "left", "right"));
    cr_expect(0, "second");
    printf("still here\n");
}

Test(plain, skips)
{
    cr_skip_test("not on %s", "Sundays");
}

Test(plain, is_disabled, .disabled = true)
{
    cr_assert(0);
}

Test(ends, crashes)
{
    /* A sanitizer's handler would turn it into an exit. */
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(SIGSEGV);
}

Test(ends, dies_as_expected, .signal = SIGABRT)
{
    abort();
}

Test(ends, should_have_died, .signal = SIGABRT)
{
}

Test(ends, calls_exit_0)
{
    exit(0);
}

Test(ends, calls_exit_3)
{
    exit(3);
}

Test(ends, exits_as_expected, .exit_code = 3)
{
    exit(3);
}

Test(ends, hangs, .timeout = 0.3)
{
    printf("about to hang\n");
    fflush(stdout);
    wait_for_ever();
}

Test(ends, hangs_and_ignores_term, .data = &(struct wg_test_options){.timeout_ms = 300})
{
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    wait_for_ever();
}

Test(leaves, a_child_in_its_group)
{
    if (fork() == 0)
        wait_for_ever();
}

Test(leaves, a_forked_daemon)
{
    if (fork() != 0)
        return;
    setsid();
    if (fork() == 0)
        wait_for_ever();
    _exit(0);
}

Test(leaves, an_executed_daemon)
{
    int executed[2]; /* closed by exec: then the test goes on */
    char byte;
    cr_assert(eq(int, pipe2(executed, O_CLOEXEC), 0));
    if (fork() != 0) {
        close(executed[1]);
        cr_assert(eq(long, read(executed[0], &byte, 1), 0));
        return;
    }
    setsid();
    execlp("tail", "tail", "-f", "/dev/null", (char *)NULL);
    _exit(1);
}

Test(output, is_longer_than_the_limit)
{
    char line[1024];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    for (int i = 0; i < 2048; i++)
        puts(line);
}

Test(output, is_cut_off_by_the_test)
{
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
}

static void fail(void)
{
    cr_assert(0, "in the fixture");
}

static void say_reached(void)
{
    printf("fini was reached\n");
}

Test(fixture, fails_in_init, .init = fail, .fini = say_reached)
{
    printf("the test was reached\n");
}

Test(fixture, fails_in_fini, .fini = fail)
{
}

static void *assert_in_thread(void *unused)
{
    (void)unused;
    cr_assert(0, "in a thread");
    return NULL;
}

Test(fixture, fails_in_a_thread)
{
    pthread_t thread;
    pthread_create(&thread, NULL, assert_in_thread, NULL);
    pthread_join(thread, NULL);
}

struct row {
    const char *label;
    int value;
};

static const char *label_of(const void *param)
{
    const struct row *row = param;
    return row->label;
}

ParameterizedTestParameters(table, rows)
{
    static struct row rows[] = {{"one", 1}, {"two", 2}, {NULL, 3}};
    return cr_make_param_array(struct row, rows, 3, NULL);
}

ParameterizedTest(struct row *row, table, rows,
                  .data = &(struct wg_test_options){.label = label_of})
{
    cr_assert(ne(int, row->value, 2));
}

Test(violent, kills_its_parent)
{
    kill(getppid(), SIGKILL);
    wait_for_ever();
}

/* Fails as often as the number in WALGRIND_SAMPLE_FLAKE says, in a file that it counts down. */
Test(again, passes_in_the_end)
{
    const char *path = getenv("WALGRIND_SAMPLE_FLAKE");
    if (!path)
        cr_skip_test("WALGRIND_SAMPLE_FLAKE names no file");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char left = 0;
    cr_assert(eq(long, read(fd, &left, 1), 1));
    if (left == '0')
        return;
    left--;
    cr_assert(eq(long, pwrite(fd, &left, 1, 0), 1));
    close(fd);
    cr_assert(0, "flaked");
}

/* What a server would do: its log grows while the test runs. */
static void write_log(const char *line)
{
    const char *path = getenv("WALGRIND_SAMPLE_LOG");
    if (!path)
        cr_skip_test("WALGRIND_SAMPLE_LOG names no file");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cr_assert(eq(long, write(fd, line, strlen(line)), (long)strlen(line)));
    close(fd);
}

Test(logs, a_passes)
{
    write_log("of the first\n");
}

Test(logs, b_fails)
{
    write_log(
        "of the second\n{\"test\":\"logs/b_fails\",\"n\":1}\n{\"test\":\"logs/b_fails_not\"}\n");
    cr_assert(0);
}

Test(logs, c_fails_and_floods)
{
    char line[1024];
    memset(line, 'y', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    for (int i = 0; i < 64; i++)
        write_log(line);
    write_log("the end");
    cr_assert(0);
}

TestSuite(lonely, .data = &(struct wg_test_options){.exclusive = true});

Test(lonely, runs_alone)
{
}
