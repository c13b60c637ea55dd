/* SPDX-License-Identifier: MIT */
/* base_str.c - numbers from text, and lists of strings. */
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

TestSuite(base_str, .timeout = 10);

Test(base_str, starts_and_ends_compare_whole_affixes)
{
    cr_assert(wg_str_starts("data.db-wal", "data"));
    cr_assert(wg_str_starts("data", ""));
    cr_assert(not(wg_str_starts("dat", "data")));
    cr_assert(wg_str_ends("data.db-wal", "-wal"));
    cr_assert(wg_str_ends("data", ""));
    cr_assert(not(wg_str_ends("wal", "-wal")));
    cr_assert(not(wg_str_ends("-walx", "-wal")));
}

Test(base_str, numbers_are_whole_words_within_their_range)
{
    static const struct {
        const char *text;
        int rc;
        long value;
    } cases[] = {
        {"0", 0, 0},
        {"42", 0, 42},
        {"-7", 0, -7},
        {"100", 0, 100},
        {"101", -1, 0},
        {"-11", -1, 0},
        {"", -1, 0},
        {"12x", -1, 0},
        {"x", -1, 0},
        {"1.5", -1, 0},
        {"99999999999999999999", -1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        long value = -999;
        cr_expect(eq(int, wg_str_to_long(cases[i].text, -10, 100, &value), cases[i].rc), "'%s'",
                  cases[i].text);
        cr_expect(eq(long, value, cases[i].rc == 0 ? cases[i].value : -999), "'%s'", cases[i].text);
    }
}

Test(base_str, format_makes_strings_of_any_length)
{
    char *text = wg_format("%0*d", 5000, 7);
    cr_assert(eq(sz, strlen(text), 5000));
    free(text);
}

Test(base_str, allocations_of_nothing_are_not_null)
{
    void *a = wg_malloc(0), *b = wg_calloc(0, 8), *c = wg_realloc(NULL, 0);
    cr_assert(a && b && c);
    free(a);
    free(b);
    free(c);
}

Test(base_str, a_list_ends_with_null_and_owns_copies)
{
    char word[] = "one";
    struct wg_strv list = {0};
    wg_strv_push(&list, word);
    wg_strv_take(&list, wg_strdup("two"));
    char *more[] = {word, NULL};
    wg_strv_extend(&list, more);
    wg_strv_extend(&list, NULL);
    word[0] = 'x';
    cr_assert(eq(sz, list.count, 3));
    cr_assert(eq(str, list.items[0], "one"));
    cr_assert(eq(str, list.items[1], "two"));
    cr_assert(eq(str, list.items[2], "one"));
    cr_assert(list.items[3] == NULL);
    wg_strv_finish(&list);
    cr_assert(zero(sz, list.count));
}

Test(base_str, setenv_replaces_the_variable_of_exactly_that_name)
{
    struct wg_strv list = {0};
    wg_strv_setenv(&list, "PATHS", "other");
    wg_strv_setenv(&list, "PATH", "/bin");
    wg_strv_setenv(&list, "PATH", "/usr/bin");
    cr_assert(eq(sz, list.count, 2));
    cr_assert(eq(str, list.items[0], "PATHS=other"));
    cr_assert(eq(str, list.items[1], "PATH=/usr/bin"));
    wg_strv_finish(&list);
}

Test(base_str, the_nearest_word_is_near)
{
    static const char *const words[] = {"run", "exec", "explore", "report", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"rum", "run"},      {"exce", "exec"}, {"exporle", "explore"},
        {"reprt", "report"}, {"run", "run"},   {"zzzzzz", NULL},
        {"x", NULL},         {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *nearest = wg_str_nearest(cases[i].word, words);
        cr_expect(eq(str, (char *)(nearest ? nearest : "none"),
                     (char *)(cases[i].nearest ? cases[i].nearest : "none")),
                  "%s", cases[i].word);
    }
}

Test(base_str, a_very_long_word_has_no_neighbour)
{
    static const char *const words[] = {"run", NULL};
    char word[1000];
    memset(word, 'r', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    cr_assert(wg_str_nearest(word, words) == NULL);
}
