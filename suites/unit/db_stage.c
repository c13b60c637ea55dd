/* SPDX-License-Identifier: MIT */
#include "suites/unit/db_stage.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

struct stage stage_open_unused(const char *strategy, const char *sql)
{
    struct stage stage = {.place = place_create()};
    stage.tmpl = template_from_sql(&stage.place, "app.db", sql);
    stage.set = clone_with(&stage.place, stage.tmpl, strategy);
    stage.database = wg_format("%s/app.db", wg_dbset_directory(stage.set));
    stage.original = wg_format("%s/app.db", wg_template_path(stage.tmpl));
    stage.worker = worker_start(stage.database);
    return stage;
}

struct stage stage_open(const char *strategy, const char *sql)
{
    struct stage stage = stage_open_unused(strategy, sql);
    for (int i = 0; i < 6; i++) {
        worker_send(&stage.worker, "sql %d SELECT count(*) FROM person", i);
        char *answer = worker_answer(&stage.worker);
        cr_assert(eq(int, strcmp(answer, "ok 200"), 0), "%s", answer);
        free(answer);
    }
    return stage;
}

void stage_close(struct stage *stage)
{
    worker_stop(&stage->worker);
    wg_dbset_destroy(stage->set);
    wg_template_destroy(stage->tmpl);
    place_remove(&stage->place);
    free(stage->database);
    free(stage->original);
}

void expect_template_state(struct stage *stage, const struct wg_reset_strategy_info *info)
{
    char *have = dump_database(stage->database);
    char *uri = wg_format("file:%s?immutable=1", stage->original);
    char *want = dump_database(uri);
    cr_assert(eq(int, strcmp(have, want), 0), "the content is not the template's");
    free(have);
    free(want);
    free(uri);
    if (info->keeps_base)
        expect_same_file(stage->database, stage->original);
    expect_sound(stage->set);
}

bool is_live(const struct wg_reset_strategy_info *info)
{
    return info->live && info->resets;
}

static const struct change changes[] = {
    {"rows",
     {"INSERT INTO person(name) VALUES ('new')", "DELETE FROM note WHERE id < 100",
      "UPDATE person SET name = 'x' WHERE id = 7"}},
    {"a new table and index",
     {"CREATE TABLE extra(a, b)", "CREATE INDEX extra_a ON extra(a)",
      "INSERT INTO extra VALUES (1, 2)"}},
    {"a dropped table", {"DROP TABLE note"}},
    {"a view and a trigger",
     {"CREATE VIEW v AS SELECT name FROM person",
      "CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM note; END",
      "INSERT INTO person(name) VALUES ('fires')"}},
    {"a new column", {"ALTER TABLE person ADD COLUMN age INTEGER", "UPDATE person SET age = 3"}},
    {"settings of the file", {"PRAGMA user_version = 99", "PRAGMA application_id = 1"}},
    {"growth",
     {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
      "INSERT INTO note SELECT 1000 + i, 1, hex(randomblob(1000)) FROM n"}},
    {"shrinking", {"DELETE FROM note", "DELETE FROM pair", "VACUUM"}},
    {"another auto_vacuum", {"PRAGMA auto_vacuum = FULL", "VACUUM"}},
    {"nothing", {"SELECT 1"}},
    /* Without effect in WAL mode. Last, as the backup that undoes them starts its cache anew, which
     * counts as a change by others, so that the next reset copies for nothing. */
    {"smaller pages", {"PRAGMA page_size = 1024", "VACUUM"}},
    {"larger pages", {"PRAGMA page_size = 16384", "VACUUM"}},
};

size_t change_count(void)
{
    return sizeof changes / sizeof changes[0];
}

const struct change *change_at(size_t index)
{
    return &changes[index];
}

const struct change *change_called(const char *label)
{
    size_t i = 0;
    while (i < change_count() && strcmp(changes[i].label, label) != 0)
        i++;
    cr_assert(lt(sz, i, change_count()), "no change is called %s", label);
    return &changes[i];
}

void run_change(struct worker *worker, int connection, const struct change *change)
{
    for (size_t i = 0; i < 4 && change->statements[i] != NULL; i++) {
        char *command = wg_format("sql %d %s", connection, change->statements[i]);
        worker_expect_start(worker, command, "ok");
        free(command);
    }
}
