/* SPDX-License-Identifier: MIT */
/* filter.c - a parser by recursive descent; expressions are trees of nodes. */
#include "harness/run/filter.h"

#include "harness/base/str.h"

#include <assert.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 200 /* of parentheses and negations */

enum kind { IS, PATTERN, NOT, AND, OR };

struct wg_filter {
    enum kind kind;
    bool (*holds)(const struct wg_test *test, const char *glob, int64_t slow_ms); /* IS */
    char *glob;                                                                   /* IS, PATTERN */
    struct wg_filter *left, *right; /* NOT has only a left one */
};

/* ---- Predicates ---- */

static bool holds_suite(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)slow_ms;
    return fnmatch(glob, test->suite, 0) == 0;
}

static bool holds_test(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)slow_ms;
    return strcmp(glob, test->full_name) == 0 || fnmatch(glob, test->full_name, 0) == 0;
}

static bool holds_id(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)slow_ms;
    bool holds = false;
    char *words = wg_strdup(test->description), *rest = words;
    for (char *word = strsep(&rest, " "); word && !holds; word = strsep(&rest, " "))
        holds = *word && fnmatch(glob, word, 0) == 0;
    free(words);
    return holds;
}

static bool holds_failed(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)glob, (void)slow_ms;
    return test->failed_last;
}

static bool holds_slow(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)glob;
    return test->expected_ms >= (double)slow_ms;
}

static bool holds_new(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)glob, (void)slow_ms;
    return test->expected_ms < 0;
}

static bool holds_exclusive(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)glob, (void)slow_ms;
    return test->exclusive;
}

static bool holds_all(const struct wg_test *test, const char *glob, int64_t slow_ms)
{
    (void)test, (void)glob, (void)slow_ms;
    return true;
}

static const struct predicate {
    const char *name;
    int argument; /* 0 none, 1 needed, 2 "last" or none */
    bool (*holds)(const struct wg_test *test, const char *glob, int64_t slow_ms);
} predicates[] = {
#define ROW(name, argument, meaning) {#name, argument, holds_##name},
    WG_FILTER_PREDICATES(ROW)
#undef ROW
};

/* ---- Parsing ---- */

struct parser {
    const char *text, *at;
    int depth;
    struct wg_err *err;
};

static struct wg_filter *parse_expression(struct parser *parser);

static struct wg_filter *new_node(enum kind kind, struct wg_filter *left, struct wg_filter *right)
{
    struct wg_filter *node = wg_calloc(1, sizeof *node);
    *node = (struct wg_filter){.kind = kind, .left = left, .right = right};
    return node;
}

static struct wg_filter *complain(struct parser *parser, const char *at, const char *what)
{
    wg_err_set(parser->err, WG_ERR_USAGE, "filter, column %zu: %s; it reads '%.200s'",
               (size_t)(at - parser->text) + 1, what, parser->text);
    return NULL;
}

static bool take(struct parser *parser, char character)
{
    while (isspace((unsigned char)*parser->at))
        parser->at++;
    if (*parser->at != character)
        return false;
    parser->at++;
    return true;
}

/* The argument behind a predicate's name, NULL with `*ret_bad` unless it is as it must be. */
static char *parse_argument(struct parser *parser, const struct predicate *predicate,
                            const char *name_at, bool *ret_bad)
{
    *ret_bad = true;
    if (*parser->at != '(') {
        *ret_bad = predicate->argument == 1;
        if (*ret_bad)
            complain(parser, name_at, "this needs a glob: suite(files_*)");
        return NULL;
    }
    const char *open = parser->at++;
    size_t length = strcspn(parser->at, ")");
    if (parser->at[length] == '\0') {
        complain(parser, open, "this '(' is never closed");
        return NULL;
    }
    char *argument = wg_strndup(parser->at, length);
    parser->at += length + 1;
    if (predicate->argument == 0)
        complain(parser, open, "this takes nothing in parentheses");
    else if (predicate->argument == 2 && strcmp(argument, "last") != 0)
        complain(parser, open, "only failed(last) is known");
    else if (length == 0)
        complain(parser, open, "a glob is missing");
    else
        *ret_bad = false;
    if (*ret_bad) {
        free(argument);
        return NULL;
    }
    return argument;
}

static struct wg_filter *parse_word(struct parser *parser)
{
    const char *word = parser->at;
    size_t length = strcspn(word, " \t\n&|!()");
    if (length == 0)
        return complain(parser, word,
                        *word ? "a test, a suite or a condition must stand here"
                              : "the expression ends too early");
    parser->at += length;
    for (size_t i = 0; i < sizeof predicates / sizeof predicates[0]; i++) {
        if (strlen(predicates[i].name) != length || strncmp(predicates[i].name, word, length) != 0)
            continue;
        bool bad;
        char *glob = parse_argument(parser, &predicates[i], word, &bad);
        if (bad)
            return NULL;
        struct wg_filter *node = new_node(IS, NULL, NULL);
        node->holds = predicates[i].holds;
        node->glob = glob;
        return node;
    }
    if (*parser->at == '(')
        return complain(parser, word,
                        "no such condition; there are suite, test, id, failed, slow, new, "
                        "exclusive and all");
    struct wg_filter *node = new_node(PATTERN, NULL, NULL);
    node->glob = wg_strndup(word, length);
    return node;
}

static struct wg_filter *parse_factor(struct parser *parser)
{
    struct wg_filter *node = NULL;
    if (++parser->depth > DEPTH_MAX)
        return complain(parser, parser->at, "nested too deep");
    if (take(parser, '!')) {
        struct wg_filter *negated = parse_factor(parser);
        node = negated ? new_node(NOT, negated, NULL) : NULL;
    } else if (take(parser, '(')) {
        const char *open = parser->at - 1;
        node = parse_expression(parser);
        if (node && !take(parser, ')')) {
            wg_filter_destroy(node);
            node = complain(parser, open, "this '(' is never closed");
        }
    } else {
        node = parse_word(parser);
    }
    parser->depth--;
    return node;
}

/* A list of operands joined by one kind of operator, from the left. */
static struct wg_filter *parse_joined(struct parser *parser, enum kind kind, char sign,
                                      struct wg_filter *(*parse_operand)(struct parser *))
{
    struct wg_filter *left = parse_operand(parser);
    while (left && take(parser, sign)) {
        struct wg_filter *right = parse_operand(parser);
        if (!right) {
            wg_filter_destroy(left);
            return NULL;
        }
        left = new_node(kind, left, right);
    }
    return left;
}

static struct wg_filter *parse_term(struct parser *parser)
{
    return parse_joined(parser, AND, '&', parse_factor);
}

static struct wg_filter *parse_expression(struct parser *parser)
{
    return parse_joined(parser, OR, '|', parse_term);
}

int wg_filter_parse(const char *text, struct wg_filter **ret_filter, struct wg_err *err)
{
    struct parser parser = {.text = text, .at = text, .err = err};
    struct wg_filter *filter = parse_expression(&parser);
    if (filter && !take(&parser, '\0')) {
        complain(&parser, parser.at, "'&' or '|' must stand here");
        wg_filter_destroy(filter);
        filter = NULL;
    }
    *ret_filter = filter;
    return filter ? 0 : -1;
}

void wg_filter_destroy(struct wg_filter *filter)
{
    while (filter) {
        struct wg_filter *left = filter->left;
        wg_filter_destroy(filter->right);
        free(filter->glob);
        free(filter);
        filter = left;
    }
}

bool wg_filter_matches(const struct wg_filter *filter, const struct wg_test *test, int64_t slow_ms)
{
    assert(filter);
    switch (filter->kind) {
    case IS: return filter->holds(test, filter->glob, slow_ms);
    case PATTERN: return wg_plan_matches(test, filter->glob);
    case NOT: return !wg_filter_matches(filter->left, test, slow_ms);
    case AND:
        return wg_filter_matches(filter->left, test, slow_ms) &&
               wg_filter_matches(filter->right, test, slow_ms);
    case OR:
        return wg_filter_matches(filter->left, test, slow_ms) ||
               wg_filter_matches(filter->right, test, slow_ms);
    }
    return false;
}

/* A filter that is a name and matches none of the tests. */
static bool is_unmatched(const struct wg_filter *filter, const struct wg_plan *plan)
{
    bool word = filter->kind == PATTERN;
    if (!word && filter->holds != holds_suite && filter->holds != holds_test &&
        filter->holds != holds_id)
        return false;
    for (size_t i = 0; i < plan->test_count; i++)
        if (word ? wg_plan_matches(&plan->tests[i], filter->glob)
                 : filter->holds(&plan->tests[i], filter->glob, 0))
            return false;
    return true;
}

const char *wg_filter_unmatched(const struct wg_filter *filter, const struct wg_plan *plan,
                                bool *ret_is_id)
{
    const char *left = filter->left ? wg_filter_unmatched(filter->left, plan, ret_is_id) : NULL;
    if (left || filter->right)
        return left ? left : wg_filter_unmatched(filter->right, plan, ret_is_id);
    if (!is_unmatched(filter, plan))
        return NULL;
    *ret_is_id = filter->holds == holds_id;
    return filter->glob;
}
