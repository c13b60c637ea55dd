/* SPDX-License-Identifier: MIT */
/*
 * bisect_sim.c - how often bisection is right and what it costs, measured on made-up histories.
 *
 * Every trial draws a culprit, answers each run by a coin with the case's failure rates and lets
 * wg_bisect_plan_next() lead, which is the very function that `walgrind bisect` obeys. Beside it,
 * plain bisection with 1, 5 and 10 runs per commit on the same culprit. All randomness comes
 * from the seed that is printed.
 *
 * "runs" counts every run: provoking, bracket, search and confirmation. "builds" counts the
 * distinct commits run other than the two ends, which a plain bisection takes for granted and never
 * builds.
 *
 * Exit code 1 when a case misses its target: success below the stated confidence by more than one
 * point and by more than chance explains (two standard errors), or more runs or builds than the
 * ceiling of its row (plus two standard errors of the mean), or when a choice of the next step took
 * too much processor time.
 *
 * To add a case: a row of `cases`.
 */
#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/bisect/plan.h"
#include "harness/bisect/provoke.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAG_COMMITS 960
#define DAG_MERGES  113
#define RUNS_MAX    20000 /* budget of one trial */
#define PLAN_MS_MAX 50    /* most that any choice of the next step may take */

struct sim_case {
    const char *name;
    bool dag;
    double bad_rate;     /* p1 */
    double noise;        /* p0 */
    double spread;       /* sigma of the log-normal factor of p1 per commit, 0 for none */
    double unbuildable;  /* part of the commits that do not build */
    size_t slots;        /* commits tested at a time */
    double runs_ceiling; /* a rounded mean; 0: none */
    double builds_ceiling;
    double ways[4]; /* p1 of other ways to run the command, tried at BAD first; the first 0 ends */
};

static const struct sim_case cases[] = {
    {"linear", false, 1.00, 0.00, 0.0, 0.0, 1, 27, 10, {0}},
    {"linear", false, 0.50, 0.00, 0.0, 0.0, 1, 83, 12, {0}},
    {"linear", false, 0.20, 0.00, 0.0, 0.0, 1, 215, 16, {0}},
    {"linear", false, 0.05, 0.00, 0.0, 0.0, 1, 779, 23, {0}},
    {"linear", false, 1.00, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"linear", false, 0.50, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"linear", false, 0.20, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"linear", false, 0.05, 0.02, 0.0, 0.0, 1, 5000, 0, {0}},
    {"merges", true, 1.00, 0.00, 0.0, 0.0, 1, 27, 10, {0}},
    {"merges", true, 0.50, 0.00, 0.0, 0.0, 1, 83, 12, {0}},
    {"merges", true, 0.20, 0.00, 0.0, 0.0, 1, 215, 16, {0}},
    {"merges", true, 0.05, 0.00, 0.0, 0.0, 1, 779, 23, {0}},
    {"merges", true, 1.00, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"merges", true, 0.50, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"merges", true, 0.20, 0.02, 0.0, 0.0, 1, 0, 0, {0}},
    {"merges", true, 0.05, 0.02, 0.0, 0.0, 1, 5000, 0, {0}},
    {"linear, rate varies", false, 0.20, 0.00, 0.5, 0.0, 1, 0, 0, {0}},
    {"linear, 20 % broken", false, 0.20, 0.00, 0.0, 0.2, 1, 0, 0, {0}},
    {"merges, 4 at a time", true, 0.20, 0.00, 0.0, 0.0, 4, 0, 0, {0}},
    {"linear, 1 of 4 ways provokes", false, 0.05, 0.00, 0.0, 0.0, 1, 0, 0, {0.05, 0.05, 0.5, 0.05}},
    {"linear, no way provokes", false, 0.05, 0.00, 0.0, 0.0, 1, 0, 0, {0.05, 0.05, 0.05, 0.05}},
    {"linear, no way provokes", false, 0.20, 0.00, 0.0, 0.0, 1, 0, 0, {0.2, 0.2, 0.2, 0.2}},
};

struct sim_options {
    long trials, commits, seed, only;
    double confidence, build_cost;
};

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

static size_t below(uint64_t *state, size_t bound)
{
    return (size_t)(uniform(state) * (double)bound);
}

/* Appends commit `i` with its parents in front of what is there: children come first. */
static void put_commit(struct wg_strv *lines, size_t i, const size_t *parents, size_t count)
{
    if (count == 2)
        wg_strv_take(lines, wg_format("c%zu c%zu c%zu\n", i, parents[0], parents[1]));
    else
        wg_strv_take(lines, wg_format("c%zu c%zu\n", i, parents[0]));
}

static void make_history(const struct wg_strv *lines, struct wg_bisect_history *ret_history)
{
    struct wg_buf text;
    struct wg_err err = WG_ERR_INIT;
    wg_buf_init(&text, 16u << 20);
    for (size_t i = lines->count; i-- > 0;)
        wg_buf_puts(&text, lines->items[i]);
    if (wg_bisect_history_parse("c0", text.data, ret_history, &err) != 0) {
        fprintf(stderr, "bisect_sim: %s\n", err.message);
        exit(3);
    }
    wg_buf_finish(&text);
}

static void make_linear(size_t commits, struct wg_bisect_history *ret_history)
{
    struct wg_strv lines = {0};
    for (size_t i = 1; i <= commits; i++)
        put_commit(&lines, i, &(size_t){i - 1}, 1);
    make_history(&lines, ret_history);
    wg_strv_finish(&lines);
}

/* A main line with feature branches of a few commits, several open at a time, all merged. */
static void make_dag(uint64_t *random, struct wg_bisect_history *ret_history)
{
    struct wg_strv lines = {0};
    size_t tips[64] = {0}, open = 1, branches = 0, left = DAG_COMMITS;
    const double chance = 1.3 * DAG_MERGES / DAG_COMMITS;
    for (size_t i = 1; i <= DAG_COMMITS; i++, left--) {
        double what = uniform(random);
        if (open > 1 && (what < chance || left < open)) {
            size_t side = 1 + below(random, open - 1);
            put_commit(&lines, i, (size_t[]){tips[0], tips[side]}, 2);
            tips[0] = i;
            tips[side] = tips[--open];
        } else if (what < 2 * chance && branches < DAG_MERGES && open < 12 && left > 24) {
            put_commit(&lines, i, &tips[0], 1);
            tips[open++] = i;
            branches++;
        } else {
            size_t tip = below(random, open);
            put_commit(&lines, i, &tips[tip], 1);
            tips[tip] = i;
        }
    }
    make_history(&lines, ret_history);
    wg_strv_finish(&lines);
}

/* One trial's truth. */
struct world {
    const struct wg_bisect_history *history;
    size_t culprit;
    double noise;
    double *rate; /* per node, were it bad */
    bool *broken;
    uint64_t random;
};

static void world_init(struct world *world, const struct wg_bisect_history *history,
                       const struct sim_case *row, uint64_t seed)
{
    *world = (struct world){.history = history, .noise = row->noise, .random = seed};
    world->culprit = 1 + below(&world->random, history->count - 1);
    world->rate = wg_calloc(history->count, sizeof(double));
    world->broken = wg_calloc(history->count, sizeof(bool));
    for (size_t x = 0; x < history->count; x++) {
        double u = uniform(&world->random), v = uniform(&world->random);
        double normal = sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v);
        double rate = row->bad_rate * exp(row->spread * normal);
        world->rate[x] = row->spread > 0 && rate > 0.98 ? 0.98 : rate;
        world->broken[x] =
            x > 0 && x + 1 < history->count && uniform(&world->random) < row->unbuildable;
    }
}

static void world_finish(struct world *world)
{
    free(world->rate);
    free(world->broken);
}

static bool run_fails(struct world *world, size_t x)
{
    double rate =
        wg_bisect_is_bad(world->history, x, world->culprit) ? world->rate[x] : world->noise;
    return uniform(&world->random) < rate;
}

/*
 * Tries the ways of the row at BAD and lets the world go on with the one that is kept. What was run
 * in that way no longer counts, as in wg_bisect_state_tally(). Returns the number of runs whose
 * results are not in the tally.
 */
static unsigned provoke(struct world *world, const struct sim_case *row,
                        const struct wg_bisect_goal *goal, struct wg_bisect_tally *tally)
{
    struct wg_bisect_way ways[1 + sizeof row->ways / sizeof row->ways[0]] = {{0}};
    size_t count = 1, bad = world->history->count - 1;
    unsigned runs = 0;
    while (count <= sizeof row->ways / sizeof row->ways[0] && row->ways[count - 1] > 0)
        count++;
    for (;;) {
        struct wg_bisect_provoking next = wg_bisect_provoke(ways, count, goal->bracket_runs);
        double rate = next.way > 0 ? row->ways[next.way - 1] : row->bad_rate;
        if (next.decided) {
            for (size_t x = 0; x < world->history->count; x++)
                world->rate[x] *= rate / row->bad_rate;
            if (next.way > 0)
                return runs;
            tally[bad].failures = ways[0].failures;
            tally[bad].passes = ways[0].passes;
            return runs - ways[0].failures - ways[0].passes;
        }
        bool failed = false;
        for (unsigned i = 0; i < next.batch && !failed; i++, runs++) {
            failed = uniform(&world->random) < rate;
            ways[next.way].failures += failed;
            ways[next.way].passes += !failed;
        }
    }
}

struct outcome {
    bool right, decided;
    unsigned runs, builds;
    size_t set_size;
    double plan_ms, plan_ms_max;
    unsigned plans;
};

static void obey(struct world *world, const struct wg_bisect_choice *choice,
                 struct wg_bisect_tally *tally)
{
    struct wg_bisect_tally *node = &tally[choice->node];
    if (world->broken[choice->node]) {
        node->untestable = true;
        return;
    }
    node->built = true;
    for (unsigned i = 0; i < choice->batch; i++) {
        if (run_fails(world, choice->node)) {
            node->failures++;
            break;
        }
        node->passes++;
    }
}

/* True when the culprit is in the group that the plan names. */
static bool names_culprit(const struct world *world, const struct wg_bisect_tally *tally,
                          size_t best)
{
    unsigned *group_of = wg_calloc(world->history->count, sizeof *group_of);
    wg_bisect_groups(world->history, tally, group_of);
    bool same = group_of[best] == group_of[world->culprit];
    free(group_of);
    return same;
}

/* Processor time, so that what else the machine does is not counted. */
static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct outcome simulate(struct world *world, const struct sim_case *row,
                               const struct wg_bisect_goal *goal)
{
    struct outcome outcome = {0};
    size_t count = world->history->count;
    struct wg_bisect_posterior posterior;
    struct wg_bisect_tally *tally = wg_calloc(count, sizeof *tally);
    wg_bisect_posterior_init(&posterior, world->history, NULL, goal->already_bad);
    unsigned provoking = provoke(world, row, goal, tally);
    for (;;) {
        struct wg_bisect_plan plan;
        double start = cpu_ms();
        wg_bisect_plan_next(&posterior, tally, goal, &plan);
        double ms = cpu_ms() - start;
        outcome.plans++;
        outcome.plan_ms += ms;
        if (ms > outcome.plan_ms_max)
            outcome.plan_ms_max = ms;
        if (plan.step != WG_BISECT_RUN) {
            outcome.decided = plan.step == WG_BISECT_FOUND;
            outcome.right = outcome.decided && names_culprit(world, tally, plan.best);
            outcome.set_size = plan.group_size;
            break;
        }
        for (size_t i = 0; i < plan.choice_count; i++)
            obey(world, &plan.choices[i], tally);
    }
    outcome.runs = provoking + wg_bisect_runs(tally, count);
    for (size_t x = 1; x + 1 < count; x++)
        outcome.builds += tally[x].built || tally[x].untestable;
    wg_bisect_posterior_finish(&posterior);
    free(tally);
    return outcome;
}

/* The node that halves the candidates best, as git does; candidates are a bit set. */
static size_t halve(const struct wg_bisect_history *history, const uint64_t *candidates,
                    const bool *broken, size_t total)
{
    size_t best = 0, best_score = 0;
    for (size_t x = 1; x < history->count; x++) {
        size_t inside = 0;
        for (size_t w = 0; w < history->words; w++)
            inside += (size_t)__builtin_popcountll(history->ancestors[x * history->words + w] &
                                                   candidates[w]);
        size_t score = inside < total - inside ? inside : total - inside;
        if (score > best_score && !broken[x]) {
            best_score = score;
            best = x;
        }
    }
    return best;
}

/* Plain bisection: up to `repeats` runs of each commit, bad when one fails. */
static bool plain(struct world *world, unsigned repeats, unsigned *ret_runs)
{
    const struct wg_bisect_history *history = world->history;
    uint64_t *candidates = wg_calloc(history->words, sizeof *candidates);
    memcpy(candidates, history->ancestors + (history->count - 1) * history->words,
           history->words * sizeof *candidates);
    candidates[0] &= ~UINT64_C(1);
    size_t total = history->count - 1;
    while (total > 1) {
        size_t x = halve(history, candidates, world->broken, total);
        if (x == 0)
            break;
        bool bad = false;
        for (unsigned i = 0; i < repeats && !bad; i++, (*ret_runs)++)
            bad = run_fails(world, x);
        total = 0;
        for (size_t w = 0; w < history->words; w++) {
            uint64_t row = history->ancestors[x * history->words + w];
            candidates[w] &= bad ? row : ~row;
            total += (size_t)__builtin_popcountll(candidates[w]);
        }
    }
    bool right = (candidates[world->culprit / 64] >> (world->culprit % 64)) & 1;
    free(candidates);
    return right;
}

static const unsigned plain_repeats[] = {1, 5, 10};

struct totals {
    double right, decided, runs, runs_squared, builds, builds_squared, set_size;
    double plan_ms, plan_ms_max, plans;
    double plain_right[3], plain_runs[3];
};

static void add_trial(struct totals *totals, const struct outcome *outcome)
{
    totals->right += outcome->right;
    totals->decided += outcome->decided;
    totals->runs += outcome->runs;
    totals->runs_squared += (double)outcome->runs * outcome->runs;
    totals->builds += outcome->builds;
    totals->builds_squared += (double)outcome->builds * outcome->builds;
    totals->set_size += (double)outcome->set_size;
    totals->plan_ms += outcome->plan_ms;
    totals->plans += outcome->plans;
    if (outcome->plan_ms_max > totals->plan_ms_max)
        totals->plan_ms_max = outcome->plan_ms_max;
}

static double two_errors(double sum, double squares, double n)
{
    double mean = sum / n, variance = squares / n - mean * mean;
    return variance > 0 ? 2 * sqrt(variance / n) : 0;
}

/* Prints a row; returns whether its targets are met. */
static bool report(const struct sim_case *row, const struct totals *t,
                   const struct sim_options *options)
{
    double n = (double)options->trials, wanted = options->confidence - 0.01;
    bool right = t->right / n + 2 * sqrt(wanted * (1 - wanted) / n) >= wanted;
    bool runs = row->runs_ceiling <= 0 ||
                t->runs / n - two_errors(t->runs, t->runs_squared, n) < row->runs_ceiling + 0.5;
    bool builds =
        row->builds_ceiling <= 0 ||
        t->builds / n - two_errors(t->builds, t->builds_squared, n) < row->builds_ceiling + 0.5;
    bool quick = t->plan_ms_max <= PLAN_MS_MAX;
    printf("| %s | %.2f | %.2f | %.3f | %.1f | %.1f | %.2f |", row->name, row->bad_rate, row->noise,
           t->right / n, t->runs / n, t->builds / n, t->set_size / n);
    for (size_t i = 0; i < 3; i++)
        printf(" %.3f / %.1f |", t->plain_right[i] / n, t->plain_runs[i] / n);
    printf(" %.1f (%.1f) |%s%s%s%s\n", t->plan_ms / t->plans, t->plan_ms_max,
           right ? "" : " SUCCESS TOO LOW", runs ? "" : " TOO MANY RUNS",
           builds ? "" : " TOO MANY BUILDS", quick ? "" : " TOO SLOW");
    fflush(stdout);
    return right && runs && builds && quick;
}

static bool simulate_case(const struct sim_case *row, const struct wg_bisect_history *history,
                          const struct sim_options *options, uint64_t seed)
{
    struct totals totals = {0};
    struct wg_bisect_goal goal = WG_BISECT_GOAL_INIT;
    goal.confidence = options->confidence;
    goal.build_cost = options->build_cost;
    goal.budget = RUNS_MAX;
    goal.slots = row->slots;
    for (long trial = 0; trial < options->trials; trial++) {
        struct world world;
        world_init(&world, history, row, next_random(&seed));
        for (size_t i = 0; i < 3; i++) {
            unsigned runs = 0;
            totals.plain_right[i] += plain(&world, plain_repeats[i], &runs);
            totals.plain_runs[i] += runs;
        }
        struct outcome outcome = simulate(&world, row, &goal); /* changes the rates of the world */
        add_trial(&totals, &outcome);
        world_finish(&world);
    }
    return report(row, &totals, options);
}

static void read_options(int argc, char **argv, struct sim_options *options)
{
    for (int i = 1; i < argc; i++) {
        struct wg_err err = WG_ERR_INIT;
        const char *value = strchr(argv[i], '=');
        bool known = true;
        value = value ? value + 1 : "";
        if (wg_str_starts(argv[i], "--trials="))
            known = wg_str_to_long(value, 1, 1000000, &options->trials) == 0;
        else if (wg_str_starts(argv[i], "--commits="))
            known = wg_str_to_long(value, 2, 19000, &options->commits) == 0;
        else if (wg_str_starts(argv[i], "--seed="))
            known = wg_str_to_long(value, 0, 1000000000, &options->seed) == 0;
        else if (wg_str_starts(argv[i], "--case="))
            known = wg_str_to_long(value, 0, 100, &options->only) == 0;
        else if (wg_str_starts(argv[i], "--confidence="))
            options->confidence = strtod(value, NULL);
        else if (wg_str_starts(argv[i], "--build-cost="))
            options->build_cost = strtod(value, NULL);
        else
            known = false;
        if (!known) {
            wg_err_set(&err, WG_ERR_USAGE, "cannot make sense of '%s'", argv[i]);
            fprintf(stderr, "bisect_sim: %s\n", err.message);
            exit(wg_err_exit_code(&err));
        }
    }
}

int main(int argc, char **argv)
{
    struct wg_bisect_goal defaults = WG_BISECT_GOAL_INIT;
    struct sim_options options = {.trials = 200,
                                  .commits = 1000,
                                  .seed = 1,
                                  .only = -1,
                                  .confidence = defaults.confidence,
                                  .build_cost = defaults.build_cost};
    read_options(argc, argv, &options);
    uint64_t random = (uint64_t)options.seed;
    struct wg_bisect_history linear = {0}, dag = {0};
    make_linear((size_t)options.commits, &linear);
    make_dag(&random, &dag);
    size_t merges = 0;
    for (size_t x = 0; x < dag.count; x++)
        merges += dag.commits[x].parent_count > 1;
    printf("seed %ld, %ld trials a row, confidence %.3f, a build costs %.1f runs; linear: %zu "
           "commits; merges: %zu commits with %zu merges\n\n",
           options.seed, options.trials, options.confidence, options.build_cost, linear.count - 1,
           dag.count - 1, merges);
    printf("| history | p1 | p0 | success | runs | builds | set | plain x1 | plain x5 | plain x10 "
           "| ms per plan (max) |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    bool met = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t seed = next_random(&random);
        if (options.only < 0 || (size_t)options.only == i)
            met &= simulate_case(&cases[i], cases[i].dag ? &dag : &linear, &options, seed);
    }
    wg_bisect_history_finish(&linear);
    wg_bisect_history_finish(&dag);
    return met ? 0 : 1;
}
