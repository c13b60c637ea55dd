/* SPDX-License-Identifier: MIT */
#include "harness/foreign/command.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/foreign/junit.h"
#include "harness/foreign/tap.h"
#include "harness/foreign/unit.h"
#include "harness/run/stacks.h"
#include "harness/sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITSELF         WG_FOREIGN_SUITE "/command" /* the command as a test of its own */
#define BLOCK_SIZE     16384
#define DRAIN_BLOCKS   64  /* what a pipe can hold, and more */
#define STACKS_STEP_MS 100 /* between two looks at debuggers, for their own deadline */
/* What a shell exits with when it cannot execute a program. */
#define NOT_EXECUTABLE 126
#define NOT_FOUND      127

extern char **environ;

/* One execution of the command. */
struct execution {
    struct wg_foreign_session *session;
    const struct wg_foreign_command *command;
    struct wg_foreign_unit *unit;
    struct wg_process *process;
    pid_t pid;
    int stdout_fd;             /* -1: closed, or it goes to the log */
    off_t log_begin;           /* where its part of the log begins */
    struct wg_tap_reader *tap; /* NULL: JUnit XML */
    struct wg_foreign_results results;
    size_t emitted, failed;
    int64_t begun_ns;
    struct wg_deadline deadline;
    int signals; /* sent: 0, 1 SIGTERM, 2 SIGKILL */
    bool timed_out, aborted;
    struct wg_stacks *stacks;          /* being taken, before SIGTERM */
    char *stacks_text, *server_stacks; /* what they were, NULL: not taken */
    int status;
    struct wg_err err; /* of the reading of results */
};

static bool is_failure(enum wg_outcome outcome)
{
    static const bool failures[] = {
#define ROW(identifier, name, failure, meaning) [WG_OUTCOME_##identifier] = (failure),
        WG_OUTCOMES(ROW)
#undef ROW
    };
    return failures[outcome];
}

static const char *outcome_name(enum wg_outcome outcome)
{
    static const char *const names[] = {
#define ROW(identifier, name, failure, meaning) [WG_OUTCOME_##identifier] = (name),
        WG_OUTCOMES(ROW)
#undef ROW
    };
    return names[outcome];
}

static json_t *messages_of(const struct wg_foreign_result *result)
{
    if (!result->message[0])
        return json_array();
    return json_pack("[{s:s, s:o, s:I, s:o}]", "event", "assert", "file",
                     wg_json_text_new(result->file), "line", (json_int_t)result->line, "message",
                     wg_json_text_new(result->message));
}

static void emit_result(struct execution *execution, const struct wg_foreign_result *result)
{
    struct wg_foreign_session *session = execution->session;
    const struct wg_run_options *options = session->options;
    long long attempt = ++session->attempts;
    json_t *identity = json_pack("{s:I, s:s, s:I, s:s, s:i, s:i}", "attempt", (json_int_t)attempt,
                                 "test", result->name, "unit", (json_int_t)execution->unit->number,
                                 "mode", "none", "round", (int)session->round, "worker", 0);
    json_t *started = json_copy(identity);
    json_object_set_new(started, "pid", json_integer(execution->pid));
    wg_event_emit(session->log, WG_EVENT_TEST_STARTED, started);
    json_t *more = json_pack(
        "{s:s, s:f, s:o, s:o, s:I, s:s, s:o, s:o, s:b, s:o}", "outcome",
        outcome_name(result->outcome), "ms", result->ms, "reason", wg_json_text_new(result->reason),
        "file", wg_json_text_new(result->file), "line", (json_int_t)result->line, "description", "",
        "messages", messages_of(result), "output", wg_json_text_new(result->output), "output_cut",
        strlen(result->output) >= WG_LIMIT_TEST_OUTPUT, "repeat",
        wg_json_text_new(options->repeat_prefix));
    json_object_update(identity, more);
    json_decref(more);
    if (result->stacks[0])
        json_object_set_new(identity, "stacks", wg_json_text_new(result->stacks));
    if (result->server_stacks[0])
        json_object_set_new(identity, "server_stacks", wg_json_text_new(result->server_stacks));
    if (result->ended_ns)
        json_object_set_new(identity, "ended_ns",
                            json_integer(result->ended_ns - wg_event_log_base_ns(session->log)));
    if (is_failure(result->outcome) && options->ops->inspect && execution->unit->ready) {
        json_t *seen = options->ops->inspect(execution->unit->unit, result->name, attempt, false);
        json_object_update(identity, seen);
        json_decref(seen);
    }
    wg_event_emit(session->log, WG_EVENT_TEST_FINISHED, identity);
}

static void emit_results(struct execution *execution)
{
    for (; execution->emitted < execution->results.count; execution->emitted++) {
        const struct wg_foreign_result *result = &execution->results.items[execution->emitted];
        execution->failed += is_failure(result->outcome);
        emit_result(execution, result);
    }
}

/* The record has it then; a log that cannot be written loses text, no results. */
static void write_log(const struct execution *execution, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(execution->session->options->suite_stderr_fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        size -= (size_t)n;
    }
}

/* Reads once; false when there is nothing more now. */
static bool read_block(struct execution *execution)
{
    char block[BLOCK_SIZE];
    if (execution->stdout_fd < 0)
        return false;
    ssize_t n = read(execution->stdout_fd, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return errno == EINTR;
    if (n <= 0) {
        close(execution->stdout_fd);
        execution->stdout_fd = -1;
        return false;
    }
    write_log(execution, block, (size_t)n);
    (void)wg_tap_reader_feed(execution->tap, block, (size_t)n, wg_clock_now_ns(), &execution->err);
    emit_results(execution);
    return true;
}

static void on_output(void *object)
{
    (void)read_block(object);
}

/* Words that are placeholders, as wg_shell_command leaves them. */
static void expand(const struct execution *execution, const struct wg_strv *env,
                   struct wg_strv *argv)
{
    static const char *const variables[][2] = {{"{url}", "WALGRIND_URL="},
                                               {"{data}", "WALGRIND_DATA="}};
    for (char *const *word = execution->command->argv; *word; word++) {
        const char *value = *word;
        if (strcmp(value, "{junit}") == 0)
            value = execution->command->junit_path;
        for (size_t v = 0; v < sizeof variables / sizeof variables[0]; v++)
            for (size_t i = 0; i < env->count && strcmp(value, variables[v][0]) == 0; i++)
                if (wg_str_starts(env->items[i], variables[v][1]))
                    value = env->items[i] + strlen(variables[v][1]);
        wg_strv_push(argv, value);
    }
}

static int start(struct execution *execution, struct wg_err *err)
{
    const struct wg_run_options *options = execution->session->options;
    struct wg_process_options how = WG_PROCESS_OPTIONS_INIT;
    struct wg_strv env = {0}, argv = {0};
    int output[2] = {-1, -1};
    int rc = -1;
    wg_strv_extend(&env, environ);
    options->ops->environment(execution->unit->unit, &env);
    expand(execution, &env, &argv);
    how.argv = argv.items;
    how.envp = env.items;
    how.stdout_fd = how.stderr_fd = options->suite_stderr_fd;
    execution->log_begin = lseek(options->suite_stderr_fd, 0, SEEK_END);
    execution->begun_ns = wg_clock_now_ns();
    execution->deadline = wg_deadline_in_ms(options->timeout_ms);
    if (execution->command->junit_path) {
        /* What is left of the round before is no result of this one. */
        if (unlink(execution->command->junit_path) != 0 && errno != ENOENT) {
            wg_err_errno(err, "remove %s", execution->command->junit_path);
            goto out;
        }
    } else {
        if (pipe2(output, O_CLOEXEC) != 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) != 0) {
            wg_err_errno(err, "pipe for the tests");
            goto out;
        }
        how.stdout_fd = output[1];
        execution->tap = wg_tap_reader_create(&execution->results, execution->begun_ns);
    }
    if (wg_process_start(&how, &execution->process, err) != 0) {
        wg_err_wrap(err, "the tests cannot be started");
        goto out;
    }
    execution->pid = wg_process_pid(execution->process);
    execution->stdout_fd = output[0];
    output[0] = -1;
    rc = 0;
out:
    for (int i = 0; i < 2; i++)
        if (output[i] >= 0)
            close(output[i]);
    wg_strv_finish(&env);
    wg_strv_finish(&argv);
    return rc;
}

static void start_stacks(struct execution *execution)
{
    const struct wg_run_options *options = execution->session->options;
    pid_t server = wg_pidfd_process(options->ops->process_fd(execution->unit->unit));
    execution->stacks = wg_stacks_start(execution->pid, server);
}

static void finish_stacks(struct execution *execution)
{
    struct wg_buf own, servers;
    if (!execution->stacks)
        return;
    wg_buf_init(&own, WG_LIMIT_STACKS);
    wg_buf_init(&servers, WG_LIMIT_STACKS);
    wg_stacks_finish(execution->stacks, &own, &servers);
    execution->stacks = NULL;
    execution->stacks_text = wg_buf_steal(&own);
    execution->server_stacks = wg_buf_steal(&servers);
}

static void send_signal(struct execution *execution, int signal, struct wg_deadline next)
{
    execution->signals++;
    execution->deadline = next;
    wg_process_signal_group(execution->process, signal);
}

/* When its time is over its stacks are taken; then, or when the run is stopped, SIGTERM; SIGKILL
 * after the grace. */
static void mind_deadline(struct execution *execution)
{
    struct wg_foreign_session *session = execution->session;
    bool over = wg_deadline_passed(execution->deadline), stopped = session->interrupts > 0;
    if (execution->signals == 0 && over && !stopped && !execution->timed_out) {
        execution->timed_out = true;
        start_stacks(execution);
    }
    if (execution->signals == 0 && (stopped || execution->timed_out)) {
        if (!stopped && !wg_stacks_ready(execution->stacks)) {
            execution->deadline = wg_deadline_in_ms(STACKS_STEP_MS);
            return;
        }
        execution->aborted = !execution->timed_out;
        finish_stacks(execution);
        send_signal(execution, SIGTERM, wg_deadline_in_ms(session->options->grace_ms));
        over = false;
    }
    if (execution->signals == 1 && (over || session->interrupts > 1))
        send_signal(execution, SIGKILL, WG_DEADLINE_NEVER);
}

static int attend(struct execution *execution, struct wg_err *err)
{
    struct wg_foreign_session *session = execution->session;
    struct wg_pollset *set = &session->set;
    int ended;
    while ((ended = wg_process_wait(execution->process, wg_deadline_in_ms(0), &execution->status,
                                    NULL, err)) == 0) {
        wg_pollset_reset(set);
        wg_pollset_add(set, wg_process_pidfd(execution->process), POLLIN, NULL, NULL);
        wg_pollset_add(set, execution->stdout_fd, POLLIN, on_output, execution);
        wg_pollset_add(set, session->options->interrupt_fd, POLLIN, NULL, NULL);
        wg_pollset_add(set, execution->stacks ? wg_stacks_fd(execution->stacks) : -1, POLLIN, NULL,
                       NULL);
        wg_foreign_unit_watch(execution->unit);
        wg_pollset_until(set, execution->deadline);
        if (wg_pollset_wait(set, err) != 0)
            return -1;
        wg_foreign_take_interrupts(session);
        wg_foreign_unit_notice_death(execution->unit);
        mind_deadline(execution);
    }
    if (ended < 0)
        return -1;
    finish_stacks(execution);
    /* Nothing of it outlives it, and nobody else writes into the pipe then. */
    wg_process_signal_group(execution->process, SIGKILL);
    for (int i = 0; i < DRAIN_BLOCKS && read_block(execution); i++)
        ;
    return 0;
}

/* The results that are not there yet; what is wrong with them goes to execution->err. */
static void read_results(struct execution *execution)
{
    bool whole = !execution->timed_out && !execution->aborted && !WIFSIGNALED(execution->status);
    if (execution->tap) {
        (void)wg_tap_reader_end(execution->tap, whole, wg_clock_now_ns(), &execution->err);
    } else if (access(execution->command->junit_path, F_OK) != 0) {
        wg_err_set(&execution->err, WG_ERR_FORMAT, "it wrote no results to {junit}");
    } else {
        (void)wg_junit_read(execution->command->junit_path, &execution->results, &execution->err);
    }
    emit_results(execution);
}

/* The end of what the command has printed; the caller frees it. */
static char *read_tail(const struct execution *execution)
{
    char *text = wg_calloc(1, WG_LIMIT_COMMAND_OUTPUT + 1);
    int fd = open(execution->command->log_path, O_RDONLY | O_CLOEXEC);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t begin = end - (off_t)WG_LIMIT_COMMAND_OUTPUT;
    if (begin < execution->log_begin)
        begin = execution->log_begin;
    ssize_t n = fd >= 0 ? pread(fd, text, WG_LIMIT_COMMAND_OUTPUT, begin) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

/*
 * How the command itself did, and why in `reason`; passed when its tests say all there is to say.
 * What the runner did to it comes first, then how it died, then what it said.
 */
static enum wg_outcome decide(const struct execution *execution, char *reason, size_t size)
{
    const struct wg_run_options *options = execution->session->options;
    bool unreadable = wg_err_is_set(&execution->err);
    char how[96];
    wg_process_status_text(execution->status, how, sizeof how);
    reason[0] = '\0';
    if (execution->timed_out) {
        snprintf(reason, size, "the command still ran after %d ms", options->timeout_ms);
        return WG_OUTCOME_TIMEOUT;
    }
    if (execution->aborted) {
        snprintf(reason, size, "the run was stopped while the command ran");
        return WG_OUTCOME_NOT_RUN;
    }
    if (WIFSIGNALED(execution->status)) {
        snprintf(reason, size, "the command died from %s", how);
        return WG_OUTCOME_CRASHED;
    }
    if (WEXITSTATUS(execution->status) != 0 && (execution->failed == 0 || unreadable)) {
        snprintf(reason, size, "the command ended with %s%s%s", how,
                 execution->failed > 0 ? "" : ", though no test failed", unreadable ? "; " : "");
        if (unreadable)
            snprintf(reason + strlen(reason), size - strlen(reason), "%s", execution->err.message);
        return WG_OUTCOME_EXITED;
    }
    if (unreadable) {
        snprintf(reason, size, "the command ended with %s, but %s", how, execution->err.message);
        return WG_OUTCOME_FAILED;
    }
    if (execution->results.count == 0) {
        snprintf(reason, size, "the command ran no test");
        return WG_OUTCOME_FAILED;
    }
    return WG_OUTCOME_PASSED;
}

/* The shell's words are the last ones. */
static int refuse_start(const char *printed, struct wg_err *err)
{
    size_t size = strlen(printed);
    while (size > 0 && printed[size - 1] == '\n')
        size--;
    const char *line = size > 0 ? memrchr(printed, '\n', size) : NULL;
    line = line ? line + 1 : printed;
    return wg_err_set(err, WG_ERR_STATE, "the tests cannot be started: %.*s",
                      (int)(printed + size - line), line);
}

static void add_itself(struct execution *execution, enum wg_outcome outcome, const char *reason,
                       const char *output)
{
    struct wg_foreign_result result;
    wg_foreign_result_init(&result, ITSELF);
    result.outcome = outcome;
    result.ms = (double)(wg_clock_now_ns() - execution->begun_ns) / (double)WG_NS_PER_MS;
    wg_foreign_result_set(&result.reason, reason);
    wg_foreign_result_set(&result.output, output);
    wg_foreign_result_set(&result.stacks, execution->stacks_text);
    wg_foreign_result_set(&result.server_stacks, execution->server_stacks);
    if (wg_foreign_results_take(&execution->results, &result, NULL) == 0)
        emit_results(execution);
}

static int judge(struct execution *execution, struct wg_err *err)
{
    char reason[2048];
    int rc = 0;
    int code = WIFEXITED(execution->status) ? WEXITSTATUS(execution->status) : 0;
    read_results(execution);
    enum wg_outcome outcome = decide(execution, reason, sizeof reason);
    char *printed = outcome == WG_OUTCOME_PASSED ? NULL : read_tail(execution);
    if (execution->results.count == 0 && outcome == WG_OUTCOME_EXITED &&
        (code == NOT_EXECUTABLE || code == NOT_FOUND))
        rc = refuse_start(printed, err);
    else if (outcome != WG_OUTCOME_PASSED)
        add_itself(execution, outcome, reason, printed);
    free(printed);
    return rc;
}

static void finish(struct execution *execution)
{
    finish_stacks(execution);
    free(execution->stacks_text);
    free(execution->server_stacks);
    wg_process_destroy(execution->process);
    wg_tap_reader_destroy(execution->tap);
    wg_foreign_results_finish(&execution->results);
    if (execution->stdout_fd >= 0)
        close(execution->stdout_fd);
}

static int run_round(struct wg_foreign_session *session, const struct wg_foreign_command *command,
                     struct wg_err *err)
{
    struct wg_foreign_unit unit;
    struct wg_err why = WG_ERR_INIT;
    struct execution execution = {
        .session = session, .command = command, .unit = &unit, .stdout_fd = -1};
    int rc = 0;
    int64_t begun_ns = execution.begun_ns = wg_clock_now_ns();
    wg_event_emit(
        session->log, WG_EVENT_ROUND_STARTED,
        json_pack("{s:s, s:i, s:i}", "mode", "none", "round", (int)session->round, "tests", 0));
    if (wg_foreign_unit_begin(session, &unit, &why) == 0) {
        add_itself(&execution, WG_OUTCOME_NOT_RUN,
                   why.message[0] ? why.message : "the run was stopped before it began", "");
    } else {
        rc = start(&execution, err);
        if (rc == 0)
            rc = attend(&execution, err);
        if (rc == 0)
            rc = judge(&execution, err);
    }
    finish(&execution);
    wg_foreign_unit_end(&unit);
    wg_event_emit(session->log, WG_EVENT_ROUND_FINISHED,
                  json_pack("{s:s, s:i, s:f}", "mode", "none", "round", (int)session->round, "ms",
                            (double)(wg_clock_now_ns() - begun_ns) / (double)WG_NS_PER_MS));
    return rc;
}

int wg_foreign_run(const struct wg_run_options *options, const struct wg_foreign_command *command,
                   struct wg_event_log *log, struct wg_err *err)
{
    struct wg_foreign_session session = {.options = options, .log = log};
    int rc = 0;
    for (session.round = 1; rc == 0 && session.round <= options->repeat; session.round++) {
        bool enough = session.interrupts > 0 || (session.round > 1 && options->is_enough &&
                                                 options->is_enough(options->is_enough_context));
        if (enough)
            break;
        rc = run_round(&session, command, err);
    }
    wg_pollset_finish(&session.set);
    return rc;
}
