/* SPDX-License-Identifier: MIT */
/*
 * programs.h - the C programs of suites/mechanisms: each way to break a database and the nearest
 * right one, as tables of functions that the one program runs by name (programs.c).
 *
 * To add one: two functions and a row in programs_files.c, programs_limits.c or programs_sql.c.
 */
#ifndef WG_SUITES_MECHANISMS_PROGRAMS_H
#define WG_SUITES_MECHANISMS_PROGRAMS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <unistd.h>

#define DB     "app.db"
#define CANNOT 77 /* exit code: this machine does not let the program do what it wants */

struct mechanism {
    const char *id; /* of the detector */
    const char *bad_name, *control_name;
    void (*bad)(void);
    void (*control)(void);
    const char *call; /* that is to be named; alternatives separated by '|' */
};
#define MECHANISM(id, bad, control, call)                                                          \
    {                                                                                              \
        id, #bad, #control, bad, control, call                                                     \
    }

/* Each ends with id NULL. */
extern const struct mechanism file_mechanisms[], limit_mechanisms[], sql_mechanisms[];

/* What holds for a program that works as its author meant; ends with 9 when not. */
static inline void must(bool truth)
{
    if (!truth)
        _exit(9);
}
/* Opens (and makes) a database with the table t and a row in it. */
sqlite3 *connect_to(const char *path, const char *journal);
/* One more write; what it answers on a broken database does not matter. */
void use(sqlite3 *connection);
/* The same that any program of SQL says, whatever comes of it. */
void say(sqlite3 *connection, const char *sql);
/* Names a process as the culprit, in the file "culprit". */
void accuse(int pid);
/* Does `deed` (programs.c) to `path` in a process of its own, which is the culprit, and waits. */
void other_process(const char *deed, const char *path);
/* The same in two steps: the process exists, and does it once it is told to. */
struct helper {
    int pid, fd;
};
struct helper begin_other(const char *deed, const char *path);
void let_other(struct helper helper);
void copy_file(const char *from, const char *to);

#endif
