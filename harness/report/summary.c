/* SPDX-License-Identifier: MIT */
/*
 * summary.c - the result of a run as text: failures with their evidence first, then what was
 * checked, the verdict, and what the verdict proves.
 */
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/report/diff_text.h"
#include "harness/report/failure.h"
#include "harness/report/rates.h"
#include "harness/report/terminal.h"

#include <stdlib.h>
#include <string.h>

/* Lines of a failed test's output that are shown; the events keep all. */
#define OUTPUT_LINES_SHOWN    30
#define LOG_LINES_SHOWN       10
#define RATES_SHOWN           20
#define SLOW_SHOWN            5
#define EVIDENCE_LINES_SHOWN  20
#define LIST_SHOWN            3
#define BESIDE_SHOWN          10
#define FINDINGS_SHOWN        20
#define FINDING_LINES_SHOWN   60
#define FINDINGS_BEFORE_SHOWN 5
#define FINDING_TEXT_MAX      (64 << 10)

static const struct {
    const char *mode;
    const char *meaning;
} mode_meanings[] = {
    {"suite", "isolated: databases and server per suite"},
    {"worker", "isolated: databases and server per worker"},
    {"none", "swarm: one server for all at once"},
};

struct style {
    const char *red, *green, *yellow, *bold, *off;
};

static struct style style_of(bool color)
{
    if (color)
        return (struct style){"\033[31m", "\033[32m", "\033[33m", "\033[1m", "\033[0m"};
    return (struct style){"", "", "", "", ""};
}

/* Prints text with every line indented; at most `lines_max`, the last ones. */
static void print_indented(FILE *out, const char *text, const char *indent, int lines_max)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    const char *end = text + length;
    const char *start = end;
    int lines = 0;
    while (start > text) {
        if (start[-1] == '\n' && ++lines == lines_max)
            break;
        start--;
    }
    if (start > text)
        fprintf(out, "%s… (%d last lines; all in the run directory)\n", indent, lines_max);
    while (start < end) {
        const char *stop = memchr(start, '\n', (size_t)(end - start));
        int line_length = (int)((stop ? stop : end) - start);
        fprintf(out, "%s%.*s\n", indent, line_length, start);
        start += line_length + 1;
    }
}

static void print_messages(const json_t *finished, FILE *out)
{
    size_t index;
    json_t *message;
    json_array_foreach(json_object_get(finished, "messages"), index, message)
    {
        const char *file = wg_json_str(message, "file", "");
        if (file[0])
            fprintf(out, "    %s:%lld:\n", file, (long long)wg_json_int(message, "line", 0));
        print_indented(out, wg_json_str(message, "message", ""), "      ", OUTPUT_LINES_SHOWN);
    }
    int64_t dropped = wg_json_int(finished, "messages_dropped", 0);
    if (dropped > 0)
        fprintf(out, "    … and %lld more messages\n", (long long)dropped);
}

static void print_last_lines(const json_t *finished, const char *key, const char *title, int lines,
                             FILE *out)
{
    const char *text = wg_json_str(finished, key, "");
    if (!text[0])
        return;
    fprintf(out, "    %s:\n", title);
    print_indented(out, text, "      ", lines);
}

static void print_text_member(const json_t *finished, const char *key, const char *title, FILE *out)
{
    print_last_lines(finished, key, title, OUTPUT_LINES_SHOWN, out);
}

static void print_evidence_line(const json_t *evidence, const char *indent, FILE *out)
{
    int64_t code = wg_json_int(evidence, "code", 0);
    const char *message = wg_json_str(evidence, "message", "");
    fprintf(out, "%s%s", indent, wg_json_str(evidence, "class", ""));
    if (code)
        fprintf(out, " %lld %s", (long long)code, wg_json_str(evidence, "name", ""));
    fprintf(out, ": %.*s", (int)strcspn(message, "\n"), message);
    const char *file = wg_json_str(evidence, "file", "");
    const char *request = wg_json_str(evidence, "request", "");
    const char *test = wg_json_str(evidence, "test", "");
    if (file[0])
        fprintf(out, "; file %s", file);
    if (request[0])
        fprintf(out, "; request %s", request);
    fprintf(out, "; %s", wg_json_str(evidence, "source", ""));
    if (test[0])
        fprintf(out, "; test %s", test);
    else
        fprintf(out, "; unit %lld (%s)", (long long)wg_json_int(evidence, "unit", 0),
                wg_json_str(evidence, "mode", ""));
    fputc('\n', out);
}

static void print_changes(const json_t *finished, FILE *out)
{
    char *text = wg_changes_text(finished, "    ");
    fputs(text, out);
    free(text);
}

static void print_findings_before(const struct wg_model *model, const json_t *finished, FILE *out)
{
    struct wg_buf text;
    wg_buf_init(&text, FINDING_TEXT_MAX);
    wg_failure_findings(model, finished, &text);
    if (text.size > 0)
        print_indented(out, text.data, "    ", FINDINGS_BEFORE_SHOWN);
    wg_buf_finish(&text);
}

static void print_failure(const struct wg_model *model, const json_t *finished,
                          const struct style *style, FILE *out)
{
    fprintf(out, "%s%s%s %s%s%s (%s, %.0f ms)%s\n", style->red,
            wg_json_str(finished, "outcome", ""), style->off, style->bold,
            wg_json_str(finished, "test", ""), style->off, wg_json_str(finished, "mode", ""),
            wg_json_real(finished, "ms", 0),
            wg_model_is_concurrency_dependent(model, finished)
                ? " concurrency-dependent: passed when isolated"
                : "");
    const char *reason = wg_json_str(finished, "reason", "");
    if (reason[0])
        fprintf(out, "    %s\n", reason);
    print_messages(finished, out);
    print_text_member(finished, "output", "output", out);
    print_text_member(finished, "stacks", "stacks", out);
    print_text_member(finished, "server_stacks", "stacks of the server", out);
    print_last_lines(finished, "server_log", "server log while it ran", LOG_LINES_SHOWN, out);
    print_changes(finished, out);
    char *beside = wg_failure_beside(finished, BESIDE_SHOWN);
    if (beside[0])
        fprintf(out, "    ran beside: %s\n", beside);
    free(beside);
    print_findings_before(model, finished, out);
    for (size_t i = 0; i < model->evidence.count; i++)
        if (strcmp(wg_json_str(model->evidence.items[i], "test", ""),
                   wg_json_str(finished, "test", "-")) == 0)
            print_evidence_line(model->evidence.items[i], "    evidence: ", out);
    fprintf(out, "    repeat: %s\n", wg_json_str(finished, "repeat", ""));
    char *company = wg_failure_company(model, finished);
    if (company[0])
        fprintf(out, "    repeat in company: %s\n", company);
    free(company);
    fputc('\n', out);
}

static void print_failures(const struct wg_model *model, const struct style *style, FILE *out)
{
    for (size_t i = 0; i < model->finished.count; i++) {
        const json_t *finished = model->finished.items[i];
        enum wg_outcome outcome = wg_outcome_of(wg_json_str(finished, "outcome", ""));
        if (outcome < WG_OUTCOME_COUNT && wg_outcome_is_failure(outcome))
            print_failure(model, finished, style, out);
    }
}

static void print_list(const struct wg_event_list *list, const char *title, const char *key,
                       const struct style *style, FILE *out)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i == LIST_SHOWN) {
            fprintf(out, "    … and %zu more of this kind in events.jsonl\n", list->count - i);
            return;
        }
        fprintf(out, "%s%s%s %s\n", style->red, title, style->off,
                wg_json_str(list->items[i], "name", ""));
        print_indented(out, wg_json_str(list->items[i], key, ""), "    ", OUTPUT_LINES_SHOWN);
    }
}

static void print_evidence(const struct wg_model *model, const struct style *style, FILE *out)
{
    size_t shown = 0, failing = 0;
    for (size_t i = 0; i < model->evidence.count; i++) {
        if (strcmp(wg_json_str(model->evidence.items[i], "class", ""), "busy") == 0)
            continue;
        if (failing++ == 0)
            fprintf(out, "%sevidence%s\n", style->red, style->off);
        if (shown < EVIDENCE_LINES_SHOWN) {
            print_evidence_line(model->evidence.items[i], "    ", out);
            shown++;
        }
    }
    if (failing > shown)
        fprintf(out, "    … and %zu more in events.jsonl\n", failing - shown);
    if (failing > 0)
        fputc('\n', out);
    for (size_t i = 0; i < model->verified.count; i++) {
        const json_t *verified = model->verified.items[i];
        size_t index;
        json_t *problem;
        if (wg_json_bool(verified, "ok", false))
            continue;
        fprintf(out, "%sbad database%s %s (unit %lld)\n", style->red, style->off,
                wg_json_str(verified, "path", ""), (long long)wg_json_int(verified, "unit", 0));
        json_array_foreach(json_object_get(verified, "problems"), index, problem)
            fprintf(out, "    %s\n", json_string_value(problem));
        const char *kept = wg_json_str(verified, "kept", "");
        if (kept[0])
            fprintf(out, "    kept: %s\n", kept);
        fputc('\n', out);
    }
}

/* What processes did wrong to the databases, by the probe. */
static void print_findings(const struct wg_model *model, const struct style *style, FILE *out)
{
    for (size_t i = 0; i < model->findings.count && i < FINDINGS_SHOWN; i++) {
        const json_t *finding = model->findings.items[i];
        fprintf(out, "%sfinding %zu%s\n", style->red, i + 1, style->off);
        print_indented(out, wg_json_str(finding, "text", ""), "    ", FINDING_LINES_SHOWN);
        fputc('\n', out);
    }
    if (model->finding_count > FINDINGS_SHOWN)
        fprintf(out, "    … and %ld more findings in events.jsonl\n\n",
                model->finding_count - FINDINGS_SHOWN);
}

/* What the probe has seen, and what it has not: no finding means nothing where it was not. */
static void print_probed(const struct wg_model *model, FILE *out)
{
    for (size_t i = 0; i < model->probed.count; i++) {
        const json_t *probed = model->probed.items[i];
        struct wg_strv gaps = {0};
        if (!wg_json_str(probed, "off", "")[0])
            fprintf(out,
                    "         calls of %lld processes on the files of databases: %ld finding%s\n",
                    (long long)wg_json_int(probed, "processes", 0), model->finding_count,
                    model->finding_count == 1 ? "" : "s");
        wg_probed_gaps(probed, &gaps);
        for (size_t k = 0; k < gaps.count; k++)
            fprintf(out, "         not covered: %s\n", gaps.items[k]);
        wg_strv_finish(&gaps);
    }
}

static void print_kept(const struct wg_model *model, FILE *out)
{
    for (size_t i = 0; i < model->units.count; i++) {
        const char *kept = wg_json_str(model->units.items[i], "kept", "");
        if (kept[0])
            fprintf(out, "databases of the failed tests, as they were at the end: %s\n\n", kept);
    }
}

/* A command's tests are nobody's we know: how many ran at once and what they asked is theirs. */
static bool is_command(const struct wg_model *model)
{
    return wg_json_str(model->run_started, "tests", "")[0] != '\0';
}

static void print_modes(const struct wg_model *model, FILE *out)
{
    for (size_t m = 0; m < model->mode_count; m++) {
        const struct wg_mode_summary *mode = &model->modes[m];
        const char *meaning = mode->mode;
        for (size_t i = 0; i < sizeof mode_meanings / sizeof mode_meanings[0]; i++)
            if (strcmp(mode_meanings[i].mode, mode->mode) == 0)
                meaning = is_command(model) ? "the tests of a command, on one server"
                                            : mode_meanings[i].meaning;
        fprintf(out, "%-44s", meaning);
        for (int i = 0; i < WG_OUTCOME_COUNT; i++)
            if (mode->outcomes[i] > 0)
                fprintf(out, " %ld %s", mode->outcomes[i], wg_outcome_name((enum wg_outcome)i));
        fprintf(out, "  %.2f s", mode->ms / 1000);
        if (mode->rounds > 1)
            fprintf(out, "  (%ld rounds, %ld failed)", mode->rounds, mode->failed_rounds);
        fputc('\n', out);
    }
}

static int by_duration(const void *a, const void *b)
{
    double left = wg_json_real(*(json_t *const *)a, "ms", 0);
    double right = wg_json_real(*(json_t *const *)b, "ms", 0);
    return (left < right) - (left > right);
}

/* The slowest first. */
static void print_slow(const struct wg_model *model, const struct style *style, FILE *out)
{
    const json_t **slow = wg_calloc(model->finished.count + 1, sizeof *slow);
    size_t count = 0;
    for (size_t i = 0; i < model->finished.count; i++)
        if (wg_model_is_slow(model, model->finished.items[i]))
            slow[count++] = model->finished.items[i];
    qsort(slow, count, sizeof *slow, by_duration);
    for (size_t i = 0; i < count && i < SLOW_SHOWN; i++)
        fprintf(out, "%sslow:%s %s (%s) took %.2f s\n", style->yellow, style->off,
                wg_json_str(slow[i], "test", ""), wg_json_str(slow[i], "mode", ""),
                wg_json_real(slow[i], "ms", 0) / 1000);
    if (count > SLOW_SHOWN)
        fprintf(out, "slow: … and %zu more took longer than %.1f s (--slow)\n", count - SLOW_SHOWN,
                (double)wg_json_int(model->plan, "slow_ms", 0) / 1000);
    free(slow);
}

/* Skipped tests counted by reason, each reason where it comes first. */
static void print_skipped(const struct wg_model *model, FILE *out)
{
    const struct wg_event_list *all = &model->finished;
    json_t *counts = json_object();
    const char *reason;
    json_t *count;
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(wg_json_str(all->items[i], "outcome", ""), "skipped") != 0)
            continue;
        reason = wg_skip_reason(all->items[i]);
        json_object_set_new(counts, reason, json_integer(wg_json_int(counts, reason, 0) + 1));
    }
    json_object_foreach(counts, reason, count)
    {
        fprintf(out, "skipped: %lld x %s\n", (long long)json_integer_value(count), reason);
    }
    json_decref(counts);
}

static void print_checked(const struct wg_model *model, FILE *out)
{
    if (is_command(model))
        fputs("checked: requests not counted (the tests are a command)", out);
    else
        fprintf(out, "checked: %ld requests (%ld answered 5xx, %ld not at all)", model->requests,
                model->responses_5xx, model->transport_errors);
    if (model->statements >= 0)
        fprintf(out, ", %lld SQL statements", model->statements);
    else
        fputs(", SQL statements not counted (the server does not report them)", out);
    fprintf(
        out,
        "\n         result codes and messages in %zu server logs: %ld I/O, %ld corrupt, %ld busy\n",
        model->units.count, model->evidence_counts[WG_EVIDENCE_IO],
        model->evidence_counts[WG_EVIDENCE_CORRUPT], model->evidence_counts[WG_EVIDENCE_BUSY]);
    fprintf(out,
            "         %zu databases at the end: integrity, foreign keys, files of the family, %ld "
            "bad\n",
            model->verified.count, model->databases_bad);
    if (model->checks > 0)
        fprintf(out, "         data of %ld servers by the check command: %ld violations\n",
                model->checks, model->evidence_counts[WG_EVIDENCE_MODEL]);
    for (size_t i = 0; i < model->reset_count; i++)
        fprintf(out, "         %ld resets by %s: mean %.0f us, worst %.0f us\n",
                model->resets[i].count, model->resets[i].strategy,
                model->resets[i].us_total / (double)model->resets[i].count,
                model->resets[i].us_max);
    if (model->servers_killed > 0)
        fprintf(out, "         %ld servers did not stop on SIGTERM and were killed\n",
                model->servers_killed);
}

static void print_verdict(const struct wg_model *model, const struct style *style, FILE *out)
{
    enum wg_verdict verdict = wg_model_verdict(model);
    const char *tint = verdict == WG_VERDICT_PASS ? style->green : style->red;
    long tests = model->mode_count > 0 && model->modes[0].rounds > 0
                     ? wg_mode_total(&model->modes[0]) / model->modes[0].rounds
                     : (long)wg_json_int(model->plan, "selected", 0);
    fprintf(out, "%sverdict: %s%s  %ld tests x %zu mode%s, %ld I/O errors", tint,
            wg_verdict_name(verdict), style->off, tests, model->mode_count,
            model->mode_count == 1 ? "" : "s", wg_model_io_errors(model));
    if (!is_command(model))
        fprintf(out, " in %ld requests", model->requests);
    fprintf(out, ", %zu databases verified", model->verified.count - (size_t)model->databases_bad);
    if (model->finding_count > 0)
        fprintf(out, ", %ld finding%s", model->finding_count, model->finding_count == 1 ? "" : "s");
    fputc('\n', out);
}

/* What zero failures mean. The independent unit is the suite run: tests of one run share machine,
 * databases and load. */
static void print_meaning(const struct wg_model *model, FILE *out)
{
    long runs = 0, failed = 0;
    for (size_t m = 0; m < model->mode_count; m++) {
        /* Modes are different experiments: the one with the fewest runs decides what is known. */
        runs = m == 0 || model->modes[m].rounds < runs ? model->modes[m].rounds : runs;
        failed += model->modes[m].failed_rounds;
    }
    if (failed > 0 || runs == 0 || wg_model_verdict(model) != WG_VERDICT_PASS)
        return;
    double bound = wg_zero_failures_bound(runs);
    fprintf(
        out,
        "proves: 0 failures in %ld suite run%s per mode: the failure probability of a suite run is "
        "below %.*f %% (95 %% confidence)%s\n",
        runs, runs == 1 ? "" : "s", bound < 0.1 ? 1 : 0, bound * 100,
        runs < 59 ? "; --repeat 59 shows < 5 %" : "");
}

/* What the tries before the last said. */
static void print_flaky(const struct wg_model *model, const struct style *style, FILE *out)
{
    long flaky = 0;
    for (size_t m = 0; m < model->mode_count; m++)
        flaky += model->modes[m].outcomes[WG_OUTCOME_FLAKY];
    for (size_t i = 0; flaky > 0 && i < model->retried.count; i++) {
        const json_t *event = model->retried.items[i];
        fprintf(out, "%sfailed, then run again%s %s (%s)\n", style->yellow, style->off,
                wg_json_str(event, "test", ""), wg_json_str(event, "mode", ""));
        print_messages(event, out);
    }
}

/* Only where something ran more than once. */
static void print_rates(const struct wg_model *model, FILE *out)
{
    struct wg_rates rates;
    wg_rates_of(model, &rates);
    for (size_t i = 0; i < rates.count && i < RATES_SHOWN; i++) {
        const struct wg_rate *rate = &rates.items[i];
        struct wg_interval interval = wg_rate_interval(rate->failed, rate->runs);
        fprintf(out,
                "rate: %s (%s) failed %ld of %ld times: %.0f %%, 95 %% interval %.1f to %.1f %%\n",
                rate->test, rate->mode, rate->failed, rate->runs,
                100 * (double)rate->failed / (double)rate->runs, 100 * interval.low,
                100 * interval.high);
    }
    if (rates.count > RATES_SHOWN)
        fprintf(out, "rate: … and %zu more tests\n", rates.count - RATES_SHOWN);
    wg_rates_finish(&rates);
}

void wg_summary_print(const struct wg_model *model, const struct wg_summary_options *options,
                      FILE *out)
{
    struct style style = style_of(options->color);
    print_failures(model, &style, out);
    print_flaky(model, &style, out);
    print_list(&model->failed_units, "server failed", "message", &style, out);
    print_evidence(model, &style, out);
    print_findings(model, &style, out);
    print_kept(model, out);
    print_list(&model->errors, "harness error", "message", &style, out);
    print_modes(model, out);
    print_rates(model, out);
    print_slow(model, &style, out);
    print_skipped(model, out);
    print_checked(model, out);
    print_probed(model, out);
    print_verdict(model, &style, out);
    print_meaning(model, out);
    if (options->directory)
        fprintf(out, "run directory: %s\n", options->directory);
}
