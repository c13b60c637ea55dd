/* SPDX-License-Identifier: MIT */
/*
 * diff_text.h - what a test changed in its databases, as text.
 *
 *     db/app.db
 *       index notes_text made
 *       notes: 1 inserted, 1 updated, 3 deleted
 *         + id=7 text="a"
 *         ~ id=1: text "a" -> "b"
 *         - id=3 text="c"
 *         2 more not shown
 */
#ifndef WG_HARNESS_REPORT_DIFF_TEXT_H
#define WG_HARNESS_REPORT_DIFF_TEXT_H

#include "harness/base/buf.h"

#include <jansson.h>

/* `databases`: the array that wg_dbset_diff makes (fixtures/db/diff.h). Nothing for an empty one.
 */
void wg_diff_describe(const json_t *databases, const char *indent, struct wg_buf *out);

/* Where the databases of a failed test ("test-finished") were kept, and what it changed in them. */
char *wg_changes_text(const json_t *finished, const char *indent); /* the caller frees it */

#endif
