/* SPDX-License-Identifier: MIT */
/*
 * tap.h - a run as TAP 14 (https://testanything.org/tap-version-14-specification.html).
 *
 * A test point per finished test, with a YAML block for those that failed, and one more at the end
 * for the verdict: it is "not ok" when tests passed but a database did not stay sound. A run that
 * is incomplete ends with "Bail out!". Nothing in it needs version 14, so the same text can say
 * that it is 13, for harnesses that refuse what they do not know (prove of Perl 5.36 does).
 */
#ifndef WG_HARNESS_REPORT_TAP_H
#define WG_HARNESS_REPORT_TAP_H

#include "harness/report/model.h"

#include <stdio.h>

/* `version`: 13 or 14. */
void wg_tap_write(const struct wg_model *model, int version, FILE *out);

#endif
