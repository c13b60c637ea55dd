/* SPDX-License-Identifier: MIT */
/*
 * tap.h - reads the results of tests from a stream of the Test Anything Protocol.
 *
 * Versions 12 to 14 are one format here: plan in front or behind, descriptions, directives, YAML
 * blocks, comments, subtests indented by four spaces, "Bail out!". A subtest is named
 * PARENT/CHILD; the point of a parent counts as a test of its own only when it has no children, or
 * fails though none of them does. A point outside of subtests is named tests/DESCRIPTION.
 *
 *   not ok                     failed, with the YAML block and the comments behind it as message
 *   ok, not ok # SKIP          skipped
 *   not ok # todo              skipped, and what is below it too; ok # todo is passed
 *
 * What is no TAP is output of the point that follows.
 *
 * A stream can be wrong as a whole: a plan that does not match or is missing, a bail-out, an
 * unknown version. In a subtest that fails its parent; otherwise wg_tap_reader_end() says it.
 */
#ifndef WG_HARNESS_FOREIGN_TAP_H
#define WG_HARNESS_FOREIGN_TAP_H

#include "harness/foreign/result.h"

#include <stdbool.h>
#include <stdint.h>

struct wg_tap_reader;

/* Adds to `results`, which outlives it. Tests that tell no duration took the time since the point
 * before, the first one since `now_ns`. */
struct wg_tap_reader *wg_tap_reader_create(struct wg_foreign_results *results, int64_t now_ns);
void wg_tap_reader_destroy(struct wg_tap_reader *reader);

/* Takes bytes that arrived at `now_ns`. Lines above WG_LIMIT_LOG_LINE are cut. -1 with WG_ERR_LIMIT
 * after too many tests. */
int wg_tap_reader_feed(struct wg_tap_reader *reader, const char *bytes, size_t size, int64_t now_ns,
                       struct wg_err *err);
/*
 * The stream has ended: adds what was still open. `whole` false: it was cut off, for a reason that
 * is known. -1 with WG_ERR_FORMAT when it is whole and wrong.
 */
int wg_tap_reader_end(struct wg_tap_reader *reader, bool whole, int64_t now_ns, struct wg_err *err);

#endif
