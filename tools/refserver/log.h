/* SPDX-License-Identifier: MIT
 *
 * The server's log and its counters: one JSON object per line.
 *
 * Events: "request" (info), "sqlite" (error; warn for SQLITE_BUSY), "sqlite-log" (what SQLite
 * itself reports through SQLITE_CONFIG_LOG), "message", and "totals" at the end. Each line is
 * written with one write(2) to a descriptor in append mode.
 *
 * A line about SQLite names the test that caused it when the request carried X-Walgrind-Test; the
 * name travels in a thread-specific value because SQLite's log callback has no other context.
 *
 * Locking: `mutex` guards the descriptor and the table of error names; the counters of requests and
 * statements are relaxed atomics, read only for reports.
 */
#ifndef WG_REFSERVER_LOG_H
#define WG_REFSERVER_LOG_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define WG_ERROR_NAMES_MAX 64

struct wg_log {
    int fd;
    pthread_mutex_t mutex;
    pthread_key_t test_key;
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t statements;
    struct {
        const char *name;
        uint64_t count;
    } errors[WG_ERROR_NAMES_MAX];
};

/* `path` is a file to append to, or "-" or NULL for standard error. 0, or -1 with errno set. */
int wg_log_init(struct wg_log *log, const char *path);
void wg_log_finish(struct wg_log *log);

/* The test that the calling thread works for (borrowed until replaced); NULL for none. */
void wg_log_set_test(struct wg_log *log, const char *test);

/* Adds ts, level, event (and test) to `fields`, writes the line, and takes over `fields`. */
void wg_log_line(struct wg_log *log, const char *level, const char *event, json_t *fields);
void wg_log_message(struct wg_log *log, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One SQLite problem; `sql` may be NULL. */
void wg_log_sqlite(struct wg_log *log, int code, int system_errno, const char *db,
                   const char *message, const char *sql);
/* For sqlite3_config(SQLITE_CONFIG_LOG, ...). */
void wg_log_sqlite_callback(void *log, int code, const char *message);

/* {"requests","statements","sqlite_errors"}, a new reference. */
json_t *wg_log_totals(struct wg_log *log);
/* Symbolic name of a (possibly extended) SQLite result code, never NULL. */
const char *wg_sqlite_code_name(int code);

#endif
