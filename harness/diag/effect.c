/* SPDX-License-Identifier: MIT */
#include "harness/diag/effect.h"

#include "harness/base/sqlite_code.h"
#include "harness/base/str.h"
#include "harness/diag/detector.h"

#include <stdlib.h>
#include <string.h>

#define SQLITE_ROW  100
#define SQLITE_DONE 101

/* An error at a moment, from whatever source. */
struct sighting {
    const char *database;           /* NULL: any of the unit's */
    const struct wg_run_unit *unit; /* NULL unknown */
    const struct wg_trace_process *process;
    const char *test; /* NULL: to be told from the moment */
    const char *message;
    int code;
    bool logged;
    int64_t after_ns; /* it happened after this moment... */
    int64_t time_ns;  /* ...and was seen at this one; the same when it is exact */
};

struct join {
    const struct wg_trace *trace;
    const struct wg_run_log *run; /* NULL: no events */
    struct sighting *sightings;
    size_t count, room;
};

static void add_name(struct wg_strv *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return;
    if (list->count < WG_FINDING_TESTS)
        wg_strv_push(list, name);
}

/* --- the moment ----------------------------------------------------------------------------- */

/* The test of a suite binary in whose process, or a child of it, the call was made. The tests of a
 * command share a process, which tells nothing of which one it was. */
static const struct wg_run_attempt *attempt_of(const struct join *join,
                                               const struct wg_trace_process *process,
                                               int64_t time_ns)
{
    for (size_t i = join->run->command ? 0 : join->run->attempt_count; i-- > 0;) {
        const struct wg_run_attempt *attempt = &join->run->attempts[i];
        if (wg_run_attempt_covers(attempt, time_ns) &&
            wg_trace_process_descends(join->trace, process, attempt->pid))
            return attempt;
    }
    return NULL;
}

static bool is_of_command(const struct join *join, const struct wg_trace_process *process)
{
    for (size_t i = 0; join->run->command && i < join->run->attempt_count; i++)
        if (wg_trace_process_descends(join->trace, process, join->run->attempts[i].pid))
            return true;
    return false;
}

static bool is_request_of(const struct wg_run_request *request,
                          const struct wg_run_attempt *attempt, int64_t time_ns)
{
    return request->attempt == attempt->number && request->begin_ns <= time_ns &&
           time_ns <= request->end_ns;
}

/*
 * The tests that ran on the unit at that moment; of several, those with a request under way, and
 * of these, for an error, those whose request was answered with 5xx.
 */
static void tests_at(const struct wg_run_log *run, const struct wg_run_unit *unit, int64_t time_ns,
                     bool error, struct wg_strv *ret_tests, struct wg_strv *ret_requests)
{
    struct wg_strv all = {0}, asking = {0}, failed = {0};
    for (size_t i = 0; i < run->attempt_count; i++) {
        const struct wg_run_attempt *attempt = &run->attempts[i];
        if (attempt->unit != unit->number || !wg_run_attempt_covers(attempt, time_ns))
            continue;
        add_name(&all, attempt->test);
        for (size_t j = 0; j < run->request_count; j++) {
            if (!is_request_of(&run->requests[j], attempt, time_ns))
                continue;
            add_name(&asking, attempt->test);
            if (run->requests[j].status >= 500)
                add_name(&failed, attempt->test);
            if (ret_requests)
                add_name(ret_requests, run->requests[j].line);
        }
    }
    const struct wg_strv *best = error && failed.count > 0 ? &failed
                                 : asking.count > 0        ? &asking
                                                           : &all;
    /* A list that is full names nobody: the results of a command came all at its end. */
    for (size_t i = 0; i < best->count && (!run->command || best->count < WG_FINDING_TESTS); i++)
        add_name(ret_tests, best->items[i]);
    wg_strv_finish(&all);
    wg_strv_finish(&asking);
    wg_strv_finish(&failed);
}

static void find_moment(const struct join *join, struct wg_finding *finding)
{
    struct wg_moment *moment = &finding->moment;
    const struct wg_trace_process *process = finding->event.process;
    int64_t time_ns = finding->event.time_ns;
    if (!join->run)
        return;
    moment->unit = wg_run_log_unit_of(join->run, finding->database);
    const struct wg_run_attempt *attempt = attempt_of(join, process, time_ns);
    if (moment->unit && wg_trace_process_descends(join->trace, process, moment->unit->server_pid)) {
        moment->who =
            wg_format("the server of unit %lld (%s)", moment->unit->number, moment->unit->mode);
    } else if (attempt) {
        moment->who = wg_format("the test %s itself, not the server", attempt->test);
        add_name(&moment->tests, attempt->test);
        return;
    } else if (is_of_command(join, process)) {
        moment->who = wg_strdup("the tests, not the server");
    }
    if (moment->unit)
        tests_at(join->run, moment->unit, time_ns, false, &moment->tests, &moment->requests);
}

void wg_moment_finish(struct wg_moment *moment)
{
    free(moment->who);
    wg_strv_finish(&moment->tests);
    wg_strv_finish(&moment->requests);
}

/* --- sightings ------------------------------------------------------------------------------ */

static bool is_sql(enum wg_trace_type type)
{
    return type >= WG_TRACE_SQL_OPEN && type <= WG_TRACE_SQL_BACKUP;
}

static struct sighting *add_sighting(struct join *join)
{
    if (join->count == join->room) {
        join->room = join->room ? 2 * join->room : 64;
        join->sightings = wg_realloc(join->sightings, join->room * sizeof *join->sightings);
    }
    struct sighting *sighting = &join->sightings[join->count++];
    *sighting = (struct sighting){0};
    return sighting;
}

/* What SQLite's API returned and its log said. A log entry that names no database is of nobody. */
static void see_trace(struct join *join)
{
    for (size_t i = 0; i < wg_trace_count(join->trace); i++) {
        struct wg_trace_event event;
        const struct wg_trace_record *record = wg_trace_record_at(join->trace, i);
        int code = record->error;
        if (!is_sql((enum wg_trace_type)record->type) || code == 0 || code == SQLITE_ROW ||
            code == SQLITE_DONE)
            continue;
        wg_trace_get(join->trace, i, &event);
        if (!event.database[0] && event.type != WG_TRACE_SQL_LOG)
            continue;
        *add_sighting(join) = (struct sighting){.database = event.database,
                                                .process = event.process,
                                                .message = event.text,
                                                .code = code,
                                                .logged = event.type == WG_TRACE_SQL_LOG,
                                                .after_ns = event.time_ns,
                                                .time_ns = event.time_ns};
    }
}

/* The moment after which something must have happened that was read at `time_ns` without saying
 * when: a log is read whenever a test of the unit has ended, so it is what came since the last but
 * one. */
static int64_t unread_since(const struct wg_run_log *run, long long unit, int64_t time_ns)
{
    int64_t last = 0, before = 0;
    for (size_t i = 0; i < run->attempt_count; i++) {
        int64_t end_ns = run->attempts[i].end_ns;
        if (run->attempts[i].unit != unit || end_ns > time_ns)
            continue;
        if (end_ns > last) {
            before = last;
            last = end_ns;
        } else if (end_ns > before) {
            before = end_ns;
        }
    }
    return before;
}

static int64_t begin_of_test(const struct wg_run_log *run, const struct wg_run_evidence *evidence)
{
    for (size_t i = run->attempt_count; i-- > 0;) {
        const struct wg_run_attempt *attempt = &run->attempts[i];
        if (attempt->unit == evidence->unit && attempt->begin_ns <= evidence->time_ns &&
            strcmp(attempt->test, evidence->test) == 0)
            return attempt->begin_ns;
    }
    return 0;
}

static void see_evidence(struct join *join)
{
    for (size_t i = 0; join->run && i < join->run->evidence_count; i++) {
        const struct wg_run_evidence *evidence = &join->run->evidence[i];
        *add_sighting(join) = (struct sighting){
            .unit = wg_run_log_unit(join->run, evidence->unit),
            .database = evidence->file[0] ? evidence->file : NULL,
            .test = evidence->test[0] ? evidence->test : NULL,
            .message = evidence->message,
            .code = evidence->code,
            .after_ns = evidence->test[0]
                            ? begin_of_test(join->run, evidence)
                            : unread_since(join->run, evidence->unit, evidence->time_ns),
            .time_ns = evidence->time_ns,
        };
    }
}

/* --- effects -------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* On the finding's database, as far as the sighting says which one. */
static bool concerns(const struct sighting *sighting, const struct wg_finding *finding)
{
    if (sighting->process && sighting->logged && !sighting->database[0])
        return strstr(sighting->message, finding->database) != NULL;
    if (sighting->process)
        return strcmp(sighting->database, finding->database) == 0;
    if (!sighting->unit || sighting->unit != finding->moment.unit)
        return false;
    return !sighting->database ||
           strcmp(base_name(sighting->database), base_name(finding->database)) == 0;
}

/* The message of a known error inside a text, NULL when there is none. */
static const char *known_message(const char *text)
{
    static const int codes[] = {10, 11, 13, 14, 15, 26, 8, 5, 6};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strstr(text, wg_sqlite_code_message(codes[i])))
            return wg_sqlite_code_message(codes[i]);
    return NULL;
}

/*
 * The effect to which a sighting belongs, NULL when it begins a new one. What a log or an answer
 * says of an error that a call returned is the same error.
 */
static struct wg_effect *effect_for(struct wg_finding *finding, const struct sighting *sighting)
{
    for (size_t i = 0; i < finding->effect_count; i++) {
        struct wg_effect *effect = &finding->effects[i];
        if (effect->kind == WG_EFFECT_FINDING)
            continue;
        if (sighting->code != 0 && effect->code == sighting->code)
            return effect;
        const char *message = effect->code ? wg_sqlite_code_message(effect->code) : effect->name;
        if (sighting->code == 0 && message && strstr(sighting->message, message))
            return effect;
    }
    return NULL;
}

static bool explains(const struct wg_detector *detector, int code)
{
    const struct wg_symptom *symptom = wg_detector_symptom(detector);
    for (const int *known = symptom ? symptom->codes : NULL; code && known && *known; known++)
        if (*known == code)
            return true;
    return false;
}

static bool leads_to(const struct wg_detector *detector, const struct wg_detector *later)
{
    const struct wg_symptom *symptom = wg_detector_symptom(detector);
    return symptom && symptom->leads_to && strcmp(symptom->leads_to, later->id) == 0;
}

static struct wg_effect *add_effect(struct wg_finding *finding)
{
    finding->effects =
        wg_realloc(finding->effects, (finding->effect_count + 1) * sizeof *finding->effects);
    struct wg_effect *effect = &finding->effects[finding->effect_count++];
    *effect = (struct wg_effect){0};
    return effect;
}

static void add_pid(struct wg_effect *effect, pid_t pid)
{
    for (size_t i = 0; i < effect->pid_count; i++)
        if (effect->pids[i] == pid)
            return;
    if (effect->pid_count < WG_EFFECT_PIDS)
        effect->pids[effect->pid_count++] = pid;
}

static void add_tests(const struct join *join, const struct wg_finding *finding,
                      const struct sighting *sighting, struct wg_effect *effect)
{
    if (!join->run)
        return;
    const struct wg_run_attempt *attempt =
        sighting->process ? attempt_of(join, sighting->process, sighting->time_ns) : NULL;
    if (sighting->test)
        add_name(&effect->tests, sighting->test);
    else if (attempt)
        add_name(&effect->tests, attempt->test);
    else if (sighting->process && finding->moment.unit)
        tests_at(join->run, finding->moment.unit, sighting->time_ns, true, &effect->tests, NULL);
}

static void take_sighting(const struct join *join, struct wg_finding *finding,
                          const struct sighting *sighting)
{
    bool exact = sighting->process != NULL;
    struct wg_effect *effect = effect_for(finding, sighting);
    if (!effect) {
        effect = add_effect(finding);
        effect->kind = sighting->logged ? WG_EFFECT_LOGGED : WG_EFFECT_ERROR;
        effect->code = sighting->code;
        effect->name =
            sighting->code ? wg_sqlite_code_name(sighting->code) : known_message(sighting->message);
        if (!effect->name)
            effect->name = "an answer 5xx, or another sign of trouble";
        effect->first_ns = sighting->time_ns;
        effect->exact = exact;
        effect->explained = explains(finding->detector, sighting->code);
    } else if (effect->kind == WG_EFFECT_LOGGED && !sighting->logged) {
        effect->kind = WG_EFFECT_ERROR; /* what the log said first, then the call returned */
        effect->count = 0;
    }
    /* The log repeats what calls return, and the application's log what SQLite said. */
    if (effect->exact == exact && sighting->logged == (effect->kind == WG_EFFECT_LOGGED))
        effect->count++;
    if (sighting->process)
        add_pid(effect, sighting->process->pid);
    add_tests(join, finding, sighting, effect);
}

static void take_finding(struct wg_finding *cause, const struct wg_finding *later)
{
    struct wg_effect *effect = add_effect(cause);
    *effect = (struct wg_effect){.kind = WG_EFFECT_FINDING,
                                 .name = later->detector->id,
                                 .finding = later,
                                 .first_ns = later->event.time_ns,
                                 .exact = true,
                                 .explained = leads_to(cause->detector, later->detector),
                                 .count = later->times,
                                 .pids = {later->event.process->pid},
                                 .pid_count = 1};
}

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const struct wg_effect *)a)->first_ns;
    int64_t right = ((const struct wg_effect *)b)->first_ns;
    return (left > right) - (left < right);
}

static void find_effects(const struct join *join, struct wg_findings *findings,
                         struct wg_finding *finding)
{
    int64_t time_ns = finding->event.time_ns;
    /* Those with a moment first, so that what a log says later finds them. */
    for (int inexact = 0; inexact < 2; inexact++)
        for (size_t i = 0; i < join->count; i++)
            if ((join->sightings[i].process == NULL) == inexact &&
                join->sightings[i].after_ns > time_ns && concerns(&join->sightings[i], finding))
                take_sighting(join, finding, &join->sightings[i]);
    for (size_t i = 0; i < findings->count; i++) {
        const struct wg_finding *later = &findings->items[i];
        if (later->event.time_ns > time_ns && later->detector != finding->detector &&
            strcmp(later->database, finding->database) == 0)
            take_finding(finding, later);
    }
    if (finding->effect_count > 0)
        qsort(finding->effects, finding->effect_count, sizeof *finding->effects, by_time);
}

void wg_diag_join(const struct wg_trace *trace, const struct wg_run_log *run,
                  struct wg_findings *findings)
{
    struct join join = {.trace = trace, .run = run};
    if (findings->count == 0)
        return;
    see_trace(&join);
    see_evidence(&join);
    for (size_t i = 0; i < findings->count; i++)
        find_moment(&join, &findings->items[i]);
    for (size_t i = 0; i < findings->count; i++)
        find_effects(&join, findings, &findings->items[i]);
    free(join.sightings);
}

void wg_effects_finish(struct wg_effect *effects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wg_strv_finish(&effects[i].tests);
    free(effects);
}
