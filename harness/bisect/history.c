/* SPDX-License-Identifier: MIT */
#include "harness/bisect/history.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <stdlib.h>
#include <string.h>

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (const char *at = text; *at; at += *at == '\n') {
        lines++;
        at += strcspn(at, "\n");
    }
    return lines;
}

static int compare_ids(const void *a, const void *b, void *commits)
{
    const struct wg_bisect_commit *table = commits;
    return strcmp(table[*(const size_t *)a].id, table[*(const size_t *)b].id);
}

static void sort_ids(struct wg_bisect_history *history)
{
    history->by_id = wg_calloc(history->count, sizeof *history->by_id);
    for (size_t i = 0; i < history->count; i++)
        history->by_id[i] = i;
    qsort_r(history->by_id, history->count, sizeof *history->by_id, compare_ids, history->commits);
}

/* The node called by the first `length` bytes of `id`, or -1. */
static long find(const struct wg_bisect_history *history, const char *id, size_t length)
{
    size_t low = 0, high = history->by_id ? history->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *other = history->commits[history->by_id[middle]].id;
        int order = strncmp(id, other, length);
        if (order == 0 && other[length] != '\0')
            order = -1;
        if (order == 0)
            return (long)history->by_id[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

long wg_bisect_history_find(const struct wg_bisect_history *history, const char *id)
{
    return find(history, id, strlen(id));
}

/* Gives every node its id: line i of n is node n - i, so that parents come first. */
static int read_ids(struct wg_bisect_history *history, const char *text, struct wg_err *err)
{
    size_t node = history->count;
    for (const char *at = text; *at; at += *at == '\n') {
        size_t length = strcspn(at, " \n");
        if (length == 0)
            return wg_err_set(err, WG_ERR_FORMAT, "line %zu of the list of commits has no id",
                              history->count - node + 1);
        history->commits[--node].id = wg_strndup(at, length);
        at += strcspn(at, "\n");
    }
    sort_ids(history);
    for (size_t i = 1; i < history->count; i++) {
        const char *id = history->commits[history->by_id[i]].id;
        if (strcmp(id, history->commits[history->by_id[i - 1]].id) == 0)
            return wg_err_set(err, WG_ERR_FORMAT, "commit %s is listed twice", id);
    }
    return 0;
}

/* Reads the parents of one line; those outside the range are older than it and stand for GOOD. */
static int read_parents(struct wg_bisect_history *history, size_t node, const char *words,
                        struct wg_err *err)
{
    struct wg_bisect_commit *commit = &history->commits[node];
    size_t room = 0;
    for (const char *at = words; *at == ' ';) {
        at++;
        size_t length = strcspn(at, " \n");
        long parent = find(history, at, length);
        if (parent >= (long)node)
            return wg_err_set(err, WG_ERR_FORMAT, "commit %s is listed after its parent",
                              commit->id);
        if (commit->parent_count == room) {
            room = room ? 2 * room : 2;
            commit->parents = wg_realloc(commit->parents, room * sizeof *commit->parents);
        }
        commit->parents[commit->parent_count++] = parent < 0 ? 0 : (size_t)parent;
        at += length;
    }
    return 0;
}

static void fill_ancestors(struct wg_bisect_history *history)
{
    for (size_t x = 0; x < history->count; x++) {
        uint64_t *row = history->ancestors + x * history->words;
        row[x / 64] |= UINT64_C(1) << (x % 64);
        row[0] |= 1;
        for (size_t i = 0; i < history->commits[x].parent_count; i++) {
            const uint64_t *parent =
                history->ancestors + history->commits[x].parents[i] * history->words;
            for (size_t w = 0; w < history->words; w++)
                row[w] |= parent[w];
        }
    }
}

int wg_bisect_history_parse(const char *good, const char *text,
                            struct wg_bisect_history *ret_history, struct wg_err *err)
{
    size_t lines = count_lines(text);
    if (lines == 0)
        return wg_err_set(err, WG_ERR_USAGE, "there is no commit between GOOD and BAD");
    if (lines >= WG_LIMIT_BISECT_COMMITS)
        return wg_err_set(err, WG_ERR_LIMIT, "%zu commits between GOOD and BAD, at most %d can be",
                          lines, WG_LIMIT_BISECT_COMMITS - 1);
    int rc = -1;
    struct wg_bisect_history history = {.count = lines + 1, .words = (lines + 1 + 63) / 64};
    history.commits = wg_calloc(history.count, sizeof *history.commits);
    history.ancestors = wg_calloc(history.count * history.words, sizeof *history.ancestors);
    history.commits[0].id = wg_strdup(good);
    if (read_ids(&history, text, err) != 0)
        goto out;
    size_t node = history.count;
    for (const char *at = text; *at; at += *at == '\n') {
        at += strcspn(at, " \n");
        if (read_parents(&history, --node, at, err) != 0)
            goto out;
        at += strcspn(at, "\n");
    }
    fill_ancestors(&history);
    *ret_history = history;
    history = (struct wg_bisect_history){0};
    rc = 0;
out:
    wg_bisect_history_finish(&history);
    return rc;
}

void wg_bisect_history_finish(struct wg_bisect_history *history)
{
    for (size_t i = 0; history->commits && i < history->count; i++) {
        free(history->commits[i].id);
        free(history->commits[i].parents);
    }
    free(history->commits);
    free(history->ancestors);
    free(history->by_id);
    *history = (struct wg_bisect_history){0};
}
