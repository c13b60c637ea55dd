/* SPDX-License-Identifier: MIT */
/*
 * events.h - the kinds of events that make up the record of a run.
 *
 * `events.jsonl` in the run directory is the truth: one JSON object a line, written with one
 * write(2) each, so a run that is killed leaves whole lines. Every report, live or later, is
 * computed from these lines and from nothing else.
 *
 * Every event has "event" (a name below), "seq" (dense from 1), "at_ns" (CLOCK_MONOTONIC since the
 * run started) and, on the first event, "wall" (UTC). Readers ignore members and kinds that they do
 * not know; a change that they cannot ignore raises WG_EVENTS_VERSION.
 *
 * Members used again and again:
 *   mode     "suite", "worker" or "none": the unit of isolation
 *   round    which repetition of the mode, from 1
 *   unit     number of a set of databases with its server, unique in the run
 *   test     "suite/name" as in the list of tests
 *   attempt  number of one execution of one test, unique in the run
 *   ms       a duration
 */
#ifndef WG_HARNESS_WIRE_EVENTS_H
#define WG_HARNESS_WIRE_EVENTS_H

#define WG_EVENTS_VERSION 1

/* X(identifier, name, members) */
#define WG_EVENTS(X)                                                                                       \
    X(RUN_STARTED, "run-started",                                                                          \
      "version, walgrind, wall, directory, sandbox, tmpfs, workers, argv, sqlite, kernel; "                \
      "mono_ns: CLOCK_MONOTONIC when at_ns was 0; "                                                        \
      "tests: the command that is the tests, where it is one")                                             \
    X(PLAN, "plan",                                                                                        \
      "tests, suites, selected, seed, flaky_fails, slow_ms: from where a test is slow")                    \
    X(ROUND_STARTED, "round-started", "mode, round, tests")                                                \
    X(UNIT_STARTED, "unit-started",                                                                        \
      "unit, mode, round, name, url, server_pid, log, ms, databases: [path, strategy, why]")               \
    X(UNIT_FAILED, "unit-failed", "unit, mode, round, message, log_tail")                                  \
    X(TEST_STARTED, "test-started", "attempt, test, unit, mode, round, worker, pid")                       \
    X(REQUEST, "request", "attempt, test, method, path, status, ms, error, body")                          \
    X(TEST_FINISHED, "test-finished",                                                                      \
      "attempt, test, unit, mode, round, outcome, ms, reason, file, line, description, messages, "         \
      "output, output_cut, requests, user_us, system_us, max_rss_kib, survivors, stacks, "                 \
      "server_stacks: of the threads of the server when it timed out, repeat, "                            \
      "try: from the second on; retried: true when another try follows, which decides; "                   \
      "log: [from, to], the bytes of the server's log that were written while it ran; "                    \
      "of a failure: server_log, what they say; beside, the tests that ran on the same server meanwhile, " \
      "beside_more; "                                                                                      \
      "ended_ns: as at_ns, when its end is known and was earlier; "                                        \
      "changes, kept or not_kept (fixtures/unit/inspect.h)")                                               \
    X(RESET, "reset", "unit, after, ms, ok, message, holder_pid, databases: [path, strategy, us]")         \
    X(EVIDENCE, "evidence",                                                                                \
      "unit, mode, round, class, source, code, name, message, test, request, file")                        \
    X(SERVER_DIED, "server-died", "unit, mode, round, status, log_tail")                                   \
    X(VERIFIED, "verified", "unit, path, strategy, ok, checks, problems, bytes")                           \
    X(CHECKED, "checked", "unit, mode, round, ok, ms, violations, message")                                \
    X(UNIT_FINISHED, "unit-finished",                                                                      \
      "unit, status, killed, server_requests, statements, kept, not_kept")                                 \
    X(ROUND_FINISHED, "round-finished", "mode, round, ms")                                                 \
    X(INTERRUPTED, "interrupted", "signal")                                                                \
    X(INTERNAL_ERROR, "internal-error", "message")                                                         \
    X(RUN_FINISHED, "run-finished", "ms, exit_code")                                                       \
    X(FINDING, "finding",                                                                                  \
      "what a process did wrong to a database, told of at the end; fails: whether it fails the "           \
      "run, happened_ns: when, as at_ns; text: all of it for people; else as in findings.json "            \
      "(wg_finding_json)")                                                                                 \
    X(PROBED, "probed",                                                                                    \
      "processes, records, lost: records that are missing, not_covered: [what and why]; or off: "          \
      "why there was no probe")

enum wg_event_kind {
#define WG_EVENT_ENUM(identifier, name, members) WG_EVENT_##identifier,
    WG_EVENTS(WG_EVENT_ENUM)
#undef WG_EVENT_ENUM
        WG_EVENT_COUNT
};

/*
 * How a test ended. X(identifier, name, 1 when it is a failure, meaning)
 */
#define WG_OUTCOMES(X)                                                                             \
    X(PASSED, "passed", 0, "reached its end, no assertion failed")                                 \
    X(FAILED, "failed", 1, "an assertion failed")                                                  \
    X(CRASHED, "crashed", 1, "died from a signal")                                                 \
    X(TIMEOUT, "timeout", 1, "still ran at its deadline")                                          \
    X(EXITED, "exited", 1, "called exit() instead of reaching its end")                            \
    X(LEAKED, "leaked", 1, "passed, but left a running process behind")                            \
    X(FLAKY, "flaky", 0, "failed, and passed when it was run again")                               \
    X(SKIPPED, "skipped", 0, "disabled, or said so itself")                                        \
    X(NOT_RUN, "not-run", 1,                                                                       \
      "never ran: its server could not be started, its suite had no time left, or the run was "    \
      "stopped")

enum wg_outcome {
#define WG_OUTCOME_ENUM(identifier, name, failure, meaning) WG_OUTCOME_##identifier,
    WG_OUTCOMES(WG_OUTCOME_ENUM)
#undef WG_OUTCOME_ENUM
        WG_OUTCOME_COUNT
};

/*
 * Evidence of something wrong with a database. Every class but "busy" makes the verdict FAIL; busy
 * is counted apart, since contention that the application handles is no error.
 * X(identifier, name, 1 when it fails the run, meaning)
 */
#define WG_EVIDENCE_CLASSES(X)                                                                     \
    X(IO, "io", 1, "SQLITE_IOERR_*, CANTOPEN, FULL, PROTOCOL, READONLY_DBMOVED")                   \
    X(CORRUPT, "corrupt", 1, "SQLITE_CORRUPT, NOTADB, a failed integrity or foreign key check")    \
    X(FILES, "files", 1, "a database file is not as it must be: written, replaced, missing")       \
    X(SERVER, "server", 1, "a response 5xx, or the server died")                                   \
    X(LEAK, "leak", 1, "a transaction was still open when the database was to be reset")           \
    X(MODEL, "model", 1, "what the check command says must hold in the data does not hold")        \
    X(BUSY, "busy", 0, "SQLITE_BUSY, SQLITE_LOCKED")

enum wg_evidence_class {
#define WG_EVIDENCE_ENUM(identifier, name, fails, meaning) WG_EVIDENCE_##identifier,
    WG_EVIDENCE_CLASSES(WG_EVIDENCE_ENUM)
#undef WG_EVIDENCE_ENUM
        WG_EVIDENCE_COUNT
};

#endif
