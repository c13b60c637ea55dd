/* SPDX-License-Identifier: MIT
 *
 * flock-nonblocking: a mutex and a file lock that is polled instead of waited for, taken in the
 * order that each caller happened to have: the manager of the metadata locks its mutex, then the
 * file; those of sessions and locks the file, then the mutex. Two requests that meet there wait
 * for each other; the deadline turns that into an error instead of a hang.
 */
#include "tools/refserver/strategy/strategy.h"

#include <time.h>

enum { DEADLINE_MS = 100 };

/* 0, or -1 when the deadline passed. */
static int take_mutex(pthread_mutex_t *mutex)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += DEADLINE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until) == 0 ? 0 : -1;
}

static struct wg_conn *give_up(struct wg_db *db, struct wg_fail *fail, const char *held,
                               const char *wanted)
{
    wg_fail_set(fail, 0, "deadlock: waited %d ms for %s of %s while holding %s", DEADLINE_MS,
                wanted, db->kind->name, held);
    wg_log_message(db->log, "error", "%s", fail->message);
    return NULL;
}

static struct wg_conn *mutex_then_file(struct wg_db *db, int fd, struct wg_fail *fail)
{
    struct wg_conn *conn;
    pthread_mutex_lock(&db->lender->process);
    if (wg_lock_file_take(fd, DEADLINE_MS) < 0)
        conn = give_up(db, fail, "the mutex", "the lock file");
    else
        conn = wg_manager_open(db, fail);
    pthread_mutex_unlock(&db->lender->process);
    return conn;
}

static struct wg_conn *file_then_mutex(struct wg_db *db, int fd, struct wg_fail *fail)
{
    if (wg_lock_file_take(fd, DEADLINE_MS) < 0)
        return give_up(db, fail, "nothing", "the lock file");
    if (take_mutex(&db->lender->process) < 0)
        return give_up(db, fail, "the lock file", "the mutex");
    struct wg_conn *conn = wg_manager_open(db, fail);
    pthread_mutex_unlock(&db->lender->process);
    return conn;
}

static struct wg_conn *borrow(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_conn *conn = NULL;
    int fd = wg_lock_file_open(db->lender->lock_path, fail);
    if (fd >= 0)
        conn = db->name == WG_DB_METADATA ? mutex_then_file(db, fd, fail)
                                          : file_then_mutex(db, fd, fail);
    wg_lock_file_close(fd);
    return conn;
}

const struct wg_strategy wg_strategy_flock_nonblocking = {
    .name = "flock-nonblocking",
    .help = "mutex and polled flock(2) in two orders, which deadlock",
    .borrow = borrow,
    .give_back = wg_manager_close,
};
