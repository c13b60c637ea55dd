/* SPDX-License-Identifier: MIT */
/* run_filter.c - filter expressions: what they select, and what is wrong with them. */
#include "harness/base/str.h"
#include "harness/run/filter.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_MS 1000

/* a login that failed, s save, z zip that is new, p slow pings that run alone */
static const struct {
    const char *full_name, *suite, *description;
    double expected_ms;
    bool failed_last, exclusive;
} tests[] = {
    {"auth/login", "auth", "AUTH-01 AUTH-X02", 5, true, false},
    {"files_save/new", "files_save", "SAVE-01", 999, false, false},
    {"files_zip/row[0:a b]", "files_zip", "", -1, false, false},
    {"sse/pings", "sse", "", 4000, false, true},
};
static const char letters[] = "aszp";

struct row {
    char text[64];
    char selected[8];
};

ParameterizedTestParameters(filter, expression_selects)
{
    static struct row rows[] = {
        {"all", "aszp"},
        {"suite(files_*)", "sz"},
        {"test(*/new)", "s"},
        {"test(files_zip/row[0:a b])", "z"},
        {"id(AUTH-X*)", "a"},
        {"id(X*)", ""},
        {"failed", "a"},
        {"failed(last)", "a"},
        {"slow", "p"},
        {"!slow", "asz"},
        {"new", "z"},
        {"exclusive", "p"},
        {"files_*", "sz"},
        {"auth/log*", "a"},
        {"suite(files_*) & !new", "s"},
        {"auth|sse&new", "a"},
        {"(auth|sse)&slow", "p"},
        {" ! ( auth | sse ) ", "sz"},
        {"!!auth", "a"},
        {"!auth & !sse & !new", "s"},
    };
    return cr_make_param_array(struct row, rows, sizeof rows / sizeof *rows, NULL);
}

ParameterizedTest(struct row *row, filter, expression_selects)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_filter *filter = NULL;
    char selected[8] = "", *end = selected;
    cr_assert(eq(int, wg_filter_parse(row->text, &filter, &err), 0), "%s", err.message);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        char *name = wg_strdup(tests[i].full_name), *description = wg_strdup(tests[i].description);
        const struct wg_test test = {.full_name = name,
                                     .suite = tests[i].suite,
                                     .description = description,
                                     .expected_ms = tests[i].expected_ms,
                                     .failed_last = tests[i].failed_last,
                                     .exclusive = tests[i].exclusive};
        if (wg_filter_matches(filter, &test, SLOW_MS))
            *end++ = letters[i];
        free(name);
        free(description);
    }
    cr_expect(eq(str, selected, row->selected), "%s", row->text);
    wg_filter_destroy(filter);
}

struct wrong {
    char text[32];
    char message[48];
};

ParameterizedTestParameters(filter, mistake_is_told_with_its_column)
{
    static struct wrong rows[] = {
        {"", "column 1: the expression ends too early"},
        {"auth &", "column 7: the expression ends too early"},
        {"auth sse", "column 6: '&' or '|' must stand here"},
        {"(auth", "column 1: this '(' is never closed"},
        {"auth & (sse", "column 8: this '(' is never closed"},
        {"suite(auth", "column 6: this '(' is never closed"},
        {"auth)", "column 5: '&' or '|' must stand here"},
        {"| auth", "column 1: a test, a suite or a condition"},
        {"suite & slow", "column 1: this needs a glob"},
        {"suite()", "column 6: a glob is missing"},
        {"slow(2s)", "column 5: this takes nothing"},
        {"failed(first)", "column 7: only failed(last) is known"},
        {"suit(auth)", "column 1: no such condition"},
    };
    return cr_make_param_array(struct wrong, rows, sizeof rows / sizeof *rows, NULL);
}

ParameterizedTest(struct wrong *row, filter, mistake_is_told_with_its_column)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_filter *filter = NULL;
    cr_assert(eq(int, wg_filter_parse(row->text, &filter, &err), -1), "%s", row->text);
    cr_expect(eq(int, err.kind, WG_ERR_USAGE));
    cr_expect(strstr(err.message, row->message) != NULL, "'%s' has: %s", row->text, err.message);
}

Test(filter, nesting_has_an_end)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_filter *filter = NULL;
    char text[10001];
    memset(text, '!', sizeof text);
    text[sizeof text - 1] = '\0';
    cr_assert(eq(int, wg_filter_parse(text, &filter, &err), -1));
    memset(text, '(', sizeof text - 1);
    cr_assert(eq(int, wg_filter_parse(text, &filter, &err), -1));
    cr_expect(strstr(err.message, "nested too deep") != NULL);
}
