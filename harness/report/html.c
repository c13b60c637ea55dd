/* SPDX-License-Identifier: MIT */
/*
 * html.c - folds the events of a run into the data of its page.
 *
 * Tests and requests, of which there are many, become arrays; page.js has the order of their
 * columns (COLUMNS, REQUEST). What a failed test needs stands in "details", found by its index.
 */
#include "harness/report/html.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/report/diff_text.h"
#include "harness/report/failure.h"
#include "harness/report/html_page.h"
#include "harness/report/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct page {
    struct wg_model model;
    json_t *tests, *requests, *details, *problems, *findings, *marks;
    json_t *failures; /* events of `details`, in the same order */
    json_t *started;  /* attempt -> [start in ms, worker] */
    json_t *told;     /* mode, round and test -> lines of evidence; shared with the details */
};

/* To the microsecond: finer is noise, and makes the page long. */
static double rounded(double ms)
{
    return round(ms * 1000) / 1000;
}

static double at_ms(const json_t *event)
{
    return rounded((double)wg_json_int(event, "at_ns", 0) / 1e6);
}

static double took_ms(const json_t *event)
{
    return rounded(wg_json_real(event, "ms", 0));
}

static void key_of(const json_t *event, const char *member, char *key, size_t size)
{
    snprintf(key, size, "%lld", (long long)wg_json_int(event, member, 0));
}

/* The lines of evidence about the test of an event in its round, to which later ones will be added.
 * Borrowed. */
static json_t *told_of(struct page *page, const json_t *event)
{
    char *key =
        wg_format("%s %lld %s", wg_json_str(event, "mode", ""),
                  (long long)wg_json_int(event, "round", 1), wg_json_str(event, "test", ""));
    json_t *lines = json_object_get(page->told, key);
    if (!lines) {
        lines = json_array();
        json_object_set_new(page->told, key, lines);
    }
    free(key);
    return lines;
}

static void take_start(struct page *page, const json_t *event)
{
    char key[24];
    key_of(event, "attempt", key, sizeof key);
    json_object_set_new(
        page->started, key,
        json_pack("[f, I]", at_ms(event), (json_int_t)wg_json_int(event, "worker", 0)));
}

static void take_request(struct page *page, const json_t *event)
{
    if (json_array_size(page->requests) >= WG_LIMIT_HTML_REQUESTS)
        return;
    char *line =
        wg_format("%s %s", wg_json_str(event, "method", ""), wg_json_str(event, "path", ""));
    json_t *row =
        json_pack("[I, f, f, I, o]", (json_int_t)wg_json_int(event, "attempt", 0), at_ms(event),
                  took_ms(event), (json_int_t)wg_json_int(event, "status", 0),
                  wg_json_string_new(line, strlen(line)));
    const char *error = wg_json_str(event, "error", "");
    const char *body = wg_json_str(event, "body", "");
    if (error[0] || body[0])
        json_array_append_new(row, json_string(error));
    if (body[0])
        json_array_append_new(row, json_string(body));
    json_array_append_new(page->requests, row);
    free(line);
}

/* A copy of the event's members that the page shows. */
static json_t *detail_new(const json_t *event)
{
    static const char *const members[] = {"reason",        "file",       "line",
                                          "messages",      "output",     "stacks",
                                          "server_stacks", "server_log", "repeat"};
    json_t *detail = json_object();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *member = json_object_get(event, members[i]);
        if (member)
            json_object_set(detail, members[i], member);
    }
    char *changes = wg_changes_text(event, "");
    json_object_set_new(detail, "diff", wg_json_string_new(changes, strlen(changes)));
    free(changes);
    return detail;
}

static void take_finish(struct page *page, const json_t *event)
{
    char key[24];
    key_of(event, "attempt", key, sizeof key);
    const char *test = wg_json_str(event, "test", "");
    const char *outcome = wg_json_str(event, "outcome", "");
    const json_t *started = json_object_get(page->started, key);
    double ms = took_ms(event);
    /* A command's tests are told of when they have ended. */
    double start = rounded(at_ms(event) - ms);
    if (started && json_real_value(json_array_get(started, 0)) < start)
        start = json_real_value(json_array_get(started, 0));
    json_int_t worker = started ? json_integer_value(json_array_get(started, 1)) : 0;
    json_int_t index = -1;
    if (strcmp(outcome, "passed") != 0) {
        json_t *detail = detail_new(event);
        index = (json_int_t)json_array_size(page->details);
        json_array_append_new(page->details, detail);
        json_object_set(detail, "evidence", told_of(page, event));
        json_array_append(page->failures, (json_t *)event);
    }
    json_array_append_new(
        page->tests,
        json_pack("[I, s, s, I, I, I, s, f, f, s, I]", (json_int_t)wg_json_int(event, "attempt", 0),
                  test, wg_json_str(event, "mode", ""), (json_int_t)wg_json_int(event, "round", 1),
                  (json_int_t)wg_json_int(event, "unit", 0), worker, outcome, start, ms,
                  wg_json_str(event, "description", ""), index));
}

/* A mark in the lane of the databases: [when it ended, how long it took, kind, words]. Takes over
 * the text. */
static void add_mark(struct page *page, const json_t *event, const char *kind, char *text)
{
    json_array_append_new(page->marks, json_pack("[f, f, s, o]", at_ms(event), took_ms(event), kind,
                                                 wg_json_string_new(text, strlen(text))));
    free(text);
}

static void take_reset(struct page *page, const json_t *event)
{
    size_t index;
    json_t *database;
    struct wg_buf text;
    wg_buf_init(&text, 4096);
    wg_buf_printf(&text, "reset of unit %lld after %s", (long long)wg_json_int(event, "unit", 0),
                  wg_json_str(event, "after", ""));
    json_array_foreach(json_object_get(event, "databases"), index, database)
        wg_buf_printf(&text, "; %s by %s, %.0f us", wg_json_str(database, "path", ""),
                      wg_json_str(database, "strategy", ""), wg_json_real(database, "us", 0));
    if (!wg_json_bool(event, "ok", true))
        wg_buf_printf(&text, "; failed: %s", wg_json_str(event, "message", ""));
    add_mark(page, event, wg_json_bool(event, "ok", true) ? "reset" : "failed reset",
             wg_buf_steal(&text));
}

static void take_evidence(struct page *page, const json_t *event)
{
    const char *test = wg_json_str(event, "test", ""), *message = wg_json_str(event, "message", "");
    json_int_t code = (json_int_t)wg_json_int(event, "code", 0);
    char *number =
        code ? wg_format(" %lld %s", (long long)code, wg_json_str(event, "name", "")) : NULL;
    char *text =
        wg_format("%s%s: %s; %s %s", wg_json_str(event, "class", ""), number ? number : "", message,
                  wg_json_str(event, "source", ""), wg_json_str(event, "request", ""));
    bool busy = strcmp(wg_json_str(event, "class", ""), "busy") == 0;
    add_mark(page, event, busy ? "busy" : "evidence", wg_format("evidence: %s %s", text, test));
    if (test[0])
        json_array_append_new(told_of(page, event), wg_json_string_new(text, strlen(text)));
    if (json_array_size(page->problems) < WG_LIMIT_EVIDENCE) {
        char *where = wg_format("unit %lld %s", (long long)wg_json_int(event, "unit", 0), test);
        json_array_append_new(page->problems,
                              json_pack("[s, o]", where, wg_json_string_new(text, strlen(text))));
        free(where);
    }
    free(number);
    free(text);
}

static void take_problem(struct page *page, const json_t *event, const char *title,
                         const char *message)
{
    char *where = wg_format("%s, unit %lld %s", title, (long long)wg_json_int(event, "unit", 0),
                            wg_json_str(event, "path", ""));
    add_mark(page, event, title, wg_format("%s: %s", where, message ? message : ""));
    json_array_append_new(page->problems, json_pack("[s, s]", where, message));
    free(where);
}

/* Its mark stands where it happened, not where it was told of. */
static void take_finding(struct page *page, const json_t *event)
{
    double at = rounded((double)wg_json_int(event, "happened_ns", 0) / 1e6);
    const char *text = wg_json_str(event, "text", "");
    char *name = wg_format("finding %zu", json_array_size(page->findings) + 1);
    char *words = wg_format("%s: %.*s", name, (int)strcspn(text, "\n"), text);
    json_array_append_new(page->marks,
                          json_pack("[f, f, s, o]", at, 0.0,
                                    wg_json_bool(event, "fails", true) ? "finding" : "hint",
                                    wg_json_string_new(words, strlen(words))));
    free(words);
    if (json_array_size(page->findings) < WG_LIMIT_EVIDENCE)
        json_array_append_new(page->findings, json_pack("[s, s, f]", name, text, at));
    free(name);
}

static void take_verified(struct page *page, const json_t *event)
{
    size_t i;
    json_t *problem;
    if (wg_json_bool(event, "ok", false))
        add_mark(page, event, "verified",
                 wg_format("verified: %s of unit %lld", wg_json_str(event, "path", ""),
                           (long long)wg_json_int(event, "unit", 0)));
    json_array_foreach(json_object_get(event, "problems"), i, problem)
        take_problem(page, event, "bad database", json_string_value(problem));
}

static void take_event(void *context, enum wg_event_kind kind, const json_t *event)
{
    struct page *page = context;
    wg_model_apply(&page->model, kind, event);
    switch (kind) {
    case WG_EVENT_TEST_STARTED: take_start(page, event); break;
    case WG_EVENT_REQUEST: take_request(page, event); break;
    case WG_EVENT_TEST_FINISHED: take_finish(page, event); break;
    case WG_EVENT_EVIDENCE: take_evidence(page, event); break;
    case WG_EVENT_VERIFIED: take_verified(page, event); break;
    case WG_EVENT_FINDING: take_finding(page, event); break;
    case WG_EVENT_RESET: take_reset(page, event); break;
    case WG_EVENT_UNIT_STARTED:
        add_mark(page, event, "clone",
                 wg_format("unit %lld %s: databases cloned, server ready",
                           (long long)wg_json_int(event, "unit", 0),
                           wg_json_str(event, "name", "")));
        break;
    case WG_EVENT_UNIT_FAILED:
        take_problem(page, event, "server failed", wg_json_str(event, "message", ""));
        break;
    case WG_EVENT_SERVER_DIED:
        take_problem(page, event, "server died", wg_json_str(event, "status", ""));
        break;
    case WG_EVENT_INTERNAL_ERROR:
        take_problem(page, event, "harness error", wg_json_str(event, "message", ""));
        break;
    default: break;
    }
}

/* What the probe found before the end of each failed test is told of at the end of the run. */
static void finish_details(struct page *page)
{
    for (size_t i = 0; i < json_array_size(page->details); i++) {
        struct wg_buf text;
        wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
        wg_failure_findings(&page->model, json_array_get(page->failures, i), &text);
        if (text.size > 0)
            json_object_set_new(json_array_get(page->details, i), "before",
                                wg_json_string_new(text.data, text.size));
        wg_buf_finish(&text);
    }
}

static void add_fact(json_t *facts, const char *name, char *owned_text)
{
    json_array_append_new(
        facts, json_pack("[s, o]", name, wg_json_string_new(owned_text, strlen(owned_text))));
    free(owned_text);
}

static char *probed_text(const struct wg_model *model, const json_t *probed)
{
    struct wg_strv gaps = {0};
    struct wg_buf text;
    wg_buf_init(&text, 16384);
    if (!wg_json_str(probed, "off", "")[0])
        wg_buf_printf(&text, "%lld processes, %ld findings",
                      (long long)wg_json_int(probed, "processes", 0), model->finding_count);
    wg_probed_gaps(probed, &gaps);
    for (size_t i = 0; i < gaps.count; i++)
        wg_buf_printf(&text, "%snot covered: %s", text.size > 0 ? "; " : "", gaps.items[i]);
    wg_strv_finish(&gaps);
    return wg_buf_steal(&text);
}

static json_t *facts_new(const struct wg_model *model)
{
    char cut[64] = "";
    json_t *facts = json_array();
    const json_t *run = model->run_started;
    for (size_t m = 0; m < model->mode_count; m++) {
        const struct wg_mode_summary *mode = &model->modes[m];
        struct wg_buf text;
        wg_buf_init(&text, 4096);
        for (int i = 0; i < WG_OUTCOME_COUNT; i++)
            if (mode->outcomes[i] > 0)
                wg_buf_printf(&text, "%ld %s, ", mode->outcomes[i],
                              wg_outcome_name((enum wg_outcome)i));
        wg_buf_printf(&text, "%.2f s", mode->ms / 1000);
        if (mode->rounds > 1)
            wg_buf_printf(&text, ", %ld rounds, %ld failed", mode->rounds, mode->failed_rounds);
        bool swarm = strcmp(mode->mode, "none") == 0;
        add_fact(facts, swarm ? "swarm" : mode->mode, wg_buf_steal(&text));
    }
    if (model->requests > WG_LIMIT_HTML_REQUESTS)
        snprintf(cut, sizeof cut, "; the first %d are on this page", WG_LIMIT_HTML_REQUESTS);
    add_fact(facts, "requests",
             wg_format("%ld, %ld answered 5xx, %ld not at all%s", model->requests,
                       model->responses_5xx, model->transport_errors, cut));
    add_fact(facts, "I/O errors", wg_format("%ld", wg_model_io_errors(model)));
    add_fact(facts, "databases",
             wg_format("%zu verified, %ld bad", model->verified.count, model->databases_bad));
    for (size_t i = 0; i < model->probed.count; i++)
        add_fact(facts, "probe", probed_text(model, model->probed.items[i]));
    add_fact(facts, "started", wg_strdup(wg_json_str(run, "wall", "")));
    add_fact(facts, "versions",
             wg_format("walgrind %s, SQLite %s, Linux %s", wg_json_str(run, "walgrind", ""),
                       wg_json_str(run, "sqlite", ""), wg_json_str(run, "kernel", "")));
    add_fact(facts, "record", wg_strdup(wg_json_str(run, "directory", "")));
    return facts;
}

static int write_page(const json_t *data, const char *path, struct wg_err *err)
{
    char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
    FILE *file = text ? fopen(path, "we") : NULL;
    if (!file) {
        wg_err_errno(err, "create %s", path);
        free(text);
        return -1;
    }
    fwrite(page_before_data, 1, sizeof page_before_data, file);
    for (const char *at = text; *at;) {
        size_t plain = strcspn(at, "<");
        fwrite(at, 1, plain, file);
        at += plain;
        if (*at == '<') {
            fputs("\\u003c", file);
            at++;
        }
    }
    fwrite(page_after_data, 1, sizeof page_after_data, file);
    free(text);
    bool bad = ferror(file) != 0;
    bad = fclose(file) != 0 || bad;
    return bad ? wg_err_errno(err, "write %s", path) : 0;
}

int wg_html_write(const char *events_path, const char *path, struct wg_err *err)
{
    struct page page = {.tests = json_array(),
                        .requests = json_array(),
                        .details = json_array(),
                        .problems = json_array(),
                        .findings = json_array(),
                        .failures = json_array(),
                        .marks = json_array(),
                        .started = json_object(),
                        .told = json_object()};
    wg_model_init(&page.model);
    int rc = wg_events_read(events_path, take_event, &page, err);
    if (rc == 0) {
        finish_details(&page);
        json_t *data = json_pack("{s:s, s:I, s:o, s:O, s:O, s:O, s:O, s:O, s:O}", "verdict",
                                 wg_verdict_name(wg_model_verdict(&page.model)), "slow_ms",
                                 (json_int_t)wg_json_int(page.model.plan, "slow_ms", 0), "facts",
                                 facts_new(&page.model), "tests", page.tests, "requests",
                                 page.requests, "details", page.details, "problems", page.problems,
                                 "findings", page.findings, "marks", page.marks);
        rc = write_page(data, path, err);
        json_decref(data);
    }
    wg_model_finish(&page.model);
    json_t *const owned[] = {page.tests, page.requests, page.details, page.problems, page.findings,
                             page.marks, page.failures, page.started, page.told};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        json_decref(owned[i]);
    return rc;
}
