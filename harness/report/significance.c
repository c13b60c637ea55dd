/* SPDX-License-Identifier: MIT */
#include "harness/report/significance.h"

#include "harness/base/str.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Natural logarithm of n over k. */
static double log_choose(long n, long k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

double wg_fisher_worse(long a_failed, long a_runs, long b_failed, long b_runs)
{
    assert(a_runs >= a_failed && b_runs >= b_failed && a_failed >= 0 && b_failed >= 0);
    long failed = a_failed + b_failed, runs = a_runs + b_runs;
    long most = failed < b_runs ? failed : b_runs;
    double p = 0;
    for (long k = b_failed; k <= most; k++)
        if (failed - k <= a_runs)
            p += exp(log_choose(b_runs, k) + log_choose(a_runs, failed - k) -
                     log_choose(runs, failed));
    return p < 1 ? p : 1;
}

struct ranked {
    double value;
    bool second; /* of the second series */
};

static int by_value(const void *a, const void *b)
{
    double left = ((const struct ranked *)a)->value, right = ((const struct ranked *)b)->value;
    return (left > right) - (left < right);
}

double wg_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count)
{
    size_t count = a_count + b_count;
    if (a_count == 0 || b_count == 0)
        return 1;
    struct ranked *all = wg_calloc(count, sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = i < a_count ? (struct ranked){a[i], false} : (struct ranked){b[i - a_count], true};
    qsort(all, count, sizeof *all, by_value);
    double rank_sum = 0, ties = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        double mean_rank, size;
        for (end = begin + 1; end < count && all[end].value == all[begin].value; end++)
            ;
        mean_rank = ((double)begin + 1 + (double)end) / 2;
        size = (double)(end - begin);
        ties += size * size * size - size;
        for (size_t i = begin; i < end; i++)
            rank_sum += all[i].second ? mean_rank : 0;
    }
    free(all);
    double n = (double)count, n_a = (double)a_count, n_b = (double)b_count;
    double mean = n_b * (n + 1) / 2;
    double variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)));
    if (variance <= 0)
        return 1;
    double off = fabs(rank_sum - mean) - 0.5; /* continuity */
    return off <= 0 ? 1 : erfc(off / sqrt(2 * variance));
}

static int by_number(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double wg_median(const double *values, size_t count)
{
    assert(count > 0);
    double *sorted = wg_calloc(count, sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_number);
    double median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    free(sorted);
    return median;
}
