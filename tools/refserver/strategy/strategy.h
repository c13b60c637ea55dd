/* SPDX-License-Identifier: MIT
 *
 * How the server gets its databases ready (--init STRATEGY): who sets WAL mode and creates the
 * tables, when, how often and under which lock.
 *
 * A web application usually has a "database manager" that every request makes anew: it opens the
 * file, runs PRAGMA journal_mode=WAL and CREATE TABLE IF NOT EXISTS, does its work and closes. When
 * its tests begin to fail with I/O errors, that is where people look first, and one lock, retry
 * and singleton after the other is put around it. Each of these is a row here, faithful enough to
 * be measured against the others; `reference` is how the server works when nobody asks for any.
 *
 * A strategy lends connections to requests and takes them back. It may keep what it needs in the
 * one struct wg_lender that all databases of the server share. To add one: a file with a const
 * struct wg_strategy, a row in strategy.c, and the expected column of the lab's table.
 *
 * Locking: `process` is the lock of the whole process, `each` the lock of one database; a strategy
 * that takes both takes `process` first, but for the one whose point is that it does not.
 */
#ifndef WG_REFSERVER_STRATEGY_H
#define WG_REFSERVER_STRATEGY_H

#include "tools/refserver/db.h"

#include <pthread.h>

struct wg_hazards;

struct wg_strategy {
    const char *name;
    const char *help;
    bool ready_first;    /* all databases are complete before the first request */
    bool contract;       /* journal modes as the contract has them; else WAL everywhere */
    bool locks_delete;   /* but the locks database stays in DELETE mode */
    const char *journal; /* asked for instead of WAL; NULL: WAL */
    int busy_ms;         /* 0: as the contract has it */
    int save_attempts;   /* how often a failing save is tried; 0 and 1 are the same */
    struct wg_conn *(*borrow)(struct wg_db *db, struct wg_fail *fail);
    void (*give_back)(struct wg_conn *conn);
};

struct wg_lender {
    const struct wg_strategy *strategy;
    struct wg_hazards *hazards;
    pthread_mutex_t process; /* recursive */
    pthread_mutex_t each[WG_DB_COUNT];
    bool done[WG_DB_COUNT]; /* initialised once; guarded by `each` */
    char *lock_path;        /* the one lock file of flock-nonblocking */
};

/* Row of that name, or NULL. */
const struct wg_strategy *wg_strategy_find(const char *name);
void wg_strategy_print_all(void);
/* `directory` is that of the databases. */
void wg_lender_init(struct wg_lender *lender, const struct wg_strategy *strategy,
                    const char *directory, struct wg_hazards *hazards);
void wg_lender_finish(struct wg_lender *lender);
/* Journal mode that the strategy asks for, as the word behind PRAGMA journal_mode=. */
const char *wg_lender_journal(const struct wg_lender *lender, const struct wg_db_kind *kind);
int wg_lender_busy_ms(const struct wg_lender *lender, const struct wg_db_kind *kind);

extern const struct wg_strategy wg_strategy_reference, wg_strategy_per_request,
    wg_strategy_central_once, wg_strategy_thread_lock, wg_strategy_flock_blocking,
    wg_strategy_flock_nonblocking, wg_strategy_rlock, wg_strategy_singleton, wg_strategy_startup,
    wg_strategy_pool, wg_strategy_async_lock, wg_strategy_busy_timeout,
    wg_strategy_process_lock_file, wg_strategy_selective_retry, wg_strategy_wal2,
    wg_strategy_delete_mode;

/* What the rows are made of. */

/* A new connection on which the database is set up as the naive manager does it: journal mode,
 * then every CREATE ... IF NOT EXISTS (schema.h has the two halves). NULL on failure. */
struct wg_conn *wg_manager_open(struct wg_db *db, struct wg_fail *fail);
/* Ends the manager of one request: closes the connection, unless a hazard keeps it. */
void wg_manager_close(struct wg_conn *conn);

/* Opens the lock file. -1 with the failure set. */
int wg_lock_file_open(const char *path, struct wg_fail *fail);
/* Waits for the file lock, for ever or (wait_ms > 0) that long, polling. 0, or -1. */
int wg_lock_file_take(int fd, int wait_ms);
/* Also gives the lock back. */
void wg_lock_file_close(int fd);

#endif
