/* SPDX-License-Identifier: MIT */
/* result.h - the result of a run as one JSON object, for programs. */
#ifndef WG_HARNESS_REPORT_RESULT_H
#define WG_HARNESS_REPORT_RESULT_H

#include "harness/report/model.h"

/*
 * {"version": 1, "verdict", "exit_code", "requests", "io_errors", "databases", "databases_bad",
 *  "modes": [{"mode", "rounds", "failed_rounds", "ms", "outcomes": {name: count}}],
 *  "tests": [the events "test-finished", without their "event", "seq" and "at_ns";
 *            "concurrency_dependent": true when it failed in the swarm only, "slow": true when
 *            it passed and took longer than --slow],
 *  "evidence": [the events "evidence", likewise], "evidence_counts": {class: count},
 *  "findings": [the events "finding", likewise], "probe": [the events "probed", likewise]}
 *
 * A new reference.
 */
json_t *wg_result_json(const struct wg_model *model);

#endif
