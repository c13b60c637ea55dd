/* SPDX-License-Identifier: MIT */
/* cmd_run.c - walgrind run: the tests of a suite binary, isolated and in the swarm. */
#include "fixtures/db/reset.h"
#include "fixtures/db/template.h"
#include "fixtures/unit/remote.h"
#include "fixtures/unit/unit.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/shell.h"
#include "harness/base/token.h"
#include "harness/report/history.h"
#include "harness/report/junit.h"
#include "harness/report/model.h"
#include "harness/report/terminal.h"
#include "harness/run/runner.h"
#include "harness/run/sandbox.h"
#include "harness/run/suite_client.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/keys.h"
#include "tools/walgrind/locate.h"
#include "tools/walgrind/perturb.h"
#include "tools/walgrind/repeat.h"
#include "tools/walgrind/run_config.h"
#include "tools/walgrind/run_directory.h"
#include "tools/walgrind/run_probe.h"
#include "tools/walgrind/run_tests.h"
#include "tools/walgrind/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SUITE_TIMEOUT_MS 30000

static int run(int argc, char **argv);

const struct wg_command wg_command_run = {
    .name = "run",
    .summary = "run API tests in parallel on isolated databases, with a verdict",
    .synopsis = "[OPTION…] [TEST…]",
    .description =
        "Builds template databases once, clones them per unit of isolation, starts the server on each "
        "clone, runs the tests, resets the databases between tests while the server keeps them open, "
        "and verifies them at the end. TEST is a full name (auth/login_twice), a glob (auth/*) or the "
        "glob of a suite (files_*); without one all tests run.\n\n"
        "The verdict is PASS only if no test failed and no I/O error, corruption or unexpected 5xx "
        "showed anywhere: in the server's result codes and logs, in the answers, in the databases; "
        "and if the probe, which is loaded into server and tests, saw nobody do wrong to a database "
        "(as 'walgrind exec' tells it; --no-probe turns it off).\n\n"
        "While it runs, the key 't' on a terminal and SIGUSR1 tell which tests run, and for how long.",
    .options = wg_run_config_options,
    .add_suites = wg_run_config_add_suites,
    .run = run,
};

/* Everything that lives as long as one run. */
struct session {
    struct wg_run_config options;
    struct wg_strv patterns;
    char *refserver;
    char *repeat_prefix;
    struct wg_strv suite_argv, server_argv, server_env, init_argv, check_argv, inputs;
    const char *ready_path;
    struct wg_template *tmpl;
    struct wg_sandbox *sandbox;
    struct wg_run_directory directory;
    int suite_log_fd;
    struct wg_suite_client *client;
    struct wg_plan plan;
    const char *history; /* NULL: none is kept */
    struct wg_event_log *log;
    struct wg_run_probe probe;
    struct wg_model model;
    struct wg_terminal *terminal;
    int interrupt_fd;
    sigset_t old_mask;
};

static void session_finish(struct session *session)
{
    wg_terminal_destroy(session->terminal);
    wg_suite_client_destroy(session->client);
    wg_plan_finish(&session->plan);
    wg_event_log_destroy(session->log);
    wg_model_finish(&session->model);
    wg_run_sandbox_destroy(session->sandbox, NULL);
    wg_template_destroy(session->tmpl);
    wg_run_probe_finish(&session->probe);
    wg_run_directory_finish(&session->directory);
    if (session->suite_log_fd >= 0)
        close(session->suite_log_fd);
    if (session->interrupt_fd >= 0)
        close(session->interrupt_fd);
    wg_strv_finish(&session->patterns);
    wg_strv_finish(&session->suite_argv);
    wg_strv_finish(&session->server_argv);
    wg_strv_finish(&session->server_env);
    wg_strv_finish(&session->init_argv);
    wg_strv_finish(&session->check_argv);
    wg_strv_finish(&session->inputs);
    wg_run_config_finish(&session->options);
    free(session->refserver);
    free(session->repeat_prefix);
}

/* Signals arrive through a descriptor, so that the loop handles them like everything else. A full
 * disk and a closed pipe are errors of a write, not the end of the runner. */
static int block_signals(struct session *session, struct wg_err *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &mask, &session->old_mask) != 0)
        return wg_err_errno(err, "block signals");
    session->interrupt_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return session->interrupt_fd >= 0 ? 0 : wg_err_errno(err, "signalfd");
}

static int check_strategy(const char *name, struct wg_err *err)
{
    if (!name || strcmp(name, "auto") == 0)
        return 0;
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        if (strcmp(wg_reset_strategy(i)->name, name) == 0)
            return 0;
    return wg_err_set(err, WG_ERR_USAGE, "no reset strategy is called '%s'", name);
}

/* A server of somebody else: what would start, fill, reset or look into one has no meaning. */
static int choose_url(struct wg_run_config *options, struct wg_err *err)
{
    const struct {
        const char *name;
        bool given;
    } foreign[] = {
        {"server", options->server != NULL},
        {"init", options->init != NULL},
        {"input", options->inputs.count > 0},
        {"server-arg", options->server_args.count > 0},
        {"server-env", options->server_env.count > 0},
        {"reset", options->reset != NULL},
        {"check", options->check != NULL},
        {"both", options->both},
    };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (foreign[i].given)
            return wg_err_set(err, WG_ERR_USAGE,
                              "--%s is for servers that are started here, not for --server-url",
                              foreign[i].name);
    if (!wg_mode_find(options->isolate)->swarm)
        return wg_err_set(err, WG_ERR_USAGE,
                          "--server-url cannot isolate: all tests share that server");
    return wg_remote_probe(options->server_url, (int)options->ready_timeout_ms, err);
}

/* The reference server unless --server names another. */
static int choose_server(struct session *session, struct wg_err *err)
{
    struct wg_run_config *options = &session->options;
    if (options->server_url)
        return choose_url(options, err);
    if (options->server) {
        if (options->server_args.count > 0 || options->init_args.count > 0)
            return wg_err_set(err, WG_ERR_USAGE,
                              "--server-arg and --init-arg are for the reference server; put them "
                              "into --server and --init");
        wg_shell_server_command(options->server, &session->server_argv);
        if (options->init)
            wg_shell_server_command(options->init, &session->init_argv);
        session->ready_path = options->ready;
    } else {
        if (wg_locate_refserver(&session->refserver, err) != 0)
            return -1;
        /* By default all servers of a machine would share one directory of uploads in /tmp. */
        static const char *const serve[] = {"--port", "{port}",       "--data",
                                            "{data}", "--upload-dir", "{data}/upload"};
        static const char *const init[] = {"--init-only", "--data", "{data}", "--upload-dir",
                                           "{data}/upload"};
        static const char *const check[] = {"--check", "--data", "{data}"};
        wg_strv_push(&session->server_argv, session->refserver);
        for (size_t i = 0; i < sizeof serve / sizeof serve[0]; i++)
            wg_strv_push(&session->server_argv, serve[i]);
        wg_strv_extend(&session->server_argv, options->server_args.items);
        wg_strv_push(&session->init_argv, session->refserver);
        for (size_t i = 0; i < sizeof init / sizeof init[0]; i++)
            wg_strv_push(&session->init_argv, init[i]);
        wg_strv_extend(&session->init_argv, options->init_args.items);
        wg_strv_push(&session->check_argv, session->refserver);
        for (size_t i = 0; i < sizeof check / sizeof check[0]; i++)
            wg_strv_push(&session->check_argv, check[i]);
        wg_strv_push(&session->inputs, session->refserver);
        wg_strv_push(&session->server_env, "FASTAPI_APPLICATION_MODE=testing");
        session->ready_path = options->ready ? options->ready : "/health";
    }
    if (options->check) {
        wg_strv_finish(&session->check_argv);
        if (strcmp(options->check, "none") != 0)
            wg_shell_command(options->check, &session->check_argv); /* nobody signals it */
    }
    wg_strv_extend(&session->inputs, options->inputs.items);
    wg_strv_extend(&session->server_env, options->server_env.items);
    return 0;
}

static int open_suite(struct session *session, struct wg_err *err)
{
    struct wg_run_config *options = &session->options;
    char *binary = NULL;
    if (!options->tests && wg_locate_suite(options->suite_binary, &binary, err) != 0)
        return -1;
    if (binary)
        wg_strv_take(&session->suite_argv, binary);
    if (wg_run_probe_command(&session->probe, &session->suite_argv, err) != 0)
        return -1;
    session->suite_log_fd =
        open(session->directory.suite_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (session->suite_log_fd < 0)
        return wg_err_errno(err, "create %s", session->directory.suite_log);
    if (options->tests)
        return 0;
    return wg_suite_client_start(session->suite_argv.items, session->suite_log_fd, SUITE_TIMEOUT_MS,
                                 &session->client, err);
}

static int select_tests(struct session *session, struct wg_err *err)
{
    session->history =
        wg_selection_history(&session->options.selection, session->options.run_directory == NULL);
    if (session->options.tests)
        return 0;
    if (wg_suite_client_list(session->client, SUITE_TIMEOUT_MS, &session->plan, err) != 0)
        return -1;
    if (session->options.shuffle)
        wg_plan_shuffle(&session->plan, (uint64_t)session->options.seed);
    if (wg_selection_apply(&session->options.selection, session->history, session->patterns.items,
                           &session->plan, err) != 0)
        return -1;
    if (!session->options.shuffle)
        wg_plan_rank(&session->plan);
    return wg_suite_rules_apply(&session->options.suite_rules, &session->plan, err);
}

static int build_template(struct session *session, struct wg_err *err)
{
    if (session->options.server_url)
        return wg_run_sandbox_create(0, &session->sandbox, err);
    struct wg_template_spec spec = {
        .name = session->options.server ? "server" : "refserver",
        .command = session->init_argv.items,
        .inputs = session->inputs.items,
    };
    if (session->init_argv.count == 0) { /* the server initialises itself */
        spec.server = session->server_argv.items;
        spec.server_env = session->server_env.items;
        spec.ready_path = session->ready_path;
    }
    /* What is perturbed is the work on the clones, not the making of the template. */
    wg_perturb_withdraw();
    int made = wg_template_get(&spec, &session->tmpl, err);
    wg_perturb_apply(&session->options.perturb);
    if (made != 0)
        return -1;
    if (session->init_argv.count == 0 && wg_template_database_count(session->tmpl) == 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          "the server made no database in {data} when it started; give the command "
                          "that does with --init");
    uint64_t bytes = 0;
    if (wg_tree_size(wg_template_path(session->tmpl), &bytes, err) != 0)
        return -1;
    /* Room for a clone per worker and for what tests write into each. */
    uint64_t need = (bytes + (16u << 20)) * (uint64_t)session->options.workers;
    return wg_run_sandbox_create(need, &session->sandbox, err);
}

static void emit_run_started(struct session *session, int argc, char **argv)
{
    char wall[32];
    struct utsname kernel;
    wg_clock_format_utc(wg_clock_wall_ns(), wall, sizeof wall);
    uname(&kernel);
    json_t *words = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(words, wg_json_text_new(argv[i]));
    json_t *started = json_pack("{s:i, s:s, s:s, s:o, s:o, s:b, s:i, s:o, s:s, s:s, s:s, s:I}",
                                "version", WG_EVENTS_VERSION, "walgrind", WG_VERSION, "wall", wall,
                                "directory", wg_json_text_new(session->directory.path), "sandbox",
                                wg_json_text_new(wg_run_sandbox_path(session->sandbox)), "tmpfs",
                                wg_run_sandbox_is_tmpfs(session->sandbox), "workers",
                                (int)session->options.workers, "argv", words, "sqlite",
                                sqlite3_libversion(), "kernel", kernel.release, "template",
                                session->tmpl ? wg_template_hash(session->tmpl) : "", "mono_ns",
                                (json_int_t)wg_event_log_base_ns(session->log));
    if (session->options.tests)
        json_object_set_new(started, "tests", wg_json_text_new(session->options.tests));
    wg_event_emit(session->log, WG_EVENT_RUN_STARTED, started);
    wg_event_emit(session->log, WG_EVENT_PLAN,
                  json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "tests",
                            (json_int_t)session->plan.test_count, "suites",
                            (json_int_t)session->plan.suite_count, "selected",
                            (json_int_t)session->plan.selected_count, "seed",
                            (json_int_t)session->options.seed, "slow_ms",
                            (json_int_t)session->options.selection.slow_ms, "flaky_fails",
                            session->options.flaky && strcmp(session->options.flaky, "fail") == 0));
}

static void apply_to_model(void *context, enum wg_event_kind kind, const json_t *event)
{
    wg_model_apply(context, kind, event);
}

static int open_record(struct session *session, struct wg_err *err)
{
    if (wg_event_log_create(session->directory.events, &session->log, err) != 0)
        return -1;
    wg_event_log_listen(session->log, apply_to_model, &session->model);
    session->terminal = wg_terminal_create(stderr, &session->model, !session->options.progress);
    wg_event_log_listen(session->log, wg_terminal_show, session->terminal);
    wg_event_log_listen(session->log, wg_run_probe_hear, &session->probe);
    return 0;
}

/* What a clean start tells before the tests run. */
static void print_start(const struct session *session, const struct wg_reaped *reaped)
{
    if (!session->options.progress)
        return;
    if (reaped->sandboxes > 0 || reaped->processes > 0)
        fprintf(stderr, "cleaned up after a killed run: %d sandboxes, %d processes\n",
                reaped->sandboxes, reaped->processes);
    if (session->options.tests)
        fprintf(stderr, "tests: %s, ", session->options.tests);
    else
        fprintf(stderr, "%zu of %zu tests in %zu suites, %ld workers, ",
                session->plan.selected_count, session->plan.test_count, session->plan.suite_count,
                session->options.workers);
    fprintf(stderr, "sandbox %s%s\n", wg_run_sandbox_path(session->sandbox),
            wg_run_sandbox_is_tmpfs(session->sandbox) ? " (tmpfs)"
                                                      : " (on disk: no tmpfs has room)");
    if (session->options.shuffle)
        fprintf(stderr, "shuffled with --seed=%ld\n", session->options.seed);
}

/* Why the probe is not to be loaded; NULL when it is, as for perturbations, which it makes. Tests
 * of a server at a URL have none of its files: watching them costs and sees nothing of the
 * databases. */
static const char *why_unwatched(const struct wg_run_config *options)
{
    if (wg_perturb_is_set(&options->perturb))
        return NULL;
    if (!options->probe)
        return "--no-probe";
    return options->server_url ? "--server-url: somebody else started the server, and has its files"
                               : NULL;
}

/* A run without the probe says so in its report, unless it was to perturb, which the probe does. */
static int load_probe(struct session *session, struct wg_err *err)
{
    struct wg_run_probe *probe = &session->probe;
    const struct wg_perturb_options *perturb = &session->options.perturb;
    wg_run_probe_begin(probe, wg_watch_how_of(session->options.trace),
                       why_unwatched(&session->options), &session->directory);
    wg_perturb_apply(perturb);
    if (probe->off && wg_perturb_is_set(perturb) && !wg_watch_is_watched())
        return wg_err_set(err, WG_ERR_STATE, "%s", probe->off);
    if (session->server_argv.count > 0)
        wg_run_probe_add_program(probe, session->server_argv.items[0]);
    if (session->options.server_url)
        wg_run_probe_add_gap(probe, "the server of --server-url: somebody else started it");
    return 0;
}

/* What the perturbations did. */
static void print_perturbations(const struct session *session)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace *trace = NULL;
    if (session->probe.off || !wg_perturb_is_set(&session->options.perturb))
        return;
    if (wg_trace_open(session->probe.traces, &trace, &err) == 0)
        wg_perturb_print(trace, &session->options.perturb, stderr);
    else
        fprintf(stderr, "walgrind run: the trace cannot be read: %s\n", err.message);
    wg_trace_destroy(trace);
}

/* After the template is made: what it is made with is part of its name. */
static int watch_servers(struct session *session, struct wg_err *err)
{
    const struct wg_run_probe *probe = &session->probe;
    return wg_run_probe_command(probe, &session->server_argv, err) == 0
               ? wg_run_probe_command(probe, &session->check_argv, err)
               : -1;
}

static int prepare(struct session *session, struct wg_err *err)
{
    struct wg_reaped reaped;
    wg_run_sandbox_reap(&reaped);
    if (block_signals(session, err) != 0 || check_strategy(session->options.reset, err) != 0 ||
        choose_server(session, err) != 0 ||
        wg_run_directory_create(session->options.run_directory, &session->directory, err) != 0 ||
        load_probe(session, err) != 0 || open_suite(session, err) != 0 ||
        select_tests(session, err) != 0 || build_template(session, err) != 0 ||
        watch_servers(session, err) != 0 || open_record(session, err) != 0) {
        wg_run_directory_discard(&session->directory);
        return -1;
    }
    wg_run_directory_publish(&session->directory);
    print_start(session, &reaped);
    return 0;
}

static void internal_error(struct session *session, const struct wg_err *err)
{
    wg_event_emit(session->log, WG_EVENT_INTERNAL_ERROR,
                  json_pack("{s:o}", "message", wg_json_text_new(err->message)));
}

/* What ends --stress and --until-fail. */
struct stress {
    struct session *session;
    struct wg_deadline deadline;
};

static bool is_enough(void *context)
{
    const struct stress *stress = context;
    struct session *session = stress->session;
    struct wg_err err = WG_ERR_INIT;
    if (wg_run_probe_digest(&session->probe, session->log, &err) != 0)
        internal_error(session, &err);
    return (session->options.until_fail && wg_model_failures(&session->model) > 0) ||
           (session->options.stress_ms > 0 && wg_deadline_passed(stress->deadline));
}

static int execute(struct session *session, struct wg_err *err)
{
    const struct wg_run_config *options = &session->options;
    const struct wg_mode *modes[3] = {wg_mode_find(options->isolate ? options->isolate : "suite")};
    if (options->both && !modes[0]->swarm)
        modes[1] = wg_mode_find("none");
    struct wg_unit_provider provider = {
        .tmpl = session->tmpl,
        .server_argv = session->server_argv.items,
        .server_env = session->server_env.items,
        .ready_path = session->ready_path,
        .ready_timeout_ms = (int)options->ready_timeout_ms,
        .reset_strategy = options->reset,
        .reset_timeout_ms = WG_DEFAULT_RESET_TIMEOUT_MS,
        .check_argv = session->check_argv.items,
        .hide_files = !options->files,
        .control = options->tests != NULL,
        .kept_directory = session->directory.databases,
    };
    struct wg_remote_provider remote = {.url = options->server_url};
    struct wg_keys keys = {.fd = -1};
    if (options->progress && !options->tests)
        wg_keys_open(&keys);
    struct stress stress = {session, wg_deadline_in_ms(options->stress_ms)};
    struct wg_run_options run_options = {
        .suite_argv = session->suite_argv.items,
        .plan = &session->plan,
        .modes = modes,
        .repeat = options->repeat,
        .copies = (int)options->copies,
        .retries = (int)options->retries,
        .is_enough = is_enough,
        .is_enough_context = &stress,
        .workers = (int)options->workers,
        .timeout_ms = (int)options->timeout_ms,
        .suite_timeout_ms = (int)options->suite_timeout_ms,
        .grace_ms = (int)options->grace_ms,
        .ops = options->server_url ? wg_remote_provider_ops() : wg_unit_provider_ops(),
        .provider = options->server_url ? (void *)&remote : (void *)&provider,
        .sandbox = wg_run_sandbox_path(session->sandbox),
        .log_directory = session->directory.servers,
        .repeat_prefix = session->repeat_prefix,
        .interrupt_fd = session->interrupt_fd,
        .tick = wg_terminal_tick,
        .tick_context = session->terminal,
        .key_fd = keys.fd,
        .suite_stderr_fd = session->suite_log_fd,
    };
    if (options->tests)
        return wg_run_tests_execute(options->tests, &run_options, &session->directory,
                                    &session->probe, session->log, err);
    struct wg_suite_client *client = session->client;
    session->client = NULL;
    int rc = wg_run(&run_options, client, session->log, err);
    wg_keys_close(&keys);
    return rc;
}

/* The newest run counts, also one that was interrupted. Losing it costs the order, no more. */
static void remember(const struct session *session)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_history history;
    if (!session->history)
        return;
    int rc = wg_history_read(&history, session->history, &err);
    if (rc == 0) {
        wg_history_update(&history, &session->model);
        rc = wg_history_write(&history, session->history, &err);
        wg_history_finish(&history);
    }
    if (rc != 0)
        fprintf(stderr, "walgrind run: the history is not kept: %s\n", err.message);
}

/* Ends the record, writes the reports, prints the result; returns the exit code. */
static int conclude(struct session *session)
{
    struct wg_err err = WG_ERR_INIT;
    if (wg_run_probe_conclude(&session->probe, session->log, &err) != 0)
        internal_error(session, &err);
    const struct wg_err *lost = wg_event_log_error(session->log);
    if (lost)
        internal_error(session, lost);
    wg_event_emit(
        session->log, WG_EVENT_RUN_FINISHED,
        json_pack("{s:f}", "ms", (double)wg_event_log_now_ns(session->log) / (double)WG_NS_PER_MS));
    if (wg_junit_write(&session->model, session->directory.junit, &err) != 0 ||
        (session->options.junit &&
         wg_junit_write(&session->model, session->options.junit, &err) != 0))
        internal_error(session, &err);
    remember(session);
    wg_terminal_destroy(session->terminal);
    session->terminal = NULL;
    struct wg_summary_options summary = {
        .color = wg_terminal_wants_color(stdout),
        .directory = session->directory.path,
    };
    wg_summary_print(&session->model, &summary, stdout);
    if (fflush(stdout) != 0)
        return WG_EXIT_INFRASTRUCTURE;
    return wg_verdict_exit_code(wg_model_verdict(&session->model));
}

static int run(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct session session = {
        .suite_log_fd = -1,
        .interrupt_fd = -1,
    };
    wg_model_init(&session.model);
    int exit_code;
    int parsed =
        wg_run_config_read(&wg_command_run, argc, argv, &session.options, &session.patterns, &err);
    if (parsed != 0) {
        exit_code = parsed > 0 ? WG_EXIT_PASSED : wg_command_fail(&wg_command_run, &err);
        goto out;
    }
    session.repeat_prefix = wg_repeat_prefix(argc, argv);
    if (prepare(&session, &err) != 0) {
        exit_code = wg_command_fail(&wg_command_run, &err);
        goto out;
    }
    emit_run_started(&session, argc, argv);
    if (execute(&session, &err) != 0)
        internal_error(&session, &err);
    print_perturbations(&session);
    exit_code = conclude(&session);
out:
    session_finish(&session);
    return exit_code;
}
