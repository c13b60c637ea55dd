/* SPDX-License-Identifier: MIT */
#include "suites/unit/db_troupe.h"

#include "harness/base/buf.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Statements that a test of a server runs before each reset. */
static const char *const rows_change[] = {"UPDATE person SET name = 'x' WHERE id < 90",
                                          "DELETE FROM note WHERE id > 50", NULL};
static const char *const schema_change[] = {"CREATE TABLE IF NOT EXISTS extra(a, b)",
                                            "INSERT INTO extra VALUES (1, 2)", NULL};
static const char *const growth_change[] = {
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
    "INSERT INTO note SELECT max(n.i, 1) + (SELECT max(id) FROM note), 1, hex(randomblob(1000)) "
    "FROM n",
    NULL};
static const char *const shrink_change[] = {"DELETE FROM note", "DELETE FROM pair", "VACUUM", NULL};
static const char *const backfill_change[] = {"DELETE FROM note WHERE id > 50",
                                              "PRAGMA wal_checkpoint(FULL)", NULL};
static const char *const tiny_change[] = {"PRAGMA user_version = 9", NULL};
static const char *const pages_change[] = {"PRAGMA page_size = 16384", "VACUUM", NULL};

static const char *const tiny_backfill_change[] = {"PRAGMA user_version = 9",
                                                   "PRAGMA wal_checkpoint(FULL)", NULL};

static const char tiny_sql[] = "PRAGMA user_version = 1;";
static const char tiny_wal_sql[] = "PRAGMA journal_mode=WAL; PRAGMA user_version = 1;";

const struct scenario several_rollback = {"rollback journals",
                                          false,
                                          false,
                                          {{"backup", sample_rollback_sql, rows_change},
                                           {"backup", sample_rollback_sql, shrink_change},
                                           {"backup", sample_rollback_sql, growth_change}}};
const struct scenario several_wal = {"WAL",
                                     false,
                                     false,
                                     {{"backup", sample_wal_sql, rows_change},
                                      {"backup", sample_wal_sql, backfill_change},
                                      {"backup", sample_wal_sql, growth_change}}};
const struct scenario both_journals = {"both journal modes",
                                       false,
                                       false,
                                       {{"backup", sample_wal_sql, rows_change},
                                        {"backup", sample_rollback_sql, rows_change},
                                        {"backup", sample_wal_sql, schema_change}}};
const struct scenario corners = {"one page, other pages",
                                 false,
                                 false,
                                 {{"backup", tiny_sql, tiny_change},
                                  {"backup", sample_rollback_sql, pages_change},
                                  {"backup", sample_wal_sql, shrink_change},
                                  {"backup", tiny_wal_sql, tiny_backfill_change}}};
const struct scenario guards = {"guards",
                                false,
                                false,
                                {{"discard", sample_wal_sql, schema_change},
                                 {"rewind", sample_wal_sql, schema_change},
                                 {"discard", sample_wal_sql, rows_change},
                                 {"rewind", sample_wal_sql, growth_change}}};
const struct scenario mixture = {"a mixture with files",
                                 true,
                                 false,
                                 {{"discard", sample_wal_sql, schema_change},
                                  {"backup", sample_rollback_sql, rows_change},
                                  {"backup", sample_wal_sql, growth_change},
                                  {"rewind", sample_wal_sql, rows_change}}};
const struct scenario stopped = {"stopped",
                                 true,
                                 true,
                                 {{"reclone", sample_wal_sql, rows_change},
                                  {"backup", sample_rollback_sql, rows_change},
                                  {"reclone", sample_rollback_sql, growth_change}}};

/* ---- a set on the stage ---- */

/* What a command writes; free() it. */
char *output_of(const char *command)
{
    struct wg_buf out;
    char bytes[4096];
    ssize_t got;
    int ends[2];
    int status = -1;
    wg_buf_init(&out, 16 << 20);
    cr_assert(eq(int, pipe2(ends, O_CLOEXEC), 0));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], bytes, sizeof bytes)) > 0)
        wg_buf_append(&out, bytes, (size_t)got);
    close(ends[0]);
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    cr_assert(eq(int, status, 0), "%s", command);
    return wg_buf_steal(&out);
}

/* All names, types, modes and contents below a directory that are of no database; free() it. */
static char *files_text(const char *directory)
{
    char *command = wg_format(
        "cd '%s' && find . ! -name '*.db' ! -name '*.db-*' ! -path './*walgrind-*' ! -name . "
        "-printf '%%p %%y %%m %%l\\n' | sort && "
        "find . -type f ! -name '*.db' ! -name '*.db-*' ! -path './*walgrind-*' | sort | xargs -r cksum",
        directory);
    char *text = output_of(command);
    free(command);
    return text;
}

static void append(struct wg_buf *out, char *text)
{
    wg_buf_puts(out, text);
    wg_buf_puts(out, "\n");
    free(text);
}

/* Opens it as an application does; where a reset left a journal that it could not roll back itself,
 * that happens here. */
static void open_once(const char *path)
{
    sqlite3 *db = NULL;
    cr_assert(eq(int, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK));
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    cr_assert(eq(int, sqlite3_exec(db, "PRAGMA user_version", NULL, NULL, NULL), SQLITE_OK));
    sqlite3_close(db);
}

/* The set as whoever opens it sees it. */
char *set_text(const struct troupe *troupe)
{
    struct wg_buf out;
    wg_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < troupe->count; i++) {
        open_once(troupe->files[i]);
        append(&out, dump_database(troupe->files[i]));
    }
    if (troupe->scenario->files)
        append(&out, files_text(wg_dbset_directory(troupe->set)));
    return wg_buf_steal(&out);
}

static char *template_text(const struct troupe *troupe)
{
    struct wg_buf out;
    wg_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < troupe->count; i++) {
        char *uri = wg_format("file:%s/%zu.db?immutable=1", wg_template_path(troupe->tmpl), i);
        append(&out, dump_database(uri));
        free(uri);
    }
    if (troupe->scenario->files)
        append(&out, files_text(wg_template_path(troupe->tmpl)));
    return wg_buf_steal(&out);
}

/* The same after everybody died: files alone, without the index that was in memory. */
char *recovered_text(const struct troupe *troupe)
{
    struct wg_buf out;
    char *copies = place_path(&troupe->place, "recovered");
    char *command = wg_format("rm -rf '%s' && mkdir '%s' && cd '%s' && for x in *.db *.db-wal "
                              "*.db-journal; do case $x in \\**) ;; *) echo \"$x\";; esac; done | "
                              "xargs cp -t '%s'",
                              copies, copies, wg_dbset_directory(troupe->set), copies);
    free(output_of(command));
    wg_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < troupe->count; i++) {
        char *copy = wg_format("%s/%zu.db", copies, i);
        open_once(copy);
        append(&out, dump_database(copy));
        free(copy);
    }
    if (troupe->scenario->files)
        append(&out, files_text(wg_dbset_directory(troupe->set)));
    free(command);
    free(copies);
    return wg_buf_steal(&out);
}

void start_servers(struct troupe *troupe)
{
    for (size_t i = 0; i < troupe->count; i++) {
        troupe->workers[i] = worker_start(troupe->files[i]);
        worker_expect_start(&troupe->workers[i], "sql 0 SELECT count(*) FROM sqlite_schema", "ok");
        worker_expect_start(&troupe->workers[i], "sql 1 SELECT count(*) FROM sqlite_schema", "ok");
    }
}

void stop_servers(struct troupe *troupe)
{
    for (size_t i = 0; i < troupe->count; i++)
        worker_stop(&troupe->workers[i]);
}

struct troupe troupe_open(const struct scenario *scenario)
{
    struct troupe troupe = {.scenario = scenario, .place = place_create()};
    struct wg_err err = WG_ERR_INIT;
    char *sql_files[MEMBERS_MAX + 1] = {NULL};
    char paths[MEMBERS_MAX][8];
    struct wg_dbset_choice choices[MEMBERS_MAX];
    for (size_t i = 0; scenario->members[i].strategy != NULL; i++, troupe.count++) {
        (void)snprintf(paths[i], sizeof paths[i], "%zu.db", i);
        char *name = wg_format("%zu.sql", i);
        place_write(&troupe.place, name, scenario->members[i].sql);
        sql_files[i] = wg_format("%s=%s/%s", paths[i], troupe.place.root, name);
        choices[i] = (struct wg_dbset_choice){paths[i], scenario->members[i].strategy};
        free(name);
    }
    char *cache = place_path(&troupe.place, "cache");
    char *directory = place_path(&troupe.place, "clone");
    char script[] = "mkdir -p $0/docs/deep $0/empty && echo one > $0/docs/one.xml && "
                    "echo two > $0/docs/deep/two.xml && chmod 640 $0/docs/deep/two.xml && "
                    "echo three > $0/docs/three.xml && ln -s one.xml $0/docs/link";
    char *command[] = {"sh", "-c", script, "{data}", NULL};
    struct wg_template_spec spec = {.name = "troupe", .sql_files = sql_files, .cache_dir = cache};
    if (scenario->files)
        spec.command = command;
    struct wg_dbset_options options = {.choices = choices, .choice_count = troupe.count};
    cr_assert(eq(int, wg_template_get(&spec, &troupe.tmpl, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_dbset_clone(troupe.tmpl, directory, &options, &troupe.set, &err), 0), "%s",
              err.message);
    for (size_t i = 0; i < troupe.count; i++) {
        troupe.files[i] = wg_format("%s/%s", wg_dbset_directory(troupe.set), paths[i]);
        free(sql_files[i]);
    }
    troupe.original = template_text(&troupe);
    start_servers(&troupe);
    free(cache);
    free(directory);
    return troupe;
}

void troupe_close(struct troupe *troupe)
{
    stop_servers(troupe);
    wg_dbset_destroy(troupe->set);
    wg_template_destroy(troupe->tmpl);
    place_remove(&troupe->place);
    for (size_t i = 0; i < troupe->count; i++)
        free(troupe->files[i]);
    free(troupe->original);
}

void change_all(struct troupe *troupe)
{
    for (size_t i = 0; i < troupe->count; i++) {
        const char *const *change = troupe->scenario->members[i].change;
        for (size_t k = 0; change[k] != NULL; k++) {
            char *command = wg_format("sql 0 %s", change[k]);
            worker_expect_start(&troupe->workers[i], command, "ok");
            free(command);
        }
    }
    if (troupe->scenario->files) {
        char *command = wg_format(
            "cd '%s' && echo changed > docs/one.xml && rm -rf docs/deep && ln -sfn x docs/link && "
            "mkdir -p new/a && echo x > new/a/b && chmod 700 empty && rm -f docs/three.xml && "
            "mkdir -p docs/three.xml/in",
            wg_dbset_directory(troupe->set));
        free(output_of(command));
        free(command);
    }
}

const char *look_sql(const struct troupe *troupe, size_t member)
{
    const char *sql = troupe->scenario->members[member].sql;
    return sql == tiny_sql || sql == tiny_wal_sql
               ? "sql 2 SELECT * FROM pragma_user_version"
               : "sql 2 SELECT (SELECT count(*) FROM sqlite_schema), (SELECT count(*) FROM note), "
                 "(SELECT total(length(name)) FROM person)";
}
