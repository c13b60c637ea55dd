/* SPDX-License-Identifier: MIT */
/* http_fixture.h - a running server_stub and the events that the client left, for the tests. */
#ifndef WG_SUITES_UNIT_HTTP_FIXTURE_H
#define WG_SUITES_UNIT_HTTP_FIXTURE_H

#include "fixtures/walgrind.h"

/* Starts the stub (it dies with the test's process) and makes a session to it. */
struct wg_http *fixture_start(void);
/* Ends both; leaks show under a sanitizer. */
void fixture_finish(struct wg_http *http);

/* The events so far, an array; borrowed. */
json_t *fixture_events(void);
/* The last one. */
json_t *fixture_last_event(void);

/*
 * Runs `body` in a child process, where a failed assertion ends the process instead of a test, and
 * returns what it reported: "FILE:LINE\nMESSAGE", or "" when nothing failed. The caller frees it.
 */
char *fixture_failure_of(void (*body)(struct wg_http *http), struct wg_http *http);

#endif
