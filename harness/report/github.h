/* SPDX-License-Identifier: MIT */
/*
 * github.h - a run for GitHub Actions: annotations at the lines of tests that failed, and a
 * summary.
 *
 * Annotations are workflow commands, one a line on standard output. At most WG_GITHUB_ANNOTATIONS
 * are written, since GitHub shows ten of a kind and drops the rest; the summary counts all.
 */
#ifndef WG_HARNESS_REPORT_GITHUB_H
#define WG_HARNESS_REPORT_GITHUB_H

#include "harness/report/model.h"

#include <stdio.h>

#define WG_GITHUB_ANNOTATIONS 10
/* Rows of the table of failures in the summary, which may have 1 MiB. */
#define WG_GITHUB_ROWS        200

/* ::error file=…,line=…,title=…::message, and a last line ::notice or ::error with the verdict. */
void wg_github_write_annotations(const struct wg_model *model, FILE *out);
/* Markdown for the file that GITHUB_STEP_SUMMARY names. */
void wg_github_write_summary(const struct wg_model *model, FILE *out);

#endif
