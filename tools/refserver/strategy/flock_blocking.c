/* SPDX-License-Identifier: MIT
 *
 * flock-blocking: the initialisation of each request runs under flock(2) on a file beside the
 * database, so in one process of the machine at a time.
 */
#include "tools/refserver/strategy/strategy.h"

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_conn *conn = NULL;
    int fd = wg_lock_file_open(db->lock_path, fail);
    if (fd >= 0 && wg_lock_file_take(fd, 0) == 0)
        conn = wg_manager_open(db, fail);
    wg_lock_file_close(fd);
    return conn;
}

const struct wg_strategy wg_strategy_flock_blocking = {
    .name = "flock-blocking",
    .help = "per-request, initialising under flock(2), waiting",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
