/* SPDX-License-Identifier: MIT
 *
 * rlock: one recursive lock of the process around every initialisation, whichever the database.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    pthread_mutex_t *lock = &db->lender->process;
    pthread_mutex_lock(lock);
    struct wg_conn *conn = wg_manager_open(db, fail);
    pthread_mutex_unlock(lock);
    return conn;
}

const struct wg_strategy wg_strategy_rlock = {
    .name = "rlock",
    .help = "per-request, initialising under one recursive mutex",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
