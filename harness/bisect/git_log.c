/* SPDX-License-Identifier: MIT */
#include "harness/bisect/git_log.h"

#include <stdlib.h>
#include <string.h>

enum verb { VERB_START, VERB_GOOD, VERB_BAD, VERB_SKIP };

static const struct {
    const char *word;
    enum verb verb;
} verbs[] = {
    {"start", VERB_START}, {"good", VERB_GOOD}, {"old", VERB_GOOD},
    {"bad", VERB_BAD},     {"new", VERB_BAD},   {"skip", VERB_SKIP},
};

/* Options of `git bisect start` that give good and bad other names: "bisect terms" in the manual.
 */
static const struct {
    const char *option;
    enum verb verb;
} term_options[] = {
    {"--term-good", VERB_GOOD},
    {"--term-old", VERB_GOOD},
    {"--term-bad", VERB_BAD},
    {"--term-new", VERB_BAD},
};

/* What is read so far: the log, and the names that stand for good and bad in it. */
struct reader {
    struct wg_bisect_git_log log;
    char *terms[VERB_SKIP + 1]; /* per verb; NULL: git's own */
};

/* Splits a line at blanks; single quotes, as git writes them, keep blanks and are dropped. */
static void split(const char *line, size_t length, struct wg_strv *words)
{
    const char *end = line + length;
    while (line < end) {
        while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
            line++;
        if (line == end)
            return;
        char *word = wg_malloc((size_t)(end - line) + 1);
        size_t used = 0;
        bool quoted = false;
        for (; line < end && (quoted || (*line != ' ' && *line != '\t' && *line != '\r')); line++) {
            if (*line == '\'')
                quoted = !quoted;
            else
                word[used++] = *line;
        }
        word[used] = '\0';
        wg_strv_take(words, word);
    }
}

/* Takes --term-old=NAME or --term-old NAME; false when it is another option. */
static bool take_term(const struct wg_strv *words, size_t *i, struct reader *reader)
{
    const char *word = words->items[*i];
    size_t length = strcspn(word, "=");
    for (size_t t = 0; t < sizeof term_options / sizeof term_options[0]; t++) {
        if (strlen(term_options[t].option) != length ||
            strncmp(term_options[t].option, word, length) != 0)
            continue;
        char **term = &reader->terms[term_options[t].verb];
        free(*term);
        *term = NULL;
        if (word[length])
            *term = wg_strdup(word + length + 1);
        else if (*i + 1 < words->count)
            *term = wg_strdup(words->items[++*i]);
        return true;
    }
    return false;
}

/* `git bisect start [options] [bad [good…]] [-- paths…]` */
static void take_start(const struct wg_strv *words, struct reader *reader)
{
    size_t operands = 0;
    for (size_t i = 3; i < words->count && strcmp(words->items[i], "--") != 0; i++) {
        if (take_term(words, &i, reader) || words->items[i][0] == '-')
            continue;
        wg_strv_push(operands == 0 ? &reader->log.bads : &reader->log.goods, words->items[i]);
        operands++;
    }
}

/* The verb that a word stands for, or -1. */
static int find_verb(const struct reader *reader, const char *word)
{
    for (int verb = 0; verb <= VERB_SKIP; verb++)
        if (reader->terms[verb] && strcmp(reader->terms[verb], word) == 0)
            return verb;
    for (size_t row = 0; row < sizeof verbs / sizeof verbs[0]; row++)
        if (strcmp(verbs[row].word, word) == 0)
            return (int)verbs[row].verb;
    return -1;
}

static int take_line(const char *line, size_t length, size_t number, struct reader *reader,
                     struct wg_err *err)
{
    int rc = -1;
    struct wg_strv words = {0};
    split(line, length, &words);
    if (words.count == 0 || words.items[0][0] == '#') {
        rc = 0;
        goto out;
    }
    int verb = -1;
    if (words.count >= 3 && strcmp(words.items[0], "git") == 0 &&
        strcmp(words.items[1], "bisect") == 0)
        verb = find_verb(reader, words.items[2]);
    if (verb < 0) {
        wg_err_set(err, WG_ERR_FORMAT, "line %zu is no command of 'git bisect log': %.*s", number,
                   (int)(length < 80 ? length : 80), line);
        goto out;
    }
    struct wg_strv *lists[] = {NULL, &reader->log.goods, &reader->log.bads, &reader->log.skips};
    if (verb == VERB_START)
        take_start(&words, reader);
    for (size_t i = 3; verb != VERB_START && i < words.count; i++)
        wg_strv_push(lists[verb], words.items[i]);
    rc = 0;
out:
    wg_strv_finish(&words);
    return rc;
}

int wg_bisect_git_log_parse(const char *text, struct wg_bisect_git_log *ret_log, struct wg_err *err)
{
    int rc = -1;
    struct reader reader = {0};
    const struct wg_bisect_git_log *log = &reader.log;
    size_t number = 0;
    for (const char *at = text; *at; at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        if (take_line(at, length, ++number, &reader, err) != 0)
            goto out;
        at += length;
    }
    if (log->goods.count == 0 || log->bads.count == 0) {
        wg_err_set(err, WG_ERR_FORMAT, "the log names no %s commit",
                   log->goods.count == 0 ? "good" : "bad");
        goto out;
    }
    *ret_log = reader.log;
    reader.log = (struct wg_bisect_git_log){0};
    rc = 0;
out:
    wg_bisect_git_log_finish(&reader.log);
    for (size_t verb = 0; verb < sizeof reader.terms / sizeof reader.terms[0]; verb++)
        free(reader.terms[verb]);
    return rc;
}

void wg_bisect_git_log_finish(struct wg_bisect_git_log *log)
{
    wg_strv_finish(&log->goods);
    wg_strv_finish(&log->bads);
    wg_strv_finish(&log->skips);
}

/* P(node x is bad): the sum over the hypotheses that make it so. */
static double bad_chance(const struct wg_bisect_posterior *posterior, size_t x)
{
    double sum = 0;
    for (size_t c = 0; c < posterior->history->count; c++)
        if (wg_bisect_is_bad(posterior->history, x, c))
            sum += posterior->probability[c];
    return sum;
}

static void put(struct wg_buf *out, const char *verb, const char *id, const char *subject)
{
    wg_buf_printf(out, "# %s: [%s] %s\ngit bisect %s %s\n", verb, id, subject, verb, id);
}

void wg_bisect_git_log_write(const struct wg_bisect_posterior *posterior,
                             const struct wg_bisect_tally *tally, double confidence,
                             char *const *subjects, long culprit, struct wg_buf *out)
{
    const struct wg_bisect_history *history = posterior->history;
    size_t last = history->count - 1;
    wg_buf_puts(out, "git bisect start\n");
    put(out, "bad", history->commits[last].id, subjects[last]);
    put(out, "good", history->commits[0].id, subjects[0]);
    /* Backwards: for git the last commit that is called bad is the bad end from then on. */
    for (size_t x = last; x-- > 1;) {
        const struct wg_bisect_tally *node = &tally[x];
        const char *id = history->commits[x].id;
        double bad = bad_chance(posterior, x);
        if (node->untestable)
            put(out, "skip", id, subjects[x]);
        else if (node->failures + node->passes == 0)
            continue;
        else if (bad >= confidence)
            put(out, "bad", id, subjects[x]);
        else if (bad <= 1 - confidence)
            put(out, "good", id, subjects[x]);
        else
            wg_buf_printf(
                out, "# undecided (bad with probability %.3f, %u of %u runs failed): [%s] %s\n",
                bad, node->failures, node->failures + node->passes, id, subjects[x]);
    }
    if (culprit >= 0)
        wg_buf_printf(out, "# first bad commit: [%s] %s\n", history->commits[culprit].id,
                      subjects[culprit]);
}
