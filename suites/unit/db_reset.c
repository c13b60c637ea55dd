/* SPDX-License-Identifier: MIT */
/*
 * What reset.h promises. The first part runs over every row of the strategy table, so a new row is
 * tested without a line here; the second part is about what only some rows promise.
 */
#include "suites/unit/db_stage.h"

#include "fixtures/db/dbset_private.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- every row of the table ---- */

/* After a change and a reset every connection of the server, busy or idle, sees the template. */
static void check_changes(const struct wg_reset_strategy_info *info, const char *sql)
{
    struct stage stage = stage_open(info->name, sql);
    for (size_t i = 0; i < change_count(); i++) {
        const struct change *change = change_at(i);
        run_change(&stage.worker, (int)(i % 4), change);
        struct wg_reset_report report = reset_now(stage.set);
        cr_assert(eq(int, report.databases[0].outcome,
                     strcmp(change->label, "nothing") == 0 ? WG_RESET_CLEAN : WG_RESET_DONE),
                  "%s with %s: %s", info->name, change->label,
                  wg_reset_outcome_text(report.databases[0].outcome));
        for (int k = 0; k < 6; k++) {
            char *command =
                wg_format("sql %d /* after %s, %s */ SELECT count(*), (SELECT count(*) FROM note), "
                          "(SELECT count(*) FROM sqlite_schema), max(name) FROM person",
                          k, change->label, info->name);
            worker_expect(&stage.worker, command, "ok 200|200|5|person 99");
            free(command);
        }
        expect_template_state(&stage, info);
    }
    stage_close(&stage);
}

Test(db_reset, every_live_strategy_undoes_every_kind_of_change, .timeout = 60)
{
    size_t rows = 0;
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (!is_live(info))
            continue;
        rows++;
        check_changes(info, sample_wal_sql);
        if (!info->keeps_base)
            check_changes(info, sample_rollback_sql);
    }
    cr_assert(ge(sz, rows, 2), "the table has lost its rows");
}

/*
 * Each round another test makes a table `t` of another shape. Connection 5 reads it and sleeps over
 * the reset: if a schema version came back with another schema, it would use what it parsed before.
 */
static void check_schema_cache(const struct wg_reset_strategy_info *info)
{
    static const char *const schemas[] = {"CREATE TABLE t(a, b, c)", "CREATE TABLE t(c, b, a)",
                                          "CREATE TABLE t(x, y, z, a)",
                                          "CREATE TABLE t(b UNIQUE, a UNIQUE)"};
    struct stage stage = stage_open(info->name, sample_wal_sql);
    for (int round = 0; round < 24; round++) {
        char *create = wg_format("sql 0 %s", schemas[round % 4]);
        char *fill = wg_format("sql 0 INSERT INTO t(a) VALUES (%d)", round);
        char *value = wg_format("ok %d", round);
        worker_expect(&stage.worker, create, "ok");
        worker_expect(&stage.worker, fill, "ok");
        worker_expect(&stage.worker, "sql 5 SELECT a FROM t", value);
        struct wg_reset_report report = reset_now(stage.set);
        cr_expect(eq(int, report.databases[0].outcome, WG_RESET_DONE));
        worker_expect(&stage.worker, "sql 1 SELECT name FROM person WHERE id = 42", "ok person 42");
        worker_expect_start(&stage.worker, "sql 2 SELECT a FROM t", "error 1 no such table");
        worker_expect(&stage.worker, "sql 3 DELETE FROM note", "ok"); /* a test without a schema */
        (void)reset_now(stage.set);
        free(create);
        free(fill);
        free(value);
    }
    expect_template_state(&stage, info);
    stage_close(&stage);
}

Test(db_reset, every_live_strategy_survives_repeated_schema_versions, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        if (is_live(wg_reset_strategy(i)))
            check_schema_cache(wg_reset_strategy(i));
}

/* A reader in the middle of a SELECT: the reset says who, and the reader's rows stay the old. */
static void check_reader(const struct wg_reset_strategy_info *info)
{
    struct stage stage = stage_open(info->name, sample_wal_sql);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    worker_expect(&stage.worker, "sql 0 UPDATE person SET name = 'changed ' || id", "ok");
    worker_expect(&stage.worker, "open 1 SELECT name FROM person ORDER BY id", "ok changed 1");
    cr_assert(eq(int, wg_dbset_reset(stage.set, info->keeps_base ? 60 : 0, &report, &err),
                 info->keeps_base ? -1 : 0),
              "%s: %s", info->name, err.message);
    worker_expect(&stage.worker, "next 1", "ok changed 2");
    if (info->keeps_base) {
        cr_expect(eq(int, err.kind, WG_ERR_TIMEOUT));
        cr_expect(eq(int, report.databases[0].outcome, WG_RESET_BUSY));
        cr_expect(eq(int, report.databases[0].busy_pid, worker_pid(&stage.worker)));
        cr_expect(wg_str_starts(report.databases[0].busy_lock, "read "));
        worker_expect(&stage.worker, "sql 2 SELECT name FROM person WHERE id = 1", "ok changed 1");
    }
    worker_expect(&stage.worker, "finish 1", "ok");
    (void)reset_now(stage.set);
    worker_expect(&stage.worker, "sql 1 SELECT name FROM person WHERE id = 1", "ok person 1");
    expect_template_state(&stage, info);
    stage_close(&stage);
}

Test(db_reset, every_live_strategy_leaves_a_reader_its_snapshot, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        if (is_live(wg_reset_strategy(i)))
            check_reader(wg_reset_strategy(i));
}

/* A write transaction that was left open is named, and stays what it was. */
static void check_writer(const struct wg_reset_strategy_info *info)
{
    struct stage stage = stage_open(info->name, sample_wal_sql);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    worker_expect(&stage.worker, "sql 3 BEGIN IMMEDIATE", "ok");
    worker_expect(&stage.worker, "sql 3 DELETE FROM note", "ok");
    cr_assert(eq(int, wg_dbset_reset(stage.set, 20, &report, &err), -1), "%s", info->name);
    cr_expect(eq(int, report.databases[0].outcome, WG_RESET_BUSY));
    cr_expect(eq(int, report.databases[0].busy_pid, worker_pid(&stage.worker)));
    worker_expect(&stage.worker, "sql 3 COMMIT", "ok");
    worker_expect(&stage.worker, "sql 4 SELECT count(*) FROM note", "ok 0");
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    stage_close(&stage);
}

Test(db_reset, every_live_strategy_names_the_holder_of_an_open_write, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        if (is_live(wg_reset_strategy(i)))
            check_writer(wg_reset_strategy(i));
}

/* Readers and writers go on all the time; no snapshot ever mixes two states. */
static void check_storm(const struct wg_reset_strategy_info *info)
{
    struct stage stage = stage_open(info->name, sample_wal_sql);
    worker_send(&stage.worker, "storm 4000 %u", 1);
    for (int i = 0; i < 200; i++)
        (void)reset_now(stage.set);
    char *answer = worker_answer(&stage.worker);
    cr_assert(wg_str_starts(answer, "ok "), "%s: %s", info->name, answer);
    free(answer);
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    stage_close(&stage);
}

Test(db_reset, every_live_strategy_works_under_load, .timeout = 100)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        if (is_live(wg_reset_strategy(i)))
            check_storm(wg_reset_strategy(i));
}

/* Every change by a server that is stopped before the reset: with a kill, or with its last close.
 */
static void check_stopped(const struct wg_reset_strategy_info *info, const char *sql)
{
    struct stage stage = stage_open(info->name, sql);
    for (size_t i = 0; i < change_count(); i++) {
        const struct change *change = change_at(i);
        run_change(&stage.worker, (int)(i % 4), change);
        if (i % 2 == 0)
            worker_kill(&stage.worker);
        else
            worker_stop(&stage.worker);
        (void)reset_now(stage.set);
        stage.worker = worker_start(stage.database);
        char *command = wg_format("sql 0 /* after %s, %s */ SELECT count(*), (SELECT count(*) FROM "
                                  "note), (SELECT count(*) FROM sqlite_schema) FROM person",
                                  change->label, info->name);
        worker_expect(&stage.worker, command, "ok 200|200|5");
        free(command);
        expect_template_state(&stage, info);
    }
    stage_close(&stage);
}

Test(db_reset, every_strategy_but_none_resets_what_a_stopped_server_left, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (!info->resets)
            continue;
        check_stopped(info, sample_wal_sql);
        if (!info->keeps_base)
            check_stopped(info, sample_rollback_sql);
    }
}

Test(db_reset, none_keeps_what_a_server_left)
{
    struct stage stage = stage_open("none", sample_wal_sql);
    worker_expect(&stage.worker, "sql 0 DELETE FROM person", "ok");
    struct wg_reset_report report = reset_now(stage.set);
    cr_expect(eq(int, report.databases[0].outcome, WG_RESET_KEPT));
    worker_kill(&stage.worker);
    (void)reset_now(stage.set);
    stage.worker = worker_start(stage.database);
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM person", "ok 0");
    stage_close(&stage);
}

/* 65536 is written as 1 in the headers. The server of a row that is not live is stopped meanwhile.
 */
static void check_pages(const struct wg_reset_strategy_info *info, const char *sql)
{
    struct stage stage = stage_open(info->name, sql);
    run_change(&stage.worker, 0, change_called("a new table and index"));
    run_change(&stage.worker, 1, change_called("growth"));
    if (!info->live)
        worker_stop(&stage.worker);
    (void)reset_now(stage.set);
    if (!info->live)
        stage.worker = worker_start(stage.database);
    worker_expect(&stage.worker, "sql 2 SELECT count(*) FROM note", "ok 200");
    expect_template_state(&stage, info);
    stage_close(&stage);
}

static void check_all_pages(const char *row, const char *encoding)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        for (unsigned page_size = 512; page_size <= 65536 && info->resets; page_size *= 2) {
            char *sql = wg_format("PRAGMA page_size=%u; PRAGMA encoding='%s'; %s", page_size,
                                  encoding, row);
            if (row == sample_wal_sql || !info->keeps_base)
                check_pages(info, sql);
            free(sql);
        }
    }
}

Test(db_reset, every_strategy_works_at_every_page_size_in_utf_8, .timeout = 100)
{
    check_all_pages(sample_wal_sql, "UTF-8");
    check_all_pages(sample_rollback_sql, "UTF-8");
}

Test(db_reset, every_strategy_works_at_every_page_size_in_utf_16, .timeout = 100)
{
    check_all_pages(sample_wal_sql, "UTF-16le");
    check_all_pages(sample_rollback_sql, "UTF-16be");
}

/* ---- the guarded rows ---- */

Test(db_reset, auto_takes_discard_for_wal_and_backup_for_the_rest)
{
    struct place place = place_create();
    place_write(&place, "a.sql", sample_wal_sql);
    place_write(&place, "b.sql", sample_rollback_sql);
    char *first = wg_format("sub/wal.db=%s/a.sql", place.root);
    char *second = wg_format("old.db=%s/b.sql", place.root);
    char *cache = place_path(&place, "cache");
    char *sql_files[] = {first, second, NULL};
    struct wg_template_spec spec = {.name = "two", .sql_files = sql_files, .cache_dir = cache};
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_template_get(&spec, &tmpl, &err), 0), "%s", err.message);
    struct wg_dbset *set = clone_with(&place, tmpl, "auto");
    const char *why = NULL;
    cr_expect(eq(str, (char *)wg_dbset_database_path(set, 0), "old.db"));
    cr_expect(eq(str, (char *)wg_dbset_strategy(set, 0, &why), "backup"));
    cr_expect(wg_str_starts(why, "not in WAL mode; a reset copies "), "%s", why);
    cr_expect(wg_str_ends(why, " pages of 4096 bytes"), "%s", why);
    cr_expect(eq(str, (char *)wg_dbset_database_path(set, 1), "sub/wal.db"));
    cr_expect(eq(str, (char *)wg_dbset_strategy(set, 1, &why), "discard"));
    wg_dbset_destroy(set);
    wg_template_destroy(tmpl);
    place_remove(&place);
    free(first);
    free(second);
    free(cache);
}

/* Somebody has the checkpoint lock already: no guard is possible, so the next row is taken. */
Test(db_reset, auto_falls_back_to_backup_when_there_can_be_no_guard)
{
    struct stage stage = stage_open("discard", sample_wal_sql);
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset_entry entry = {.path = stage.database,
                                   .file = stage.database,
                                   .template_file = stage.original,
                                   .wal = true,
                                   .page_size = 4096,
                                   .size_bytes = 8192};
    cr_assert(eq(int, wg_strategy_open(&entry, "auto", &err), 0), "%s", err.message);
    cr_expect(eq(str, (char *)entry.strategy->info.name, "backup"));
    cr_expect(wg_str_starts(entry.why, "discard refused: take the checkpoint lock of "), "%s",
              entry.why);
    cr_expect(wg_str_ends(entry.why, "; a reset copies 2 pages of 4096 bytes"), "%s", entry.why);
    entry.strategy->close(&entry);
    expect_template_state(&stage, wg_reset_strategy(0)); /* the other guard is as it was */
    stage_close(&stage);
}

Test(db_reset, a_strategy_that_cannot_work_is_refused_at_the_clone)
{
    struct place place = place_create();
    struct wg_template *tmpl = template_from_sql(&place, "app.db", sample_rollback_sql);
    struct wg_dbset *set = NULL;
    struct wg_err err = WG_ERR_INIT;
    char *directory = place_path(&place, "clone");
    struct wg_dbset_options options = {.strategy = "discard"};
    cr_assert(eq(int, wg_dbset_clone(tmpl, directory, &options, &set, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_USAGE));
    cr_expect(ne(int, access(directory, F_OK), 0), "the clone was left behind");
    wg_err_clear(&err);
    options.strategy = "magic";
    cr_assert(eq(int, wg_dbset_clone(tmpl, directory, &options, &set, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_USAGE));
    wg_template_destroy(tmpl);
    place_remove(&place);
    free(directory);
}

Test(db_reset, checkpoints_of_the_server_do_not_touch_the_database_file)
{
    struct stage stage = stage_open("discard", sample_wal_sql);
    worker_expect(&stage.worker, "sql 0 PRAGMA wal_autocheckpoint = 1", "ok 1");
    run_change(&stage.worker, 0, change_called("growth"));
    worker_expect(&stage.worker, "sql 0 INSERT INTO person(name) VALUES ('more')", "ok");
    worker_expect_start(&stage.worker, "sql 1 PRAGMA wal_checkpoint(PASSIVE)", "ok 1|");
    worker_expect(&stage.worker, "wait 2 10", "ok");
    worker_expect_start(&stage.worker, "sql 2 PRAGMA wal_checkpoint(TRUNCATE)", "ok 1|");
    expect_same_file(stage.database, stage.original);
    worker_expect_start(&stage.worker, "sql 2 PRAGMA journal_mode=DELETE", "error 5 ");
    (void)reset_now(stage.set);
    expect_template_state(&stage, wg_reset_strategy(0));
    stage_close(&stage);
}

Test(db_reset, a_writer_killed_in_its_transaction_leaves_nothing)
{
    struct stage stage = stage_open("discard", sample_wal_sql);
    worker_expect(&stage.worker, "sql 0 PRAGMA cache_size = 5", "ok");
    worker_expect(&stage.worker, "sql 0 BEGIN IMMEDIATE", "ok");
    run_change(&stage.worker, 0,
               change_called("growth")); /* more than the cache: frames reach the WAL */
    worker_kill(&stage.worker);
    (void)reset_now(stage.set);
    stage.worker = worker_start(stage.database);
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note", "ok 200");
    expect_template_state(&stage, wg_reset_strategy(0));
    stage_close(&stage);
}

/* Two databases: a lock on one keeps the other from being reset as well. */
Test(db_reset, one_busy_database_leaves_the_whole_set_unchanged)
{
    struct place place = place_create();
    place_write(&place, "a.sql", sample_wal_sql);
    char *first = wg_format("one.db=%s/a.sql", place.root);
    char *second = wg_format("two.db=%s/a.sql", place.root);
    char *cache = place_path(&place, "cache");
    char *sql_files[] = {first, second, NULL};
    struct wg_template_spec spec = {.name = "two", .sql_files = sql_files, .cache_dir = cache};
    struct wg_template *tmpl = NULL;
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_template_get(&spec, &tmpl, &err), 0), "%s", err.message);
    struct wg_dbset *set = clone_with(&place, tmpl, "auto");
    char *path_one = wg_format("%s/one.db", wg_dbset_directory(set));
    char *path_two = wg_format("%s/two.db", wg_dbset_directory(set));
    struct worker one = worker_start(path_one);
    struct worker two = worker_start(path_two);
    worker_expect(&one, "sql 0 DELETE FROM person", "ok");
    worker_expect(&two, "sql 0 DELETE FROM person", "ok");
    worker_expect(&two, "open 1 SELECT id FROM note", "ok 1");
    cr_assert(eq(int, wg_dbset_reset(set, 30, &report, &err), -1));
    cr_expect(eq(int, report.databases[0].outcome, WG_RESET_UNTOUCHED));
    cr_expect(eq(int, report.databases[1].outcome, WG_RESET_BUSY));
    cr_expect(eq(int, report.databases[1].busy_pid, worker_pid(&two)));
    worker_expect(&one, "sql 0 SELECT count(*) FROM person", "ok 0");
    worker_expect(&one, "sql 0 INSERT INTO person(name) VALUES ('still possible')", "ok");
    worker_expect(&two, "finish 1", "ok");
    (void)reset_now(set);
    worker_expect(&one, "sql 0 SELECT count(*) FROM person", "ok 200");
    worker_expect(&two, "sql 0 SELECT count(*) FROM person", "ok 200");
    worker_stop(&one);
    worker_stop(&two);
    wg_dbset_destroy(set);
    wg_template_destroy(tmpl);
    place_remove(&place);
    free(first);
    free(second);
    free(cache);
    free(path_one);
    free(path_two);
}

Test(db_reset, reclone_refuses_while_a_process_has_the_database_open)
{
    struct stage stage = stage_open("reclone", sample_wal_sql);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    worker_expect(&stage.worker, "sql 0 DELETE FROM person", "ok");
    cr_assert(eq(int, wg_dbset_reset(stage.set, 10, &report, &err), -1));
    cr_expect(eq(int, report.databases[0].busy_pid, worker_pid(&stage.worker)));
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM person", "ok 0");
    stage_close(&stage);
}
