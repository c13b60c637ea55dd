/* SPDX-License-Identifier: MIT */
/*
 * suite_driver.h - the runner's end of the suite protocol for tests: word by word, without a
 * runner's judgement. Every call fails the test when the other end does not answer within seconds.
 */
#ifndef WG_SUITES_UNIT_SUITE_DRIVER_H
#define WG_SUITES_UNIT_SUITE_DRIVER_H

#include "harness/sys/process.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define DRIVER_TIMEOUT_MS 20000

struct suite_driver {
    struct wg_process *process;
    int fd;
    json_t *hello;
    json_t *tests;  /* the "test" messages */
    json_t *exited; /* "exited" messages that nobody has asked for yet */
    long long last_run;
};

struct suite_run {
    long long run;
    pid_t pid;
    int event_fd;
    int output_fd;  /* a file in memory: never full */
    json_t *exited; /* its "exited" */
    json_t *events; /* in the order in which they came */
    char *output;
};

/* Starts the sample, takes its hello, has it listed. */
void driver_start(struct suite_driver *driver);
void driver_finish(struct suite_driver *driver);
/* Sends a message without descriptors; takes it over. */
void driver_send(struct suite_driver *driver, json_t *message);
/* The next message (new reference); NULL at the end of the channel. */
json_t *driver_receive(struct suite_driver *driver);
/* Waits for the end of the fork server; its wait status. */
int driver_wait(struct suite_driver *driver);
/* The "test" message of SUITE/NAME. */
const json_t *driver_test(const struct suite_driver *driver, const char *name);

/* Has a test run and waits for "started". */
void driver_run(struct suite_driver *driver, const char *name, struct suite_run *ret_run);
/* Waits for its "exited"; fills exited, events and output. */
void driver_collect(struct suite_driver *driver, struct suite_run *run);
void driver_signal(struct suite_driver *driver, const struct suite_run *run, int signal_number);
/* Waits for the next event of a running test (new reference). */
json_t *run_next_event(const struct suite_run *run);
void run_finish(struct suite_run *run);

/* What is told of a test that was collected. */
int run_status(const struct suite_run *run);
size_t run_survivors(const struct suite_run *run);
bool run_left(const struct suite_run *run, const char *name);
/* The index-th event of a kind; NULL if there are fewer. */
const json_t *run_event(const struct suite_run *run, const char *kind, size_t index);
const char *run_text(const struct suite_run *run, const char *kind, size_t index);

/* True once the process is gone or a zombie; waits `timeout_ms` for it. */
bool process_ends(pid_t pid, int timeout_ms);

#endif
