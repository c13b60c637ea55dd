/* SPDX-License-Identifier: MIT */
/*
 * sql.h - the connections of a trace, and the detectors that look at what they were told.
 *
 * A fold over the records in order of time (wg_sql_see). It keeps what is known of each connection:
 * its settings, whether a transaction is open and which call began it, which statements have given
 * rows and not ended. Two things make it more than a function of one record:
 *
 *  - A call that waited is recorded at its beginning. What it waited for is judged at its end, when
 *    all that others did meanwhile has been seen.
 *  - A program that tries again did everything right. What SQLite refused is therefore kept until
 * the end of the trace, and is nothing when the same SQL then succeeded on the same database in
 * that process.
 *
 * The rows of these detectors in detector.c have no function; sql_rules.c finds them by id.
 */
#ifndef WG_HARNESS_DIAG_SQL_H
#define WG_HARNESS_DIAG_SQL_H

#include "harness/trace/trace.h"

#include <stdbool.h>

#define WG_SQL_RUNNING 8 /* statements of a connection that are followed */

/* How a connection keeps others out. */
enum wg_sql_locking { WG_SQL_LOCKING_POSIX, WG_SQL_LOCKING_DOTFILE, WG_SQL_LOCKING_NONE };

struct wg_sql_session {
    const struct wg_trace_process *process;
    uint64_t address; /* sqlite3 * */
    struct wg_trace_event opened;
    const char *database; /* path; "" in memory or unknown */
    uint64_t dev, ino;    /* the file that it opened there; 0 unknown */
    enum wg_sql_locking locking;
    bool nolock, immutable;
    bool told;          /* of a problem of its opening */
    int64_t timeout_ms; /* -1: a handler of the program's */
    bool in_transaction;
    bool has_read, has_written; /* in that transaction */
    struct wg_trace_event begun;
    uint64_t running[WG_SQL_RUNNING];
    size_t running_count;
    struct wg_trace_event reading; /* the first step of the first of them */
    int64_t last_ns;               /* when its last call returned */
    int64_t last_run_ns;           /* when its last statement ran that worked; 0: none */
};

/* A detector has found something: the wrong call, and the database that it hurts. */
typedef void wg_sql_report(void *context, const char *id, const struct wg_trace_event *event,
                           const char *database);

struct wg_sql_fold;

struct wg_sql_fold *wg_sql_fold_create(wg_sql_report *report, void *context);
void wg_sql_fold_see(struct wg_sql_fold *fold, const struct wg_trace_event *event);
/* The trace has ended: what was kept is reported. NULL is fine. */
void wg_sql_fold_destroy(struct wg_sql_fold *fold);

/* --- sql.c, for sql_rules.c --- */
struct wg_sql_sessions {
    struct wg_sql_session *items;
    size_t count;
};
struct wg_sql_session *wg_sql_session_find(const struct wg_sql_sessions *sessions,
                                           const struct wg_trace_process *process,
                                           uint64_t address);
/* What the event changes in what is known. */
void wg_sql_sessions_follow(struct wg_sql_sessions *sessions, const struct wg_trace_event *event);

/* --- cookie.c, for sql_rules.c --- */
struct wg_cookies;
struct wg_cookies *wg_cookies_create(void);
void wg_cookies_destroy(struct wg_cookies *cookies);
void wg_cookies_see(struct wg_cookies *cookies, const struct wg_trace_event *event);
/* The write that set the schema cookie back, when it now is what it was at `known_ns` though it was
 * another one in between; else NULL. */
const struct wg_trace_event *wg_cookies_misled(const struct wg_cookies *cookies,
                                               const char *database, int64_t known_ns);

/* --- copy.c, for sql_rules.c --- */
struct wg_copies;
struct wg_copies *wg_copies_create(void);
void wg_copies_destroy(struct wg_copies *copies);
/* The file that a COPY record read from. */
const char *wg_copy_source(const struct wg_trace_event *event);
/* A copy was made. `wal_ns`: the last commit to the WAL that it lacks, 0 when it lacks none. */
void wg_copies_see(struct wg_copies *copies, const struct wg_trace_event *event, int64_t wal_ns);
/* Is the file at that path a copy that lacks its WAL? Gives it back and forgets it. */
bool wg_copies_take(struct wg_copies *copies, const char *path, struct wg_trace_event *ret_copy);

/* --- sql.c again --- */
/* The SQL begins with the word; or holds it, in any case of letters. */
bool wg_sql_begins(const char *sql, const char *word);
bool wg_sql_holds(const char *sql, const char *word);

#endif
