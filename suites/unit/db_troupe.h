/* SPDX-License-Identifier: MIT */
/* db_troupe.h - a set of several databases and files, with a server on each database. */
#ifndef WG_SUITES_UNIT_DB_TROUPE_H
#define WG_SUITES_UNIT_DB_TROUPE_H

#include "suites/unit/db_support.h"

#include <stdbool.h>
#include <stddef.h>

#define MEMBERS_MAX 5

struct member {
    const char *strategy; /* NULL ends the list */
    const char *sql;
    const char *const *change;
};

struct scenario {
    const char *label;
    bool files;   /* the tree has other files */
    bool stopped; /* the server is stopped for each reset */
    struct member members[MEMBERS_MAX + 1];
};

extern const struct scenario several_rollback;
extern const struct scenario several_wal;
extern const struct scenario both_journals;
extern const struct scenario corners;
extern const struct scenario guards;
extern const struct scenario mixture;
extern const struct scenario stopped;

struct troupe {
    const struct scenario *scenario;
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    size_t count;
    char *files[MEMBERS_MAX];
    struct worker workers[MEMBERS_MAX];
    char *original; /* the template's state as text */
    bool looked;    /* the server has been asked in the middle of a reset */
};

struct troupe troupe_open(const struct scenario *scenario);
/* Its servers must run. */
void troupe_close(struct troupe *troupe);
void start_servers(struct troupe *troupe);
void stop_servers(struct troupe *troupe);
/* Does to every member what a test of a server would do. */
void change_all(struct troupe *troupe);

/* The set as whoever opens it sees it, as text; free() it. */
char *set_text(const struct troupe *troupe);
/* The same after everybody died: files alone, without the index that was in memory. */
char *recovered_text(const struct troupe *troupe);
/* What a shell command writes; free() it. Fails the test when the command does. */
char *output_of(const char *command);
/* The command by which connection 2 of a server looks at a member. */
const char *look_sql(const struct troupe *troupe, size_t member);

#endif
