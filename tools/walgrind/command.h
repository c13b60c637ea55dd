/* SPDX-License-Identifier: MIT */
/*
 * command.h - what a subcommand is: one table row that gives parser, --help, man page and
 * completions.
 *
 * To add a subcommand: write `cmd_<name>.c` with an options struct, a wg_option table over it and a
 * wg_command row; list the row in `wg_commands` (commands.c); name the file in meson.build. Nothing
 * else: help, the man page and the tests walk the tables.
 *
 * Words of the command line: `--name=value` or `--name value`, `-x value`, flags may be negated
 * with
 * `--no-name`; `--` ends the options. A list option may be repeated.
 */
#ifndef WG_TOOLS_WALGRIND_COMMAND_H
#define WG_TOOLS_WALGRIND_COMMAND_H

#include "harness/base/err.h"
#include "harness/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The exit codes of every command. */
enum wg_exit {
    WG_EXIT_PASSED = 0,
    WG_EXIT_FAILED = 1,         /* tests failed, or findings */
    WG_EXIT_USAGE = 2,          /* usage, or nothing selected */
    WG_EXIT_INFRASTRUCTURE = 3, /* the harness itself could not do its work */
};

enum wg_option_kind {
    WG_OPTION_FLAG,     /* bool */
    WG_OPTION_STRING,   /* const char *, borrowed from argv */
    WG_OPTION_CHOICE,   /* const char *, one of the words of `value`, separated by | */
    WG_OPTION_INT,      /* long, within min..max */
    WG_OPTION_REAL,     /* double, within min..max */
    WG_OPTION_DURATION, /* int64_t milliseconds: 250ms, 30s (also plain 30), 5m, 2h */
    WG_OPTION_LIST,     /* struct wg_strv, repeatable */
};

struct wg_option {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short name, 0 if none */
    enum wg_option_kind kind;
    size_t offset;     /* offsetof() in the command's options struct */
    const char *value; /* placeholder in help, NULL for flags */
    const char *help;  /* one or two sentences */
    long min, max;     /* of WG_OPTION_INT and WG_OPTION_REAL */
};

struct wg_command {
    const char *name;
    const char *summary;  /* one line, lower case, no period */
    const char *synopsis; /* what follows the name, e.g. "[OPTION…] [TEST…]" */
    const char
        *description; /* paragraphs of plain text, separated by blank lines; wrapped when printed */
    const struct wg_option *options;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; returns an exit code */
    /* Gives the place of what walgrind.yaml says of some suites, for wg_suite_rule_options; NULL
     * when there are too many. Of a command without suites NULL. */
    void *(*add_suites)(void *values, const char *suites, const char *place);
};

/* Every subcommand, NULL-terminated. */
extern const struct wg_command *const wg_commands[];

/*
 * Reads the words behind argv[0]. `values` is the command's options struct, filled with defaults
 * before; what is no option goes to `ret_operands` (caller finishes it). With `stop_at_operand` the
 * first operand ends the options, as in `exec CMD --its-option`.
 * Returns 0 to go on, 1 when --help was answered, -1 with a usage error.
 */
int wg_command_parse(const struct wg_command *command, int argc, char **argv, bool stop_at_operand,
                     void *values, struct wg_strv *ret_operands, struct wg_err *err);

/* Stores one value of an option in the options struct, as the command line would; NULL turns a flag
 * off. `text` is borrowed. */
int wg_command_set(const struct wg_option *option, const char *text, void *values,
                   struct wg_err *err);

/* Prints "walgrind NAME: message" as one line on stderr; returns the error's exit code. */
int wg_command_fail(const struct wg_command *command, const struct wg_err *err);

/* The help text of one command, or the overview (NULL). */
void wg_command_print_help(const struct wg_command *command, FILE *out);

/* The man page walgrind(1) in man(7) markup, made from the tables. */
void wg_command_print_man(FILE *out);

#endif
