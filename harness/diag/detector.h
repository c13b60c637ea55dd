/* SPDX-License-Identifier: MIT */
/*
 * detector.h - the table of detectors.
 *
 * A detector looks at one event and at what is known before it (struct wg_diag_view), and says
 * whether the call was wrong. A wrong call that nobody can feel is no finding, so most wait for a
 * sign that somebody did (enum wg_diag_sign).
 *
 * To add one: a row in detector.c with its function (or a rule in sql_rules.c, when it looks at
 * SQL), a page docs/diagnosis/ID with its row in docs/diagnosis.md, a bad program and its control
 * in suites/mechanisms.
 */
#ifndef WG_HARNESS_DIAG_DETECTOR_H
#define WG_HARNESS_DIAG_DETECTOR_H

#include "harness/trace/trace.h"

#include <stdbool.h>
#include <stddef.h>

/* A process that has a file open through SQLite. */
struct wg_holder {
    const struct wg_trace_process *process;
    uint64_t dev, ino;
    const char *database;
    uint64_t module; /* a number for the object that opened it, 0 unknown */
    int fds;
    bool reads_only; /* it was never opened for writing */
};

enum wg_diag_sign {
    WG_DIAG_AT_ONCE,
    /* A transaction begins afterwards on files of that database that were open; or a process that
     * had it open when it was unlinked opens the path again. */
    WG_DIAG_USED,
    WG_DIAG_MISSED, /* a process that worked with the database does not find it afterwards */
};

struct wg_diag_view {
    const struct wg_trace *trace;
    const struct wg_trace_event *event;
    const struct wg_holder
        *holders; /* alive, of the inode in question, the own process among them */
    size_t holder_count;
    const struct wg_holder *target; /* the same for record->ino2 */
    size_t target_count;
    bool used_beside; /* another process has opened the database since this one began */
};

enum wg_diag_severity {
    WG_DIAG_ERROR,   /* the database or acknowledged data is at risk, or an I/O error follows */
    WG_DIAG_WARNING, /* calls fail by contention or configuration; no data is at risk */
};

struct wg_detector {
    const char *id;
    enum wg_diag_severity severity;
    const char *title; /* "%s" is the database's file name */
    const char *why;   /* what it means */
    const char *fix;
    enum wg_diag_sign sign;
    bool once; /* per process and database, wherever it is done */
    bool (*matches)(const struct wg_diag_view *view); /* NULL: found by sql_rules.c */
};

extern const struct wg_detector wg_detectors[];
extern const size_t wg_detector_count;
/* NULL when there is none of that id. */
const struct wg_detector *wg_detector_find(const char *id);

/* What a mechanism makes happen later, as measured: a row of symptom.c. */
struct wg_symptom {
    const char *id;       /* of the detector */
    const char *leads_to; /* id of a finding that follows from it, NULL: none */
    int codes[10];        /* result codes that follow from it, ends with 0 */
};

extern const size_t wg_symptom_count;
/* NULL when nothing is known to follow. */
const struct wg_symptom *wg_detector_symptom(const struct wg_detector *detector);

#endif
