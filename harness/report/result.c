/* SPDX-License-Identifier: MIT */
#include "harness/report/result.h"

#include "harness/base/json.h"

#define VERSION 1

static const char *const evidence_names[WG_EVIDENCE_COUNT] = {
#define NAME(identifier, name, fails, meaning) [WG_EVIDENCE_##identifier] = (name),
    WG_EVIDENCE_CLASSES(NAME)
#undef NAME
};

static json_t *events_of(const struct wg_event_list *list)
{
    static const char *const of_the_record[] = {"event", "seq", "at_ns"};
    json_t *events = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_t *event = json_copy(list->items[i]);
        for (size_t j = 0; j < sizeof of_the_record / sizeof of_the_record[0]; j++)
            json_object_del(event, of_the_record[j]);
        json_array_append_new(events, event);
    }
    return events;
}

static json_t *tests_of(const struct wg_model *model)
{
    json_t *tests = events_of(&model->finished);
    for (size_t i = 0; i < model->finished.count; i++) {
        const json_t *test = model->finished.items[i];
        enum wg_outcome outcome = wg_outcome_of(wg_json_str(test, "outcome", ""));
        if (wg_model_is_slow(model, test))
            json_object_set_new(json_array_get(tests, i), "slow", json_true());
        if (outcome < WG_OUTCOME_COUNT && wg_outcome_is_failure(outcome) &&
            wg_model_is_concurrency_dependent(model, test))
            json_object_set_new(json_array_get(tests, i), "concurrency_dependent", json_true());
    }
    return tests;
}

static json_t *modes_of(const struct wg_model *model)
{
    json_t *modes = json_array();
    for (size_t i = 0; i < model->mode_count; i++) {
        const struct wg_mode_summary *mode = &model->modes[i];
        json_t *outcomes = json_object();
        for (int outcome = 0; outcome < WG_OUTCOME_COUNT; outcome++)
            json_object_set_new(outcomes, wg_outcome_name((enum wg_outcome)outcome),
                                json_integer(mode->outcomes[outcome]));
        json_array_append_new(modes, json_pack("{s:s, s:I, s:I, s:f, s:o}", "mode", mode->mode,
                                               "rounds", (json_int_t)mode->rounds, "failed_rounds",
                                               (json_int_t)mode->failed_rounds, "ms", mode->ms,
                                               "outcomes", outcomes));
    }
    return modes;
}

json_t *wg_result_json(const struct wg_model *model)
{
    enum wg_verdict verdict = wg_model_verdict(model);
    json_t *counts = json_object();
    for (int i = 0; i < WG_EVIDENCE_COUNT; i++)
        json_object_set_new(counts, evidence_names[i], json_integer(model->evidence_counts[i]));
    return json_pack(
        "{s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "version", VERSION,
        "verdict", wg_verdict_name(verdict), "exit_code", wg_verdict_exit_code(verdict), "requests",
        (json_int_t)model->requests, "io_errors", (json_int_t)wg_model_io_errors(model),
        "databases", (json_int_t)model->verified.count, "databases_bad",
        (json_int_t)model->databases_bad, "modes", modes_of(model), "tests", tests_of(model),
        "evidence", events_of(&model->evidence), "evidence_counts", counts, "findings",
        events_of(&model->findings), "probe", events_of(&model->probed));
}
