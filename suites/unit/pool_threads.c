/* SPDX-License-Identifier: MIT */
/*
 * pool_threads.c - many threads at one pool never share a set. A program of its own, without
 * Criterion, so that ThreadSanitizer can look at it.
 */
#include "fixtures/db/pool.h"
#include "harness/base/str.h"
#include "harness/sys/tree.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CROWD  8
#define ROUNDS 100
#define READY  3

static const char *take_and_give(struct wg_pool *pool)
{
    struct wg_dbset *set = NULL;
    if (wg_pool_take(pool, 20000, &set, NULL) != 0)
        return "no set came";
    char *mark = wg_format("%s/in-use", wg_dbset_directory(set));
    bool alone = symlink("x", mark) == 0;
    unlink(mark);
    free(mark);
    wg_pool_give(pool, set);
    return alone ? NULL : "a set was shared";
}

struct member {
    pthread_t thread;
    struct wg_pool *pool;
    const char *problem;
};

static void *work(void *object)
{
    struct member *member = object;
    for (int i = 0; i < ROUNDS && member->problem == NULL; i++)
        member->problem = take_and_give(member->pool);
    return NULL;
}

static int run_crowd(struct wg_pool *pool)
{
    struct member crowd[CROWD];
    int failed = 0;
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct member){.pool = pool};
        if (pthread_create(&crowd[i].thread, NULL, work, &crowd[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        if (crowd[i].problem != NULL)
            printf("FAIL thread %zu: %s\n", i, crowd[i].problem);
        failed += crowd[i].problem != NULL;
    }
    return failed;
}

int main(void)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_template *tmpl = NULL;
    struct wg_pool *pool = NULL;
    char root[PATH_MAX], place[PATH_MAX];
    char shell[] = "sh", option[] = "-c", data[] = "{data}";
    char script[] = "sqlite3 \"$0/a.db\" 'PRAGMA journal_mode=WAL; CREATE TABLE t(a)'";
    char *command[] = {shell, option, script, data, NULL};
    int failed = 1;
    if (wg_sandbox_root(1 << 20, root, sizeof root, NULL, &err) != 0 ||
        wg_sandbox_create(root, "pool", place, sizeof place, &err) != 0) {
        printf("FAIL %s\n", err.message);
        return 1;
    }
    char *directory = wg_format("%s/pool", place);
    const struct wg_template_spec spec = {.name = "pool", .command = command, .cache_dir = place};
    const struct wg_pool_options options = {.ready = READY};
    if (wg_template_get(&spec, &tmpl, &err) == 0 &&
        wg_pool_create(tmpl, directory, &options, &pool, &err) == 0)
        failed = run_crowd(pool);
    else
        printf("FAIL %s\n", err.message);
    wg_pool_destroy(pool);
    wg_template_destroy(tmpl);
    (void)wg_tree_remove(place, NULL);
    free(directory);
    return failed > 0;
}
