/* SPDX-License-Identifier: MIT */
#include "harness/bisect/rates.h"

#include <math.h>
#include <stdbool.h>

/* Where the log-uniform part of mu begins and ends; above it lies only the atom. */
#define MEAN_LOWEST  0.005
#define MEAN_HIGHEST 0.97
#define MEAN_ALWAYS  0.9999 /* not 1: a bad commit must be able to pass by accident */
#define ALWAYS_PRIOR 0.1

#define NOISE_LOWEST     0.0005
#define NOISE_HIGHEST    0.3
#define NOISE_ZERO_PRIOR 0.5
#define NOISE_TO_MEAN    0.5 /* noise is at most this part of mu */

static const struct {
    double kappa;
    double shape_least; /* of mu * kappa: see rates.h */
    double weight;
} concentrations[WG_BISECT_CONCENTRATIONS] = {
    {HUGE_VAL, 0, 0.55},
    {8, 4, 0.3},
    {2, 2, 0.15},
};

static void fill_noise(struct wg_bisect_rates *rates)
{
    size_t steps = WG_BISECT_NOISES - 2;
    rates->noise[0] = 0;
    rates->noise_weight[0] = NOISE_ZERO_PRIOR;
    for (size_t i = 0; i <= steps; i++) {
        rates->noise[i + 1] =
            NOISE_LOWEST * pow(NOISE_HIGHEST / NOISE_LOWEST, (double)i / (double)steps);
        rates->noise_weight[i + 1] = (1 - NOISE_ZERO_PRIOR) / (double)(steps + 1);
    }
    rates->noise_total[0] = 0;
    for (size_t i = 0; i < WG_BISECT_NOISES; i++) {
        rates->log_fail[i] = log(rates->noise[i]);
        rates->log_pass[i] = log1p(-rates->noise[i]);
        rates->noise_total[i + 1] = rates->noise_total[i] + rates->noise_weight[i];
    }
}

static double log_beta(double a, double b)
{
    int sign = 0;
    return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

static void fill_cell(const struct wg_bisect_rates *rates, struct wg_bisect_cell *cell, size_t k,
                      size_t i)
{
    size_t steps = WG_BISECT_MEANS - 2;
    bool always = i == WG_BISECT_MEANS - 1;
    double weight = concentrations[k].weight * (1 - ALWAYS_PRIOR) / (double)(steps + 1);
    if (always)
        weight = k == 0 ? ALWAYS_PRIOR : 0;
    cell->mu = always ? MEAN_ALWAYS
                      : MEAN_LOWEST * pow(MEAN_HIGHEST / MEAN_LOWEST, (double)i / (double)steps);
    cell->kappa = fmax(concentrations[k].kappa, concentrations[k].shape_least / cell->mu);
    if (!isinf(cell->kappa))
        cell->log_beta = log_beta(cell->mu * cell->kappa, (1 - cell->mu) * cell->kappa);
    cell->log_weight = weight > 0 ? log(weight) : -HUGE_VAL;
    cell->noises = 1;
    while (cell->noises < WG_BISECT_NOISES &&
           rates->noise[cell->noises] <= NOISE_TO_MEAN * cell->mu)
        cell->noises++;
}

void wg_bisect_rates_init(struct wg_bisect_rates *rates)
{
    fill_noise(rates);
    for (size_t k = 0; k < WG_BISECT_CONCENTRATIONS; k++)
        for (size_t i = 0; i < WG_BISECT_MEANS; i++)
            fill_cell(rates, &rates->cells[k * WG_BISECT_MEANS + i], k, i);
}

double wg_bisect_log_bad(const struct wg_bisect_cell *cell, unsigned failures, unsigned passes)
{
    if (isinf(cell->kappa))
        return failures * log(cell->mu) + passes * log1p(-cell->mu);
    double a = cell->mu * cell->kappa, b = (1 - cell->mu) * cell->kappa;
    return log_beta(a + failures, b + passes) - cell->log_beta;
}

void wg_bisect_pass_bad(const struct wg_bisect_cell *cell, unsigned failures, unsigned passes,
                        double pass[static WG_BISECT_BATCHES])
{
    if (isinf(cell->kappa)) {
        pass[0] = 1 - cell->mu;
        for (size_t i = 1; i < WG_BISECT_BATCHES; i++)
            pass[i] = pass[i - 1] * pass[i - 1];
        return;
    }
    double b = (1 - cell->mu) * cell->kappa + passes;
    double all = cell->kappa + failures + passes;
    double product = 1;
    size_t i = 0;
    for (unsigned n = 0; n < WG_BISECT_BATCH_MAX; n++) {
        product *= (b + n) / (all + n);
        if (n + 1 == wg_bisect_batch(i))
            pass[i++] = product;
    }
}
