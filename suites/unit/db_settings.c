/* SPDX-License-Identifier: MIT */
/*
 * What a server may have set or do with its connections: every property over every row of the
 * strategy table. After a reset the content is the template's; on the way the server's connections
 * get no result code but those that SQLite promises, or the reset refuses and says why.
 *
 *     code                  when
 *     SQLITE_BUSY (5)       after the busy timeout, while somebody else holds the lock; at once
 * from a checkpoint under a guard (another connection "checkpoints"), and with
 *                           locking_mode=EXCLUSIVE (another connection has the database open)
 *     SQLITE_BUSY_SNAPSHOT  from a write in a transaction that read before a reset by backup; the
 *     (517)                 guarded rows wait for the reader instead
 *
 * Nothing else: no SQLITE_BUSY_RECOVERY, SQLITE_PROTOCOL, SQLITE_IOERR, SQLITE_CORRUPT.
 */
#include "suites/unit/db_stage.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 8 /* what `storm` of the worker uses */

typedef void check_fn(const struct wg_reset_strategy_info *info, const char *sql);

/* Over every row that a running server can have under it, in each journal mode it works with. */
static void every_live_row(check_fn *check)
{
    size_t rows = 0;
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (!is_live(info))
            continue;
        rows++;
        check(info, sample_wal_sql);
        if (!info->keeps_base)
            check(info, sample_rollback_sql);
    }
    cr_assert(ge(sz, rows, 3), "the table has lost its rows");
}

/* Resets until the worker has answered; the answer must begin with "ok". */
static void reset_until_answered(struct wg_dbset *set, struct worker *worker, const char *label)
{
    while (!worker_answered(worker))
        (void)reset_now(set);
    char *answer = worker_answer(worker);
    cr_assert(wg_str_starts(answer, "ok "), "%s: %s", label, answer);
    free(answer);
}

/* ---- settings of a connection ---- */

static const struct {
    const char *pragma;
    const char *answer;
} settings[] = {
    {"PRAGMA mmap_size = 67108864", "ok 67108864"}, {"PRAGMA synchronous = OFF", "ok"},
    {"PRAGMA synchronous = NORMAL", "ok"},          {"PRAGMA synchronous = FULL", "ok"},
    {"PRAGMA synchronous = EXTRA", "ok"},
};

static void apply_setting(struct worker *worker, size_t setting)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        char *command = wg_format("sql %d %s", i, settings[setting].pragma);
        worker_expect(worker, command, settings[setting].answer);
        free(command);
    }
}

static void expect_template_rows(struct worker *worker)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        char *command = wg_format("sql %d SELECT count(*), (SELECT count(*) FROM note), "
                                  "(SELECT count(*) FROM sqlite_schema) FROM person",
                                  i);
        worker_expect(worker, command, "ok 200|200|5");
        free(command);
    }
}

static void check_settings(const struct wg_reset_strategy_info *info, const char *sql)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct stage stage = stage_open(info->name, sql);
        apply_setting(&stage.worker, i);
        for (size_t k = 0; k < change_count(); k++) {
            run_change(&stage.worker, (int)(k % CONNECTIONS), change_at(k));
            (void)reset_now(stage.set);
            expect_template_rows(&stage.worker);
        }
        worker_send(&stage.worker, "storm 400 %zu", i);
        reset_until_answered(stage.set, &stage.worker, settings[i].pragma);
        (void)reset_now(stage.set);
        expect_template_state(&stage, info);
        stage_close(&stage);
    }
}

Test(db_settings, every_live_strategy_undoes_what_connections_of_any_setting_did, .timeout = 100)
{
    every_live_row(check_settings);
}

/* Refused while the server runs, with its process id; done when it has ended. */
static void check_settings_stopped(const struct wg_reset_strategy_info *info, const char *sql)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct stage stage = stage_open(info->name, sql);
        struct wg_reset_report report;
        struct wg_err err = WG_ERR_INIT;
        apply_setting(&stage.worker, i);
        run_change(&stage.worker, 0, change_called("growth"));
        cr_assert(eq(int, wg_dbset_reset(stage.set, 0, &report, &err), info->resets ? -1 : 0));
        cr_expect(
            eq(int, report.databases[0].outcome, info->resets ? WG_RESET_BUSY : WG_RESET_KEPT));
        cr_expect(
            eq(int, report.databases[0].busy_pid, info->resets ? worker_pid(&stage.worker) : 0));
        worker_expect(&stage.worker, "sql 1 SELECT count(*) FROM note", "ok 700");
        worker_stop(&stage.worker);
        (void)reset_now(stage.set);
        stage.worker = worker_start(stage.database);
        worker_expect(&stage.worker, "sql 1 SELECT count(*) FROM note",
                      info->resets ? "ok 200" : "ok 700");
        if (info->resets)
            expect_template_state(&stage, info);
        stage_close(&stage);
    }
}

Test(db_settings, the_other_strategies_refuse_or_keep_whatever_is_set, .timeout = 100)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        if (is_live(wg_reset_strategy(i)))
            continue;
        check_settings_stopped(wg_reset_strategy(i), sample_wal_sql);
        check_settings_stopped(wg_reset_strategy(i), sample_rollback_sql);
    }
}

/* ---- a server that checkpoints ---- */

static void check_checkpoints(const struct wg_reset_strategy_info *info, const char *sql)
{
    if (sql != sample_wal_sql)
        return;
    struct stage stage = stage_open(info->name, sql);
    struct worker storm = worker_start(stage.database);
    worker_send(&storm, "storm 2000 1");
    worker_send(&stage.worker, "checkpoint 400 2");
    while (!worker_answered(&storm) || !worker_answered(&stage.worker))
        (void)reset_now(stage.set);
    char *answer = worker_answer(&storm);
    cr_assert(wg_str_starts(answer, "ok "), "%s: %s", info->name, answer);
    free(answer);
    answer = worker_answer(&stage.worker);
    if (info->keeps_base)
        cr_assert(eq(int, strcmp(answer, "ok 0 400"), 0), "%s: %s", info->name, answer);
    else
        cr_assert(wg_str_starts(answer, "ok ") && !wg_str_starts(answer, "ok 0 "), "%s", answer);
    free(answer);
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    worker_stop(&storm);
    stage_close(&stage);
}

Test(db_settings, every_live_strategy_bears_a_server_that_checkpoints_all_the_time, .timeout = 100)
{
    every_live_row(check_checkpoints);
}

/* ---- a transaction that read before the reset and writes after it ---- */

static void check_snapshot(const struct wg_reset_strategy_info *info, const char *sql)
{
    bool waits =
        info->keeps_base || sql != sample_wal_sql; /* readers and resets exclude each other */
    struct stage stage = stage_open(info->name, sql);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    worker_expect(&stage.worker, "sql 0 DELETE FROM note", "ok");
    worker_expect(&stage.worker, "sql 1 BEGIN", "ok");
    worker_expect(&stage.worker, "sql 1 SELECT count(*) FROM note", "ok 0");
    cr_assert(eq(int, wg_dbset_reset(stage.set, 20, &report, &err), waits ? -1 : 0), "%s",
              info->name);
    cr_expect(eq(int, report.databases[0].busy_pid, waits ? worker_pid(&stage.worker) : 0));
    worker_expect_start(&stage.worker, "sql 1 DELETE FROM person", waits ? "ok" : "error 517 ");
    worker_expect(&stage.worker, "sql 1 ROLLBACK", "ok");
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    stage_close(&stage);
}

Test(db_settings, a_write_after_a_reset_that_its_read_did_not_see_is_refused, .timeout = 60)
{
    every_live_row(check_snapshot);
}

/* ---- locking_mode=EXCLUSIVE ---- */

/*
 * In WAL mode the harness's connection keeps a shared lock on the file, so SQLite never grants the
 * exclusive one: at most the connection goes on without it.
 */
static void check_exclusive_wal(const struct wg_reset_strategy_info *info)
{
    struct stage stage = stage_open_unused(info->name, sample_wal_sql);
    worker_expect(&stage.worker, "wait 0 20", "ok");
    worker_expect(&stage.worker, "wait 1 20", "ok");
    worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=EXCLUSIVE", "ok exclusive");
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note", "error 5 database is locked");
    worker_expect(&stage.worker, "sql 1 DELETE FROM note", "ok");
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=NORMAL", "ok normal");
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note", "ok 200");
    worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=EXCLUSIVE", "ok exclusive");
    worker_expect(&stage.worker, "sql 0 DELETE FROM person", "error 5 database is locked");
    (void)reset_now(stage.set);
    /* The refused write keeps the pending lock: nobody can connect until that connection ends. */
    char *finding = wg_format("process %d keeps the database locked", worker_pid(&stage.worker));
    expect_finding(stage.set, finding);
    worker_stop(&stage.worker);
    expect_template_state(&stage, info);
    stage.worker = worker_start(stage.database);
    free(finding);
    stage_close(&stage);
}

/* In the other modes it is granted, and a reset is refused as long as it lasts. */
static void check_exclusive_rollback(const struct wg_reset_strategy_info *info)
{
    struct stage stage = stage_open(info->name, sample_rollback_sql);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    char *reason = wg_format("held by process %d: a transaction that was left open, or PRAGMA "
                             "locking_mode=EXCLUSIVE",
                             worker_pid(&stage.worker));
    char *finding = wg_format("process %d keeps the database locked", worker_pid(&stage.worker));
    worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=EXCLUSIVE", "ok exclusive");
    worker_expect(&stage.worker, "sql 0 DELETE FROM note", "ok");
    cr_assert(eq(int, wg_dbset_reset(stage.set, 20, &report, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_TIMEOUT));
    cr_expect(eq(int, report.databases[0].outcome, WG_RESET_BUSY));
    cr_expect(eq(int, report.databases[0].busy_pid, worker_pid(&stage.worker)));
    cr_expect(strstr(err.message, reason) != NULL, "%s", err.message);
    expect_finding(stage.set, finding);
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note", "ok 0");
    worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=NORMAL", "ok normal");
    worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note", "ok 0");
    (void)reset_now(stage.set);
    expect_template_state(&stage, info);
    free(reason);
    free(finding);
    stage_close(&stage);
}

static void check_exclusive(const struct wg_reset_strategy_info *info, const char *sql)
{
    if (sql == sample_wal_sql)
        check_exclusive_wal(info);
    else
        check_exclusive_rollback(info);
}

Test(db_settings, exclusive_locking_is_not_granted_or_the_reset_names_its_process, .timeout = 60)
{
    every_live_row(check_exclusive);
}

/* Without a connection of the harness a server may have its WAL database for itself. */
Test(db_settings, reclone_and_none_let_a_server_lock_exclusively, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (is_live(info))
            continue;
        struct stage stage = stage_open_unused(info->name, sample_wal_sql);
        struct wg_reset_report report;
        struct wg_err err = WG_ERR_INIT;
        worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=EXCLUSIVE", "ok exclusive");
        worker_expect(&stage.worker, "sql 0 DELETE FROM note", "ok");
        cr_assert(eq(int, wg_dbset_reset(stage.set, 0, &report, &err), info->resets ? -1 : 0));
        cr_expect(
            eq(int, report.databases[0].busy_pid, info->resets ? worker_pid(&stage.worker) : 0));
        cr_expect(info->resets == false ||
                      strstr(err.message, "the server has to be stopped") != NULL,
                  "%s", err.message);
        worker_stop(&stage.worker);
        (void)reset_now(stage.set);
        stage.worker = worker_start(stage.database);
        worker_expect(&stage.worker, "sql 0 SELECT count(*) FROM note",
                      info->resets ? "ok 200" : "ok 0");
        stage_close(&stage);
    }
}

Test(db_settings, attaching_to_a_clone_that_a_server_has_for_itself_names_the_server)
{
    static const char *const modes[] = {sample_wal_sql, sample_rollback_sql};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage = stage_open_unused("none", modes[i]);
        struct wg_dbset *second = NULL;
        struct wg_err err = WG_ERR_INIT;
        char *reason = wg_format("held by process %d", worker_pid(&stage.worker));
        worker_expect(&stage.worker, "sql 0 PRAGMA locking_mode=EXCLUSIVE", "ok exclusive");
        worker_expect(&stage.worker, "sql 0 DELETE FROM note", "ok");
        cr_assert(
            eq(int, wg_dbset_attach(stage.tmpl, wg_dbset_directory(stage.set), NULL, &second, &err),
               -1));
        cr_expect(strstr(err.message, reason) != NULL, "%s", err.message);
        free(reason);
        stage_close(&stage);
    }
}
