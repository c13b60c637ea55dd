/* SPDX-License-Identifier: MIT */
/* commands.c - the table of subcommands, in the order in which help shows them. */
#include "tools/walgrind/commands.h"

const struct wg_command *const wg_commands[] = {
    &wg_command_init,        &wg_command_run,     &wg_command_exec,
    &wg_command_doctor,      &wg_command_explain, &wg_command_trace,
    &wg_command_list,        &wg_command_report,  &wg_command_compare,
    &wg_command_bisect,      &wg_command_lab,     &wg_command_fixture,
    &wg_command_completions, &wg_command_help,    NULL,
};
