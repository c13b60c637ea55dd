/* SPDX-License-Identifier: MIT */
/*
 * command_table.h - a command with an option of every kind, for the tests of parser and help.
 *
 * It stands in for the real table (commands.c), so that the tests do not change with the commands.
 */
#ifndef WG_SUITES_UNIT_COMMAND_TABLE_H
#define WG_SUITES_UNIT_COMMAND_TABLE_H

#include "tools/walgrind/command.h"

#include <stdint.h>

struct everything {
    bool verbose;
    const char *name;
    const char *color;
    long workers;
    double rate;
    int64_t timeout_ms;
    struct wg_strv includes;
};

extern const struct wg_command command_everything;

#endif
