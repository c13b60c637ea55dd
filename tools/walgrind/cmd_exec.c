/* SPDX-License-Identifier: MIT */
/*
 * cmd_exec.c - walgrind exec: run any command with the probe in it and in everything it starts.
 */
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/diag/diag.h"
#include "harness/diag/effect.h"
#include "harness/diag/symbol.h"
#include "harness/sys/process.h"
#include "harness/trace/trace.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/foreground.h"
#include "tools/walgrind/perturb.h"
#include "tools/walgrind/run_directory.h"
#include "tools/walgrind/watch.h"

#include <stdlib.h>
#include <string.h>

struct exec_options {
    const char *output;
    const char *trace;
    struct wg_perturb_options perturb;
};

static const struct wg_option options_table[] = {
    {"output", 'o', WG_OPTION_STRING, offsetof(struct exec_options, output), "DIR",
     "Where to keep the record. Default: a new directory below .walgrind/runs.", 0, 0},
    WG_WATCH_OPTION(struct exec_options),
    WG_PERTURB_OPTIONS(struct exec_options),
    {0},
};

static int exec_command(int argc, char **argv);

const struct wg_command wg_command_exec = {
    .name = "exec",
    .summary = "run any command and record what it does to SQLite files",
    .synopsis = "[OPTION…] [--] COMMAND [ARGUMENT…]",
    .description =
        "Runs COMMAND with a probe loaded into it and into every process that it starts, and "
        "records each open, close, lock, write, unlink, rename and truncate of database files, "
        "with who made it. 'walgrind trace' prints the record.\n\n"
        "What was done wrong is named at the end, with who did it, where, and how to do it right; "
        "'walgrind explain' tells more.\n\n"
        "The exit code is the command's own, 128 + N when signal N ended it, and 1 when that would be "
        "0 but there are findings that are errors: the database or acknowledged data is at risk. "
        "Warnings, of contention and settings, do not change it. Programs into which the probe "
        "cannot get (statically linked, Go) are traced at their rare system calls; where that is "
        "not possible either, they are named as "
        "not covered.",
    .options = options_table,
    .run = exec_command,
};

/* Names what was not seen. */
static void print_gaps(const struct wg_trace *trace, const char *program)
{
    struct wg_strv programs = {0}, gaps = {0};
    if (program)
        wg_strv_push(&programs, program);
    wg_watch_gaps(trace, &programs, &gaps);
    for (size_t i = 0; i < gaps.count; i++)
        fprintf(stderr, "walgrind: not covered: %s\n", gaps.items[i]);
    wg_strv_finish(&gaps);
    wg_strv_finish(&programs);
}

static void print_summary(const struct wg_trace *trace, const char *run)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < wg_trace_process_count(trace); i++) {
        const struct wg_trace_process *process = wg_trace_process_at(trace, i);
        dropped += process->frequent_dropped + process->torn + process->strings_lost;
    }
    fprintf(stderr, "walgrind: %zu records of %zu processes", wg_trace_count(trace),
            wg_trace_process_count(trace));
    if (dropped)
        fprintf(stderr, ", %llu older ones dropped", (unsigned long long)dropped);
    fprintf(stderr, "\nwalgrind: walgrind trace %s\n", run);
    const char *exe = "";
    size_t without = wg_diag_without_sql(trace, &exe);
    if (without > 0)
        fprintf(
            stderr,
            "walgrind: SQL was not seen in %zu process%s, as SQLite is inside the program: %s\n",
            without, without == 1 ? "" : "es", exe);
}

/* {"walgrind", "findings": [finding…]} as findings.json of the run. */
static int write_findings(const struct wg_findings *findings, const char *run, struct wg_err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++)
        json_array_append_new(list, wg_finding_json(&findings->items[i]));
    json_t *document = json_pack("{s:s, s:o}", "walgrind", WG_VERSION, "findings", list);
    char *path = wg_format("%s/findings.json", run);
    int rc = wg_json_write_file(path, document, err);
    free(path);
    json_decref(document);
    return rc;
}

/* What was done wrong, on stderr and in the run directory; the number of errors, or -1. */
static long print_findings(const struct wg_trace *trace, const char *run, struct wg_err *err)
{
    struct wg_findings findings;
    wg_diag_run(trace, &findings);
    wg_diag_join(trace, NULL, &findings);
    wg_diag_symbolise(trace, &findings);
    size_t count = findings.count, warnings = count - wg_findings_errors(&findings);
    long errors = (long)(count - warnings);
    for (size_t i = 0; i < findings.count; i++) {
        fputc('\n', stderr);
        wg_finding_print(&findings.items[i], stderr);
    }
    fprintf(stderr, "%swalgrind: %zu finding%s", count ? "\n" : "", count, count == 1 ? "" : "s");
    if (warnings > 0)
        fprintf(stderr, ", of which %zu warning%s", warnings, warnings == 1 ? "" : "s");
    fputc('\n', stderr);
    if (write_findings(&findings, run, err) != 0)
        errors = -1;
    wg_findings_finish(&findings);
    return errors;
}

static int exec_command(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct exec_options options = {.trace = WG_WATCH_DEFAULT};
    struct wg_strv command = {0};
    struct wg_run_directory run = {0};
    struct wg_trace *trace = NULL;
    char *traces = NULL, *program = NULL;
    int exit_code = WG_EXIT_PASSED;
    int status = -1;
    int parsed = wg_command_parse(&wg_command_exec, argc, argv, true, &options, &command, &err);
    if (parsed > 0)
        goto out;
    if (parsed == 0 && command.count == 0)
        wg_err_set(&err, WG_ERR_USAGE, "no command; as in: walgrind exec -- ./my-server");
    if (!wg_err_is_set(&err) && wg_perturb_check(&options.perturb, &err) == 0 &&
        wg_run_directory_create(options.output, &run, &err) == 0) {
        traces = wg_format("%s/trace", run.path);
        program = wg_process_find(command.items[0]);
        wg_perturb_apply(&options.perturb);
        enum wg_watch_how how = wg_watch_how_of(options.trace);
        if (wg_watch_begin(traces, how, &err) == 0 && wg_watch_command(how, &command, &err) == 0)
            status = wg_foreground_run(command.items, &err);
    }
    if (status < 0)
        wg_run_directory_discard(&run);
    if (status < 0 || wg_trace_open(traces, &trace, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_exec, &err);
        goto out;
    }
    wg_run_directory_publish(&run);
    print_gaps(trace, program);
    print_summary(trace, run.path);
    wg_perturb_print(trace, &options.perturb, stderr);
    long errors = print_findings(trace, run.path, &err);
    exit_code = wg_foreground_exit_code(status);
    if (errors < 0)
        exit_code = wg_command_fail(&wg_command_exec, &err);
    else if (exit_code == 0 && errors > 0)
        exit_code = WG_EXIT_FAILED;
out:
    wg_trace_destroy(trace);
    wg_run_directory_finish(&run);
    wg_strv_finish(&options.perturb.faults);
    wg_strv_finish(&command);
    free(program);
    free(traces);
    return exit_code;
}
