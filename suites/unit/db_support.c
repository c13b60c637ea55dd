/* SPDX-License-Identifier: MIT */
#include "suites/unit/db_support.h"

#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAMPLE                                                                                     \
    "CREATE TABLE pair(id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB);"                      \
    "INSERT INTO pair VALUES (1, 0, zeroblob(2000)), (2, 0, zeroblob(2000));"                      \
    "CREATE TABLE person(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);"               \
    "CREATE TABLE note(id INTEGER PRIMARY KEY, person INTEGER REFERENCES person(id), text TEXT);"  \
    "CREATE INDEX note_person ON note(person);"                                                    \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"                \
    "  INSERT INTO person(name) SELECT 'person ' || i FROM n;"                                     \
    "INSERT INTO note SELECT id, id, 'a note of ' || name FROM person;"                            \
    "PRAGMA user_version=7; PRAGMA application_id=4711;"

const char sample_wal_sql[] = "PRAGMA journal_mode=WAL;" SAMPLE;
const char sample_rollback_sql[] = SAMPLE;

struct place place_create(void)
{
    struct place place = {{0}};
    struct wg_err err = WG_ERR_INIT;
    char root[PATH_MAX];
    bool tmpfs;
    cr_assert(eq(int, wg_sandbox_root(64 << 20, root, sizeof root, &tmpfs, &err), 0), "%s",
              err.message);
    cr_assert(eq(int, wg_sandbox_create(root, "unit-db", place.root, sizeof place.root, &err), 0),
              "%s", err.message);
    return place;
}

void place_remove(const struct place *place)
{
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_tree_remove(place->root, &err), 0), "%s", err.message);
}

char *place_path(const struct place *place, const char *name)
{
    return wg_format("%s/%s", place->root, name);
}

void place_write(const struct place *place, const char *name, const char *text)
{
    char *path = place_path(place, name);
    char *parent = wg_strndup(path, (size_t)(strrchr(path, '/') - path));
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_tree_make(parent, &err), 0), "%s", err.message);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL, "%s: %s", path, strerror(errno));
    cr_assert(ge(int, fputs(text, file), 0));
    cr_assert(eq(int, fclose(file), 0));
    free(parent);
    free(path);
}

struct wg_template *template_from_sql(const struct place *place, const char *path, const char *sql)
{
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    place_write(place, "sample.sql", sql);
    char *cache = place_path(place, "cache");
    char *sql_file = wg_format("%s=%s/sample.sql", path, place->root);
    char *sql_files[] = {sql_file, NULL};
    struct wg_template_spec spec = {.name = "sample", .sql_files = sql_files, .cache_dir = cache};
    cr_assert(eq(int, wg_template_get(&spec, &tmpl, &err), 0), "%s", err.message);
    free(cache);
    free(sql_file);
    return tmpl;
}

struct wg_dbset *clone_with(const struct place *place, const struct wg_template *tmpl,
                            const char *strategy)
{
    struct wg_dbset *set = NULL;
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset_options options = {.strategy = strategy};
    char *directory = place_path(place, "clone");
    cr_assert(eq(int, wg_dbset_clone(tmpl, directory, &options, &set, &err), 0), "%s", err.message);
    free(directory);
    return set;
}

/* ---- the other process ---- */

struct worker worker_start(const char *database)
{
    struct worker worker = {.to = -1, .from = -1};
    struct wg_err err = WG_ERR_INIT;
    int to[2];
    int from[2];
    cr_assert(eq(int, pipe2(to, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(from, O_CLOEXEC), 0));
    char *program = wg_strdup(WG_TEST_DB_WORKER);
    char *file = wg_strdup(database);
    char *argv[] = {program, file, NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    options.stdin_fd = to[0];
    options.stdout_fd = from[1];
    options.stderr_fd = 2;
    cr_assert(eq(int, wg_process_start(&options, &worker.process, &err), 0), "%s", err.message);
    close(to[0]);
    close(from[1]);
    worker.to = to[1];
    worker.from = from[0];
    free(program);
    free(file);
    return worker;
}

void worker_send(struct worker *worker, const char *format, ...)
{
    struct wg_buf line;
    va_list ap;
    wg_buf_init(&line, 65536);
    va_start(ap, format);
    wg_buf_vprintf(&line, format, ap);
    va_end(ap);
    wg_buf_puts(&line, "\n");
    cr_assert(eq(long, write(worker->to, line.data, line.size), (long)line.size));
    wg_buf_finish(&line);
}

char *worker_answer(struct worker *worker)
{
    struct wg_buf line;
    wg_buf_init(&line, 1 << 20);
    char byte;
    ssize_t got;
    while ((got = read(worker->from, &byte, 1)) == 1 && byte != '\n')
        wg_buf_append(&line, &byte, 1);
    cr_assert(eq(long, got, 1), "the worker is gone");
    while (line.size > 0 && line.data[line.size - 1] == ' ')
        line.data[--line.size] = '\0';
    return wg_buf_steal(&line);
}

bool worker_answered(const struct worker *worker)
{
    struct pollfd answer = {.fd = worker->from, .events = POLLIN};
    return poll(&answer, 1, 0) != 0;
}

void worker_expect(struct worker *worker, const char *command, const char *expected)
{
    worker_send(worker, "%s", command);
    char *answer = worker_answer(worker);
    cr_assert(eq(int, strcmp(answer, expected), 0), "%s: \"%s\" instead of \"%s\"", command, answer,
              expected);
    free(answer);
}

void worker_expect_start(struct worker *worker, const char *command, const char *prefix)
{
    worker_send(worker, "%s", command);
    char *answer = worker_answer(worker);
    cr_assert(wg_str_starts(answer, prefix), "%s: \"%s\" instead of \"%s...\"", command, answer,
              prefix);
    free(answer);
}

pid_t worker_pid(const struct worker *worker)
{
    return wg_process_pid(worker->process);
}

void worker_stop(struct worker *worker)
{
    int status = 0;
    struct wg_err err = WG_ERR_INIT;
    close(worker->to);
    int ended = wg_process_wait(worker->process, wg_deadline_in_ms(20000), &status, NULL, &err);
    cr_assert(eq(int, ended, 1));
    cr_assert(eq(int, status, 0));
    close(worker->from);
    wg_process_destroy(worker->process);
}

void worker_kill(struct worker *worker)
{
    kill(worker_pid(worker), SIGKILL);
    close(worker->to);
    close(worker->from);
    wg_process_destroy(worker->process);
}

/* ---- expectations ---- */

struct wg_reset_report reset_now(struct wg_dbset *set)
{
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_dbset_reset(set, -1, &report, &err), 0), "%s", err.message);
    return report;
}

void expect_sound(struct wg_dbset *set)
{
    struct wg_verify_report report;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_dbset_verify(set, &report, &err), 0), "%s", err.message);
    for (size_t i = 0; i < report.count; i++)
        cr_assert(eq(sz, report.databases[i].findings.count, 0), "%s: %s", report.databases[i].path,
                  report.databases[i].findings.count == 0 ? ""
                                                          : report.databases[i].findings.items[0]);
    wg_verify_report_finish(&report);
}

void expect_finding(struct wg_dbset *set, const char *text)
{
    bool found = false;
    struct wg_verify_report report;
    struct wg_err err = WG_ERR_INIT;
    struct wg_buf all;
    wg_buf_init(&all, 1 << 16);
    cr_assert(eq(int, wg_dbset_verify(set, &report, &err), 0), "%s", err.message);
    for (size_t i = 0; i < report.count; i++) {
        for (size_t k = 0; k < report.databases[i].findings.count; k++) {
            found = found || strstr(report.databases[i].findings.items[k], text) != NULL;
            wg_buf_printf(&all, "\n  %s", report.databases[i].findings.items[k]);
        }
    }
    cr_assert(found, "no finding says \"%s\"; findings:%s", text, all.data);
    wg_buf_finish(&all);
    wg_verify_report_finish(&report);
}

static void put_hex(const unsigned char *bytes, int count, struct wg_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < count; i++) {
        char hex[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        wg_buf_append(out, hex, sizeof hex);
    }
}

static void dump_rows(sqlite3 *db, const char *sql, struct wg_buf *out)
{
    sqlite3_stmt *statement = NULL;
    cr_assert(eq(int, sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK), "%s: %s", sql,
              sqlite3_errmsg(db));
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const unsigned char *bytes = sqlite3_column_blob(statement, i);
            wg_buf_printf(out, "%d:", sqlite3_column_type(statement, i));
            put_hex(bytes, sqlite3_column_bytes(statement, i), out);
            wg_buf_puts(out, "|");
        }
        wg_buf_puts(out, "\n");
    }
    cr_assert(eq(int, code, SQLITE_DONE), "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
}

char *dump_database(const char *path)
{
    static const char *const meta[] = {
        "PRAGMA user_version", "PRAGMA application_id", "PRAGMA auto_vacuum",   "PRAGMA encoding",
        "PRAGMA page_size",    "PRAGMA page_count",     "PRAGMA freelist_count"};
    struct wg_buf out;
    sqlite3 *db = NULL;
    sqlite3_stmt *tables = NULL;
    wg_buf_init(&out, 64 << 20);
    cr_assert(eq(int, sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, "unix"),
                 SQLITE_OK));
    sqlite3_busy_timeout(db, 5000);
    for (size_t i = 0; i < sizeof meta / sizeof meta[0]; i++)
        dump_rows(db, meta[i], &out);
    dump_rows(db, "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY name",
              &out);
    const char *list =
        "SELECT 'SELECT * FROM \"' || name || '\" ORDER BY rowid' FROM sqlite_schema "
        "WHERE type = 'table' ORDER BY name";
    cr_assert(eq(int, sqlite3_prepare_v2(db, list, -1, &tables, NULL), SQLITE_OK), "%s",
              sqlite3_errmsg(db));
    while (sqlite3_step(tables) == SQLITE_ROW)
        dump_rows(db, (const char *)sqlite3_column_text(tables, 0), &out);
    sqlite3_finalize(tables);
    sqlite3_close(db);
    return wg_buf_steal(&out);
}

void expect_same_file(const char *a, const char *b)
{
    int status = 0;
    pid_t child = fork(); /* closing a database here would drop this process's locks on it */
    if (child == 0) {
        execlp("cmp", "cmp", a, b, (char *)NULL);
        _exit(127);
    }
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    cr_assert(eq(int, status, 0), "%s and %s differ", a, b);
}
