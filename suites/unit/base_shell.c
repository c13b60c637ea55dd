/* SPDX-License-Identifier: MIT */
/* base_shell.c - placeholders of shell commands stay one word, whatever their value. */
#include "harness/base/shell.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(base_shell, .timeout = 10);

#define VALUE "a \"b\" 'c' $HOME `d` *"

/* Standard output of the command with VALUE for {data} and {db:x}; into `text`. */
static void run_with_value(const char *command, char *text, size_t room)
{
    struct wg_strv argv = {0};
    int out[2];
    wg_shell_command(command, &argv);
    for (size_t i = 3; i < argv.count; i++) {
        if (wg_str_starts(argv.items[i], "{d")) {
            free(argv.items[i]);
            argv.items[i] = wg_strdup(VALUE);
        }
    }
    cr_assert(eq(int, pipe2(out, O_CLOEXEC), 0));
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execv(argv.items[0], argv.items);
        _exit(127);
    }
    close(out[1]);
    ssize_t got = read(out[0], text, room - 1);
    text[got > 0 ? got : 0] = '\0';
    close(out[0]);
    waitpid(child, NULL, 0);
    wg_strv_finish(&argv);
}

Test(base_shell, a_value_stays_one_word_in_and_out_of_quotes)
{
    static const char *const cases[][2] = {
        {"printf '<%s>' {data}", "<" VALUE ">"},
        {"printf '<%s>' --data={data}/db x", "<--data=" VALUE "/db><x>"},
        {"printf '<%s>' \"{data} y\"", "<" VALUE " y>"},
        {"printf '<%s>' 'x {data} y'", "<x " VALUE " y>"},
        {"printf '<%s>' \\\"{data} '\"'{db:x}", "<\"" VALUE "><\"" VALUE ">"},
        {"data=v; printf '<%s>' ${data} {data,x}", "<v><{data,x}>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        run_with_value(cases[i][0], text, sizeof text);
        cr_expect(eq(str, text, (char *)cases[i][1]), "%s", cases[i][0]);
    }
}

Test(base_shell, each_placeholder_is_one_argument)
{
    struct wg_strv argv = {0};
    wg_shell_command("serve {port} {url} {port} {db:a.db} {other} {db:", &argv);
    cr_assert(eq(sz, argv.count, 7));
    cr_expect(eq(str, argv.items[4], "{port}"));
    cr_expect(eq(str, argv.items[5], "{url}"));
    cr_expect(eq(str, argv.items[6], "{db:a.db}"));
    cr_expect(eq(str, argv.items[2], "serve \"${1}\" \"${2}\" \"${1}\" \"${3}\" {other} {db:"));
    wg_strv_finish(&argv);
}

Test(base_shell, a_command_without_placeholders_is_left_alone)
{
    struct wg_strv argv = {0};
    wg_shell_command("echo \"it's\" $x", &argv);
    cr_assert(eq(sz, argv.count, 3));
    cr_expect(eq(str, argv.items[2], "echo \"it's\" $x"));
    wg_strv_finish(&argv);
}
