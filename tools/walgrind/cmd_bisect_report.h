/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_report.h - what walgrind bisect tells: text, JSON and a self-contained HTML page.
 *
 * All three are functions of a session and its plan, that is of the log and the repository.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_REPORT_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_REPORT_H

#include "tools/walgrind/cmd_bisect_session.h"

#include <jansson.h>
#include <stdio.h>

/* The part of the posterior that the reports list when there is no answer. */
#define BISECT_SET_MASS 0.95

/* The answer, the evidence and the command to verify, for people. */
void bisect_print_text(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                       FILE *out);

/* The same for machines; the caller releases it. Its shape is described in docs/bisect.md. */
json_t *bisect_report_json(const struct bisect_session *session, const struct wg_bisect_plan *plan);

/* The same as a page with the posterior as a picture. Writes the whole file or fails. */
int bisect_write_html(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                      const char *path, struct wg_err *err);

/* One sentence that says how the bisection stands; the caller frees it. */
char *bisect_headline(const struct bisect_session *session, const struct wg_bisect_plan *plan);

/* The command that repeats the comparison of the culprit with its parent; the caller frees it. */
char *bisect_verify_command(const struct bisect_session *session,
                            const struct wg_bisect_plan *plan);

/* What a way to run the command is called in a report. */
const char *bisect_way_name(const struct bisect_session *session, size_t way);

/* Runs, builds and skipped commits so far. */
struct bisect_counts {
    unsigned runs, failures, tested, untestable;
};
struct bisect_counts bisect_count(const struct bisect_session *session);

#endif
