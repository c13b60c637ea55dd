/* SPDX-License-Identifier: MIT */
/* order.c - the API tests depend on no order and on no neighbour. */
#include "harness/base/clock.h"
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALONE 10 /* tests that are run alone */

ParameterizedTestParameters(order, whole_suite_passes_shuffled_in_the_swarm)
{
    static int seeds[] = {1, 20, 300};
    return cr_make_param_array(int, seeds, sizeof seeds / sizeof seeds[0]);
}

ParameterizedTest(const int *seed, order, whole_suite_passes_shuffled_in_the_swarm, .timeout = 150)
{
    struct place place;
    struct call call;
    char option[32];
    place_init(&place);
    snprintf(option, sizeof option, "--seed=%d", *seed);
    char *record = wg_format("--run-dir=%s", place.record);

    call_run(&call, &place, WORDS("run", "--isolate=none", "-j4", record, option));

    cr_expect(eq(int, call.exit_code, 0), "%s", call.out);
    cr_expect(strstr(call.out, "verdict: PASS") != NULL, "%s", call.out);
    cr_expect(strstr(call.err, option) != NULL, "the seed is not told: %s", call.err);
    call_finish(&call);
    free(record);
    place_finish(&place);
}

/* The names of all tests: the first word of each line with a slash in it. */
static struct wg_strv list_tests(const struct place *place)
{
    struct wg_strv names = {0};
    struct call call;
    call_run(&call, place, WORDS("list"));
    cr_assert(eq(int, call.exit_code, 0), "%s", call.err);
    char *state = NULL;
    for (char *line = strtok_r(call.out, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        line[strcspn(line, " ")] = '\0';
        if (strchr(line, '/'))
            wg_strv_push(&names, line);
    }
    call_finish(&call);
    return names;
}

/* Other tests each time; a failure names the test, so it can be repeated. */
Test(order, random_tests_pass_alone, .timeout = 150)
{
    struct place place;
    struct call call;
    place_init(&place);
    struct wg_strv names = list_tests(&place);
    cr_assert(ge(sz, names.count, 100));
    unsigned random = (unsigned)(wg_clock_wall_ns() / 1000);
    for (int i = 0; i < ALONE; i++) {
        const char *name = names.items[(size_t)rand_r(&random) % names.count];
        call_run(&call, &place, WORDS("run", "--isolate=suite", name));
        cr_expect(eq(int, call.exit_code, 0), "%s alone: %s%s", name, call.out, call.err);
        call_finish(&call);
    }
    wg_strv_finish(&names);
    place_finish(&place);
}
