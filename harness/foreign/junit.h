/* SPDX-License-Identifier: MIT */
/*
 * junit.h - reads the results of tests from JUnit XML.
 *
 * There is no standard; read is what pytest, Surefire, Jest, Mocha, Vitest, node --test, gtest, Go
 * and PHPUnit write: <testcase> anywhere below <testsuites> or <testsuite>, with the attributes
 * classname, name, time, file and line, and the elements <failure>, <error>, <skipped>,
 * <flakyFailure>, <flakyError>, <system-out> and <system-err>.
 *
 * A test is named CLASSNAME/NAME, the slashes of the class as dots. Without a class, or with the
 * class "test" that node gives to all, the names of the suites around it stand there.
 */
#ifndef WG_HARNESS_FOREIGN_JUNIT_H
#define WG_HARNESS_FOREIGN_JUNIT_H

#include "harness/foreign/result.h"

/*
 * Adds the tests of a file. -1 with WG_ERR_FORMAT when it is not whole, not JUnit XML, longer than
 * WG_LIMIT_JUNIT_FILE or has a document type declaration, WG_ERR_SYSTEM when there is none.
 */
int wg_junit_read(const char *path, struct wg_foreign_results *results, struct wg_err *err);

#endif
