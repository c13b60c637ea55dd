/* SPDX-License-Identifier: MIT */
/*
 * model.h - what a run has shown, computed from its events and from nothing else.
 *
 * The same fold serves the live terminal and a report made years later from events.jsonl. It keeps
 * references to the events that reports print (finished tests, evidence, verified databases) and
 * counts of the rest.
 *
 * The verdict is PASS only when everything that must be there is there: a run whose record ends
 * before "run-finished", or in which nothing ran, is never a pass.
 */
#ifndef WG_HARNESS_REPORT_MODEL_H
#define WG_HARNESS_REPORT_MODEL_H

#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/wire/events.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A growing list of event references. */
struct wg_event_list {
    json_t **items;
    size_t count, room;
};

/* The counts of one mode, over all its rounds. */
struct wg_mode_summary {
    char mode[16];
    long rounds;        /* finished ones */
    long failed_rounds; /* rounds with a failure or failing evidence */
    double ms;          /* of all rounds */
    long outcomes[WG_OUTCOME_COUNT];
};

#define WG_MODEL_MODES_MAX 4

/* Resets of one strategy. */
struct wg_reset_summary {
    char strategy[24];
    long count;
    double us_total, us_max;
};

#define WG_MODEL_STRATEGIES_MAX 8

enum wg_verdict {
    WG_VERDICT_PASS,
    WG_VERDICT_FAIL,
    WG_VERDICT_INCOMPLETE, /* interrupted, or the record ends before the run did */
    WG_VERDICT_ERROR,      /* the harness could not do its work */
};

struct wg_model {
    json_t *run_started; /* NULL before it was seen; the same below */
    json_t *plan;
    json_t *run_finished;
    struct wg_event_list finished; /* "test-finished", in order; the last try of each */
    struct wg_event_list retried;  /* the tries before it */
    struct wg_event_list evidence; /* at most WG_LIMIT_EVIDENCE; counts below hold all */
    struct wg_event_list verified;
    struct wg_event_list failed_units; /* "unit-failed" and "server-died" */
    struct wg_event_list units;        /* "unit-finished" */
    struct wg_event_list errors;       /* "internal-error" */
    struct wg_event_list findings;     /* "finding"; at most WG_LIMIT_EVIDENCE */
    struct wg_event_list probed;       /* "probed", one a run */

    struct wg_mode_summary modes[WG_MODEL_MODES_MAX];
    size_t mode_count;
    struct wg_reset_summary resets[WG_MODEL_STRATEGIES_MAX];
    size_t reset_count;
    long reset_failures;
    long evidence_counts[WG_EVIDENCE_COUNT];
    long requests; /* of the tests */
    long responses_5xx;
    long transport_errors; /* requests without an answer */
    long long statements;  /* SQL, as the servers counted them; -1 when none did */
    long databases_bad;
    long finding_count, findings_failing; /* of them those that fail the run */
    long checks;                          /* units that the check command looked at */
    long servers_killed;                  /* that ignored SIGTERM */
    bool interrupted;
    bool flaky_fails;  /* policy of the run: --flaky=fail */
    bool round_failed; /* of the round that runs: private */
    json_t *isolated;  /* test -> did it pass every time when isolated: private */
};

void wg_model_init(struct wg_model *model);
void wg_model_finish(struct wg_model *model);

/* Takes in one event. */
void wg_model_apply(struct wg_model *model, enum wg_event_kind kind, const json_t *event);

/*
 * Calls `apply` for every event of the record, in order; kinds that are not known come as
 * WG_EVENT_COUNT. A last line without newline was cut by the end of its run
 * and is passed over; any other line that is no event is an error with its number.
 */
int wg_events_read(const char *events_path,
                   void (*apply)(void *context, enum wg_event_kind kind, const json_t *event),
                   void *context, struct wg_err *err);
/* Takes in all events of a record; of several records, one after another, the model shows the sum.
 */
int wg_model_read(struct wg_model *model, const char *events_path, struct wg_err *err);

/* All tests of a mode, over its rounds; those that failed. */
long wg_mode_total(const struct wg_mode_summary *mode);
long wg_mode_failed(const struct wg_mode_summary *mode);

enum wg_verdict wg_model_verdict(const struct wg_model *model);
/* The exit code of a verdict: 0, 1, 3, 3. */
int wg_verdict_exit_code(enum wg_verdict verdict);
const char *wg_verdict_name(enum wg_verdict verdict);

/* Failing outcomes, failing evidence and failing findings, over all modes. */
long wg_model_failures(const struct wg_model *model);
long wg_model_io_errors(const struct wg_model *model);
bool wg_outcome_is_failure(enum wg_outcome outcome);
const char *wg_outcome_name(enum wg_outcome outcome);
/* The outcome by name, WG_OUTCOME_COUNT when there is none of that name. */
enum wg_outcome wg_outcome_of(const char *name);
bool wg_evidence_fails(enum wg_evidence_class class_);

/* What of the calls of the processes was not seen, by an event "probed", a line each; no finding
 * means nothing there. Lines are added to `gaps`. */
void wg_probed_gaps(const json_t *probed, struct wg_strv *gaps);
/* The same of the whole run. */
void wg_model_gaps(const struct wg_model *model, struct wg_strv *gaps);

/*
 * True when a failed test's failure depends on concurrency: it failed in the swarm and passed every
 * time when isolated. `finished` is one of model->finished.
 */
bool wg_model_is_concurrency_dependent(const struct wg_model *model, const json_t *finished);
/* True when it took longer than --slow said; never for one that failed. */
bool wg_model_is_slow(const struct wg_model *model, const json_t *finished);

/*
 * The upper 95 % confidence bound of a failure rate after `runs` independent runs without failure:
 * 1 - 0.05^(1/runs) (exact; about 3/runs, the "rule of three": Hanley and Lippman-Hand, JAMA 1983).
 */
double wg_zero_failures_bound(long runs);

#endif
