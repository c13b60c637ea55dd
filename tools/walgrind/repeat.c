/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/repeat.h"

#include "harness/base/buf.h"
#include "harness/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COMMAND_MAX (64u << 10)

/* Options of `walgrind run` that belong to the thing under test; all take a value. */
static const char *const kept[] = {
    "suite-binary", "server",   "server-url", "init",          "input", "ready",
    "server-arg",   "init-arg", "server-env", "reset",         "check", "timeout",
    "tests",        "config",   "profile",    "ready-timeout", "trace"};

static bool is_kept(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strlen(kept[i]) == length && strncmp(kept[i], name, length) == 0)
            return true;
    return false;
}

/* Single quotes, unless every character is harmless. */
static void append_word(struct wg_buf *out, const char *word)
{
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:";
    wg_buf_puts(out, " ");
    if (word[0] && word[strspn(word, harmless)] == '\0') {
        wg_buf_puts(out, word);
        return;
    }
    wg_buf_puts(out, "'");
    for (; *word; word++) {
        if (*word == '\'')
            wg_buf_puts(out, "'\\''");
        else
            wg_buf_append(out, word, 1);
    }
    wg_buf_puts(out, "'");
}

char *wg_repeat_prefix(int argc, char **argv)
{
    struct wg_buf out;
    wg_buf_init(&out, COMMAND_MAX);
    wg_buf_puts(&out, "walgrind run");
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!wg_str_starts(argv[i], "--"))
            continue;
        const char *name = argv[i] + 2;
        size_t length = strcspn(name, "=");
        if (!is_kept(name, length))
            continue;
        append_word(&out, argv[i]);
        if (name[length] == '\0' && i + 1 < argc)
            append_word(&out, argv[++i]);
    }
    return wg_buf_steal(&out);
}
