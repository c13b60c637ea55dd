/* SPDX-License-Identifier: MIT */
/*
 * help.c - help texts and the man page, both made from the command tables, so that they cannot
 * disagree with the parser.
 */
#include "tools/walgrind/command.h"
#include "tools/walgrind/topics.h"

#include <string.h>

#define HELP_WIDTH  80
#define HELP_INDENT 30

static const char overview[] =
    "Runs the API tests of a program that keeps its data in SQLite against real, isolated databases, "
    "proves that no I/O error happened, and tells what broke when one did.";

/* Prints text wrapped at HELP_WIDTH; every line but the first is indented. A blank line stays. */
static void print_wrapped(FILE *out, const char *text, int indent, int column)
{
    while (*text) {
        if (*text == '\n') {
            fprintf(out, "\n%s%*s", text[1] == '\n' ? "\n" : "", indent, "");
            text += text[1] == '\n' ? 2 : 1;
            column = indent;
            continue;
        }
        text += *text == ' ';
        int length = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        text += length;
    }
    fputc('\n', out);
}

/* "--name=VALUE" or "-x, --name=VALUE" as help and man page show it. */
static int print_option_name(FILE *out, const struct wg_option *option)
{
    int width = option->letter ? fprintf(out, "-%c, ", option->letter) : 0;
    width += fprintf(out, "--%s", option->name);
    if (option->value)
        width += fprintf(out, "=%s", option->value);
    return width;
}

static void print_option(FILE *out, const struct wg_option *option)
{
    fputs("  ", out);
    int width = 2 + print_option_name(out, option);
    if (width + 2 > HELP_INDENT)
        fprintf(out, "\n%*s", HELP_INDENT, "");
    else
        fprintf(out, "%*s", HELP_INDENT - width, "");
    print_wrapped(out, option->help, HELP_INDENT, HELP_INDENT);
}

static const struct wg_option option_help = {
    .name = "help", .letter = 'h', .help = "Show this text."};

void wg_command_print_help(const struct wg_command *command, FILE *out)
{
    if (command) {
        fprintf(out, "usage: walgrind %s %s\n\n", command->name, command->synopsis);
        print_wrapped(out, command->description, 0, 0);
        fputs("\noptions:\n", out);
        for (const struct wg_option *option = command->options; option && option->name; option++)
            print_option(out, option);
        print_option(out, &option_help);
        return;
    }
    fputs("usage: walgrind COMMAND [ARGUMENT…]\n\n", out);
    print_wrapped(out, overview, 0, 0);
    fputs("\ncommands:\n", out);
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        fprintf(out, "  %-14s %s\n", (*at)->name, (*at)->summary);
    fputs("\ntopics:\n", out);
    for (const struct wg_topic *at = wg_topics; at->name; at++)
        fprintf(out, "  %-14s %s\n", at->name, at->summary);
    fputs("\n'walgrind help NAME' tells more; 'walgrind --version' tells the version.\n"
          "exit codes: 0 passed, 1 tests failed or findings, 2 usage or nothing selected,\n"
          "3 the harness could not do its work\n",
          out);
}

void wg_topic_print(const struct wg_topic *topic, FILE *out)
{
    fprintf(out, "%s: %s\n\n", topic->name, topic->summary);
    print_wrapped(out, topic->text, 0, 0);
}

/* Prints text for man(7): dashes and backslashes escaped, a leading dot defused, paragraphs as .PP.
 */
static void print_roff(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP", out);
            continue;
        }
        if (text[0] == '\n' && !line_start)
            fputs("\n.br", out);
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
}

void wg_command_print_man(FILE *out)
{
    fprintf(out, ".TH WALGRIND 1 \"\" \"walgrind %s\" \"User Commands\"\n", WG_VERSION);
    fputs(".SH NAME\nwalgrind \\- test harness for programs that keep their data in SQLite\n"
          ".SH SYNOPSIS\n.B walgrind\n.I COMMAND\n[\\fIARGUMENT\\fR\\&...]\n.SH DESCRIPTION\n",
          out);
    print_roff(out, overview);
    fputs("\n.SH COMMANDS\n", out);
    for (const struct wg_command *const *at = wg_commands; *at; at++) {
        fprintf(out, ".SS walgrind %s ", (*at)->name);
        print_roff(out, (*at)->synopsis);
        fputc('\n', out);
        print_roff(out, (*at)->description);
        fputc('\n', out);
        for (const struct wg_option *option = (*at)->options; option && option->name; option++) {
            fputs(".TP\n.B ", out);
            if (option->letter)
                fprintf(out, "\\-%c\\fR,\\fB ", option->letter);
            fputs("\\-\\-", out);
            print_roff(out, option->name);
            if (option->value) {
                fputs("\\fR=\\fI", out);
                print_roff(out, option->value);
                fputs("\\fR", out);
            }
            fputc('\n', out);
            print_roff(out, option->help);
            fputc('\n', out);
        }
    }
    fputs(".SH TOPICS\n", out);
    for (const struct wg_topic *at = wg_topics; at->name; at++) {
        fprintf(out, ".SS %s\n", at->name);
        print_roff(out, at->text);
        fputc('\n', out);
    }
    fputs(
        ".SH EXIT STATUS\n.TP\n.B 0\npassed\n.TP\n.B 1\ntests failed, or findings\n"
        ".TP\n.B 2\nusage error, or nothing was selected\n.TP\n.B 3\nthe harness could not do its work\n",
        out);
}
