/* SPDX-License-Identifier: MIT */
#include "harness/report/model.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bool failure;
} outcomes[] = {
#define OUTCOME_ROW(identifier, name, failure, meaning) [WG_OUTCOME_##identifier] = {name, failure},
    WG_OUTCOMES(OUTCOME_ROW)
#undef OUTCOME_ROW
};

static const struct {
    const char *name;
    bool fails;
} classes[] = {
#define CLASS_ROW(identifier, name, fails, meaning) [WG_EVIDENCE_##identifier] = {name, fails},
    WG_EVIDENCE_CLASSES(CLASS_ROW)
#undef CLASS_ROW
};

static const char *const event_names[] = {
#define EVENT_ROW(identifier, name, members) [WG_EVENT_##identifier] = (name),
    WG_EVENTS(EVENT_ROW)
#undef EVENT_ROW
};

static const struct {
    const char *name;
    int exit_code;
} verdicts[] = {
    [WG_VERDICT_PASS] = {"PASS", 0},
    [WG_VERDICT_FAIL] = {"FAIL", 1},
    [WG_VERDICT_INCOMPLETE] = {"INCOMPLETE", 3},
    [WG_VERDICT_ERROR] = {"ERROR", 3},
};

bool wg_outcome_is_failure(enum wg_outcome outcome)
{
    return outcomes[outcome].failure;
}

const char *wg_outcome_name(enum wg_outcome outcome)
{
    return outcomes[outcome].name;
}

enum wg_outcome wg_outcome_of(const char *name)
{
    for (int i = 0; i < WG_OUTCOME_COUNT; i++)
        if (strcmp(outcomes[i].name, name) == 0)
            return (enum wg_outcome)i;
    return WG_OUTCOME_COUNT;
}

bool wg_evidence_fails(enum wg_evidence_class class_)
{
    return classes[class_].fails;
}

void wg_model_init(struct wg_model *model)
{
    *model = (struct wg_model){.statements = -1};
}

static void list_push(struct wg_event_list *list, const json_t *event)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->items = wg_realloc(list->items, list->room * sizeof(json_t *));
    }
    list->items[list->count++] = json_incref((json_t *)event);
}

static void list_finish(struct wg_event_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_decref(list->items[i]);
    free(list->items);
}

void wg_model_finish(struct wg_model *model)
{
    json_decref(model->run_started);
    json_decref(model->plan);
    json_decref(model->run_finished);
    list_finish(&model->finished);
    list_finish(&model->retried);
    list_finish(&model->evidence);
    list_finish(&model->verified);
    list_finish(&model->failed_units);
    list_finish(&model->units);
    list_finish(&model->errors);
    list_finish(&model->findings);
    list_finish(&model->probed);
    json_decref(model->isolated);
    wg_model_init(model);
}

static struct wg_mode_summary *mode_of(struct wg_model *model, const json_t *event)
{
    const char *name = wg_json_str(event, "mode", "");
    for (size_t i = 0; i < model->mode_count; i++)
        if (strcmp(model->modes[i].mode, name) == 0)
            return &model->modes[i];
    if (model->mode_count == WG_MODEL_MODES_MAX)
        return NULL;
    struct wg_mode_summary *mode = &model->modes[model->mode_count++];
    snprintf(mode->mode, sizeof mode->mode, "%s", name);
    return mode;
}

/* Remembered by name, as reports ask it of every failure of a swarm. */
static void take_isolated(struct wg_model *model, const json_t *event, enum wg_outcome outcome)
{
    const char *test = wg_json_str(event, "test", "");
    if (strcmp(wg_json_str(event, "mode", ""), "none") == 0)
        return;
    if (!model->isolated)
        model->isolated = json_object();
    if (outcome != WG_OUTCOME_PASSED || !json_object_get(model->isolated, test))
        json_object_set_new(model->isolated, test, json_boolean(outcome == WG_OUTCOME_PASSED));
}

static void take_finished(struct wg_model *model, const json_t *event)
{
    enum wg_outcome outcome = wg_outcome_of(wg_json_str(event, "outcome", ""));
    struct wg_mode_summary *mode = mode_of(model, event);
    if (outcome == WG_OUTCOME_COUNT || !mode)
        return;
    if (wg_json_bool(event, "retried", false)) {
        list_push(&model->retried, event);
        return;
    }
    mode->outcomes[outcome]++;
    model->round_failed = model->round_failed || outcomes[outcome].failure ||
                          (model->flaky_fails && outcome == WG_OUTCOME_FLAKY);
    list_push(&model->finished, event);
    take_isolated(model, event, outcome);
}

static void take_evidence(struct wg_model *model, const json_t *event)
{
    const char *name = wg_json_str(event, "class", "");
    for (int i = 0; i < WG_EVIDENCE_COUNT; i++) {
        if (strcmp(classes[i].name, name) != 0)
            continue;
        model->evidence_counts[i]++;
        model->round_failed = model->round_failed || classes[i].fails;
        if (model->evidence.count < WG_LIMIT_EVIDENCE)
            list_push(&model->evidence, event);
    }
}

static void take_reset(struct wg_model *model, const json_t *event)
{
    size_t index;
    json_t *database;
    model->reset_failures += !wg_json_bool(event, "ok", false);
    json_array_foreach(json_object_get(event, "databases"), index, database)
    {
        const char *strategy = wg_json_str(database, "strategy", "?");
        double us = wg_json_real(database, "us", 0);
        size_t i = 0;
        while (i < model->reset_count && strcmp(model->resets[i].strategy, strategy) != 0)
            i++;
        if (i == WG_MODEL_STRATEGIES_MAX)
            continue;
        struct wg_reset_summary *summary = &model->resets[i];
        if (i == model->reset_count) {
            model->reset_count++;
            snprintf(summary->strategy, sizeof summary->strategy, "%s", strategy);
        }
        summary->count++;
        summary->us_total += us;
        if (us > summary->us_max)
            summary->us_max = us;
    }
}

static void take_request(struct wg_model *model, const json_t *event)
{
    int64_t status = wg_json_int(event, "status", 0);
    model->requests++;
    model->responses_5xx += status >= 500;
    model->transport_errors += status == 0;
}

static void take_unit(struct wg_model *model, const json_t *event)
{
    int64_t statements = wg_json_int(event, "statements", -1);
    if (statements >= 0)
        model->statements = (model->statements < 0 ? 0 : model->statements) + statements;
    model->servers_killed += wg_json_bool(event, "killed", false);
    list_push(&model->units, event);
}

static void take_round(struct wg_model *model, const json_t *event)
{
    struct wg_mode_summary *mode = mode_of(model, event);
    if (!mode)
        return;
    mode->rounds++;
    mode->failed_rounds += model->round_failed;
    mode->ms += wg_json_real(event, "ms", 0);
}

/* Warnings leave room in the list for what fails the run. */
static void take_finding(struct wg_model *model, const json_t *event)
{
    bool fails = wg_json_bool(event, "fails", true);
    size_t room = fails ? WG_LIMIT_EVIDENCE : WG_LIMIT_EVIDENCE / 2;
    model->finding_count++;
    model->findings_failing += fails;
    if (model->findings.count < room)
        list_push(&model->findings, event);
}

/* A record of its own, of the newest run. */
static void replace(json_t **place, const json_t *event)
{
    json_decref(*place);
    *place = json_incref((json_t *)event);
}

void wg_model_apply(struct wg_model *model, enum wg_event_kind kind, const json_t *event)
{
    switch (kind) {
    case WG_EVENT_RUN_STARTED: replace(&model->run_started, event); break;
    case WG_EVENT_PLAN:
        replace(&model->plan, event);
        model->flaky_fails = wg_json_bool(event, "flaky_fails", false);
        break;
    case WG_EVENT_RUN_FINISHED: replace(&model->run_finished, event); break;
    case WG_EVENT_ROUND_STARTED:
        model->round_failed = false;
        mode_of(model, event);
        break;
    case WG_EVENT_ROUND_FINISHED: take_round(model, event); break;
    case WG_EVENT_TEST_FINISHED: take_finished(model, event); break;
    case WG_EVENT_REQUEST: take_request(model, event); break;
    case WG_EVENT_RESET: take_reset(model, event); break;
    case WG_EVENT_EVIDENCE: take_evidence(model, event); break;
    case WG_EVENT_UNIT_FAILED:
    case WG_EVENT_SERVER_DIED:
        model->round_failed = true;
        list_push(&model->failed_units, event);
        break;
    case WG_EVENT_VERIFIED:
        model->databases_bad += !wg_json_bool(event, "ok", false);
        list_push(&model->verified, event);
        break;
    case WG_EVENT_CHECKED: model->checks += !json_object_get(event, "message"); break;
    case WG_EVENT_UNIT_FINISHED: take_unit(model, event); break;
    case WG_EVENT_INTERRUPTED: model->interrupted = true; break;
    case WG_EVENT_INTERNAL_ERROR: list_push(&model->errors, event); break;
    case WG_EVENT_FINDING: take_finding(model, event); break;
    case WG_EVENT_PROBED: list_push(&model->probed, event); break;
    case WG_EVENT_UNIT_STARTED:
    case WG_EVENT_TEST_STARTED:
    case WG_EVENT_COUNT: break;
    }
}

static enum wg_event_kind kind_of(const json_t *event)
{
    const char *name = wg_json_str(event, "event", "");
    for (int kind = 0; kind < WG_EVENT_COUNT; kind++)
        if (strcmp(event_names[kind], name) == 0)
            return (enum wg_event_kind)kind;
    return WG_EVENT_COUNT;
}

static int check_event(const json_t *event, const json_error_t *error, const char *path,
                       long number, struct wg_err *err)
{
    if (!json_is_object(event))
        return wg_err_set(err, WG_ERR_FORMAT, "%s:%ld: not an event: %s", path, number,
                          error->text);
    int64_t version = wg_json_int(event, "version", WG_EVENTS_VERSION);
    if (number == 1 && version > WG_EVENTS_VERSION)
        return wg_err_set(err, WG_ERR_FORMAT,
                          "%s was written by a newer walgrind (event version %lld)", path,
                          (long long)version);
    return 0;
}

int wg_events_read(const char *events_path,
                   void (*apply)(void *context, enum wg_event_kind kind, const json_t *event),
                   void *context, struct wg_err *err)
{
    int rc = 0;
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(events_path, "re");
    if (!file)
        return wg_err_errno(err, "open %s", events_path);
    ssize_t n;
    for (long number = 1; rc == 0 && (n = getline(&line, &room, file)) > 0; number++) {
        if (line[n - 1] != '\n')
            break;
        json_error_t error;
        json_t *event = json_loadb(line, (size_t)n, 0, &error);
        rc = check_event(event, &error, events_path, number, err);
        if (rc == 0)
            apply(context, kind_of(event), event);
        json_decref(event);
    }
    free(line);
    fclose(file);
    return rc;
}

static void apply_to_model(void *model, enum wg_event_kind kind, const json_t *event)
{
    wg_model_apply(model, kind, event);
}

int wg_model_read(struct wg_model *model, const char *events_path, struct wg_err *err)
{
    return wg_events_read(events_path, apply_to_model, model, err);
}

long wg_model_failures(const struct wg_model *model)
{
    long failures = model->databases_bad + model->findings_failing;
    for (size_t m = 0; m < model->mode_count; m++)
        failures += wg_mode_failed(&model->modes[m]) +
                    (model->flaky_fails ? model->modes[m].outcomes[WG_OUTCOME_FLAKY] : 0);
    for (int i = 0; i < WG_EVIDENCE_COUNT; i++)
        failures += classes[i].fails ? model->evidence_counts[i] : 0;
    return failures;
}

long wg_model_io_errors(const struct wg_model *model)
{
    return model->evidence_counts[WG_EVIDENCE_IO] + model->evidence_counts[WG_EVIDENCE_CORRUPT];
}

enum wg_verdict wg_model_verdict(const struct wg_model *model)
{
    if (model->errors.count > 0)
        return WG_VERDICT_ERROR;
    if (model->interrupted)
        return WG_VERDICT_INCOMPLETE;
    if (wg_model_failures(model) > 0 || model->failed_units.count > 0)
        return WG_VERDICT_FAIL;
    if (!model->run_started || !model->run_finished || model->finished.count == 0)
        return WG_VERDICT_INCOMPLETE;
    return WG_VERDICT_PASS;
}

int wg_verdict_exit_code(enum wg_verdict verdict)
{
    return verdicts[verdict].exit_code;
}

const char *wg_verdict_name(enum wg_verdict verdict)
{
    return verdicts[verdict].name;
}

bool wg_model_is_slow(const struct wg_model *model, const json_t *finished)
{
    int64_t slow_ms = wg_json_int(model->plan, "slow_ms", 0);
    enum wg_outcome outcome = wg_outcome_of(wg_json_str(finished, "outcome", ""));
    return slow_ms > 0 && outcome < WG_OUTCOME_COUNT && !wg_outcome_is_failure(outcome) &&
           wg_json_real(finished, "ms", 0) > (double)slow_ms;
}

void wg_probed_gaps(const json_t *probed, struct wg_strv *gaps)
{
    size_t index;
    json_t *gap;
    const char *off = wg_json_str(probed, "off", "");
    int64_t lost = wg_json_int(probed, "lost", 0);
    if (off[0])
        wg_strv_take(gaps, wg_format("%s (calls of processes were not watched)", off));
    json_array_foreach(json_object_get(probed, "not_covered"), index, gap)
    {
        if (json_is_string(gap))
            wg_strv_push(gaps, json_string_value(gap));
    }
    if (lost > 0)
        wg_strv_take(gaps, wg_format("%lld records of calls found no room", (long long)lost));
}

void wg_model_gaps(const struct wg_model *model, struct wg_strv *gaps)
{
    for (size_t i = 0; i < model->probed.count; i++)
        wg_probed_gaps(model->probed.items[i], gaps);
}

bool wg_model_is_concurrency_dependent(const struct wg_model *model, const json_t *finished)
{
    return model->mode_count >= 2 && strcmp(wg_json_str(finished, "mode", ""), "none") == 0 &&
           json_is_true(json_object_get(model->isolated, wg_json_str(finished, "test", "")));
}

double wg_zero_failures_bound(long runs)
{
    assert(runs > 0);
    return 1 - pow(0.05, 1 / (double)runs);
}

long wg_mode_total(const struct wg_mode_summary *mode)
{
    long total = 0;
    for (int i = 0; i < WG_OUTCOME_COUNT; i++)
        total += mode->outcomes[i];
    return total;
}

long wg_mode_failed(const struct wg_mode_summary *mode)
{
    long failed = 0;
    for (int i = 0; i < WG_OUTCOME_COUNT; i++)
        failed += wg_outcome_is_failure((enum wg_outcome)i) ? mode->outcomes[i] : 0;
    return failed;
}
