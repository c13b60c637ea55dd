/* SPDX-License-Identifier: MIT */
#include "tools/refserver/strategy/strategy.h"

#include "tools/refserver/hazard/hazard.h"
#include "tools/refserver/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const struct wg_strategy *const strategies[] = {
    &wg_strategy_reference,
    &wg_strategy_per_request,
    &wg_strategy_central_once,
    &wg_strategy_thread_lock,
    &wg_strategy_flock_blocking,
    &wg_strategy_flock_nonblocking,
    &wg_strategy_rlock,
    &wg_strategy_singleton,
    &wg_strategy_startup,
    &wg_strategy_pool,
    &wg_strategy_async_lock,
    &wg_strategy_busy_timeout,
    &wg_strategy_process_lock_file,
    &wg_strategy_selective_retry,
    &wg_strategy_wal2,
    &wg_strategy_delete_mode,
};
#define STRATEGIES (sizeof strategies / sizeof *strategies)

const struct wg_strategy *wg_strategy_find(const char *name)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    return NULL;
}

void wg_strategy_print_all(void)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        printf("  %-22s %s\n", strategies[i]->name, strategies[i]->help);
}

void wg_lender_init(struct wg_lender *lender, const struct wg_strategy *strategy,
                    const char *directory, struct wg_hazards *hazards)
{
    pthread_mutexattr_t recursive;
    struct wg_buf path = {0};
    *lender = (struct wg_lender){.strategy = strategy, .hazards = hazards};
    wg_buf_addf(&path, "%s/init.lock", directory);
    lender->lock_path = path.data;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lender->process, &recursive);
    pthread_mutexattr_destroy(&recursive);
    for (int i = 0; i < WG_DB_COUNT; i++)
        pthread_mutex_init(&lender->each[i], NULL);
}

void wg_lender_finish(struct wg_lender *lender)
{
    for (int i = 0; i < WG_DB_COUNT; i++)
        pthread_mutex_destroy(&lender->each[i]);
    pthread_mutex_destroy(&lender->process);
    free(lender->lock_path);
}

const char *wg_lender_journal(const struct wg_lender *lender, const struct wg_db_kind *kind)
{
    const struct wg_strategy *strategy = lender->strategy;
    if (strategy->contract || (strategy->locks_delete && kind == &wg_db_kinds[WG_DB_LOCKS]))
        return kind->journal;
    return strategy->journal != NULL ? strategy->journal : "wal";
}

int wg_lender_busy_ms(const struct wg_lender *lender, const struct wg_db_kind *kind)
{
    return lender->strategy->busy_ms > 0 ? lender->strategy->busy_ms : kind->busy_ms;
}

struct wg_conn *wg_manager_open(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_conn *conn = wg_conn_open(db, true, fail);
    if (conn == NULL)
        return NULL;
    if (wg_schema_set_journal(conn) < 0 || wg_schema_create_each(conn) < 0) {
        wg_manager_close(conn);
        return NULL;
    }
    return conn;
}

void wg_manager_close(struct wg_conn *conn)
{
    if (conn != NULL && !wg_hazards_keep(conn->db->lender->hazards, conn))
        wg_conn_close(conn);
}

int wg_lock_file_open(const char *path, struct wg_fail *fail)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        wg_fail_set(fail, 0, "cannot open lock file %s: %s", path, strerror(errno));
    return fd;
}

int wg_lock_file_take(int fd, int wait_ms)
{
    int64_t end = wg_clock_ms() + wait_ms;
    while (flock(fd, wait_ms > 0 ? LOCK_EX | LOCK_NB : LOCK_EX) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (wait_ms > 0 && wg_clock_ms() >= end)
            return -1;
        if (wait_ms > 0)
            poll(NULL, 0, 10);
    }
    return 0;
}

void wg_lock_file_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
