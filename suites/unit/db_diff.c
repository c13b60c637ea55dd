/* SPDX-License-Identifier: MIT */
/* What diff.h promises: rows of every kind of table, schema, while others have the file open. */
#include "suites/unit/db_support.h"

#include "fixtures/db/diff.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>

static const char tables_sql[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT COLLATE NOCASE, size REAL, data BLOB);"
    "CREATE TABLE bare(rowid TEXT, text TEXT);"
    "CREATE TABLE pair(a TEXT, b INT, c TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID;"
    "CREATE TABLE \"odd \"\"name\"(\"odd \"\"column\" TEXT PRIMARY KEY, v);"
    "CREATE TABLE still(x);"
    "INSERT INTO note VALUES (1, 'one', 1.5, x'00'), (2, 'two', NULL, NULL), (3, 'three', 3, NULL);"
    "INSERT INTO bare VALUES ('r', 'first'), ('s', 'second');"
    "INSERT INTO pair VALUES ('k', 1, 'x'), ('k', 2, 'y');"
    "INSERT INTO \"odd \"\"name\" VALUES ('q', 1);"
    "INSERT INTO still VALUES (1), (1);";

/* A set with tables of every kind, and a process that has it open. */
struct bench {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    struct worker worker;
};

static struct bench bench_open(void)
{
    struct bench bench = {.place = place_create()};
    bench.tmpl = template_from_sql(&bench.place, "app.db", tables_sql);
    bench.set = clone_with(&bench.place, bench.tmpl, "auto");
    char *database = wg_format("%s/app.db", wg_dbset_directory(bench.set));
    bench.worker = worker_start(database);
    free(database);
    return bench;
}

static void bench_close(struct bench *bench)
{
    worker_stop(&bench->worker);
    wg_dbset_destroy(bench->set);
    wg_template_destroy(bench->tmpl);
    place_remove(&bench->place);
}

static json_t *diff_now(const struct bench *bench, size_t rows_max)
{
    const struct wg_diff_options options = {.rows_max = rows_max, .timeout_ms = 10000};
    return wg_dbset_diff(bench->set, &options);
}

/* The compact JSON of the one database's diff, with ' for every ". */
static void expect_diff(const struct bench *bench, const char *expected)
{
    json_t *diff = diff_now(bench, 10);
    char *text = json_dumps(diff, JSON_COMPACT);
    for (char *at = text; *at; at++)
        if (*at == '"')
            *at = '\'';
    cr_expect(eq(str, text, (char *)expected));
    free(text);
    json_decref(diff);
}

static void change(struct bench *bench, const char *sql)
{
    char *command = wg_format("sql 0 %s", sql);
    worker_expect(&bench->worker, command, "ok");
    free(command);
}

#define ONLY(schema_and_tables) "[{" schema_and_tables ",'path':'app.db'}]"

Test(db_diff, nothing_changed)
{
    struct bench bench = bench_open();
    expect_diff(&bench, "[]");
    bench_close(&bench);
}

Test(db_diff, inserted_updated_and_deleted_rows)
{
    struct bench bench = bench_open();
    change(&bench, "INSERT INTO note VALUES (7, 'new', 2.5, x'0102')");
    change(&bench, "UPDATE note SET text = 'ONE' WHERE id = 1"); /* equal for NOCASE */
    change(&bench, "DELETE FROM note WHERE id = 2");
    expect_diff(
        &bench,
        ONLY("'tables':[{'table':'note','inserted':1,'updated':1,'deleted':1,'rows':["
             "{'change':'inserted','values':{'id':7,'text':'new','size':2.5,'data':{'blob':2}}},"
             "{'change':'updated','key':{'id':1},'values':{'text':['one','ONE']}},"
             "{'change':'deleted','values':{'id':2,'text':'two','size':null,'data':null}}]}]"));
    bench_close(&bench);
}

Test(db_diff, rows_without_a_primary_key_go_by_rowid)
{
    struct bench bench = bench_open();
    change(&bench, "UPDATE bare SET text = 'other' WHERE text = 'second'");
    expect_diff(
        &bench,
        ONLY("'tables':[{'table':'bare','inserted':0,'updated':1,'deleted':0,'rows':["
             "{'change':'updated','key':{'_rowid_':2},'values':{'text':['second','other']}}]}]"));
    bench_close(&bench);
}

Test(db_diff, keys_of_several_columns)
{
    struct bench bench = bench_open();
    change(&bench, "UPDATE pair SET c = NULL WHERE b = 2");
    expect_diff(&bench,
                ONLY("'tables':[{'table':'pair','inserted':0,'updated':1,'deleted':0,'rows':["
                     "{'change':'updated','key':{'a':'k','b':2},'values':{'c':['y',null]}}]}]"));
    bench_close(&bench);
}

Test(db_diff, names_with_quotes)
{
    struct bench bench = bench_open();
    change(&bench, "REPLACE INTO \"odd \"\"name\" VALUES ('q', 2)");
    expect_diff(
        &bench,
        ONLY("'tables':[{'table':'odd \\'name','inserted':0,'updated':1,'deleted':0,'rows':["
             "{'change':'updated','key':{'odd \\'column':'q'},'values':{'v':[1,2]}}]}]"));
    bench_close(&bench);
}

Test(db_diff, schema_and_settings)
{
    struct bench bench = bench_open();
    change(&bench, "CREATE INDEX by_text ON note(text)");
    change(&bench, "DROP TABLE still");
    change(&bench, "ALTER TABLE pair ADD COLUMN d");
    change(&bench, "PRAGMA user_version = 7");
    expect_diff(&bench, ONLY("'schema':[{'change':'made','type':'index','name':'by_text'},"
                             "{'change':'dropped','type':'table','name':'still'},"
                             "{'change':'changed','type':'table','name':'pair'},"
                             "{'change':'changed','type':'pragma','name':'user_version'}]"));
    bench_close(&bench);
}

Test(db_diff, all_rows_are_counted_and_some_listed)
{
    struct bench bench = bench_open();
    change(&bench, "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 59)"
                   " INSERT INTO note(id) SELECT i FROM n");
    json_t *diff = diff_now(&bench, 3);
    json_t *table = json_array_get(json_object_get(json_array_get(diff, 0), "tables"), 0);
    cr_expect(eq(int, (int)json_integer_value(json_object_get(table, "inserted")), 50));
    cr_expect(eq(int, (int)json_array_size(json_object_get(table, "rows")), 3));
    json_decref(diff);
    bench_close(&bench);
}

Test(db_diff, a_reset_takes_everything_back_and_the_set_stays_sound)
{
    struct bench bench = bench_open();
    change(&bench, "DELETE FROM note");
    change(&bench, "CREATE TABLE extra(x)");
    json_decref(diff_now(&bench, 3));
    (void)reset_now(bench.set);
    expect_diff(&bench, "[]");
    expect_sound(bench.set); /* locks and files are as before all the looking */
    bench_close(&bench);
}

Test(db_diff, time_that_is_over_is_told)
{
    struct bench bench = bench_open();
    const struct wg_diff_options options = {.rows_max = 3, .timeout_ms = 0};
    change(&bench,
           "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
           " INSERT INTO note(id) SELECT i FROM n");
    json_t *diff = wg_dbset_diff(bench.set, &options);
    bool incomplete = json_is_true(json_object_get(json_array_get(diff, 0), "incomplete"));
    cr_expect(incomplete);
    json_decref(diff);
    bench_close(&bench);
}
