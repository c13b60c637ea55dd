/* SPDX-License-Identifier: MIT
 *
 * async-lock: one executor for everything that touches a database; requests queue for it. The
 * thread of a request holds the process lock from its first connection to its last.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_lender *lender = db->lender;
    pthread_mutex_lock(&lender->process);
    struct wg_conn *conn = wg_manager_open(db, fail);
    if (conn == NULL)
        pthread_mutex_unlock(&lender->process);
    return conn;
}

static void give_back(struct wg_conn *conn)
{
    struct wg_lender *lender = conn->db->lender;
    wg_manager_close(conn);
    pthread_mutex_unlock(&lender->process);
}

const struct wg_strategy wg_strategy_async_lock = {
    .name = "async-lock",
    .help = "per-request, but one request at a time uses databases",
    .borrow = borrow,
    .give_back = give_back,
};
