/* SPDX-License-Identifier: MIT
 *
 * Processes that the server starts: this program once more, in another role.
 *
 * Started with posix_spawn(), so that nothing of the threads and databases of the server is in the
 * child; a fork() that goes on without exec would carry both. Children do not outlive the server:
 * each calls wg_helper_dies_with_parent() first.
 */
#ifndef WG_REFSERVER_HELPER_H
#define WG_REFSERVER_HELPER_H

#include "tools/refserver/util.h"

#include <sys/types.h>

/*
 * Starts this program with `arguments` (NULL-terminated, the first is its name). `input` and
 * `output` become its standard input and output; -1 leaves the server's. 0, or an errno.
 */
int wg_helper_start(char *const arguments[], int input, int output, pid_t *ret_pid);

/* In the child. 0, or -1 if the server has gone already. */
int wg_helper_dies_with_parent(void);

enum wg_helper_end { WG_HELPER_DONE, WG_HELPER_EXPIRED, WG_HELPER_FAILED };

/*
 * Runs one helper: `input` goes in, `ret_output` comes out. It is killed when `limit_ms` have
 * passed. WG_HELPER_FAILED, with `fail` set, if it cannot be started or does not exit with 0.
 */
enum wg_helper_end wg_helper_run(char *const arguments[], const char *input, int64_t limit_ms,
                                 struct wg_buf *ret_output, struct wg_fail *fail);

#endif
