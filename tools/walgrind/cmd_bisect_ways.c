/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_ways.h"

#include "harness/bisect/provoke.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED_PLACE "{seed}"
#define SEED_MOST  999999999 /* the highest that WALGRIND_CHAOS takes */

/* The words of walgrind that take such options, and what is tried with them unasked. */
static const struct {
    const char *word;
    const char *ways[WG_BISECT_WAYS];
} usual_ways[] = {
    {"run",
     {"--swarm", "--swarm --workers={workers}", "WALGRIND_CHAOS=1", "WALGRIND_CHAOS=2",
      "--swarm WALGRIND_CHAOS={seed}"}},
    {"exec", {"WALGRIND_CHAOS=1", "WALGRIND_CHAOS=2", "WALGRIND_CHAOS=3", "WALGRIND_CHAOS={seed}"}},
};

/* How many times as many workers as there are processors is "more workers". */
#define WORKERS_PER_PROCESSOR 8
#define WORKERS_PLACE         "{workers}"

bool bisect_is_walgrind(const struct wg_strv *argv)
{
    if (argv->count == 0)
        return false;
    const char *slash = strrchr(argv->items[0], '/');
    return strcmp(slash ? slash + 1 : argv->items[0], "walgrind") == 0;
}

/* The row of the word behind `walgrind`, or -1. */
static long usual_row(const struct wg_strv *argv)
{
    if (!bisect_is_walgrind(argv) || argv->count < 2)
        return -1;
    for (size_t i = 0; i < sizeof usual_ways / sizeof usual_ways[0]; i++)
        if (strcmp(argv->items[1], usual_ways[i].word) == 0)
            return (long)i;
    return -1;
}

/* `text` with every `place` replaced; the caller frees it. */
static char *fill_in(const char *text, const char *place, const char *value)
{
    char *out = wg_strdup("");
    for (const char *at = NULL; (at = strstr(text, place)); text = at + strlen(place)) {
        char *more = wg_format("%s%.*s%s", out, (int)(at - text), text, value);
        free(out);
        out = more;
    }
    char *whole = wg_format("%s%s", out, text);
    free(out);
    return whole;
}

static void split(const char *way, struct wg_strv *words)
{
    for (const char *at = way + strspn(way, " "); *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        wg_strv_take(words, wg_strndup(at, length));
        at += length;
    }
}

/* NAME=VALUE: the length of NAME, or 0. */
static size_t name_length(const char *word)
{
    size_t length = 0;
    while (isalnum((unsigned char)word[length]) || word[length] == '_')
        length++;
    return word[length] == '=' && !isdigit((unsigned char)word[0]) ? length : 0;
}

static int check(const char *way, const struct wg_strv *argv, struct wg_err *err)
{
    struct wg_strv words = {0};
    split(way, &words);
    if (words.count == 0)
        wg_err_set(err, WG_ERR_USAGE, "--provoke takes auto, off, or words like NAME=VALUE");
    for (size_t i = 0; i < words.count && !wg_err_is_set(err); i++) {
        bool option = words.items[i][0] == '-';
        if (option && usual_row(argv) < 0)
            wg_err_set(err, WG_ERR_USAGE,
                       "--provoke '%s': options can be added to 'walgrind run' and 'walgrind exec' "
                       "only, other commands get NAME=VALUE",
                       words.items[i]);
        else if (!option && name_length(words.items[i]) == 0)
            wg_err_set(err, WG_ERR_USAGE,
                       "--provoke takes auto, off, or words like NAME=VALUE, "
                       "not '%s'",
                       words.items[i]);
    }
    wg_strv_finish(&words);
    return wg_err_is_set(err) ? -1 : 0;
}

static void add_usual(const struct wg_strv *argv, struct wg_strv *ways)
{
    long row = usual_row(argv);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char *workers = wg_format("%ld", WORKERS_PER_PROCESSOR * (processors > 0 ? processors : 1));
    for (size_t i = 0; row >= 0 && usual_ways[row].ways[i]; i++)
        wg_strv_take(ways, fill_in(usual_ways[row].ways[i], WORKERS_PLACE, workers));
    free(workers);
}

int bisect_ways_read(const struct wg_strv *provoke, const struct wg_strv *argv, bool imported,
                     struct wg_strv *ret_ways, struct wg_err *err)
{
    struct wg_strv ways = {0};
    if (provoke->count == 0 && !imported)
        add_usual(argv, &ways);
    for (size_t i = 0; i < provoke->count && !wg_err_is_set(err); i++) {
        if (strcmp(provoke->items[i], "off") == 0)
            continue;
        if (strcmp(provoke->items[i], "auto") == 0)
            add_usual(argv, &ways);
        else if (check(provoke->items[i], argv, err) == 0)
            wg_strv_push(&ways, provoke->items[i]);
    }
    if (ways.count >= WG_BISECT_WAYS)
        wg_err_set(err, WG_ERR_USAGE, "--provoke: at most %d ways can be tried",
                   WG_BISECT_WAYS - 1);
    if (!wg_err_is_set(err))
        wg_strv_extend(ret_ways, ways.items);
    wg_strv_finish(&ways);
    return wg_err_is_set(err) ? -1 : 0;
}

void bisect_way_apply(const char *way, uint64_t seed, struct wg_strv *env, struct wg_strv *argv)
{
    char *number = wg_format("%llu", (unsigned long long)(seed % SEED_MOST + 1));
    char *text = fill_in(way, SEED_PLACE, number);
    struct wg_strv words = {0}, given = *argv;
    split(text, &words);
    *argv = (struct wg_strv){0};
    for (size_t i = 0; i < given.count; i++) {
        wg_strv_push(argv, given.items[i]);
        for (size_t w = 0; i == 1 && w < words.count; w++)
            if (words.items[w][0] == '-')
                wg_strv_push(argv, words.items[w]);
    }
    for (size_t w = 0; w < words.count; w++) {
        size_t length = name_length(words.items[w]);
        if (length == 0)
            continue;
        char *name = wg_strndup(words.items[w], length);
        wg_strv_setenv(env, name, words.items[w] + length + 1);
        free(name);
    }
    wg_strv_finish(&given);
    wg_strv_finish(&words);
    free(text);
    free(number);
}
