/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/run_probe.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/diag/effect.h"
#include "harness/diag/run_log.h"
#include "harness/diag/symbol.h"
#include "harness/report/model.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wg_run_probe_begin(struct wg_run_probe *probe, enum wg_watch_how how, const char *unwanted,
                        const struct wg_run_directory *directory)
{
    struct wg_err err = WG_ERR_INIT;
    *probe = (struct wg_run_probe){.how = how, .events = directory->events};
    if (unwanted)
        probe->off = wg_strdup(unwanted);
    else if (wg_watch_is_watched())
        probe->off = wg_strdup("the run itself is watched by another walgrind");
    if (probe->off)
        return;
    probe->traces = wg_format("%s/trace", directory->path);
    if (wg_watch_begin(probe->traces, how, &err) != 0)
        probe->off = wg_strdup(err.message);
}

int wg_run_probe_command(const struct wg_run_probe *probe, struct wg_strv *command,
                         struct wg_err *err)
{
    return probe->off || command->count == 0 ? 0 : wg_watch_command(probe->how, command, err);
}

void wg_run_probe_add_program(struct wg_run_probe *probe, const char *name)
{
    char *path = wg_process_find(name);
    if (path)
        wg_strv_take(&probe->programs, path);
}

void wg_run_probe_add_gap(struct wg_run_probe *probe, const char *gap)
{
    for (size_t i = 0; i < probe->gaps.count; i++)
        if (strcmp(probe->gaps.items[i], gap) == 0)
            return;
    if (probe->gaps.count < WG_LIMIT_TRACE_GAPS)
        wg_strv_push(&probe->gaps, gap);
}

/* A server whose process has left no trace, or none since it became another program, ran without
 * the probe, for whatever reason. */
static void find_gaps(struct wg_run_probe *probe, const struct wg_trace *trace)
{
    const struct wg_run_log *run = &probe->units;
    struct wg_strv gaps = {0};
    wg_watch_gaps(trace, &probe->programs, &gaps);
    for (size_t i = 0; i < run->unit_count; i++) {
        pid_t pid = run->units[i].server_pid;
        const struct wg_trace_process *process = wg_trace_process_find(trace, pid, INT64_MAX);
        if (pid <= 0 || (process && process->state != WG_TRACE_EXECED))
            continue;
        char *gap = wg_format("the server of unit %lld (pid %d): it runs without the probe",
                              run->units[i].number, (int)pid);
        wg_run_probe_add_gap(probe, gap);
        free(gap);
    }
    for (size_t i = 0; i < gaps.count; i++)
        wg_run_probe_add_gap(probe, gaps.items[i]);
    wg_strv_finish(&gaps);
}

static char *text_of(const struct wg_finding *finding)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    wg_finding_print(finding, out);
    fclose(out);
    return text;
}

static void emit_finding(const struct wg_finding *finding, struct wg_event_log *log)
{
    json_t *members = wg_finding_json(finding);
    char *text = text_of(finding);
    json_object_set_new(members, "text", wg_json_text_new(text));
    json_object_set_new(members, "fails", json_boolean(wg_finding_is_error(finding)));
    json_object_set_new(members, "happened_ns",
                        json_integer(finding->event.time_ns - wg_event_log_base_ns(log)));
    wg_event_emit(log, WG_EVENT_FINDING, members);
    free(text);
}

/* Of processes that began since the last time. */
static void count(struct wg_run_probe *probe, const struct wg_trace *trace)
{
    for (size_t i = 0; i < wg_trace_process_count(trace); i++) {
        const struct wg_trace_process *process = wg_trace_process_at(trace, i);
        if (process->start_ns <= probe->since_ns)
            continue;
        probe->processes++;
        probe->records += (int64_t)process->records;
        probe->lost += (int64_t)(process->rare_dropped + process->strings_lost);
    }
}

/* The events are read again only when there is something to join them with. */
static int tell(struct wg_run_probe *probe, const struct wg_trace *trace,
                struct wg_findings *findings, struct wg_event_log *log, struct wg_err *err)
{
    struct wg_run_log run = {0};
    int rc = 0;
    if (findings->count > 0)
        rc = wg_events_read(probe->events, wg_run_log_apply, &run, err);
    if (rc == 0 && findings->count > 0) {
        wg_diag_join(trace, &run, findings);
        wg_diag_symbolise(trace, findings);
    }
    for (size_t i = 0; rc == 0 && i < findings->count; i++)
        if (findings->items[i].event.time_ns > probe->since_ns) {
            emit_finding(&findings->items[i], log);
            probe->told++;
        }
    wg_run_log_finish(&run);
    return rc;
}

/* Looks at all traces that are there. */
static int look(struct wg_run_probe *probe, struct wg_event_log *log, struct wg_err *err)
{
    struct wg_trace *trace = NULL;
    struct wg_findings findings;
    if (wg_trace_open(probe->traces, &trace, err) != 0)
        return -1;
    wg_diag_run(trace, &findings);
    int rc = tell(probe, trace, &findings, log, err);
    wg_findings_finish(&findings);
    find_gaps(probe, trace);
    count(probe, trace);
    wg_trace_destroy(trace);
    return rc;
}

void wg_run_probe_hear(void *object, enum wg_event_kind kind, const json_t *event)
{
    struct wg_run_probe *probe = object;
    if (kind == WG_EVENT_UNIT_STARTED && !probe->off)
        wg_run_log_apply(&probe->units, kind, event);
}

/* Those of ended processes; what still runs, as the suite binary, goes on writing its own. */
static void delete_traces(const char *directory)
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    while (entries && (entry = readdir(entries)) != NULL) {
        long pid;
        if (!wg_str_ends(entry->d_name, WG_TRACE_SUFFIX))
            continue;
        char *number = wg_strndup(entry->d_name, strcspn(entry->d_name, "-"));
        bool ended = wg_str_to_long(number, 1, INT32_MAX, &pid) == 0 && kill((pid_t)pid, 0) != 0 &&
                     errno == ESRCH;
        free(number);
        if (ended)
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries)
        closedir(entries);
}

int wg_run_probe_digest(struct wg_run_probe *probe, struct wg_event_log *log, struct wg_err *err)
{
    uint64_t bytes = 0;
    if (probe->off || wg_tree_size(probe->traces, &bytes, err) != 0)
        return probe->off ? 0 : -1;
    if (bytes <= WG_LIMIT_TRACE_KEPT)
        return 0;
    int64_t now_ns = wg_clock_now_ns();
    if (look(probe, log, err) != 0)
        return -1;
    probe->since_ns = now_ns;
    wg_run_log_finish(&probe->units); /* their servers have ended, and their traces may go */
    if (probe->told == 0 || bytes > 4 * (uint64_t)WG_LIMIT_TRACE_KEPT)
        delete_traces(probe->traces);
    return 0;
}

int wg_run_probe_conclude(struct wg_run_probe *probe, struct wg_event_log *log, struct wg_err *err)
{
    if (probe->off) {
        wg_event_emit(log, WG_EVENT_PROBED,
                      json_pack("{s:o}", "off", wg_json_text_new(probe->off)));
        return 0;
    }
    int rc = look(probe, log, err);
    json_t *gaps = json_array();
    for (size_t i = 0; i < probe->gaps.count; i++)
        json_array_append_new(gaps, wg_json_text_new(probe->gaps.items[i]));
    wg_event_emit(log, WG_EVENT_PROBED,
                  json_pack("{s:I, s:I, s:I, s:o}", "processes", (json_int_t)probe->processes,
                            "records", (json_int_t)probe->records, "lost", (json_int_t)probe->lost,
                            "not_covered", gaps));
    return rc;
}

void wg_run_probe_finish(struct wg_run_probe *probe)
{
    wg_strv_finish(&probe->programs);
    wg_strv_finish(&probe->gaps);
    wg_run_log_finish(&probe->units);
    free(probe->off);
    free(probe->traces);
    *probe = (struct wg_run_probe){0};
}
