/* SPDX-License-Identifier: MIT */
/* report_history.c - what stays known of each test from run to run. */
#include "harness/base/str.h"
#include "harness/report/history.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Path of a history that is not there yet, in a directory of its own. */
static char *make_place(void)
{
    char directory[] = "/tmp/walgrind-unit-history-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL);
    return wg_format("%s/history.json", directory);
}

static void drop_place(char *path)
{
    *strrchr(path, '/') = '\0';
    wg_tree_remove(path, NULL);
    free(path);
}

static void finished(struct wg_model *model, const char *test, const char *outcome, double ms)
{
    json_t *event = json_pack("{s:s, s:s, s:s, s:f}", "mode", "suite", "test", test, "outcome",
                              outcome, "ms", ms);
    wg_model_apply(model, WG_EVENT_TEST_FINISHED, event);
    json_decref(event);
}

/* One more run into the file. */
static void remember(const char *path, const struct wg_model *model)
{
    struct wg_history history;
    cr_assert(eq(int, wg_history_read(&history, path, NULL), 0));
    wg_history_update(&history, model);
    cr_assert(eq(int, wg_history_write(&history, path, NULL), 0));
    wg_history_finish(&history);
}

static void expect_known(const char *path, const char *test, double ms, bool failed)
{
    struct wg_history history;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_history_read(&history, path, &err), 0), "%s", err.message);
    cr_expect(epsilon_eq(dbl, wg_history_ms(&history, test), ms, 0.001), "%s", test);
    cr_expect(eq(int, wg_history_failed(&history, test), failed), "%s", test);
    wg_history_finish(&history);
}

Test(history, nothing_is_known_at_first)
{
    char *path = make_place();
    expect_known(path, "a/b", -1, false);
    drop_place(path);
}

Test(history, longest_attempt_counts_and_one_failure_is_enough)
{
    char *path = make_place();
    struct wg_model model;
    wg_model_init(&model);
    finished(&model, "a/b", "failed", 30);
    finished(&model, "a/b", "passed", 50);
    finished(&model, "a/b", "passed", 20);
    finished(&model, "a/c", "passed", 7);
    remember(path, &model);
    expect_known(path, "a/b", 50, true);
    expect_known(path, "a/c", 7, false);
    wg_model_finish(&model);
    drop_place(path);
}

Test(history, old_runs_fade_and_the_newest_outcome_counts)
{
    char *path = make_place();
    struct wg_model first, second;
    wg_model_init(&first);
    wg_model_init(&second);
    finished(&first, "a/b", "failed", 100);
    finished(&first, "a/c", "timeout", 8);
    finished(&second, "a/b", "passed", 50);
    finished(&second, "a/c", "skipped", 0);
    finished(&second, "a/d", "not-run", 0);
    remember(path, &first);
    remember(path, &second);
    expect_known(path, "a/b", 75, false);
    expect_known(path, "a/c", 8, true);
    expect_known(path, "a/d", -1, false);
    wg_model_finish(&first);
    wg_model_finish(&second);
    drop_place(path);
}

Test(history, file_that_is_no_history_is_told)
{
    char *path = make_place();
    static const char *const texts[] = {"{", "[]", "{\"version\": 2, \"tests\": {}}",
                                        "{\"version\": 1, \"tests\": 3}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wg_history history;
        struct wg_err err = WG_ERR_INIT;
        FILE *file = fopen(path, "we");
        cr_assert(file != NULL);
        fputs(texts[i], file);
        fclose(file);
        cr_expect(eq(int, wg_history_read(&history, path, &err), -1), "%s", texts[i]);
        cr_expect(strstr(err.message, path) != NULL, "%s", err.message);
    }
    drop_place(path);
}
