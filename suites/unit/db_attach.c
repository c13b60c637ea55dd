/* SPDX-License-Identifier: MIT */
/*
 * Two databases of a set, ATTACHed to each other on the server's connections. SQLite commits such a
 * transaction database by database, but with the write locks of both; a reset has to go in between
 * two transactions, never between the two databases.
 */
#include "suites/unit/db_stage.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pairing {
    const char *strategies[2];
    const char *sql[2];
};

struct duo {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    struct worker worker; /* connections 0-3 have one.db as main and two.db as two */
    char label[64];
};

static struct duo duo_open(const struct pairing *pairing)
{
    struct duo duo = {.place = place_create()};
    struct wg_err err = WG_ERR_INIT;
    place_write(&duo.place, "one.sql", pairing->sql[0]);
    place_write(&duo.place, "two.sql", pairing->sql[1]);
    char *sql_files[] = {wg_format("one.db=%s/one.sql", duo.place.root),
                         wg_format("two.db=%s/two.sql", duo.place.root), NULL};
    char *cache = place_path(&duo.place, "cache");
    char *directory = place_path(&duo.place, "clone");
    struct wg_template_spec spec = {.name = "duo", .sql_files = sql_files, .cache_dir = cache};
    struct wg_dbset_choice choices[] = {{"one.db", pairing->strategies[0]},
                                        {"two.db", pairing->strategies[1]}};
    struct wg_dbset_options options = {.choices = choices, .choice_count = 2};
    cr_assert(eq(int, wg_template_get(&spec, &duo.tmpl, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_dbset_clone(duo.tmpl, directory, &options, &duo.set, &err), 0), "%s",
              err.message);
    char *one = wg_format("%s/one.db", wg_dbset_directory(duo.set));
    duo.worker = worker_start(one);
    for (int i = 0; i < 4; i++) {
        char *attach =
            wg_format("sql %d ATTACH '%s/two.db' AS two", i, wg_dbset_directory(duo.set));
        worker_expect(&duo.worker, attach, "ok");
        free(attach);
    }
    (void)snprintf(duo.label, sizeof duo.label, "%s and %s", pairing->strategies[0],
                   pairing->strategies[1]);
    free(sql_files[0]);
    free(sql_files[1]);
    free(cache);
    free(directory);
    free(one);
    return duo;
}

static void duo_close(struct duo *duo)
{
    worker_stop(&duo->worker);
    wg_dbset_destroy(duo->set);
    wg_template_destroy(duo->tmpl);
    place_remove(&duo->place);
}

static void expect_template_of(struct duo *duo, const char *name)
{
    char *database = wg_format("%s/%s", wg_dbset_directory(duo->set), name);
    char *original = wg_format("file:%s/%s?immutable=1", wg_template_path(duo->tmpl), name);
    char *have = dump_database(database);
    char *want = dump_database(original);
    cr_assert(eq(int, strcmp(have, want), 0), "%s: the content of %s is not the template's",
              duo->label, name);
    free(database);
    free(original);
    free(have);
    free(want);
}

/* A transaction over both is waited for as a whole, and undone as a whole. */
static void check_transaction(const struct pairing *pairing)
{
    struct duo duo = duo_open(pairing);
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    worker_expect(&duo.worker, "sql 0 BEGIN", "ok");
    worker_expect(&duo.worker, "sql 0 DELETE FROM main.note", "ok");
    worker_expect(&duo.worker, "sql 0 DELETE FROM two.note WHERE id <= 100", "ok");
    cr_assert(eq(int, wg_dbset_reset(duo.set, 20, &report, &err), -1), "%s", duo.label);
    for (size_t i = 0; i < 2; i++) {
        cr_expect(eq(int, report.databases[i].outcome, WG_RESET_BUSY), "%s", duo.label);
        cr_expect(eq(int, report.databases[i].busy_pid, worker_pid(&duo.worker)));
    }
    worker_expect(&duo.worker, "sql 0 COMMIT", "ok");
    worker_expect(&duo.worker,
                  "sql 1 SELECT (SELECT count(*) FROM main.note), (SELECT count(*) FROM two.note)",
                  "ok 0|100");
    (void)reset_now(duo.set);
    for (int i = 0; i < 4; i++) {
        char *count = wg_format(
            "sql %d SELECT (SELECT count(*) FROM main.note), (SELECT count(*) FROM two.note)", i);
        worker_expect(&duo.worker, count, "ok 200|200");
        free(count);
    }
    expect_template_of(&duo, "one.db");
    expect_template_of(&duo, "two.db");
    expect_sound(duo.set);
    duo_close(&duo);
}

static void check_load(const struct pairing *pairing)
{
    struct duo duo = duo_open(pairing);
    worker_send(&duo.worker, "twin 500 1");
    while (!worker_answered(&duo.worker))
        (void)reset_now(duo.set);
    char *answer = worker_answer(&duo.worker);
    cr_assert(wg_str_starts(answer, "ok ") && !wg_str_starts(answer, "ok 0 "), "%s: %s", duo.label,
              answer);
    free(answer);
    (void)reset_now(duo.set);
    expect_template_of(&duo, "one.db");
    expect_template_of(&duo, "two.db");
    expect_sound(duo.set);
    duo_close(&duo);
}

/* Every live row beside every other, in each journal mode that it works with. */
static void every_pairing(void (*check)(const struct pairing *pairing))
{
    static const char *const modes[] = {sample_wal_sql, sample_rollback_sql};
    size_t rows = wg_reset_strategy_count();
    for (size_t i = 0; i < 4 * rows * rows; i++) {
        const struct wg_reset_strategy_info *one = wg_reset_strategy(i / 4 / rows);
        const struct wg_reset_strategy_info *two = wg_reset_strategy(i / 4 % rows);
        struct pairing pairing = {{one->name, two->name}, {modes[i & 1], modes[i >> 1 & 1]}};
        if (!is_live(one) || !is_live(two) || (one->keeps_base && (i & 1) != 0) ||
            (two->keeps_base && (i & 2) != 0))
            continue;
        check(&pairing);
    }
}

Test(db_attach, a_transaction_over_two_databases_is_undone_as_a_whole, .timeout = 60)
{
    every_pairing(check_transaction);
}

/* The file that SQLite has while it commits over two databases with rollback journals. */
Test(db_attach, a_super_journal_stays_while_a_server_has_its_database_open)
{
    static const struct pairing pairing = {{"backup", "backup"},
                                           {sample_rollback_sql, sample_rollback_sql}};
    struct duo duo = duo_open(&pairing);
    char *super = wg_format("%s/one.db-mj00ABCD9EF", wg_dbset_directory(duo.set));
    char *other = wg_format("%s/one.db-mj00ABCD8EF", wg_dbset_directory(duo.set));
    worker_expect(&duo.worker, "sql 0 SELECT count(*) FROM note", "ok 200");
    place_write(&duo.place, "clone/one.db-mj00ABCD9EF", "x");
    place_write(&duo.place, "clone/one.db-mj00ABCD8EF", "x");
    (void)reset_now(duo.set);
    cr_expect(eq(int, access(super, F_OK), 0));
    cr_expect(ne(int, access(other, F_OK), 0), "the name is not one of SQLite's");
    expect_sound(duo.set);
    worker_stop(&duo.worker);
    (void)reset_now(duo.set);
    cr_expect(ne(int, access(super, F_OK), 0), "nobody needs it any more");
    duo.worker = worker_start(super);
    free(super);
    free(other);
    duo_close(&duo);
}

Test(db_attach, resets_go_between_the_transactions_over_two_databases, .timeout = 100)
{
    every_pairing(check_load);
}
