/* SPDX-License-Identifier: MIT */
#include "harness/run/lane.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/run/classify.h"
#include "harness/sys/process.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A server that dies again and again is given up after so many replacements. */
#define UNIT_REPLACEMENTS_MAX 3
#define UNIT_POLL_FDS         8
#define LOOK_AGAIN_MS         10000

enum lane_state {
    LANE_IDLE,
    LANE_WAITING,
    LANE_STARTING,
    LANE_READY,
    LANE_STOPPING,
    LANE_CHECKING,
    LANE_DONE
};

struct wg_lane {
    struct wg_round *round;
    const char *name;
    int index;
    struct wg_queue *queue;
    int concurrency;

    enum lane_state state;
    void *unit;
    long long unit_number;
    int64_t begun_ns;
    bool server_died;
    bool replace; /* the unit must not be used for another test */
    bool needs_reset;
    bool verify; /* databases are worth verifying: the unit was ready once */
    bool killed;
    int replacements;
    struct wg_deadline stop_deadline;
    int check_fd; /* what the check of the data is waited for with */
    struct wg_deadline check_deadline;

    struct wg_attempt **attempts; /* the running ones, `concurrency` places, NULL where free */
    int running;
    bool alone;   /* an exclusive test runs */
    pid_t server; /* of the unit, 0 when it is not ours */
    struct wg_deadline look_again;
    char *log_path; /* of the unit's server */
};

struct wg_lane *wg_lane_create(struct wg_round *round, const char *name, int index,
                               struct wg_queue *queue, int concurrency)
{
    struct wg_lane *lane = wg_calloc(1, sizeof *lane);
    lane->round = round;
    lane->name = name;
    lane->index = index;
    lane->queue = queue;
    lane->concurrency = concurrency;
    lane->attempts = wg_calloc((size_t)concurrency, sizeof(struct wg_attempt *));
    return lane;
}

void wg_lane_destroy(struct wg_lane *lane)
{
    if (!lane)
        return;
    assert(lane->running == 0 && !lane->unit);
    free(lane->attempts);
    free(lane->log_path);
    free(lane);
}

bool wg_lane_is_idle(const struct wg_lane *lane)
{
    return lane->state == LANE_IDLE;
}

bool wg_lane_is_done(const struct wg_lane *lane)
{
    return lane->state == LANE_DONE;
}

void wg_lane_activate(struct wg_lane *lane)
{
    assert(lane->state == LANE_IDLE);
    lane->state = LANE_WAITING;
}

struct wg_attempt *wg_lane_find_attempt(struct wg_lane *lane, long long number)
{
    for (int i = 0; i < lane->concurrency; i++)
        if (lane->attempts[i] && wg_attempt_number(lane->attempts[i]) == number)
            return lane->attempts[i];
    return NULL;
}

void wg_lane_lose_attempts(struct wg_lane *lane, const char *why)
{
    for (int i = 0; i < lane->concurrency; i++)
        if (lane->attempts[i])
            wg_attempt_lost(lane->attempts[i], why);
}

/* Members that tell which unit an event is about. */
static json_t *unit_identity(const struct wg_lane *lane)
{
    return json_pack("{s:I, s:s, s:i, s:s}", "unit", (json_int_t)lane->unit_number, "mode",
                     lane->round->mode->name, "round", (int)lane->round->number, "name",
                     lane->name);
}

static void emit(struct wg_lane *lane, enum wg_event_kind kind, json_t *members)
{
    wg_event_emit(lane->round->log, kind, members);
}

static void emit_evidence(struct wg_lane *lane, enum wg_evidence_class class_, const char *test,
                          const char *message)
{
    json_t *members = unit_identity(lane);
    json_object_set_new(members, "class", json_string(wg_evidence_class_name(class_)));
    json_object_set_new(members, "source", json_string("runner"));
    json_object_set_new(members, "message", wg_json_string_new(message, strlen(message)));
    if (test)
        json_object_set_new(members, "test", json_string(test));
    emit(lane, WG_EVENT_EVIDENCE, members);
}

void wg_queue_push(struct wg_queue *queue, const struct wg_test *test, int tries)
{
    /* Doubles at powers of two, so that no capacity needs keeping. */
    if ((queue->count & (queue->count - 1)) == 0)
        queue->entries = wg_realloc(queue->entries,
                                    (queue->count ? 2 * queue->count : 1) * sizeof *queue->entries);
    queue->entries[queue->count++] = (struct wg_queued){.test = test, .tries = tries};
}

static struct wg_attempt_options attempt_options(struct wg_lane *lane,
                                                 const struct wg_queued *entry)
{
    const struct wg_test *test = entry->test;
    const struct wg_run_options *run = lane->round->options;
    int retries = test->retries >= 0 ? test->retries : run->retries;
    return (struct wg_attempt_options){
        .number = ++*lane->round->next_attempt,
        .test = test,
        .unit = lane->unit_number,
        .mode = lane->round->mode->name,
        .round = lane->round->number,
        .worker = lane->index,
        .timeout_ms = test->timeout_ms > 0 ? test->timeout_ms : run->timeout_ms,
        .grace_ms = run->grace_ms,
        .try_number = entry->tries,
        .may_retry = entry->tries < retries && !lane->round->stopping,
    };
}

static char *repeat_command(const struct wg_lane *lane, const struct wg_test *test)
{
    return wg_format("%s --isolate=%s '%s'", lane->round->options->repeat_prefix,
                     lane->round->mode->name, test->full_name);
}

static void report_unrun(struct wg_lane *lane, const struct wg_queued *entry,
                         enum wg_outcome outcome, const char *reason)
{
    struct wg_attempt_options options = attempt_options(lane, entry);
    char *repeat = repeat_command(lane, entry->test);
    options.repeat = repeat;
    wg_attempt_report_unrun(&options, outcome, reason, lane->round->log);
    free(repeat);
}

/* Nothing more can run here: what is left in the queue is told of, unless other lanes will take it.
 */
static void drain_queue(struct wg_lane *lane, const char *reason)
{
    while (lane->queue->next < lane->queue->count) {
        const struct wg_queued *entry = &lane->queue->entries[lane->queue->next++];
        bool disabled = entry->test->disabled;
        report_unrun(lane, entry, disabled ? WG_OUTCOME_SKIPPED : WG_OUTCOME_NOT_RUN,
                     disabled ? "disabled" : reason);
    }
}

/* Disabled tests at the front of the queue need no unit. */
static void skip_disabled(struct wg_lane *lane)
{
    struct wg_queue *queue = lane->queue;
    while (queue->next < queue->count && queue->entries[queue->next].test->disabled)
        report_unrun(lane, &queue->entries[queue->next++], WG_OUTCOME_SKIPPED, "disabled");
}

static bool has_work(struct wg_lane *lane)
{
    return lane->queue->next < lane->queue->count;
}

static void begin_unit(struct wg_lane *lane)
{
    const struct wg_run_options *run = lane->round->options;
    skip_disabled(lane);
    if (lane->round->stopping)
        drain_queue(lane, "the run was stopped before it began");
    if (!has_work(lane)) {
        lane->state = LANE_DONE;
        return;
    }
    lane->unit_number = ++*lane->round->next_unit;
    lane->begun_ns = wg_clock_now_ns();
    lane->server_died = lane->replace = lane->needs_reset = lane->verify = lane->killed = false;
    free(lane->log_path);
    lane->log_path = wg_format("%s/%lld-%s-%s.log", run->log_directory, lane->unit_number,
                               lane->round->mode->name, lane->name);
    struct wg_unit_request request = {
        .number = lane->unit_number,
        .name = lane->name,
        .mode = lane->round->mode->name,
        .round = lane->round->number,
        .resets = !lane->round->mode->swarm,
        .sandbox_directory = run->sandbox,
        .log_path = lane->log_path,
    };
    struct wg_err err = WG_ERR_INIT;
    if (run->ops->begin(run->provider, &request, lane->round->log, &lane->unit, &err) == 0) {
        lane->state = LANE_STARTING;
    } else {
        json_t *members = unit_identity(lane);
        json_object_set_new(members, "message",
                            wg_json_string_new(err.message, strlen(err.message)));
        emit(lane, WG_EVENT_UNIT_FAILED, members);
        drain_queue(lane, err.message);
        lane->state = LANE_DONE;
    }
}

static void stop_unit(struct wg_lane *lane)
{
    lane->state = LANE_STOPPING;
    lane->killed = lane->round->force;
    lane->round->options->ops->stop(lane->unit, lane->killed);
    lane->stop_deadline = wg_deadline_in_ms(lane->round->options->grace_ms);
}

static void await_ready(struct wg_lane *lane)
{
    const struct wg_unit_ops *ops = lane->round->options->ops;
    struct wg_err err = WG_ERR_INIT;
    int ready = ops->poll_ready(lane->unit, &err);
    if (ready == 0 && !lane->round->stopping)
        return;
    if (ready > 0) {
        json_t *members = unit_identity(lane);
        json_t *details = ops->describe(lane->unit);
        json_object_update(members, details);
        json_decref(details);
        json_object_set_new(
            members, "ms",
            json_real((double)(wg_clock_now_ns() - lane->begun_ns) / (double)WG_NS_PER_MS));
        emit(lane, WG_EVENT_UNIT_STARTED, members);
        lane->verify = true;
        lane->server = wg_pidfd_process(ops->process_fd(lane->unit));
        lane->look_again = wg_deadline_in_ms(0);
        lane->state = LANE_READY;
        return;
    }
    if (ready < 0) {
        json_t *members = unit_identity(lane);
        json_object_set_new(members, "message",
                            wg_json_string_new(err.message, strlen(err.message)));
        emit(lane, WG_EVENT_UNIT_FAILED, members);
        drain_queue(lane, err.message);
    }
    stop_unit(lane);
}

/* Puts the unit back to its template. A unit that cannot be reset is replaced; why is evidence. */
static void reset_unit(struct wg_lane *lane, const char *after)
{
    struct wg_err err = WG_ERR_INIT;
    json_t *members = NULL;
    int64_t begun_ns = wg_clock_now_ns();
    int rc = lane->round->options->ops->reset(lane->unit, &members, &err);
    double ms = (double)(wg_clock_now_ns() - begun_ns) / (double)WG_NS_PER_MS;
    if (!members)
        members = json_object();
    json_object_set_new(members, "unit", json_integer(lane->unit_number));
    json_object_set_new(members, "after", json_string(after));
    json_object_set_new(members, "ms", json_real(ms));
    json_object_set_new(members, "ok", json_boolean(rc == 0));
    if (rc != 0) {
        json_object_set_new(members, "message",
                            wg_json_string_new(err.message, strlen(err.message)));
        emit_evidence(lane, WG_EVIDENCE_LEAK, after, err.message);
        lane->replace = true;
    }
    emit(lane, WG_EVENT_RESET, members);
}

/* The deadline of a test is that of its suite when that comes first. The suite's begins to run with
 * its first test. False when no time is left. */
static bool limit_by_suite(struct wg_lane *lane, struct wg_attempt_options *options)
{
    const struct wg_plan *plan = lane->round->options->plan;
    size_t s = 0;
    while (plan->suites[s].name != options->test->suite)
        s++;
    int limit_ms = plan->suites[s].timeout_ms > 0 ? plan->suites[s].timeout_ms
                                                  : lane->round->options->suite_timeout_ms;
    int64_t *begun_ns = &lane->round->suites_begun_ns[s], now_ns = wg_clock_now_ns();
    if (*begun_ns == 0)
        *begun_ns = now_ns;
    int64_t left_ms = limit_ms - (now_ns - *begun_ns) / WG_NS_PER_MS;
    if (limit_ms == 0 || left_ms >= options->timeout_ms)
        return true;
    options->timeout_ms = (int)left_ms;
    options->suite_timeout_ms = limit_ms;
    return left_ms > 0;
}

static void start_test(struct wg_lane *lane, const struct wg_queued *entry)
{
    const struct wg_test *test = entry->test;
    const struct wg_run_options *run = lane->round->options;
    struct wg_strv env = {0};
    char number[32];
    int place = 0;
    while (lane->attempts[place])
        place++;
    struct wg_attempt_options options = attempt_options(lane, entry);
    char *repeat = repeat_command(lane, test);
    options.repeat = repeat;
    if (!limit_by_suite(lane, &options)) {
        char reason[96];
        snprintf(reason, sizeof reason, "the %d ms of its suite were over before it began",
                 options.suite_timeout_ms);
        wg_attempt_report_unrun(&options, WG_OUTCOME_NOT_RUN, reason, lane->round->log);
        free(repeat);
        return;
    }
    if (lane->round->mode->swarm)
        options.worker = place;
    run->ops->environment(lane->unit, &env);
    wg_strv_setenv(&env, "WALGRIND_TEST", test->full_name);
    snprintf(number, sizeof number, "t%lldr%ldu%lld", options.number, options.round, options.unit);
    wg_strv_setenv(&env, "WALGRIND_TOKEN", number);
    /* A request gives up before the test does, so that the report can name the request. */
    snprintf(number, sizeof number, "%d", options.timeout_ms / 5 * 4);
    wg_strv_setenv(&env, "WALGRIND_HTTP_TIMEOUT_MS", number);
    options.env = &env;
    options.log_path = lane->log_path;

    struct wg_err err = WG_ERR_INIT;
    struct wg_attempt *attempt = NULL;
    if (wg_attempt_start(&options, lane->round->client, lane->round->log, &attempt, &err) == 0) {
        for (int i = 0; i < lane->concurrency; i++)
            if (lane->attempts[i])
                wg_attempt_meet(lane->attempts[i], attempt);
        lane->attempts[place] = attempt;
        lane->running++;
        lane->alone = test->exclusive;
        lane->needs_reset = !lane->round->mode->swarm;
    } else {
        wg_attempt_report_unrun(&options, WG_OUTCOME_NOT_RUN, err.message, lane->round->log);
    }
    free(repeat);
    wg_strv_finish(&env);
}

/* Starts as many tests as may run now. */
static void feed(struct wg_lane *lane)
{
    while (lane->running < lane->concurrency && !lane->replace && !lane->server_died) {
        skip_disabled(lane);
        if (lane->round->stopping || !has_work(lane))
            return;
        const struct wg_queued *entry = &lane->queue->entries[lane->queue->next];
        const struct wg_test *test = entry->test;
        bool must_be_alone = lane->concurrency > 1 && test->exclusive;
        if (lane->running > 0 && (must_be_alone || (lane->alone && lane->concurrency > 1)))
            return;
        if (lane->needs_reset) {
            lane->needs_reset = false;
            reset_unit(lane, lane->queue->next > 0
                                 ? lane->queue->entries[lane->queue->next - 1].test->full_name
                                 : "");
            continue;
        }
        lane->queue->next++;
        start_test(lane, entry);
    }
}

static json_t *inspect(void *object, const struct wg_attempt *attempt)
{
    struct wg_lane *lane = object;
    const struct wg_unit_ops *ops = lane->round->options->ops;
    return ops->inspect ? ops->inspect(lane->unit, wg_attempt_test(attempt)->full_name,
                                       wg_attempt_number(attempt), !lane->round->mode->swarm)
                        : json_object();
}

/* A debugger stops the server for a moment: for many tests that time out together it does so once.
 */
static pid_t server_to_look_at(const struct wg_lane *lane)
{
    return lane->server_died || !wg_deadline_passed(lane->look_again) ? 0 : lane->server;
}

/* Finishes attempts whose process has ended. */
static void harvest(struct wg_lane *lane)
{
    for (int i = 0; i < lane->concurrency; i++) {
        struct wg_attempt *attempt = lane->attempts[i];
        if (!attempt)
            continue;
        if (wg_attempt_tick(attempt, server_to_look_at(lane)))
            lane->look_again = wg_deadline_in_ms(LOOK_AGAIN_MS);
        if (!wg_attempt_ended(attempt))
            continue;
        const struct wg_test *test = wg_attempt_test(attempt);
        int tries = wg_attempt_tries(attempt);
        bool was_alone = lane->running == 1 && !lane->round->mode->swarm;
        lane->attempts[i] = NULL;
        lane->running--;
        bool retry = false;
        enum wg_outcome outcome = wg_attempt_finish(attempt, inspect, lane, &retry);
        lane->round->options->ops->collect(lane->unit, was_alone ? test->full_name : NULL);
        if (retry)
            wg_queue_push(lane->queue, test, tries + 1);
        /* A server that a test hung on may hang for the next one too; give that one a fresh server.
         */
        if (outcome == WG_OUTCOME_TIMEOUT && !lane->round->mode->swarm)
            lane->replace = true;
    }
}

static void notice_death(struct wg_lane *lane)
{
    int fd = lane->round->options->ops->process_fd(lane->unit);
    struct pollfd probe = {.fd = fd, .events = POLLIN};
    if (lane->server_died || fd < 0 || poll(&probe, 1, 0) <= 0)
        return;
    lane->server_died = true;
    emit(lane, WG_EVENT_SERVER_DIED, unit_identity(lane));
    const struct wg_test *suspect = NULL;
    for (int i = 0; i < lane->concurrency && lane->running == 1; i++)
        if (lane->attempts[i])
            suspect = wg_attempt_test(lane->attempts[i]);
    emit_evidence(lane, WG_EVIDENCE_SERVER, suspect ? suspect->full_name : NULL,
                  "the server died while it was in use");
}

static void finish_unit(struct wg_lane *lane)
{
    json_t *details = NULL;
    json_t *members = unit_identity(lane);
    lane->round->options->ops->finish(lane->unit, lane->verify, &details);
    lane->unit = NULL;
    if (details) {
        json_object_update(members, details);
        json_decref(details);
    }
    json_object_set_new(members, "killed", json_boolean(lane->killed));
    emit(lane, WG_EVENT_UNIT_FINISHED, members);
    if (has_work(lane) && !lane->round->stopping && lane->replacements < UNIT_REPLACEMENTS_MAX) {
        lane->replacements++;
        begin_unit(lane);
        return;
    }
    drain_queue(lane, lane->round->stopping ? "the run was stopped before it began"
                                            : "the server failed again and again");
    lane->state = LANE_DONE;
}

/* The server has died when its pidfd says so; a server without process is already dead. */
static bool server_is_gone(struct wg_lane *lane)
{
    int fd = lane->round->options->ops->process_fd(lane->unit);
    struct pollfd probe = {.fd = fd, .events = POLLIN};
    return fd < 0 || poll(&probe, 1, 0) > 0;
}

/* Only a server that was stopped in order has left its data in order: one that was killed may have
 * stored a file whose row was not yet committed. */
static void await_checked(struct wg_lane *lane)
{
    const struct wg_unit_ops *ops = lane->round->options->ops;
    bool in_order = lane->verify && !lane->killed && !lane->server_died && !lane->round->force;
    if (!ops->check || !in_order || ops->check(lane->unit, &lane->check_fd, &lane->check_deadline))
        finish_unit(lane);
}

static void await_stopped(struct wg_lane *lane)
{
    if (server_is_gone(lane)) {
        lane->state = LANE_CHECKING;
        return;
    }
    if (!lane->killed && (wg_deadline_passed(lane->stop_deadline) || lane->round->force)) {
        lane->killed = true;
        lane->stop_deadline = WG_DEADLINE_NEVER;
        lane->round->options->ops->stop(lane->unit, true);
    }
}

void wg_lane_step(struct wg_lane *lane)
{
    enum lane_state before;
    do {
        before = lane->state;
        switch (lane->state) {
        case LANE_IDLE:
        case LANE_DONE: break;
        case LANE_WAITING: begin_unit(lane); break;
        case LANE_STARTING: await_ready(lane); break;
        case LANE_READY:
            notice_death(lane);
            harvest(lane);
            for (int i = 0; lane->round->stopping && i < lane->concurrency; i++)
                if (lane->attempts[i])
                    wg_attempt_abort(lane->attempts[i], lane->round->force);
            feed(lane);
            if (lane->running == 0)
                stop_unit(lane);
            break;
        case LANE_STOPPING: await_stopped(lane); break;
        case LANE_CHECKING: await_checked(lane); break;
        }
    } while (lane->state != before);
}

static void on_events(void *object)
{
    wg_attempt_read_events(object);
}

static void on_output(void *object)
{
    wg_attempt_read_output(object);
}

void wg_lane_watch(struct wg_lane *lane, struct wg_pollset *set)
{
    const struct wg_unit_ops *ops = lane->round->options->ops;
    if (!lane->unit)
        return;
    if (lane->state == LANE_CHECKING) {
        wg_pollset_add(set, lane->check_fd, POLLIN, NULL, NULL);
        wg_pollset_until(set, lane->check_deadline);
    } else if (!lane->server_died)
        wg_pollset_add(set, ops->process_fd(lane->unit), POLLIN, NULL, NULL);
    if (lane->state == LANE_STARTING) {
        struct pollfd fds[UNIT_POLL_FDS];
        int timeout_ms = 1000;
        int count = ops->poll_fds(lane->unit, fds, UNIT_POLL_FDS, &timeout_ms);
        for (int i = 0; i < count; i++)
            wg_pollset_add(set, fds[i].fd, fds[i].events, NULL, NULL);
        wg_pollset_until(set, wg_deadline_in_ms(timeout_ms));
    }
    if (lane->state == LANE_STOPPING)
        wg_pollset_until(set, lane->stop_deadline);
    for (int i = 0; i < lane->concurrency; i++) {
        struct wg_attempt *attempt = lane->attempts[i];
        if (!attempt)
            continue;
        wg_pollset_add(set, wg_attempt_event_fd(attempt), POLLIN, on_events, attempt);
        wg_pollset_add(set, wg_attempt_output_fd(attempt), POLLIN, on_output, attempt);
        wg_pollset_add(set, wg_attempt_stacks_fd(attempt), POLLIN, NULL, NULL);
        wg_pollset_until(set, wg_attempt_deadline(attempt));
    }
}
