/* SPDX-License-Identifier: MIT */
/*
 * What posterior.h, choose.h and plan.h promise, against enumeration on small graphs: here every
 * hypothesis is computed on its own, without classes, prefix sums or logarithms of sums.
 */
#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/bisect/plan.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALREADY_BAD 0.05

/* Small graphs as `git rev-list` prints them; GOOD is "g". */
static const struct {
    const char *label, *text;
} graphs[] = {
    {"linear", "d c\nc b\nb a\na g\n"},
    {"diamond", "d b c\nc a\nb a\na g\n"},
    {"two merges", "f e d\ne c\nd b c\nc a\nb a\na g\n"},
    {"side branch", "e d s\ns outside\nd c\nc b\nb g\n"},
    {"octopus", "m a b c\nc g\nb g\na g\n"},
    {"single", "a g\n"},
    {"criss-cross", "z x y\ny b c\nx c b\nc a\nb a\na g\n"},
};

static struct wg_bisect_history parse(const char *text)
{
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", text, &history, &err), 0), "%s", err.message);
    return history;
}

static unsigned pseudo(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* Whether c is x or can be reached from x over parents: by walking, not by the matrix. */
static bool reaches(const struct wg_bisect_history *history, size_t x, size_t c)
{
    if (x == c || c == 0)
        return true;
    for (size_t i = 0; i < history->commits[x].parent_count; i++)
        if (reaches(history, history->commits[x].parents[i], c))
            return true;
    return false;
}

/* P(a sequence of runs at one bad node | mu, kappa) as a product over the single runs. */
static double bad_sequence(double mu, double kappa, unsigned failures, unsigned passes)
{
    double product = 1;
    for (unsigned i = 0; i < failures; i++)
        product *= isinf(kappa) ? mu : (mu * kappa + i) / (kappa + i);
    for (unsigned i = 0; i < passes; i++)
        product *= isinf(kappa) ? 1 - mu : ((1 - mu) * kappa + i) / (kappa + failures + i);
    return product;
}

/* P(all runs | c) by enumeration of every mu, kappa and p0. */
static double likelihood(const struct wg_bisect_history *history,
                         const struct wg_bisect_tally *tally, size_t c)
{
    struct wg_bisect_rates rates;
    wg_bisect_rates_init(&rates);
    double sum = 0;
    for (size_t g = 0; g < WG_BISECT_CELLS; g++) {
        const struct wg_bisect_cell *cell = &rates.cells[g];
        double weights = 0, inner = 0;
        for (size_t j = 0; j < cell->noises; j++) {
            double product = 1;
            for (size_t x = 0; x < history->count; x++)
                product *= reaches(history, x, c) ? bad_sequence(cell->mu, cell->kappa,
                                                                 tally[x].failures, tally[x].passes)
                                                  : pow(rates.noise[j], tally[x].failures) *
                                                        pow(1 - rates.noise[j], tally[x].passes);
            inner += rates.noise_weight[j] * product;
            weights += rates.noise_weight[j];
        }
        sum += exp(cell->log_weight) * inner / weights;
    }
    return sum;
}

/* The posterior by enumeration; `probability` has room for every node. */
static void enumerate(const struct wg_bisect_history *history, const struct wg_bisect_tally *tally,
                      const double *prior, double *probability)
{
    double total = 0, prior_total = 0;
    for (size_t c = 1; c < history->count; c++)
        prior_total += prior ? prior[c] : 1;
    for (size_t c = 0; c < history->count; c++) {
        double weight =
            c == 0 ? ALREADY_BAD : (1 - ALREADY_BAD) * (prior ? prior[c] : 1) / prior_total;
        probability[c] = weight * likelihood(history, tally, c);
        total += probability[c];
    }
    for (size_t c = 0; c < history->count; c++)
        probability[c] /= total;
}

static void random_tally(unsigned *seed, struct wg_bisect_tally *tally, size_t count)
{
    for (size_t x = 0; x < count; x++) {
        tally[x] = (struct wg_bisect_tally){0};
        if (pseudo(seed) % 3 == 0)
            continue;
        tally[x].failures = pseudo(seed) % 4;
        tally[x].passes = pseudo(seed) % 9;
    }
}

static void expect_enumerated(const char *label, const double *prior)
{
    for (size_t i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        struct wg_bisect_history history = parse(graphs[i].text);
        struct wg_bisect_posterior posterior;
        wg_bisect_posterior_init(&posterior, &history, prior, ALREADY_BAD);
        unsigned seed = 7;
        for (int round = 0; round < 25; round++) {
            struct wg_bisect_tally tally[16];
            double expected[16];
            random_tally(&seed, tally, history.count);
            enumerate(&history, tally, prior, expected);
            wg_bisect_posterior_update(&posterior, tally);
            for (size_t c = 0; c < history.count; c++)
                cr_assert(fabs(posterior.probability[c] - expected[c]) < 1e-9,
                          "%s, %s, round %d: P(%zu) is %.12f, enumeration says %.12f", label,
                          graphs[i].label, round, c, posterior.probability[c], expected[c]);
        }
        wg_bisect_posterior_finish(&posterior);
        wg_bisect_history_finish(&history);
    }
}

Test(bisect_posterior, equals_enumeration_on_small_graphs)
{
    expect_enumerated("uniform", NULL);
}

Test(bisect_posterior, equals_enumeration_with_a_prior_over_commits)
{
    const double prior[16] = {0, 1, 4, 0.5, 2, 1, 3, 1, 1};
    expect_enumerated("weighted", prior);
}

/* The gain in bits of "any of m runs fails" by enumeration over hypotheses. */
static double enumerated_gain(const struct wg_bisect_history *history,
                              const struct wg_bisect_tally *tally, size_t x, unsigned m)
{
    double before[16], pass_given[16], pass = 0, known = 0;
    struct wg_bisect_tally after[16];
    enumerate(history, tally, NULL, before);
    memcpy(after, tally, history->count * sizeof *after);
    after[x].passes += m;
    for (size_t c = 0; c < history->count; c++) {
        pass_given[c] = likelihood(history, after, c) / likelihood(history, tally, c);
        pass += before[c] * pass_given[c];
    }
    for (size_t c = 0; c < history->count; c++) {
        double p = pass_given[c];
        if (p > 0 && p < 1)
            known -= before[c] * (p * log2(p) + (1 - p) * log2(1 - p));
    }
    cr_assert(pass > 0 && pass < 1);
    return -(pass * log2(pass) + (1 - pass) * log2(1 - pass)) - known;
}

Test(bisect_choose, gain_equals_enumeration)
{
    unsigned seed = 3;
    for (size_t i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        struct wg_bisect_history history = parse(graphs[i].text);
        struct wg_bisect_posterior posterior;
        struct wg_bisect_tally tally[16];
        struct wg_bisect_choice choice = {0};
        wg_bisect_posterior_init(&posterior, &history, NULL, ALREADY_BAD);
        for (int round = 0; round < 8; round++) {
            random_tally(&seed, tally, history.count);
            wg_bisect_posterior_update(&posterior, tally);
            if (wg_bisect_choose(&posterior, tally, 3, 1, &choice) == 0)
                continue;
            double expected = enumerated_gain(&history, tally, choice.node, choice.batch);
            cr_assert(fabs(choice.gain - expected) < 1e-7,
                      "%s, round %d: node %zu x %u gains %.9f bits, enumeration says %.9f",
                      graphs[i].label, round, choice.node, choice.batch, choice.gain, expected);
        }
        wg_bisect_posterior_finish(&posterior);
        wg_bisect_history_finish(&history);
    }
}

Test(bisect_choose, several_choices_have_different_nodes_and_restore_the_posterior)
{
    struct wg_bisect_history history = parse(graphs[2].text);
    struct wg_bisect_posterior posterior;
    struct wg_bisect_tally tally[16] = {0};
    struct wg_bisect_choice choices[3];
    tally[history.count - 1] = (struct wg_bisect_tally){.failures = 3, .passes = 2};
    wg_bisect_posterior_init(&posterior, &history, NULL, ALREADY_BAD);
    wg_bisect_posterior_update(&posterior, tally);
    double before = posterior.probability[2];
    cr_assert(eq(sz, wg_bisect_choose(&posterior, tally, 5, 3, choices), 3));
    cr_assert(ne(sz, choices[0].node, choices[1].node));
    cr_assert(ne(sz, choices[0].node, choices[2].node));
    cr_assert(ne(sz, choices[1].node, choices[2].node));
    cr_assert(posterior.probability[2] == before);
    wg_bisect_posterior_finish(&posterior);
    wg_bisect_history_finish(&history);
}

Test(bisect_choose, untestable_nodes_are_never_chosen)
{
    struct wg_bisect_history history = parse(graphs[0].text);
    struct wg_bisect_posterior posterior;
    struct wg_bisect_tally tally[16] = {0};
    struct wg_bisect_choice choice = {0};
    for (size_t x = 0; x < history.count; x++)
        tally[x].untestable = x != 3;
    wg_bisect_posterior_init(&posterior, &history, NULL, ALREADY_BAD);
    wg_bisect_posterior_update(&posterior, tally);
    cr_assert(eq(sz, wg_bisect_choose(&posterior, tally, 5, 1, &choice), 1));
    cr_assert(eq(sz, choice.node, 3));
    wg_bisect_posterior_finish(&posterior);
    wg_bisect_history_finish(&history);
}

Test(bisect_groups, commits_that_no_testable_one_separates_are_one_group)
{
    struct wg_bisect_history history = parse(graphs[0].text); /* g a b c d */
    struct wg_bisect_tally tally[16] = {0};
    unsigned group[16];
    cr_assert(eq(sz, wg_bisect_groups(&history, tally, group), 5));
    tally[2].untestable = true; /* b: it or c, who can tell */
    cr_assert(eq(sz, wg_bisect_groups(&history, tally, group), 4));
    cr_assert(eq(u32, group[2], group[3]));
    cr_assert(ne(u32, group[1], group[2]));
    cr_assert(ne(u32, group[3], group[4]));
    wg_bisect_history_finish(&history);
}

/* Answers every plan for a rate of 1 and no noise; returns the last plan. */
static struct wg_bisect_plan lead_from(const struct wg_bisect_history *history, const double *prior,
                                       size_t culprit, struct wg_bisect_tally *tally,
                                       struct wg_bisect_goal goal)
{
    struct wg_bisect_plan plan;
    struct wg_bisect_posterior posterior;
    wg_bisect_posterior_init(&posterior, history, prior, goal.already_bad);
    for (int steps = 0; steps < 1000; steps++) {
        wg_bisect_plan_next(&posterior, tally, &goal, &plan);
        if (plan.step != WG_BISECT_RUN)
            break;
        for (size_t i = 0; i < plan.choice_count; i++) {
            struct wg_bisect_tally *node = &tally[plan.choices[i].node];
            node->built = true;
            if (reaches(history, plan.choices[i].node, culprit))
                node->failures++;
            else
                node->passes += plan.choices[i].batch;
        }
    }
    wg_bisect_posterior_finish(&posterior);
    return plan;
}

static struct wg_bisect_plan lead(const struct wg_bisect_history *history, size_t culprit,
                                  struct wg_bisect_tally *tally, struct wg_bisect_goal goal)
{
    return lead_from(history, NULL, culprit, tally, goal);
}

Test(bisect_plan, a_sure_prior_is_no_answer_before_the_culprit_failed_and_its_parent_passed)
{
    struct wg_bisect_history history = parse(graphs[0].text); /* g a b c d */
    const double prior[5] = {0, 1, 1, 1000, 1};
    struct wg_bisect_tally tally[5] = {0};
    struct wg_bisect_goal goal = WG_BISECT_GOAL_INIT;
    goal.already_bad = 0.001;
    struct wg_bisect_plan plan = lead_from(&history, prior, 3, tally, goal);
    cr_assert(eq(int, plan.step, WG_BISECT_FOUND));
    cr_assert(eq(sz, plan.best, 3));
    cr_assert(ge(u32, tally[3].failures, 1));
    cr_assert(ge(u32, tally[2].passes, 1));
    wg_bisect_history_finish(&history);
}

Test(bisect_plan, finds_every_culprit_of_every_graph_and_has_seen_it_fail)
{
    for (size_t i = 0; i < sizeof graphs / sizeof graphs[0]; i++) {
        struct wg_bisect_history history = parse(graphs[i].text);
        for (size_t culprit = 1; culprit < history.count; culprit++) {
            struct wg_bisect_tally tally[16] = {0};
            struct wg_bisect_plan plan = lead(&history, culprit, tally, WG_BISECT_GOAL_INIT);
            cr_assert(eq(int, plan.step, WG_BISECT_FOUND), "%s %zu: %s", graphs[i].label, culprit,
                      wg_bisect_step_name(plan.step));
            cr_assert(eq(sz, plan.best, culprit), "%s", graphs[i].label);
            cr_assert(ge(u32, tally[culprit].failures, 1), "%s", graphs[i].label);
            for (size_t p = 0; p < history.commits[culprit].parent_count; p++)
                cr_assert(ge(u32, tally[history.commits[culprit].parents[p]].passes, 1), "%s",
                          graphs[i].label);
        }
        wg_bisect_history_finish(&history);
    }
}

Test(bisect_plan, says_that_the_good_end_fails_too)
{
    struct wg_bisect_history history = parse(graphs[1].text);
    struct wg_bisect_tally tally[16] = {0};
    struct wg_bisect_plan plan = lead(&history, 0, tally, WG_BISECT_GOAL_INIT);
    cr_assert(eq(int, plan.step, WG_BISECT_GOOD_FAILS));
    cr_assert(ge(u32, tally[0].failures, 1));
    wg_bisect_history_finish(&history);
}

Test(bisect_plan, says_that_the_bad_end_never_failed)
{
    struct wg_bisect_history history = parse(graphs[0].text);
    struct wg_bisect_tally tally[16] = {0};
    struct wg_bisect_goal goal = WG_BISECT_GOAL_INIT;
    goal.bracket_runs = 70;
    tally[history.count - 1].passes = 70;
    cr_assert(eq(int, lead(&history, 1, tally, goal).step, WG_BISECT_BAD_PASSES));
    wg_bisect_history_finish(&history);
}

Test(bisect_plan, never_passes_the_budget)
{
    struct wg_bisect_history history = parse(graphs[2].text);
    struct wg_bisect_goal goal = WG_BISECT_GOAL_INIT;
    for (goal.budget = 1; goal.budget < 12; goal.budget++) {
        struct wg_bisect_tally tally[16] = {0};
        struct wg_bisect_plan plan = lead(&history, 2, tally, goal);
        cr_assert(le(u32, wg_bisect_runs(tally, history.count), goal.budget));
        cr_assert(plan.step == WG_BISECT_BUDGET || plan.step == WG_BISECT_FOUND, "%s",
                  wg_bisect_step_name(plan.step));
    }
    wg_bisect_history_finish(&history);
}

/* One rate everywhere is probable enough for any other answer, but not for this one. */
Test(bisect_plan, asks_more_before_it_contradicts_who_said_good)
{
    struct wg_bisect_history history = parse("b a\na g\n");
    struct wg_bisect_posterior posterior;
    struct wg_bisect_plan plan;
    struct wg_bisect_goal goal = WG_BISECT_GOAL_INIT;
    struct wg_bisect_tally tally[3];
    for (size_t x = 0; x < 3; x++)
        tally[x] = (struct wg_bisect_tally){.failures = 40, .passes = 260, .built = true};
    wg_bisect_posterior_init(&posterior, &history, NULL, goal.already_bad);
    wg_bisect_plan_next(&posterior, tally, &goal, &plan);
    cr_expect(eq(sz, plan.best, 0));
    cr_expect(lt(dbl, goal.confidence, plan.best_probability));
    cr_expect(eq(int, (int)plan.step, (int)WG_BISECT_RUN));
    wg_bisect_posterior_finish(&posterior);
    wg_bisect_history_finish(&history);
}

Test(bisect_rates, noise_is_known_to_a_fifth)
{
    struct wg_bisect_rates rates;
    wg_bisect_rates_init(&rates);
    for (size_t i = 2; i < WG_BISECT_NOISES; i++)
        cr_expect(lt(dbl, rates.noise[i] / rates.noise[i - 1], 1.2));
}
