/* SPDX-License-Identifier: MIT */
/*
 * storm_suite.c - ten thousand tests, some of which do their worst. storm.py runs them and counts.
 *
 * Names of suites say what their tests do; the numbers of rows are the ones that storm.py expects.
 */
#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOOD_BYTES (100l * 1024 * 1024)
#define CHILDREN    50

/* A suite of `count` tests, each of which runs the block that follows. */
#define MANY(suite, count)                                                                         \
    ParameterizedTestParameters(suite, row)                                                        \
    {                                                                                              \
        static int rows[count];                                                                    \
        for (int i = 0; i < (count); i++)                                                          \
            rows[i] = i;                                                                           \
        return cr_make_param_array(int, rows, count, NULL);                                        \
    }                                                                                              \
    ParameterizedTest(const int *number, suite, row)

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

MANY(passes, 8955)
{
    cr_assert(ge(int, *number, 0));
}

MANY(fails, 400)
{
    cr_assert(lt(int, *number, 0));
}

MANY(crashes, 200)
{
    (void)number;
    abort();
}

MANY(exits, 100)
{
    (void)number;
    exit(0);
}

MANY(closes_stdio, 100)
{
    (void)number;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
}

/* With them what would say that it reached its end. */
MANY(closes_everything, 100)
{
    (void)number;
    for (int fd = 0; fd < 64; fd++)
        close(fd);
}

MANY(goes_away, 100)
{
    (void)number;
    cr_assert(eq(int, chdir("/"), 0));
}

MANY(forks_a_crowd, 20)
{
    (void)number;
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0)
            wait_for_ever();
}

TestSuite(hangs, .timeout = 0.3);
MANY(hangs, 20)
{
    (void)number;
    wait_for_ever();
}

TestSuite(ignores_term, .timeout = 0.3);
MANY(ignores_term, 4)
{
    (void)number;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    wait_for_ever();
}

Test(floods, with_100_mib)
{
    char block[65536];
    memset(block, 'x', sizeof block);
    block[sizeof block - 1] = '\n';
    for (long left = FLOOD_BYTES; left > 0;) {
        ssize_t written = write(STDOUT_FILENO, block, sizeof block);
        cr_assert(ge(long, written, 1));
        left -= written;
    }
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st, (void)kind, (void)place;
    return remove(path);
}

/* The databases of the server that it runs beside. Left out unless asked for: see storm.py. */
Test(deletes, the_sandbox)
{
    const char *data = getenv("WALGRIND_DATA");
    cr_assert(data != NULL);
    nftw(data, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
