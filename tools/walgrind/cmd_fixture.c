/* SPDX-License-Identifier: MIT */
/*
 * cmd_fixture.c - walgrind fixture: templates, clones and live resets for tests in any language.
 *
 * `serve` keeps the locks that make a reset cheap for as long as it runs, so it is the parent of
 * the tests, or runs beside them.
 */
#include "fixtures/control/control.h"
#include "fixtures/db/template.h"
#include "harness/base/json.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/foreground.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct fixture_options {
    const char *name;
    struct wg_strv sql;
    const char *init;
    struct wg_strv inputs;
    int64_t timeout_ms;
    const char *reset;
    long port;
    bool keep;
};

#define OPTION(member) offsetof(struct fixture_options, member)

static const struct wg_option options_table[] = {
    {"name", 0, WG_OPTION_STRING, OPTION(name), "NAME",
     "template: readable part of its name. Default: fixture.", 0, 0},
    {"sql", 0, WG_OPTION_LIST, OPTION(sql), "DB=FILE",
     "template: run the SQL of FILE in the database DB, a path in the template.", 0, 0},
    {"init", 0, WG_OPTION_STRING, OPTION(init), "COMMAND",
     "template: shell command that fills {data}, before any --sql.", 0, 0},
    {"input", 0, WG_OPTION_LIST, OPTION(inputs), "PATH",
     "template: file or directory that --init depends on; it is built again when that changes.", 0,
     0},
    {"timeout", 't', WG_OPTION_DURATION, OPTION(timeout_ms), "TIME",
     "template: deadline of the build. Default: 1m.", 0, 0},
    {"reset", 0, WG_OPTION_STRING, OPTION(reset), "STRATEGY",
     "serve: how databases are reset. Default: auto.", 0, 0},
    {"port", 0, WG_OPTION_INT, OPTION(port), "N", "serve: port on 127.0.0.1. Default: a free one.",
     0, 65535},
    {"keep", 0, WG_OPTION_FLAG, OPTION(keep), NULL,
     "serve: leave DIRECTORY in place at the end (it is removed otherwise).", 0, 0},
    {0},
};

static int fixture(int argc, char **argv);

const struct wg_command wg_command_fixture = {
    .name = "fixture",
    .summary = "templates, clones and live resets of databases for tests in any language",
    .synopsis = "[OPTION…] template | clone | serve [ARGUMENT…]",
    .description =
        "'template' builds databases once, or finds them in the cache, and prints the path of the "
        "template as its last line. 'clone TEMPLATE DIRECTORY' copies one to a new directory.\n\n"
        "'serve TEMPLATE DIRECTORY [-- COMMAND…]' clones, and then resets the clone on request, "
        "in microseconds and while servers have it open. With COMMAND it runs that, with "
        "WALGRIND_CONTROL, WALGRIND_TOKEN and WALGRIND_DATA in its environment, and ends with its "
        "exit code; without, it prints these as one line of JSON and runs until SIGTERM, Ctrl-C or "
        "the end of its standard input. A test resets with:\n\n"
        "curl -fsS -X POST -H \"Authorization: Bearer $WALGRIND_TOKEN\" $WALGRIND_CONTROL/reset",
    .options = options_table,
    .run = fixture,
};

static int expect_operands(const struct wg_strv *operands, size_t least, size_t most,
                           const char *usage, struct wg_err *err)
{
    if (operands->count >= least && operands->count <= most)
        return 0;
    return wg_err_set(err, WG_ERR_USAGE, "as in: walgrind fixture %s", usage);
}

/* --- template ------------------------------------------------------------------------------- */

static int make_template(const struct fixture_options *options, const struct wg_strv *operands,
                         struct wg_err *err)
{
    struct wg_strv shell = {0};
    struct wg_template *tmpl = NULL;
    struct wg_template_spec spec = {
        .name = options->name ? options->name : "fixture",
        .sql_files = options->sql.items,
        .inputs = options->inputs.items,
        .timeout_ms = (int)options->timeout_ms,
    };
    if (expect_operands(operands, 1, 1, "template --sql=app.db=schema.sql", err) != 0)
        return -1;
    if (!options->init && options->sql.count == 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          "nothing to build from: give --sql=DB=FILE or --init=COMMAND");
    if (options->init) {
        wg_strv_push(&shell, "/bin/sh");
        wg_strv_push(&shell, "-c");
        wg_strv_push(&shell, options->init);
        spec.command = shell.items;
    }
    int rc = wg_template_get(&spec, &tmpl, err);
    if (rc == 0)
        puts(wg_template_path(tmpl));
    wg_template_destroy(tmpl);
    wg_strv_finish(&shell);
    return rc;
}

/* --- clone ---------------------------------------------------------------------------------- */

static int clone_template(const struct fixture_options *options, const struct wg_strv *operands,
                          struct wg_err *err)
{
    (void)options;
    struct wg_template *tmpl = NULL;
    if (expect_operands(operands, 3, 3, "clone TEMPLATE DIRECTORY", err) != 0 ||
        wg_template_open(operands->items[1], &tmpl, err) != 0)
        return -1;
    int rc = wg_tree_copy(wg_template_path(tmpl), operands->items[2], err);
    wg_template_destroy(tmpl);
    return rc;
}

/* --- serve ---------------------------------------------------------------------------------- */

/* Before any thread is started, so that all of them leave the signals to the descriptor. */
static int open_stop_fd(struct wg_err *err)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return wg_err_errno(err, "block signals");
    int fd = signalfd(-1, &mask, SFD_CLOEXEC);
    return fd >= 0 ? fd : wg_err_errno(err, "signalfd");
}

/* Until a signal asks to stop, or whoever holds the other end of standard input is gone. */
static void wait_for_end(int stop_fd)
{
    struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};
    char bytes[256];
    ssize_t size = 1;
    while (size > 0 && fds[0].revents == 0) {
        if (poll(fds, 2, -1) > 0 && fds[1].revents != 0)
            size = read(STDIN_FILENO, bytes, sizeof bytes);
    }
}

static void announce(const struct wg_control *control, const struct wg_dbset *set)
{
    const char *directory = wg_dbset_directory(set);
    json_t *line = json_pack("{s:s, s:s, s:o}", "control", wg_control_url(control), "token",
                             wg_control_token(control), "data",
                             wg_json_string_new(directory, strlen(directory)));
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static int serve_set(struct wg_dbset *set, const struct fixture_options *options,
                     char *const *command, struct wg_err *err)
{
    int status = 0;
    struct wg_control *control = NULL;
    int stop_fd = command[0] ? -1 : open_stop_fd(err);
    if (!command[0] && stop_fd < 0)
        return -1;
    if (wg_control_start(set, (int)options->port, &control, err) != 0)
        return -1;
    if (command[0]) {
        setenv("WALGRIND_CONTROL", wg_control_url(control), 1);
        setenv("WALGRIND_TOKEN", wg_control_token(control), 1);
        setenv("WALGRIND_DATA", wg_dbset_directory(set), 1);
        status = wg_foreground_run(command, err);
    } else {
        announce(control, set);
        wait_for_end(stop_fd);
        close(stop_fd);
    }
    wg_control_stop(control);
    return status < 0 ? -1 : wg_foreground_exit_code(status);
}

static int serve(const struct fixture_options *options, const struct wg_strv *operands,
                 struct wg_err *err)
{
    struct wg_template *tmpl = NULL;
    struct wg_dbset *set = NULL;
    const struct wg_dbset_options how = {.strategy = options->reset};
    int exit_code = -1;
    if (expect_operands(operands, 3, SIZE_MAX, "serve TEMPLATE DIRECTORY -- COMMAND", err) != 0 ||
        wg_template_open(operands->items[1], &tmpl, err) != 0)
        return -1;
    if (wg_dbset_clone(tmpl, operands->items[2], &how, &set, err) == 0) {
        char *directory = wg_strdup(wg_dbset_directory(set));
        exit_code = serve_set(set, options, operands->items + 3, err);
        wg_dbset_destroy(set);
        if (!options->keep && wg_tree_remove(directory, exit_code < 0 ? NULL : err) != 0)
            exit_code = -1;
        free(directory);
    }
    wg_template_destroy(tmpl);
    return exit_code;
}

/* To add an action: a row here, and a sentence in the description above. */
static const struct {
    const char *name;
    int (*run)(const struct fixture_options *options, const struct wg_strv *operands,
               struct wg_err *err); /* an exit code, or -1 */
} actions[] = {
    {"template", make_template},
    {"clone", clone_template},
    {"serve", serve},
};
#define ACTIONS (sizeof actions / sizeof actions[0])

static int act(const struct fixture_options *options, const struct wg_strv *operands,
               struct wg_err *err)
{
    const char *names[ACTIONS + 1] = {0};
    if (operands->count == 0)
        return wg_err_set(err, WG_ERR_USAGE, "say what to do: template, clone or serve");
    for (size_t i = 0; i < ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(actions[i].name, operands->items[0]) == 0)
            return actions[i].run(options, operands, err);
    }
    const char *nearest = wg_command_nearest(operands->items[0], names);
    return wg_err_set(err, WG_ERR_USAGE, "unknown action '%s'%s%s%s", operands->items[0],
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}

static int fixture(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct fixture_options options = {0};
    struct wg_strv operands = {0};
    int exit_code = WG_EXIT_PASSED;
    int parsed =
        wg_command_parse(&wg_command_fixture, argc, argv, false, &options, &operands, &err);
    if (parsed == 0)
        exit_code = act(&options, &operands, &err);
    if (parsed < 0 || exit_code < 0)
        exit_code = wg_command_fail(&wg_command_fixture, &err);
    wg_strv_finish(&operands);
    wg_strv_finish(&options.sql);
    wg_strv_finish(&options.inputs);
    return exit_code;
}
