/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_start.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/token.h"
#include "harness/bisect/git_log.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/cmd_bisect_run.h"
#include "tools/walgrind/cmd_bisect_ways.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIDENCE 0.95
#define DEFAULT_KEEP_TREES 8
#define DEFAULT_BAD_RUNS   300

int bisect_open_log(const struct bisect_call *call, enum wg_bisect_access access,
                    struct wg_bisect_state **ret_state, struct wg_err *err)
{
    if (access == WG_BISECT_CREATE && wg_tree_make(call->repo.state_dir, err) != 0)
        return -1;
    return wg_bisect_state_open(call->log_path, access, ret_state, err);
}

/* The settings of the command line; `good` and `bad` are full ids, `argv` the words of CMD. */
static void fill_settings(const struct bisect_options *options, const char *good, const char *bad,
                          char *const *argv, struct bisect_settings *ret_settings)
{
    uint32_t random = 0;
    wg_random_bytes(&random, sizeof random);
    *ret_settings = (struct bisect_settings){
        .good = good,
        .bad = bad,
        .build = options->build,
        .match = options->match,
        .match_regex = options->match_regex,
        .confidence = options->confidence > 0 ? options->confidence : DEFAULT_CONFIDENCE,
        .build_cost = options->build_cost,
        .budget = options->budget >= 0 ? options->budget : 0,
        .jobs = options->jobs > 0 ? options->jobs : 1,
        .keep_trees = options->keep_trees > 0 ? options->keep_trees : DEFAULT_KEEP_TREES,
        .bad_runs = options->bad_runs > 0 ? options->bad_runs : DEFAULT_BAD_RUNS,
        .timeout_ms = options->timeout_ms,
        .seed = options->seed >= 0 ? (uint64_t)options->seed : random,
        .share_tree = options->share_tree,
    };
    wg_strv_extend(&ret_settings->argv, argv);
    wg_strv_extend(&ret_settings->touching, options->touching.items);
}

/* Whether an unfinished bisection is the one that the command line asks for. */
static bool is_same(const json_t *start, const struct bisect_settings *settings)
{
    static const char *const keys[] = {"good",  "bad",   "argv",       "ways",
                                       "build", "match", "match_regex"};
    json_t *wanted = bisect_settings_record(settings);
    bool same = true;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *a = json_object_get(start, keys[i]), *b = json_object_get(wanted, keys[i]);
        same = same && json_equal(a, b);
    }
    json_decref(wanted);
    return same;
}

/* Every mistake in the range, the command or a pattern is found before anything is written. */
static int check_settings(const struct bisect_call *call, const struct bisect_settings *settings,
                          struct wg_err *err)
{
    int rc = -1;
    struct bisect_match match = {0};
    struct wg_bisect_history history = {0};
    struct bisect_session probe = {.repo = &call->repo, .settings = *settings};
    double *prior = NULL;
    if (settings->confidence < 0.5 || settings->confidence > 0.9999) {
        wg_err_set(err, WG_ERR_USAGE, "--confidence takes a probability from 0.5 to 0.9999");
        goto out;
    }
    if (bisect_read_range(&call->repo, settings->good, settings->bad, &history, err) != 0 ||
        bisect_match_init(&match, settings->match, settings->match_regex, err) != 0 ||
        (settings->argv.count > 0 && bisect_check_command(&probe, err) != 0) ||
        (settings->touching.count > 0 &&
         bisect_read_prior(&call->repo, &history, &settings->touching, &prior, err) != 0))
        goto out;
    if (bisect_checkout_dirty(&call->repo))
        fprintf(stderr, "walgrind bisect: the checkout has uncommitted changes; they stay as they "
                        "are and are not part of what is tested\n");
    rc = 0;
out:
    free(prior);
    bisect_match_finish(&match);
    wg_bisect_history_finish(&history);
    return rc;
}

/* Removes a log whose bisection is over, so that a new one can be written. */
static int drop_old_log(const struct bisect_call *call, struct wg_bisect_state **state,
                        struct wg_err *err)
{
    char *old = wg_format("%s.old", call->log_path);
    int rc = rename(call->log_path, old) == 0 ? 0 : wg_err_errno(err, "rename %s", call->log_path);
    free(old);
    wg_bisect_state_destroy(*state);
    *state = NULL;
    return rc == 0 ? bisect_open_log(call, WG_BISECT_CREATE, state, err) : -1;
}

/* What each list of a log of git says, and from which element on: the first two are the ends. */
static const struct {
    enum wg_bisect_result result;
    size_t from;
} import_kinds[] = {
    {WG_BISECT_RESULT_GOOD, 1},
    {WG_BISECT_RESULT_BAD, 1},
    {WG_BISECT_RESULT_SKIP, 0},
};

/* Writes the start record and one run for each imported line, whose revisions are ids by now. */
static int write_start(const struct bisect_settings *settings, const struct wg_strv *imports,
                       struct wg_bisect_state *state, struct wg_err *err)
{
    json_t *start = bisect_settings_record(settings);
    int n = 0;
    for (size_t k = 0; k < sizeof import_kinds / sizeof import_kinds[0]; k++)
        for (size_t i = import_kinds[k].from; i < imports[k].count; i++)
            n++;
    json_object_set_new(start, "imports", json_integer(n));
    if (wg_bisect_state_append(state, start, err) != 0)
        return -1;
    n = 0;
    for (size_t k = 0; k < sizeof import_kinds / sizeof import_kinds[0]; k++)
        for (size_t i = import_kinds[k].from; i < imports[k].count; i++)
            if (wg_bisect_state_append(state,
                                       json_pack("{s:s, s:i, s:s, s:s, s:b}", "event", "run", "n",
                                                 ++n, "commit", imports[k].items[i], "result",
                                                 wg_bisect_result_name(import_kinds[k].result),
                                                 "imported", 1),
                                       err) != 0)
                return -1;
    return 0;
}

/*
 * Opens the log for these settings: a new one, or with `resume` an unfinished one with the same
 * settings. The caller destroys the state.
 */
static int begin(const struct bisect_call *call, const struct bisect_settings *settings,
                 const struct wg_strv *imports, bool resume, struct wg_bisect_state **ret_state,
                 struct wg_err *err)
{
    int rc = -1;
    struct wg_bisect_state *state = NULL;
    if (check_settings(call, settings, err) != 0 ||
        bisect_open_log(call, WG_BISECT_CREATE, &state, err) != 0)
        goto out;
    if (wg_bisect_state_verdict(state) && drop_old_log(call, &state, err) != 0)
        goto out;
    const json_t *start = wg_bisect_state_start(state);
    if (start && !(resume && is_same(start, settings))) {
        wg_err_set(err, WG_ERR_USAGE,
                   "a bisection of %.12s..%.12s is under way: 'walgrind bisect run' goes on with "
                   "it, 'walgrind bisect reset' gives it up",
                   wg_json_str(start, "good", ""), wg_json_str(start, "bad", ""));
        goto out;
    }
    if (!start && write_start(settings, imports, state, err) != 0)
        goto out;
    if (start && isatty(STDERR_FILENO))
        fprintf(stderr, "walgrind bisect: going on after %u runs\n",
                wg_bisect_state_next_run(state) - 1);
    *ret_state = state;
    state = NULL;
    rc = 0;
out:
    wg_bisect_state_destroy(state);
    return rc;
}

static int read_text(const char *path, struct wg_buf *text, struct wg_err *err)
{
    char chunk[16 * 1024];
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return wg_err_set(err, WG_ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    int rc = 0;
    for (size_t size; rc == 0 && (size = fread(chunk, 1, sizeof chunk, file)) > 0;)
        if (wg_buf_append(text, chunk, size) != 0)
            rc = wg_err_set(err, WG_ERR_LIMIT, "%s is too large", path);
    if (file != stdin)
        fclose(file);
    return rc;
}

/* Where the two ends come from: two operands, or the first good and bad lines of a log of git. */
struct ends {
    struct wg_bisect_git_log imported;
    struct wg_strv ids[sizeof import_kinds / sizeof import_kinds[0]]; /* of its lists */
    char *good, *bad;
    char *const *argv; /* the rest of the operands */
};

static void ends_finish(struct ends *ends)
{
    wg_bisect_git_log_finish(&ends->imported);
    for (size_t k = 0; k < sizeof ends->ids / sizeof ends->ids[0]; k++)
        wg_strv_finish(&ends->ids[k]);
    free(ends->good);
    free(ends->bad);
}

/* Every revision of an imported log is looked up before anything is written. */
static int resolve_imports(const struct bisect_call *call, struct ends *ends, struct wg_err *err)
{
    const struct wg_strv *lists[] = {&ends->imported.goods, &ends->imported.bads,
                                     &ends->imported.skips};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        for (size_t i = 0; i < lists[k]->count; i++) {
            char *id = NULL;
            if (bisect_resolve(&call->repo, lists[k]->items[i], &id, err) != 0)
                return -1;
            wg_strv_take(&ends->ids[k], id);
        }
    }
    return 0;
}

static int read_ends(const struct bisect_call *call, struct ends *ends, struct wg_err *err)
{
    const char *good = NULL, *bad = NULL;
    size_t used = 0;
    if (call->options.from_git_log) {
        struct wg_buf text;
        wg_buf_init(&text, WG_LIMIT_JSON_FILE);
        int rc = read_text(call->options.from_git_log, &text, err);
        if (rc == 0)
            rc = wg_bisect_git_log_parse(text.data, &ends->imported, err);
        wg_buf_finish(&text);
        if (rc != 0)
            return wg_err_wrap(err, "%s", call->options.from_git_log);
        good = ends->imported.goods.items[0];
        bad = ends->imported.bads.items[0];
    } else if (call->words.count >= 2) {
        good = call->words.items[0];
        bad = call->words.items[1];
        used = 2;
    } else {
        return wg_err_set(err, WG_ERR_USAGE,
                          "two commits are needed: walgrind bisect GOOD BAD -- "
                          "CMD");
    }
    ends->argv = call->words.items ? call->words.items + used : NULL;
    if (bisect_resolve(&call->repo, good, &ends->good, err) != 0 ||
        bisect_resolve(&call->repo, bad, &ends->bad, err) != 0)
        return -1;
    return resolve_imports(call, ends, err);
}

int bisect_start(struct bisect_call *call, bool resume, struct wg_bisect_state **ret_state,
                 struct wg_err *err)
{
    int rc = -1;
    struct ends ends = {0};
    struct bisect_settings settings = {0};
    struct wg_bisect_state *state = NULL;
    if (read_ends(call, &ends, err) != 0)
        goto out;
    fill_settings(&call->options, ends.good, ends.bad, ends.argv, &settings);
    if (bisect_ways_read(&call->options.provoke, &settings.argv, call->options.from_git_log != NULL,
                         &settings.ways, err) != 0 ||
        begin(call, &settings, ends.ids, resume, &state, err) != 0)
        goto out;
    *ret_state = state;
    state = NULL;
    rc = 0;
out:
    wg_bisect_state_destroy(state);
    wg_strv_finish(&settings.argv);
    wg_strv_finish(&settings.touching);
    wg_strv_finish(&settings.ways);
    ends_finish(&ends);
    return rc;
}
