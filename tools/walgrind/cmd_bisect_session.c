/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_session.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static json_t *list_record(const struct wg_strv *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, wg_json_string_new(list->items[i], strlen(list->items[i])));
    return array;
}

static void read_list(const json_t *array, struct wg_strv *ret_list)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(array, i, item)
    {
        wg_strv_push(ret_list, json_string_value(item));
    }
}

json_t *bisect_settings_record(const struct bisect_settings *settings)
{
    char *seed = wg_format("%llu", (unsigned long long)settings->seed);
    json_t *record = json_pack(
        "{s:s, s:i, s:s, s:s, s:o, s:s?, s:s?, s:s?, s:o, s:o, s:f, s:f, s:I, s:I, s:I, s:I, s:I, "
        "s:b, s:s}",
        "event", "start", "version", WG_BISECT_STATE_VERSION, "good", settings->good, "bad",
        settings->bad, "argv", list_record(&settings->argv), "build", settings->build, "match",
        settings->match, "match_regex", settings->match_regex, "touching",
        list_record(&settings->touching), "ways", list_record(&settings->ways), "confidence",
        settings->confidence, "build_cost", settings->build_cost, "budget",
        (json_int_t)settings->budget, "jobs", (json_int_t)settings->jobs, "keep_trees",
        (json_int_t)settings->keep_trees, "bad_runs", (json_int_t)settings->bad_runs, "timeout_ms",
        (json_int_t)settings->timeout_ms, "share_tree", settings->share_tree, "seed", seed);
    free(seed);
    assert(record);
    return record;
}

static int read_settings(const json_t *start, struct bisect_settings *settings, struct wg_err *err)
{
    if (wg_json_int(start, "version", 0) != WG_BISECT_STATE_VERSION)
        return wg_err_set(err, WG_ERR_FORMAT,
                          "the bisection was started by another version of walgrind; "
                          "'walgrind bisect reset' gives it up");
    settings->good = wg_json_str(start, "good", "");
    settings->bad = wg_json_str(start, "bad", "");
    settings->build = wg_json_str(start, "build", NULL);
    settings->match = wg_json_str(start, "match", NULL);
    settings->match_regex = wg_json_str(start, "match_regex", NULL);
    settings->confidence = wg_json_real(start, "confidence", 0.95);
    settings->build_cost = wg_json_real(start, "build_cost", 0);
    settings->budget = (long)wg_json_int(start, "budget", 0);
    settings->jobs = (long)wg_json_int(start, "jobs", 1);
    settings->keep_trees = (long)wg_json_int(start, "keep_trees", 8);
    settings->bad_runs = (long)wg_json_int(start, "bad_runs", 300);
    settings->timeout_ms = wg_json_int(start, "timeout_ms", 0);
    settings->share_tree = wg_json_bool(start, "share_tree", false);
    settings->seed = strtoull(wg_json_str(start, "seed", "0"), NULL, 10);
    read_list(json_object_get(start, "argv"), &settings->argv);
    read_list(json_object_get(start, "touching"), &settings->touching);
    read_list(json_object_get(start, "ways"), &settings->ways);
    return 0;
}

static void set_goal(struct bisect_session *session)
{
    const struct bisect_settings *settings = &session->settings;
    session->goal = WG_BISECT_GOAL_INIT;
    session->goal.confidence = settings->confidence;
    session->goal.budget = (unsigned)settings->budget;
    session->goal.bracket_runs = (unsigned)settings->bad_runs;
    session->way_count = 1 + settings->ways.count;
    if (session->way_count > WG_BISECT_WAYS)
        session->way_count = WG_BISECT_WAYS;
    session->goal.slots =
        settings->jobs < WG_BISECT_CHOICES ? (size_t)settings->jobs : WG_BISECT_CHOICES;
    session->trees = (struct bisect_trees){
        .repo = session->repo, .build = settings->build, .keep = (size_t)settings->keep_trees};
    if (session->trees.keep < 2 * (size_t)settings->jobs)
        session->trees.keep = 2 * (size_t)settings->jobs;
}

int bisect_session_open(const struct bisect_repo *repo, struct wg_bisect_state *state,
                        struct bisect_session *ret_session, struct wg_err *err)
{
    int rc = -1;
    struct bisect_session *session = ret_session;
    *session = (struct bisect_session){.repo = repo, .state = state};
    const json_t *start = wg_bisect_state_start(state);
    if (!start) {
        wg_err_set(err, WG_ERR_USAGE,
                   "no bisection has been started; see 'walgrind bisect --help'");
        goto out;
    }
    if (read_settings(start, &session->settings, err) != 0 ||
        bisect_match_init(&session->match, session->settings.match, session->settings.match_regex,
                          err) != 0 ||
        bisect_read_range(repo, session->settings.good, session->settings.bad, &session->history,
                          err) != 0 ||
        bisect_read_texts(repo, &session->history, &session->texts, err) != 0)
        goto out;
    if (session->settings.touching.count > 0 &&
        bisect_read_prior(repo, &session->history, &session->settings.touching, &session->prior,
                          err) != 0)
        goto out;
    set_goal(session);
    session->tally = wg_calloc(session->history.count, sizeof *session->tally);
    wg_bisect_posterior_init(&session->posterior, &session->history, session->prior,
                             session->goal.already_bad);
    rc = 0;
out:
    if (rc != 0)
        bisect_session_finish(session);
    return rc;
}

void bisect_session_finish(struct bisect_session *session)
{
    wg_bisect_posterior_finish(&session->posterior);
    free(session->tally);
    free(session->prior);
    bisect_texts_free(session->texts, session->history.count);
    wg_bisect_history_finish(&session->history);
    bisect_match_finish(&session->match);
    wg_strv_finish(&session->settings.argv);
    wg_strv_finish(&session->settings.touching);
    wg_strv_finish(&session->settings.ways);
    *session = (struct bisect_session){0};
}

const char *bisect_way_words(const struct bisect_session *session, size_t way)
{
    return way > 0 ? session->settings.ways.items[way - 1] : "";
}

/* Adds up the runs made in this way; what other ways took of the budget is noted in the goal. */
static void add_up(struct bisect_session *session, size_t way)
{
    wg_bisect_state_tally(session->state, &session->history, way, session->tally);
    for (size_t x = 0; x < session->history.count; x++)
        if (session->tally[x].built)
            session->tally[x].built = bisect_tree_is_ready(&session->trees, session->texts[x].tree);
    unsigned all = wg_bisect_state_next_run(session->state) - 1;
    unsigned counted = wg_bisect_runs(session->tally, session->history.count);
    session->goal.spent = all > counted ? all - counted : 0;
}

/* Which way comes next at BAD, or is kept. */
static struct wg_bisect_provoking provoke(struct bisect_session *session)
{
    long noted = wg_bisect_state_way(session->state);
    wg_bisect_state_ways(session->state, &session->history, session->way_count, session->ways);
    if (noted >= 0 && noted < (long)session->way_count && !session->ways[noted].dropped)
        return (struct wg_bisect_provoking){.decided = true, .way = (size_t)noted};
    add_up(session, 0);
    if (session->tally[0].untestable ||
        session->tally[wg_bisect_history_bad(&session->history)].untestable)
        return (struct wg_bisect_provoking){.decided = true};
    return wg_bisect_provoke(session->ways, session->way_count, session->goal.bracket_runs);
}

/* Puts the runs that try a way in the place of what the plan says, as far as the budget goes. */
static void plan_try(struct bisect_session *session, const struct wg_bisect_provoking *provoking,
                     struct wg_bisect_plan *plan)
{
    unsigned budget = session->goal.budget, batch = provoking->batch;
    unsigned used = wg_bisect_state_next_run(session->state) - 1;
    if (budget > 0 && used >= budget)
        return;
    if (budget > 0 && batch > budget - used)
        batch = budget - used;
    plan->step = WG_BISECT_RUN;
    plan->phase = WG_BISECT_PHASE_PROVOKE;
    plan->choice_count = 1;
    plan->choices[0] =
        (struct wg_bisect_choice){.node = wg_bisect_history_bad(&session->history), .batch = batch};
}

void bisect_session_plan(struct bisect_session *session, struct wg_bisect_plan *ret_plan)
{
    struct wg_bisect_goal defaults = WG_BISECT_GOAL_INIT;
    struct wg_bisect_provoking provoking = provoke(session);
    session->way = provoking.way;
    session->trying = !provoking.decided;
    session->goal.build_cost =
        session->settings.build_cost > 0
            ? session->settings.build_cost
            : wg_bisect_state_build_cost(session->state, defaults.build_cost);
    add_up(session, session->trying ? 0 : session->way);
    wg_bisect_plan_next(&session->posterior, session->tally, &session->goal, ret_plan);
    if (session->trying)
        plan_try(session, &provoking, ret_plan);
}

int bisect_session_note_way(struct bisect_session *session, struct wg_err *err)
{
    if (session->trying || session->way_count == 1 ||
        wg_bisect_state_way(session->state) == (long)session->way)
        return 0;
    const char *words = bisect_way_words(session, session->way);
    return wg_bisect_state_append(session->state,
                                  json_pack("{s:s, s:i, s:o}", "event", "way", "way",
                                            (int)session->way, "words",
                                            wg_json_string_new(words, strlen(words))),
                                  err);
}
