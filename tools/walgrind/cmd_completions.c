/* SPDX-License-Identifier: MIT */
/*
 * cmd_completions.c - walgrind completions: what a shell offers when the tab key is pressed.
 *
 * Made from the command tables, as help and the man page are. Words that a table holds stand in the
 * script; tests are asked of `walgrind list` when they are wanted. To add a shell: a row of
 * `shells`.
 */
#include "tools/walgrind/commands.h"

#include <string.h>

static int completions(int argc, char **argv);

static const struct wg_option options_table[] = {{0}};

const struct wg_command wg_command_completions = {
    .name = "completions",
    .summary = "print the completions of a shell",
    .synopsis = "bash|zsh|fish",
    .description =
        "Prints a script that makes the tab key complete walgrind's commands, options, their values "
        "and the names of tests. An installed walgrind has it where the shells look; for one in a "
        "build directory: source <(walgrind completions bash).",
    .options = options_table,
    .run = completions,
};

/* ---- What there is to complete ---- */

enum wanted { NOTHING, WORDS, FILES, DIRECTORIES, TESTS, COMMANDS };

static enum wanted value_of(const struct wg_option *option)
{
    if (option->kind == WG_OPTION_CHOICE)
        return WORDS;
    if (option->value && strcmp(option->value, "FILE") == 0)
        return FILES;
    if (option->value && strcmp(option->value, "PATH") == 0)
        return FILES;
    return option->value && strcmp(option->value, "DIR") == 0 ? DIRECTORIES : NOTHING;
}

/* By the placeholders of the synopsis. */
static enum wanted operands_of(const struct wg_command *command)
{
    static const struct {
        const char *placeholder;
        enum wanted wanted;
    } rows[] = {
        {"TEST", TESTS},       {"RUN", DIRECTORIES}, {" A B", DIRECTORIES},
        {"COMMAND", COMMANDS}, {"CMD", COMMANDS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strstr(command->synopsis, rows[i].placeholder))
            return rows[i].wanted;
    return FILES;
}

/* Every character of `special` gets `escape` before it; the rest is printed as it is. */
static void put_escaped(FILE *out, const char *text, size_t size, const char *special,
                        const char *escape)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr(special, text[i]))
            fputs(escape, out);
        fputc(text[i], out);
    }
}

/* The first sentence of a help text: what fits behind an option. */
static size_t first_sentence(const char *help)
{
    const char *end = strpbrk(help, ".;:(");
    return end ? (size_t)(end - help) : strlen(help);
}

/* The words of a choice, separated by blanks. */
static void put_words(FILE *out, const char *choices)
{
    for (; *choices; choices++)
        fputc(*choices == '|' ? ' ' : *choices, out);
}

/* ---- bash ---- */

static void bash_option(FILE *out, const struct wg_command *command, const struct wg_option *option)
{
    if (!option->value)
        return;
    fprintf(out, "    '%s --%s'", command->name, option->name);
    if (option->letter)
        fprintf(out, "|'%s -%c'", command->name, option->letter);
    fputs(") ", out);
    switch (value_of(option)) {
    case WORDS:
        fputs("COMPREPLY=($(compgen -W '", out);
        put_words(out, option->value);
        fputs("' -- \"$cur\")); ", out);
        break;
    case FILES:
        fputs("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); ", out);
        break;
    case DIRECTORIES:
        fputs("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); ", out);
        break;
    default: break;
    }
    fputs("return ;;\n", out);
}

/* Full names, from the lines of `walgrind list`. */
#define BASH_TESTS                                                                                 \
    "COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" list 2>/dev/null | "                         \
    "sed -n 's|^\\([^ ]*/[^ ]*\\) .*|\\1|p')\" -- \"$cur\"))"

static void bash_command(FILE *out, const struct wg_command *command)
{
    static const char *const operands[] = {
        [NOTHING] = "",
        [WORDS] = "",
        [FILES] = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")",
        [DIRECTORIES] = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")",
        [TESTS] = BASH_TESTS,
        [COMMANDS] = "mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")",
    };
    fprintf(out, "    %s) options='", command->name);
    for (const struct wg_option *option = command->options; option->name; option++)
        fprintf(out, "--%s%s ", option->name, option->value ? "=" : "");
    fprintf(out, "--help'; [[ $cur == -* ]] || %s ;;\n", operands[operands_of(command)]);
}

static void print_bash(FILE *out)
{
    fputs(
        "# bash completion of walgrind; printed by `walgrind completions bash`\n"
        "_walgrind() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} option= options=\n"
        "    COMPREPLY=()\n"
        "    if ((COMP_CWORD == 1)); then\n"
        "        COMPREPLY=($(compgen -W '",
        out);
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        fprintf(out, "%s ", (*at)->name);
    fputs("help --help --version' -- \"$cur\"))\n        return\n    fi\n"
          "    # bash takes '=' for a word of its own\n"
          "    if [[ $cur == '=' ]]; then option=$prev cur=\n"
          "    elif [[ $prev == '=' ]]; then option=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    elif [[ $prev == -* ]]; then option=$prev; fi\n"
          "    case \"${COMP_WORDS[1]} $option\" in\n",
          out);
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        for (const struct wg_option *option = (*at)->options; option->name; option++)
            bash_option(out, *at, option);
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n", out);
    for (const struct wg_command *const *at = wg_commands; *at; at++)
        bash_command(out, *at);
    fputs("    esac\n"
          "    [[ $cur == -* ]] || return\n"
          "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
          "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
          "    return 0\n"
          "}\ncomplete -F _walgrind walgrind\n",
          out);
}

/* ---- zsh ---- */

/* Inside single quotes, and inside the brackets or behind the colon of a specification. */
static void zsh_text(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\'')
            fputs("'\\'", out);
        else if (strchr("[]:", text[i]))
            fputc('\\', out);
        fputc(text[i], out);
    }
}

static void zsh_option(FILE *out, const struct wg_option *option)
{
    static const char *const actions[] = {[NOTHING] = " ",
                                          [FILES] = "_files",
                                          [DIRECTORIES] = "_files -/",
                                          [TESTS] = " ",
                                          [COMMANDS] = " "};
    enum wanted wanted = value_of(option);
    fprintf(out, "            '%s--%s%s[", option->kind == WG_OPTION_LIST ? "*" : "", option->name,
            option->value ? "=" : "");
    zsh_text(out, option->help, first_sentence(option->help));
    fputc(']', out);
    if (option->value && wanted == WORDS) {
        fputs(":value:(", out);
        put_words(out, option->value);
        fputc(')', out);
    } else if (option->value) {
        fprintf(out, ":value:%s", actions[wanted]);
    }
    fputs("' \\\n", out);
}

static void print_zsh(FILE *out)
{
    static const char *const operands[] = {[NOTHING] = " ",
                                           [WORDS] = " ",
                                           [FILES] = "_files",
                                           [DIRECTORIES] = "_files -/",
                                           [TESTS] = "_walgrind_tests",
                                           [COMMANDS] = "_normal"};
    fputs("#compdef walgrind\n"
          "# zsh completion of walgrind; printed by `walgrind completions zsh`\n"
          "_walgrind_tests() {\n"
          "    local -a tests\n"
          "    tests=(${${(M)${(f)\"$(walgrind list 2>/dev/null)\"}:#*/*}%% *})\n"
          "    compadd -a tests\n"
          "}\n"
          "_walgrind() {\n"
          "    local -a commands\n"
          "    commands=(\n",
          out);
    for (const struct wg_command *const *at = wg_commands; *at; at++) {
        fprintf(out, "        '%s:", (*at)->name);
        zsh_text(out, (*at)->summary, strlen((*at)->summary));
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    if ((CURRENT == 2)); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $command in\n",
          out);
    for (const struct wg_command *const *at = wg_commands; *at; at++) {
        fprintf(out, "    %s)\n        _arguments \\\n", (*at)->name);
        for (const struct wg_option *option = (*at)->options; option->name; option++)
            zsh_option(out, option);
        fprintf(out,
                "            '--help[show the help text]' \\\n            '*:argument:%s' ;;\n",
                operands[operands_of(*at)]);
    }
    fputs("    esac\n}\n_walgrind \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_option(FILE *out, const struct wg_command *command, const struct wg_option *option)
{
    fprintf(out, "complete -c walgrind -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter)
        fprintf(out, " -s %c", option->letter);
    switch (value_of(option)) {
    case WORDS:
        fputs(" -x -a '", out);
        put_words(out, option->value);
        fputc('\'', out);
        break;
    case FILES: fputs(" -r -F", out); break;
    case DIRECTORIES: fputs(" -x -a '(__fish_complete_directories)'", out); break;
    default: fputs(option->value ? " -x" : "", out);
    }
    fputs(" -d '", out);
    put_escaped(out, option->help, first_sentence(option->help), "'\\", "\\");
    fputs("'\n", out);
}

static void fish_operands(FILE *out, const struct wg_command *command)
{
    static const char *const operands[] = {
        [NOTHING] = "",
        [WORDS] = "",
        [FILES] = " -F",
        [DIRECTORIES] = " -a '(__fish_complete_directories)'",
        [TESTS] = " -a '(walgrind list 2>/dev/null | string match -r \"^\\S+/\\S+\")'",
        [COMMANDS] = " -a '(__fish_complete_command)'",
    };
    fprintf(out, "complete -c walgrind -n '__fish_seen_subcommand_from %s'%s\n", command->name,
            operands[operands_of(command)]);
}

static void print_fish(FILE *out)
{
    fputs("# fish completion of walgrind; printed by `walgrind completions fish`\n"
          "complete -c walgrind -f\n",
          out);
    for (const struct wg_command *const *at = wg_commands; *at; at++) {
        fprintf(out, "complete -c walgrind -n __fish_use_subcommand -a %s -d '", (*at)->name);
        put_escaped(out, (*at)->summary, strlen((*at)->summary), "'\\", "\\");
        fputs("'\n", out);
        fish_operands(out, *at);
        for (const struct wg_option *option = (*at)->options; option->name; option++)
            fish_option(out, *at, option);
    }
}

/* ---- The command ---- */

static const struct {
    const char *name;
    void (*print)(FILE *out);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

static int completions(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv operands = {0};
    char nothing; /* no option has a place to go to */
    int exit_code = WG_EXIT_PASSED;
    int parsed =
        wg_command_parse(&wg_command_completions, argc, argv, false, &nothing, &operands, &err);
    if (parsed > 0)
        goto out;
    size_t i = 0, count = sizeof shells / sizeof shells[0];
    while (parsed == 0 && operands.count == 1 && i < count &&
           strcmp(shells[i].name, operands.items[0]) != 0)
        i++;
    if (parsed == 0 && (operands.count != 1 || i == count))
        parsed = wg_err_set(&err, WG_ERR_USAGE, "name a shell: bash, zsh or fish%s%s%s",
                            operands.count == 1 ? ", not '" : "",
                            operands.count == 1 ? operands.items[0] : "",
                            operands.count == 1 ? "'" : "");
    if (parsed < 0) {
        exit_code = wg_command_fail(&wg_command_completions, &err);
        goto out;
    }
    shells[i].print(stdout);
    if (fflush(stdout) != 0)
        exit_code = WG_EXIT_INFRASTRUCTURE;
out:
    wg_strv_finish(&operands);
    return exit_code;
}
