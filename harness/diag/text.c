/* SPDX-License-Identifier: MIT */
/* text.c - findings in words and in JSON. */
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/diag/detector.h"
#include "harness/diag/diag.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_WIDTH   88
#define FRAMES_SHOWN 8

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

/* The frames of the interpreter, else the native ones as FILE+ADDRESS. */
static void put_where(FILE *out, const struct wg_finding *finding, const struct wg_trace *trace)
{
    const struct wg_trace_event *event = &finding->event;
    const char *label = "where";
    for (const char *at = event->script; *at; label = "") {
        size_t length = strcspn(at, "\n");
        fprintf(out, "  %-7s %.*s\n", label, (int)length, at);
        at += length + (at[length] == '\n');
    }
    if (event->script[0])
        return;
    for (size_t i = 0; i < event->frame_count && i < FRAMES_SHOWN; i++, label = "") {
        const char *path;
        uint64_t address;
        if (wg_trace_module(trace, event->process, event->frames[i], &path, &address) == 0)
            fprintf(out, "  %-7s %s+0x%llx\n", label, path, (unsigned long long)address);
    }
}

void wg_finding_print(const struct wg_finding *finding, const struct wg_trace *trace, FILE *out)
{
    const struct wg_trace_event *event = &finding->event;
    char held[160];
    char *title = title_of(finding);
    wg_trace_held_text(event->record->held, held, sizeof held);
    fprintf(out, "%s: %s\n", finding->detector->id, title);
    fprintf(out, "  who     pid %d thread %u: %s\n", (int)event->process->pid, event->record->tid,
            event->process->command);
    fprintf(out, "  call    %s, fd %d, %s", wg_trace_call_name(event->call), event->record->fd,
            event->path);
    if (finding->locks_lost > 0)
        fprintf(out, "; it held {%s} there", held);
    fputc('\n', out);
    put_where(out, finding, trace);
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
    put_wrapped(out, "means", finding->detector->why);
    put_wrapped(out, "fix", finding->detector->fix);
    fprintf(out, "  more    walgrind explain %s\n", finding->detector->id);
    free(title);
}

void wg_detector_print(const struct wg_detector *detector, FILE *out)
{
    const char *hole = strstr(detector->title, "%s");
    fprintf(out, "%s: %.*sa database%s\n", detector->id, (int)(hole - detector->title),
            detector->title, hole + 2);
    put_wrapped(out, "means", detector->why);
    put_wrapped(out, "fix", detector->fix);
}

json_t *wg_finding_json(const struct wg_finding *finding)
{
    const struct wg_trace_event *event = &finding->event;
    char *title = title_of(finding);
    json_t *holders = json_array();
    for (size_t i = 0; i < finding->holder_count && i < 8; i++)
        json_array_append_new(holders, json_integer(finding->holders[i]));
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:i, s:I, s:o, s:s, s:I, s:I, s:o, s:o, s:s}", "id",
                  finding->detector->id, "title", wg_json_string_new(title, strlen(title)),
                  "database", wg_json_string_new(finding->database, strlen(finding->database)),
                  "pid", (int)event->process->pid, "tid", (json_int_t)event->record->tid, "command",
                  wg_json_string_new(event->process->command, strlen(event->process->command)),
                  "call", wg_trace_call_name(event->call), "at_mono_ns", (json_int_t)event->time_ns,
                  "times", (json_int_t)finding->times, "where",
                  wg_json_string_new(event->script, strlen(event->script)), "holders", holders,
                  "advice", finding->detector->fix);
    if (finding->faults_before > 0)
        json_object_set_new(object, "faults_before",
                            json_integer((json_int_t)finding->faults_before));
    free(title);
    return object;
}
