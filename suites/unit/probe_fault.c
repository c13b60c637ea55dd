/* SPDX-License-Identifier: MIT */
/* probe_fault.c - the language of --fault and --chaos. */
#include "harness/probe/fault.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct wg_fault_rule rule_of(const char *text)
{
    struct wg_fault_rules rules = {0};
    struct wg_fault_mistake mistake = {0};
    cr_assert(zero(int, wg_fault_parse(text, &rules, &mistake)), "%s: '%s' %s", text, mistake.at,
              mistake.what);
    cr_assert(eq(u32, rules.count, 1));
    return rules.items[0];
}

Test(fault, each_key_is_read)
{
    struct wg_fault_rule rule =
        rule_of("eio:call=pwrite,role=wal,database=app.db,program=/python3,from=3");
    cr_expect(eq(int, rule.error, EIO));
    cr_expect(eq(u64, rule.types, WG_FAULT_TYPE(WRITE)));
    cr_expect(eq(int, rule.call, WG_CALL_pwrite));
    cr_expect(eq(int, rule.role, WG_TRACE_ROLE_WAL));
    cr_expect(eq(str, rule.database, "app.db"));
    cr_expect(eq(str, rule.program, "/python3"));
    cr_expect(eq(i64, rule.from, 3));
    cr_expect(not(rule.once));
    cr_expect(rule_of("eio:nth=7").once);
    cr_expect(eq(i64, rule_of("enospc:after=100").after, 100));
    cr_expect(eq(i64, rule_of("enospc:after=64K").after, 65536));
    cr_expect(eq(i64, rule_of("short:bytes=2M").bytes, 2 << 20));
}

Test(fault, a_call_is_a_function_or_a_type_of_record)
{
    struct wg_fault_rule all = rule_of("eio:call=sync");
    struct wg_fault_rule one = rule_of("eio:call=fdatasync");
    cr_expect(eq(u64, all.types, WG_FAULT_TYPE(SYNC)));
    cr_expect(zero(int, all.call));
    cr_expect(eq(u64, one.types, WG_FAULT_TYPE(SYNC)));
    cr_expect(eq(int, one.call, WG_CALL_fdatasync));
}

Test(fault, every_kind_strikes_somewhere_by_default)
{
    static const char *const words[] = {
#define WORD(word, error, types) word,
        WG_FAULT_KINDS(WORD)
#undef WORD
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s:nth=1", words[i]);
        struct wg_fault_rule rule = rule_of(text);
        cr_expect(ne(u64, rule.types, 0), "%s", words[i]);
    }
}

Test(fault, every_call_can_be_named)
{
    static const char *const names[] = {
#define NAME(name, type, cuttable) #name,
        WG_FAULT_CALLS(NAME)
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[64];
        snprintf(text, sizeof text, "eio:call=%s", names[i]);
        cr_expect(ne(u64, rule_of(text).types, 0), "%s", names[i]);
    }
}

Test(fault, a_mistake_names_the_part_that_is_wrong)
{
    static const struct {
        const char *text, *at;
    } cases[] = {
        {"", ""},
        {"foo", "foo"},
        {"EIO", "EIO"},
        {"eio:", "eio:"},
        {"eio:nth", "nth"},
        {"eio:nth=", ""},
        {"eio:nth=0", "0"},
        {"eio:nth=-1", "-1"},
        {"eio:nth=1K", "1K"},
        {"eio:nth=9999999999", "9999999999"},
        {"eio:call=bar", "bar"},
        {"eio:call=lockf", "lockf"},
        {"eio:role=none", "none"},
        {"eio:when=now", "when"},
        {"eio:database=", ""},
        {"eio:bytes=3", "eio:bytes=3"},
        {"eio:call=fsync,after=3", "eio:call=fsync,after=3"},
        {"eintr", "eintr"},
        {"eintr:from=2", "eintr:from=2"},
        {"short:call=fsync", "short:call=fsync"},
        {"short:call=pwritev", "short:call=pwritev"},
        {"eio;foo", "foo"},
        {"eio;;eio", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wg_fault_rules rules = {0};
        struct wg_fault_mistake mistake = {0};
        cr_assert(eq(int, wg_fault_parse(cases[i].text, &rules, &mistake), -1), "%s",
                  cases[i].text);
        cr_expect(eq(str, mistake.at, (char *)cases[i].at), "%s", cases[i].text);
        cr_expect(ne(ptr, (void *)mistake.what, NULL));
    }
}

Test(fault, more_than_eight_are_refused)
{
    struct wg_fault_rules rules = {0};
    struct wg_fault_mistake mistake;
    cr_expect(zero(int, wg_fault_parse("eio;eio;eio;eio;eio;eio;eio;eio", &rules, &mistake)));
    cr_expect(eq(u32, rules.count, WG_FAULT_RULES_MAX));
    cr_expect(eq(int, wg_fault_parse("eio", &rules, &mistake), -1));
}

Test(fault, texts_too_long_are_refused)
{
    char text[WG_FAULT_TEXT_MAX + 32] = "eio:database=";
    struct wg_fault_rules rules = {0};
    struct wg_fault_mistake mistake;
    memset(text + 13, 'a', WG_FAULT_WORD_MAX);
    cr_expect(eq(int, wg_fault_parse(text, &rules, &mistake), -1));
    memset(text + 13, ',', WG_FAULT_TEXT_MAX);
    cr_expect(eq(int, wg_fault_parse(text, &rules, &mistake), -1));
}

Test(chaos, a_seed_is_a_number_and_may_have_a_place)
{
    uint64_t seed = 0, line = 1;
    cr_expect(wg_chaos_parse("42", &seed, &line));
    cr_expect(eq(u64, seed, 42));
    cr_expect(zero(u64, line));
    cr_expect(wg_chaos_parse("7.00000000000000ff", &seed, &line));
    cr_expect(eq(u64, seed, 7));
    cr_expect(eq(u64, line, 255));
    static const char *const bad[] = {"", "0", "x", "1x", "1.", "1.g", ".1", "1.00000000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(not(wg_chaos_parse(bad[i], &seed, &line)), "%s", bad[i]);
}
