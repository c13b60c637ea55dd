/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect.c - walgrind bisect: the words of the command line, and the loop of plan and round.
 *
 * Verbs are rows of `verbs`; anything else is the short form GOOD BAD -- CMD, which is `start` and
 * `run` in one. To add a verb: a row and its function.
 */
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/bisect/git_log.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/cmd_bisect_report.h"
#include "tools/walgrind/cmd_bisect_run.h"
#include "tools/walgrind/cmd_bisect_start.h"
#include "tools/walgrind/commands.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct wg_option options_table[] = {
    {"build", 0, WG_OPTION_STRING, offsetof(struct bisect_options, build), "CMD",
     "Shell command that builds a commit, in its own worktree. A commit where it fails is skipped. "
     "Built commits are kept and not built again.",
     0, 0},
    {"confidence", 0, WG_OPTION_REAL, offsetof(struct bisect_options, confidence), "P",
     "Stop when one commit is the culprit with this probability. Default 0.95.", 0, 1},
    {"budget", 0, WG_OPTION_INT, offsetof(struct bisect_options, budget), "RUNS",
     "Make at most so many runs, then tell what is known. Default 0: no limit.", 0, 100000000},
    {"jobs", 'j', WG_OPTION_INT, offsetof(struct bisect_options, jobs), "N",
     "Test so many commits at a time, each in its own worktree; 0 for as many as there are "
     "processors. Default 1: a test that fails sometimes often depends on the load of the machine, "
     "and keeps a port or a path to itself.",
     0, WG_LIMIT_WORKERS},
    {"share-tree", 0, WG_OPTION_FLAG, offsetof(struct bisect_options, share_tree), NULL,
     "With --jobs: also run the repeats of one commit side by side in its worktree.", 0, 0},
    {"match", 0, WG_OPTION_STRING, offsetof(struct bisect_options, match), "finding:ID",
     "Only failures whose output names ID count; others are no answer.", 0, 0},
    {"match-regex", 0, WG_OPTION_STRING, offsetof(struct bisect_options, match_regex), "REGEX",
     "Only failures with an output line that matches this POSIX extended regular "
     "expression count.",
     0, 0},
    {"touching", 0, WG_OPTION_LIST, offsetof(struct bisect_options, touching), "GLOB",
     "Suspect commits that change such paths more. May be repeated.", 0, 0},
    {"provoke", 0, WG_OPTION_LIST, offsetof(struct bisect_options, provoke), "auto|off|WORDS",
     "A way to run CMD that may make BAD fail more often, like 'THREADS=16'. May be repeated; the "
     "one that fails most often is kept. Default: auto, which tries the swarm, more workers and "
     "WALGRIND_CHAOS with 'walgrind run' and 'walgrind exec', and nothing with other commands.",
     0, 0},
    {"timeout", 0, WG_OPTION_DURATION, offsetof(struct bisect_options, timeout_ms), "TIME",
     "A run that takes longer is ended and has failed.", 0, 0},
    {"bad-runs", 0, WG_OPTION_INT, offsetof(struct bisect_options, bad_runs), "N",
     "Give up when BAD did not fail in so many runs. Default 300.", 1, 1000000},
    {"build-cost", 0, WG_OPTION_REAL, offsetof(struct bisect_options, build_cost), "RUNS",
     "What a build costs, in runs. Default 0: as measured.", 0, 100000},
    {"keep-trees", 0, WG_OPTION_INT, offsetof(struct bisect_options, keep_trees), "N",
     "Keep so many built worktrees at a time. Default 8.", 2, 1000},
    {"seed", 0, WG_OPTION_INT, offsetof(struct bisect_options, seed), "N",
     "The seed that the seeds of all runs are made from. Default: a random one.", 0, 2147483647},
    {"json", 0, WG_OPTION_STRING, offsetof(struct bisect_options, json), "FILE",
     "Write the answer as JSON.", 0, 0},
    {"html", 0, WG_OPTION_STRING, offsetof(struct bisect_options, html), "FILE",
     "Write a page with the posterior as a picture and the evidence.", 0, 0},
    {"from-git-log", 0, WG_OPTION_STRING, offsetof(struct bisect_options, from_git_log), "FILE",
     "With start: take the ends and what was tested from the output of 'git bisect log'. Each line "
     "of it counts as one run.",
     0, 0},
    {"format", 0, WG_OPTION_CHOICE, offsetof(struct bisect_options, format), "json|git",
     "With log: JSON lines as they are, or what 'git bisect replay' takes.", 0, 0},
    {0},
};

static int bisect(int argc, char **argv);

const struct wg_command wg_command_bisect = {
    .name = "bisect",
    .summary = "find the commit that brought a failure in, also one that shows only sometimes",
    .synopsis = "[OPTION…] GOOD BAD -- CMD… | start|run|status|log|reset",
    .description =
        "Runs CMD in worktrees of commits between GOOD and BAD, often enough at each, until one "
        "commit is the culprit with the stated probability. CMD exits with 0 when the commit is "
        "good, 125 when it cannot be tested, 1 to 127 when it is bad; anything else ends the "
        "bisection. Neither failures that show in some runs only nor a small rate of other failures "
        "lead it astray; the price is more runs.\n\n"
        "The checkout, the index, the stash and the refs are never touched. CMD finds the commit "
        "in WALGRIND_BISECT_COMMIT and a seed that is new in each run in WALGRIND_SEED.\n\n"
        "Killed at any point, the same command (or 'walgrind bisect run') goes on from there. "
        "'start GOOD BAD [-- CMD]' only writes down what is to be done, 'run' does it, 'status' "
        "tells how it stands, 'log' prints every run, 'reset' removes all of it.\n\n"
        "Exit code: 0 when the culprit was found, 1 when it was not (the answer says why), 2 for "
        "usage, 3 when something broke.",
    .options = options_table,
    .run = bisect,
};

/* A signalfd for the signals that ask to stop; they stay blocked. */
static int open_interrupt(int *ret_fd, struct wg_err *err)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    *ret_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd >= 0 ? 0 : wg_err_errno(err, "signalfd");
}

static int write_reports(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                         const struct bisect_options *options, struct wg_err *err)
{
    int rc = 0;
    if (options->json) {
        json_t *report = bisect_report_json(session, plan);
        rc = wg_json_write_file(options->json, report, err);
        json_decref(report);
    }
    if (rc == 0 && options->html)
        rc = bisect_write_html(session, plan, options->html, err);
    return rc;
}

/* Notes the verdict and removes the worktrees. */
static int conclude(struct bisect_session *session, const struct wg_bisect_plan *plan,
                    struct wg_err *err)
{
    if (!wg_bisect_state_verdict(session->state) &&
        wg_bisect_state_append(session->state,
                               json_pack("{s:s, s:s, s:s, s:f}", "event", "verdict", "step",
                                         wg_bisect_step_name(plan->step), "commit",
                                         session->history.commits[plan->best].id, "probability",
                                         plan->best_probability),
                               err) != 0)
        return -1;
    return bisect_trees_remove_all(&session->trees, err);
}

/* What the command line of `run` may change in a bisection that was started before. */
static void override(struct bisect_session *session, const struct bisect_options *options)
{
    assert(options);
    if (options->confidence > 0)
        session->settings.confidence = session->goal.confidence = options->confidence;
    if (options->budget >= 0)
        session->settings.budget = options->budget;
    if (options->jobs > 0)
        session->settings.jobs = options->jobs;
    session->goal.budget = (unsigned)session->settings.budget;
    session->goal.slots = session->settings.jobs < WG_BISECT_CHOICES
                              ? (size_t)session->settings.jobs
                              : WG_BISECT_CHOICES;
}

/* Plan and round in turn until there is a verdict. */
static int lead(struct bisect_session *session, const struct bisect_options *options,
                struct wg_bisect_plan *ret_plan, struct wg_err *err)
{
    int rc = -1, interrupt_fd = -1;
    bool interrupted = false;
    session->progress = isatty(STDERR_FILENO);
    if (bisect_check_command(session, err) != 0 || open_interrupt(&interrupt_fd, err) != 0)
        goto out;
    for (;;) {
        bisect_session_plan(session, ret_plan);
        if (bisect_session_note_way(session, err) != 0)
            goto out;
        if (ret_plan->step != WG_BISECT_RUN)
            break;
        if (bisect_round(session, ret_plan, interrupt_fd, &interrupted, err) != 0)
            goto out;
    }
    if (conclude(session, ret_plan, err) != 0 ||
        write_reports(session, ret_plan, options, err) != 0)
        goto out;
    rc = 0;
out:
    if (interrupt_fd >= 0)
        close(interrupt_fd);
    return rc;
}

/*
 * Leads the bisection that `state` holds and prints its answer. With `take_words` the words
 * of the command line are the command of one that was started without.
 */
static int lead_state(struct bisect_call *call, struct wg_bisect_state *state, bool take_words,
                      int *ret_exit_code, struct wg_err *err)
{
    struct bisect_session session = {0};
    struct wg_bisect_plan plan;
    if (bisect_session_open(&call->repo, state, &session, err) != 0)
        return -1;
    if (take_words && session.settings.argv.count == 0)
        wg_strv_extend(&session.settings.argv, call->words.items);
    else if (take_words && call->words.count > 0)
        wg_err_set(err, WG_ERR_USAGE, "the command was given when the bisection was started: %s",
                   session.settings.argv.items[0]);
    override(&session, &call->options);
    int rc = wg_err_is_set(err) ? -1 : lead(&session, &call->options, &plan, err);
    if (rc == 0) {
        bisect_print_text(&session, &plan, stdout);
        *ret_exit_code = plan.step == WG_BISECT_FOUND ? WG_EXIT_PASSED : WG_EXIT_FAILED;
    }
    bisect_session_finish(&session);
    return rc;
}

static int verb_start(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    struct wg_bisect_state *state = NULL;
    if (bisect_start(call, false, &state, err) != 0)
        return -1;
    wg_bisect_state_destroy(state);
    *ret_exit_code = WG_EXIT_PASSED;
    return 0;
}

static int verb_run(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    struct wg_bisect_state *state = NULL;
    if (bisect_open_log(call, WG_BISECT_LEAD, &state, err) != 0)
        return -1;
    int rc = lead_state(call, state, true, ret_exit_code, err);
    wg_bisect_state_destroy(state);
    return rc;
}

static int verb_one_shot(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    struct wg_bisect_state *state = NULL;
    if (call->words.count == 2 && !call->options.from_git_log)
        return wg_err_set(err, WG_ERR_USAGE, "no command to run: walgrind bisect GOOD BAD -- CMD");
    if (bisect_start(call, true, &state, err) != 0)
        return -1;
    int rc = lead_state(call, state, false, ret_exit_code, err);
    wg_bisect_state_destroy(state);
    return rc;
}

/* status and log look at a session without leading it. */
static int with_session(struct bisect_call *call,
                        void (*show)(const struct bisect_call *, struct bisect_session *,
                                     const struct wg_bisect_plan *),
                        struct wg_err *err)
{
    int rc = -1;
    struct wg_bisect_state *state = NULL;
    struct bisect_session session = {0};
    struct wg_bisect_plan plan;
    if (bisect_open_log(call, WG_BISECT_LOOK, &state, err) != 0 ||
        bisect_session_open(&call->repo, state, &session, err) != 0)
        goto out;
    bisect_session_plan(&session, &plan);
    if (write_reports(&session, &plan, &call->options, err) != 0)
        goto out;
    show(call, &session, &plan);
    rc = 0;
out:
    bisect_session_finish(&session);
    wg_bisect_state_destroy(state);
    return rc;
}

static void show_status(const struct bisect_call *call, struct bisect_session *session,
                        const struct wg_bisect_plan *plan)
{
    (void)call;
    bisect_print_text(session, plan, stdout);
    for (size_t i = 0; plan->step == WG_BISECT_RUN && i < plan->choice_count; i++)
        printf("\nnext: up to %u runs of %.12s (%s) %s\n", plan->choices[i].batch,
               session->history.commits[plan->choices[i].node].id,
               bisect_way_name(session, session->way),
               session->texts[plan->choices[i].node].subject);
}

static void show_log(const struct bisect_call *call, struct bisect_session *session,
                     const struct wg_bisect_plan *plan)
{
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    if (call->options.format && strcmp(call->options.format, "git") == 0) {
        char **subjects = wg_calloc(session->history.count, sizeof *subjects);
        for (size_t x = 0; x < session->history.count; x++)
            subjects[x] = session->texts[x].subject;
        long culprit = plan->step == WG_BISECT_FOUND ? (long)plan->best : -1;
        wg_bisect_git_log_write(&session->posterior, session->tally, session->goal.confidence,
                                subjects, culprit, &out);
        free(subjects);
    } else {
        size_t i = 0;
        const json_t *record = NULL;
        json_array_foreach(wg_bisect_state_records(session->state), i, record)
        {
            wg_json_dump(record, &out);
            wg_buf_puts(&out, "\n");
        }
    }
    fwrite(out.data, 1, out.size, stdout);
    wg_buf_finish(&out);
}

static int verb_status(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    *ret_exit_code = WG_EXIT_PASSED;
    return with_session(call, show_status, err);
}

static int verb_log(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    *ret_exit_code = WG_EXIT_PASSED;
    return with_session(call, show_log, err);
}

static int verb_reset(struct bisect_call *call, int *ret_exit_code, struct wg_err *err)
{
    struct wg_bisect_state *state = NULL;
    struct wg_err unreadable = WG_ERR_INIT;
    struct bisect_trees trees = {.repo = &call->repo};
    /* A log that does not parse must not keep anybody from removing it; one in use must. */
    if (bisect_open_log(call, WG_BISECT_LEAD, &state, &unreadable) != 0 &&
        unreadable.kind == WG_ERR_STATE) {
        *err = unreadable;
        return -1;
    }
    int rc =
        bisect_trees_remove_all(&trees, err) == 0 && wg_tree_remove(call->repo.state_dir, err) == 0
            ? 0
            : -1;
    wg_bisect_state_destroy(state);
    *ret_exit_code = WG_EXIT_PASSED;
    return rc;
}

static const struct {
    const char *name;
    int (*act)(struct bisect_call *, int *ret_exit_code, struct wg_err *);
    size_t words_max; /* operands it takes */
} verbs[] = {
    {"start", verb_start, SIZE_MAX}, {"run", verb_run, SIZE_MAX},
    {"status", verb_status, 0},      {"log", verb_log, 0},
    {"reset", verb_reset, 0},
};

static long processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count < WG_LIMIT_WORKERS ? count : WG_LIMIT_WORKERS;
}

static int dispatch(struct bisect_call *call, struct wg_strv *operands, int *ret_exit_code,
                    struct wg_err *err)
{
    size_t count = sizeof verbs / sizeof verbs[0], verb = 0;
    while (verb < count && operands->count > 0 && strcmp(verbs[verb].name, operands->items[0]) != 0)
        verb++;
    bool named = operands->count > 0 && verb < count;
    if (operands->count > 0)
        wg_strv_extend(&call->words, operands->items + named);
    if (named && call->words.count > verbs[verb].words_max)
        return wg_err_set(err, WG_ERR_USAGE, "%s takes no words, but was given '%s'",
                          verbs[verb].name, call->words.items[0]);
    if (call->options.jobs == 0)
        call->options.jobs = processors();
    if (bisect_repo_open(&call->repo, err) != 0)
        return -1;
    call->log_path = wg_format("%s/log.jsonl", call->repo.state_dir);
    return (named ? verbs[verb].act : verb_one_shot)(call, ret_exit_code, err);
}

static int bisect(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], BISECT_GUARD_WORD) == 0)
        return bisect_guard_main(argv + 2);
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv operands = {0};
    struct bisect_call call = {
        .options = {.budget = -1, .jobs = -1, .keep_trees = -1, .bad_runs = -1, .seed = -1}};
    int exit_code = WG_EXIT_INFRASTRUCTURE;
    int parsed =
        wg_command_parse(&wg_command_bisect, argc, argv, false, &call.options, &operands, &err);
    if (parsed > 0)
        exit_code = WG_EXIT_PASSED;
    else if (parsed < 0 || dispatch(&call, &operands, &exit_code, &err) != 0)
        exit_code = wg_command_fail(&wg_command_bisect, &err);
    wg_strv_finish(&operands);
    wg_strv_finish(&call.words);
    wg_strv_finish(&call.options.touching);
    wg_strv_finish(&call.options.provoke);
    bisect_repo_finish(&call.repo);
    free(call.log_path);
    return exit_code;
}
