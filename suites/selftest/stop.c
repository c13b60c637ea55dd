/* SPDX-License-Identifier: MIT */
/* stop.c - a run that is interrupted, twice, or killed: what it says and what it leaves. */
#include "harness/base/clock.h"
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define AWAIT_MS   20000
#define STOPPED_MS 8000 /* a bound for a loaded machine; it takes a fraction of a second */

/* A run that lasts until somebody stops it. */
static void start_long_run(struct call *call, const struct place *place, const char *option)
{
    char *record = wg_format("--run-dir=%s", place->record);
    call_start(call, place,
               WORDS("run", "--isolate=suite", "--repeat=10000", "-j4", record, "--grace=30s",
                     "files_locks", option));
    events_await(place->record, "test-finished", 3, AWAIT_MS);
    free(record);
}

Test(stop, interrupted_run_has_its_reports_and_leaves_nothing, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    start_long_run(&call, &place, NULL);

    call_signal(&call, SIGINT);
    call_wait(&call, STOPPED_MS);

    json_t *events = events_read(place.record);
    cr_expect(eq(int, call.exit_code, 3), "%s", call.err);
    cr_expect(strstr(call.out, "verdict: INCOMPLETE") != NULL, "%s", call.out);
    cr_expect(eq(int, events_count(events, "interrupted", "{\"signal\":2}"), 1));
    cr_expect(eq(int, events_count(events, "run-finished", NULL), 1));
    cr_expect(place_has(&place, "record/junit.xml"));
    json_decref(events);
    call_finish(&call);
    place_finish(&place);
}

Test(stop, second_interrupt_ends_a_server_that_ignores_the_first, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    start_long_run(&call, &place, "--server-arg=--break=ignore-term");

    call_signal(&call, SIGINT);
    events_await(place.record, "interrupted", 1, AWAIT_MS);
    call_signal(&call, SIGINT);
    call_wait(&call, STOPPED_MS);

    json_t *events = events_read(place.record);
    cr_expect(eq(int, call.exit_code, 3), "%s", call.err);
    cr_expect(strstr(call.out, "verdict: INCOMPLETE") != NULL, "%s", call.out);
    cr_expect(eq(int, events_count(events, "interrupted", NULL), 2));
    cr_expect(ge(int, events_count(events, "unit-finished", "{\"killed\":true}"), 1));
    json_decref(events);
    call_finish(&call);
    place_finish(&place);
}

/* Waits until no process of the place is left. */
static void await_no_process(const struct place *place)
{
    struct wg_deadline deadline = wg_deadline_in_ms(STOPPED_MS);
    while (place_processes(place) > 0 && !wg_deadline_passed(deadline))
        poll(NULL, 0, 20);
    cr_assert(eq(int, place_processes(place), 0), "processes outlive the runner; see %s",
              place->root);
}

Test(stop, killed_run_leaves_no_process_and_the_next_start_cleans_up, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    start_long_run(&call, &place, "--server-arg=--break=ignore-term");
    cr_assert(ge(int, place_processes(&place), 3), "runner, suite binary and server run");

    call_signal(&call, SIGKILL);
    call_wait(&call, STOPPED_MS);
    await_no_process(&place);
    cr_expect(eq(int, place_sandboxes(&place), 1), "a killed run cannot clean up");
    call_finish(&call);

    call_run(&call, &place, WORDS("run", "--isolate=suite", "health"));
    cr_expect(eq(int, call.exit_code, 0), "%s", call.err);
    cr_expect(strstr(call.err, "cleaned up after a killed run: 1 sandboxes") != NULL, "%s",
              call.err);
    call_finish(&call);
    place_finish(&place);
}

Test(stop, record_of_a_killed_run_can_be_reported, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    start_long_run(&call, &place, NULL);
    call_signal(&call, SIGKILL);
    call_wait(&call, STOPPED_MS);
    await_no_process(&place);
    call_finish(&call);

    call_run(&call, &place, WORDS("report", place.record));

    cr_expect(eq(int, call.exit_code, 3), "%s", call.err);
    cr_expect(strstr(call.out, "verdict: INCOMPLETE") != NULL, "%s", call.out);
    cr_expect(strstr(call.out, " passed") != NULL, "%s", call.out);
    call_finish(&call);
    call_run(&call, &place, WORDS("run", "--isolate=suite", "health"));
    call_finish(&call);
    place_finish(&place);
}
