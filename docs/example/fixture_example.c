/* SPDX-License-Identifier: MIT */
/*
 * fixture_example.c - the fixture library from C: a template, a clone, and a reset under an open
 * connection.
 *
 *     cc -o fixture-example fixture_example.c $(pkg-config --cflags --libs walgrind-fixture)
 *     ./fixture-example fixture.sql a-new-directory
 */
#include "fixtures/db/dbset.h"
#include "fixtures/db/reset.h"
#include "fixtures/db/template.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>

static int count_notes(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int count = -1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM note", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

/* Stands for a server: its connection stays open over the reset. True when it saw what it must. */
static bool change_and_reset(struct wg_dbset *set, struct wg_err *err)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/%s", wg_dbset_directory(set), wg_dbset_database_path(set, 0));
    sqlite3_open(path, &db);
    sqlite3_exec(db, "INSERT INTO note(text) VALUES ('of the test')", NULL, NULL, NULL);
    int before = count_notes(db);
    int rc = wg_dbset_reset(set, -1, NULL, err);
    int after = count_notes(db);
    sqlite3_close(db);
    printf("notes of the test and the template: %d; after the reset: %d\n", before, after);
    return rc == 0 && before == 2 && after == 1;
}

int main(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_template *tmpl = NULL;
    struct wg_dbset *set = NULL;
    char sql[PATH_MAX];
    bool good = false;
    if (argc != 3) {
        fputs("usage: fixture-example FILE.sql DIRECTORY\n", stderr);
        return 2;
    }
    snprintf(sql, sizeof sql, "notes.db=%s", argv[1]);
    char *sql_files[] = {sql, NULL};
    const struct wg_template_spec spec = {.name = "notes", .sql_files = sql_files};
    if (wg_template_get(&spec, &tmpl, &err) == 0 &&
        wg_dbset_clone(tmpl, argv[2], NULL, &set, &err) == 0)
        good = change_and_reset(set, &err);
    if (err.kind != WG_ERR_NONE)
        fprintf(stderr, "fixture-example: %s\n", err.message);
    wg_dbset_destroy(set);
    wg_template_destroy(tmpl);
    return good ? 0 : 1;
}
