/* SPDX-License-Identifier: MIT */
/* cmd_help.c - walgrind help: of a command, or about a topic. */
#include "tools/walgrind/commands.h"
#include "tools/walgrind/topics.h"

#include <stddef.h>
#include <string.h>

#define NAMES_MAX 64

struct help_options {
    bool man;
};

static const struct wg_option options_table[] = {
    {"man", 0, WG_OPTION_FLAG, offsetof(struct help_options, man), NULL,
     "The manual page of walgrind, in roff.", 0, 0},
    {0},
};

static int help(int argc, char **argv);

const struct wg_command wg_command_help = {
    .name = "help",
    .summary = "tell about a command or a topic",
    .synopsis = "[COMMAND | TOPIC]",
    .description = "Without a name, commands and topics are listed.",
    .options = options_table,
    .run = help,
};

static int show(const char *name, struct wg_err *err)
{
    const char *names[NAMES_MAX] = {0};
    size_t count = 0;
    for (const struct wg_command *const *at = wg_commands; *at && count < NAMES_MAX - 1; at++) {
        names[count++] = (*at)->name;
        if (strcmp((*at)->name, name) == 0) {
            wg_command_print_help(*at, stdout);
            return 0;
        }
    }
    for (const struct wg_topic *at = wg_topics; at->name && count < NAMES_MAX - 1; at++) {
        names[count++] = at->name;
        if (strcmp(at->name, name) == 0) {
            wg_topic_print(at, stdout);
            return 0;
        }
    }
    const char *nearest = wg_str_nearest(name, names);
    return wg_err_set(err, WG_ERR_USAGE, "no command or topic '%s'%s%s%s", name,
                      nearest ? "; did you mean '" : "; 'walgrind help' lists them",
                      nearest ? nearest : "", nearest ? "'?" : "");
}

static int help(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct help_options options = {0};
    struct wg_strv operands = {0};
    int exit_code = WG_EXIT_PASSED;
    int parsed = wg_command_parse(&wg_command_help, argc, argv, false, &options, &operands, &err);
    if (parsed == 0 && operands.count > 1)
        parsed = wg_err_set(&err, WG_ERR_USAGE, "one command or topic, not %zu", operands.count);
    if (parsed == 0 && options.man)
        wg_command_print_man(stdout);
    else if (parsed == 0 && operands.count == 0)
        wg_command_print_help(NULL, stdout);
    else if (parsed == 0)
        parsed = show(operands.items[0], &err);
    if (parsed < 0)
        exit_code = wg_command_fail(&wg_command_help, &err);
    wg_strv_finish(&operands);
    return exit_code;
}
