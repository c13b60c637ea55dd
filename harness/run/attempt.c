/* SPDX-License-Identifier: MIT */
#include "harness/run/attempt.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/run/classify.h"
#include "harness/run/server_log.h"
#include "harness/run/stacks.h"
#include "harness/sys/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum stop_state {
    STOP_NOT,    /* runs until its deadline */
    STOP_STACKS, /* deadline passed, a debugger looks at it */
    STOP_TERM,   /* SIGTERM sent, grace runs */
    STOP_KILL,   /* SIGKILL sent */
};

struct wg_attempt {
    struct wg_attempt_options options;
    char *repeat;
    struct wg_suite_client *client;
    struct wg_event_log *log;
    int event_fd;
    int output_fd;
    pid_t pid;        /* 0 before "started" */
    int64_t log_from; /* size of the server's log when it began */
    int64_t started_ns;
    int64_t ended_ns;

    enum stop_state stop;
    struct wg_deadline deadline;
    bool timed_out;
    bool aborted;
    char *lost; /* why the fork server is gone, NULL while it is there */
    struct wg_stacks *stacks;
    struct wg_buf stacks_text, server_stacks_text;

    bool exited;
    int status;
    json_t *exit_message; /* "exited", for usage and survivors */

    bool done;   /* the test reached its regular end */
    long failed; /* failed assertions, by "assert" and by "done" */
    bool skipped;
    json_t *messages; /* assertion, skip and log records, at most WG_LIMIT_TEST_MESSAGES */
    size_t messages_dropped;
    struct wg_buf output;
    long requests;

    const struct wg_test *beside[WG_LIMIT_TEST_BESIDE]; /* that ran meanwhile on the same server */
    size_t beside_count;                                /* all of them, also those without place */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int wg_attempt_start(const struct wg_attempt_options *options, struct wg_suite_client *client,
                     struct wg_event_log *log, struct wg_attempt **ret_attempt, struct wg_err *err)
{
    int rc = -1;
    int channel[2] = {-1, -1}, output[2] = {-1, -1};
    int64_t log_from =
        wg_server_log_size(options->log_path); /* before the test can ask for anything */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) {
        wg_err_errno(err, "socketpair for a test");
        goto out;
    }
    if (pipe2(output, O_CLOEXEC) != 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) != 0) {
        wg_err_errno(err, "pipe for a test");
        goto out;
    }
    if (wg_suite_client_run(client, options->number, options->test->id, options->env, channel[1],
                            output[1], err) != 0)
        goto out;
    struct wg_attempt *attempt = wg_calloc(1, sizeof *attempt);
    attempt->options = *options;
    attempt->options.env = NULL; /* the caller's */
    attempt->options.repeat = attempt->repeat = wg_strdup(options->repeat);
    attempt->client = client;
    attempt->log = log;
    attempt->event_fd = channel[0];
    attempt->output_fd = output[0];
    channel[0] = output[0] = -1;
    attempt->log_from = log_from;
    attempt->started_ns = wg_clock_now_ns();
    attempt->deadline = wg_deadline_in_ms(options->timeout_ms);
    attempt->messages = json_array();
    wg_buf_init(&attempt->output, WG_LIMIT_TEST_OUTPUT);
    wg_buf_init(&attempt->stacks_text, WG_LIMIT_STACKS);
    wg_buf_init(&attempt->server_stacks_text, WG_LIMIT_STACKS);
    *ret_attempt = attempt;
    rc = 0;
out:
    close_fd(&channel[0]);
    close_fd(&channel[1]);
    close_fd(&output[0]);
    close_fd(&output[1]);
    return rc;
}

long long wg_attempt_number(const struct wg_attempt *attempt)
{
    return attempt->options.number;
}

const struct wg_test *wg_attempt_test(const struct wg_attempt *attempt)
{
    return attempt->options.test;
}

int wg_attempt_tries(const struct wg_attempt *attempt)
{
    return attempt->options.try_number;
}

static void note_beside(struct wg_attempt *attempt, const struct wg_attempt *other)
{
    if (attempt->beside_count < WG_LIMIT_TEST_BESIDE)
        attempt->beside[attempt->beside_count] = other->options.test;
    attempt->beside_count++;
}

void wg_attempt_meet(struct wg_attempt *attempt, struct wg_attempt *other)
{
    note_beside(attempt, other);
    note_beside(other, attempt);
}

int wg_attempt_event_fd(const struct wg_attempt *attempt)
{
    return attempt->event_fd;
}

int wg_attempt_output_fd(const struct wg_attempt *attempt)
{
    return attempt->output_fd;
}

int wg_attempt_stacks_fd(const struct wg_attempt *attempt)
{
    return attempt->stacks ? wg_stacks_fd(attempt->stacks) : -1;
}

struct wg_deadline wg_attempt_deadline(const struct wg_attempt *attempt)
{
    return attempt->deadline;
}

/* Members that tell which test an event is about. */
static json_t *identity(const struct wg_attempt_options *options)
{
    return json_pack("{s:I, s:s, s:I, s:s, s:i}", "attempt", (json_int_t)options->number, "test",
                     options->test->full_name, "unit", (json_int_t)options->unit, "mode",
                     options->mode, "round", (int)options->round);
}

static void take_request(struct wg_attempt *attempt, json_t *packet)
{
    attempt->requests++;
    json_object_del(packet, "event");
    json_object_set_new(packet, "attempt", json_integer(attempt->options.number));
    json_object_set_new(packet, "test", json_string(attempt->options.test->full_name));
    json_object_set_new(packet, "unit", json_integer(attempt->options.unit));
    wg_event_emit(attempt->log, WG_EVENT_REQUEST, json_deep_copy(packet));
    json_t *evidence = wg_classify_response(packet);
    if (evidence) {
        json_object_set_new(evidence, "mode", json_string(attempt->options.mode));
        json_object_set_new(evidence, "round", json_integer(attempt->options.round));
        wg_event_emit(attempt->log, WG_EVENT_EVIDENCE, evidence);
    }
}

static void take_packet(struct wg_attempt *attempt, json_t *packet)
{
    const char *event = wg_json_str(packet, "event", "");
    if (strcmp(event, "http") == 0) {
        take_request(attempt, packet);
        return;
    }
    if (strcmp(event, "done") == 0) {
        attempt->done = true;
        if (wg_json_int(packet, "failed", 0) > attempt->failed)
            attempt->failed = (long)wg_json_int(packet, "failed", 0);
        return;
    }
    attempt->failed += strcmp(event, "assert") == 0;
    attempt->skipped = attempt->skipped || strcmp(event, "skip") == 0;
    if (json_array_size(attempt->messages) < WG_LIMIT_TEST_MESSAGES)
        json_array_append(attempt->messages, packet);
    else
        attempt->messages_dropped++;
}

void wg_attempt_read_events(struct wg_attempt *attempt)
{
    static const size_t room = WG_LIMIT_PACKET;
    char *bytes = NULL;
    while (attempt->event_fd >= 0) {
        if (!bytes)
            bytes = wg_malloc(room);
        ssize_t n = recv(attempt->event_fd, bytes, room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            close_fd(&attempt->event_fd);
            break;
        }
        json_t *packet = json_loadb(bytes, (size_t)n, 0, NULL);
        if (packet)
            take_packet(attempt, packet);
        json_decref(packet);
    }
    free(bytes);
}

void wg_attempt_read_output(struct wg_attempt *attempt)
{
    char block[16384];
    /* Bounded, so that a test that prints without end cannot keep the loop here. */
    for (int i = 0; i < 16 && attempt->output_fd >= 0; i++) {
        ssize_t n = read(attempt->output_fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_fd(&attempt->output_fd);
            return;
        }
        wg_buf_append(&attempt->output, block, (size_t)n);
    }
}

void wg_attempt_take_message(struct wg_attempt *attempt, const json_t *message)
{
    if (strcmp(wg_json_str(message, "op", ""), "started") == 0) {
        attempt->pid = (pid_t)wg_json_int(message, "pid", 0);
        json_t *members = identity(&attempt->options);
        json_object_set_new(members, "worker", json_integer(attempt->options.worker));
        json_object_set_new(members, "pid", json_integer(attempt->pid));
        wg_event_emit(attempt->log, WG_EVENT_TEST_STARTED, members);
        return;
    }
    attempt->exited = true;
    attempt->ended_ns = wg_clock_now_ns();
    attempt->status = (int)wg_json_int(message, "status", 0);
    attempt->exit_message = json_deep_copy(message);
}

static void send_term(struct wg_attempt *attempt)
{
    attempt->stop = STOP_TERM;
    attempt->deadline = wg_deadline_in_ms(attempt->options.grace_ms);
    wg_suite_client_kill(attempt->client, attempt->options.number, SIGTERM);
}

static void send_kill(struct wg_attempt *attempt)
{
    attempt->stop = STOP_KILL;
    attempt->deadline = WG_DEADLINE_NEVER;
    wg_suite_client_kill(attempt->client, attempt->options.number, SIGKILL);
}

static void finish_stacks(struct wg_attempt *attempt)
{
    wg_stacks_finish(attempt->stacks, &attempt->stacks_text, &attempt->server_stacks_text);
    attempt->stacks = NULL;
}

bool wg_attempt_tick(struct wg_attempt *attempt, pid_t server)
{
    if (attempt->exited || attempt->lost)
        return false;
    if (attempt->stop == STOP_STACKS && wg_stacks_ready(attempt->stacks)) {
        finish_stacks(attempt);
        send_term(attempt);
        return false;
    }
    if (!wg_deadline_passed(attempt->deadline))
        return false;
    switch (attempt->stop) {
    case STOP_NOT:
        attempt->timed_out = true;
        if (attempt->pid == 0) {
            send_kill(attempt);
            return false;
        }
        attempt->stop = STOP_STACKS;
        attempt->stacks = wg_stacks_start(attempt->pid, server);
        /* Looked at again when the debugger has ended, and now and then for its own deadline. */
        attempt->deadline = wg_deadline_in_ms(100);
        return server > 0;
    case STOP_STACKS: attempt->deadline = wg_deadline_in_ms(100); break;
    case STOP_TERM: send_kill(attempt); break;
    case STOP_KILL: break;
    }
    return false;
}

void wg_attempt_abort(struct wg_attempt *attempt, bool force)
{
    attempt->aborted = true;
    if (attempt->exited || attempt->lost)
        return;
    if (force)
        send_kill(attempt);
    else if (attempt->stop == STOP_NOT)
        send_term(attempt);
}

void wg_attempt_lost(struct wg_attempt *attempt, const char *why)
{
    if (attempt->exited || attempt->lost)
        return;
    attempt->ended_ns = wg_clock_now_ns();
    attempt->lost = wg_strdup(why);
}

bool wg_attempt_ended(const struct wg_attempt *attempt)
{
    return attempt->exited || attempt->lost;
}

/*
 * The outcome and one line why, "" when the assertion messages say it. The order of the rules: what
 * the runner did to the test comes first, then how it died, then what it said, then how it ended.
 */
static enum wg_outcome decide(const struct wg_attempt *attempt, char *reason, size_t size)
{
    const struct wg_test *test = attempt->options.test;
    char how[96];
    wg_process_status_text(attempt->status, how, sizeof how);
    reason[0] = '\0';
    if (attempt->timed_out && attempt->options.suite_timeout_ms > 0) {
        snprintf(reason, size, "still ran when the %d ms of its suite were over",
                 attempt->options.suite_timeout_ms);
        return WG_OUTCOME_TIMEOUT;
    }
    if (attempt->timed_out) {
        snprintf(reason, size, "still ran after %d ms", attempt->options.timeout_ms);
        return WG_OUTCOME_TIMEOUT;
    }
    if (attempt->aborted) {
        snprintf(reason, size, "the run was stopped while it ran");
        return WG_OUTCOME_NOT_RUN;
    }
    if (attempt->lost) {
        snprintf(reason, size, "%s", attempt->lost);
        return WG_OUTCOME_CRASHED;
    }
    if (WIFSIGNALED(attempt->status) && WTERMSIG(attempt->status) != test->signal) {
        snprintf(reason, size, "died from %s", how);
        return WG_OUTCOME_CRASHED;
    }
    if (attempt->failed > 0)
        return WG_OUTCOME_FAILED;
    if (attempt->skipped)
        return WG_OUTCOME_SKIPPED;
    if (test->signal != 0 && !WIFSIGNALED(attempt->status)) {
        snprintf(reason, size, "should have died from signal %d, but ended with %s", test->signal,
                 how);
        return WG_OUTCOME_FAILED;
    }
    if (WIFEXITED(attempt->status)) {
        int code = WEXITSTATUS(attempt->status);
        if (test->exit_code != 0 && code != test->exit_code) {
            snprintf(reason, size, "should have ended with exit code %d, but ended with %s",
                     test->exit_code, how);
            return WG_OUTCOME_FAILED;
        }
        if (test->exit_code == 0 && (code != 0 || !attempt->done)) {
            snprintf(reason, size, "ended with %s %s", how,
                     attempt->done ? "after its end" : "before it reached its end");
            return WG_OUTCOME_EXITED;
        }
    }
    size_t survivors = json_array_size(json_object_get(attempt->exit_message, "survivors"));
    if (survivors > 0) {
        const char *first = json_string_value(
            json_array_get(json_object_get(attempt->exit_message, "survivors"), 0));
        snprintf(reason, size, "left %zu running process%s behind: %s%s", survivors,
                 survivors == 1 ? "" : "es", first ? first : "", survivors > 1 ? ", …" : "");
        return WG_OUTCOME_LEAKED;
    }
    return WG_OUTCOME_PASSED;
}

static const struct {
    const char *name;
    bool failure;
} outcome_rows[] = {
#define ROW(identifier, name, failure, meaning) [WG_OUTCOME_##identifier] = {name, failure},
    WG_OUTCOMES(ROW)
#undef ROW
};

/* "test-finished" with the members that every test has. */
static json_t *finished_members(const struct wg_attempt_options *options, enum wg_outcome outcome,
                                const char *reason, double ms)
{
    json_t *members = identity(options);
    const struct wg_test *test = options->test;
    json_object_set_new(members, "worker", json_integer(options->worker));
    json_object_set_new(members, "outcome", json_string(outcome_rows[outcome].name));
    json_object_set_new(members, "ms", json_real(ms));
    json_object_set_new(members, "reason", wg_json_string_new(reason, strlen(reason)));
    json_object_set_new(members, "file", json_string(test->file));
    json_object_set_new(members, "line", json_integer(test->line));
    json_object_set_new(members, "description",
                        wg_json_string_new(test->description, strlen(test->description)));
    json_object_set_new(members, "repeat",
                        wg_json_string_new(options->repeat, strlen(options->repeat)));
    return members;
}

static void add_numbers(json_t *members, const json_t *exit_message)
{
    static const char *const keys[] = {"user_us", "system_us", "max_rss_kib"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set_new(members, keys[i], json_integer(wg_json_int(exit_message, keys[i], 0)));
    json_t *survivors = json_object_get(exit_message, "survivors");
    if (json_array_size(survivors) > 0)
        json_object_set(members, "survivors", survivors);
}

static void add_text(json_t *members, const char *name, const struct wg_buf *text)
{
    if (text->size > 0)
        json_object_set_new(members, name, wg_json_string_new(text->data, text->size));
}

/* Where in the server's log it is, and of a failure what it says. */
static void add_server_log(json_t *members, const struct wg_attempt *attempt, bool with_text)
{
    const char *path = attempt->options.log_path;
    int64_t to = wg_server_log_size(path);
    if (to <= attempt->log_from)
        return;
    json_object_set_new(members, "log",
                        json_pack("[I, I]", (json_int_t)attempt->log_from, (json_int_t)to));
    if (!with_text)
        return;
    char *text = wg_server_log_cut(path, attempt->log_from, to, attempt->options.test->full_name);
    if (text[0])
        json_object_set_new(members, "server_log", wg_json_string_new(text, strlen(text)));
    free(text);
}

static void add_beside(json_t *members, const struct wg_attempt *attempt)
{
    json_t *names = json_array();
    for (size_t i = 0; i < attempt->beside_count && i < WG_LIMIT_TEST_BESIDE; i++)
        json_array_append_new(names, json_string(attempt->beside[i]->full_name));
    json_object_set_new(members, "beside", names);
    if (attempt->beside_count > WG_LIMIT_TEST_BESIDE)
        json_object_set_new(
            members, "beside_more",
            json_integer((json_int_t)(attempt->beside_count - WG_LIMIT_TEST_BESIDE)));
}

/* Whether an outcome asks for a look, or another try. What never ran would not run then either. */
static bool is_worth_a_try(enum wg_outcome outcome)
{
    return outcome_rows[outcome].failure && outcome != WG_OUTCOME_NOT_RUN;
}

static void add_try(json_t *members, const struct wg_attempt_options *options, bool retried)
{
    if (options->try_number > 0)
        json_object_set_new(members, "try", json_integer(options->try_number + 1));
    if (retried)
        json_object_set_new(members, "retried", json_true());
}

enum wg_outcome wg_attempt_finish(struct wg_attempt *attempt, wg_attempt_inspect_fn *inspect,
                                  void *context, bool *ret_retry)
{
    assert(wg_attempt_ended(attempt));
    wg_attempt_read_events(attempt);
    wg_attempt_read_output(attempt);
    if (attempt->stacks)
        finish_stacks(attempt);
    char reason[512];
    enum wg_outcome outcome = decide(attempt, reason, sizeof reason);
    if (outcome == WG_OUTCOME_PASSED && attempt->options.try_number > 0) {
        outcome = WG_OUTCOME_FLAKY;
        snprintf(reason, sizeof reason, "failed %d times before it passed",
                 attempt->options.try_number);
    }
    *ret_retry = attempt->options.may_retry && is_worth_a_try(outcome);
    double ms = (double)(attempt->ended_ns - attempt->started_ns) / (double)WG_NS_PER_MS;
    json_t *members = finished_members(&attempt->options, outcome, reason, ms);
    json_object_set_new(members, "messages", attempt->messages);
    if (attempt->messages_dropped > 0)
        json_object_set_new(members, "messages_dropped",
                            json_integer((json_int_t)attempt->messages_dropped));
    json_object_set_new(members, "output",
                        wg_json_string_new(attempt->output.data, attempt->output.size));
    json_object_set_new(members, "output_cut", json_boolean(attempt->output.truncated));
    json_object_set_new(members, "requests", json_integer(attempt->requests));
    add_numbers(members, attempt->exit_message);
    add_try(members, &attempt->options, *ret_retry);
    add_text(members, "stacks", &attempt->stacks_text);
    add_text(members, "server_stacks", &attempt->server_stacks_text);
    add_server_log(members, attempt, is_worth_a_try(outcome));
    if (attempt->beside_count > 0 && is_worth_a_try(outcome))
        add_beside(members, attempt);
    if (inspect && is_worth_a_try(outcome)) {
        json_t *more = inspect(context, attempt);
        json_object_update(members, more);
        json_decref(more);
    }
    wg_event_emit(attempt->log, WG_EVENT_TEST_FINISHED, members);

    close_fd(&attempt->event_fd);
    close_fd(&attempt->output_fd);
    wg_buf_finish(&attempt->output);
    wg_buf_finish(&attempt->stacks_text);
    wg_buf_finish(&attempt->server_stacks_text);
    json_decref(attempt->exit_message);
    free(attempt->lost);
    free(attempt->repeat);
    free(attempt);
    return outcome;
}

void wg_attempt_report_unrun(const struct wg_attempt_options *options, enum wg_outcome outcome,
                             const char *reason, struct wg_event_log *log)
{
    wg_event_emit(log, WG_EVENT_TEST_FINISHED, finished_members(options, outcome, reason, 0));
}
