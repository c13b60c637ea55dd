/* SPDX-License-Identifier: MIT */
/* cmd_fixture.c - walgrind fixture: templates, clones and live resets for tests in any language. */
#include "tools/walgrind/commands.h"
#include "tools/walgrind/fixture/fixture.h"

#include <stdlib.h>
#include <string.h>

#define OPTION(member) offsetof(struct wg_fixture_options, member)

static const struct wg_option options_table[] = {
    {"name", 0, WG_OPTION_STRING, OPTION(name), "NAME",
     "template: readable part of its name. Default: fixture.", 0, 0},
    {"sql", 0, WG_OPTION_LIST, OPTION(sql), "DB=FILE",
     "template: run the SQL of FILE in the database DB, a path in the template.", 0, 0},
    {"init", 0, WG_OPTION_STRING, OPTION(init), "COMMAND",
     "template: shell command that fills {data}, before any --sql.", 0, 0},
    {"input", 0, WG_OPTION_LIST, OPTION(inputs), "PATH",
     "template: file or directory that --init or --server depends on; it is built again when that "
     "changes.",
     0, 0},
    {"timeout", 't', WG_OPTION_DURATION, OPTION(timeout_ms), "TIME",
     "template: deadline of the build. Default: 1m.", 0, 0},
    {"unused", 0, WG_OPTION_DURATION, OPTION(unused_ms), "TIME",
     "prune: remove templates that were not used for so long. Default: 7d.", 0, 0},
    {"template", 0, WG_OPTION_STRING, OPTION(template), "TEMPLATE",
     "reset, verify, diff: the template, when DIRECTORY was not made by clone or serve.", 0, 0},
    {"rows", 0, WG_OPTION_INT, OPTION(rows), "N",
     "diff: rows shown of a table and kind of change. Default: 10.", 0, 1000000},
    {"json", 0, WG_OPTION_FLAG, OPTION(json), NULL, "diff: as JSON.", 0, 0},
    {"reset", 0, WG_OPTION_STRING, OPTION(reset), "STRATEGY",
     "serve: how databases are reset. Default: auto.", 0, 0},
    {"server", 0, WG_OPTION_STRING, OPTION(server), "COMMAND",
     "serve: shell command that starts a server on the clone; {port}, {data}, {url} and {db:NAME} "
     "are replaced. Its URL is in WALGRIND_URL. template: likewise on an empty {data}, which the "
     "server fills; it is stopped as soon as it is ready. After --init, before any --sql.",
     0, 0},
    {"ready", 0, WG_OPTION_STRING, OPTION(ready), "PATH",
     "serve, template: path that the server answers when it is ready. Default: a connection.", 0,
     0},
    {"port", 0, WG_OPTION_INT, OPTION(port), "N", "serve: port on 127.0.0.1. Default: a free one.",
     0, 65535},
    {"keep", 0, WG_OPTION_FLAG, OPTION(keep), NULL,
     "serve: leave DIRECTORY, further clones and the server's log in place at the end.", 0, 0},
    {0},
};

static int fixture(int argc, char **argv);

const struct wg_command wg_command_fixture = {
    .name = "fixture",
    .summary = "templates, clones and live resets of databases for tests in any language",
    .synopsis = "[OPTION…] ACTION [ARGUMENT…]",
    .description =
        "'template' builds databases once, or finds them in the cache, and prints the path of the "
        "template as its last line. 'list' shows that cache, and 'prune' removes what was not used for "
        "a week.\n\n"
        "'clone TEMPLATE DIRECTORY' copies one to a new directory. 'diff DIRECTORY' shows the rows "
        "that were inserted, updated and deleted in a clone, and ends with 1 when there are any; "
        "'reset DIRECTORY' puts it back by SQLite's backup, also while servers have it open; "
        "'verify DIRECTORY' checks it, and ends with 1 when something is wrong. With the path of a "
        "database instead of DIRECTORY they look at that one only.\n\n"
        "'serve TEMPLATE DIRECTORY [-- COMMAND…]' clones, and then resets the clone on request, "
        "in microseconds and while servers have it open. With COMMAND it runs that, with "
        "WALGRIND_CONTROL, WALGRIND_TOKEN, WALGRIND_DATA and, with --server, WALGRIND_URL in its "
        "environment, and ends with its exit code; without, it prints these as one line of JSON and "
        "runs until SIGTERM, Ctrl-C or the end of its standard input. A test resets with:\n\n"
        "curl -fsS -X POST -H \"Authorization: Bearer $WALGRIND_TOKEN\" $WALGRIND_CONTROL/reset",
    .options = options_table,
    .run = fixture,
};

int wg_fixture_expect(const struct wg_strv *operands, size_t least, size_t most, const char *usage,
                      struct wg_err *err)
{
    size_t given = operands->count - 1;
    if (given >= least && given <= most)
        return 0;
    return wg_err_set(err, WG_ERR_USAGE, "as in: walgrind fixture %s", usage);
}

/* To add an action: a row here, and a sentence in the description above. */
static const struct {
    const char *name;
    wg_fixture_action *run;
} actions[] = {
    {"template", wg_fixture_template}, {"list", wg_fixture_list},   {"prune", wg_fixture_prune},
    {"clone", wg_fixture_clone},       {"reset", wg_fixture_reset}, {"verify", wg_fixture_verify},
    {"diff", wg_fixture_diff},         {"serve", wg_fixture_serve},
};
#define ACTIONS (sizeof actions / sizeof actions[0])

static int act(const struct wg_fixture_options *options, const struct wg_strv *operands,
               struct wg_err *err)
{
    const char *names[ACTIONS + 1] = {0};
    if (operands->count == 0)
        return wg_err_set(
            err, WG_ERR_USAGE,
            "say what to do: template, list, prune, clone, reset, verify, diff or serve");
    for (size_t i = 0; i < ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(actions[i].name, operands->items[0]) == 0)
            return actions[i].run(options, operands, err);
    }
    const char *nearest = wg_str_nearest(operands->items[0], names);
    return wg_err_set(err, WG_ERR_USAGE, "unknown action '%s'%s%s%s", operands->items[0],
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}

static int fixture(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_fixture_options options = {.unused_ms = -1, .rows = -1};
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
