/* SPDX-License-Identifier: MIT */
#include "harness/bisect/plan.h"

#include "harness/base/str.h"

#include <math.h>
#include <stdlib.h>

/* GOOD is run until "already bad at GOOD" has at most this part of the doubt that is allowed. */
#define BRACKET_DOUBT 0.5
/* Parts of the doubt that is allowed, when good commits fail too and when the answer is that GOOD
 * is bad: see enough(). */
#define NOISY_DOUBT   0.4
#define GOOD_DOUBT    0.1
#define PASSES_MOST   2000

struct planner {
    struct wg_bisect_posterior *posterior;
    const struct wg_bisect_tally *tally;
    const struct wg_bisect_goal *goal;
    struct wg_bisect_plan *plan;
    size_t count;
    unsigned *group_of;
    double *group_mass;
    unsigned best_group;
};

static const struct {
    const char *name, *meaning;
} steps[] = {
#define STEP_ROW(identifier, name, meaning) {name, meaning},
    WG_BISECT_STEPS(STEP_ROW)
#undef STEP_ROW
};

const char *wg_bisect_step_name(enum wg_bisect_step step)
{
    return steps[step].name;
}

const char *wg_bisect_step_meaning(enum wg_bisect_step step)
{
    return steps[step].meaning;
}

unsigned wg_bisect_runs(const struct wg_bisect_tally *tally, size_t count)
{
    unsigned runs = 0;
    for (size_t x = 0; x < count; x++)
        runs += tally[x].failures + tally[x].passes + tally[x].skips;
    return runs;
}

static void plan_run(struct planner *planner, enum wg_bisect_phase phase, size_t node,
                     unsigned batch)
{
    planner->plan->step = WG_BISECT_RUN;
    planner->plan->phase = phase;
    planner->plan->choices[0] = (struct wg_bisect_choice){.node = node, .batch = batch};
    planner->plan->choice_count = 1;
}

/* Finds the best group and its most probable hypothesis. */
static void rank_groups(struct planner *planner)
{
    const double *probability = planner->posterior->probability;
    struct wg_bisect_plan *plan = planner->plan;
    wg_bisect_groups(planner->posterior->history, planner->tally, planner->group_of);
    for (size_t c = 0; c < planner->count; c++) {
        planner->group_mass[planner->group_of[c]] += probability[c];
        if (planner->group_mass[planner->group_of[c]] > planner->group_mass[planner->best_group])
            planner->best_group = planner->group_of[c];
    }
    plan->best_probability = planner->group_mass[planner->best_group];
    plan->group_size = 0;
    for (size_t c = 0; c < planner->count; c++) {
        if (planner->group_of[c] != planner->best_group)
            continue;
        if (plan->group_size++ == 0 || probability[c] > probability[plan->best])
            plan->best = c;
    }
}

/*
 * So many passes a commit with the mean failure rate would show with probability 1 - confidence
 * only.
 */
static unsigned enough_passes(const struct planner *planner)
{
    double rate = 0, low = 0, high = 0;
    wg_bisect_posterior_rate(planner->posterior, &rate, &low, &high);
    double wanted = ceil(log(1 - planner->goal->confidence) / log1p(-rate));
    return wanted < 1 ? 1 : wanted < PASSES_MOST ? (unsigned)wanted : PASSES_MOST;
}

/* True when the bracket wants another run. */
static bool bracket(struct planner *planner)
{
    const struct wg_bisect_goal *goal = planner->goal;
    size_t bad_node = planner->count - 1;
    const struct wg_bisect_tally *bad = &planner->tally[bad_node], *good = &planner->tally[0];
    if (bad->untestable || good->untestable) {
        planner->plan->step = WG_BISECT_END_UNTESTABLE;
        return true;
    }
    if (bad->failures == 0 && bad->passes >= goal->bracket_runs) {
        planner->plan->step = WG_BISECT_BAD_PASSES;
        return true;
    }
    if (bad->failures < goal->bracket_failures) {
        unsigned left = bad->failures ? WG_BISECT_BATCH_MAX : goal->bracket_runs - bad->passes;
        plan_run(planner, WG_BISECT_PHASE_BAD, bad_node,
                 left < WG_BISECT_BATCH_MAX ? left : WG_BISECT_BATCH_MAX);
        return true;
    }
    double doubt = BRACKET_DOUBT * (1 - goal->confidence);
    double already_bad = planner->posterior->probability[0];
    if (good->failures > 0 || already_bad <= doubt || good->passes >= enough_passes(planner))
        return false;
    /* The smallest batch that settles it when it passes: P(0 | pass) = P(0) P(pass | 0) / P(pass).
     */
    const double *pass =
        planner->posterior->pass_bad + planner->posterior->class_of[0] * (size_t)WG_BISECT_BATCHES;
    size_t i = 0;
    while (i + 1 < WG_BISECT_BATCHES && good->passes == 0 &&
           already_bad * pass[i] / (already_bad * pass[i] + 1 - already_bad) > doubt)
        i++;
    unsigned more = good->passes ? (good->passes + 1) / 2 : wg_bisect_batch(i);
    plan_run(planner, WG_BISECT_PHASE_GOOD, 0,
             more < WG_BISECT_BATCH_MAX ? more : WG_BISECT_BATCH_MAX);
    return true;
}

/* Whether some node of the group has failed; `ret_node` is one that could be run for it. */
static bool culprit_failed(const struct planner *planner, long *ret_node)
{
    *ret_node = -1;
    for (size_t c = 0; c < planner->count; c++) {
        if (planner->group_of[c] != planner->best_group || planner->tally[c].untestable)
            continue;
        if (planner->tally[c].failures > 0)
            return true;
        *ret_node = (long)c;
    }
    return *ret_node < 0;
}

/*
 * A testable parent of the group that has passed fewer than `wanted` times, or -1. Untestable
 * parents are in the group or stand for their own parents, which are older and have been asked.
 */
static long weak_parent(const struct planner *planner, unsigned wanted)
{
    const struct wg_bisect_history *history = planner->posterior->history;
    for (size_t c = 1; c < planner->count; c++) {
        if (planner->group_of[c] != planner->best_group)
            continue;
        for (size_t i = 0; i < history->commits[c].parent_count; i++) {
            size_t parent = history->commits[c].parents[i];
            const struct wg_bisect_tally *runs = &planner->tally[parent];
            if (planner->group_of[parent] != planner->best_group && !runs->untestable &&
                runs->passes < wanted && runs->failures == 0)
                return (long)parent;
        }
    }
    return -1;
}

/* True when the answer is there and something is lacking to it. */
static bool confirm(struct planner *planner)
{
    long node = -1;
    if (!culprit_failed(planner, &node)) {
        plan_run(planner, WG_BISECT_PHASE_CONFIRM, (size_t)node, WG_BISECT_BATCH_MAX);
        return true;
    }
    unsigned passes = enough_passes(planner);
    long parent = weak_parent(planner, passes);
    if (parent < 0)
        return false;
    unsigned lacking = passes - planner->tally[parent].passes;
    plan_run(planner, WG_BISECT_PHASE_CONFIRM, (size_t)parent,
             lacking < WG_BISECT_BATCH_MAX ? lacking : WG_BISECT_BATCH_MAX);
    return true;
}

/*
 * The probability that ends the search. With noise, which shows as a failure at a commit that the
 * answer calls good, the prior over failure rates decides more than it should, so there a part of
 * the doubt must go first. That GOOD fails as well contradicts the user and is looked at after
 * every run of GOOD: a few failures of it in a row would say so too early.
 */
static double enough(const struct planner *planner)
{
    bool noisy = false;
    for (size_t x = 0; x < planner->count && !noisy; x++)
        noisy = planner->tally[x].failures > 0 &&
                !wg_bisect_is_bad(planner->posterior->history, x, planner->plan->best);
    double doubt = 1 - planner->goal->confidence;
    if (planner->plan->best == 0)
        return 1 - doubt * GOOD_DOUBT;
    return 1 - (noisy ? doubt * NOISY_DOUBT : doubt);
}

static void decide(struct planner *planner)
{
    struct wg_bisect_plan *plan = planner->plan;
    rank_groups(planner);
    if (bracket(planner))
        return;
    plan->phase = WG_BISECT_PHASE_SEARCH;
    if (plan->best_probability >= enough(planner)) {
        if (!confirm(planner))
            plan->step =
                plan->best == 0 && plan->group_size == 1 ? WG_BISECT_GOOD_FAILS : WG_BISECT_FOUND;
        return;
    }
    plan->choice_count =
        wg_bisect_choose(planner->posterior, planner->tally, planner->goal->build_cost,
                         planner->goal->slots, plan->choices);
    plan->step = plan->choice_count > 0 ? WG_BISECT_RUN : WG_BISECT_STUCK;
}

/* Cuts the plan to what the budget leaves. */
static void apply_budget(struct planner *planner)
{
    struct wg_bisect_plan *plan = planner->plan;
    unsigned budget = planner->goal->budget;
    if (budget == 0 || plan->step != WG_BISECT_RUN)
        return;
    unsigned used = planner->goal->spent + wg_bisect_runs(planner->tally, planner->count);
    unsigned left = used < budget ? budget - used : 0;
    size_t kept = 0;
    for (; kept < plan->choice_count && left > 0; kept++) {
        if (plan->choices[kept].batch > left)
            plan->choices[kept].batch = left;
        left -= plan->choices[kept].batch;
    }
    plan->choice_count = kept;
    if (kept == 0)
        plan->step =
            planner->tally[planner->count - 1].failures ? WG_BISECT_BUDGET : WG_BISECT_BAD_PASSES;
}

void wg_bisect_plan_next(struct wg_bisect_posterior *posterior, const struct wg_bisect_tally *tally,
                         const struct wg_bisect_goal *goal, struct wg_bisect_plan *ret_plan)
{
    struct planner planner = {.posterior = posterior,
                              .tally = tally,
                              .goal = goal,
                              .plan = ret_plan,
                              .count = posterior->history->count};
    *ret_plan = (struct wg_bisect_plan){.step = WG_BISECT_STUCK};
    planner.group_of = wg_calloc(planner.count, sizeof *planner.group_of);
    planner.group_mass = wg_calloc(planner.count, sizeof *planner.group_mass);
    wg_bisect_posterior_update(posterior, tally);
    decide(&planner);
    apply_budget(&planner);
    free(planner.group_of);
    free(planner.group_mass);
}

static int by_probability(const void *a, const void *b, void *probability)
{
    double pa = ((const double *)probability)[*(const size_t *)a];
    double pb = ((const double *)probability)[*(const size_t *)b];
    return (pa < pb) - (pa > pb);
}

size_t wg_bisect_credible_set(const struct wg_bisect_posterior *posterior, double mass,
                              size_t *ret_set)
{
    size_t count = posterior->history->count, used = 0;
    for (size_t c = 0; c < count; c++)
        ret_set[c] = c;
    qsort_r(ret_set, count, sizeof *ret_set, by_probability, posterior->probability);
    for (double sum = 0; used < count && sum < mass; used++)
        sum += posterior->probability[ret_set[used]];
    return used;
}
