/* SPDX-License-Identifier: MIT */
/*
 * suite_sample_corner.c - tests of the sample binary that go near the edges of the fork server:
 * processes of their own, what a test sees of its surroundings, what only Criterion's runner can.
 */
#include "harness/base/limit.h"
#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <criterion/theories.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void say_fini(void)
{
    printf("fini\n");
}

/* ---- Processes of the test's own ---- */

Test(forks, child_fails, .fini = say_fini)
{
    pid_t pid = fork();
    if (pid == 0)
        cr_assert(0, "in the child");
    waitpid(pid, NULL, 0);
}

Test(forks, child_reaches_the_end, .fini = say_fini)
{
    pid_t pid = fork();
    if (pid > 0) {
        waitpid(pid, NULL, 0);
        exit(7); /* so that a "done" can only be the child's */
    }
}

/* A daemon without the test's group, session, environment and descriptors. Comes back when it
 * runs. */
static pid_t start_unmarked_daemon(void)
{
    int ready[2]; /* closed by exec */
    pid_t pid;
    cr_assert(eq(int, pipe2(ready, O_CLOEXEC), 0));
    pid_t between = fork();
    if (between == 0) {
        setsid();
        pid = fork();
        if (pid == 0) {
            dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDOUT_FILENO);
            dup2(STDOUT_FILENO, STDERR_FILENO);
            execle("/usr/bin/tail", "tail", "-f", "/dev/null", (char *)NULL, (char *[]){NULL});
        }
        if (pid > 0)
            write(ready[1], &pid, sizeof pid);
        _exit(0);
    }
    close(ready[1]);
    waitpid(between, NULL, 0);
    cr_assert(eq(long, read(ready[0], &pid, sizeof pid), (long)sizeof pid));
    cr_assert(eq(long, read(ready[0], &(char){0}, 1), 0));
    close(ready[0]);
    return pid;
}

Test(leaves, an_unmarked_daemon)
{
    start_unmarked_daemon();
}

Test(keeps, a_daemon_and_hangs)
{
    printf("%ld\n", (long)start_unmarked_daemon());
    fflush(stdout);
    cr_expect(0, "ready");
    wait_for_ever();
}

Test(keeps, in_another_group_and_hangs)
{
    pid_t other = fork();
    if (other == 0)
        wait_for_ever();
    setpgid(other, other);
    cr_assert(eq(int, setpgid(0, other), 0));
    cr_expect(0, "ready");
    wait_for_ever();
}

Test(leaves, more_children_than_are_named)
{
    for (int i = 0; i < 150; i++)
        if (fork() == 0)
            wait_for_ever();
}

/* ---- What a test sees ---- */

Test(sees, its_name)
{
    printf("%s/%s\n", criterion_current_suite->name, criterion_current_test->name);
}

Test(sees, its_environment)
{
    printf("%s\n", getenv("SAMPLE_VARIABLE"));
}

Test(sees, its_descriptors)
{
    DIR *directory = opendir("/proc/self/fd");
    cr_assert(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char target[256] = "";
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd <= STDERR_FILENO || fd == dirfd(directory))
            continue;
        cr_assert(ge(long, readlinkat(dirfd(directory), entry->d_name, target, 255), 1));
        printf("%s %.6s\n", fcntl(fd, F_GETFD) & FD_CLOEXEC ? "closing" : "staying", target);
    }
    closedir(directory);
}

Test(sees, nothing_on_stdin)
{
    char byte;
    cr_assert(eq(long, read(STDIN_FILENO, &byte, 1), 0));
}

Test(sees, no_blocked_signal)
{
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number < NSIG; number++)
        cr_expect(sigismember(&mask, number) != 1, "signal %d", number);
}

Test(sees, output_before_a_crash)
{
    printf("last words\n");
    raise(SIGKILL);
}

static void say_suite_init(void)
{
    printf("suite init\n");
}

static void say_suite_fini(void)
{
    printf("suite fini\n");
}

static void say_init(void)
{
    printf("init\n");
}

TestSuite(order, .init = say_suite_init, .fini = say_suite_fini);

Test(order, passes, .init = say_init, .fini = say_fini)
{
    printf("main\n");
}

Test(order, fails, .init = say_init, .fini = say_fini)
{
    cr_assert(0);
}

static void skip(void)
{
    cr_skip_test("in init");
}

Test(order, skips_in_init, .init = skip, .fini = say_fini)
{
    printf("main\n");
}

TestSuite(inherits, .timeout = 0.5, .signal = SIGABRT, .exit_code = 4);

Test(inherits, its_timeout, .description = "api-42")
{
}

Test(inherits, not_when_it_says_another, .timeout = 2)
{
}

/* ---- What is said ---- */

Test(says, more_than_a_packet_holds)
{
    char text[WG_LIMIT_MESSAGE];
    memset(text, '\x01', sizeof text - 1); /* six bytes each in JSON */
    text[sizeof text - 1] = '\0';
    cr_expect(0, "%s", text);
    cr_expect(0, "the next");
}

Test(says, bytes_that_are_no_text)
{
    cr_expect(0, "a\xff\"\\b");
}

Test(says, an_event_of_its_own)
{
    wg_suite_emit(json_pack("{s:s, s:s}", "event", "log", "message", "hello"));
}

Test(says, all_that_differs)
{
    int left[] = {1, 2}, right[] = {1, 3};
    cr_expect(all(eq(int, 1, 2), eq(int, 4, 4), lt(int, 3, 1)), "all of %d", 3);
    cr_expect(eq(int[2], left, right));
    cr_expect(eq(str, "one\ntwo", "one\n2"));
    cr_expect(not(eq(int, 1, 1)));
    cr_fail("with cr_fail");
    cr_fatal("with cr_fatal");
    cr_expect(0, "not reached");
}

Test(needs, a_redirection)
{
    cr_redirect_stdout();
}

TheoryDataPoints(needs, a_theory) = {DataPoints(int, 0, 1)};

Theory((int value), needs, a_theory)
{
    cr_assert(ge(int, value, 0));
}
