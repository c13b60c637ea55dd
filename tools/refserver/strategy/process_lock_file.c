/* SPDX-License-Identifier: MIT
 *
 * process-lock-file: whoever first gets the lock file initialises the database and leaves a mark;
 * all other requests and processes find the mark and only open.
 */
#include "tools/refserver/strategy/strategy.h"

#include <string.h>
#include <unistd.h>

#define MARK "initialised\n"

static bool is_marked(int fd)
{
    char first;
    return pread(fd, &first, 1, 0) == 1;
}

static struct wg_conn *initialise(struct wg_db *db, int fd, struct wg_fail *fail)
{
    struct wg_conn *conn = wg_manager_open(db, fail);
    if (conn == NULL)
        return NULL;
    if (pwrite(fd, MARK, strlen(MARK), 0) != (ssize_t)strlen(MARK))
        wg_log_message(db->log, "warn", "cannot mark %s as initialised", db->path);
    return conn;
}

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_conn *conn = NULL;
    int fd = wg_lock_file_open(db->lock_path, fail);
    if (fd < 0)
        return NULL;
    if (!is_marked(fd) && wg_lock_file_take(fd, 0) == 0 && !is_marked(fd))
        conn = initialise(db, fd, fail);
    else
        conn = wg_conn_open(db, false, fail);
    wg_lock_file_close(fd);
    return conn;
}

const struct wg_strategy wg_strategy_process_lock_file = {
    .name = "process-lock-file",
    .help = "initialised once for all processes, under a lock file",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
