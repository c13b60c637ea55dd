/* SPDX-License-Identifier: MIT */
/*
 * usage.c - words that walgrind cannot act on: one line on stderr, the right exit code, no trace.
 *
 * A row is a command line. 2 is for the user's words, 3 for a world that is not as it must be. To
 * add a case: a row. Paths with ../ lie in the place of the test, see `furnish`.
 */
#include "harness/sys/tree.h"
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *words[8];
    int exit_code;
    const char *mentions;
};

static const struct row rows[] = {
    {{"run", "nosuchthing/*"}, 2, "no test matches 'nosuchthing/*'"},
    {{"run", "files_lokcs"}, 2, "the nearest is 'files_locks',"},
    {{"run", "ehalth/says_ok"}, 2, "the nearest is 'health/says_ok'"},
    {{"run", "health/says_okay"}, 2, "the nearest is 'health/says_ok'"},
    {{"run", "health", "nosuchthing"}, 2, "'nosuchthing'"},
    {{"list", "nosuchthing"}, 2, "no test matches 'nosuchthing'"},
    {{"run", "--frobnicate"}, 2, "unknown option --frobnicate"},
    {{"run", "-j0"}, 2, "--workers takes a whole number from 1 to 256, not '0'"},
    {{"run", "--workers=many"}, 2, "--workers takes a whole number from 1 to 256, not 'many'"},
    {{"run", "--timeout=soon"}, 2, "--timeout takes a time like 250ms"},
    {{"run", "--isolate=planet"}, 2, "suite|worker|none|swarm, not 'planet'"},
    {{"run", "--reset=magic", "health"}, 2, "no reset strategy is called 'magic'"},
    {{"run", "-E", "suite(auth", "health"}, 2, "column 6: this '(' is never closed"},
    {{"list", "--filter=slow &"}, 2, "column 7: the expression ends too early"},
    {{"list", "-E", "helth | auth"}, 2, "no test matches 'helth'"},
    {{"list", "-E", "all & !suite(auht)"}, 2, "no test matches 'auht'; the nearest is 'auth',"},
    {{"list", "-E", "slow | test(health/say_ok)"}, 2, "the nearest is 'health/says_ok'"},
    {{"run", "health", "-E", "auth"}, 2, "'auth' matches none of"},
    {{"rnu", "health"}, 2, "unknown command 'rnu'"},
    {{"run", "--server=true", "health"}, 3, "let the server fill {data}: "},
    {{"run", "--server=true", "--init=true", "--server-arg=x", "health"}, 2, "--server-arg"},
    {{"run", "--run-dir=../full", "health"}, 2, "/full already holds a run"},
    {{"run", "--run-dir=../plain", "health"}, 3, "plain: File exists"},
    {{"run", "--suite-binary=../missing"},
     2,
     "--suite-binary=../missing: No such file or directory"},
    {{"run", "--suite-binary=no-such-suite"}, 2, "no-such-suite: No such file or directory"},
    {{"run", "--suite-binary=../plain"}, 2, "--suite-binary=../plain: Permission denied"},
    {{"list", "--suite-binary=../missing"},
     2,
     "--suite-binary=../missing: No such file or directory"},
    {{"run", "--suite-binary=/bin/true"}, 3, "/bin/true: the suite binary has ended unexpectedly"},
    {{"run", "--suite-binary=/bin/cat"}, 3, "/bin/cat: the suite binary has ended unexpectedly"},
    {{"run", "--server=true", "--init=false", "health"}, 3, "ended with exit 1"},
    {{"report"}, 2, "no run in .walgrind/last"},
    {{"report", "../missing"}, 2, "no run directory ../missing"},
    {{"report", "../empty"}, 2, "/empty holds no run"},
    {{"report", "../plain"}, 2, "holds no run"},
    {{"report", "../garbage"}, 3, "/garbage/events.jsonl:1: not an event"},
    {{"report", "--format=smoke", "../full"},
     2,
     "tty|tap|tap13|json|junit|html|github|markdown|perfetto, not 'smoke'"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void put(const struct place *place, const char *name, const char *text)
{
    char *path = place_path(place, name);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void furnish(const struct place *place)
{
    static const char *const directories[] = {"full", "empty", "garbage"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        char *path = place_path(place, directories[i]);
        cr_assert(eq(int, wg_tree_make(path, NULL), 0));
        free(path);
    }
    put(place, "plain", "text\n");
    put(place, "full/events.jsonl", "{\"event\":\"run-started\",\"seq\":1,\"at_ns\":1}\n");
    put(place, "garbage/events.jsonl", "\x01\x02 no event\n{}\n");
}

/* Names in the working directory, . and .. not counted. */
static int work_entries(const struct place *place)
{
    int count = -2;
    DIR *directory = opendir(place->work);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

ParameterizedTestParameters(usage, mistake_is_one_line_and_leaves_nothing)
{
    static size_t indices[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        indices[i] = i;
    return cr_make_param_array(size_t, indices, ROWS);
}

ParameterizedTest(const size_t *index, usage, mistake_is_one_line_and_leaves_nothing, .timeout = 30)
{
    struct place place;
    struct call call;
    const struct row *row = &rows[*index];
    place_init(&place);
    furnish(&place);

    call_run(&call, &place, row->words);

    cr_expect(eq(int, call.exit_code, row->exit_code), "%s %s: %s", row->words[0],
              row->words[1] ? row->words[1] : "", call.err);
    cr_expect(strstr(call.err, row->mentions) != NULL, "\"%s\" is not in: %s", row->mentions,
              call.err);
    const char *newline = strchr(call.err, '\n');
    cr_expect(newline && newline[1] == '\0', "not one line: %s", call.err);
    cr_expect(eq(str, call.out, ""));
    cr_expect(eq(int, work_entries(&place), 0), "%s left something in the working directory",
              row->words[1]);
    call_finish(&call);
    place_finish(&place);
}

Test(usage, run_that_never_began_does_not_become_the_last, .timeout = 30)
{
    struct place place;
    struct call call;
    place_init(&place);
    call_run(&call, &place, WORDS("run", "--isolate=suite", "health"));
    cr_assert(eq(int, call.exit_code, 0), "%s", call.err);
    call_finish(&call);
    call_run(&call, &place, WORDS("run", "nosuchthing"));
    cr_assert(eq(int, call.exit_code, 2));
    call_finish(&call);

    call_run(&call, &place, WORDS("report"));

    cr_expect(eq(int, call.exit_code, 0), "%s", call.err);
    cr_expect(strstr(call.out, "verdict: PASS") != NULL);
    call_finish(&call);
    place_finish(&place);
}
