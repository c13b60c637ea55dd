/* SPDX-License-Identifier: MIT */
/*
 * shell.h - commands that a user wrote as one line of shell, with placeholders in them.
 *
 * The placeholders {data}, {port}, {url}, {junit} and {db:NAME} become positional parameters of the
 * shell
 * ("$1"), so that a value with spaces or quotes stays one word, in quotes or out of them. What
 * replaces them later finds them as whole arguments. "${data}" is a variable of the shell and
 * stays.
 */
#ifndef WG_HARNESS_BASE_SHELL_H
#define WG_HARNESS_BASE_SHELL_H

#include "harness/base/str.h"

/* Appends /bin/sh -c TEXT with its parameters to `argv`, which was empty. */
void wg_shell_command(const char *text, struct wg_strv *argv);
/*
 * The same for a process that is signalled: the shell gives way to a single command, so that it is
 * the server itself that gets signals and is waited for. In front of several, or of a variable,
 * "exec" would end the rest: there the user says which is the server.
 */
void wg_shell_server_command(const char *text, struct wg_strv *argv);

#endif
