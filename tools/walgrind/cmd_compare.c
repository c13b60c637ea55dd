/* SPDX-License-Identifier: MIT */
/* cmd_compare.c - walgrind compare: two recorded runs, for checks before a merge. */
#include "harness/report/compare.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/compare_commits.h"
#include "tools/walgrind/run_directory.h"

#include <string.h>

struct compare_options {
    const char *format;
    const char *build;
    long runs;
    bool keep;
};

#define RUNS_DEFAULT 5

static const struct wg_option options_table[] = {
    {"format", 'f', WG_OPTION_CHOICE, offsetof(struct compare_options, format), "tty|markdown",
     "tty: a line per change; markdown: a table for a pull request. Default: tty.", 0, 0},
    {"build", 0, WG_OPTION_STRING, offsetof(struct compare_options, build), "COMMAND",
     "commits: shell command that builds one, in its tree.", 0, 0},
    {"runs", 'n', WG_OPTION_INT, offsetof(struct compare_options, runs), "N",
     "commits: runs of each, in turns. Default: 5.", 1, 10000},
    {"keep", 0, WG_OPTION_FLAG, offsetof(struct compare_options, keep), NULL,
     "commits: leave the built trees in the git directory, for the next time.", 0, 0},
    {0},
};

static int compare(int argc, char **argv);

const struct wg_command wg_command_compare = {
    .name = "compare",
    .summary = "tell what a second run shows that the first did not",
    .synopsis = "[OPTION…] A B [-- COMMAND…]",
    .description =
        "A and B are run directories: of the branch that is merged into, and of the one to be "
        "merged. A test that never failed in A and fails in B, one that fails significantly more "
        "often (Fisher's exact test, 5 %), I/O errors and broken databases that A did not have are "
        "regressions: exit code 1. Durations are told where both runs repeated the tests at least "
        "five times. A run that is not whole cannot be compared: exit code 3.\n\n"
        "With a COMMAND, 'walgrind run …', A and B are commits: each is checked out and built in a "
        "worktree of its own, and the two are run in turns there, so that what else the machine does "
        "meets both.",
    .options = options_table,
    .run = compare,
};

static int read_commits(const struct compare_options *options, const struct wg_strv *operands,
                        struct wg_model *a, struct wg_model *b, struct wg_err *err)
{
    const struct compare_commits what = {
        .a = operands->items[0],
        .b = operands->items[1],
        .build = options->build,
        .command = operands->items + 2,
        .runs = options->runs,
        .keep = options->keep,
    };
    return compare_commits(&what, a, b, err);
}

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

static int read_both(const struct compare_options *options, const struct wg_strv *operands,
                     struct wg_model *a, struct wg_model *b, struct wg_err *err)
{
    if (operands->count > 2)
        return read_commits(options, operands, a, b, err);
    if (operands->count < 2)
        return wg_err_set(err, WG_ERR_USAGE,
                          "two run directories, or two commits and a command, are compared");
    if (options->build)
        return wg_err_set(err, WG_ERR_USAGE, "--build is for commits: say what to run after --");
    return read_run(operands->items[0], a, err) == 0 ? read_run(operands->items[1], b, err) : -1;
}

static int compare(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct compare_options options = {.runs = RUNS_DEFAULT};
    struct wg_strv operands = {0};
    struct wg_model a, b;
    int exit_code = WG_EXIT_PASSED;
    wg_model_init(&a);
    wg_model_init(&b);
    int parsed =
        wg_command_parse(&wg_command_compare, argc, argv, false, &options, &operands, &err);
    if (parsed > 0)
        goto out;
    if (parsed < 0 || read_both(&options, &operands, &a, &b, &err) != 0) {
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
