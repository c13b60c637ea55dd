/* SPDX-License-Identifier: MIT */
#include "harness/probe/fault.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *word;
    int error;
    uint64_t types;
} kinds[] = {
#define KIND(word, error, types) {word, error, types},
    WG_FAULT_KINDS(KIND)
#undef KIND
};

static const struct {
    const char *name;
    uint16_t call;
    uint8_t type;
    bool cuttable;
} calls[] = {
#define CALL(name, type, cuttable) {#name, WG_CALL_##name, WG_TRACE_##type, cuttable},
    WG_FAULT_CALLS(CALL)
#undef CALL
};

static const char *const type_names[] = {
#define NAME(identifier, name, area, members) name,
    WG_TRACE_TYPES(NAME)
#undef NAME
};

static const char *const role_names[] = {
#define NAME(identifier, name, meaning) name,
    WG_TRACE_ROLES(NAME)
#undef NAME
};

_Static_assert(WG_TRACE_TYPE_COUNT <= 64, "types of records are bits of a mask");

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A part of the text that is being read. */
struct word {
    const char *at;
    size_t size;
};

static bool is(struct word word, const char *text)
{
    return strlen(text) == word.size && memcmp(word.at, text, word.size) == 0;
}

static int mistaken(struct wg_fault_mistake *mistake, struct word word, const char *what)
{
    size_t size = word.size < sizeof mistake->at ? word.size : sizeof mistake->at - 1;
    mistake->what = what;
    memcpy(mistake->at, word.at, size);
    mistake->at[size] = '\0';
    return -1;
}

/* A number from 1 on; -1 when it is none. */
static int64_t number_of(struct word word, bool units)
{
    int64_t value = 0;
    int shift = 0;
    if (units && word.size > 1) {
        static const char letters[] = "KMG";
        const char *letter = memchr(letters, word.at[word.size - 1], 3);
        if (letter) {
            shift = 10 * (1 + (int)(letter - letters));
            word.size--;
        }
    }
    if (word.size == 0 || word.size > 9)
        return -1;
    for (size_t i = 0; i < word.size; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return -1;
        value = value * 10 + (word.at[i] - '0');
    }
    return value > 0 ? value << shift : -1;
}

/* Cuts the part before a separator off; what is left stays in `rest`. */
static struct word next_word(struct word *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->size);
    struct word word = {rest->at, end ? (size_t)(end - rest->at) : rest->size};
    size_t step = word.size + (end != NULL);
    rest->at += step;
    rest->size -= step;
    return word;
}

static int read_call(struct word value, struct wg_fault_rule *rule,
                     struct wg_fault_mistake *mistake)
{
    uint64_t known = 0;
    rule->types = 0;
    for (size_t i = 0; i < COUNT(calls); i++)
        known |= UINT64_C(1) << calls[i].type;
    for (unsigned type = 0; type < WG_TRACE_TYPE_COUNT; type++)
        if ((known >> type & 1) && is(value, type_names[type]))
            rule->types = UINT64_C(1) << type;
    for (size_t i = 0; i < COUNT(calls) && rule->types == 0; i++) {
        if (is(value, calls[i].name)) {
            rule->types = UINT64_C(1) << calls[i].type;
            rule->call = calls[i].call;
        }
    }
    return rule->types ? 0 : mistaken(mistake, value, "is no call that can be made to fail");
}

static int read_role(struct word value, struct wg_fault_rule *rule,
                     struct wg_fault_mistake *mistake)
{
    for (size_t i = 1; i < COUNT(role_names); i++) {
        if (is(value, role_names[i])) {
            rule->role = (uint8_t)i;
            return 0;
        }
    }
    return mistaken(mistake, value, "is no role of a file");
}

static int read_text(struct word value, char ret_text[static WG_FAULT_WORD_MAX],
                     struct wg_fault_mistake *mistake)
{
    if (value.size == 0 || value.size >= WG_FAULT_WORD_MAX)
        return mistaken(mistake, value, "is no text of 1 to 127 bytes");
    memcpy(ret_text, value.at, value.size);
    return 0;
}

static int read_number(struct word value, bool units, int64_t *ret_number,
                       struct wg_fault_mistake *mistake)
{
    int64_t number = number_of(value, units);
    if (number < 0)
        return mistaken(mistake, value, "is no number from 1 to 999999999");
    *ret_number = number;
    return 0;
}

static int read_key(struct word pair, struct wg_fault_rule *rule, struct wg_fault_mistake *mistake)
{
    struct word value = pair;
    struct word key = next_word(&value, '=');
    if (key.size == pair.size)
        return mistaken(mistake, pair, "is not KEY=VALUE");
    if (is(key, "call"))
        return read_call(value, rule, mistake);
    if (is(key, "role"))
        return read_role(value, rule, mistake);
    if (is(key, "database"))
        return read_text(value, rule->database, mistake);
    if (is(key, "program"))
        return read_text(value, rule->program, mistake);
    if (is(key, "after"))
        return read_number(value, true, &rule->after, mistake);
    if (is(key, "bytes"))
        return read_number(value, true, &rule->bytes, mistake);
    if (is(key, "nth") || is(key, "from")) {
        rule->once = is(key, "nth");
        return read_number(value, false, &rule->from, mistake);
    }
    return mistaken(mistake, key,
                    "is none of call, role, database, program, nth, from, after, bytes");
}

/* What each key allows and all together do not. */
static int check(struct word whole, const struct wg_fault_rule *rule,
                 struct wg_fault_mistake *mistake)
{
    uint64_t cuttable = 0;
    bool cuts = true;
    for (size_t i = 0; i < COUNT(calls); i++) {
        if (calls[i].cuttable)
            cuttable |= UINT64_C(1) << calls[i].type;
        else if (rule->call == calls[i].call)
            cuts = false;
    }
    if (rule->error == 0 && (!cuts || (rule->types & ~cuttable) || rule->after >= 0))
        return mistaken(mistake, whole, "cuts what is not read, pread, write or pwrite");
    if (rule->error != 0 && rule->bytes != 0)
        return mistaken(mistake, whole, "has bytes=, which is for short");
    if (rule->after >= 0 && !(rule->types & WG_FAULT_TYPE(WRITE)))
        return mistaken(mistake, whole, "has after=, which counts what is written");
    if (rule->error == EINTR && !rule->once)
        return mistaken(mistake, whole, "needs nth=: callers repeat what was interrupted");
    return 0;
}

static int read_rule(struct word text, struct wg_fault_rule *rule, struct wg_fault_mistake *mistake)
{
    *rule = (struct wg_fault_rule){.from = 1, .after = -1};
    if (text.size >= sizeof rule->text)
        return mistaken(mistake, text, "is longer than 255 bytes");
    memcpy(rule->text, text.at, text.size);
    struct word rest = text;
    struct word kind = next_word(&rest, ':');
    bool found = false;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (is(kind, kinds[i].word)) {
            rule->error = kinds[i].error;
            rule->types = kinds[i].types;
            found = true;
        }
    }
    if (!found)
        return mistaken(mistake, kind, "is neither an errno that can be asked for nor 'short'");
    if (kind.size < text.size && rest.size == 0)
        return mistaken(mistake, text, "ends where KEY=VALUE should follow");
    while (rest.size > 0)
        if (read_key(next_word(&rest, ','), rule, mistake) != 0)
            return -1;
    return check(text, rule, mistake);
}

int wg_fault_parse(const char *text, struct wg_fault_rules *rules,
                   struct wg_fault_mistake *ret_mistake)
{
    struct word rest = {text, strlen(text)};
    if (rest.size == 0)
        return mistaken(ret_mistake, rest, "is empty");
    while (rest.size > 0) {
        struct word one = next_word(&rest, ';');
        if (rules->count == WG_FAULT_RULES_MAX)
            return mistaken(ret_mistake, one, "is one more than the 8 that are possible at once");
        if (read_rule(one, &rules->items[rules->count], ret_mistake) != 0)
            return -1;
        rules->count++;
    }
    return 0;
}

bool wg_chaos_parse(const char *text, uint64_t *ret_seed, uint64_t *ret_line)
{
    struct word rest = {text, strlen(text)};
    size_t whole = rest.size;
    struct word seed = next_word(&rest, '.');
    int64_t number = number_of(seed, false);
    uint64_t line = 0;
    if (number < 0 || rest.size > 16 || (seed.size < whole && rest.size == 0))
        return false;
    for (size_t i = 0; i < rest.size; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = memchr(digits, rest.at[i], 16);
        if (!digit)
            return false;
        line = line << 4 | (uint64_t)(digit - digits);
    }
    *ret_seed = (uint64_t)number;
    *ret_line = line;
    return true;
}
