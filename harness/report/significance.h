/* SPDX-License-Identifier: MIT */
/* significance.h - whether a difference between two series of runs is more than chance. */
#ifndef WG_HARNESS_REPORT_SIGNIFICANCE_H
#define WG_HARNESS_REPORT_SIGNIFICANCE_H

#include <stddef.h>

/*
 * Fisher's exact test, one-sided: the probability of at least `b_failed` failures in the second
 * series when both fail at the same rate, given how many failures there are in all. Exact for any
 * number of runs. (R. A. Fisher, Statistical Methods for Research Workers, 1934, section 21.02.)
 */
double wg_fisher_worse(long a_failed, long a_runs, long b_failed, long b_runs);

/*
 * The rank sum test of Mann and Whitney (Annals of Mathematical Statistics 18, 1947), two-sided, by
 * the normal approximation with the correction for ties: the probability of so different ranks when
 * both series come from one distribution. Good from about five values each; 1 when one is empty.
 */
double wg_rank_sum(const double *a, size_t a_count, const double *b, size_t b_count);

/* The middle value, of an even number the mean of the middle two. At least one value. */
double wg_median(const double *values, size_t count);

#endif
