/* SPDX-License-Identifier: MIT */
/* foreign_junit.c - JUnit XML as several writers write it, and what is none. */
#include "harness/base/limit.h"
#include "harness/foreign/junit.h"
#include "suites/unit/foreign_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_text(const char *text, struct wg_foreign_results *results, struct wg_err *err)
{
    char path[] = "/tmp/walgrind-unit-foreign-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(sz, (size_t)write(fd, text, strlen(text)), strlen(text)));
    int rc = wg_junit_read(path, results, err);
    close(fd);
    unlink(path);
    return rc;
}

Test(junit_read, what_writers_write_is_read)
{
    static const struct {
        const char *label, *text, *results;
    } rows[] = {
        {"pytest",
         "<?xml version=\"1.0\"?><testsuites><testsuite name=\"pytest\" tests=\"4\">"
         "<testcase classname=\"tests.test_a.TestX\" name=\"test_y\" time=\"0.5\"/>"
         "<testcase classname=\"tests.test_a\" name=\"test_z[a/b]\"><failure message=\"m\">long"
         "</failure></testcase>"
         "<testcase classname=\"tests.test_a\" name=\"test_e\"><error message=\"at setup\"/>"
         "</testcase><testcase classname=\"tests.test_a\" name=\"test_s\"><skipped "
         "type=\"pytest.skip\" message=\"not now\">x</skipped></testcase></testsuite></testsuites>",
         "passed tests.test_a.TestX/test_y; failed tests.test_a/test_z[a/b]; failed "
         "tests.test_a/test_e; skipped tests.test_a/test_s (not now)"},
        {"node",
         "<testsuites><testcase name=\"top\" classname=\"test\"/><testsuite name=\"outer\">"
         "<testsuite name=\"inner\"><testcase name=\"deep\" classname=\"test\"/></testsuite>"
         "<testcase name=\"s\" classname=\"test\"><skipped type=\"todo\" message=\"true\"/>"
         "</testcase></testsuite></testsuites>",
         "passed tests/top; passed outer.inner/deep; skipped outer/s (todo)"},
        {"go", "<testsuite name=\"x/y\"><testcase classname=\"x/y\" name=\"TestA/b\"/></testsuite>",
         "passed x.y/TestA/b"},
        {"surefire",
         "<testsuite name=\"S\"><testcase name=\"t\" classname=\"org.S\"><flakyFailure "
         "message=\"m\"/><flakyError/></testcase></testsuite>",
         "flaky org.S/t (failed 2 times before it passed)"},
        {"failed and skipped is failed",
         "<testsuite><testcase name=\"t\"><skipped/><failure/></testcase></testsuite>",
         "failed tests/t"},
        {"alike", "<testsuite><testcase name=\"t\"/><testcase name=\"t\"/></testsuite>",
         "passed tests/t; passed tests/t#2"},
        {"without names", "<testsuite><testcase/></testsuite>", "passed tests/without a name"},
        {"no test", "<testsuites/>", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wg_foreign_results results = {0};
        struct wg_err err = WG_ERR_INIT;
        cr_expect(eq(int, read_text(rows[i].text, &results, &err), 0), "%s: %s", rows[i].label,
                  err.message);
        char *text = results_text(&results);
        cr_expect(eq(str, text, (char *)rows[i].results), "%s", rows[i].label);
        free(text);
        wg_foreign_results_finish(&results);
    }
}

Test(junit_read, test_has_its_words_place_and_time)
{
    struct wg_foreign_results results = {0};
    int rc = read_text("<testsuite><testcase name=\"t\" file=\"a/b.py\" line=\"12\" "
                       "time=\"1,234.5\"><failure message=\"short\">\nat b.py:12\n</failure>"
                       "<error message=\"twice\">said twice</error><error type=\"T\"/>"
                       "<system-out>\nout\n</system-out><system-err>err</system-err>"
                       "</testcase></testsuite>",
                       &results, NULL);
    cr_assert(eq(int, rc, 0));
    const struct wg_foreign_result *result = &results.items[0];
    cr_expect(eq(str, result->message, "short\nat b.py:12\nsaid twice"));
    cr_expect(eq(str, result->output, "out\nerr"));
    cr_expect(eq(str, result->file, "a/b.py"));
    cr_expect(eq(long, result->line, 12));
    cr_expect(eq(dbl, result->ms, 1234500));
    wg_foreign_results_finish(&results);
}

Test(junit_read, what_is_no_junit_is_told)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", ":1: "},
        {"{}", ":1: "},
        {"<testsuites>\n<testsuite>", ":2: "},
        {"<testsuite><testcase name=\"\x01\"/></testsuite>", ":1: "},
        {"<testsuite><testcase name=\"\xff\"/></testsuite>", ":1: "},
        {"<html/>", "it begins with <html>"},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]><testsuite><testcase name=\"&a;\"/></testsuite>",
         "document type declaration"},
        {"<!DOCTYPE testsuite SYSTEM \"file:///etc/passwd\"><testsuite/>",
         "document type declaration"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wg_foreign_results results = {0};
        struct wg_err err = WG_ERR_INIT;
        cr_expect(eq(int, read_text(rows[i].text, &results, &err), -1), "%s", rows[i].text);
        cr_expect(eq(int, err.kind, WG_ERR_FORMAT));
        cr_expect(strstr(err.message, rows[i].says) != NULL, "%s", err.message);
        cr_expect(strchr(err.message, '\n') == NULL, "%s", err.message);
        wg_foreign_results_finish(&results);
    }
}

Test(junit_read, file_that_is_not_there_or_too_long_is_told)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_foreign_results results = {0};
    char path[] = "/tmp/walgrind-unit-foreign-XXXXXX";
    cr_expect(eq(int, wg_junit_read("/nowhere/x.xml", &results, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_SYSTEM));
    wg_err_clear(&err);
    int fd = mkostemp(path, O_CLOEXEC);
    cr_assert(eq(int, ftruncate(fd, (off_t)WG_LIMIT_JUNIT_FILE + 1), 0));
    cr_expect(eq(int, wg_junit_read(path, &results, &err), -1));
    cr_expect(eq(int, err.kind, WG_ERR_LIMIT));
    close(fd);
    unlink(path);
    wg_foreign_results_finish(&results);
}
