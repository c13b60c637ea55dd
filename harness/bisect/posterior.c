/* SPDX-License-Identifier: MIT */
#include "harness/bisect/posterior.h"

#include "harness/base/str.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void wg_bisect_posterior_init(struct wg_bisect_posterior *posterior,
                              const struct wg_bisect_history *history, const double *prior,
                              double already_bad)
{
    *posterior = (struct wg_bisect_posterior){.history = history};
    wg_bisect_rates_init(&posterior->rates);
    posterior->prior = wg_calloc(history->count, sizeof *posterior->prior);
    posterior->probability = wg_calloc(history->count, sizeof *posterior->probability);
    posterior->class_of = wg_calloc(history->count, sizeof *posterior->class_of);
    double total = 0;
    for (size_t c = 1; c < history->count; c++)
        total += prior ? prior[c] : 1;
    assert(total > 0);
    posterior->prior[0] = already_bad;
    for (size_t c = 1; c < history->count; c++)
        posterior->prior[c] = (prior ? prior[c] : 1) / total * (1 - already_bad);
}

void wg_bisect_posterior_finish(struct wg_bisect_posterior *posterior)
{
    free(posterior->prior);
    free(posterior->probability);
    free(posterior->class_of);
    free(posterior->class_mass);
    free(posterior->cells);
    free(posterior->pass_bad);
    free(posterior->pass_good);
    *posterior = (struct wg_bisect_posterior){0};
}

/*
 * Splits every class in two by the bit of node `x`: hypotheses that make it bad and those that do
 * not. `fresh` has room for a number per class.
 */
static unsigned split_classes(const struct wg_bisect_history *history, size_t x, unsigned count,
                              unsigned *class_of, unsigned *fresh, unsigned *good_seen)
{
    /* A class keeps its number for the bit seen first; the other bit gets a new number. */
    unsigned next = count;
    memset(fresh, 0xff, count * sizeof *fresh);
    memset(good_seen, 0xff, count * sizeof *good_seen);
    for (size_t c = 0; c < history->count; c++) {
        unsigned old = class_of[c];
        unsigned bit = wg_bisect_is_bad(history, x, c);
        if (good_seen[old] == UINT32_MAX)
            good_seen[old] = bit;
        if (good_seen[old] == bit)
            continue;
        if (fresh[old] == UINT32_MAX)
            fresh[old] = next++;
        class_of[c] = fresh[old];
    }
    return next;
}

/* Fills class_of: hypotheses with the same bits at all nodes of the list share a class. */
static unsigned classify(const struct wg_bisect_history *history, const size_t *nodes,
                         size_t node_count, unsigned *class_of)
{
    unsigned count = 1;
    unsigned *fresh = wg_calloc(history->count, sizeof *fresh);
    unsigned *first_bit = wg_calloc(history->count, sizeof *first_bit);
    memset(class_of, 0, history->count * sizeof *class_of);
    for (size_t i = 0; i < node_count; i++)
        count = split_classes(history, nodes[i], count, class_of, fresh, first_bit);
    free(fresh);
    free(first_bit);
    return count;
}

size_t wg_bisect_groups(const struct wg_bisect_history *history,
                        const struct wg_bisect_tally *tally, unsigned *group_of)
{
    size_t *nodes = wg_calloc(history->count, sizeof *nodes);
    size_t count = 0;
    bool all = true;
    for (size_t x = 0; x < history->count; x++) {
        if (tally[x].untestable)
            all = false;
        else
            nodes[count++] = x;
    }
    size_t groups = history->count;
    if (all) /* the row of a node tells it from every other one */
        for (size_t x = 0; x < history->count; x++)
            group_of[x] = (unsigned)x;
    else
        groups = classify(history, nodes, count, group_of);
    free(nodes);
    return groups;
}

static void make_room(struct wg_bisect_posterior *posterior, size_t classes)
{
    if (classes > posterior->class_room) {
        size_t room = 2 * classes;
        posterior->class_room = room;
        posterior->class_mass = wg_realloc(posterior->class_mass, room * sizeof(double));
        posterior->cells = wg_realloc(posterior->cells, room * WG_BISECT_CELLS * sizeof(double));
        posterior->pass_bad =
            wg_realloc(posterior->pass_bad, room * WG_BISECT_BATCHES * sizeof(double));
        posterior->pass_good =
            wg_realloc(posterior->pass_good, room * WG_BISECT_BATCHES * sizeof(double));
    }
    posterior->class_count = classes;
    memset(posterior->class_mass, 0, classes * sizeof(double));
}

/* Per class: a hypothesis that stands for it. */
static size_t *representatives(const struct wg_bisect_posterior *posterior)
{
    size_t *member = wg_calloc(posterior->class_count, sizeof *member);
    for (size_t c = posterior->history->count; c-- > 0;)
        member[posterior->class_of[c]] = c;
    return member;
}

/* P(runs at the good nodes | p0) times the weight of p0, up to a common factor, for every p0. */
static double noise_likelihood(const struct wg_bisect_rates *rates, unsigned failures,
                               unsigned passes, double likelihood[static WG_BISECT_NOISES])
{
    double logs[WG_BISECT_NOISES];
    double highest = -HUGE_VAL;
    for (size_t j = 0; j < WG_BISECT_NOISES; j++) {
        logs[j] = passes * rates->log_pass[j];
        if (failures > 0) /* 0 * ln 0 is no number */
            logs[j] += failures * rates->log_fail[j];
        if (logs[j] > highest)
            highest = logs[j];
    }
    for (size_t j = 0; j < WG_BISECT_NOISES; j++)
        likelihood[j] = rates->noise_weight[j] * exp(logs[j] - highest);
    return highest;
}

/*
 * The logarithm of P(runs, cell | class) for every cell of one class, written to `logs`. `bad` has
 * the logarithms of the bad side: the sum over the tested nodes that the class makes bad.
 */
static void class_logs(const struct wg_bisect_rates *rates,
                       const double noise[static WG_BISECT_NOISES], double noise_log,
                       const double *bad, double *logs)
{
    double sums[WG_BISECT_NOISES + 1] = {0};
    for (size_t j = 0; j < WG_BISECT_NOISES; j++)
        sums[j + 1] = sums[j] + noise[j];
    for (size_t g = 0; g < WG_BISECT_CELLS; g++) {
        const struct wg_bisect_cell *cell = &rates->cells[g];
        double good = sums[cell->noises] / rates->noise_total[cell->noises];
        logs[g] = good > 0 ? cell->log_weight + bad[g] + noise_log + log(good) : -HUGE_VAL;
    }
}

/* Fills pass_bad and pass_good of one class from its cells and its likelihood of noise. */
static void predict(struct wg_bisect_posterior *posterior, size_t k,
                    const double noise[static WG_BISECT_NOISES],
                    double untested[static WG_BISECT_CELLS][WG_BISECT_BATCHES])
{
    const struct wg_bisect_rates *rates = &posterior->rates;
    const double *cells = posterior->cells + k * WG_BISECT_CELLS;
    double sums[WG_BISECT_BATCHES + 1][WG_BISECT_NOISES + 1] = {{0}};
    for (size_t j = 0; j < WG_BISECT_NOISES; j++) {
        double pass = 1 - rates->noise[j];
        sums[WG_BISECT_BATCHES][j + 1] = sums[WG_BISECT_BATCHES][j] + noise[j];
        for (size_t i = 0; i < WG_BISECT_BATCHES; i++, pass *= pass)
            sums[i][j + 1] = sums[i][j] + noise[j] * pass;
    }
    double bad[WG_BISECT_BATCHES] = {0}, good[WG_BISECT_BATCHES] = {0}, mass = 0;
    for (size_t g = 0; g < WG_BISECT_CELLS; g++) {
        size_t noises = rates->cells[g].noises;
        double all = sums[WG_BISECT_BATCHES][noises];
        if (!(cells[g] > 0) || !(all > 0))
            continue;
        mass += cells[g];
        for (size_t i = 0; i < WG_BISECT_BATCHES; i++) {
            bad[i] += cells[g] * untested[g][i];
            good[i] += cells[g] * sums[i][noises] / all;
        }
    }
    for (size_t i = 0; i < WG_BISECT_BATCHES; i++) {
        posterior->pass_bad[k * WG_BISECT_BATCHES + i] = mass > 0 ? bad[i] / mass : 1;
        posterior->pass_good[k * WG_BISECT_BATCHES + i] = mass > 0 ? good[i] / mass : 1;
    }
}

/* What the parts of one update share. */
struct update {
    struct wg_bisect_posterior *posterior;
    const struct wg_bisect_tally *tally;
    size_t *tested; /* nodes with at least one run */
    size_t tested_count;
    double *bad;   /* per tested node and cell: log of its runs, were it bad */
    double *noise; /* per class and p0 */
};

static void find_tested(struct update *update)
{
    size_t count = update->posterior->history->count;
    update->tested = wg_calloc(count, sizeof *update->tested);
    for (size_t x = 0; x < count; x++)
        if (update->tally[x].failures + update->tally[x].passes > 0)
            update->tested[update->tested_count++] = x;
    update->bad = wg_calloc(update->tested_count * WG_BISECT_CELLS + 1, sizeof *update->bad);
    for (size_t t = 0; t < update->tested_count; t++) {
        const struct wg_bisect_tally *runs = &update->tally[update->tested[t]];
        for (size_t g = 0; g < WG_BISECT_CELLS; g++)
            update->bad[t * WG_BISECT_CELLS + g] =
                wg_bisect_log_bad(&update->posterior->rates.cells[g], runs->failures, runs->passes);
    }
}

/* Writes the logarithm of P(runs, class, cell) to posterior->cells; returns the highest. */
static double fill_logs(struct update *update)
{
    struct wg_bisect_posterior *posterior = update->posterior;
    size_t *member = representatives(posterior);
    double highest = -HUGE_VAL;
    for (size_t k = 0; k < posterior->class_count; k++) {
        double bad[WG_BISECT_CELLS] = {0};
        unsigned failures = 0, passes = 0;
        for (size_t t = 0; t < update->tested_count; t++) {
            size_t x = update->tested[t];
            if (wg_bisect_is_bad(posterior->history, x, member[k])) {
                for (size_t g = 0; g < WG_BISECT_CELLS; g++)
                    bad[g] += update->bad[t * WG_BISECT_CELLS + g];
            } else {
                failures += update->tally[x].failures;
                passes += update->tally[x].passes;
            }
        }
        double *noise = update->noise + k * WG_BISECT_NOISES;
        double *cells = posterior->cells + k * WG_BISECT_CELLS;
        double noise_log = noise_likelihood(&posterior->rates, failures, passes, noise);
        class_logs(&posterior->rates, noise, noise_log, bad, cells);
        double prior = log(posterior->class_mass[k]);
        for (size_t g = 0; g < WG_BISECT_CELLS; g++) {
            cells[g] += prior;
            if (cells[g] > highest)
                highest = cells[g];
        }
    }
    free(member);
    return highest;
}

/* Turns the logarithms into probabilities of classes, cells and hypotheses. */
static void normalise(struct wg_bisect_posterior *posterior, double highest)
{
    double total = 0;
    for (size_t i = 0; i < posterior->class_count * WG_BISECT_CELLS; i++) {
        posterior->cells[i] = exp(posterior->cells[i] - highest);
        total += posterior->cells[i];
    }
    double *prior_mass = wg_calloc(posterior->class_count, sizeof *prior_mass);
    memcpy(prior_mass, posterior->class_mass, posterior->class_count * sizeof *prior_mass);
    for (size_t k = 0; k < posterior->class_count; k++) {
        posterior->class_mass[k] = 0;
        for (size_t g = 0; g < WG_BISECT_CELLS; g++) {
            posterior->cells[k * WG_BISECT_CELLS + g] /= total;
            posterior->class_mass[k] += posterior->cells[k * WG_BISECT_CELLS + g];
        }
    }
    for (size_t c = 0; c < posterior->history->count; c++) {
        unsigned k = posterior->class_of[c];
        posterior->probability[c] =
            prior_mass[k] > 0 ? posterior->class_mass[k] * posterior->prior[c] / prior_mass[k] : 0;
    }
    free(prior_mass);
}

void wg_bisect_posterior_update(struct wg_bisect_posterior *posterior,
                                const struct wg_bisect_tally *tally)
{
    struct update update = {.posterior = posterior, .tally = tally};
    find_tested(&update);
    make_room(posterior, classify(posterior->history, update.tested, update.tested_count,
                                  posterior->class_of));
    for (size_t c = 0; c < posterior->history->count; c++)
        posterior->class_mass[posterior->class_of[c]] += posterior->prior[c];
    update.noise = wg_calloc(posterior->class_count * WG_BISECT_NOISES, sizeof *update.noise);
    normalise(posterior, fill_logs(&update));
    double untested[WG_BISECT_CELLS][WG_BISECT_BATCHES];
    for (size_t g = 0; g < WG_BISECT_CELLS; g++)
        wg_bisect_pass_bad(&posterior->rates.cells[g], 0, 0, untested[g]);
    for (size_t k = 0; k < posterior->class_count; k++)
        predict(posterior, k, update.noise + k * WG_BISECT_NOISES, untested);
    free(update.tested);
    free(update.bad);
    free(update.noise);
}

void wg_bisect_posterior_rate(const struct wg_bisect_posterior *posterior, double *ret_mean,
                              double *ret_low, double *ret_high)
{
    double mass[WG_BISECT_MEANS] = {0}, mean = 0, below = 0;
    for (size_t i = 0; i < posterior->class_count * WG_BISECT_CELLS; i++)
        mass[i % WG_BISECT_CELLS % WG_BISECT_MEANS] += posterior->cells[i];
    double low = 0, high = 1;
    for (size_t i = 0; i < WG_BISECT_MEANS; i++) {
        double mu = posterior->rates.cells[i].mu;
        mean += mass[i] * mu;
        if (below <= 0.025)
            low = mu;
        if (below < 0.975)
            high = mu;
        below += mass[i];
    }
    *ret_mean = mean;
    *ret_low = low;
    *ret_high = high;
}
