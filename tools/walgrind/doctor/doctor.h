/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what can be told of databases and of the processes that use them without running
 * anything: from the directory, from /proc, and from the libraries that are loaded.
 *
 * Databases are looked at with stat(2) and one read of their header; no connection is opened, so
 * nobody who uses them notices.
 */
#ifndef WG_TOOLS_WALGRIND_DOCTOR_DOCTOR_H
#define WG_TOOLS_WALGRIND_DOCTOR_DOCTOR_H

#include "harness/base/err.h"
#include "harness/base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define DOCTOR_NAME_MAX 256

enum doctor_grade { DOCTOR_NOTE, DOCTOR_WARN, DOCTOR_BAD };

/* Findings: [{"grade": "note" | "warn" | "bad", "path", "pid" or none, "message", "advice"}…]. */
struct doctor {
    json_t *findings;
    int counts[DOCTOR_BAD + 1];
    int unseen; /* processes that may not be looked at */
};

/* `pid` 0: no process is meant; `advice` may be NULL. */
void doctor_tell(struct doctor *doctor, enum doctor_grade grade, const char *path, pid_t pid,
                 const char *advice, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* A database, or what looks like a part of one, by its place in the file system. */
struct doctor_file {
    char *path; /* absolute */
    dev_t dev;
    ino_t ino;
    off_t size;
    nlink_t links;
    bool database, wal; /* has SQLite's header, and says WAL */
    size_t base;        /* length of the database's path in that of a sidecar; 0 for others */
    int holders;        /* processes that have it open */
};

struct doctor_files {
    struct doctor_file *items;
    size_t count;
    struct wg_strv unread; /* files and directories that may not be read */
};

/* The databases and sidecars of a directory with all below it, or of one database. */
int doctor_files_find(const char *path, struct doctor_files *ret_files, struct wg_err *err);
void doctor_files_finish(struct doctor_files *files);
/* The file with that path, NULL when there is none. */
struct doctor_file *doctor_file_at(const struct doctor_files *files, const char *path, size_t size);

/* What kind of file system it is, and what that means for SQLite; then those of databases that are
 * on others. */
void doctor_look_at_places(struct doctor *doctor, const struct doctor_files *files,
                           const char *path);
/* Names, sizes and neighbours of the files; after the processes, so that it is known who uses them.
 */
void doctor_look_at_files(struct doctor *doctor, const struct doctor_files *files);
/* Who has them open, under which name, deleted ones too, with which locks and which SQLite. `root`
 * is the directory, or the one database, that was asked for. */
void doctor_look_at_processes(struct doctor *doctor, struct doctor_files *files, const char *root);

/*
 * The version that a SQLite library exports, "3.40.1", read from its file; false when there is
 * none. Nothing of the library is run: it may be anybody's.
 */
bool doctor_sqlite_version(const char *library, char *buffer, size_t size);
/* What is known against a version of SQLite; NULL for nothing. Static text. */
const char *doctor_version_trouble(const char *version);

#endif
