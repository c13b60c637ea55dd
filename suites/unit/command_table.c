/* SPDX-License-Identifier: MIT */
#include "suites/unit/command_table.h"

static const struct wg_option options[] = {
    {"verbose", 'v', WG_OPTION_FLAG, offsetof(struct everything, verbose), NULL, "Say more.", 0, 0},
    {"name", 0, WG_OPTION_STRING, offsetof(struct everything, name), "TEXT",
     "A text; .dots and -dashes and \\backslashes are kept.", 0, 0},
    {"color", 0, WG_OPTION_CHOICE, offsetof(struct everything, color), "auto|always|never",
     "When to color.", 0, 0},
    {"workers", 'j', WG_OPTION_INT, offsetof(struct everything, workers), "N",
     "How many tests run at once.", 1, 64},
    {"rate", 0, WG_OPTION_REAL, offsetof(struct everything, rate), "R", "A share.", 0, 1},
    {"timeout", 't', WG_OPTION_DURATION, offsetof(struct everything, timeout_ms), "TIME",
     "How long one test may take before it is ended together with everything that it started.", 0,
     0},
    {"include", 'I', WG_OPTION_LIST, offsetof(struct everything, includes), "PATTERN",
     "May be repeated.", 0, 0},
    {NULL, 0, WG_OPTION_FLAG, 0, NULL, NULL, 0, 0},
};

static int run_nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return WG_EXIT_PASSED;
}

const struct wg_command command_everything = {
    .name = "everything",
    .summary = "has an option of every kind",
    .synopsis = "[OPTION…] [WORD…]",
    .description = "First paragraph, with words enough that it must be wrapped somewhere before "
                   "the eightieth column.\n\nSecond paragraph.\n.hidden line",
    .options = options,
    .run = run_nothing,
};

static const struct wg_command plain = {
    .name = "plain",
    .summary = "has no option",
    .synopsis = "",
    .description = "Does nothing.",
    .run = run_nothing,
};

const struct wg_command *const wg_commands[] = {&command_everything, &plain, NULL};
