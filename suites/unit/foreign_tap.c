/* SPDX-License-Identifier: MIT */
/* foreign_tap.c - TAP of every version, whole and broken, in whatever pieces it arrives. */
#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/foreign/tap.h"
#include "suites/unit/foreign_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

/* Reads a stream in pieces of `step` bytes; the error's message in `err`. */
static void read_tap(const char *text, size_t step, bool whole, struct wg_foreign_results *results,
                     struct wg_err *err)
{
    struct wg_tap_reader *reader = wg_tap_reader_create(results, 0);
    size_t size = strlen(text);
    for (size_t at = 0; at < size; at += step)
        cr_assert(eq(
            int, wg_tap_reader_feed(reader, text + at, size - at < step ? size - at : step, 0, err),
            0));
    (void)wg_tap_reader_end(reader, whole, 0, err);
    wg_tap_reader_destroy(reader);
}

struct row {
    const char *label, *text;
    const char *results; /* as results_text() gives them */
    const char *problem; /* of the stream; "" when there is none */
};

static void expect_row(const struct row *row, size_t step)
{
    struct wg_foreign_results results = {0};
    struct wg_err err = WG_ERR_INIT;
    read_tap(row->text, step, true, &results, &err);
    char *text = results_text(&results);
    cr_expect(eq(str, text, (char *)row->results), "%s, pieces of %zu", row->label, step);
    cr_expect(eq(str, err.message, (char *)row->problem), "%s, pieces of %zu", row->label, step);
    free(text);
    wg_foreign_results_finish(&results);
}

static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_row(&rows[i], 1);
        expect_row(&rows[i], 7);
        expect_row(&rows[i], 100000);
    }
}

Test(tap, whole_streams_are_read)
{
    static const struct row rows[] = {
        {"version 12", "1..2\nok 1 - a\nnot ok 2 b\n", "passed tests/a; failed tests/b", ""},
        {"plan at the end", "TAP version 13\nok\nok\n1..2\n", "passed tests/1; passed tests/2", ""},
        {"no final newline", "ok a\n1..1", "passed tests/a", ""},
        {"CRLF", "TAP version 14\r\nok 1 - a\r\n1..1\r\n", "passed tests/a", ""},
        {"a number is a name when words follow", "ok 1st thing\n1..1\n", "passed tests/1st thing",
         ""},
        {"slashes", "ok 1 - GET /notes\n1..1\n", "passed tests/GET /notes", ""},
        {"alike", "ok a\nok a\nok a\n1..3\n", "passed tests/a; passed tests/a#2; passed tests/a#3",
         ""},
        {"hash in a name", "ok 1 - issue #12\nok 2 - a \\# b\n1..2\n",
         "passed tests/issue #12; passed tests/a # b", ""},
        {"directives",
         "ok 1 - a # SKIP no network\nnot ok 2 - b # todo later\nok 3 - c # todo\n"
         "ok 4 - d # Skipped: why\nnot ok 5 - e # skip\nok 6 - f \\# SKIP no\n1..6\n",
         "skipped tests/a (no network); skipped tests/b (todo: later); passed tests/c; "
         "skipped tests/d (why); skipped tests/e (SKIP); passed tests/f # SKIP no",
         ""},
        {"all skipped", "1..0 # SKIP no database\n", "skipped tests/all (no database)", ""},
        {"okay is no TAP", "okay\nok a\nnotok b\n1..1\n", "passed tests/a", ""},
        {"pragma", "pragma +strict\nok a\n1..1\n", "passed tests/a", ""},
        {"yaml hides what looks like TAP",
         "not ok a\n  ---\n  got: |\n    ok 7\n    1..9\n  ...\nok b\n1..2\n",
         "failed tests/a; passed tests/b", ""},
        {"yaml without an end", "not ok a\n  ---\n  got: 1\nok b\n1..2\n",
         "failed tests/a; passed tests/b", ""},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

Test(tap, subtests_are_flattened)
{
    static const struct row rows[] = {
        {"named by their parent", "    ok 1 - x\n    not ok 2 - y\n    1..2\nnot ok 1 - p\n1..1\n",
         "passed p/x; failed p/y", ""},
        {"deep",
         "# Subtest: o\n    # Subtest: i\n        ok 1 - d\n        1..1\n    ok 1 - i\n    1..1\n"
         "ok 1 - o\nok 2 - z\n1..2\n",
         "passed o/i/d; passed tests/z", ""},
        {"slash of a parent", "    ok 1 - x\n    1..1\nok 1 - a/b\n1..1\n", "passed a.b/x", ""},
        {"title inside", "    # Subtest: p\n    ok 1 - x\n    1..1\nok 1 - p\n1..1\n", "passed p/x",
         ""},
        {"a title and nothing else", "    # Subtest: p\nok 1 - p\n1..1\n", "passed tests/p", ""},
        {"a parent that fails alone", "    ok 1 - x\n    1..1\nnot ok 1 - p\n1..1\n",
         "passed p/x; failed tests/p", ""},
        {"a parent that hides a failure", "    not ok 1 - x\n    1..1\nok 1 - p\n1..1\n",
         "failed p/x", ""},
        {"a parent to be done", "    not ok 1 - x\n    1..1\nnot ok 1 - p # todo t\n1..1\n",
         "skipped p/x (todo: t)", ""},
        {"too few below", "    ok 1 - x\n    1..2\nok 1 - p\n1..1\n",
         "passed p/x; failed tests/p (the plan says 2 tests, and there were 1)", ""},
        {"no plan below", "    ok 1 - x\nok 1 - p\n1..1\n",
         "passed p/x; failed tests/p (there is no plan: the subtest ended early)", ""},
        {"nobody's children", "# Subtest: p\n    ok 1 - x\n1..0\n",
         "passed p/x; failed tests/p (it has subtests, but no result of its own)", ""},
        {"grandchildren without a parent",
         "        ok 1 - x\n    ok 1 - x\n        ok 1 - g\n    1..1\nok 1 - p\n1..1\n",
         "passed p/x; passed p/subtest/g; failed p/subtest (it has subtests, but no result of its "
         "own)",
         ""},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

Test(tap, wrong_streams_are_told)
{
    static const struct row rows[] = {
        {"empty", "", "", "there is no TAP in the output"},
        {"no TAP", "usage: x\n", "", "there is no TAP in the output"},
        {"cut off", "ok a\n", "passed tests/a", "there is no plan: the output ended early"},
        {"too few", "1..3\nok a\n", "passed tests/a", "the plan says 3 tests, and there were 1"},
        {"too many", "1..1\nok a\nok b\n", "passed tests/a; passed tests/b",
         "the plan says 1 tests, and there were 2"},
        {"two plans", "1..1\nok a\n1..1\n", "passed tests/a", "there is more than one plan"},
        {"endless plan", "1..99999999999999999999\nok a\n", "passed tests/a",
         "a plan of too many tests"},
        {"bail out", "1..9\nok a\nBail out! no disk\nok b\n", "passed tests/a",
         "Bail out! no disk"},
        {"bail out below", "    ok x\n    Bail out!\n", "passed subtest/x", "Bail out!"},
        {"version", "TAP version 15\nok a\n1..1\n", "passed tests/a", "unknown: TAP version 15"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

Test(tap, what_was_cut_off_on_purpose_is_no_problem)
{
    struct wg_foreign_results results = {0};
    struct wg_err err = WG_ERR_INIT;
    read_tap("# Subtest: p\n    ok 1 - x\n    not o", 5, false, &results, &err);
    char *text = results_text(&results);
    cr_expect(eq(str, text, "passed p/x"));
    cr_expect(eq(str, err.message, ""));
    free(text);
    wg_foreign_results_finish(&results);
}

Test(tap, failure_has_its_words_and_its_place)
{
    static const char text[] =
        "before\n# told\nok 1 - a\nprinted\nnot ok 2 - b\n  ---\n"
        "  duration_ms: 2.5\n  location: '/x/y.mjs:3:53'\n  error: '1 == 2'\n"
        "  stack: |-\n    at x\n  ...\n# and more\n1..2\n# tests 2\n";
    struct wg_foreign_results results = {0};
    struct wg_err err = WG_ERR_INIT;
    read_tap(text, 1000, true, &results, &err);
    cr_assert(eq(sz, results.count, 2));
    cr_expect(eq(str, results.items[0].output, "before\ntold"));
    cr_expect(eq(str, results.items[1].output, "printed"));
    cr_expect(eq(str, results.items[1].message, "error: '1 == 2'\nstack: |-\n  at x\nand more"));
    cr_expect(eq(str, results.items[1].file, "/x/y.mjs"));
    cr_expect(eq(long, results.items[1].line, 3));
    cr_expect(eq(dbl, results.items[1].ms, 2.5));
    wg_foreign_results_finish(&results);
}

Test(tap, duration_is_told_or_the_time_since_the_point_before)
{
    static const struct {
        const char *line;
        int64_t at_ms;
        double ms;
    } points[] = {
        {"ok a\n", 30, 20}, {"ok b # time=5.25ms\n", 40, 5.25}, {"ok c # time=2\n", 50, 2000},
        {"ok d\n", 53, 3},  {"ok e # time=nan\n", 54, 1},
    };
    struct wg_foreign_results results = {0};
    struct wg_tap_reader *reader = wg_tap_reader_create(&results, 10 * WG_NS_PER_MS);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        wg_tap_reader_feed(reader, points[i].line, strlen(points[i].line),
                           points[i].at_ms * WG_NS_PER_MS, NULL);
    (void)wg_tap_reader_end(reader, false, 60 * WG_NS_PER_MS, NULL);
    cr_assert(eq(sz, results.count, sizeof points / sizeof points[0]));
    for (size_t i = 0; i < results.count; i++)
        cr_expect(epsilon_eq(dbl, results.items[i].ms, points[i].ms, 1e-9), "%s", points[i].line);
    wg_tap_reader_destroy(reader);
    wg_foreign_results_finish(&results);
}

/* Each point is there as soon as it cannot change any more. */
Test(tap, points_are_told_while_the_stream_goes_on)
{
    struct wg_foreign_results results = {0};
    struct wg_tap_reader *reader = wg_tap_reader_create(&results, 0);
    wg_tap_reader_feed(reader, "ok a\n", 5, 0, NULL);
    cr_expect(eq(sz, results.count, 0));
    wg_tap_reader_feed(reader, "ok b\n", 5, 0, NULL);
    cr_expect(eq(sz, results.count, 1));
    wg_tap_reader_destroy(reader);
    wg_foreign_results_finish(&results);
}

Test(tap, any_bytes_can_come)
{
    unsigned seed = 1;
    static const char *const parts[] = {
        "ok",    "not ok ",     "1..",     "3",       "\n",        "    ", "# ",
        "todo ", "\\",          "  ---\n", "  ...\n", "Bail out!", "\xff", "TAP version 13\n",
        "/",     "# Subtest: ", " - "};
    for (int round = 0; round < 2000; round++) {
        struct wg_foreign_results results = {0};
        struct wg_tap_reader *reader = wg_tap_reader_create(&results, 0);
        for (int i = 0; i < 60; i++) {
            seed = seed * 1103515245u + 12345u;
            const char *part = parts[(seed >> 16) % (sizeof parts / sizeof parts[0])];
            wg_tap_reader_feed(reader, part, strlen(part) + (seed % 97 == 0), 0, NULL);
        }
        (void)wg_tap_reader_end(reader, round % 2 == 0, 0, NULL);
        for (size_t i = 0; i < results.count; i++)
            cr_assert(strchr(results.items[i].name, '/') != NULL);
        wg_tap_reader_destroy(reader);
        wg_foreign_results_finish(&results);
    }
}

Test(tap, names_have_a_limit_and_stay_apart)
{
    struct wg_foreign_results results = {0};
    struct wg_buf text;
    wg_buf_init(&text, 4096);
    for (int i = 0; i < 2; i++) {
        wg_buf_puts(&text, "ok 1 - ");
        for (int k = 0; k < 200; k++)
            wg_buf_puts(&text, "\xc3\xa4");
        wg_buf_printf(&text, "%d\n", i);
    }
    read_tap(text.data, 100, false, &results, NULL);
    cr_assert(eq(sz, results.count, 2));
    for (size_t i = 0; i < 2; i++) {
        json_t *valid = json_string(results.items[i].name);
        cr_expect(valid != NULL, "a character was cut");
        cr_expect(lt(sz, strlen(results.items[i].name), WG_LIMIT_TEST_NAME));
        json_decref(valid);
    }
    cr_expect(ne(str, results.items[0].name, results.items[1].name));
    wg_buf_finish(&text);
    wg_foreign_results_finish(&results);
}

Test(tap, number_of_tests_has_a_limit)
{
    struct wg_foreign_results results = {0};
    struct wg_tap_reader *reader = wg_tap_reader_create(&results, 0);
    struct wg_err err = WG_ERR_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < WG_LIMIT_TESTS + 10; i++)
        rc = wg_tap_reader_feed(reader, "ok\n", 3, 0, &err);
    cr_expect(eq(int, rc, -1));
    cr_expect(eq(int, err.kind, WG_ERR_LIMIT));
    cr_expect(eq(sz, results.count, WG_LIMIT_TESTS));
    wg_tap_reader_destroy(reader);
    wg_foreign_results_finish(&results);
}
