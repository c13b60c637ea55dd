/* SPDX-License-Identifier: MIT */
/*
 * classify.h - recognises SQLite's complaints wherever they show: result codes, response bodies,
 * lines of a server's log.
 *
 * Three sources of evidence, from the surest to the vaguest:
 *   code      an extended result code that the server logged as JSON ("event":"sqlite")
 *   response  a status 5xx, or a body that carries one of SQLite's messages
 *   text      a log line of any server that carries one of SQLite's messages
 * Messages and codes: sqlite.org/rescode.html and sqlite3_errstr().
 */
#ifndef WG_HARNESS_RUN_CLASSIFY_H
#define WG_HARNESS_RUN_CLASSIFY_H

#include "harness/wire/events.h"

#include <jansson.h>
#include <stddef.h>

/* The class of an extended result code; WG_EVIDENCE_COUNT when it is no evidence (constraints, OK).
 */
enum wg_evidence_class wg_classify_code(int extended_code);
/* The class of the first of SQLite's messages inside text; WG_EVIDENCE_COUNT when there is none.
 * ret_message (may be NULL) gets the message that was found. */
enum wg_evidence_class wg_classify_text(const char *text, size_t size, const char **ret_message);
/* Name of a class as it stands in events. */
const char *wg_evidence_class_name(enum wg_evidence_class class_);

/* Members of "evidence" for a "request" event's members, NULL when there is nothing wrong with it.
 */
json_t *wg_classify_response(const json_t *request);
/* Members of "evidence" for one line of a server's log, NULL when it tells nothing. */
json_t *wg_classify_log_line(const char *line, size_t size);

#endif
