/* SPDX-License-Identifier: MIT */
#include "harness/bisect/choose.h"

#include "harness/base/str.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAIN_LEAST    1e-7  /* bits; a choice worth less tells nothing */
#define SCENARIOS_MAX 8     /* outcomes looked at when choosing several nodes */
#define MASS_LEAST    1e-12 /* less than that of a class is rounding */
#define STEPS_MAX     64    /* after so many differences the sums start from nothing again */

/* The gain and the expected runs of every (node, batch), averaged over scenarios. */
struct scores {
    size_t count;
    double *gain; /* count * WG_BISECT_BATCHES */
    double *runs;
};

/* The chances of "all pass" at one kind of node, per class and batch, and their entropies. */
struct chances {
    const double *pass;
    double *entropy;
};

/*
 * How the mass of every class divides at one node. Nodes are visited in their order: `bad` is
 * brought up to date with the hypotheses in which the node differs from the one before, which are
 * few where the history is a line. Chances of untested nodes do not depend on the node.
 */
struct split {
    double *bad;                      /* per class: P(the class, and the node is bad) */
    const uint64_t *row;              /* the node that `bad` is about; NULL: none */
    unsigned steps;                   /* since `bad` was added up from nothing */
    double *pass_tested;              /* per class and batch, of a node that has runs already */
    struct chances good, fresh, seen; /* at good nodes; at bad ones, untested and tested */
    const struct chances *if_bad;     /* fresh or seen */
};

static double entropy(double p)
{
    if (!(p > 0 && p < 1))
        return 0;
    return -(p * log2(p) + (1 - p) * log2(1 - p));
}

/* Adds up, per class, the probability of the hypotheses that make `node` bad. */
static void divide(struct split *split, const struct wg_bisect_posterior *posterior, size_t node)
{
    const struct wg_bisect_history *history = posterior->history;
    const uint64_t *row = history->ancestors + node * history->words, *before = split->row;
    if (split->steps++ % STEPS_MAX == 0)
        before = NULL;
    if (!before)
        memset(split->bad, 0, posterior->class_count * sizeof *split->bad);
    for (size_t w = 0; w < history->words; w++) {
        for (uint64_t bits = row[w] ^ (before ? before[w] : 0); bits; bits &= bits - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(bits);
            bool added = row[w] & (bits & -bits);
            split->bad[posterior->class_of[c]] += (added ? 1 : -1) * posterior->probability[c];
        }
    }
    split->row = row;
}

/* P(all pass | class, node bad) for a node that has runs already, for every class. */
static void predict_tested(const struct wg_bisect_posterior *posterior,
                           const struct wg_bisect_tally *runs, const double *bad, double *pass)
{
    double ahead[WG_BISECT_CELLS][WG_BISECT_BATCHES];
    for (size_t g = 0; g < WG_BISECT_CELLS; g++)
        wg_bisect_pass_bad(&posterior->rates.cells[g], runs->failures, runs->passes, ahead[g]);
    for (size_t k = 0; k < posterior->class_count; k++) {
        double *to = pass + k * WG_BISECT_BATCHES;
        const double *cells = posterior->cells + k * WG_BISECT_CELLS;
        memset(to, 0, WG_BISECT_BATCHES * sizeof *to);
        if (!(bad[k] > 0))
            continue;
        for (size_t g = 0; g < WG_BISECT_CELLS; g++)
            for (size_t i = 0; i < WG_BISECT_BATCHES; i++)
                to[i] += cells[g] * ahead[g][i];
        for (size_t i = 0; i < WG_BISECT_BATCHES; i++)
            to[i] /= posterior->class_mass[k];
    }
}

static void chances_init(struct chances *chances, const double *pass, size_t count)
{
    *chances = (struct chances){pass, wg_calloc(count, sizeof(double))};
    for (size_t i = 0; i < count; i++)
        chances->entropy[i] = entropy(pass[i]);
}

static void split_init(struct split *split, const struct wg_bisect_posterior *posterior)
{
    size_t cells = posterior->class_count * WG_BISECT_BATCHES;
    *split = (struct split){.bad = wg_calloc(posterior->class_count, sizeof(double))};
    split->pass_tested = wg_calloc(cells, sizeof(double));
    chances_init(&split->good, posterior->pass_good, cells);
    chances_init(&split->fresh, posterior->pass_bad, cells);
    chances_init(&split->seen, split->pass_tested, cells);
}

static void split_finish(struct split *split)
{
    free(split->bad);
    free(split->pass_tested);
    free(split->good.entropy);
    free(split->fresh.entropy);
    free(split->seen.entropy);
}

static void split_at(struct split *split, const struct wg_bisect_posterior *posterior,
                     const struct wg_bisect_tally *runs, size_t node)
{
    divide(split, posterior, node);
    split->if_bad = &split->fresh;
    if (runs->failures + runs->passes > 0) {
        size_t cells = posterior->class_count * WG_BISECT_BATCHES;
        predict_tested(posterior, runs, split->bad, split->pass_tested);
        for (size_t i = 0; i < cells; i++)
            split->seen.entropy[i] = entropy(split->pass_tested[i]);
        split->if_bad = &split->seen;
    }
}

/* P(all pass) and the mean entropy of that outcome once the culprit is known. */
static double outcome(const struct wg_bisect_posterior *posterior, const struct split *split,
                      size_t batch, double *ret_known)
{
    double pass = 0, known = 0;
    for (size_t k = 0; k < posterior->class_count; k++) {
        double bad = split->bad[k], good = posterior->class_mass[k] - bad;
        size_t cell = k * WG_BISECT_BATCHES + batch;
        if (bad > MASS_LEAST) {
            pass += bad * split->if_bad->pass[cell];
            known += bad * split->if_bad->entropy[cell];
        }
        if (good > MASS_LEAST) {
            pass += good * split->good.pass[cell];
            known += good * split->good.entropy[cell];
        }
    }
    *ret_known = known;
    return pass;
}

double wg_bisect_pass_chance(const struct wg_bisect_posterior *posterior,
                             const struct wg_bisect_tally *tally, size_t node, size_t batch)
{
    struct split split;
    double known = 0;
    split_init(&split, posterior);
    split_at(&split, posterior, &tally[node], node);
    double pass = outcome(posterior, &split, batch, &known);
    split_finish(&split);
    return pass;
}

/* Adds the scores of all nodes under one scenario of probability `weight`. */
static void add_scores(struct scores *scores, const struct wg_bisect_posterior *posterior,
                       const struct wg_bisect_tally *tally, double weight)
{
    struct split split;
    split_init(&split, posterior);
    for (size_t x = 0; x < scores->count; x++) {
        if (tally[x].untestable)
            continue;
        split_at(&split, posterior, &tally[x], x);
        /* Expected runs until the first failure: the sum over i < m of P(the first i pass), by the
         * trapezoid rule between the batch sizes. */
        double runs = 1, before = 1;
        for (size_t i = 0; i < WG_BISECT_BATCHES; i++) {
            double known = 0, pass = outcome(posterior, &split, i, &known);
            if (i > 0)
                runs += (wg_bisect_batch(i) - wg_bisect_batch(i - 1)) * (before + pass) / 2;
            scores->gain[x * WG_BISECT_BATCHES + i] += weight * (entropy(pass) - known);
            scores->runs[x * WG_BISECT_BATCHES + i] += weight * runs;
            before = pass;
        }
    }
    split_finish(&split);
}

/* The chance that every node builds: lower beside nodes that did not. */
static double *build_chances(const struct wg_bisect_tally *tally, size_t count)
{
    double *chance = wg_calloc(count, sizeof *chance);
    size_t built = 0, failed = 0;
    for (size_t x = 0; x < count; x++) {
        built += tally[x].built;
        failed += tally[x].untestable;
        chance[x] = 1;
    }
    if (failed == 0)
        return chance;
    double overall = (double)(built + 1) / (double)(built + failed + 1);
    double near = 0; /* 1/2 beside a node that did not build, 1/4 at two steps, ... */
    for (size_t x = 0; x < count; x++) {
        near = tally[x].untestable ? 1 : near / 2;
        chance[x] = overall * (1 - near);
    }
    near = 0;
    for (size_t x = count; x-- > 0;) {
        near = tally[x].untestable ? 1 : near / 2;
        if (overall * (1 - near) < chance[x])
            chance[x] = overall * (1 - near);
        if (tally[x].built)
            chance[x] = 1;
    }
    return chance;
}

/* The best (node, batch) among nodes that are not taken yet. */
static bool pick(const struct scores *scores, const struct wg_bisect_tally *tally,
                 const double *chances, double build_cost, const bool *taken,
                 struct wg_bisect_choice *ret_choice)
{
    double best = 0;
    for (size_t x = 0; x < scores->count; x++) {
        if (taken[x] || tally[x].untestable)
            continue;
        for (size_t i = 0; i < WG_BISECT_BATCHES; i++) {
            double gain = chances[x] * scores->gain[x * WG_BISECT_BATCHES + i];
            double cost = chances[x] * scores->runs[x * WG_BISECT_BATCHES + i] +
                          (tally[x].built ? 0 : build_cost);
            if (gain > GAIN_LEAST && gain / cost > best) {
                best = gain / cost;
                *ret_choice = (struct wg_bisect_choice){x, wg_bisect_batch(i), gain, cost};
            }
        }
    }
    return best > 0;
}

/* One way in which the choices made so far may come out. */
struct scenario {
    double weight;
    struct wg_bisect_tally *tally;
};

/* Splits a scenario in "all pass" (in place) and "one fails" (to `ret_failed`). */
static void branch(struct scenario *passed, const struct wg_bisect_posterior *posterior,
                   size_t count, const struct wg_bisect_choice *choice, struct scenario *ret_failed)
{
    size_t batch = 0;
    while (wg_bisect_batch(batch) < choice->batch)
        batch++;
    double pass = wg_bisect_pass_chance(posterior, passed->tally, choice->node, batch);
    ret_failed->tally = wg_calloc(count, sizeof *ret_failed->tally);
    memcpy(ret_failed->tally, passed->tally, count * sizeof *ret_failed->tally);
    ret_failed->tally[choice->node].failures++;
    ret_failed->weight = passed->weight * (1 - pass);
    passed->tally[choice->node].passes += choice->batch;
    passed->weight *= pass;
}

static size_t choose_several(struct wg_bisect_posterior *posterior,
                             const struct wg_bisect_tally *tally, double build_cost, size_t wanted,
                             struct scores *scores, const double *chances, bool *taken,
                             struct wg_bisect_choice *ret_choices)
{
    struct scenario scenarios[SCENARIOS_MAX] = {{.weight = 1}};
    size_t count = scores->count, used = 1, chosen = 1;
    scenarios[0].tally = wg_calloc(count, sizeof *tally);
    memcpy(scenarios[0].tally, tally, count * sizeof *tally);
    for (; chosen < wanted; chosen++) {
        size_t cells = count * WG_BISECT_BATCHES;
        memset(scores->gain, 0, cells * sizeof(double));
        memset(scores->runs, 0, cells * sizeof(double));
        size_t before = used;
        for (size_t i = 0; i < before && used < SCENARIOS_MAX; i++) {
            wg_bisect_posterior_update(posterior, scenarios[i].tally);
            branch(&scenarios[i], posterior, count, &ret_choices[chosen - 1], &scenarios[used]);
            used++;
        }
        for (size_t i = 0; i < used; i++) {
            wg_bisect_posterior_update(posterior, scenarios[i].tally);
            add_scores(scores, posterior, scenarios[i].tally, scenarios[i].weight);
        }
        if (!pick(scores, tally, chances, build_cost, taken, &ret_choices[chosen]))
            break;
        taken[ret_choices[chosen].node] = true;
    }
    for (size_t i = 0; i < used; i++)
        free(scenarios[i].tally);
    wg_bisect_posterior_update(posterior, tally);
    return chosen;
}

size_t wg_bisect_choose(struct wg_bisect_posterior *posterior, const struct wg_bisect_tally *tally,
                        double build_cost, size_t wanted, struct wg_bisect_choice *ret_choices)
{
    assert(wanted > 0 && wanted <= WG_BISECT_CHOICES);
    size_t count = posterior->history->count, chosen = 0;
    struct scores scores = {.count = count};
    scores.gain = wg_calloc(count * WG_BISECT_BATCHES, sizeof(double));
    scores.runs = wg_calloc(count * WG_BISECT_BATCHES, sizeof(double));
    bool *taken = wg_calloc(count, sizeof *taken);
    double *chances = build_chances(tally, count);
    add_scores(&scores, posterior, tally, 1);
    if (pick(&scores, tally, chances, build_cost, taken, &ret_choices[0])) {
        taken[ret_choices[0].node] = true;
        chosen = wanted > 1 ? choose_several(posterior, tally, build_cost, wanted, &scores, chances,
                                             taken, ret_choices)
                            : 1;
    }
    free(scores.gain);
    free(scores.runs);
    free(taken);
    free(chances);
    return chosen;
}
