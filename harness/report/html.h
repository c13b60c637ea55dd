/* SPDX-License-Identifier: MIT */
/*
 * html.h - a run as one page of HTML that needs nothing from anywhere else.
 *
 * The page is made of the events and, for tests that did not pass, of the lines with their name in
 * the server's log. Its style, its scripts and the plotting library are compiled in (html/). The
 * data stands in the page as JSON in which every '<' is written as an escape, so that whatever a
 * test printed stays text.
 */
#ifndef WG_HARNESS_REPORT_HTML_H
#define WG_HARNESS_REPORT_HTML_H

#include "harness/base/err.h"

/* Writes the page of the record at `events_path` to `path`. */
int wg_html_write(const char *events_path, const char *path, struct wg_err *err);

#endif
