/* SPDX-License-Identifier: MIT */
/* commands.h - the rows that cmd_*.c define for the table in commands.c. */
#ifndef WG_TOOLS_WALGRIND_COMMANDS_H
#define WG_TOOLS_WALGRIND_COMMANDS_H

#include "tools/walgrind/command.h"

extern const struct wg_command wg_command_run;
extern const struct wg_command wg_command_exec;
extern const struct wg_command wg_command_explain;
extern const struct wg_command wg_command_trace;
extern const struct wg_command wg_command_list;
extern const struct wg_command wg_command_report;
extern const struct wg_command wg_command_compare;
extern const struct wg_command wg_command_bisect;
extern const struct wg_command wg_command_fixture;
extern const struct wg_command wg_command_lab;
extern const struct wg_command wg_command_completions;
extern const struct wg_command wg_command_doctor;
extern const struct wg_command wg_command_help;
extern const struct wg_command wg_command_init;

#endif
