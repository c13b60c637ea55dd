/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/command.h"

#include "harness/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct wg_option *find_option(const struct wg_command *command, const char *name,
                                           size_t length)
{
    for (const struct wg_option *option = command->options; option && option->name; option++)
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

static const struct wg_option *find_letter(const struct wg_command *command, char letter)
{
    for (const struct wg_option *option = command->options; option && option->name; option++)
        if (option->letter == letter)
            return option;
    return NULL;
}

/* Milliseconds of "250ms", "30", "30s", "5m", "2h"; -1 when it is none of these. */
static int parse_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"", 1e3}, {"s", 1e3}, {"ms", 1}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    if (errno != 0 || end == text || !(number >= 0) || number > 1e9)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ret_ms = (int64_t)(number * units[i].ms);
            return 0;
        }
    }
    return -1;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strcspn(at, "|") == length && strncmp(at, text, length) == 0)
            return true;
        if (!*at)
            break;
    }
    return false;
}

int wg_command_set(const struct wg_option *option, const char *text, void *values,
                   struct wg_err *err)
{
    char *place = (char *)values + option->offset;
    switch (option->kind) {
    case WG_OPTION_FLAG: *(bool *)(void *)place = text != NULL; return 0;
    case WG_OPTION_STRING: *(const char **)(void *)place = text; return 0;
    case WG_OPTION_LIST: wg_strv_push((struct wg_strv *)(void *)place, text); return 0;
    case WG_OPTION_CHOICE:
        if (!is_choice(option->value, text))
            return wg_err_set(err, WG_ERR_USAGE, "--%s takes one of %s, not '%s'", option->name,
                              option->value, text);
        *(const char **)(void *)place = text;
        return 0;
    case WG_OPTION_INT:
        if (wg_str_to_long(text, option->min, option->max, (long *)(void *)place) != 0)
            return wg_err_set(err, WG_ERR_USAGE,
                              "--%s takes a whole number from %ld to %ld, not '%s'", option->name,
                              option->min, option->max, text);
        return 0;
    case WG_OPTION_REAL: {
        char *end = NULL;
        double number = strtod(text, &end);
        if (end == text || *end ||
            !(number >= (double)option->min && number <= (double)option->max))
            return wg_err_set(err, WG_ERR_USAGE, "--%s takes a number from %ld to %ld, not '%s'",
                              option->name, option->min, option->max, text);
        *(double *)(void *)place = number;
        return 0;
    }
    case WG_OPTION_DURATION:
        if (parse_duration(text, (int64_t *)(void *)place) != 0)
            return wg_err_set(err, WG_ERR_USAGE,
                              "--%s takes a time like 250ms, 30s, 5m, 2h or 7d, not '%s'",
                              option->name, text);
        return 0;
    }
    assert(false); /* every kind returns above */
    return -1;
}

static int unknown_option(const struct wg_command *command, const char *word, size_t length,
                          struct wg_err *err)
{
    const char *names[64] = {"help"};
    size_t count = 1;
    for (const struct wg_option *o = command->options; o && o->name && count < 63; o++)
        names[count++] = o->name;
    char *name = wg_strndup(word, length);
    const char *nearest = wg_str_nearest(name, names);
    if (nearest)
        wg_err_set(err, WG_ERR_USAGE, "unknown option --%s; did you mean --%s?", name, nearest);
    else
        wg_err_set(err, WG_ERR_USAGE, "unknown option --%s; see 'walgrind %s --help'", name,
                   command->name);
    free(name);
    return -1;
}

/* Handles "--name", "--name=value", "--no-name"; returns how many further words it used, or -1. */
static int take_long(const struct wg_command *command, char **words, int left, void *values,
                     struct wg_err *err)
{
    const char *name = words[0] + 2;
    size_t length = strcspn(name, "=");
    const char *inline_value = name[length] == '=' ? name + length + 1 : NULL;
    const struct wg_option *option = find_option(command, name, length);
    if (!option && wg_str_starts(name, "no-")) {
        option = find_option(command, name + 3, length - 3);
        if (option && option->kind == WG_OPTION_FLAG && !inline_value)
            return wg_command_set(option, NULL, values, err);
        option = NULL;
    }
    if (!option)
        return unknown_option(command, name, length, err);
    if (option->kind == WG_OPTION_FLAG) {
        if (inline_value)
            return wg_err_set(err, WG_ERR_USAGE, "--%s takes no value", option->name);
        return wg_command_set(option, "", values, err);
    }
    if (inline_value)
        return wg_command_set(option, inline_value, values, err);
    if (left < 2)
        return wg_err_set(err, WG_ERR_USAGE, "--%s needs a value: --%s=%s", option->name,
                          option->name, option->value);
    return wg_command_set(option, words[1], values, err) == 0 ? 1 : -1;
}

static int take_short(const struct wg_command *command, char **words, int left, void *values,
                      struct wg_err *err)
{
    const struct wg_option *option = find_letter(command, words[0][1]);
    if (!option)
        return wg_err_set(err, WG_ERR_USAGE, "unknown option -%c; see 'walgrind %s --help'",
                          words[0][1], command->name);
    const char *rest = words[0] + 2;
    if (option->kind == WG_OPTION_FLAG) {
        if (*rest)
            return wg_err_set(err, WG_ERR_USAGE, "-%c takes no value", option->letter);
        return wg_command_set(option, "", values, err);
    }
    if (*rest)
        return wg_command_set(option, rest, values, err);
    if (left < 2)
        return wg_err_set(err, WG_ERR_USAGE, "-%c needs a value", option->letter);
    return wg_command_set(option, words[1], values, err) == 0 ? 1 : -1;
}

int wg_command_parse(const struct wg_command *command, int argc, char **argv, bool stop_at_operand,
                     void *values, struct wg_strv *ret_operands, struct wg_err *err)
{
    bool options_ended = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int used = 0;
        if (options_ended || word[0] != '-' || word[1] == '\0') {
            wg_strv_push(ret_operands, word);
            options_ended = options_ended || stop_at_operand;
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            wg_command_print_help(command, stdout);
            return 1;
        } else if (word[1] == '-') {
            used = take_long(command, argv + i, argc - i, values, err);
        } else {
            used = take_short(command, argv + i, argc - i, values, err);
        }
        if (used < 0)
            return -1;
        i += used;
    }
    return 0;
}

int wg_command_fail(const struct wg_command *command, const struct wg_err *err)
{
    fprintf(stderr, "walgrind %s: %s\n", command->name, err->message);
    return wg_err_exit_code(err);
}
