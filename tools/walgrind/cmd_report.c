/* SPDX-License-Identifier: MIT */
/* cmd_report.c - walgrind report: prints the result of a recorded run again. */
#include "harness/report/github.h"
#include "harness/report/html.h"
#include "harness/report/junit.h"
#include "harness/report/model.h"
#include "harness/report/perfetto.h"
#include "harness/report/result.h"
#include "harness/report/tap.h"
#include "harness/report/terminal.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/run_directory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct report_options {
    const char *format;
    const char *output;
};

static const struct wg_option options_table[] = {
    {"format", 'f', WG_OPTION_CHOICE, offsetof(struct report_options, format),
     "tty|tap|tap13|json|junit|html|github|markdown|perfetto",
     "tty: the text that the run printed at its end; tap: TAP 14; tap13: the same for harnesses that know no 14, as "
     "prove; json: one object for programs; "
     "junit: JUnit XML; html: one page that needs nothing else; github: annotations for GitHub "
     "Actions, and its step summary; markdown: that summary; perfetto: a timeline for "
     "ui.perfetto.dev. Default: tty.",
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

/* Everything that a format may need. */
struct source {
    const struct wg_model *model;
    const struct wg_run_directory *directory;
};

static int write_tty(const struct source *source, FILE *out, struct wg_err *err)
{
    (void)err;
    struct wg_summary_options summary = {
        .color = wg_terminal_wants_color(out),
        .directory = source->directory->path,
    };
    wg_summary_print(source->model, &summary, out);
    return 0;
}

static int write_tap(const struct source *source, FILE *out, struct wg_err *err)
{
    (void)err;
    wg_tap_write(source->model, 14, out);
    return 0;
}

static int write_tap13(const struct source *source, FILE *out, struct wg_err *err)
{
    (void)err;
    wg_tap_write(source->model, 13, out);
    return 0;
}

static int write_json(const struct source *source, FILE *out, struct wg_err *err)
{
    json_t *result = wg_result_json(source->model);
    int rc = json_dumpf(result, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF
                 ? 0
                 : wg_err_errno(err, "write the report");
    json_decref(result);
    return rc;
}

static int write_perfetto(const struct source *source, FILE *out, struct wg_err *err)
{
    return wg_perfetto_write(source->directory->events, out, err);
}

/* Annotations; the summary goes where GitHub Actions wants it, if that is who calls. */
static int write_github(const struct source *source, FILE *out, struct wg_err *err)
{
    wg_github_write_annotations(source->model, out);
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (!path || !path[0])
        return 0;
    FILE *summary = fopen(path, "ae");
    if (!summary)
        return wg_err_errno(err, "open %s, which GITHUB_STEP_SUMMARY names", path);
    wg_github_write_summary(source->model, summary);
    return fclose(summary) == 0 ? 0 : wg_err_errno(err, "write %s", path);
}

static int write_markdown(const struct source *source, FILE *out, struct wg_err *err)
{
    (void)err;
    wg_github_write_summary(source->model, out);
    return 0;
}

static int to_junit(const struct source *source, const char *path, struct wg_err *err)
{
    return wg_junit_write(source->model, path, err);
}

static int to_html(const struct source *source, const char *path, struct wg_err *err)
{
    return wg_html_write(source->directory->events, path, err);
}

/* A format has one of the two functions. */
static const struct {
    const char *name;
    int (*write)(const struct source *source, FILE *out, struct wg_err *err);
    int (*write_file)(const struct source *source, const char *path, struct wg_err *err);
} formats[] = {
    {"tty", write_tty, NULL},           {"tap", write_tap, NULL},
    {"tap13", write_tap13, NULL},       {"json", write_json, NULL},
    {"junit", NULL, to_junit},          {"html", NULL, to_html},
    {"github", write_github, NULL},     {"markdown", write_markdown, NULL},
    {"perfetto", write_perfetto, NULL},
};

static int write_report(const struct source *source, const struct report_options *options,
                        struct wg_err *err)
{
    size_t i = 0;
    while (options->format && strcmp(formats[i].name, options->format) != 0)
        i++;
    if (formats[i].write_file)
        return formats[i].write_file(source, options->output ? options->output : "/dev/stdout",
                                     err);
    FILE *out = options->output ? fopen(options->output, "we") : stdout;
    if (!out)
        return wg_err_errno(err, "create %s", options->output);
    int rc = formats[i].write(source, out, err);
    bool bad = fflush(out) != 0 || ferror(out);
    if (out != stdout)
        bad = fclose(out) != 0 || bad;
    return rc == 0 && bad ? wg_err_errno(err, "write the report") : rc;
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
        write_report(&(struct source){&model, &directory}, &options, &err) != 0) {
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
