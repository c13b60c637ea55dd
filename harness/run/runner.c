/* SPDX-License-Identifier: MIT */
#include "harness/run/runner.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/run/lane.h"
#include "harness/run/suite_client.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SUITE_START_TIMEOUT_MS 30000
/* A fork server that dies again and again is given up. */
#define SUITE_RESTARTS_MAX     20
#define TICK_MS                250

static const struct wg_mode modes[] = {
    {.name = "suite", .unit_per_suite = true},
    {.name = "worker"},
    {.name = "none", .swarm = true},
};

const struct wg_mode *wg_mode_find(const char *name)
{
    if (strcmp(name, "swarm") == 0)
        name = "none";
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

struct run {
    const struct wg_run_options *options;
    struct wg_event_log *log;
    struct wg_suite_client *client;
    int suite_restarts;
    long long units, attempts;
    int interrupts; /* how many signals have come */
    bool asked;     /* what runs just now */
    bool keys_ended;
    struct wg_deadline tick_due;

    struct wg_round round;
    struct wg_queue *queues;
    size_t queue_count;
    struct wg_lane **lanes;
    size_t lane_count;
    size_t lanes_active_max;
    struct wg_pollset set;
    bool client_readable;
};

/* Adds the selected tests of a rank (-1: of any) of the suites first … last. */
static void add_tests(const struct wg_plan *plan, struct wg_queue *queue, size_t first, size_t last,
                      int rank, bool exclusive, int copies)
{
    for (size_t s = first; s <= last; s++) {
        const struct wg_suite *suite = &plan->suites[s];
        for (size_t i = 0; i < suite->count; i++) {
            const struct wg_test *test = &plan->tests[suite->first + i];
            if (test->selected && (rank < 0 || test->rank == rank) && suite->exclusive == exclusive)
                for (int copy = 0; copy < copies; copy++)
                    wg_queue_push(queue, test, 0);
        }
    }
}

/* One suite, in its order. */
static void fill_suite(const struct wg_plan *plan, struct wg_queue *queue, size_t suite)
{
    add_tests(plan, queue, suite, suite, -1, plan->suites[suite].exclusive, 1);
}

/* All suites, tests of a high rank first, copies side by side; exclusive suites come last. */
static void fill_shared(const struct wg_plan *plan, struct wg_queue *queue, int copies)
{
    for (int exclusive = 0; exclusive < 2; exclusive++)
        for (int rank = plan->rank_max; rank >= 0; rank--)
            add_tests(plan, queue, 0, plan->suite_count - 1, rank, exclusive != 0, copies);
}

static void add_lane(struct run *run, const char *name, struct wg_queue *queue, int concurrency)
{
    run->lanes = wg_realloc(run->lanes, (run->lane_count + 1) * sizeof(struct wg_lane *));
    run->lanes[run->lane_count] =
        wg_lane_create(&run->round, name, (int)run->lane_count, queue, concurrency);
    run->lane_count++;
}

/* Isolated, a test has its databases to itself: copies beside each other need the swarm. */
static int copies_in(const struct run *run, const struct wg_mode *mode)
{
    return mode->swarm && run->options->copies > 1 ? run->options->copies : 1;
}

static void make_lanes(struct run *run, const struct wg_mode *mode)
{
    const struct wg_plan *plan = run->options->plan;
    size_t workers = (size_t)run->options->workers;
    run->lanes_active_max = workers;
    if (mode->unit_per_suite) {
        run->queue_count = plan->suite_count;
        run->queues = wg_calloc(run->queue_count, sizeof *run->queues);
        for (size_t s = 0; s < plan->suite_count; s++) {
            fill_suite(plan, &run->queues[s], s);
            if (run->queues[s].count > 0)
                add_lane(run, plan->suites[s].name, &run->queues[s], 1);
        }
        return;
    }
    run->queue_count = 1;
    run->queues = wg_calloc(1, sizeof *run->queues);
    fill_shared(plan, run->queues, copies_in(run, mode));
    if (mode->swarm) {
        add_lane(run, "all", run->queues, run->options->workers);
        return;
    }
    for (size_t i = 0; i < workers && i < run->queues[0].count; i++)
        add_lane(run, "worker", run->queues, 1);
}

static void free_lanes(struct run *run)
{
    for (size_t i = 0; i < run->lane_count; i++)
        wg_lane_destroy(run->lanes[i]);
    for (size_t i = 0; i < run->queue_count; i++)
        free(run->queues[i].entries);
    free(run->lanes);
    free(run->queues);
    run->lanes = NULL;
    run->queues = NULL;
    run->lane_count = run->queue_count = 0;
}

static struct wg_attempt *find_attempt(struct run *run, long long number)
{
    for (size_t i = 0; i < run->lane_count; i++) {
        struct wg_attempt *attempt = wg_lane_find_attempt(run->lanes[i], number);
        if (attempt)
            return attempt;
    }
    return NULL;
}

/* Starts the suite binary again after it died; its list must be what it was. */
static int restart_suite(struct run *run, struct wg_err *err)
{
    wg_suite_client_destroy(run->client);
    run->client = run->round.client = NULL;
    if (++run->suite_restarts > SUITE_RESTARTS_MAX)
        return wg_err_set(err, WG_ERR_STATE, "the suite binary died %d times", run->suite_restarts);
    if (wg_suite_client_start(run->options->suite_argv, run->options->suite_stderr_fd,
                              SUITE_START_TIMEOUT_MS, &run->client, err) != 0)
        return -1;
    struct wg_plan plan = {0};
    if (wg_suite_client_list(run->client, SUITE_START_TIMEOUT_MS, &plan, err) != 0)
        return -1;
    bool same = plan.test_count == run->options->plan->test_count;
    wg_plan_finish(&plan);
    if (!same)
        return wg_err_set(err, WG_ERR_STATE, "the suite binary was changed during the run");
    run->round.client = run->client;
    return 0;
}

static int lose_suite(struct run *run, const struct wg_err *why, struct wg_err *err)
{
    wg_event_emit(
        run->log, WG_EVENT_INTERNAL_ERROR,
        json_pack("{s:o}", "message", wg_json_string_new(why->message, strlen(why->message))));
    for (size_t i = 0; i < run->lane_count; i++)
        wg_lane_lose_attempts(
            run->lanes[i], "the suite binary died with it: the test killed its parent, or a test "
                           "beside it did");
    return restart_suite(run, err);
}

static int take_suite_messages(struct run *run, struct wg_err *err)
{
    for (;;) {
        json_t *message = NULL;
        struct wg_err why = WG_ERR_INIT;
        int got = wg_suite_client_receive(run->client, &message, &why);
        if (got == 0)
            return 0;
        if (got < 0)
            return lose_suite(run, &why, err);
        struct wg_attempt *attempt = find_attempt(run, wg_json_int(message, "run", -1));
        if (attempt)
            wg_attempt_take_message(attempt, message);
        json_decref(message);
    }
}

static void take_interrupts(struct run *run)
{
    struct signalfd_siginfo info;
    struct pollfd probe = {.fd = run->options->interrupt_fd, .events = POLLIN};
    while (probe.fd >= 0 && poll(&probe, 1, 0) > 0 &&
           read(probe.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGUSR1) {
            run->asked = true;
            continue;
        }
        run->interrupts++;
        run->round.stopping = true;
        run->round.force = run->interrupts > 1;
        wg_event_emit(run->log, WG_EVENT_INTERRUPTED,
                      json_pack("{s:i}", "signal", (int)info.ssi_signo));
    }
}

static int keys_fd(const struct run *run)
{
    return run->options->tick && !run->keys_ended ? run->options->key_fd : -1;
}

/* What is typed is taken away, so that the shell does not get it afterwards. */
static void take_keys(struct run *run)
{
    char keys[64];
    struct pollfd probe = {.fd = keys_fd(run), .events = POLLIN};
    if (probe.fd < 0 || poll(&probe, 1, 0) <= 0)
        return;
    ssize_t got = read(probe.fd, keys, sizeof keys);
    run->keys_ended = got <= 0;
    run->asked |= got > 0 && memchr(keys, 't', (size_t)got) != NULL;
}

static void tell(struct run *run)
{
    if (!run->options->tick || !(run->asked || wg_deadline_passed(run->tick_due)))
        return;
    run->options->tick(run->options->tick_context, run->asked);
    run->tick_due = wg_deadline_in_ms(TICK_MS);
    run->asked = false;
}

static void on_suite(void *object)
{
    struct run *run = object;
    run->client_readable = true;
}

/* Begins lanes while there is room for more; true while any lane is not done. */
static bool activate_lanes(struct run *run)
{
    size_t active = 0;
    bool any = false;
    for (size_t i = 0; i < run->lane_count; i++)
        active += !wg_lane_is_idle(run->lanes[i]) && !wg_lane_is_done(run->lanes[i]);
    for (size_t i = 0; i < run->lane_count; i++) {
        if (wg_lane_is_idle(run->lanes[i]) && active < run->lanes_active_max) {
            wg_lane_activate(run->lanes[i]);
            active++;
        }
        any = any || !wg_lane_is_done(run->lanes[i]);
    }
    return any;
}

static int turn(struct run *run, struct wg_err *err)
{
    for (size_t i = 0; i < run->lane_count; i++)
        wg_lane_step(run->lanes[i]);
    if (!activate_lanes(run))
        return 0;
    wg_pollset_reset(&run->set);
    bool pending = false;
    for (size_t i = 0; i < run->lane_count; i++) {
        wg_lane_watch(run->lanes[i], &run->set);
        pending = pending || !wg_lane_is_done(run->lanes[i]);
    }
    if (run->set.count == 0)
        wg_pollset_until(&run->set, wg_deadline_in_ms(0)); /* a lane was activated: step it */
    wg_pollset_add(&run->set, wg_suite_client_fd(run->client), POLLIN, on_suite, run);
    wg_pollset_add(&run->set, run->options->interrupt_fd, POLLIN, NULL, NULL);
    wg_pollset_add(&run->set, keys_fd(run), POLLIN, NULL, NULL);
    if (run->options->tick)
        wg_pollset_until(&run->set, run->tick_due);
    run->client_readable = false;
    if (wg_pollset_wait(&run->set, err) != 0)
        return -1;
    take_interrupts(run);
    take_keys(run);
    tell(run);
    if (run->client_readable && take_suite_messages(run, err) != 0)
        return -1;
    return pending;
}

/* After a failure of the harness: every unit is ended, nothing more is started. */
static void abandon(struct run *run)
{
    run->round.stopping = run->round.force = true;
    for (size_t i = 0; i < run->lane_count; i++)
        wg_lane_lose_attempts(run->lanes[i], "the harness failed");
    bool pending = true;
    while (pending) {
        wg_pollset_reset(&run->set);
        pending = false;
        for (size_t i = 0; i < run->lane_count; i++) {
            if (wg_lane_is_idle(run->lanes[i]))
                wg_lane_activate(run->lanes[i]);
            wg_lane_step(run->lanes[i]);
            wg_lane_watch(run->lanes[i], &run->set);
            pending = pending || !wg_lane_is_done(run->lanes[i]);
        }
        wg_pollset_until(&run->set, wg_deadline_in_ms(WG_DEFAULT_GRACE_MS));
        if (pending && wg_pollset_wait(&run->set, NULL) != 0)
            return;
    }
}

static int run_round(struct run *run, const struct wg_mode *mode, long number, struct wg_err *err)
{
    int rc = -1;
    long long begun_ns = wg_event_log_now_ns(run->log);
    run->round = (struct wg_round){
        .options = run->options,
        .mode = mode,
        .number = number,
        .log = run->log,
        .client = run->client,
        .next_unit = &run->units,
        .next_attempt = &run->attempts,
        .suites_begun_ns = wg_calloc(run->options->plan->suite_count, sizeof(int64_t)),
        .stopping = run->interrupts > 0,
        .force = run->interrupts > 1,
    };
    wg_event_emit(run->log, WG_EVENT_ROUND_STARTED,
                  json_pack("{s:s, s:i, s:I}", "mode", mode->name, "round", (int)number, "tests",
                            (json_int_t)run->options->plan->selected_count * copies_in(run, mode)));
    make_lanes(run, mode);
    int more;
    do
        more = turn(run, err);
    while (more > 0);
    if (more < 0) {
        abandon(run);
        goto out;
    }
    wg_event_emit(
        run->log, WG_EVENT_ROUND_FINISHED,
        json_pack("{s:s, s:i, s:f}", "mode", mode->name, "round", (int)number, "ms",
                  (double)(wg_event_log_now_ns(run->log) - begun_ns) / (double)WG_NS_PER_MS));
    rc = 0;
out:
    free_lanes(run);
    free(run->round.suites_begun_ns);
    return rc;
}

int wg_run(const struct wg_run_options *options, struct wg_suite_client *client,
           struct wg_event_log *log, struct wg_err *err)
{
    assert(options->workers > 0 && options->plan->selected_count > 0);
    struct run run = {.options = options, .log = log, .client = client};
    int rc = 0;
    for (long number = 1; rc == 0 && number <= options->repeat; number++) {
        if (number > 1 && options->is_enough && options->is_enough(options->is_enough_context))
            break;
        for (size_t m = 0; rc == 0 && options->modes[m]; m++)
            if (run.interrupts == 0 || (number == 1 && m == 0))
                rc = run_round(&run, options->modes[m], number, err);
    }
    wg_suite_client_destroy(run.client);
    wg_pollset_finish(&run.set);
    return rc;
}
