/* SPDX-License-Identifier: MIT */
/* run_units.c - units of isolation: modes, failures of units, interruption. */
#include "harness/base/json.h"
#include "suites/unit/run_support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

static const char *const harmless[] = {"plain", "table", "lonely", NULL};

struct mode_name {
    char name[8];
};

ParameterizedTestParameters(run_units, every_mode_runs_every_test_once)
{
    static struct mode_name rows[] = {{"suite"}, {"worker"}, {"none"}};
    return cr_make_param_array(struct mode_name, rows, 3, NULL);
}

ParameterizedTest(struct mode_name *mode, run_units, every_mode_runs_every_test_once)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.mode = mode->name, .select = harmless, .workers = 3}, &model);

    cr_assert(eq(sz, model.mode_count, 1));
    const long *counts = model.modes[0].outcomes;
    cr_expect(eq(long, counts[WG_OUTCOME_PASSED], 4));
    cr_expect(eq(long, counts[WG_OUTCOME_FAILED], 4));
    cr_expect(eq(long, counts[WG_OUTCOME_SKIPPED], 2));
    cr_expect(eq(sz, model.finished.count, 10));
    wg_model_finish(&model);
}

Test(run_units, exclusive_test_comes_last_in_the_swarm)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.mode = "none", .select = harmless, .workers = 8}, &model);

    const json_t *last = model.finished.items[model.finished.count - 1];
    cr_expect(eq(str, (char *)wg_json_str(last, "test", ""), "lonely/runs_alone"));
    wg_model_finish(&model);
}

Test(run_units, failure_in_the_swarm_names_who_ran_beside_it)
{
    struct wg_model model;
    const char *const select[] = {"ends/hangs", "plain/passes", NULL};
    run_sample(&(struct run_setup){.mode = "none", .select = select}, &model);

    const json_t *beside = json_object_get(run_finished(&model, "ends/hangs"), "beside");
    cr_assert(eq(sz, json_array_size(beside), 1));
    cr_expect(eq(str, (char *)json_string_value(json_array_get(beside, 0)), "plain/passes"));
    cr_expect(json_object_get(run_finished(&model, "plain/passes"), "beside") == NULL);
    wg_model_finish(&model);

    run_sample(&(struct run_setup){.mode = "suite", .select = select}, &model);
    cr_expect(json_object_get(run_finished(&model, "ends/hangs"), "beside") == NULL);
    wg_model_finish(&model);
}

Test(run_units, unit_that_does_not_start_leaves_its_tests_unrun_and_fails_the_run)
{
    struct wg_model model;
    run_sample(&(struct run_setup){.select = harmless, .unit_never_starts = true}, &model);

    cr_expect(eq(long, model.modes[0].outcomes[WG_OUTCOME_NOT_RUN], 9));
    cr_expect(eq(str, (char *)run_reason(&model, "plain/passes"), "no room for a unit"));
    cr_expect(eq(int, (int)wg_model_verdict(&model), WG_VERDICT_FAIL));
    wg_model_finish(&model);
}

Test(run_units, unit_that_cannot_be_reset_is_replaced_and_is_evidence)
{
    struct wg_model model;
    const char *const select[] = {"table", NULL};
    run_sample(&(struct run_setup){.select = select, .reset_fails = true}, &model);

    cr_expect(eq(sz, model.finished.count, 3));
    cr_expect(eq(long, model.evidence_counts[WG_EVIDENCE_LEAK], 2));
    cr_expect(eq(sz, model.units.count, 3));
    wg_model_finish(&model);
}

Test(run_units, time_of_a_suite_ends_what_runs_and_leaves_the_rest_unrun)
{
    struct wg_model model;
    const char *const select[] = {"ends/hangs", "ends/hangs_and_ignores_term", "plain/passes",
                                  NULL};
    run_sample(&(struct run_setup){.select = select, .suite_timeout_ms = 250}, &model);

    const long *counts = model.modes[0].outcomes;
    cr_expect(eq(long, counts[WG_OUTCOME_TIMEOUT], 1));
    cr_expect(eq(long, counts[WG_OUTCOME_NOT_RUN], 1));
    cr_expect(eq(long, counts[WG_OUTCOME_PASSED], 1), "each suite has its own time");
    for (size_t i = 0; i < model.finished.count; i++) {
        const json_t *test = model.finished.items[i];
        const char *reason = wg_json_str(test, "reason", "");
        cr_expect(strcmp(wg_json_str(test, "test", ""), "plain/passes") == 0 ||
                      strstr(reason, "the 250 ms of its suite were over") != NULL,
                  "%s", reason);
    }
    wg_model_finish(&model);
}

Test(run_units, interrupted_run_tells_what_did_not_run)
{
    struct wg_model model;
    const char *const select[] = {"plain", "table", "ends/hangs", NULL};
    run_sample(&(struct run_setup){.select = select, .workers = 1, .interrupt_after_tests = 2},
               &model);

    cr_expect(model.interrupted);
    cr_expect(ge(long, model.modes[0].outcomes[WG_OUTCOME_NOT_RUN], 1));
    cr_expect(eq(sz, model.finished.count, 10));
    cr_expect(eq(int, (int)wg_model_verdict(&model), WG_VERDICT_INCOMPLETE));
    wg_model_finish(&model);
}
