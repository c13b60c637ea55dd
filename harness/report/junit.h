/* SPDX-License-Identifier: MIT */
/*
 * junit.h - JUnit XML as CI systems read it: one <testsuite> per mode, round and suite.
 *
 * Follows the common schema (the one that Jenkins, GitLab and GitHub actions read): failures are
 * assertions that did not hold, errors are crashes, time-outs and everything else that kept a test
 * from its end. XML is written by libxml2; characters that XML 1.0 forbids become U+FFFD.
 */
#ifndef WG_HARNESS_REPORT_JUNIT_H
#define WG_HARNESS_REPORT_JUNIT_H

#include "harness/base/err.h"
#include "harness/report/model.h"

/* Writes the file anew. */
int wg_junit_write(const struct wg_model *model, const char *path, struct wg_err *err);

#endif
