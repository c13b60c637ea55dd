/* SPDX-License-Identifier: MIT
 *
 * central-once: a module sets WAL mode once per database of the process, under a lock of that
 * database and with retries that wait longer each time; requests open and create tables as before,
 * but leave the mode alone.
 */
#include "tools/refserver/schema.h"
#include "tools/refserver/strategy/strategy.h"

#include <poll.h>

enum { ATTEMPTS = 3, FIRST_PAUSE_MS = 100 };

static int set_journal_with_retries(struct wg_db *db, struct wg_fail *fail)
{
    for (int attempt = 1;; attempt++) {
        struct wg_fail this_time = {0};
        struct wg_conn *conn = wg_conn_open(db, true, &this_time);
        int rc = conn != NULL ? wg_schema_set_journal(conn) : -1;
        wg_manager_close(conn);
        if (rc == 0)
            return 0;
        if (attempt == ATTEMPTS) {
            *fail = this_time;
            return -1;
        }
        poll(NULL, 0, FIRST_PAUSE_MS << attempt);
    }
}

static int set_journal_once(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_lender *lender = db->lender;
    pthread_mutex_lock(&lender->each[db->name]);
    int rc = lender->done[db->name] ? 0 : set_journal_with_retries(db, fail);
    if (rc == 0)
        lender->done[db->name] = true;
    pthread_mutex_unlock(&lender->each[db->name]);
    return rc;
}

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    if (set_journal_once(db, fail) < 0)
        return NULL;
    struct wg_conn *conn = wg_conn_open(db, true, fail);
    if (conn != NULL && wg_schema_create_each(conn) < 0) {
        wg_manager_close(conn);
        return NULL;
    }
    return conn;
}

const struct wg_strategy wg_strategy_central_once = {
    .name = "central-once",
    .help = "WAL is set once per database, with retries and a lock",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
