/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/lab/cell.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/report/model.h"
#include "harness/run/classify.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 20000 /* a run that is stopped is still diagnosed */

#define ROW(identifier, name, letter, kind, meaning)                                               \
    [WG_LAB_##identifier] = {name, letter, kind, meaning},
const struct wg_lab_class_row wg_lab_classes[WG_LAB_CLASS_COUNT] = {WG_LAB_CLASSES(ROW)};
#undef ROW

enum wg_lab_class wg_lab_class_of(const char *name)
{
    int i = 0;
    while (i < WG_LAB_CLASS_COUNT && strcmp(wg_lab_classes[i].name, name) != 0)
        i++;
    return (enum wg_lab_class)i;
}

/* What the answers of the server say, by a piece of their text; the first row that fits counts. */
static const struct {
    const char *text;
    enum wg_lab_class class_;
} answers[] = {
    {"malformed", WG_LAB_MALFORMED},        {"not a database", WG_LAB_MALFORMED},
    {"deadlock:", WG_LAB_DEADLOCK},         {"disk I/O error", WG_LAB_IO},
    {"unable to open database", WG_LAB_IO}, {"disk is full", WG_LAB_IO},
    {"locking protocol", WG_LAB_IO},        {"readonly database", WG_LAB_IO},
    {"is locked", WG_LAB_LOCKED},           {"no such table", WG_LAB_SCHEMA},
    {"no such column", WG_LAB_SCHEMA},      {"already exists", WG_LAB_SCHEMA},
    {"duplicate column", WG_LAB_SCHEMA},
};

/* Without the tests that pin what a strategy or a hazard is there to change: the journal mode, and
 * the pings of a stream that has been silent (with slow-requests, which sends an event a request,
 * none ever is). */
#define FILTER                                                                                     \
    "--filter=!storage_schema/database_has_its_journal_mode* & !sse/pings_come_again_and_again"

/* The fold over the events of one run. */
struct fold {
    long tests, failed, wrong, answers[WG_LAB_CLASS_COUNT];
    long logged[WG_EVIDENCE_COUNT];
    json_t *explained; /* names of tests that met an error which was told */
    json_t *failures;  /* names of those that failed */
    json_t *findings;  /* ids */
};

static void take_answer(struct fold *fold, const char *test, const char *text)
{
    json_object_set_new(fold->explained, test, json_true());
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strstr(text, answers[i].text)) {
            fold->answers[answers[i].class_]++;
            return;
        }
    }
}

static void take_evidence(struct fold *fold, const json_t *event)
{
    const char *source = wg_json_str(event, "source", "");
    if (strcmp(source, "response") == 0) {
        take_answer(fold, wg_json_str(event, "test", ""), wg_json_str(event, "message", ""));
        return;
    }
    /* The one cause that SQLite names itself. */
    if ((wg_json_int(event, "code", 0) & 0xff) == SQLITE_FULL ||
        wg_json_int(event, "errno", 0) == ENOSPC)
        json_object_set_new(fold->findings, "disk-full", json_true());
    for (int i = 0; i < WG_EVIDENCE_COUNT; i++)
        if (strcmp(wg_evidence_class_name((enum wg_evidence_class)i),
                   wg_json_str(event, "class", "")) == 0)
            fold->logged[i]++;
}

static void take_event(void *context, enum wg_event_kind kind, const json_t *event)
{
    struct fold *fold = context;
    const char *test = wg_json_str(event, "test", "");
    switch (kind) {
    case WG_EVENT_EVIDENCE: take_evidence(fold, event); break;
    case WG_EVENT_REQUEST:
        if (json_is_string(json_object_get(event, "error"))) {
            fold->answers[WG_LAB_CONNECTION]++;
            json_object_set_new(fold->explained, test, json_true());
        }
        break;
    case WG_EVENT_TEST_FINISHED:
        fold->tests++;
        if (wg_outcome_is_failure(wg_outcome_of(wg_json_str(event, "outcome", "")))) {
            fold->failed++;
            json_object_set_new(fold->failures, test, json_true());
        }
        break;
    default:
        if (strcmp(wg_json_str(event, "event", ""), "finding") == 0)
            json_object_set_new(fold->findings, wg_json_str(event, "id", "?"), json_true());
    }
}

static enum wg_lab_class worst_class(struct fold *fold)
{
    const char *test;
    json_t *value;
    json_object_foreach(fold->failures, test, value) fold->wrong +=
        json_object_get(fold->explained, test) == NULL;
    /* Where the application refuses requests, tests that build on their effect fail in consequence.
     */
    if (fold->wrong > 0 && fold->answers[WG_LAB_DEADLOCK] == 0)
        fold->answers[WG_LAB_WRONG] = fold->wrong;
    /* A database that the checks at the end found broken, though nobody was told. */
    if (fold->logged[WG_EVIDENCE_CORRUPT] > 0 && fold->answers[WG_LAB_MALFORMED] == 0)
        fold->answers[WG_LAB_MALFORMED] = fold->logged[WG_EVIDENCE_CORRUPT];
    int class_ = WG_LAB_CLASS_COUNT - 1;
    while (class_ > WG_LAB_CLEAN && fold->answers[class_] == 0)
        class_--;
    return (enum wg_lab_class)class_;
}

static json_t *keys_of(const json_t *object)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) json_array_append_new(list, json_string(key));
    return list;
}

static json_t *describe(struct fold *fold, bool hung)
{
    enum wg_lab_class class_ = worst_class(fold);
    json_t *counts = json_object();
    for (int i = WG_LAB_CLEAN + 1; i < WG_LAB_CLASS_COUNT; i++)
        if (fold->answers[i] > 0)
            json_object_set_new(counts, wg_lab_classes[i].name, json_integer(fold->answers[i]));
    return json_pack("{s:s, s:I, s:I, s:o, s:{s:I, s:I, s:I}, s:o}", "class",
                     wg_lab_classes[hung ? WG_LAB_HUNG : class_].name, "tests",
                     (json_int_t)fold->tests, "failed", (json_int_t)fold->failed, "answers", counts,
                     "logged", "io", (json_int_t)fold->logged[WG_EVIDENCE_IO], "corrupt",
                     (json_int_t)fold->logged[WG_EVIDENCE_CORRUPT], "busy",
                     (json_int_t)fold->logged[WG_EVIDENCE_BUSY], "findings",
                     keys_of(fold->findings));
}

/* The line "totals" of the server's log says which journal modes resulted. */
static json_t *read_journal_modes(const char *log_path)
{
    json_t *modes = NULL;
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(log_path, "re");
    while (file && !modes && getline(&line, &room, file) > 0) {
        if (!strstr(line, "\"journal_modes\""))
            continue;
        json_error_t error;
        json_t *totals = json_loads(line, 0, &error);
        modes = json_incref(json_object_get(totals, "journal_modes"));
        json_decref(totals);
    }
    free(line);
    if (file)
        fclose(file);
    return modes;
}

static json_t *find_journal_modes(const char *run)
{
    char *path = wg_format("%s/servers/1-none-all.log", run);
    json_t *modes = read_journal_modes(path);
    free(path);
    return modes;
}

/* The ids of the diagnosis; its record is large and goes. A run that had to be killed has none. */
static int take_findings(const char *probe, json_t *findings, struct wg_err *err)
{
    json_t *document = NULL, *finding;
    size_t i;
    char *path = wg_format("%s/findings.json", probe);
    int rc = access(path, F_OK) == 0 ? wg_json_read_file(path, &document, err) : 0;
    json_array_foreach(json_object_get(document, "findings"), i, finding)
        json_object_set_new(findings, wg_json_str(finding, "id", "?"), json_true());
    json_decref(document);
    free(path);
    path = wg_format("%s/trace", probe);
    if (rc == 0)
        rc = wg_tree_remove(path, err);
    free(path);
    return rc;
}

static int start_run(const struct wg_lab_options *options, const char *init, const char *hazard,
                     const char *run, const char *probe, int log_fd,
                     struct wg_process **ret_process, struct wg_err *err)
{
    struct wg_strv argv = {0};
    if (options->probe) {
        wg_strv_push(&argv, options->walgrind);
        wg_strv_push(&argv, "exec");
        wg_strv_take(&argv, wg_format("--output=%s", probe));
        wg_strv_push(&argv, "--");
    }
    wg_strv_push(&argv, options->walgrind);
    wg_strv_push(&argv, "run");
    wg_strv_push(&argv, "--swarm");
    wg_strv_push(&argv, "--no-progress");
    wg_strv_push(&argv, "--no-probe");    /* errors are counted, with options->probe beside them */
    wg_strv_push(&argv, "--no-files");    /* a test that opens a database is a second process */
    wg_strv_push(&argv, "--workers=8");   /* as many as the server has threads */
    wg_strv_push(&argv, "--timeout=15s"); /* several times what the longest test takes */
    wg_strv_push(&argv, FILTER);
    wg_strv_take(&argv, wg_format("--history=%s/history.json", options->directory));
    wg_strv_push(&argv, "--init-arg=--fresh");
    wg_strv_take(&argv, wg_format("--server-arg=--init=%s", init));
    char *hazards = wg_format("--server-arg=--hazard=%s", hazard);
    for (char *plus = hazards; (plus = strchr(plus, '+')) != NULL;)
        *plus = ',';
    wg_strv_take(&argv, hazards);
    wg_strv_take(&argv, wg_format("--run-dir=%s", run));
    wg_strv_extend(&argv, options->run_args);
    wg_strv_push(&argv, "--");
    wg_strv_extend(&argv, options->tests);
    struct wg_process_options process = WG_PROCESS_OPTIONS_INIT;
    process.argv = argv.items;
    process.stdout_fd = log_fd;
    process.stderr_fd = log_fd;
    int rc = wg_process_start(&process, ret_process, err);
    wg_strv_finish(&argv);
    return rc;
}

/*
 * Waits for the run; `ret_hung`: it had to be stopped at its deadline. 1: the lab is to stop. Exit
 * status 3, a server that could not be kept alive, is a result like another; 2 and signals are not.
 */
static int finish_run(const struct wg_lab_options *options, struct wg_process *process,
                      const char *log, bool *ret_hung, struct wg_err *err)
{
    int status = 0;
    struct wg_deadline deadline = wg_deadline_in_ms(options->timeout_ms);
    struct pollfd fds[] = {{.fd = wg_process_pidfd(process), .events = POLLIN},
                           {.fd = options->stop_fd, .events = POLLIN}};
    int ready;
    do {
        ready = poll(fds, 2, wg_deadline_poll_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return wg_err_errno(err, "wait for a run of the lab");
    bool stop = fds[1].revents != 0;
    *ret_hung = ready == 0;
    if (stop || *ret_hung)
        return wg_process_stop(process, GRACE_MS, &status, NULL, err) < 0 ? -1 : stop;
    if (wg_process_wait(process, deadline, &status, NULL, err) < 0)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) != WG_EXIT_USAGE)
        return 0;
    char text[64];
    wg_process_status_text(status, text, sizeof text);
    return wg_err_set(err, WG_ERR_STATE, "a run of the lab ended with %s; see %s", text, log);
}

int wg_lab_cell_run(const struct wg_lab_options *options, const char *init, const char *hazard,
                    int round, json_t **ret_result, struct wg_err *err)
{
    int rc = -1;
    bool hung = false;
    struct wg_process *process = NULL;
    struct fold fold = {
        .explained = json_object(), .failures = json_object(), .findings = json_object()};
    char *cell = wg_format("%s/%s/%s", options->directory, init, hazard);
    char *run = wg_format("%s/%d", cell, round);
    char *log = wg_format("%s/%d.txt", cell, round);
    char *events = wg_format("%s/events.jsonl", run);
    char *probe = wg_format("%s/%d.probe", cell, round);
    int64_t began = wg_clock_now_ns();
    int log_fd = -1;
    if (wg_tree_make(cell, err) != 0)
        goto out;
    log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (log_fd < 0) {
        wg_err_errno(err, "create %s", log);
        goto out;
    }
    if (start_run(options, init, hazard, run, probe, log_fd, &process, err) != 0)
        goto out;
    rc = finish_run(options, process, log, &hung, err);
    if (rc != 0)
        goto out;
    rc = -1;
    if (access(events, F_OK) != 0) {
        wg_err_set(err, WG_ERR_STATE, "a run of the lab did not begin; see %s", log);
        goto out;
    }
    if (wg_events_read(events, take_event, &fold, err) != 0 ||
        (options->probe && take_findings(probe, fold.findings, err) != 0))
        goto out;
    json_t *result = describe(&fold, hung);
    json_object_set_new(result, "init", json_string(init));
    json_object_set_new(result, "hazard", json_string(hazard));
    json_object_set_new(result, "round", json_integer(round));
    json_object_set_new(result, "ms", json_integer((wg_clock_now_ns() - began) / 1000000));
    json_object_set_new(result, "run", json_string(run));
    json_t *modes = find_journal_modes(run);
    if (modes)
        json_object_set_new(result, "journal", modes);
    *ret_result = result;
    rc = 0;
out:
    wg_process_destroy(process);
    if (log_fd >= 0)
        close(log_fd);
    json_decref(fold.explained);
    json_decref(fold.failures);
    json_decref(fold.findings);
    free(cell);
    free(run);
    free(log);
    free(events);
    free(probe);
    return rc;
}
