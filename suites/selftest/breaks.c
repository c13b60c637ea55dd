/* SPDX-License-Identifier: MIT */
/*
 * breaks.c - a server that misbehaves on purpose is noticed, and the record says what it did.
 *
 * A row is a run of a few tests against the reference server with --break=KIND: the exit code and
 * up to three events that must be in its record (see events_count for their patterns). To add a
 * kind: a row; `every_kind_has_an_expectation` compares with `walgrind-refserver --help`.
 */
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_MAX 3

struct expected {
    const char *event, *members;
};

struct row {
    const char *kind;   /* NULL: the control */
    const char *mode;   /* of --isolate */
    const char *tests;  /* pattern */
    const char *option; /* one more, or NULL */
    int exit_code;
    struct expected expected[EXPECTED_MAX];
    const char *says; /* in the report, NULL: nothing in particular */
};

#define LOCKS "files_locks"
#define LOST_PAGE                                                                                  \
    {                                                                                              \
        "evidence",                                                                                \
            "{\"class\":\"io\",\"source\":\"server-code\",\"code\":522,\"file\":\"metadata\","     \
            "\"name\":\"SQLITE_IOERR_SHORT_READ\",\"test\":\"*\"}"                                 \
    }
#define IO_ANSWER                                                                                  \
    {                                                                                              \
        "evidence",                                                                                \
            "{\"class\":\"io\",\"source\":\"response\",\"request\":\"~/api/v1/\",\"status\":500,"  \
            "\"test\":\"~/\"}"                                                                     \
    }
#define CANNOT_OPEN                                                                                \
    {                                                                                              \
        "evidence", "{\"class\":\"io\",\"code\":14,\"file\":\"metadata\",\"test\":\"*\"}"          \
    }
/* The client gives up shortly before the deadline of the test, so that the request is named. */
#define UNANSWERED                                                                                 \
    {                                                                                              \
        "request", "{\"path\":\"/api/v1/auth/login\",\"error\":\"~timed out\"}"                    \
    }
#define NOT_ANSWERED_TEST                                                                          \
    {                                                                                              \
        "test-finished",                                                                           \
            "{\"outcome\":\"failed\",\"test\":\"files_locks/second_session_gets_423\"}"            \
    }
#define SERVER_DIED                                                                                \
    {                                                                                              \
        "evidence", "{\"class\":\"server\",\"source\":\"runner\",\"message\":\"~server died\"}"    \
    }

static const struct row rows[] = {
    {NULL,
     "suite",
     LOCKS,
     NULL,
     0,
     {{"verified", "{\"ok\":true}"}, {"checked", "{\"ok\":true}"}},
     "verdict: PASS"},
    {NULL,
     "none",
     LOCKS,
     NULL,
     0,
     {{"verified", "{\"ok\":true}"}, {"checked", "{\"ok\":true}"}},
     "verdict: PASS"},
    {"io-error-once:12", "suite", LOCKS, NULL, 1, {LOST_PAGE, IO_ANSWER}, "disk I/O error"},
    {"io-error-once:12", "none", LOCKS, NULL, 1, {LOST_PAGE, IO_ANSWER}, "disk I/O error"},
    {"truncate-wal:12", "suite", LOCKS, NULL, 1, {LOST_PAGE, IO_ANSWER}, "file metadata"},
    {"truncate-wal:12", "none", LOCKS, NULL, 1, {LOST_PAGE, IO_ANSWER}, "SQLITE_IOERR_SHORT_READ"},
    {"unlink-db:12", "suite", LOCKS, NULL, 1, {CANNOT_OPEN, IO_ANSWER}, "SQLITE_CANTOPEN"},
    {"unlink-db:12", "none", LOCKS, NULL, 1, {CANNOT_OPEN, IO_ANSWER}, "file metadata"},
    {"hang:2",
     "suite",
     "files_locks/second*",
     "--timeout=4s",
     1,
     {UNANSWERED, NOT_ANSWERED_TEST},
     "no answer after"},
    {"hang:2",
     "none",
     "files_locks/second*",
     "--timeout=4s",
     1,
     {UNANSWERED, NOT_ANSWERED_TEST},
     "not at all"},
    {"crash:12",
     "suite",
     LOCKS,
     NULL,
     1,
     {SERVER_DIED,
      {"evidence", "{\"class\":\"server\",\"test\":\"~files_locks/\"}"},
      {"server-died", NULL}},
     "server died"},
    {"crash:12", "none", LOCKS, NULL, 1, {SERVER_DIED, {"server-died", NULL}}, "server died"},
    {"corrupt-page:5",
     "suite",
     "files_locks/*lock_is*",
     NULL,
     1,
     {{"verified", "{\"ok\":false,\"path\":\"db/metadata.db\",\"kept\":\"*\"}"}},
     "metadata.db"},
    {"corrupt-page:5",
     "none",
     "files_locks/*lock_is*",
     NULL,
     1,
     {{"verified", "{\"ok\":false,\"path\":\"db/metadata.db\",\"kept\":\"*\"}"}},
     "metadata.db"},
    {"leak-lock",
     "suite",
     "files_locks/release*",
     NULL,
     1,
     {{"test-finished",
       "{\"outcome\":\"failed\",\"test\":\"files_locks/released_lock_is_gone\",\"repeat\":\"*\"}"}},
     "failed files_locks/released_lock_is_gone"},
    /* Every answer is right and every test passes: only the data tell. */
    {"lost-update",
     "suite",
     "files_locks/second*",
     NULL,
     1,
     {{"evidence", "{\"class\":\"model\",\"message\":\"~reference-count\",\"unit\":1}"},
      {"checked", "{\"ok\":false,\"violations\":1,\"unit\":1}"},
      {"test-finished", "{\"outcome\":\"passed\"}"}},
     "reference-count: expected 1 to 2, found 0; check; unit 1 (suite)"},
    {"lost-update",
     "none",
     "files_locks/second*",
     NULL,
     1,
     {{"evidence", "{\"class\":\"model\",\"message\":\"~reference-count\"}"},
      {"checked", "{\"ok\":false,\"violations\":1}"}},
     "data of 1 servers by the check command: 1 violations"},
    /* Noticed by the reset behind a test, so there must be a test behind it. */
    {"leak-txn:2",
     "suite",
     "files_locks/released*",
     NULL,
     1,
     {{"evidence",
       "{\"class\":\"leak\",\"message\":\"~metadata.db\",\"test\":\"~files_locks/released\"}"},
      {"evidence",
       "{\"class\":\"leak\",\"file\":\"metadata\",\"request\":\"POST /api/v1/auth/login\"}"}},
     "a transaction that was left open"},
    {"wrong-status",
     "none",
     "files_locks/unknown*",
     NULL,
     1,
     {{"test-finished",
       "{\"outcome\":\"failed\",\"test\":\"files_locks/unknown_file_cannot_be_locked\"}"}},
     "got 200"},
    {"exit-at-start:7",
     "suite",
     "files_locks/second*",
     NULL,
     1,
     {{"unit-failed", "{\"message\":\"~died before it was ready (exit 7)\"}"}},
     "leaving at start, as asked"},
    {"never-ready",
     "suite",
     "files_locks/second*",
     "--ready-timeout=500ms",
     1,
     {{"unit-failed", "{\"message\":\"~was not ready\"}"}},
     "last answer: status 503"},
    /* What is not wrong with the databases is told, and does not fail the run. */
    {"ignore-term",
     "suite",
     "files_locks/second*",
     NULL,
     0,
     {{"unit-finished", "{\"killed\":true}"}},
     "1 servers did not stop on SIGTERM and were killed"},
    {"slow-start:700",
     "suite",
     "files_locks/second*",
     NULL,
     0,
     {{"unit-started", "{\"ms\":\">699\"}"}},
     "verdict: PASS"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void check_row(const struct row *row, const struct call *call, const json_t *events)
{
    cr_expect(eq(int, call->exit_code, row->exit_code), "%s\n%s", call->out, call->err);
    cr_expect(strstr(call->out, row->exit_code ? "verdict: FAIL" : "verdict: PASS") != NULL, "%s",
              call->out);
    cr_expect(strstr(call->out, row->says) != NULL, "\"%s\" is not in the report:\n%s", row->says,
              call->out);
    for (size_t i = 0; i < EXPECTED_MAX && row->expected[i].event; i++)
        cr_expect(
            ge(int, events_count(events, row->expected[i].event, row->expected[i].members), 1),
            "no event %s %s in:\n%s", row->expected[i].event, row->expected[i].members, call->out);
    if (row->exit_code == 0)
        cr_expect(eq(int, events_count(events, "evidence", NULL),
                     events_count(events, "evidence", "{\"class\":\"busy\"}")),
                  "%s", call->out);
}

ParameterizedTestParameters(breaks, kind_is_noticed)
{
    static size_t indices[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        indices[i] = i;
    return cr_make_param_array(size_t, indices, ROWS);
}

ParameterizedTest(const size_t *index, breaks, kind_is_noticed, .timeout = 60)
{
    struct place place;
    struct call call;
    const struct row *row = &rows[*index];
    place_init(&place);
    char *isolate = wg_format("--isolate=%s", row->mode);
    char *record = wg_format("--run-dir=%s", place.record);
    char *server = wg_format("--server-arg=--break=%s", row->kind ? row->kind : "");
    const char *words[16] = {"run", isolate, record, "-j4", "--grace=500ms", row->tests};
    size_t count = 6;
    if (row->kind)
        words[count++] = server;
    if (row->option)
        words[count++] = row->option;

    call_run(&call, &place, words);

    json_t *events = events_read(place.record);
    check_row(row, &call, events);
    json_decref(events);
    call_finish(&call);
    free(server);
    free(record);
    free(isolate);
    place_finish(&place);
}

static bool has_row(const char *kind)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind && strncmp(rows[i].kind, kind, strlen(kind)) == 0 &&
            strchr(":", rows[i].kind[strlen(kind)]))
            return true;
    return false;
}

/* The kinds are the lines "  name  text" behind the one that speaks of them. */
Test(breaks, every_kind_has_an_expectation, .timeout = 20)
{
    struct place place;
    struct call call;
    char kind[64];
    int kinds = 0;
    place_init(&place);
    call_start_program(&call, &place, getenv("WALGRIND_REFSERVER"), WORDS("--help"));
    call_wait(&call, CALL_TIMEOUT_MS);
    const char *line = strstr(call.out, "\n  io-error-once");
    cr_assert(line != NULL, "no list of kinds in:\n%s", call.out);
    for (; line && sscanf(line, "\n  %63[a-z-] ", kind) == 1; line = strchr(line + 1, '\n')) {
        cr_expect(has_row(kind), "no row for --break=%s", kind);
        kinds++;
    }
    cr_expect(ge(int, kinds, 13));
    call_finish(&call);
    place_finish(&place);
}
