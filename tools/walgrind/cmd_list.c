/* SPDX-License-Identifier: MIT */
/* cmd_list.c - walgrind list: the tests of a suite binary. */
#include "harness/base/json.h"
#include "harness/run/plan.h"
#include "harness/run/suite_client.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/locate.h"
#include "tools/walgrind/selection.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUITE_TIMEOUT_MS 30000

struct list_options {
    const char *suite_binary;
    struct wg_selection selection;
    bool json;
};

static const struct wg_option options_table[] = {
    {"suite-binary", 0, WG_OPTION_STRING, offsetof(struct list_options, suite_binary), "FILE",
     "The program with the tests. Default: the API suite of the reference server.", 0, 0},
    WG_SELECTION_OPTIONS(struct list_options),
    {"json", 0, WG_OPTION_FLAG, offsetof(struct list_options, json), NULL,
     "One JSON array of objects instead of lines.", 0, 0},
    {0},
};

static int list(int argc, char **argv);

const struct wg_command wg_command_list = {
    .name = "list",
    .summary = "show the tests of a suite binary",
    .synopsis = "[OPTION…] [TEST…]",
    .description =
        "Prints one line per test: its full name, its description (for the API suite the id "
        "of the catalogue case) and where it is defined. TEST selects as in 'walgrind run'.",
    .options = options_table,
    .run = list,
};

static void print_line(const struct wg_test *test)
{
    printf("%-56s %-16s %s:%ld%s%s\n", test->full_name, test->description, test->file, test->line,
           test->disabled ? " [disabled]" : "", test->exclusive ? " [exclusive]" : "");
}

static json_t *describe(const struct wg_test *test)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:i}", "name", test->full_name, "suite",
                     test->suite, "description", test->description, "file", test->file, "line",
                     (json_int_t)test->line, "disabled", test->disabled, "exclusive",
                     test->exclusive, "timeout_ms", test->timeout_ms);
}

static void print_tests(const struct wg_plan *plan, bool as_json)
{
    json_t *tests = json_array();
    for (size_t i = 0; i < plan->test_count; i++) {
        if (!plan->tests[i].selected)
            continue;
        if (as_json)
            json_array_append_new(tests, describe(&plan->tests[i]));
        else
            print_line(&plan->tests[i]);
    }
    if (as_json) {
        json_dumpf(tests, stdout, JSON_INDENT(1));
        putchar('\n');
    } else {
        printf("%zu tests\n", plan->selected_count);
    }
    json_decref(tests);
}

static int list(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct list_options options = {.selection = {.slow_ms = WG_DEFAULT_SLOW_MS}};
    struct wg_strv patterns = {0};
    struct wg_plan plan = {0};
    struct wg_suite_client *client = NULL;
    char *binary = NULL;
    int exit_code = WG_EXIT_PASSED;
    int parsed = wg_command_parse(&wg_command_list, argc, argv, false, &options, &patterns, &err);
    if (parsed > 0)
        goto out;
    if (parsed < 0 || wg_locate_suite(options.suite_binary, &binary, &err) != 0 ||
        wg_suite_client_start((char *[]){binary, NULL}, STDERR_FILENO, SUITE_TIMEOUT_MS, &client,
                              &err) != 0 ||
        wg_suite_client_list(client, SUITE_TIMEOUT_MS, &plan, &err) != 0 ||
        wg_selection_apply(&options.selection, wg_selection_history(&options.selection, true),
                           patterns.items, &plan, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_list, &err);
        goto out;
    }
    print_tests(&plan, options.json);
out:
    wg_suite_client_destroy(client);
    wg_plan_finish(&plan);
    wg_strv_finish(&patterns);
    free(binary);
    return exit_code;
}
