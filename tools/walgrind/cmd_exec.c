/* SPDX-License-Identifier: MIT */
/*
 * cmd_exec.c - walgrind exec: run any command with the probe in it and in everything it starts.
 */
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/diag/diag.h"
#include "harness/sys/tree.h"
#include "harness/trace/trace.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/foreground.h"
#include "tools/walgrind/locate.h"
#include "tools/walgrind/run_directory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct exec_options {
    const char *output;
};

static const struct wg_option options_table[] = {
    {"output", 'o', WG_OPTION_STRING, offsetof(struct exec_options, output), "DIR",
     "Where to keep the record. Default: a new directory below .walgrind/runs.", 0, 0},
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
        "0 but there are findings. Programs into which "
        "the probe cannot be loaded (statically linked, Go, with raised privileges) are named as "
        "not covered.",
    .options = options_table,
    .run = exec_command,
};

/* For the command; the probe is not loaded into a program that runs already. */
static void set_environment(const char *probe, const char *traces)
{
    const char *others = getenv("LD_PRELOAD");
    char *preload = others && *others ? wg_format("%s:%s", probe, others) : wg_strdup(probe);
    setenv("LD_PRELOAD", preload, 1);
    setenv(WG_TRACE_DIR_ENV, traces, 1);
    free(preload);
}

/* Why the probe cannot be loaded into a program, NULL when it can as far as one sees. */
static const char *obstacle(const char *path)
{
    Elf64_Ehdr elf;
    struct stat st;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) && geteuid() != 0)
        why = "it runs with raised privileges";
    if (pread(fd, &elf, sizeof elf, 0) == sizeof elf && memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 &&
        elf.e_phentsize == sizeof(Elf64_Phdr)) {
        bool dynamic = false;
        for (int i = 0; i < elf.e_phnum; i++) {
            Elf64_Phdr part;
            off_t at = (off_t)(elf.e_phoff + (uint64_t)i * sizeof part);
            dynamic |= pread(fd, &part, sizeof part, at) == sizeof part && part.p_type == PT_INTERP;
        }
        if (!dynamic)
            why = "it is statically linked, the probe cannot be loaded into it";
    }
    close(fd);
    return why;
}

/* The file that execvp() would run; the caller frees it. NULL when there is none. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') || !path)
        return wg_strdup(name);
    while (*path) {
        size_t size = strcspn(path, ":");
        char *candidate = wg_format("%.*s/%s", (int)size, path, name);
        if (access(candidate, X_OK) == 0)
            return candidate;
        free(candidate);
        path += size + (path[size] == ':');
    }
    return NULL;
}

/* Names what was not seen; the number of such programs. */
static size_t print_gaps(const struct wg_trace *trace, const char *program)
{
    size_t gaps = 0;
    struct wg_strv seen = {0};
    if (program)
        wg_strv_push(&seen, program);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        bool known = false;
        wg_trace_get(trace, i, &event);
        if (event.type != WG_TRACE_EXEC || event.record->error || event.path[0] != '/')
            continue;
        for (size_t j = 0; j < seen.count && !known; j++)
            known = strcmp(seen.items[j], event.path) == 0;
        if (!known)
            wg_strv_push(&seen, event.path);
    }
    for (size_t i = 0; i < seen.count; i++) {
        const char *why = obstacle(seen.items[i]);
        if (why)
            fprintf(stderr, "walgrind: not covered: %s: %s\n", seen.items[i], why);
        gaps += why != NULL;
    }
    for (size_t i = 0; i < wg_trace_damage_count(trace); i++, gaps++)
        fprintf(stderr, "walgrind: not covered: %s: %s\n", wg_trace_damage_at(trace, i)->file,
                wg_trace_damage_at(trace, i)->message);
    if (wg_trace_process_count(trace) == 0 && gaps == 0 && ++gaps)
        fprintf(stderr, "walgrind: not covered: the probe was loaded into no process\n");
    wg_strv_finish(&seen);
    return gaps;
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

/* What was done wrong, on stderr and in the run directory; the number of findings, or -1. */
static long print_findings(const struct wg_trace *trace, const char *run, struct wg_err *err)
{
    struct wg_findings findings;
    wg_diag_run(trace, &findings);
    long count = (long)findings.count;
    for (size_t i = 0; i < findings.count; i++) {
        fputc('\n', stderr);
        wg_finding_print(&findings.items[i], trace, stderr);
    }
    fprintf(stderr, "%swalgrind: %ld finding%s\n", count ? "\n" : "", count, count == 1 ? "" : "s");
    if (write_findings(&findings, run, err) != 0)
        count = -1;
    wg_findings_finish(&findings);
    return count;
}

static int exec_command(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct exec_options options = {0};
    struct wg_strv command = {0};
    struct wg_run_directory run = {0};
    struct wg_trace *trace = NULL;
    char *probe = NULL, *traces = NULL, *program = NULL;
    int exit_code = WG_EXIT_PASSED;
    int status = -1;
    int parsed = wg_command_parse(&wg_command_exec, argc, argv, true, &options, &command, &err);
    if (parsed > 0)
        goto out;
    if (parsed == 0 && command.count == 0)
        wg_err_set(&err, WG_ERR_USAGE, "no command; as in: walgrind exec -- ./my-server");
    if (!wg_err_is_set(&err) && wg_locate_probe(&probe, &err) == 0 &&
        wg_run_directory_create(options.output, &run, &err) == 0) {
        traces = wg_format("%s/trace", run.path);
        program = find_program(command.items[0]);
        if (wg_tree_make(traces, &err) == 0)
            set_environment(probe, traces);
        if (!wg_err_is_set(&err))
            status = wg_foreground_run(command.items, &err);
    }
    if (status < 0 || wg_trace_open(traces, &trace, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_exec, &err);
        goto out;
    }
    wg_run_directory_publish(&run);
    print_gaps(trace, program);
    print_summary(trace, run.path);
    long findings = print_findings(trace, run.path, &err);
    exit_code = wg_foreground_exit_code(status);
    if (findings < 0)
        exit_code = wg_command_fail(&wg_command_exec, &err);
    else if (exit_code == 0 && findings > 0)
        exit_code = WG_EXIT_FAILED;
out:
    wg_trace_destroy(trace);
    wg_run_directory_finish(&run);
    wg_strv_finish(&command);
    free(program);
    free(traces);
    free(probe);
    return exit_code;
}
