/* SPDX-License-Identifier: MIT */
/* cmd_compare.c - walgrind compare: two recorded runs, for checks before a merge. */
#include "harness/report/compare.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/run_directory.h"

#include <string.h>

struct compare_options {
    const char *format;
};

static const struct wg_option options_table[] = {
    {"format", 'f', WG_OPTION_CHOICE, offsetof(struct compare_options, format), "tty|markdown",
     "tty: a line per change; markdown: a table for a pull request. Default: tty.", 0, 0},
    {0},
};

static int compare(int argc, char **argv);

const struct wg_command wg_command_compare = {
    .name = "compare",
    .summary = "tell what a second run shows that the first did not",
    .synopsis = "[OPTION…] A B",
    .description =
        "A and B are run directories: of the branch that is merged into, and of the one to be "
        "merged. A test that never failed in A and fails in B, one that fails significantly more "
        "often (Fisher's exact test, 5 %), I/O errors and broken databases that A did not have are "
        "regressions: exit code 1. Durations are told where both runs repeated the tests at least "
        "five times. A run that is not whole cannot be compared: exit code 3.",
    .options = options_table,
    .run = compare,
};

/* A run of which something is missing would look better than it was. */
static int read_run(const char *name, struct wg_model *model, struct wg_err *err)
{
    struct wg_run_directory directory = {0};
    int rc = -1;
    if (wg_run_directory_open(name, &directory, err) == 0 &&
        wg_model_read(model, directory.events, err) == 0) {
        enum wg_verdict verdict = wg_model_verdict(model);
        rc = verdict == WG_VERDICT_PASS || verdict == WG_VERDICT_FAIL
                 ? 0
                 : wg_err_set(err, WG_ERR_STATE, "%s cannot be compared: its verdict is %s", name,
                              wg_verdict_name(verdict));
    }
    wg_run_directory_finish(&directory);
    return rc;
}

static int compare(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct compare_options options = {0};
    struct wg_strv operands = {0};
    struct wg_model a, b;
    int exit_code = WG_EXIT_PASSED;
    wg_model_init(&a);
    wg_model_init(&b);
    int parsed =
        wg_command_parse(&wg_command_compare, argc, argv, false, &options, &operands, &err);
    if (parsed > 0)
        goto out;
    if (parsed == 0 && operands.count != 2)
        parsed = wg_err_set(&err, WG_ERR_USAGE, "two run directories are compared, not %zu",
                            operands.count);
    if (parsed < 0 || read_run(operands.items[0], &a, &err) != 0 ||
        read_run(operands.items[1], &b, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_compare, &err);
        goto out;
    }
    struct wg_comparison comparison;
    wg_compare(&a, &b, &comparison);
    if (options.format && strcmp(options.format, "markdown") == 0)
        wg_comparison_write_markdown(&comparison, stdout);
    else
        wg_comparison_print(&comparison, stdout);
    exit_code = comparison.regression ? WG_EXIT_FAILED : WG_EXIT_PASSED;
    if (fflush(stdout) != 0)
        exit_code = WG_EXIT_INFRASTRUCTURE;
    wg_comparison_finish(&comparison);
out:
    wg_model_finish(&a);
    wg_model_finish(&b);
    wg_strv_finish(&operands);
    return exit_code;
}
