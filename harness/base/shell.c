/* SPDX-License-Identifier: MIT */
#include "harness/base/shell.h"

#include "harness/base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum quoting { PLAIN, IN_DOUBLE, IN_SINGLE };

/* Size of the placeholder that `text` begins with, 0 when there is none. */
static size_t placeholder_size(const char *text)
{
    static const char *const names[] = {"{data}", "{port}", "{url}", "{junit}"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (wg_str_starts(text, names[i]))
            return strlen(names[i]);
    const char *end = wg_str_starts(text, "{db:") ? strchr(text, '}') : NULL;
    return end != NULL ? (size_t)(end - text) + 1 : 0;
}

/* The number of the parameter that stands for it, a new one when there is none yet. */
static size_t parameter_of(struct wg_strv *parameters, const char *placeholder, size_t size)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (strlen(parameters->items[i]) == size &&
            memcmp(parameters->items[i], placeholder, size) == 0)
            return i + 1;
    wg_strv_take(parameters, wg_strndup(placeholder, size));
    return parameters->count;
}

static enum quoting next_quoting(enum quoting now, char c)
{
    if (c == '\'' && now != IN_DOUBLE)
        return now == PLAIN ? IN_SINGLE : PLAIN;
    if (c == '"' && now != IN_SINGLE)
        return now == PLAIN ? IN_DOUBLE : PLAIN;
    return now;
}

void wg_shell_command(const char *text, struct wg_strv *argv)
{
    static const char *const before[] = {[PLAIN] = "\"", [IN_DOUBLE] = "", [IN_SINGLE] = "'\""};
    static const char *const after[] = {[PLAIN] = "\"", [IN_DOUBLE] = "", [IN_SINGLE] = "\"'"};
    struct wg_strv parameters = {0};
    struct wg_buf out;
    enum quoting quoting = PLAIN;
    wg_buf_init(&out, SIZE_MAX);
    for (const char *at = text; *at != '\0';) {
        bool is_variable = at > text && at[-1] == '$';
        size_t size = is_variable ? 0 : placeholder_size(at);
        if (size > 0) {
            size_t number = parameter_of(&parameters, at, size);
            wg_buf_printf(&out, "%s${%zu}%s", before[quoting], number, after[quoting]);
        } else {
            size = *at == '\\' && quoting != IN_SINGLE && at[1] != '\0' ? 2 : 1;
            wg_buf_append(&out, at, size);
            quoting = next_quoting(quoting, *at);
        }
        at += size;
    }
    wg_strv_push(argv, "/bin/sh");
    wg_strv_push(argv, "-c");
    wg_strv_take(argv, wg_buf_steal(&out));
    if (parameters.count > 0)
        wg_strv_push(argv, "/bin/sh"); /* $0 */
    wg_strv_extend(argv, parameters.items);
    wg_strv_finish(&parameters);
}

void wg_shell_server_command(const char *text, struct wg_strv *argv)
{
    const char *equals = strchr(text, '=');
    bool single = !strpbrk(text, ";&|\n") && !(equals && equals < text + strcspn(text, " "));
    char *command = wg_format("%s%s", single ? "exec " : "", text);
    wg_shell_command(command, argv);
    free(command);
}
