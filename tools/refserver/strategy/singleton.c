/* SPDX-License-Identifier: MIT
 *
 * singleton: one manager of the metadata for the whole process, initialised once and kept;
 * sessions and locks still make one per request.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_lender *lender = db->lender;
    if (db->name != WG_DB_METADATA)
        return wg_manager_open(db, fail);
    pthread_mutex_lock(&lender->each[db->name]);
    struct wg_conn *conn = NULL;
    if (!lender->done[db->name]) {
        conn = wg_manager_open(db, fail);
        lender->done[db->name] = conn != NULL;
    } else {
        conn = wg_pool_take(db, fail);
    }
    pthread_mutex_unlock(&lender->each[db->name]);
    return conn;
}

static void give_back(struct wg_conn *conn)
{
    if (conn->db->name == WG_DB_METADATA)
        wg_pool_put(conn);
    else
        wg_manager_close(conn);
}

const struct wg_strategy wg_strategy_singleton = {
    .name = "singleton",
    .help = "one manager for metadata; sessions and locks per request",
    .borrow = borrow,
    .give_back = give_back,
};
