/* SPDX-License-Identifier: MIT */
/*
 * suite_protocol.h - what a runner and a suite binary in fork-server mode say to each other.
 *
 * Two kinds of channel, both AF_UNIX SOCK_SEQPACKET, one JSON object a packet (at most
 * WG_LIMIT_PACKET bytes), so that a packet arrives whole or not at all even when the sender is
 * killed in the middle, and several threads or children of a test may write without a lock.
 *
 * 1. The control channel, one per suite binary. The runner passes it as the descriptor number in
 *    the environment variable WALGRIND_SUITE_FD. The binary speaks first:
 *      <- {"op":"hello","protocol":1,"pid":P}
 *      -> {"op":"list"}
 *      <- {"op":"test", ...fields of WG_SUITE_TEST_FIELDS...}      one a test and parameter
 *      <- {"op":"listed","count":N}
 *      -> {"op":"run","run":R,"id":T,"env":{"NAME":"value",...}}   + 2 descriptors (SCM_RIGHTS):
 *                                                   the test's event channel, its stdout and stderr
 *      <- {"op":"started","run":R,"pid":P}
 *      -> {"op":"kill","run":R,"signal":S}          to the test's process group; late ones are
 * ignored
 *      <- {"op":"exited","run":R,"status":W,"user_us":U,"system_us":S,"max_rss_kib":K,
 *          "survivors":["pid 12 name",...]}         after the leader was reaped and every survivor
 *                                                   (process that the test left behind) was killed
 *      -> {"op":"quit"} or end of file: the server kills what runs and exits 0.
 *      <- {"op":"error","message":"..."}            it cannot go on; it exits 3 afterwards
 * 2. The event channel, one per running test, written by the test's process and what it forked:
 *    packets of WG_TEST_EVENTS; "done" comes from the test's process alone. A test that ended
 *    without "done" did not reach its end: exit() inside the test, a crash or a kill.
 *
 * Version: a change that an older peer cannot ignore raises WG_SUITE_PROTOCOL.
 */
#ifndef WG_HARNESS_WIRE_SUITE_PROTOCOL_H
#define WG_HARNESS_WIRE_SUITE_PROTOCOL_H

#define WG_SUITE_PROTOCOL 1
#define WG_SUITE_FD_ENV   "WALGRIND_SUITE_FD"

/* X(key, jansson pack code, meaning) */
#define WG_SUITE_TEST_FIELDS(X)                                                                    \
    X("id", "I", "number to run it by, dense from 0")                                              \
    X("suite", "s", "name of its suite")                                                           \
    X("name", "s", "its name; a parameterised case has [index] or [index:label] behind it")        \
    X("file", "s", "source file as the compiler named it")                                         \
    X("line", "I", "line of the Test() macro")                                                     \
    X("description", "s", "text of .description, empty if none (a catalogue id goes there)")       \
    X("disabled", "b", "true: report as skipped, never run")                                       \
    X("exclusive", "b", "true: its suite must run alone")                                          \
    X("timeout_ms", "I", "deadline of the test or its suite, 0 if none was set")                   \
    X("signal", "I", "signal that the test must die from, 0 if none")                              \
    X("exit_code", "I", "exit code that the test must end with")

/* X(name, meaning); every packet is {"event":NAME, ...} */
#define WG_TEST_EVENTS(X)                                                                          \
    X("assert", "failed assertion: file, line, message")                                           \
    X("skip", "cr_skip_test: message")                                                             \
    X("log", "a line that the test wants in its record: message")                                  \
    X("http", "one request of the client: method, path, status, ms, error, body (5xx, cut)")       \
    X("done", "regular end: passed, failed (numbers of assertions)")

#endif
