/* SPDX-License-Identifier: MIT */
/*
 * effect.h - joins a finding with its moment in the run and with what went wrong afterwards.
 *
 * Effects of a finding are the errors and the findings that were seen later on the same database.
 * "Later" is all that is claimed, unless a row of symptom.c says that the mechanism makes this
 * code or leads to this finding (struct wg_symptom): those are `explained`.
 *
 * An error is counted once: what the SQLite API returned in a watched process has its moment; the
 * same error in the server's log or in an answer only adds the names of tests. An error known from
 * there alone has no moment but only bounds, and counts when all of them lie behind the finding.
 */
#ifndef WG_HARNESS_DIAG_EFFECT_H
#define WG_HARNESS_DIAG_EFFECT_H

#include "harness/diag/diag.h"
#include "harness/diag/run_log.h"

/*
 * Fills in `moment` and `effects` of all findings. `run` is NULL where there are no events, as
 * under `walgrind exec`. Both must live as long as the findings.
 */
void wg_diag_join(const struct wg_trace *trace, const struct wg_run_log *run,
                  struct wg_findings *findings);

/* Of wg_findings_finish(). */
void wg_moment_finish(struct wg_moment *moment);
void wg_effects_finish(struct wg_effect *effects, size_t count);

#endif
