/* SPDX-License-Identifier: MIT */
/*
 * cell.h - one cell of the lab's table: one way to initialise under one hazard, run some times.
 *
 * A run is the API suite in the swarm against the reference server, in a process of its own
 * (`walgrind run`), and what it showed is computed from its record of events. The class of a run is
 * the worst thing that an observer of the application could have seen; what only the log of SQLite
 * showed is counted, but makes no class.
 */
#ifndef WG_TOOLS_WALGRIND_LAB_CELL_H
#define WG_TOOLS_WALGRIND_LAB_CELL_H

#include "harness/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(identifier, name, letter, kind, meaning), the worst last. Which symptom damage takes is chance:
 * the same lost lock gives "disk I/O error" in one run and "malformed" in the next. So runs are
 * compared by the kind, and the class says what the worst of it looked like.
 */
#define WG_LAB_CLASSES(X)                                                                          \
    X(CLEAN, "clean", '.', "clean", "every test passed, nothing was reported")                     \
    X(LOCKED, "locked", 'l', "refused", "\"database is locked\" reached a client")                 \
    X(DEADLOCK, "deadlock", 'd', "refused", "the application's own locks waited for each other")   \
    X(WRONG, "wrong", 'w', "damaged", "no error told, but tests failed on what they read")         \
    X(CONNECTION, "connection", 'c', "outage", "requests without an answer: the server was gone")  \
    X(SCHEMA, "schema", 's', "damaged", "tables or columns missing, or there twice")               \
    X(IO, "io", 'I', "damaged", "disk I/O error, unable to open database file and their like")     \
    X(MALFORMED, "malformed", 'M', "damaged", "database disk image is malformed, not a database")  \
    X(HUNG, "hung", 'H', "hung", "not over at its deadline")

enum wg_lab_class {
#define WG_LAB_ENUM(identifier, name, letter, kind, meaning) WG_LAB_##identifier,
    WG_LAB_CLASSES(WG_LAB_ENUM)
#undef WG_LAB_ENUM
        WG_LAB_CLASS_COUNT
};

struct wg_lab_class_row {
    const char *name;
    char letter;
    const char *kind;
    const char *meaning;
};
extern const struct wg_lab_class_row wg_lab_classes[WG_LAB_CLASS_COUNT];
/* WG_LAB_CLASS_COUNT when there is none of that name. */
enum wg_lab_class wg_lab_class_of(const char *name);

struct wg_lab_options {
    const char *walgrind;  /* the program itself */
    const char *directory; /* of the lab; runs go below */
    char *const *tests;    /* patterns, NULL-terminated; empty: all */
    char *const *run_args; /* more options for `walgrind run`, NULL-terminated */
    bool probe;            /* under `walgrind exec`, for the findings */
    int64_t timeout_ms;    /* of one run */
    int stop_fd;           /* readable once the lab is to stop; -1: never */
};

/*
 * Runs one cell once, as number `round` (from 1), and describes what it showed:
 * {"init", "hazard", "round", "class", "tests", "failed", "wrong", "answers": {class: count},
 *  "logged": {"io", "corrupt", "busy"}, "findings": [id…], "journal": {db: mode}, "ms", "run"}.
 * `hazard` is one name or several joined by +. A run that shows something bad is no error; one that
 * could not be made is. Returns 1 when `stop_fd` became readable: the run was stopped then.
 */
int wg_lab_cell_run(const struct wg_lab_options *options, const char *init, const char *hazard,
                    int round, json_t **ret_result, struct wg_err *err);

#endif
