/* SPDX-License-Identifier: MIT */
/* command_help.c - help and man page show every row of the tables, in lines that fit. */
#include "suites/unit/command_table.h"
#include "tools/walgrind/command.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(command_help, .timeout = 10);

static char *help_text(const struct wg_command *command)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    wg_command_print_help(command, out);
    fclose(out);
    return text;
}

static char *man_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    wg_command_print_man(out);
    fclose(out);
    return text;
}

/* Columns of the text's longest line, UTF-8 characters counted once. */
static size_t widest_line(const char *text)
{
    size_t widest = 0, column = 0;
    for (; *text; text++) {
        column = *text == '\n' ? 0 : column + ((*text & 0xc0) != 0x80);
        widest = column > widest ? column : widest;
    }
    return widest;
}

Test(command_help, the_help_of_a_command_is_this)
{
    static const char expected[] =
        "usage: walgrind everything [OPTION…] [WORD…]\n"
        "\n"
        "First paragraph, with words enough that it must be wrapped somewhere before the\n"
        "eightieth column.\n"
        "\n"
        "Second paragraph.\n"
        ".hidden line\n"
        "\n"
        "options:\n"
        "  -v, --verbose               Say more.\n"
        "  --name=TEXT                 A text; .dots and -dashes and \\backslashes are\n"
        "                              kept.\n"
        "  --color=auto|always|never   When to color.\n"
        "  -j, --workers=N             How many tests run at once.\n"
        "  --rate=R                    A share.\n"
        "  -t, --timeout=TIME          How long one test may take before it is ended\n"
        "                              together with everything that it started.\n"
        "  -I, --include=PATTERN       May be repeated.\n"
        "  -h, --help                  Show this text.\n";
    char *text = help_text(&command_everything);
    cr_assert(eq(str, text, (char *)expected));
    free(text);
}

Test(command_help, every_command_is_in_the_overview)
{
    char *text = help_text(NULL);
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        cr_expect(strstr(text, (*at)->summary) != NULL, "%s", (*at)->name);
    cr_assert(le(sz, widest_line(text), 80));
    free(text);
}

Test(command_help, a_command_without_options_has_help_too)
{
    char *text = help_text(wg_commands[1]);
    cr_assert(wg_str_starts(text, "usage: walgrind plain"));
    cr_assert(strstr(text, "--help") != NULL);
    free(text);
}

Test(command_help, the_man_page_has_every_command_and_option_escaped)
{
    char *text = man_text();
    for (const struct wg_command *const *at = wg_commands; *at; at++) {
        char *heading = wg_format(".SS walgrind %s ", (*at)->name);
        cr_expect(strstr(text, heading) != NULL, "%s", heading);
        free(heading);
        for (const struct wg_option *option = (*at)->options; option && option->name; option++) {
            char *name = wg_format("\\-\\-%s", option->name);
            cr_expect(strstr(text, name) != NULL, "%s", name);
            free(name);
        }
    }
    cr_expect(strstr(text, "\\-dashes and \\ebackslashes") != NULL);
    free(text);
}

Test(command_help, text_in_the_man_page_is_never_taken_for_a_request)
{
    char *text = man_text();
    cr_assert(strstr(text, "\n\\&.hidden line") != NULL);
    cr_assert(strstr(text, "\n.hidden") == NULL);
    free(text);
}
