/* SPDX-License-Identifier: MIT */
/* main.c - finds the subcommand and calls it. */
#include "tools/walgrind/command.h"

#include <string.h>

static const struct wg_command *find_command(const char *name)
{
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[64] = {0};
    size_t count = 0;
    for (const struct wg_command *const *at = wg_commands; *at && count < 63; at++)
        names[count++] = (*at)->name;
    const char *nearest = wg_str_nearest(name, names);
    if (nearest)
        fprintf(stderr, "walgrind: unknown command '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "walgrind: unknown command '%s'; see 'walgrind --help'\n", name);
    return WG_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        wg_command_print_help(NULL, stderr);
        return WG_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        puts("walgrind " WG_VERSION);
        return WG_EXIT_PASSED;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct wg_command *command = find_command(name);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}
