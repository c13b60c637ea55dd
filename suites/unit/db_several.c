/* SPDX-License-Identifier: MIT */
/*
 * Several databases of one set, and one of them cannot be written: none is changed. No disk is full
 * here; a limit on the size of files refuses to the largest database what it needs to grow back.
 */
#include "suites/unit/db_stage.h"

#include "fixtures/db/family.h"
#include "fixtures/db/super_journal.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DATABASES 3
#define LARGE     1 /* in the middle: the first is prepared before it, the last after it */
#define FILE_MAX  ((rlim_t)256 << 10)

static const char *const paths[DATABASES] = {"a.db", "b.db", "c.db"};

/* Rows of 1 KB: both are more than the limit; the first fits into SQLite's cache, where pages wait
 * for the commit, the second does not. */
static const int sizes[] = {400, 4000};

static char *grow_sql(int rows)
{
    return wg_format(
        "CREATE TABLE large(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n WHERE i < %d) INSERT INTO large SELECT randomblob(1000) FROM n;",
        rows);
}

struct trio {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    char *files[DATABASES];
    struct worker workers[DATABASES];
};

static struct trio trio_open(const char *large_strategy, const char *large_sql, int rows)
{
    struct trio trio = {.place = place_create()};
    struct wg_err err = WG_ERR_INIT;
    char *sql_files[DATABASES + 1] = {NULL};
    char *grow = grow_sql(rows);
    char *large = wg_format("%s%s", large_sql, grow);
    place_write(&trio.place, "a.db.sql", sample_wal_sql);
    place_write(&trio.place, "b.db.sql", large);
    place_write(&trio.place, "c.db.sql", sample_wal_sql);
    for (size_t i = 0; i < DATABASES; i++)
        sql_files[i] = wg_format("%s=%s/%s.sql", paths[i], trio.place.root, paths[i]);
    char *cache = place_path(&trio.place, "cache");
    char *directory = place_path(&trio.place, "clone");
    struct wg_template_spec spec = {.name = "trio", .sql_files = sql_files, .cache_dir = cache};
    struct wg_dbset_choice choices[] = {
        {"a.db", "backup"}, {"b.db", large_strategy}, {"c.db", "discard"}};
    struct wg_dbset_options options = {.choices = choices, .choice_count = DATABASES};
    cr_assert(eq(int, wg_template_get(&spec, &trio.tmpl, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_dbset_clone(trio.tmpl, directory, &options, &trio.set, &err), 0), "%s",
              err.message);
    for (size_t i = 0; i < DATABASES; i++) {
        trio.files[i] = wg_format("%s/%s", wg_dbset_directory(trio.set), paths[i]);
        trio.workers[i] = worker_start(trio.files[i]);
        free(sql_files[i]);
    }
    free(grow);
    free(large);
    free(cache);
    free(directory);
    return trio;
}

static void trio_close(struct trio *trio)
{
    for (size_t i = 0; i < DATABASES; i++) {
        worker_stop(&trio->workers[i]);
        free(trio->files[i]);
    }
    wg_dbset_destroy(trio->set);
    wg_template_destroy(trio->tmpl);
    place_remove(&trio->place);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    cr_assert(eq(int, sigaction(SIGXFSZ, &ignore, NULL), 0)); /* the call fails with EFBIG */
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
}

static void expect_rows(struct trio *trio, const char *counts)
{
    for (size_t i = 0; i < DATABASES; i++)
        worker_expect(&trio->workers[i],
                      "sql 1 SELECT count(*), (SELECT count(*) FROM person) FROM note", counts);
}

static void check_failure(const char *strategy, const char *sql, int rows)
{
    bool stopped = strcmp(strategy, "reclone") == 0;
    struct trio trio = trio_open(strategy, sql, rows);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    for (size_t i = 0; i < DATABASES; i++)
        worker_expect(&trio.workers[i], "sql 0 DELETE FROM note WHERE id > 50", "ok");
    worker_expect(&trio.workers[LARGE], "sql 0 DROP TABLE large", "ok");
    worker_expect(&trio.workers[LARGE], "sql 0 VACUUM", "ok");
    if (stopped)
        worker_stop(&trio.workers[LARGE]);
    limit_files(FILE_MAX);
    int rc = wg_dbset_reset(trio.set, 0, &report, &err);
    limit_files(RLIM_INFINITY);
    if (stopped)
        trio.workers[LARGE] = worker_start(trio.files[LARGE]);
    cr_assert(eq(int, rc, -1), "%s", strategy);
    cr_expect(strstr(err.message, "reset b.db: ") != NULL, "%s: %s", strategy, err.message);
    cr_expect(eq(int, report.databases[0].outcome, WG_RESET_UNTOUCHED), "%s", strategy);
    cr_expect(eq(int, report.databases[1].outcome, WG_RESET_FAILED), "%s", strategy);
    cr_expect(eq(int, report.databases[2].outcome, WG_RESET_UNTOUCHED), "%s", strategy);
    expect_rows(&trio, "ok 50|200");
    expect_sound(trio.set);
    if (stopped)
        worker_stop(&trio.workers[LARGE]);
    (void)reset_now(trio.set); /* there is room again */
    if (stopped)
        trio.workers[LARGE] = worker_start(trio.files[LARGE]);
    expect_rows(&trio, "ok 200|200");
    char *count = wg_format("ok %d", rows);
    worker_expect(&trio.workers[LARGE], "sql 2 SELECT count(*) FROM large", count);
    free(count);
    expect_sound(trio.set);
    trio_close(&trio);
}

Test(db_several, one_that_cannot_be_written_leaves_the_whole_set_unchanged, .timeout = 60)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_failure("backup", sample_rollback_sql, sizes[i]);
        check_failure("backup", sample_wal_sql, sizes[i]);
        check_failure("reclone", sample_rollback_sql, sizes[i]);
    }
}

/* Or nobody would know the file for what it is, if it is left behind. */
Test(db_several, a_super_journal_has_one_of_sqlites_names)
{
    struct place place = place_create();
    char *database = place_path(&place, "x.db");
    for (int i = 0; i < 20; i++) {
        char *super = NULL;
        struct wg_err err = WG_ERR_INIT;
        cr_assert(zero(int, wg_super_journal_create(database, NULL, 0, &super, &err)), "%s",
                  err.message);
        cr_expect(eq(sz, wg_family_super_journal_base(super), strlen(database)), "%s", super);
        free(super);
    }
    free(database);
    place_remove(&place);
}
