/* SPDX-License-Identifier: MIT */
#include "suites/unit/fuzz_look.h"

#include "harness/diag/effect.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t look_at_event(const struct wg_trace *trace, const struct wg_trace_event *event)
{
    char words[64];
    size_t sum = strlen(event->path) + strlen(event->text) + strlen(event->script);
    wg_trace_held_text(event->record->held, words, sizeof words);
    for (size_t i = 0; i < event->frame_count; i++) {
        const char *path = "";
        uint64_t address = 0;
        wg_trace_module(trace, event->process, event->frames[i], &path, &address);
        sum += strlen(path) + (size_t)address;
    }
    return sum + strlen(words);
}

/* The text goes nowhere, but every string of it is read. Native frames are not looked up: that
 * would read whatever files the input names. */
static void look_at_findings(const struct wg_trace *trace, FILE *nowhere)
{
    struct wg_findings findings;
    wg_diag_run(trace, &findings);
    wg_diag_join(trace, NULL, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        const struct wg_finding *finding = &findings.items[i];
        json_t *object = wg_finding_json(finding);
        if (!object || finding->times == 0 ||
            (i > 0 && finding->event.time_ns < findings.items[i - 1].event.time_ns))
            abort();
        json_decref(object);
        wg_finding_print(finding, nowhere);
    }
    wg_findings_finish(&findings);
}

void wg_fuzz_look(const struct wg_trace *trace)
{
    size_t sum = 0;
    FILE *nowhere = fopen("/dev/null", "we");
    if (!nowhere)
        abort();
    for (size_t i = 0; i < wg_trace_process_count(trace); i++)
        sum += strlen(wg_trace_process_at(trace, i)->command);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        sum += look_at_event(trace, &event);
    }
    if (sum == SIZE_MAX)
        abort();
    look_at_findings(trace, nowhere);
    fclose(nowhere);
}
