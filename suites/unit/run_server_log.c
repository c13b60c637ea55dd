/* SPDX-License-Identifier: MIT */
/* run_server_log.c - which lines of a server's log are shown with a test. */
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/run/server_log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A log of `before`, `noise` many times, and `after`, cut for the test s/t["é"]. */
static char *cut(const char *before, const char *noise, int times, const char *after)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    FILE *file = fdopen(fd, "we");
    cr_assert(file != NULL);
    fputs(before, file);
    for (int i = 0; i < times; i++)
        fputs(noise, file);
    fputs(after, file);
    fflush(file);
    char *path = wg_format("/proc/self/fd/%d", fd);
    char *text = wg_server_log_cut(path, 0, wg_server_log_size(path), "s/t[\"\xc3\xa9\"]");
    free(path);
    fclose(file);
    return text;
}

#define OWN   "{\"n\":1,\"test\":\"s/t[\\\"\xc3\xa9\\\"]\"}\n"
#define OTHER "{\"n\":1,\"test\":\"s/t[\\\"\xc3\xa9\\\"]x\"}\n"

Test(server_log, lines_of_other_tests_are_left_out)
{
    char *text = cut("plain\n", OTHER, 1, OWN "{\"test\":7}\n{\"test\":\"s/t\"}\nno end");
    cr_expect(eq(str, text, "plain\n" OWN "{\"test\":7}\nno end"));
    free(text);
}

Test(server_log, what_others_logged_takes_no_room)
{
    char *text = cut(OWN, OTHER, WG_LIMIT_SERVER_LOG_CUT / 16, "last\n");
    cr_expect(eq(str, text, OWN "last\n"));
    free(text);
}

Test(server_log, of_many_lines_the_last_whole_ones_are_shown)
{
    char *text = cut("", "0123456789abcde\n", WG_LIMIT_SERVER_LOG_CUT / 16, "more\n");
    cr_expect(wg_str_starts(text, "\xe2\x80\xa6 16 bytes before\n0123456789abcde\n"), "%.80s",
              text);
    cr_expect(wg_str_ends(text, "0123456789abcde\nmore\n"));
    free(text);
}

Test(server_log, a_line_without_end_is_cut)
{
    char *text = cut("", "0123456789abcdef", WG_LIMIT_SERVER_LOG_CUT / 16, "!");
    cr_expect(wg_str_starts(text, "\xe2\x80\xa6 1 bytes before\n123"), "%.80s", text);
    cr_expect(wg_str_ends(text, "def!"));
    free(text);
}
