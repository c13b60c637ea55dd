/* SPDX-License-Identifier: MIT */
/* text.c - findings in words and in JSON. */
#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/sqlite_code.h"
#include "harness/base/str.h"
#include "harness/diag/detector.h"
#include "harness/diag/diag.h"
#include "harness/diag/run_log.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_WIDTH    88
#define COMMAND_SHOWN 160 /* bytes */
#define PAGE_SUFFIX   ".md"
#define LINE_MAX_SIZE (16u << 10)

/* Words of a text in lines behind a label. */
static void put_wrapped(FILE *out, const char *label, const char *text)
{
    int column = fprintf(out, "  %-7s", label);
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column + 1 + (int)length > TEXT_WIDTH)
            column = fprintf(out, "\n         ") - 1;
        column += fprintf(out, " %.*s", (int)length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static char *title_of(const struct wg_finding *finding)
{
    const char *hole = strstr(finding->detector->title, "%s");
    return wg_format("%.*s%s%s", (int)(hole - finding->detector->title), finding->detector->title,
                     base_name(finding->database), hole + 2);
}

static const char *severity_prefix(const struct wg_detector *detector)
{
    return detector->severity == WG_DIAG_WARNING ? "warning: " : "";
}

/* The frames of the interpreter, else the native ones. */
static void put_where(FILE *out, const struct wg_finding *finding)
{
    const char *label = "where";
    for (const char *at = finding->event.script; *at; label = "") {
        size_t length = strcspn(at, "\n");
        fprintf(out, "  %-7s %.*s\n", label, (int)length, at);
        at += length + (at[length] == '\n');
    }
    for (size_t i = 0; !finding->event.script[0] && i < finding->stack.count; i++, label = "")
        fprintf(out, "  %-7s %s\n", label, finding->stack.items[i]);
}

/* Names in a row; a list that is full may have lost some. */
static void put_names(struct wg_buf *line, const char *label, const struct wg_strv *names)
{
    for (size_t i = 0; i < names->count; i++)
        wg_buf_printf(line, "%s%s", i == 0 ? label : ", ", names->items[i]);
    if (names->count == WG_FINDING_TESTS)
        wg_buf_puts(line, ", …");
}

static void put_moment(FILE *out, const struct wg_finding *finding)
{
    const struct wg_moment *moment = &finding->moment;
    struct wg_buf line;
    wg_buf_init(&line, LINE_MAX_SIZE);
    if (moment->who)
        put_wrapped(out, "part", moment->who);
    put_names(&line, "", &moment->tests);
    put_names(&line, "; under way: ", &moment->requests);
    if (line.size > 0)
        put_wrapped(out, "while", line.data);
    wg_buf_finish(&line);
}

static double seconds_after(const struct wg_finding *finding, const struct wg_effect *effect)
{
    return (double)(effect->first_ns - finding->event.time_ns) / (double)WG_NS_PER_S;
}

static void describe_effect(const struct wg_finding *finding, const struct wg_effect *effect,
                            struct wg_buf *line)
{
    wg_buf_printf(line, "%s%.3f s later ", effect->exact ? "" : "up to ",
                  seconds_after(finding, effect));
    if (effect->kind == WG_EFFECT_FINDING) {
        char *title = title_of(effect->finding);
        wg_buf_printf(line, "%s (%s)", title, effect->name);
        free(title);
    } else {
        wg_buf_printf(line, "%zu x ", effect->count);
        if (effect->code)
            wg_buf_printf(line, "%d %s", effect->code, effect->name);
        else
            wg_buf_printf(line, "'%s'", effect->name);
        if (effect->kind == WG_EFFECT_LOGGED)
            wg_buf_puts(line, " in SQLite's log");
    }
    for (size_t i = 0; i < effect->pid_count; i++)
        wg_buf_printf(line, "%s%d", i == 0 ? " in pid " : ", ", (int)effect->pids[i]);
    put_names(line, "; while ", &effect->tests);
}

/* What the mechanism explains comes first; of the rest only the order in time is known. */
static void put_effects(FILE *out, const struct wg_finding *finding)
{
    for (int explained = 1; explained >= 0; explained--) {
        const char *label = explained ? "led to" : "later";
        for (size_t i = 0; i < finding->effect_count; i++) {
            struct wg_buf line;
            if (finding->effects[i].explained != explained)
                continue;
            wg_buf_init(&line, LINE_MAX_SIZE);
            describe_effect(finding, &finding->effects[i], &line);
            put_wrapped(out, label, line.data);
            wg_buf_finish(&line);
            label = "";
        }
    }
}

void wg_finding_print(const struct wg_finding *finding, FILE *out)
{
    const struct wg_trace_event *event = &finding->event;
    char held[160];
    char *title = title_of(finding);
    wg_trace_held_text(event->record->held, held, sizeof held);
    fprintf(out, "%s: %s%s\n", finding->detector->id, severity_prefix(finding->detector), title);
    fprintf(out, "  who     pid %d thread %u: %.*s%s\n", (int)event->process->pid,
            event->record->tid, COMMAND_SHOWN, event->process->command,
            strlen(event->process->command) > COMMAND_SHOWN ? "…" : "");
    fprintf(out, "  call    %s", wg_trace_call_name(event->call));
    if (!wg_trace_type_is_sql(event->type))
        fprintf(out, ", fd %d, %s", event->record->fd, event->path);
    else if (event->text[0] || event->path[0])
        fprintf(out, ": %s", event->text[0] ? event->text : event->path);
    if (finding->locks_lost > 0)
        fprintf(out, "; it held {%s} there", held);
    fputc('\n', out);
    put_where(out, finding);
    if (finding->holder_count > 0) {
        fprintf(out, "  open in");
        for (size_t i = 0; i < finding->holder_count && i < 8; i++)
            fprintf(out, " pid %d%s", (int)finding->holders[i],
                    i + 1 < finding->holder_count ? "," : "");
        fputc('\n', out);
    }
    if (finding->faults_before > 0)
        fprintf(
            out,
            "  note    %zu fault%s injected into this database before (--fault): it may be what "
            "that led to\n",
            finding->faults_before, finding->faults_before == 1 ? " was" : "s were");
    if (finding->times > 1)
        fprintf(out, "  times   %zu from this place\n", finding->times);
    put_moment(out, finding);
    put_effects(out, finding);
    put_wrapped(out, "means", finding->detector->why);
    put_wrapped(out, "fix", finding->detector->fix);
    fprintf(out, "  more    walgrind explain %s\n", finding->detector->id);
    free(title);
}

static void put_codes(const struct wg_detector *detector, FILE *out)
{
    const struct wg_symptom *symptom = wg_detector_symptom(detector);
    struct wg_buf line;
    wg_buf_init(&line, LINE_MAX_SIZE);
    for (const int *code = symptom ? symptom->codes : NULL; code && *code; code++)
        wg_buf_printf(&line, "%s%d %s", line.size > 0 ? ", " : "", *code,
                      wg_sqlite_code_name(*code));
    if (line.size > 0)
        put_wrapped(out, "codes", line.data);
    wg_buf_finish(&line);
}

void wg_detector_print(const struct wg_detector *detector, FILE *out)
{
    const char *hole = strstr(detector->title, "%s");
    fprintf(out, "%s: %s%.*sa database%s\n", detector->id, severity_prefix(detector),
            (int)(hole - detector->title), detector->title, hole + 2);
    put_wrapped(out, "means", detector->why);
    put_wrapped(out, "fix", detector->fix);
    put_codes(detector, out);
    fprintf(out, "  page    docs/diagnosis/%s" PAGE_SUFFIX "\n", detector->id);
}

static json_t *text_of(const char *text)
{
    return wg_json_string_new(text, strlen(text));
}

static json_t *names_of(const struct wg_strv *names)
{
    json_t *list = json_array();
    for (size_t i = 0; i < names->count; i++)
        json_array_append_new(list, text_of(names->items[i]));
    return list;
}

static json_t *effects_of(const struct wg_finding *finding)
{
    static const char *const kinds[] = {[WG_EFFECT_ERROR] = "error",
                                        [WG_EFFECT_LOGGED] = "logged",
                                        [WG_EFFECT_FINDING] = "finding"};
    json_t *list = json_array();
    for (size_t i = 0; i < finding->effect_count; i++) {
        const struct wg_effect *effect = &finding->effects[i];
        json_t *pids = json_array();
        for (size_t j = 0; j < effect->pid_count; j++)
            json_array_append_new(pids, json_integer(effect->pids[j]));
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:o, s:I, s:f, s:b, s:b, s:o, s:o}", "kind",
                                        kinds[effect->kind], "code", effect->code, "name",
                                        text_of(effect->name), "count", (json_int_t)effect->count,
                                        "after_ms", seconds_after(finding, effect) * 1e3, "exact",
                                        effect->exact, "explained", effect->explained, "pids", pids,
                                        "tests", names_of(&effect->tests)));
    }
    return list;
}

json_t *wg_finding_json(const struct wg_finding *finding)
{
    const struct wg_trace_event *event = &finding->event;
    const struct wg_moment *moment = &finding->moment;
    char *title = title_of(finding);
    json_t *holders = json_array();
    for (size_t i = 0; i < finding->holder_count && i < 8; i++)
        json_array_append_new(holders, json_integer(finding->holders[i]));
    json_t *object =
        json_pack("{s:s, s:s, s:o, s:o, s:i, s:I, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:s, s:o}",
                  "id", finding->detector->id, "severity",
                  finding->detector->severity == WG_DIAG_WARNING ? "warning" : "error", "title",
                  text_of(title), "database", text_of(finding->database), "pid",
                  (int)event->process->pid, "tid", (json_int_t)event->record->tid, "command",
                  text_of(event->process->command), "call", wg_trace_call_name(event->call),
                  "at_mono_ns", (json_int_t)event->time_ns, "times", (json_int_t)finding->times,
                  "where", text_of(event->script), "stack", names_of(&finding->stack), "holders",
                  holders, "advice", finding->detector->fix, "effects", effects_of(finding));
    if (wg_trace_type_is_sql(event->type) && event->text[0])
        json_object_set_new(object, "sql", text_of(event->text));
    if (finding->faults_before > 0)
        json_object_set_new(object, "faults_before",
                            json_integer((json_int_t)finding->faults_before));
    if (moment->who)
        json_object_set_new(object, "who", text_of(moment->who));
    if (moment->unit)
        json_object_set_new(object, "unit", json_integer(moment->unit->number));
    if (moment->who || moment->unit) {
        json_object_set_new(object, "tests", names_of(&moment->tests));
        json_object_set_new(object, "requests", names_of(&moment->requests));
    }
    free(title);
    return object;
}
