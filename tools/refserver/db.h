/* SPDX-License-Identifier: MIT
 *
 * Databases: one pool of connections per file, statements cached per connection.
 *
 * A request borrows a connection of a database when it first needs one and gives it back when it
 * ends, so a connection is used by one thread at a time and is opened without SQLite's own mutex.
 * Nothing of the content is remembered between requests: whoever changes a database from outside is
 * seen by the next statement.
 *
 * Every failing call is logged once, here, with extended code and errno, and copied into the
 * failure record of the request. A connection that met an I/O error or corruption is closed instead
 * of being given back. Connections are opened without SQLITE_OPEN_CREATE once the server serves: a
 * database that has vanished is an error, never silently an empty one.
 *
 * Statements are looked up by the address of their text, so texts must be string literals. One
 * statement of a connection cannot be run inside a loop over its own rows.
 *
 * Locking: `mutex` of a pool guards its list of idle connections.
 */
#ifndef WG_REFSERVER_DB_H
#define WG_REFSERVER_DB_H

#include "tools/refserver/log.h"
#include "tools/refserver/util.h"

#include <sqlite3.h>

enum wg_db_name { WG_DB_METADATA, WG_DB_SESSIONS, WG_DB_LOCKS, WG_DB_COUNT };

#define WG_STATEMENTS_MAX 96

struct wg_db_kind {
    const char *name;
    const char *file;
    const char *journal;
    int busy_ms;
    bool foreign_keys;
};
extern const struct wg_db_kind wg_db_kinds[WG_DB_COUNT];

struct wg_lender;

struct wg_db {
    enum wg_db_name name;
    const struct wg_db_kind *kind;
    struct wg_lender *lender;
    struct wg_log *log;
    char *path;
    char *lock_path; /* for strategies that lock a file beside the database */
    pthread_mutex_t mutex;
    struct wg_conn *idle;
};

struct wg_conn {
    sqlite3 *handle;
    struct wg_db *db;
    struct wg_conn *next;
    struct wg_fail *fail;
    bool broken;
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } cache[WG_STATEMENTS_MAX];
    size_t cached;
};

void wg_db_init(struct wg_db *db, enum wg_db_name name, const char *directory,
                struct wg_lender *lender, struct wg_log *log);
/* Closes the idle connections; all borrowed ones must have come back. */
void wg_db_finish(struct wg_db *db);
/* Closes connections that nobody uses right now; the next borrower opens a new one. */
void wg_db_close_idle(struct wg_db *db);

/* A connection that belongs to nobody's pool yet; `create` allows a new file. NULL on failure. */
struct wg_conn *wg_conn_open(struct wg_db *db, bool create, struct wg_fail *fail);
void wg_conn_close(struct wg_conn *conn);
/* A connection for one request, as the strategy lends it (strategy/strategy.h). NULL on failure,
 * with `fail` set. `fail` must outlive the loan. */
struct wg_conn *wg_conn_borrow(struct wg_db *db, struct wg_fail *fail);
/* Gives it back; an open transaction is rolled back. NULL is fine. */
void wg_conn_give_back(struct wg_conn *conn);
/* What most strategies lend: an idle connection or a new one. */
struct wg_conn *wg_pool_take(struct wg_db *db, struct wg_fail *fail);
void wg_pool_put(struct wg_conn *conn);

/*
 * Prepares `sql` and binds the arguments that `types` describes, one letter each: s text (NULL
 * binds NULL), i int64_t, f double. Rows are then fetched with wg_stmt_step; wg_stmt_end is needed
 * only when leaving before the end. NULL on failure.
 */
sqlite3_stmt *wg_stmt_start(struct wg_conn *conn, const char *sql, const char *types, ...);
/* 1 a row, 0 the end, -1 a failure. */
int wg_stmt_step(struct wg_conn *conn, sqlite3_stmt *statement);
void wg_stmt_end(sqlite3_stmt *statement);
/* Runs a statement to its end. Number of changed rows, or -1. */
int wg_stmt_run(struct wg_conn *conn, const char *sql, const char *types, ...);
/* First column of the first row as integer into `ret`. 1 found, 0 no row, -1 failure. */
int wg_stmt_int(struct wg_conn *conn, int64_t *ret, const char *sql, const char *types, ...);
/* Several statements, uncached; for schemas. */
int wg_conn_script(struct wg_conn *conn, const char *sql);

int wg_conn_begin(struct wg_conn *conn); /* BEGIN IMMEDIATE */
int wg_conn_commit(struct wg_conn *conn);
void wg_conn_rollback(struct wg_conn *conn);

#endif
