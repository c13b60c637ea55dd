/* SPDX-License-Identifier: MIT */
/*
 * diag.h - names what was done wrong to SQLite databases: findings from a trace.
 *
 * A finding has the call that was wrong, who made it and where, and whom it hurt. It is made from
 * the trace alone, by detectors that are rows of a table (detector.h). One false alarm and people
 * stop reading, so a detector that cannot be certain is silent: a file that is deleted while open
 * counts only once somebody has used it afterwards, a process only while the trace shows it alive.
 * A call that was made to fail on purpose is no finding, and what is found on its database later
 * says that it may have come from it.
 *
 * Sources: sqlite.org/howtocorrupt.html, lockingv3.html, walformat.html.
 */
#ifndef WG_HARNESS_DIAG_DIAG_H
#define WG_HARNESS_DIAG_DIAG_H

#include "harness/base/str.h"
#include "harness/trace/trace.h"

#include <jansson.h>
#include <stdio.h>

struct wg_detector;
struct wg_finding;

#define WG_EFFECT_PIDS    8
#define WG_FINDING_FRAMES 8  /* native frames named */
#define WG_FINDING_TESTS  12 /* names of tests kept of a finding or effect */

/* What was seen on a finding's database after it, counted by kind and code (effect.h). */
struct wg_effect {
    enum {
        WG_EFFECT_ERROR,   /* a call of the SQLite API failed, or a log or answer says so */
        WG_EFFECT_LOGGED,  /* SQLite's own log says it, no call failed with it */
        WG_EFFECT_FINDING, /* a later finding */
    } kind;
    int code;                         /* extended result code, 0 unknown */
    const char *name;                 /* of the code or finding; a message when there is no code */
    const struct wg_finding *finding; /* of WG_EFFECT_FINDING, else NULL */
    int64_t first_ns;                 /* of the first of them */
    bool exact;                       /* false: it was seen at first_ns, and happened before */
    bool explained;                   /* the detector's mechanism makes it */
    size_t count;
    pid_t pids[WG_EFFECT_PIDS];
    size_t pid_count;
    struct wg_strv tests; /* in which it was seen */
};

/* Where in the run a finding belongs; all empty when there are no events of a run. */
struct wg_moment {
    const struct wg_run_unit *unit; /* of the database */
    char *who;                      /* part of the run that made the call, NULL unknown */
    struct wg_strv tests;           /* that ran on the unit, or the one that made the call */
    struct wg_strv requests;        /* that were under way */
};

struct wg_finding {
    const struct wg_detector *detector;
    struct wg_trace_event event; /* the first wrong call; strings belong to the trace */
    const char *database;        /* path of the database that it hurts */
    const char *other_path;      /* second name or file, when the detector has one; else NULL */
    size_t times;                /* how often by the same process from the same place */
    unsigned locks_lost;         /* dropped by the first call */
    pid_t holders[8];            /* processes that had it open, as many as fit */
    size_t holder_count;         /* of all of them */
    size_t faults_before;        /* faults that had been injected into the database by then */
    struct wg_strv stack;        /* native frames in words: of wg_diag_symbolise() */
    struct wg_moment moment;     /* these two: of wg_diag_join() */
    struct wg_effect *effects;   /* in the order in which they were first seen */
    size_t effect_count;
};

struct wg_findings {
    struct wg_finding *items; /* ordered by time */
    size_t count;
};

/* Reads the whole trace. `ret_findings` stays valid as long as the trace. */
void wg_diag_run(const struct wg_trace *trace, struct wg_findings *ret_findings);
void wg_findings_finish(struct wg_findings *findings);
/* How many are errors (detector.h); the others are warnings, and no reason to call a program
 * broken. */
size_t wg_findings_errors(const struct wg_findings *findings);
bool wg_finding_is_error(const struct wg_finding *finding);

/*
 * How many processes have opened databases through an SQLite whose API was not seen, because it is
 * inside the program: what shows in SQL alone cannot be found there. `ret_exe` is one of them.
 */
size_t wg_diag_without_sql(const struct wg_trace *trace, const char **ret_exe);

/* A finding as text of some lines, like a compiler's error. */
void wg_finding_print(const struct wg_finding *finding, FILE *out);
/* What a detector looks for, what it means and what to do, in the same shape. */
void wg_detector_print(const struct wg_detector *detector, FILE *out);
/*
 * {"id", "severity" ("error" or "warning"), "title", "database", "pid", "tid", "command", "call",
 * "at_mono_ns", "times", "where", "stack", "holders", "advice", "effects": [{"kind", "code",
 * "name", "count", "after_ms", "exact", "explained", "pids", "tests"}]} and, of a run, "who",
 * "unit", "tests", "requests", "faults_before" when there were some, and "sql" of a call with SQL;
 * the caller owns it. "at_mono_ns" is CLOCK_MONOTONIC.
 */
json_t *wg_finding_json(const struct wg_finding *finding);

#endif
