/* SPDX-License-Identifier: MIT */
#include "harness/foreign/unit.h"

#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/run/classify.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define POLL_FDS_MAX  8
#define READY_STEP_MS 1000
#define LAST_LOOK_MS  50
#define UNIT_NAME     "tests"

void wg_foreign_take_interrupts(struct wg_foreign_session *session)
{
    struct signalfd_siginfo info;
    struct pollfd probe = {.fd = session->options->interrupt_fd, .events = POLLIN};
    while (probe.fd >= 0 && poll(&probe, 1, 0) > 0 &&
           read(probe.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGUSR1) /* asks which tests run, and nobody here knows */
            continue;
        session->interrupts++;
        wg_event_emit(session->log, WG_EVENT_INTERRUPTED,
                      json_pack("{s:i}", "signal", (int)info.ssi_signo));
    }
}

/* Members that tell which unit an event is about; `more` is taken over and may be NULL. */
static json_t *identity(const struct wg_foreign_unit *unit, json_t *more)
{
    json_t *members = json_pack("{s:I, s:s, s:i, s:s}", "unit", (json_int_t)unit->number, "mode",
                                "none", "round", (int)unit->session->round, "name", UNIT_NAME);
    if (more)
        json_object_update(members, more);
    json_decref(more);
    return members;
}

static int fail(struct wg_foreign_unit *unit, const struct wg_err *err)
{
    json_t *members = identity(unit, NULL);
    json_object_set_new(members, "message", wg_json_string_new(err->message, strlen(err->message)));
    wg_event_emit(unit->session->log, WG_EVENT_UNIT_FAILED, members);
    return 0;
}

static int await_ready(struct wg_foreign_unit *unit, struct wg_err *err)
{
    struct wg_foreign_session *session = unit->session;
    const struct wg_unit_ops *ops = session->options->ops;
    int ready;
    while ((ready = ops->poll_ready(unit->unit, err)) == 0 && session->interrupts == 0) {
        struct pollfd fds[POLL_FDS_MAX];
        int timeout_ms = READY_STEP_MS;
        int count = ops->poll_fds(unit->unit, fds, POLL_FDS_MAX, &timeout_ms);
        wg_pollset_reset(&session->set);
        for (int i = 0; i < count; i++)
            wg_pollset_add(&session->set, fds[i].fd, fds[i].events, NULL, NULL);
        wg_pollset_add(&session->set, ops->process_fd(unit->unit), POLLIN, NULL, NULL);
        wg_pollset_add(&session->set, session->options->interrupt_fd, POLLIN, NULL, NULL);
        wg_pollset_until(&session->set, wg_deadline_in_ms(timeout_ms));
        if (wg_pollset_wait(&session->set, err) != 0)
            return -1;
        wg_foreign_take_interrupts(session);
    }
    return ready;
}

int wg_foreign_unit_begin(struct wg_foreign_session *session, struct wg_foreign_unit *ret_unit,
                          struct wg_err *err)
{
    const struct wg_run_options *options = session->options;
    struct wg_foreign_unit *unit = ret_unit;
    *unit = (struct wg_foreign_unit){
        .session = session, .number = ++session->units, .begun_ns = wg_clock_now_ns()};
    char *log_path =
        wg_format("%s/%lld-none-%s.log", options->log_directory, unit->number, UNIT_NAME);
    const struct wg_unit_request request = {
        .number = unit->number,
        .name = UNIT_NAME,
        .mode = "none",
        .round = session->round,
        .resets = true, /* asked for by the tests themselves */
        .sandbox_directory = options->sandbox,
        .log_path = log_path,
    };
    int rc = options->ops->begin(options->provider, &request, session->log, &unit->unit, err);
    free(log_path);
    if (rc != 0) {
        unit->unit = NULL;
        return fail(unit, err);
    }
    int ready = await_ready(unit, err);
    if (ready < 0)
        return fail(unit, err);
    unit->ready = ready > 0;
    if (!unit->ready)
        return 0;
    json_t *members = identity(unit, options->ops->describe(unit->unit));
    json_object_set_new(
        members, "ms",
        json_real((double)(wg_clock_now_ns() - unit->begun_ns) / (double)WG_NS_PER_MS));
    wg_event_emit(session->log, WG_EVENT_UNIT_STARTED, members);
    return 1;
}

void wg_foreign_unit_watch(struct wg_foreign_unit *unit)
{
    if (!unit->died)
        wg_pollset_add(&unit->session->set, unit->session->options->ops->process_fd(unit->unit),
                       POLLIN, NULL, NULL);
}

/* A server without process is already gone, or was never ours. */
static bool is_gone(const struct wg_foreign_unit *unit)
{
    struct pollfd probe = {.fd = unit->session->options->ops->process_fd(unit->unit),
                           .events = POLLIN};
    return probe.fd < 0 || poll(&probe, 1, 0) > 0;
}

void wg_foreign_unit_notice_death(struct wg_foreign_unit *unit)
{
    struct wg_foreign_session *session = unit->session;
    if (unit->died || session->options->ops->process_fd(unit->unit) < 0 || !is_gone(unit))
        return;
    unit->died = true;
    wg_event_emit(session->log, WG_EVENT_SERVER_DIED, identity(unit, NULL));
    wg_event_emit(
        session->log, WG_EVENT_EVIDENCE,
        identity(unit,
                 json_pack("{s:s, s:s, s:s}", "class", wg_evidence_class_name(WG_EVIDENCE_SERVER),
                           "source", "runner", "message", "the server died while it was in use")));
}

/* Until something happens that is waited for, or a signal comes. */
static void wait_for(struct wg_foreign_session *session, int fd, struct wg_deadline deadline)
{
    wg_pollset_reset(&session->set);
    wg_pollset_add(&session->set, fd, POLLIN, NULL, NULL);
    wg_pollset_add(&session->set, session->options->interrupt_fd, POLLIN, NULL, NULL);
    wg_pollset_until(&session->set, deadline);
    (void)wg_pollset_wait(&session->set, NULL);
    wg_foreign_take_interrupts(session);
}

static void stop(struct wg_foreign_unit *unit)
{
    struct wg_foreign_session *session = unit->session;
    const struct wg_unit_ops *ops = session->options->ops;
    struct wg_deadline deadline = wg_deadline_in_ms(session->options->grace_ms);
    unit->killed = session->interrupts > 1;
    ops->stop(unit->unit, unit->killed);
    while (!is_gone(unit)) {
        if (!unit->killed && (wg_deadline_passed(deadline) || session->interrupts > 1)) {
            unit->killed = true;
            deadline = WG_DEADLINE_NEVER;
            ops->stop(unit->unit, true);
        }
        wait_for(session, ops->process_fd(unit->unit), deadline);
    }
}

/* Only what was stopped in order has left its data in order. */
static void check(struct wg_foreign_unit *unit)
{
    struct wg_foreign_session *session = unit->session;
    const struct wg_unit_ops *ops = session->options->ops;
    int fd = -1;
    struct wg_deadline deadline = WG_DEADLINE_NEVER;
    if (!ops->check || !unit->ready || unit->killed || unit->died)
        return;
    while (session->interrupts < 2 && !ops->check(unit->unit, &fd, &deadline))
        wait_for(session, fd, deadline);
}

/* A process that dies closes its connections first: the test that it died of may end the command
 * before there is anything to see here. Later it would look like a server that was stopped. */
static void look_last(struct wg_foreign_unit *unit)
{
    struct pollfd probe = {.fd = unit->session->options->ops->process_fd(unit->unit),
                           .events = POLLIN};
    if (probe.fd >= 0 && !unit->died)
        (void)poll(&probe, 1, LAST_LOOK_MS);
    wg_foreign_unit_notice_death(unit);
}

void wg_foreign_unit_end(struct wg_foreign_unit *unit)
{
    json_t *details = NULL;
    if (!unit->unit)
        return;
    if (unit->ready)
        look_last(unit);
    stop(unit);
    check(unit);
    unit->session->options->ops->finish(unit->unit, unit->ready, &details);
    unit->unit = NULL;
    json_t *members = identity(unit, details);
    json_object_set_new(members, "killed", json_boolean(unit->killed));
    wg_event_emit(unit->session->log, WG_EVENT_UNIT_FINISHED, members);
}
