/* SPDX-License-Identifier: MIT */
/* What history.h and git_log.h promise. */
#include "harness/base/limit.h"
#include "harness/bisect/git_log.h"
#include "harness/bisect/history.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

static void expect_refused(const char *text, enum wg_err_kind kind, const char *message)
{
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", text, &history, &err), -1), "accepted: %s",
              text);
    cr_assert(eq(int, (int)err.kind, (int)kind), "%s", err.message);
    cr_assert(strstr(err.message, message) != NULL, "%s", err.message);
    cr_assert(eq(ptr, history.commits, NULL));
}

Test(bisect_history, parents_come_before_children_and_bad_is_last)
{
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", "m y x\ny a\nx a\na g\n", &history, &err), 0));
    cr_assert(eq(sz, history.count, 5));
    cr_assert(eq(str, history.commits[0].id, "g"));
    cr_assert(eq(str, history.commits[wg_bisect_history_bad(&history)].id, "m"));
    cr_assert(eq(long, wg_bisect_history_find(&history, "x"), 2));
    cr_assert(eq(long, wg_bisect_history_find(&history, "nothing"), -1));
    cr_assert(wg_bisect_is_bad(&history, 4, 2));
    cr_assert(not(wg_bisect_is_bad(&history, 3, 2)), "y does not descend from x");
    cr_assert(wg_bisect_is_bad(&history, 3, 1));
    wg_bisect_history_finish(&history);
}

Test(bisect_history, parents_outside_the_range_stand_for_good)
{
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", "b a s\ns far away\na g", &history, &err), 0));
    cr_assert(eq(sz, history.commits[2].parent_count, 2));
    cr_assert(eq(sz, history.commits[2].parents[0], 0));
    for (size_t x = 0; x < history.count; x++)
        cr_assert(wg_bisect_is_bad(&history, x, 0), "node 0 is an ancestor of %zu", x);
    wg_bisect_history_finish(&history);
}

Test(bisect_history, rows_wider_than_a_word_work)
{
    struct wg_buf text;
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    wg_buf_init(&text, 1u << 20);
    for (int i = 200; i > 0; i--)
        wg_buf_printf(&text, "c%d c%d\n", i, i - 1);
    cr_assert(eq(int, wg_bisect_history_parse("c0", text.data, &history, &err), 0));
    for (size_t x = 0; x < history.count; x++)
        for (size_t c = 0; c < history.count; c++)
            cr_assert(wg_bisect_is_bad(&history, x, c) == (c <= x), "%zu %zu", x, c);
    wg_bisect_history_finish(&history);
    wg_buf_finish(&text);
}

Test(bisect_history, malformed_text_is_refused_with_a_reason)
{
    expect_refused("", WG_ERR_USAGE, "no commit between");
    expect_refused("b a\n\na g\n", WG_ERR_FORMAT, "no id");
    expect_refused("b a\n a\n", WG_ERR_FORMAT, "no id");
    expect_refused("a g\nb a\n", WG_ERR_FORMAT, "after its parent");
    expect_refused("a g\na g\n", WG_ERR_FORMAT, "twice");
    expect_refused("a a\n", WG_ERR_FORMAT, "after its parent");
}

Test(bisect_history, more_commits_than_the_limit_are_refused)
{
    struct wg_buf text;
    wg_buf_init(&text, 8u << 20);
    for (int i = WG_LIMIT_BISECT_COMMITS; i > 0; i--)
        wg_buf_printf(&text, "c%d c%d\n", i, i - 1);
    expect_refused(text.data, WG_ERR_LIMIT, "at most");
    wg_buf_finish(&text);
}

Test(bisect_git_log, reads_what_git_writes)
{
    struct wg_bisect_git_log log = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int,
                 wg_bisect_git_log_parse("git bisect start\n"
                                         "# bad: [9a9a] last\n"
                                         "git bisect bad 9a9a\n"
                                         "# good: [1b1b] it's first\n"
                                         "git bisect good 1b1b\n"
                                         "git bisect skip 5c5c 6d6d\n"
                                         "git bisect good 4e4e\n"
                                         "# first bad commit: [9a9a] last\n",
                                         &log, &err),
                 0),
              "%s", err.message);
    cr_assert(eq(sz, log.goods.count, 2));
    cr_assert(eq(str, log.goods.items[0], "1b1b"));
    cr_assert(eq(str, log.bads.items[0], "9a9a"));
    cr_assert(eq(sz, log.skips.count, 2));
    wg_bisect_git_log_finish(&log);
}

Test(bisect_git_log, reads_ends_from_the_start_line_and_stops_at_paths)
{
    struct wg_bisect_git_log log = {0};
    struct wg_err err = WG_ERR_INIT;
    const char *text = "git bisect start '--no-checkout' 'bad tag' 'v1.0' '--' 'src/a b'\n";
    cr_assert(eq(int, wg_bisect_git_log_parse(text, &log, &err), 0), "%s", err.message);
    cr_assert(eq(str, log.bads.items[0], "bad tag"));
    cr_assert(eq(sz, log.goods.count, 1));
    cr_assert(eq(str, log.goods.items[0], "v1.0"));
    wg_bisect_git_log_finish(&log);
}

/* As git 2.39 writes it for `git bisect start --term-new=slow --term-old fast HEAD HEAD~7`. */
Test(bisect_git_log, reads_other_names_for_good_and_bad)
{
    struct wg_bisect_git_log log = {0};
    struct wg_err err = WG_ERR_INIT;
    const char *text = "# slow: [aa] c 8\n"
                       "git bisect start '--term-new=slow' '--term-old' 'fast' 'HEAD' 'HEAD~7'\n"
                       "git bisect fast bb\n"
                       "git bisect skip cc\n"
                       "git bisect slow dd\n";
    cr_assert(eq(int, wg_bisect_git_log_parse(text, &log, &err), 0), "%s", err.message);
    cr_assert(eq(sz, log.goods.count, 2));
    cr_assert(eq(sz, log.bads.count, 2));
    cr_assert(eq(sz, log.skips.count, 1));
    cr_expect(eq(str, log.bads.items[0], "HEAD"));
    cr_expect(eq(str, log.goods.items[0], "HEAD~7"));
    cr_expect(eq(str, log.goods.items[1], "bb"));
    cr_expect(eq(str, log.bads.items[1], "dd"));
    wg_bisect_git_log_finish(&log);
    cr_expect(eq(int, wg_bisect_git_log_parse("git bisect fast a\n", &log, &err), -1),
              "only names that the log has given");
}

Test(bisect_git_log, other_text_is_refused_with_its_line)
{
    struct wg_bisect_git_log log = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_git_log_parse("git bisect start\nrm -rf x\n", &log, &err), -1));
    cr_assert(strstr(err.message, "line 2") != NULL, "%s", err.message);
    wg_err_clear(&err);
    cr_assert(
        eq(int, wg_bisect_git_log_parse("git bisect start\ngit bisect bad a\n", &log, &err), -1));
    cr_assert(strstr(err.message, "no good commit") != NULL, "%s", err.message);
}

Test(bisect_git_log, what_is_written_can_be_read_and_names_the_culprit)
{
    struct wg_bisect_history history = {0};
    struct wg_bisect_posterior posterior;
    struct wg_bisect_tally tally[6] = {
        {.passes = 30},  {.passes = 30},  {.untestable = true},
        {.failures = 9}, {.failures = 9}, {.failures = 9},
    };
    char subjects[6][2] = {"g", "a", "b", "c", "d", "e"};
    char *subject_list[6];
    struct wg_bisect_git_log log = {0};
    struct wg_err err = WG_ERR_INIT;
    struct wg_buf out;
    wg_buf_init(&out, 1u << 16);
    for (size_t i = 0; i < 6; i++)
        subject_list[i] = subjects[i];
    cr_assert(
        eq(int, wg_bisect_history_parse("g", "e d\nd c\nc b\nb a\na g\n", &history, &err), 0));
    wg_bisect_posterior_init(&posterior, &history, NULL, 0.05);
    wg_bisect_posterior_update(&posterior, tally);
    wg_bisect_git_log_write(&posterior, tally, 0.95, subject_list, 3, &out);
    cr_assert(eq(int, wg_bisect_git_log_parse(out.data, &log, &err), 0), "%s", err.message);
    cr_assert(eq(str, log.bads.items[0], "e"));
    cr_assert(eq(str, log.bads.items[1], "d"));
    cr_assert(eq(str, log.bads.items[2], "c"), "for git the last one is the bad end");
    cr_assert(eq(str, log.goods.items[1], "a"));
    cr_assert(eq(str, log.skips.items[0], "b"));
    cr_assert(strstr(out.data, "# first bad commit: [c] c\n") != NULL, "%s", out.data);
    wg_bisect_git_log_finish(&log);
    wg_bisect_posterior_finish(&posterior);
    wg_bisect_history_finish(&history);
    wg_buf_finish(&out);
}
