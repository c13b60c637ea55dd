/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/run_config.h"

#include "fixtures/unit/unit.h"
#include "harness/base/limit.h"
#include "harness/base/token.h"
#include "harness/run/runner.h"
#include "tools/walgrind/config.h"
#include "tools/walgrind/run_tests.h"
#include "tools/walgrind/watch.h"

#include <unistd.h>

#define REPEAT_MAX        1000000
#define SWARM_WORKERS_MIN 4 /* fewer at once are no storm */
#define OPTION(member)    offsetof(struct wg_run_config, member)

const struct wg_option wg_run_config_options[] = {
    {"isolate", 'i', WG_OPTION_CHOICE, OPTION(isolate), "suite|worker|none|swarm",
     "Unit of isolation: databases and server per suite, per worker, or one for all (none, also "
     "called swarm: all tests at once, no resets). Default: suite, then none.",
     0, 0},
    {"swarm", 0, WG_OPTION_FLAG, OPTION(swarm), NULL, "Short for --isolate=none.", 0, 0},
    {"both", 0, WG_OPTION_FLAG, OPTION(both), NULL,
     "Run with --isolate (suite if not given), then the swarm.", 0, 0},
    {"workers", 'j', WG_OPTION_INT, OPTION(workers), "N",
     "Tests or servers at once. Default: twice the processors, at least 4.", 1, WG_LIMIT_WORKERS},
    {"timeout", 't', WG_OPTION_DURATION, OPTION(timeout_ms), "TIME",
     "Deadline of a test that sets none itself, of the whole command with --tests. Default: 30s, 10m "
     "with --tests.",
     0, 0},
    {"suite-timeout", 0, WG_OPTION_DURATION, OPTION(suite_timeout_ms), "TIME",
     "Deadline of a suite as a whole, from the start of its first test: what runs then is stopped, "
     "what waits does not run. Default: none.",
     0, 0},
    {"grace", 0, WG_OPTION_DURATION, OPTION(grace_ms), "TIME",
     "From SIGTERM to SIGKILL, for tests and servers. Default: 2s.", 0, 0},
    {"repeat", 0, WG_OPTION_INT, OPTION(repeat), "N",
     "Do it all N times; a failure that shows in some runs only needs many. Default: 1.", 1,
     REPEAT_MAX},
    {"retries", 0, WG_OPTION_INT, OPTION(retries), "N",
     "Run a test that fails up to N times more, behind the others; one that passes then is flaky.",
     0, 100},
    {"flaky", 0, WG_OPTION_CHOICE, OPTION(flaky), "pass|fail",
     "Whether a run with flaky tests passes. Default: pass.", 0, 0},
    {"until-fail", 0, WG_OPTION_FLAG, OPTION(until_fail), NULL,
     "Repeat until something fails, at most as often as --repeat says.", 0, 0},
    {"stress", 0, WG_OPTION_DURATION, OPTION(stress_ms), "TIME",
     "Repeat until TIME has passed; the round that runs then is finished.", 0, 0},
    {"copies", 0, WG_OPTION_INT, OPTION(copies), "N",
     "In the swarm, run each test N times at once, against itself.", 1, 1000},
    {"shuffle", 0, WG_OPTION_FLAG, OPTION(shuffle), NULL,
     "Run suites and tests in random order; the seed is printed.", 0, 0},
    {"seed", 0, WG_OPTION_INT, OPTION(seed), "N", "The seed of --shuffle; implies it.", 1,
     1000000000},
    WG_SELECTION_OPTIONS(struct wg_run_config),
    {"run-dir", 0, WG_OPTION_STRING, OPTION(run_directory), "DIR",
     "Keep the record of the run there. Default: a new directory below .walgrind/runs.", 0, 0},
    {"junit", 0, WG_OPTION_STRING, OPTION(junit), "FILE",
     "Write JUnit XML there too (the run directory has it in any case).", 0, 0},
    {"suite-binary", 0, WG_OPTION_STRING, OPTION(suite_binary), "FILE",
     "The program with the tests. Default: the API suite of the reference server.", 0, 0},
    {"tests", 0, WG_OPTION_STRING, OPTION(tests), "COMMAND",
     "Shell command that is the tests, in any language, instead of a suite binary. It runs once, with "
     "WALGRIND_URL, WALGRIND_CONTROL, WALGRIND_TOKEN, WALGRIND_DATA and WALGRIND_DB_NAME in its "
     "environment ({url} and {data} are replaced), and tells its results as TAP on standard output, or "
     "as JUnit XML in the file {junit}.",
     0, 0},
    {"server", 0, WG_OPTION_STRING, OPTION(server), "COMMAND",
     "Shell command that starts the server under test; {port}, {data}, {url} and {db:NAME} are "
     "replaced. Default: the embedded reference server.",
     0, 0},
    {"server-url", 0, WG_OPTION_STRING, OPTION(server_url), "URL",
     "Run the tests against the server at that address, which somebody else started: nothing is "
     "started, cloned, reset or verified, all tests share it as in the swarm, and those that need its "
     "files are skipped.",
     0, 0},
    {"init", 0, WG_OPTION_STRING, OPTION(init), "COMMAND",
     "Shell command that fills {data} with fresh databases, once; its result is cached as template. "
     "Default with --server: the server itself, started once on an empty directory.",
     0, 0},
    {"input", 0, WG_OPTION_LIST, OPTION(inputs), "PATH",
     "File or directory that the databases of --init or of the server depend on: the template is "
     "rebuilt when it changes.",
     0, 0},
    {"ready", 0, WG_OPTION_STRING, OPTION(ready), "PATH",
     "Path that the server answers once it is ready. Default: /health for the reference server, else "
     "a TCP connection is enough.",
     0, 0},
    {"ready-timeout", 0, WG_OPTION_DURATION, OPTION(ready_timeout_ms), "TIME",
     "From the start of a server to its first good answer. Default: 30s.", 0, 0},
    {"server-arg", 0, WG_OPTION_LIST, OPTION(server_args), "ARG",
     "One more argument for the reference server, e.g. --server-arg=--break=crash.", 0, 0},
    {"init-arg", 0, WG_OPTION_LIST, OPTION(init_args), "ARG",
     "One more argument for the reference server when it initialises the template.", 0, 0},
    {"server-env", 0, WG_OPTION_LIST, OPTION(server_env), "NAME=VALUE",
     "One more environment variable for the server.", 0, 0},
    {"reset", 0, WG_OPTION_STRING, OPTION(reset), "STRATEGY",
     "How databases are reset between tests. Default: auto, which picks the fastest that is safe.",
     0, 0},
    {"check", 0, WG_OPTION_STRING, OPTION(check), "COMMAND",
     "Shell command that looks at the data of each server after it has stopped ({data} and {db:NAME} "
     "are replaced): it exits with 1 after printing a line per violation. Default: --check of the "
     "reference server; 'none' turns it off.",
     0, 0},
    WG_PERTURB_OPTIONS(struct wg_run_config),
    {"files", 0, WG_OPTION_FLAG, OPTION(files), NULL,
     "Tests may look into the server's databases and files (--no-files: those that do are skipped).",
     0, 0},
    {"probe", 0, WG_OPTION_FLAG, OPTION(probe), NULL,
     "Watch what server and tests do to database files, and fail when something was wrong, as "
     "'walgrind exec' does (--no-probe: do not; nor with --server-url, where no files are known).",
     0, 0},
    WG_WATCH_OPTION(struct wg_run_config),
    {"progress", 0, WG_OPTION_FLAG, OPTION(progress), NULL,
     "Show progress on stderr (--no-progress: do not).", 0, 0},
    {"config", 0, WG_OPTION_STRING, OPTION(config), "FILE",
     "Read options from FILE; those of the command line go first. Default: walgrind.yaml, if there "
     "is one.",
     0, 0},
    {"profile", 0, WG_OPTION_STRING, OPTION(profile), "NAME",
     "Also the options of this profile of the configuration.", 0, 0},
    {0},
};

static const struct wg_run_config defaults = {
    .grace_ms = WG_DEFAULT_GRACE_MS,
    .ready_timeout_ms = WG_DEFAULT_READY_TIMEOUT_MS,
    .selection = {.slow_ms = WG_DEFAULT_SLOW_MS},
    .copies = 1,
    .trace = WG_WATCH_DEFAULT,
    .files = true,
    .probe = true,
    .progress = true,
};

static long default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    long workers = 2 * (processors > 0 ? processors : 1);
    if (workers < SWARM_WORKERS_MIN)
        workers = SWARM_WORKERS_MIN;
    return workers > WG_LIMIT_WORKERS ? WG_LIMIT_WORKERS : workers;
}

/* Options that follow from others. */
static void settle(struct wg_run_config *options)
{
    if (options->swarm)
        options->isolate = "none";
    if ((options->server_url || options->tests) && !options->isolate)
        options->isolate = "none";
    if (!options->isolate)
        options->both = true;
    if (options->repeat == 0)
        options->repeat = options->until_fail || options->stress_ms > 0 ? REPEAT_MAX : 1;
    if (options->seed > 0)
        options->shuffle = true;
    if (options->shuffle && options->seed == 0) {
        uint32_t random;
        wg_random_bytes(&random, sizeof random);
        options->seed = 1 + (long)(random % 1000000000u);
    }
    if (options->timeout_ms == 0)
        options->timeout_ms =
            options->tests ? WG_DEFAULT_COMMAND_TIMEOUT_MS : WG_DEFAULT_TEST_TIMEOUT_MS;
    if (options->tests)
        options->workers = 1;
    if (options->workers == 0)
        options->workers = default_workers();
}

void *wg_run_config_add_suites(void *values, const char *suites, const char *place)
{
    return wg_suite_rules_add(&((struct wg_run_config *)values)->suite_rules, suites, place);
}

void wg_run_config_finish(struct wg_run_config *options)
{
    wg_strv_finish(&options->inputs);
    wg_strv_finish(&options->server_args);
    wg_strv_finish(&options->init_args);
    wg_strv_finish(&options->server_env);
    wg_strv_finish(&options->perturb.faults);
    wg_strv_finish(&options->config_texts);
}

/* What a file says of a server that is started here has no meaning for one at a URL. */
static void forget_server(struct wg_run_config *options)
{
    options->server = options->init = options->reset = options->check = NULL;
    options->isolate = NULL;
    options->swarm = options->both = false;
    wg_strv_finish(&options->inputs);
    wg_strv_finish(&options->server_args);
    wg_strv_finish(&options->init_args);
    wg_strv_finish(&options->server_env);
}

/* What a file says of the tests of a suite binary has no meaning for a command. */
static void forget_suite(struct wg_run_config *options)
{
    options->suite_binary = options->isolate = options->flaky = options->selection.filter = NULL;
    options->selection.partition = NULL;
    options->swarm = options->both = options->shuffle = options->selection.failed = false;
    options->suite_rules.count = 0;
    options->workers = options->retries = options->seed = 0;
    options->copies = defaults.copies;
}

int wg_run_config_read(const struct wg_command *command, int argc, char **argv,
                       struct wg_run_config *ret_options, struct wg_strv *ret_operands,
                       struct wg_err *err)
{
    struct wg_run_config given = defaults;
    *ret_options = defaults;
    int parsed = wg_command_parse(command, argc, argv, false, &given, ret_operands, err);
    wg_run_config_finish(&given);
    wg_strv_finish(ret_operands);
    if (parsed == 0)
        parsed = wg_config_load(command, given.config, given.profile, ret_options,
                                &ret_options->config_texts, err);
    if (parsed != 0)
        return parsed;
    if (given.isolate || given.swarm || given.both) {
        ret_options->isolate = NULL;
        ret_options->swarm = ret_options->both = false;
    }
    if (given.server_url)
        forget_server(ret_options);
    if (given.tests)
        forget_suite(ret_options);
    if (given.suite_binary)
        ret_options->tests = NULL;
    parsed = wg_command_parse(command, argc, argv, false, ret_options, ret_operands, err);
    if (parsed == 0 && ret_options->tests)
        parsed = wg_run_tests_check(ret_options, ret_operands, err);
    if (parsed == 0 && wg_perturb_check(&ret_options->perturb, err) != 0)
        parsed = -1;
    if (parsed == 0)
        settle(ret_options);
    return parsed;
}
