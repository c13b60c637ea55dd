/* SPDX-License-Identifier: MIT */
/* db_pool.c - clones that are ready: each is one's own, comes back clean, or is replaced. */
#include "fixtures/db/pool.h"

#include "harness/base/str.h"
#include "harness/sys/tree.h"
#include "suites/unit/db_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(db_pool, .timeout = 60);

struct bench {
    struct place place;
    struct wg_template *tmpl;
    char *directory;
    struct wg_pool *pool;
};

static struct bench bench_create(size_t ready)
{
    struct wg_err err = WG_ERR_INIT;
    struct bench bench = {.place = place_create()};
    bench.tmpl = template_from_sql(&bench.place, "app.db", sample_wal_sql);
    bench.directory = place_path(&bench.place, "pool");
    const struct wg_pool_options options = {.ready = ready};
    cr_assert(eq(int, wg_pool_create(bench.tmpl, bench.directory, &options, &bench.pool, &err), 0),
              "%s", err.message);
    return bench;
}

static void bench_remove(struct bench *bench)
{
    wg_pool_destroy(bench->pool);
    cr_expect(eq(int, access(bench->directory, F_OK), -1), "%s is left", bench->directory);
    wg_template_destroy(bench->tmpl);
    free(bench->directory);
    place_remove(&bench->place);
}

static struct wg_dbset *take(struct bench *bench)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset *set = NULL;
    cr_assert(eq(int, wg_pool_take(bench->pool, 20000, &set, &err), 0), "%s", err.message);
    return set;
}

static void drop(struct bench *bench, struct wg_dbset *set)
{
    struct wg_err err = WG_ERR_INIT;
    cr_expect(eq(int, wg_pool_drop(bench->pool, set, &err), 0), "%s", err.message);
}

/* A process with a connection to the database of the set. */
static struct worker user_of(const struct wg_dbset *set)
{
    char *path = wg_format("%s/app.db", wg_dbset_directory(set));
    struct worker worker = worker_start(path);
    free(path);
    return worker;
}

static void expect_template(const struct bench *bench, struct wg_dbset *set)
{
    char *uri = wg_format("file:%s/app.db?immutable=1", wg_template_path(bench->tmpl));
    char *path = wg_format("%s/app.db", wg_dbset_directory(set));
    char *wanted = dump_database(uri), *have = dump_database(path);
    cr_expect(eq(str, have, wanted));
    free(uri);
    free(path);
    free(wanted);
    free(have);
}

Test(db_pool, clones_are_like_the_template_and_apart)
{
    struct bench bench = bench_create(2);
    struct wg_dbset *sets[4];
    for (size_t i = 0; i < 4; i++)
        sets[i] = take(&bench);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            cr_expect(
                ne(str, (char *)wg_dbset_directory(sets[i]), (char *)wg_dbset_directory(sets[k])));
    struct worker worker = user_of(sets[1]);
    worker_expect(&worker, "sql 0 DELETE FROM pair", "ok");
    worker_stop(&worker);
    expect_sound(sets[0]);
    expect_template(&bench, sets[0]);
    for (size_t i = 0; i < 4; i++)
        drop(&bench, sets[i]);
    bench_remove(&bench);
}

/* Takes sets until the one of that directory comes, and gives it; the others are dropped. */
static struct wg_dbset *take_again(struct bench *bench, const char *directory)
{
    for (int i = 0; i < 20; i++) {
        struct wg_dbset *set = take(bench);
        if (strcmp(wg_dbset_directory(set), directory) == 0)
            return set;
        drop(bench, set);
        poll(NULL, 0, 50); /* the set may be under reset just now */
    }
    return NULL;
}

Test(db_pool, what_is_given_back_comes_again_as_the_template)
{
    struct bench bench = bench_create(1);
    struct wg_dbset *set = take(&bench);
    char *directory = wg_strdup(wg_dbset_directory(set));
    struct worker worker = user_of(set);
    worker_expect(&worker, "sql 0 DELETE FROM pair", "ok");
    wg_pool_give(bench.pool, set);
    set = take_again(&bench, directory);
    cr_assert(set != NULL, "it did not come back");
    worker_stop(&worker);
    expect_template(&bench, set);
    drop(&bench, set);
    free(directory);
    bench_remove(&bench);
}

Test(db_pool, a_set_with_an_open_transaction_does_not_come_back)
{
    struct bench bench = bench_create(1);
    struct wg_dbset *set = take(&bench);
    char *directory = wg_strdup(wg_dbset_directory(set));
    struct worker worker = user_of(set);
    worker_expect(&worker, "sql 0 BEGIN IMMEDIATE", "ok");
    wg_pool_give(bench.pool, set);
    cr_expect(take_again(&bench, directory) == NULL);
    cr_expect(eq(int, access(directory, F_OK), -1), "its directory is left");
    worker_stop(&worker);
    free(directory);
    bench_remove(&bench);
}

Test(db_pool, who_asks_in_vain_is_told)
{
    struct bench bench = bench_create(1);
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset *sets[1000];
    size_t count = 0;
    while (count < 1000 && wg_pool_take(bench.pool, 0, &sets[count], &err) == 0)
        count++;
    cr_expect(eq(int, (int)err.kind, (int)WG_ERR_TIMEOUT), "%s", err.message);
    while (count > 0)
        drop(&bench, sets[--count]);
    bench_remove(&bench);
}

/*
 * The template goes away, and not the pool's directory: a clone that is under way fails for want of
 * a file at whatever step it is, where it would fail with any error of SQLite's in the other case.
 */
Test(db_pool, a_clone_that_cannot_be_made_is_an_error_and_no_wait)
{
    struct bench bench = bench_create(1);
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset *set = take(&bench);
    const char *tree = wg_template_path(bench.tmpl);
    char *away = wg_format("%s-away", tree);
    cr_assert(eq(int, rename(tree, away), 0));
    while (!wg_err_is_set(&err)) { /* what was ready before still comes */
        struct wg_dbset *more = NULL;
        if (wg_pool_take(bench.pool, 20000, &more, &err) == 0)
            wg_dbset_destroy(more);
    }
    cr_expect(strstr(err.message, "No such file") != NULL, "%s", err.message);
    cr_assert(eq(int, rename(away, tree), 0));
    struct wg_dbset *again = NULL; /* an attempt that was under way may fail still */
    for (int i = 0; i < 10 && again == NULL; i++)
        (void)wg_pool_take(bench.pool, 20000, &again, NULL);
    cr_assert(again != NULL, "it does not work again");
    drop(&bench, again);
    drop(&bench, set);
    free(away);
    bench_remove(&bench);
}

Test(db_pool, senseless_options_are_refused)
{
    struct bench bench = bench_create(1);
    struct wg_err err = WG_ERR_INIT;
    struct wg_pool *pool = NULL;
    char *fresh = place_path(&bench.place, "fresh");
    cr_expect(
        eq(int, wg_pool_create(bench.tmpl, fresh, &(struct wg_pool_options){0}, &pool, &err), -1));
    cr_expect(eq(int, (int)err.kind, (int)WG_ERR_USAGE));
    cr_expect(eq(int, access(fresh, F_OK), -1));
    const struct wg_pool_options one = {.ready = 1};
    cr_expect(eq(int, wg_pool_create(bench.tmpl, bench.directory, &one, &pool, NULL), -1),
              "a directory that exists");
    free(fresh);
    bench_remove(&bench);
}
