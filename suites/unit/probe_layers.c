/* SPDX-License-Identifier: MIT */
/*
 * probe_layers.c - deeds of the program that the probe is loaded into (probe_worker.c) with mapped
 * databases: on overlayfs, in a mount namespace of its own, and elsewhere.
 */
#include "suites/unit/probe_worker.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PLACE_MAX 512

/* The file `name` below box/, beside the database of the deed. */
static const char *inside(const char *path, const char *name, char buffer[static PLACE_MAX])
{
    int size =
        snprintf(buffer, PLACE_MAX, "%.*s/box/%s", (int)(strrchr(path, '/') - path), path, name);
    must(size > 0 && size < PLACE_MAX);
    return buffer;
}

static void can(bool truth)
{
    if (!truth)
        _exit(PROBE_WORKER_CANNOT);
}

/* Mounts an overlay at box/merged, with a database x.db of one row in its lower layer. */
static void overlay_beside(const char *path, const char *journal)
{
    static const char *const parts[] = {"lower", "upper", "work", "merged"};
    char at[PLACE_MAX], options[4 * PLACE_MAX], sql[128];
    sqlite3 *connection;
    can(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    must(mkdir(inside(path, "", at), 0700) == 0);
    can(mount("none", at, "tmpfs", 0, NULL) == 0);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        must(mkdir(inside(path, parts[i], at), 0700) == 0);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; CREATE TABLE t(a); INSERT INTO t VALUES(1)",
             journal);
    must(sqlite3_open(inside(path, "lower/x.db", at), &connection) == SQLITE_OK);
    must(sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
    inside(path, "", at);
    snprintf(options, sizeof options, "lowerdir=%slower,upperdir=%supper,workdir=%swork", at, at,
             at);
    can(mount("none", inside(path, "merged", at), "overlay", 0, options) == 0);
}

static sqlite3 *map(const char *path, int flags)
{
    sqlite3 *connection;
    must(sqlite3_open_v2(path, &connection, flags, NULL) == SQLITE_OK);
    must(sqlite3_exec(connection, "PRAGMA mmap_size=1000000", NULL, NULL, NULL) == SQLITE_OK);
    return connection;
}

static int rows_of(sqlite3 *connection)
{
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v2(connection, "SELECT count(*) FROM t", -1, &statement, NULL) ==
         SQLITE_OK);
    must(sqlite3_step(statement) == SQLITE_ROW);
    int rows = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return rows;
}

/* In a process of its own, since a reader and a writer of one process are rarely two. */
static void insert_elsewhere(const char *path)
{
    sqlite3 *connection;
    pid_t pid = fork();
    if (pid == 0) {
        must(sqlite3_open(path, &connection) == SQLITE_OK && insert(connection) == SQLITE_OK);
        must(sqlite3_close(connection) == SQLITE_OK);
        _exit(0);
    }
    must_end_well(pid);
}

/* Reads before and after each of two writes of somebody else. */
static int read_around_writes(const char *path)
{
    sqlite3 *connection = map(path, SQLITE_OPEN_READONLY);
    must(rows_of(connection) == 1);
    for (int i = 0; i < 2; i++) {
        insert_elsewhere(path);
        rows_of(connection);
    }
    int rows = rows_of(connection);
    sqlite3_close(connection);
    return rows;
}

static void overlay_lower(const char *path)
{
    char at[PLACE_MAX];
    overlay_beside(path, "delete");
    must(read_around_writes(inside(path, "merged/x.db", at)) == 1);
}

static void overlay_upper(const char *path)
{
    char at[PLACE_MAX];
    overlay_beside(path, "delete");
    int fd = open(inside(path, "merged/x.db", at), O_WRONLY | O_CLOEXEC);
    must(fd >= 0 && close(fd) == 0);
    must(read_around_writes(at) == 3);
}

static void overlay_untouched(const char *path)
{
    char at[PLACE_MAX];
    overlay_beside(path, "delete");
    sqlite3 *connection = map(inside(path, "merged/x.db", at), SQLITE_OPEN_READONLY);
    for (int i = 0; i < 3; i++)
        must(rows_of(connection) == 1);
    sqlite3_close(connection);
}

/* Copied up, but with the same bytes: by who changes its times. */
static void overlay_same(const char *path)
{
    char at[PLACE_MAX];
    overlay_beside(path, "delete");
    sqlite3 *connection = map(inside(path, "merged/x.db", at), SQLITE_OPEN_READONLY);
    must(rows_of(connection) == 1);
    must(utimensat(AT_FDCWD, at, NULL, 0) == 0);
    must(rows_of(connection) == 1);
    sqlite3_close(connection);
}

static void mapped_elsewhere(const char *path)
{
    sqlite3 *connection = map(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    must(sqlite3_exec(connection, "CREATE TABLE t(a)", NULL, NULL, NULL) == SQLITE_OK);
    must(insert(connection) == SQLITE_OK && sqlite3_close(connection) == SQLITE_OK);
    must(read_around_writes(path) == 3);
}

/* A commit that makes the database larger makes the mapping larger. */
static void grow_mapped(const char *path)
{
    static const char sql[] = "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(100000));"
                              "SELECT * FROM t; INSERT INTO t VALUES(zeroblob(300000))";
    sqlite3 *connection = map(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    must(sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
}

const struct deed layers[] = {
    {"overlay-lower", overlay_lower},
    {"overlay-upper", overlay_upper},
    {"overlay-untouched", overlay_untouched},
    {"overlay-same", overlay_same},
    {"mapped-elsewhere", mapped_elsewhere},
    {"grow-mapped", grow_mapped},
    {0},
};
