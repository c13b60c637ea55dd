/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/topics.h"

#include "harness/probe/fault.h"
#include "harness/run/filter.h"
#include "harness/wire/events.h"

#define OUTCOME_LINE(identifier, name, failure, meaning) "\n" name ": " meaning
#define CLASS_LINE(identifier, name, fails, meaning)     "\n" name ": " meaning
#define PREDICATE_LINE(name, argument, meaning)          "\n" #name ": " meaning

#define KIND_WORD(word, error, types)     " " word
#define CALL_WORD(name, type, cuttable)   " " #name
#define ROLE_WORD(identifier, name, what) " " name

#define FAULT_KINDS WG_FAULT_KINDS(KIND_WORD)
#define FAULT_CALLS WG_FAULT_CALLS(CALL_WORD)
#define FILE_ROLES  WG_TRACE_ROLES(ROLE_WORD)

/* To add a topic: a row. What has a table elsewhere is made from that table. */
const struct wg_topic wg_topics[] = {
    {"isolation", "who shares databases and a server with whom",
     "A unit is one set of databases with one server on it.\n\n"
     "--isolate=suite makes a unit per test suite, worker one per worker; between two tests the "
     "databases are reset under the running server. --isolate=none, the swarm, has all tests on one "
     "server at once and resets nothing: races show only there.\n\n"
     "Without the option suites run isolated, then in the swarm. A test that fails only in the swarm "
     "is marked concurrency-dependent."},
    {"resets", "how databases are put back under a running server",
     "The harness holds SQLite's checkpoint lock on its clone, so what a server writes stays in the "
     "write-ahead log and the database file stays the template. A reset throws the log away: ten "
     "microseconds, whatever the size (strategies discard and rewind). Databases with a rollback "
     "journal are written back page by page through SQLite (backup); without a running server the "
     "file is copied anew (reclone).\n\n"
     "An open transaction is never overrun: the reset waits for it, then fails and names the process "
     "that holds it."},
    {"outcomes", "how a test can end",
     "Each test ends in one of these ways:\n" WG_OUTCOMES(OUTCOME_LINE)},
    {"evidence", "what makes a run fail though all tests passed",
     "Evidence comes from the result codes and messages in the server's log, from answers, from the "
     "databases at the end, and from the application's own check. Its classes:\n" WG_EVIDENCE_CLASSES(
         CLASS_LINE) "\n\nBusy is counted apart and fails nothing: contention that the application "
                     "handles is no error."},
    {"selecting", "which tests run",
     "A name (auth/login_twice), a glob (auth/*) or the glob of a suite (files_*), any number of them; "
     "--failed takes those that failed last time; --filter, -E, takes an expression of conditions "
     "joined by & | ! and parentheses, as in 'suite(files_*) & !slow':\n" WG_FILTER_PREDICATES(
         PREDICATE_LINE) "\n\nA test runs when it is named and the expression holds. Nothing selected "
                         "is an error: exit code 2."},
    {"run-directory", "what a run leaves behind",
     "A run writes to .walgrind/runs/TIME-TOKEN, or to --run-dir; .walgrind/last points to the newest. "
     "events.jsonl is the truth, an event a line, whole also after kill -9; junit.xml; "
     "servers/*.log, a log for each server; databases/, those of failed tests, with the command that "
     "opens them. 'walgrind report' computes every other format from it, now or years later."},
    {"environment", "variables that tests, servers and commands are given",
     "Tests get WALGRIND_URL (the server), WALGRIND_DATA (the directory of its databases), "
     "WALGRIND_DB_NAME for each database, WALGRIND_TOKEN (text that no other test has) and "
     "WALGRIND_TEST (suite/test).\n\n"
     "Commands of 'walgrind fixture serve' get WALGRIND_CONTROL and WALGRIND_TOKEN to ask for resets "
     "with, WALGRIND_DATA, and WALGRIND_URL with --server.\n\n"
     "WALGRIND_SANDBOX says where databases are cloned to; without it a tmpfs with enough room is "
     "taken, else TMPDIR. XDG_CACHE_HOME holds the templates. NO_COLOR turns colours off."},
    {"faults", "what --fault=SPEC and --chaos=SEED do",
     "Both act in the probe, on files of databases, in the command, the server, the tests and "
     "whatever they start. The variables WALGRIND_FAULT (specifications separated by ';') and "
     "WALGRIND_CHAOS (the seed) carry them, and do the same as the options.\n\n"
     "A specification is KIND, or KIND:KEY=VALUE,KEY=VALUE and so on. KIND is what a call fails "
     "with, or short, which lets it transfer a part only:" FAULT_KINDS ".\n\n"
     "A call is made to fail when all keys fit. call= names a function or a type of record of "
     "'walgrind trace'; without it, it is what usually fails so. role= is any but the first of:" FILE_ROLES
     ". database= and program= are parts of a path. nth=N strikes the N-th such call of each "
     "process and no other, from=N that and all that follow. after=BYTES strikes once the process "
     "has written so much, and cuts the write that goes over (100, 64K, 2M). bytes=N is how much "
     "'short' transfers.\n\n"
     "Functions that can be made to fail:" FAULT_CALLS ".\n\n"
     "Chaos delays calls before locks, opens, mappings of the -shm, writes to the database (a "
     "checkpoint, in WAL mode), syncs, truncations and unlinks, by up to 16 ms. The delays follow "
     "from the seed, the process's place in the tree of processes and the number of its calls "
     "alone, so a program with one thread meets the same ones again.\n\n"
     "Each fault and delay is in the record: 'walgrind trace'. What was injected is never a "
     "finding."},
    {"exit-codes", "what the exit code says",
     "0: passed, nothing was found.\n"
     "1: tests failed, or something was found.\n"
     "2: the call was wrong, or nothing was selected.\n"
     "3: the harness could not do its work; nothing is known about the tests."},
    {0},
};
