/* SPDX-License-Identifier: MIT */
/* db_support.h - what the tests of fixtures/db share: a place, templates, another process. */
#ifndef WG_SUITES_UNIT_DB_SUPPORT_H
#define WG_SUITES_UNIT_DB_SUPPORT_H

#include "fixtures/db/dbset.h"
#include "fixtures/db/reset.h"
#include "fixtures/db/template.h"
#include "fixtures/db/verify.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A directory of the test; removed by place_remove, and by whoever cleans sandboxes. */
struct place {
    char root[PATH_MAX / 4];
};

struct place place_create(void);
void place_remove(const struct place *place);
/* ROOT/NAME; free() it. */
char *place_path(const struct place *place, const char *name);
/* Writes a file below the place. */
void place_write(const struct place *place, const char *name, const char *text);

/* A template of one database `app.db` (or `path`) from SQL text; destroy it. */
struct wg_template *template_from_sql(const struct place *place, const char *path, const char *sql);

/* A clone at ROOT/clone with one strategy for all; destroy it. */
struct wg_dbset *clone_with(const struct place *place, const struct wg_template *tmpl,
                            const char *strategy);

/* SQL that all strategy tests use: table `pair` with its invariant, and more. */
extern const char sample_wal_sql[];
extern const char sample_rollback_sql[];

/* Another process with connections to a database (db_worker.c). */
struct worker {
    struct wg_process *process;
    int to;
    int from;
};

struct worker worker_start(const char *database);
/* Sends one line; does not wait. */
void worker_send(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One line of answer without its newline; free() it. */
char *worker_answer(struct worker *worker);
/* True when an answer is there, or the worker is gone. */
bool worker_answered(const struct worker *worker);
/* Sends a line and fails the test unless the answer is `expected`. */
void worker_expect(struct worker *worker, const char *command, const char *expected);
/* Sends a line and fails the test unless the answer begins with `prefix`. */
void worker_expect_start(struct worker *worker, const char *command, const char *prefix);
pid_t worker_pid(const struct worker *worker);
void worker_stop(struct worker *worker);
/* SIGKILL. */
void worker_kill(struct worker *worker);

/* Resets and fails the test with the report's words when that does not work. */
struct wg_reset_report reset_now(struct wg_dbset *set);
/* Fails the test unless verification finds nothing. */
void expect_sound(struct wg_dbset *set);
/* Fails the test unless some finding contains `text`. */
void expect_finding(struct wg_dbset *set, const char *text);
/* All rows of all tables, the schema and the settings of the file as text; free() it. Takes
 * a URI too: a template is read with immutable=1, else an index would appear beside it. */
char *dump_database(const char *path);
/* Fails the test unless both files have the same bytes; compares in a child process. */
void expect_same_file(const char *a, const char *b);

#endif
