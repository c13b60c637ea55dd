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
#include <stdint.h>
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

static void *crowd_member(void *object)
{
    const char *problem = NULL;
    for (int i = 0; i < ROUNDS && problem == NULL; i++)
        problem = take_and_give(object);
    return (void *)(uintptr_t)problem;
}

static int run_crowd(struct wg_pool *pool)
{
    pthread_t threads[CROWD];
    int failed = 0;
    for (size_t i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], NULL, crowd_member, pool) != 0)
            abort();
    for (size_t i = 0; i < CROWD; i++) {
        void *problem = NULL;
        pthread_join(threads[i], &problem);
        if (problem != NULL)
            printf("FAIL thread %zu: %s\n", i, (const char *)problem);
        failed += problem != NULL;
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
