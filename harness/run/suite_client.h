/* SPDX-License-Identifier: MIT */
/*
 * suite_client.h - the runner's end of the suite protocol (harness/wire/suite_protocol.h).
 *
 * Starts a suite binary in fork-server mode, asks it for its tests, has it run them. Every call but
 * wg_suite_client_start() returns without waiting; messages come from wg_suite_client_receive()
 * after poll(2) has called wg_suite_client_fd() readable.
 */
#ifndef WG_HARNESS_RUN_SUITE_CLIENT_H
#define WG_HARNESS_RUN_SUITE_CLIENT_H

#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/run/plan.h"

#include <jansson.h>

struct wg_suite_client;

/* Starts the binary and waits for its hello (at most `timeout_ms`). `argv` is the binary, or a
 * command that becomes it, with the binary as its last word. Its own output goes to stderr_fd. */
int wg_suite_client_start(char *const *argv, int stderr_fd, int timeout_ms,
                          struct wg_suite_client **ret_client, struct wg_err *err);
/* Ends it with all its tests. NULL is fine. */
void wg_suite_client_destroy(struct wg_suite_client *client);

/* Asks for the tests and waits for the list. */
int wg_suite_client_list(struct wg_suite_client *client, int timeout_ms, struct wg_plan *ret_plan,
                         struct wg_err *err);

int wg_suite_client_fd(const struct wg_suite_client *client);

/* Has test `id` run as `run`; the two descriptors are the child's and stay the caller's to close.
 */
int wg_suite_client_run(struct wg_suite_client *client, long long run, long id,
                        const struct wg_strv *env, int event_fd, int output_fd, struct wg_err *err);

/* Signals the test's process group; one that has ended is left alone. */
void wg_suite_client_kill(struct wg_suite_client *client, long long run, int signal_number);

/*
 * The next message, as an object (new reference). Returns 1 with one, 0 when there is none now, -1
 * when the binary is gone or said "error".
 */
int wg_suite_client_receive(struct wg_suite_client *client, json_t **ret_message,
                            struct wg_err *err);

#endif
