/* SPDX-License-Identifier: MIT */
/*
 * cmd_lab.c - walgrind lab: every way to initialise under every hazard, measured.
 *
 * The names of strategies and hazards come from the reference server itself (--list). Results are
 * written after each cell, so an interrupted lab keeps what it has.
 */
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/sys/process.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/lab/cell.h"
#include "tools/walgrind/lab/table.h"
#include "tools/walgrind/locate.h"
#include "tools/walgrind/run_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DOCUMENT_MAX (64u << 20)
#define LIST_MS      10000

struct lab_options {
    struct wg_strv inits;
    struct wg_strv hazards;
    long repeat;
    int64_t timeout_ms;
    const char *directory;
    const char *expect;
    const char *record;
    struct wg_strv run_args;
    struct wg_strv added;
    bool probe;
    bool progress;
};

#define OPTION(member) offsetof(struct lab_options, member)

static const struct wg_option options_table[] = {
    {"init", 0, WG_OPTION_LIST, OPTION(inits), "NAME[,NAME…]",
     "Ways to initialise the databases. Default: all but reference.", 0, 0},
    {"hazard", 0, WG_OPTION_LIST, OPTION(hazards), "NAME[+NAME][,…]",
     "Hazards beside the requests; + joins several into one. Default: each alone, then the pairs "
     "that matter.",
     0, 0},
    {"repeat", 0, WG_OPTION_INT, OPTION(repeat), "N", "Rounds of every cell. Default: 1.", 0, 1000},
    {"add", 0, WG_OPTION_LIST, OPTION(added), "FILE",
     "Also count the rounds in the lab.json of an earlier lab; with --repeat=0 only those.", 0, 0},
    {"timeout", 't', WG_OPTION_DURATION, OPTION(timeout_ms), "TIME",
     "Deadline of one run; a run that is not over then is hung. Default: 2m.", 0, 0},
    {"directory", 0, WG_OPTION_STRING, OPTION(directory), "DIR",
     "Results and run directories go there. Default: a new one below .walgrind/runs.", 0, 0},
    {"expect", 0, WG_OPTION_STRING, OPTION(expect), "FILE",
     "Compare with the kinds of an earlier --record; exit 1 if a cell differs.", 0, 0},
    {"record", 0, WG_OPTION_STRING, OPTION(record), "FILE",
     "Write the kinds that were seen, for a later --expect.", 0, 0},
    {"run-arg", 0, WG_OPTION_LIST, OPTION(run_args), "ARG",
     "One more option for every `walgrind run` of the lab.", 0, 0},
    {"probe", 0, WG_OPTION_FLAG, OPTION(probe), NULL,
     "Run each cell under `walgrind exec`, compare its findings with the hazards, and exit 1 when a "
     "hazard that did harm is not named, or one that was off is (--no-probe: do not).",
     0, 0},
    {"progress", 0, WG_OPTION_FLAG, OPTION(progress), NULL,
     "A line per run on stderr (--no-progress: none).", 0, 0},
    {0},
};

static int lab(int argc, char **argv);

const struct wg_command wg_command_lab = {
    .name = "lab",
    .summary = "measure each way to initialise databases under each hazard",
    .synopsis = "[OPTION…] [TEST…]",
    .description =
        "Runs the API tests in the swarm for every cell of a table: rows are ways in which a web "
        "application gets its databases ready (one manager per request, locks of all kinds, retries, a "
        "pool…), columns are what really breaks databases (a file copy inside the process, a second "
        "process, deleted files…), alone and in pairs. A cell is the worst thing that clients saw and "
        "the number of tests that failed.\n\n"
        "Writes lab.json, lab.markdown and lab.html into the directory and prints the table. "
        "`walgrind-refserver --list strategies` and `--list hazards` explain the names.",
    .options = options_table,
    .run = lab,
};

/* Combinations of hazards of which at least one is harmless alone. */
static const char *const pairs[] = {
    "backup-copy+second-process",
    "file-read+second-process",
    "leak-connections+backup-copy",
    "leak-connections+file-read",
    "leak-connections+second-process",
    "slow-requests+file-read",
    "leak-connections+backup-copy+second-process",
};

/* Splits every item at the commas. */
static void split_lists(struct wg_strv *list)
{
    struct wg_strv split = {0};
    for (size_t i = 0; i < list->count; i++) {
        for (const char *at = list->items[i]; at;) {
            size_t length = strcspn(at, ",");
            wg_strv_take(&split, wg_strndup(at, length));
            at = at[length] ? at + length + 1 : NULL;
        }
    }
    wg_strv_finish(list);
    *list = split;
}

/* First words of the lines that the reference server lists. */
static int list_names(const char *refserver, const char *kind, struct wg_strv *ret_names,
                      struct wg_err *err)
{
    int fds[2], status = 0, rc = -1;
    struct wg_strv argv = {0};
    struct wg_process *process = NULL;
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return wg_err_errno(err, "pipe");
    FILE *lines = fdopen(fds[0], "re");
    wg_strv_push(&argv, refserver);
    wg_strv_push(&argv, "--list");
    wg_strv_push(&argv, kind);
    options.argv = argv.items;
    options.stdout_fd = fds[1];
    if (lines && wg_process_start(&options, &process, err) == 0) {
        char line[256];
        close(fds[1]);
        fds[1] = -1;
        while (fgets(line, sizeof line, lines)) {
            const char *name = line + strspn(line, " ");
            wg_strv_take(ret_names, wg_strndup(name, strcspn(name, " \n")));
        }
        rc = wg_process_wait(process, wg_deadline_in_ms(LIST_MS), &status, NULL, err) < 0 ? -1 : 0;
        if (rc == 0 && (status != 0 || ret_names->count == 0))
            rc = wg_err_set(err, WG_ERR_STATE, "%s --list %s gave nothing", refserver, kind);
    }
    wg_process_destroy(process);
    wg_strv_finish(&argv);
    if (lines)
        fclose(lines);
    if (fds[1] >= 0)
        close(fds[1]);
    return rc;
}

static bool is_listed(const struct wg_strv *names, const char *name, size_t length)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->items[i]) == length && strncmp(names->items[i], name, length) == 0)
            return true;
    return false;
}

/* Every part of every item, without its argument, must be a name. */
static int check_names(const struct wg_strv *list, const struct wg_strv *names, const char *what,
                       struct wg_err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        for (const char *at = list->items[i]; at;) {
            size_t length = strcspn(at, "+"), name = strcspn(at, "+:");
            if (!is_listed(names, at, name)) {
                char *word = wg_strndup(at, name);
                const char *near = wg_str_nearest(word, (const char *const *)names->items);
                wg_err_set(err, WG_ERR_USAGE, "no %s is called '%s'%s%s%s", what, word,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
                free(word);
                return -1;
            }
            at = at[length] ? at + length + 1 : NULL;
        }
    }
    return 0;
}

static int choose_cells(struct lab_options *options, const char *refserver, struct wg_err *err)
{
    int rc = -1;
    struct wg_strv inits = {0}, hazards = {0};
    split_lists(&options->inits);
    split_lists(&options->hazards);
    if (list_names(refserver, "strategies", &inits, err) != 0 ||
        list_names(refserver, "hazards", &hazards, err) != 0 ||
        check_names(&options->inits, &inits, "strategy", err) != 0 ||
        check_names(&options->hazards, &hazards, "hazard", err) != 0)
        goto out;
    if (options->inits.count == 0)
        for (size_t i = 0; i < inits.count; i++)
            if (strcmp(inits.items[i], "reference") != 0)
                wg_strv_push(&options->inits, inits.items[i]);
    if (options->hazards.count == 0) {
        wg_strv_extend(&options->hazards, hazards.items);
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
            wg_strv_push(&options->hazards, pairs[i]);
    }
    rc = 0;
out:
    wg_strv_finish(&inits);
    wg_strv_finish(&hazards);
    return rc;
}

static int write_document(const char *directory, const char *name, struct wg_buf *document,
                          struct wg_err *err)
{
    int rc = -1;
    char *path = wg_format("%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    if (!file) {
        wg_err_errno(err, "create %s", path);
    } else {
        size_t written = fwrite(document->data, 1, document->size, file);
        rc = fclose(file) == 0 && written == document->size ? 0
                                                            : wg_err_errno(err, "write %s", path);
    }
    free(path);
    wg_buf_finish(document);
    return rc;
}

static int write_results(json_t *table, const char *directory, struct wg_err *err)
{
    struct wg_buf markdown, html;
    char *path = wg_format("%s/lab.json", directory);
    wg_lab_table_finish(table);
    int rc = wg_json_write_file(path, table, err);
    free(path);
    if (rc != 0)
        return -1;
    wg_buf_init(&markdown, DOCUMENT_MAX);
    wg_buf_init(&html, DOCUMENT_MAX);
    wg_lab_write_markdown(table, &markdown);
    wg_lab_write_html(table, &html);
    rc = write_document(directory, "lab.markdown", &markdown, err);
    return write_document(directory, "lab.html", &html, rc == 0 ? err : NULL) == 0 ? rc : -1;
}

static void tell(const struct lab_options *options, const json_t *result, size_t number,
                 size_t total)
{
    if (options->progress)
        fprintf(stderr, "%4zu/%zu  %-20s %-32s %-10s %lld failing, %.1f s\n", number, total,
                wg_json_str(result, "init", ""), wg_json_str(result, "hazard", ""),
                wg_json_str(result, "class", ""), (long long)wg_json_int(result, "failed", 0),
                (double)wg_json_int(result, "ms", 0) / 1000);
}

/* All cells, round after round, so that what the machine does hits all cells alike. 1: stopped. */
static int run_cells(const struct lab_options *options, const struct wg_lab_options *cell,
                     json_t *table, struct wg_err *err)
{
    size_t number = 0;
    size_t total = options->inits.count * options->hazards.count * (size_t)options->repeat;
    for (int round = 1; round <= options->repeat; round++) {
        for (size_t i = 0; i < options->inits.count; i++) {
            for (size_t h = 0; h < options->hazards.count; h++) {
                json_t *result = NULL;
                int rc = wg_lab_cell_run(cell, options->inits.items[i], options->hazards.items[h],
                                         round, &result, err);
                if (rc != 0)
                    return rc;
                tell(options, result, ++number, total);
                wg_lab_table_add(table, result);
                json_decref(result);
                if (write_results(table, cell->directory, err) != 0)
                    return -1;
            }
        }
    }
    return 0;
}

/* Rounds of an earlier lab, of the cells that this one has too. */
static int add_earlier(const struct lab_options *options, const char *path, json_t *table,
                       struct wg_err *err)
{
    json_t *earlier = NULL, *cell, *round;
    size_t i, j;
    if (wg_json_read_file(path, &earlier, err) != 0)
        return -1;
    json_array_foreach(json_object_get(earlier, "cells"), i, cell)
    {
        const char *init = wg_json_str(cell, "init", ""), *hazard = wg_json_str(cell, "hazard", "");
        if (!is_listed(&options->inits, init, strlen(init)) ||
            !is_listed(&options->hazards, hazard, strlen(hazard)))
            continue;
        json_array_foreach(json_object_get(cell, "rounds"), j, round)
            wg_lab_table_add(table, round);
    }
    json_decref(earlier);
    return 0;
}

static int record_expectations(const char *path, const json_t *table, struct wg_err *err)
{
    json_t *expected = wg_lab_table_expectations(table);
    char *text = json_dumps(expected, JSON_INDENT(1) | JSON_SORT_KEYS);
    struct wg_buf document;
    wg_buf_init(&document, DOCUMENT_MAX);
    wg_buf_printf(&document, "%s\n", text ? text : "");
    free(text);
    json_decref(expected);
    return write_document(".", path, &document, err);
}

/* Prints the table; the number of cells that are not as expected, or -1. */
static long report(const struct lab_options *options, json_t *table, const char *directory,
                   struct wg_err *err)
{
    struct wg_buf text;
    long differences = 0;
    json_t *expected = NULL;
    if (options->expect && wg_json_read_file(options->expect, &expected, err) != 0)
        return -1;
    wg_buf_init(&text, DOCUMENT_MAX);
    wg_lab_write_text(table, &text);
    if (expected)
        differences = wg_lab_table_compare(table, expected, &text);
    if (options->probe)
        differences += wg_lab_table_misnamed(table, &text);
    printf("%s\nresults: %s/lab.html, lab.markdown, lab.json\n", text.data, directory);
    wg_buf_finish(&text);
    json_decref(expected);
    if (options->record && record_expectations(options->record, table, err) != 0)
        return -1;
    return differences;
}

static int open_stop_fd(struct wg_err *err)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return wg_err_errno(err, "block signals");
    int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : wg_err_errno(err, "signalfd");
}

/* Everything between the words of the command line and the printed table; an exit code, or -1. */
static int measure(struct lab_options *options, struct wg_lab_options *cell, json_t **ret_table,
                   struct wg_err *err)
{
    *ret_table = wg_lab_table_new(options->inits.items, options->hazards.items, options->repeat);
    for (size_t i = 0; i < options->added.count; i++)
        if (add_earlier(options, options->added.items[i], *ret_table, err) != 0)
            return -1;
    int stopped = run_cells(options, cell, *ret_table, err);
    if (stopped == 0 && options->repeat == 0)
        stopped = write_results(*ret_table, cell->directory, err);
    if (stopped < 0)
        return -1;
    wg_lab_table_finish(*ret_table);
    long differences = report(options, *ret_table, cell->directory, err);
    if (differences < 0)
        return -1;
    if (stopped > 0)
        return wg_err_set(err, WG_ERR_STATE, "interrupted; the table holds what was measured");
    return differences > 0 ? WG_EXIT_FAILED : WG_EXIT_PASSED;
}

static int lab(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct lab_options options = {
        .repeat = 1, .timeout_ms = 120000, .probe = true, .progress = true};
    struct wg_strv tests = {0};
    struct wg_run_directory directory = {0};
    struct wg_lab_options cell = {.walgrind = "/proc/self/exe", .stop_fd = -1};
    char *refserver = NULL, *nothing[] = {NULL};
    json_t *table = NULL;
    int exit_code = -1;
    int parsed = wg_command_parse(&wg_command_lab, argc, argv, false, &options, &tests, &err);
    if (parsed > 0)
        exit_code = WG_EXIT_PASSED;
    if (parsed != 0 || wg_locate_refserver(&refserver, &err) != 0 ||
        choose_cells(&options, refserver, &err) != 0 ||
        wg_run_directory_create(options.directory, &directory, &err) != 0 ||
        (cell.stop_fd = open_stop_fd(&err)) < 0)
        goto out;
    cell.directory = directory.path;
    cell.tests = tests.count ? tests.items : nothing;
    cell.run_args = options.run_args.count ? options.run_args.items : nothing;
    cell.timeout_ms = options.timeout_ms;
    cell.probe = options.probe;
    exit_code = measure(&options, &cell, &table, &err);
out:
    if (exit_code < 0)
        exit_code = wg_command_fail(&wg_command_lab, &err);
    json_decref(table);
    wg_run_directory_finish(&directory);
    free(refserver);
    if (cell.stop_fd >= 0)
        close(cell.stop_fd);
    wg_strv_finish(&tests);
    wg_strv_finish(&options.inits);
    wg_strv_finish(&options.hazards);
    wg_strv_finish(&options.run_args);
    wg_strv_finish(&options.added);
    return exit_code;
}
