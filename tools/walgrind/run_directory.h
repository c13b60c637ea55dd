/* SPDX-License-Identifier: MIT */
/*
 * run_directory.h - where a run keeps its record.
 *
 *   .walgrind/                 holds a .gitignore of its own
 *     last -> runs/…           the newest run
 *     runs/20260131-123456-k3v9/
 *       events.jsonl           the truth; everything else can be computed from it
 *       junit.xml
 *       servers/UNIT-MODE-NAME.log
 *       suite.log              output of the suite binary itself, or of the command of --tests
 *       tests.xml              what that command wrote as {junit}
 *       databases/unit-N/      databases in which something was wrong
 *       trace/                 what the probe recorded, one file a process
 */
#ifndef WG_TOOLS_WALGRIND_RUN_DIRECTORY_H
#define WG_TOOLS_WALGRIND_RUN_DIRECTORY_H

#include "harness/base/err.h"

#include <stdbool.h>

struct wg_run_directory {
    char *path;   /* absolute */
    char *events; /* files in it */
    char *junit;
    char *servers;
    char *suite_log;
    char *tests_xml;
    char *databases;
    char *last;       /* what BASE/last is to point to; NULL when the directory was chosen */
    bool made, based; /* whether the directory, and .walgrind, were made for this run */
};

/* Makes the directory: `chosen` when not NULL (must not exist or be empty), else a new one below
 * ./.walgrind/runs. */
int wg_run_directory_create(const char *chosen, struct wg_run_directory *ret_directory,
                            struct wg_err *err);
/* Names the files of an existing one; NULL means the newest below ./.walgrind. */
int wg_run_directory_open(const char *chosen, struct wg_run_directory *ret_directory,
                          struct wg_err *err);
/* Lets .walgrind/last point to it, once the run has begun. */
void wg_run_directory_publish(const struct wg_run_directory *directory);
/* For a run that never began: takes away what was made, unless the suite binary has left words in
 * its log. */
void wg_run_directory_discard(const struct wg_run_directory *directory);
void wg_run_directory_finish(struct wg_run_directory *directory);

#endif
