/* SPDX-License-Identifier: MIT */
/* cmd_report.c - walgrind report: prints the result of a recorded run again. */
#include "harness/report/html.h"
#include "harness/report/junit.h"
#include "harness/report/model.h"
#include "harness/report/terminal.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/run_directory.h"

#include <string.h>
#include <unistd.h>

struct report_options {
    const char *format;
    const char *output;
};

static const struct wg_option options_table[] = {
    {"format", 'f', WG_OPTION_CHOICE, offsetof(struct report_options, format), "tty|junit|html",
     "tty: the text that the run printed at its end; junit: JUnit XML; html: one page that needs "
     "nothing else. Default: tty.",
     0, 0},
    {"output", 'o', WG_OPTION_STRING, offsetof(struct report_options, output), "FILE",
     "Write there instead of standard output.", 0, 0},
    {0},
};

static int report(int argc, char **argv);

const struct wg_command wg_command_report = {
    .name = "report",
    .summary = "print the result of a recorded run again, in another format",
    .synopsis = "[OPTION…] [RUN]",
    .description =
        "Computes a report from the events of a run directory (RUN; the newest below .walgrind when "
        "not given). A run that was killed has a report too: it says how far the run came. The exit "
        "code is that of the run's verdict.",
    .options = options_table,
    .run = report,
};

static int write_report(const struct wg_model *model, const struct report_options *options,
                        const struct wg_run_directory *directory, struct wg_err *err)
{
    if (options->format && strcmp(options->format, "junit") == 0)
        return wg_junit_write(model, options->output ? options->output : "/dev/stdout", err);
    if (options->format && strcmp(options->format, "html") == 0)
        return wg_html_write(directory->events, options->output ? options->output : "/dev/stdout",
                             err);
    FILE *out = options->output ? fopen(options->output, "we") : stdout;
    if (!out)
        return wg_err_errno(err, "create %s", options->output);
    struct wg_summary_options summary = {
        .color = wg_terminal_wants_color(out),
        .directory = directory->path,
    };
    wg_summary_print(model, &summary, out);
    bool bad = fflush(out) != 0;
    if (out != stdout)
        bad = fclose(out) != 0 || bad;
    return bad ? wg_err_errno(err, "write the report") : 0;
}

static int report(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct report_options options = {0};
    struct wg_strv operands = {0};
    struct wg_run_directory directory = {0};
    struct wg_model model;
    int exit_code = WG_EXIT_PASSED;
    wg_model_init(&model);
    int parsed = wg_command_parse(&wg_command_report, argc, argv, false, &options, &operands, &err);
    if (parsed > 0)
        goto out;
    if (parsed == 0 && operands.count > 1)
        parsed = wg_err_set(&err, WG_ERR_USAGE, "one run at a time, not %zu", operands.count);
    if (parsed < 0 ||
        wg_run_directory_open(operands.count ? operands.items[0] : NULL, &directory, &err) != 0 ||
        wg_model_read(&model, directory.events, &err) != 0 ||
        write_report(&model, &options, &directory, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_report, &err);
        goto out;
    }
    exit_code = wg_verdict_exit_code(wg_model_verdict(&model));
out:
    wg_model_finish(&model);
    wg_run_directory_finish(&directory);
    wg_strv_finish(&operands);
    return exit_code;
}
