/* SPDX-License-Identifier: MIT */
/* command_parse.c - words of a command line become values, operands or one-line usage errors. */
#include "suites/unit/command_table.h"
#include "tools/walgrind/command.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(command_parse, .timeout = 10);

struct parsed {
    struct everything values;
    struct wg_strv operands;
    struct wg_err err;
    int rc;
};

/* Parses words (NULL-terminated) behind the command's name. */
static struct parsed parse(bool stop_at_operand, const char *const *words)
{
    struct parsed parsed = {.err = WG_ERR_INIT};
    struct wg_strv argv = {0};
    wg_strv_push(&argv, "everything");
    for (; *words; words++)
        wg_strv_push(&argv, *words);
    parsed.rc = wg_command_parse(&command_everything, (int)argv.count, argv.items, stop_at_operand,
                                 &parsed.values, &parsed.operands, &parsed.err);
    /* The values borrow from argv: it lives until the test's process ends. */
    return parsed;
}

#define PARSE(...)      parse(false, (const char *const[]){__VA_ARGS__, NULL})
#define PARSE_STOP(...) parse(true, (const char *const[]){__VA_ARGS__, NULL})

Test(command_parse, every_kind_takes_its_value_behind_an_equals_sign)
{
    struct parsed p = PARSE("--verbose", "--name=a=b", "--color=never", "--workers=64",
                            "--rate=0.25", "--timeout=250ms", "--include=x");
    cr_assert(zero(int, p.rc), "%s", p.err.message);
    cr_expect(p.values.verbose);
    cr_expect(eq(str, (char *)p.values.name, "a=b"));
    cr_expect(eq(str, (char *)p.values.color, "never"));
    cr_expect(eq(long, p.values.workers, 64));
    cr_expect(epsilon_eq(dbl, p.values.rate, 0.25, 1e-12));
    cr_expect(eq(i64, p.values.timeout_ms, 250));
    cr_expect(eq(sz, p.values.includes.count, 1));
}

Test(command_parse, every_kind_takes_its_value_from_the_next_word)
{
    struct parsed p = PARSE("--name", "--odd", "--color", "auto", "--workers", "1", "--rate", "1",
                            "--timeout", "2", "--include", "x", "--include", "y");
    cr_assert(zero(int, p.rc), "%s", p.err.message);
    cr_expect(eq(str, (char *)p.values.name, "--odd"));
    cr_expect(eq(str, (char *)p.values.color, "auto"));
    cr_expect(eq(long, p.values.workers, 1));
    cr_expect(eq(i64, p.values.timeout_ms, 2000));
    cr_assert(eq(sz, p.values.includes.count, 2));
    cr_expect(eq(str, p.values.includes.items[1], "y"));
}

Test(command_parse, letters_take_the_rest_or_the_next_word)
{
    struct parsed p = PARSE("-v", "-j3", "-t", "5m", "-Ia", "-I", "b");
    cr_assert(zero(int, p.rc), "%s", p.err.message);
    cr_expect(p.values.verbose);
    cr_expect(eq(long, p.values.workers, 3));
    cr_expect(eq(i64, p.values.timeout_ms, 300000));
    cr_expect(eq(sz, p.values.includes.count, 2));
}

Test(command_parse, flags_are_negated_and_the_last_word_counts)
{
    cr_assert(not(PARSE("--verbose", "--no-verbose").values.verbose));
    cr_assert(PARSE("--no-verbose", "-v").values.verbose);
}

Test(command_parse, durations_have_units)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},       {"30", 30000},  {"30s", 30000},  {"1.5s", 1500},
        {"250ms", 250}, {"5m", 300000}, {"2h", 7200000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed p = PARSE("--timeout", cases[i].text);
        cr_expect(zero(int, p.rc), "%s: %s", cases[i].text, p.err.message);
        cr_expect(eq(i64, p.values.timeout_ms, cases[i].ms), "%s", cases[i].text);
    }
}

Test(command_parse, bad_words_are_usage_errors_that_name_the_option)
{
    static const struct {
        const char *word, *named;
    } cases[] = {
        {"--workers=0", "--workers"},
        {"--workers=65", "--workers"},
        {"--workers=", "--workers"},
        {"--workers=3x", "--workers"},
        {"-j0", "--workers"},
        {"--rate=1.5", "--rate"},
        {"--rate=nan", "--rate"},
        {"--rate=", "--rate"},
        {"--color=neve", "--color"},
        {"--color=auto|", "--color"},
        {"--color=", "--color"},
        {"--timeout=5 years", "--timeout"},
        {"--timeout=-1", "--timeout"},
        {"--timeout=inf", "--timeout"},
        {"--timeout=s", "--timeout"},
        {"--verbose=yes", "--verbose"},
        {"-vx", "-v"},
        {"--no-name", "--no-name"},
        {"--no-verbose=1", "verbose"},
        {"--name", "--name"},
        {"-j", "-j"},
        {"-x", "-x"},
        {"--", NULL},
    };
    for (size_t i = 0; cases[i].named; i++) {
        struct parsed p = PARSE(cases[i].word);
        cr_expect(eq(int, p.rc, -1), "'%s' was taken", cases[i].word);
        cr_expect(eq(int, wg_err_exit_code(&p.err), WG_EXIT_USAGE), "%s", cases[i].word);
        cr_expect(strstr(p.err.message, cases[i].named) != NULL, "%s: %s", cases[i].word,
                  p.err.message);
        cr_expect(strchr(p.err.message, '\n') == NULL, "%s", cases[i].word);
    }
}

Test(command_parse, an_unknown_option_is_answered_with_the_nearest)
{
    struct parsed p = PARSE("--worker=3");
    cr_assert(eq(str, p.err.message, "unknown option --worker; did you mean --workers?"));
    p = PARSE("--zzz");
    cr_assert(eq(str, p.err.message, "unknown option --zzz; see 'walgrind everything --help'"));
    p = PARSE("--work");
    cr_assert(eq(int, p.rc, -1), "a shortened option must not be taken");
}

Test(command_parse, operands_mix_with_options_until_two_dashes)
{
    struct parsed p = PARSE("one", "--verbose", "-", "--", "--workers=0", "-x");
    cr_assert(zero(int, p.rc), "%s", p.err.message);
    cr_assert(eq(sz, p.operands.count, 4));
    cr_expect(eq(str, p.operands.items[0], "one"));
    cr_expect(eq(str, p.operands.items[1], "-"));
    cr_expect(eq(str, p.operands.items[2], "--workers=0"));
    cr_expect(p.values.verbose);
}

Test(command_parse, the_first_operand_ends_the_options_when_asked)
{
    struct parsed p = PARSE_STOP("-v", "make", "--verbose", "-j0");
    cr_assert(zero(int, p.rc), "%s", p.err.message);
    cr_assert(eq(sz, p.operands.count, 3));
    cr_expect(eq(str, p.operands.items[2], "-j0"));
}
