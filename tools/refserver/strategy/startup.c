/* SPDX-License-Identifier: MIT
 *
 * startup: all databases are initialised before the first request; a request then only opens and
 * closes.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    return wg_conn_open(db, false, fail);
}

const struct wg_strategy wg_strategy_startup = {
    .name = "startup",
    .help = "ready before the first request; each request opens and closes",
    .ready_first = true,
    .borrow = borrow,
    .give_back = wg_manager_close,
};
