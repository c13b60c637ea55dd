/* SPDX-License-Identifier: MIT
 *
 * thread-lock: the initialisation of each request runs under a lock of its database, so one thread
 * of the process at a time.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    pthread_mutex_t *lock = &db->lender->each[db->name];
    pthread_mutex_lock(lock);
    struct wg_conn *conn = wg_manager_open(db, fail);
    pthread_mutex_unlock(lock);
    return conn;
}

const struct wg_strategy wg_strategy_thread_lock = {
    .name = "thread-lock",
    .help = "per-request, initialising under one mutex per database",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
