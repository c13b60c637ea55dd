/* SPDX-License-Identifier: MIT */
/*
 * plan.h - the procedure of a bisection: given what is known, what is to be done next.
 *
 *   bracket  run BAD until it failed `bracket_failures` times (gives a first idea of the failure
 *            rate), then GOOD until "already bad at GOOD" is improbable;
 *   search   run what choose.h says until one group of commits has the stated confidence;
 *   confirm  the culprit itself must have failed, and each of its parents must have passed so often
 *            that a bad commit would have done so with at most probability 1 - confidence. Every
 *            run has a seed of its own, so the runs of the search count here as well and this
 *            phase only adds what is lacking.
 *
 * All runs are evidence, whatever they were made for; when the confirmation shows something else
 * than expected, the posterior falls and the search goes on by itself.
 *
 * Before all of it the caller may look for the way to run BAD that makes it fail most often
 * (provoke.h).
 *
 * A plan is a pure function of its arguments: the simulation and the real driver share it.
 */
#ifndef WG_HARNESS_BISECT_PLAN_H
#define WG_HARNESS_BISECT_PLAN_H

#include "harness/bisect/choose.h"

/* X(identifier, name, one sentence) */
#define WG_BISECT_STEPS(X)                                                                         \
    X(RUN, "run", "more runs are needed")                                                          \
    X(FOUND, "found", "one group of commits has the stated confidence")                            \
    X(GOOD_FAILS, "good-fails", "the good end fails as well")                                      \
    X(BAD_PASSES, "bad-passes", "the bad end never failed")                                        \
    X(END_UNTESTABLE, "end-untestable", "the good or the bad end cannot be tested")                \
    X(BUDGET, "budget", "the budget is used up")                                                   \
    X(STUCK, "stuck", "no commit that can be tested would tell more")

enum wg_bisect_step {
#define WG_BISECT_STEP_ENUM(identifier, name, meaning) WG_BISECT_##identifier,
    WG_BISECT_STEPS(WG_BISECT_STEP_ENUM)
#undef WG_BISECT_STEP_ENUM
        WG_BISECT_STEP_COUNT
};

enum wg_bisect_phase {
    WG_BISECT_PHASE_PROVOKE, /* of the caller, by provoke.h: a plan never says it */
    WG_BISECT_PHASE_BAD,
    WG_BISECT_PHASE_GOOD,
    WG_BISECT_PHASE_SEARCH,
    WG_BISECT_PHASE_CONFIRM,
};

struct wg_bisect_goal {
    double confidence;         /* of the answer, 0.5 to 0.9999 */
    unsigned budget;           /* most runs in all, 0 for no bound */
    unsigned spent;            /* runs of it that the tally does not hold */
    double build_cost;         /* price of a build in runs */
    double already_bad;        /* prior probability of "already bad at GOOD" */
    unsigned bracket_failures; /* failures wanted at BAD */
    unsigned bracket_runs;     /* runs of BAD without a failure after which it is given up */
    size_t slots;              /* commits that can be tested at a time */
};

#define WG_BISECT_GOAL_INIT                                                                        \
    ((struct wg_bisect_goal){.confidence = 0.95,                                                   \
                             .build_cost = 4,                                                      \
                             .already_bad = 0.05,                                                  \
                             .bracket_failures = 3,                                                \
                             .bracket_runs = 300,                                                  \
                             .slots = 1})

struct wg_bisect_plan {
    enum wg_bisect_step step;
    enum wg_bisect_phase phase;
    struct wg_bisect_choice choices[WG_BISECT_CHOICES]; /* of step WG_BISECT_RUN */
    size_t choice_count;
    size_t best;             /* the most probable hypothesis of the most probable group */
    double best_probability; /* of that group */
    size_t group_size;       /* hypotheses in that group */
};

/* Brings `posterior` up to date with `tally` (an element per node) and says what to do next. */
void wg_bisect_plan_next(struct wg_bisect_posterior *posterior, const struct wg_bisect_tally *tally,
                         const struct wg_bisect_goal *goal, struct wg_bisect_plan *ret_plan);

/* The name and the meaning of a step, as in the table above. */
const char *wg_bisect_step_name(enum wg_bisect_step step);
const char *wg_bisect_step_meaning(enum wg_bisect_step step);

/*
 * The smallest set of hypotheses, most probable first, that holds `mass` of the posterior. Writes
 * their numbers to `ret_set` (room for one per node) and returns how many.
 */
size_t wg_bisect_credible_set(const struct wg_bisect_posterior *posterior, double mass,
                              size_t *ret_set);

/* Runs made so far, skipped ones among them. */
unsigned wg_bisect_runs(const struct wg_bisect_tally *tally, size_t count);

#endif
