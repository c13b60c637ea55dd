/* SPDX-License-Identifier: MIT */
#include "suites/unit/run_support.h"

#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/run/event_log.h"
#include "harness/run/runner.h"
#include "harness/run/suite_client.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct provider {
    const struct run_setup *setup;
    char *log_path; /* of the last unit */
    int tests_ended;
};

static int begin(void *provider, const struct wg_unit_request *request, struct wg_event_log *log,
                 void **ret_unit, struct wg_err *err)
{
    struct provider *own = provider;
    (void)log;
    if (own->setup->unit_never_starts)
        return wg_err_set(err, WG_ERR_STATE, "no room for a unit");
    free(own->log_path);
    own->log_path = wg_strdup(request->log_path);
    *ret_unit = provider;
    return 0;
}

static int poll_ready(void *unit, struct wg_err *err)
{
    (void)unit, (void)err;
    return 1;
}

static int poll_fds(void *unit, struct pollfd *fds, int max, int *timeout_ms)
{
    (void)unit, (void)fds, (void)max, (void)timeout_ms;
    return 0;
}

static int process_fd(void *unit)
{
    const struct provider *provider = unit;
    return provider->setup->server ? wg_process_pidfd(provider->setup->server) : -1;
}

static json_t *describe(void *unit)
{
    (void)unit;
    return json_object();
}

static void environment(void *unit, struct wg_strv *env)
{
    const struct provider *provider = unit;
    wg_strv_setenv(env, "WALGRIND_URL", "http://127.0.0.1:1");
    wg_strv_setenv(env, "WALGRIND_SAMPLE_LOG", provider->log_path);
}

static void collect(void *unit, const char *test)
{
    struct provider *provider = unit;
    (void)test;
    if (++provider->tests_ended == provider->setup->interrupt_after_tests)
        kill(getpid(), SIGINT);
}

static json_t *inspect(void *unit, const char *test, long long attempt, bool alone)
{
    (void)unit;
    return json_pack("{s:s, s:I, s:b}", "inspected", test, "number", (json_int_t)attempt, "alone",
                     alone);
}

static int reset(void *unit, json_t **ret_details, struct wg_err *err)
{
    struct provider *provider = unit;
    *ret_details = json_object();
    if (provider->setup->reset_fails)
        return wg_err_set(err, WG_ERR_TIMEOUT, "a transaction was left open");
    return 0;
}

static void stop(void *unit, bool force)
{
    const struct provider *provider = unit;
    (void)force;
    if (provider->setup->server)
        wg_process_signal_group(provider->setup->server, SIGKILL);
}

static void finish(void *unit, bool verify, json_t **ret_details)
{
    (void)unit, (void)verify;
    *ret_details = json_object();
}

static const struct wg_unit_ops ops = {
    .begin = begin,
    .poll_ready = poll_ready,
    .poll_fds = poll_fds,
    .process_fd = process_fd,
    .describe = describe,
    .environment = environment,
    .collect = collect,
    .inspect = inspect,
    .reset = reset,
    .stop = stop,
    .finish = finish,
};

static void apply(void *context, enum wg_event_kind kind, const json_t *event)
{
    wg_model_apply(context, kind, event);
}

static int interrupts(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    cr_assert(eq(int, sigprocmask(SIG_BLOCK, &mask, NULL), 0));
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

void run_sample(const struct run_setup *setup, struct wg_model *model)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_suite_client *client = NULL;
    struct wg_event_log *log = NULL;
    struct wg_plan plan = {0};
    struct provider provider = {.setup = setup};
    char *suite[] = {WG_TEST_SUITE_SAMPLE, NULL};
    char directory[] = "/tmp/walgrind-unit-run-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL, "mkdtemp");
    char *events = wg_format("%s/events.jsonl", directory);
    wg_model_init(model);
    cr_assert(eq(int, wg_event_log_create(events, &log, &err), 0), "%s", err.message);
    wg_event_log_listen(log, apply, model);
    cr_assert(eq(int, wg_suite_client_start(suite, STDERR_FILENO, 20000, &client, &err), 0), "%s",
              err.message);
    cr_assert(eq(int, wg_suite_client_list(client, 20000, &plan, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_plan_select(&plan, (char *const *)(const void *)setup->select, &err), 0),
              "%s", err.message);
    const struct wg_mode *modes[] = {wg_mode_find(setup->mode ? setup->mode : "suite"), NULL};
    struct wg_run_options options = {
        .suite_argv = suite,
        .plan = &plan,
        .modes = modes,
        .repeat = 1,
        .workers = setup->workers ? setup->workers : 2,
        .timeout_ms = 20000,
        .suite_timeout_ms = setup->suite_timeout_ms,
        .grace_ms = 200,
        .ops = &ops,
        .provider = &provider,
        .sandbox = directory,
        .log_directory = directory,
        .repeat_prefix = "walgrind run",
        .interrupt_fd = interrupts(),
        .suite_stderr_fd = STDERR_FILENO,
    };
    int rc = wg_run(&options, client, log, &err);
    close(options.interrupt_fd);
    wg_event_log_destroy(log);
    wg_plan_finish(&plan);
    wg_tree_remove(directory, NULL);
    free(provider.log_path);
    free(events);
    cr_assert(eq(int, rc, 0), "%s", err.message);
}

const json_t *run_finished(const struct wg_model *model, const char *test)
{
    for (size_t i = 0; i < model->finished.count; i++)
        if (strcmp(wg_json_str(model->finished.items[i], "test", ""), test) == 0)
            return model->finished.items[i];
    cr_fatal("%s did not run", test);
    return NULL;
}

const char *run_outcome(const struct wg_model *model, const char *test)
{
    return wg_json_str(run_finished(model, test), "outcome", "");
}

const char *run_reason(const struct wg_model *model, const char *test)
{
    return wg_json_str(run_finished(model, test), "reason", "");
}

const char *run_output(const struct wg_model *model, const char *test)
{
    return wg_json_str(run_finished(model, test), "output", "");
}

const char *run_message(const struct wg_model *model, const char *test)
{
    const json_t *messages = json_object_get(run_finished(model, test), "messages");
    return wg_json_str(json_array_get(messages, 0), "message", "");
}
