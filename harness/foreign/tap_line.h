/* SPDX-License-Identifier: MIT */
/* tap_line.h - one line of the Test Anything Protocol, versions 12 to 14 (testanything.org). */
#ifndef WG_HARNESS_FOREIGN_TAP_LINE_H
#define WG_HARNESS_FOREIGN_TAP_LINE_H

#include <stdbool.h>

enum wg_tap_kind {
    WG_TAP_OTHER,   /* no TAP: whatever a test printed */
    WG_TAP_VERSION, /* TAP version 14 */
    WG_TAP_PLAN,    /* 1..5, 1..0 # SKIP reason */
    WG_TAP_POINT,   /* ok 1 - name # SKIP reason */
    WG_TAP_COMMENT, /* # text */
    WG_TAP_SUBTEST, /* # Subtest: name */
    WG_TAP_BAIL,    /* Bail out! reason */
    WG_TAP_PRAGMA,  /* pragma +strict */
};

enum wg_tap_directive { WG_TAP_NONE, WG_TAP_SKIP, WG_TAP_TODO };

struct wg_tap_line {
    enum wg_tap_kind kind;
    int indent; /* spaces before it */
    bool ok;
    long number; /* of a version; of a plan: how many; -1: no number that can be */
    char *text;  /* description, comment or reason to bail out; owned, never NULL */
    enum wg_tap_directive directive;
    char *reason; /* of the directive; owned, never NULL */
    double ms;    /* "# time=5.2ms", as node-tap writes it; -1: not given */
};

/* Reads a line without its newline. */
void wg_tap_line_read(const char *line, struct wg_tap_line *ret_line);
void wg_tap_line_finish(struct wg_tap_line *line);

#endif
