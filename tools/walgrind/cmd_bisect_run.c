/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_run.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/cmd_bisect_ways.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One choice of the plan at work. */
struct task {
    size_t node;
    unsigned left;    /* runs that may still be started */
    unsigned running; /* builds and runs under way */
    bool ready;       /* built */
    char *path;
    double checkout_ms;
};

/* A child and what it was started for. */
struct job {
    struct task *task;
    struct bisect_child *child;
    bool build;
    unsigned n; /* number of the run */
    uint64_t seed;
};

struct round {
    struct bisect_session *session;
    struct task tasks[WG_BISECT_CHOICES];
    size_t task_count;
    struct job jobs[WG_LIMIT_WORKERS];
    size_t job_count;
    unsigned next_run;
};

/* What a run says, by its exit code. `ret_error` is set when it ends the bisection. */
static enum wg_bisect_result judge(const struct round *round, const struct job *job,
                                   int *ret_exit_code, struct wg_err *err)
{
    const struct bisect_session *session = round->session;
    const struct bisect_child *child = job->child;
    const char *program = session->settings.argv.items[0];
    bool walgrind = bisect_is_walgrind(&session->settings.argv);
    int code =
        WIFEXITED(child->status) ? WEXITSTATUS(child->status) : 128 + WTERMSIG(child->status);
    *ret_exit_code = code;
    const char *id = session->history.commits[job->task->node].id;
    if (child->timed_out)
        code = 1;
    if (code == 0)
        return WG_BISECT_RESULT_GOOD;
    if (code == 125)
        return WG_BISECT_RESULT_SKIP;
    if (walgrind && code == 3)
        return WG_BISECT_RESULT_LOST;
    /* What nobody asked for in so many words ends nothing; this way is dropped. */
    if (session->trying && session->way > 0 && (code >= 128 || (walgrind && code == 2)))
        return WG_BISECT_RESULT_SKIP;
    if (walgrind && code == 2)
        wg_err_set(err, WG_ERR_USAGE, "%s refuses its command line (exit 2) at %.12s", program, id);
    if (code >= 128) {
        char text[64];
        wg_process_status_text(child->status, text, sizeof text);
        wg_err_set(err, WG_ERR_STATE,
                   "the command ended with %s at %.12s, which is no answer; the log is kept, "
                   "'walgrind bisect run' goes on from here",
                   text, id);
    }
    if ((code == 126 || code == 127) && job->task->node == 0)
        wg_err_set(err, WG_ERR_USAGE,
                   "exit code %d at the good end %.12s: the command cannot be executed", code, id);
    if (!bisect_match_is_any(&session->match) && !child->matched)
        return WG_BISECT_RESULT_OTHER;
    return WG_BISECT_RESULT_BAD;
}

/* Keeps the output of a failed run or build; returns its path below the state directory or NULL. */
static char *keep_output(const struct bisect_session *session, const struct bisect_child *child,
                         const char *kind, unsigned n)
{
    struct wg_err ignored = WG_ERR_INIT;
    char *name = NULL;
    char *directory = wg_format("%s/output", session->repo->state_dir);
    char *path = wg_format("%s/%s-%u.txt", directory, kind, n);
    if (wg_tree_make(directory, &ignored) == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        size_t from = child->output.size > WG_LIMIT_BISECT_OUTPUT
                          ? child->output.size - WG_LIMIT_BISECT_OUTPUT
                          : 0;
        size_t size = child->output.size - from;
        if (fd >= 0 && write(fd, child->output.data + from, size) == (ssize_t)size)
            name = wg_format("output/%s-%u.txt", kind, n);
        if (fd >= 0)
            close(fd);
    }
    free(directory);
    free(path);
    return name;
}

static void tell(const struct bisect_session *session, size_t node, const char *what)
{
    if (session->progress)
        fprintf(stderr, "%.12s  %-12s %s\n", session->history.commits[node].id, what,
                session->texts[node].subject);
}

static int record_build(struct round *round, struct task *task, bool ok, double ms, char *output,
                        struct wg_err *err)
{
    struct bisect_session *session = round->session;
    task->ready = ok;
    if (!ok)
        task->left = 0;
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:b, s:f, s:s?}", "event", "build", "commit",
                  session->history.commits[task->node].id, "key", session->texts[task->node].tree,
                  "ok", ok, "ms", ms, "output", output);
    free(output);
    tell(session, task->node, ok ? "built" : "no build");
    if (wg_bisect_state_append(session->state, record, err) != 0)
        return -1;
    const char *tree = session->texts[task->node].tree;
    return ok ? bisect_tree_mark(&session->trees, tree, err)
              : bisect_tree_remove(&session->trees, tree, err);
}

static int record_run(struct round *round, const struct job *job, enum wg_bisect_result result,
                      int exit_code, struct wg_err *err)
{
    struct bisect_session *session = round->session;
    const struct bisect_child *child = job->child;
    bool failed = result != WG_BISECT_RESULT_GOOD;
    char *output = failed ? keep_output(session, child, "run", job->n) : NULL;
    char *seed = wg_format("%llu", (unsigned long long)job->seed);
    json_t *record =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:b, s:f, s:s?}", "event", "run", "n",
                  (int)job->n, "commit", session->history.commits[job->task->node].id, "seed", seed,
                  "result", wg_bisect_result_name(result), "exit", exit_code, "timed_out",
                  child->timed_out, "ms", child->ms, "output", output);
    if (session->way > 0)
        json_object_set_new(record, "way", json_integer((json_int_t)session->way));
    if (child->matched)
        json_object_set_new(record, "signature",
                            wg_json_string_new(child->signature, strlen(child->signature)));
    free(seed);
    free(output);
    tell(session, job->task->node, wg_bisect_result_name(result));
    return wg_bisect_state_append(session->state, record, err);
}

/* The environment of a build or a run. */
static void make_env(const struct round *round, const struct task *task, uint64_t seed,
                     struct wg_strv *env)
{
    char *text = wg_format("%llu", (unsigned long long)seed);
    wg_strv_extend(env, round->session->repo->env.items);
    wg_strv_setenv(env, "WALGRIND_BISECT_COMMIT", round->session->history.commits[task->node].id);
    wg_strv_setenv(env, "WALGRIND_SEED", text);
    free(text);
}

static int start_job(struct round *round, struct job *job, char *const *words, struct wg_err *err)
{
    const struct bisect_session *session = round->session;
    struct wg_strv env = {0}, argv = {0};
    bool build = job->build;
    make_env(round, job->task, job->seed, &env);
    wg_strv_extend(&argv, words);
    if (!build)
        bisect_way_apply(bisect_way_words(session, session->way), job->seed, &env, &argv);
    struct bisect_child_options options = {
        .argv = argv.items,
        .envp = env.items,
        .directory = job->task->path,
        .match = build ? NULL : &session->match,
        .timeout_ms = build ? 0 : session->settings.timeout_ms,
    };
    int rc = bisect_child_start(&options, &job->child, err);
    wg_strv_finish(&env);
    wg_strv_finish(&argv);
    if (rc != 0)
        return -1;
    job->task->running++;
    round->jobs[round->job_count++] = *job;
    return 0;
}

static int start_build(struct round *round, struct task *task, struct wg_err *err)
{
    struct wg_strv argv = {0};
    struct job job = {.task = task, .build = true};
    wg_strv_push(&argv, "/bin/sh");
    wg_strv_push(&argv, "-c");
    wg_strv_push(&argv, round->session->settings.build);
    int rc = start_job(round, &job, argv.items, err);
    wg_strv_finish(&argv);
    return rc;
}

/* Checks a commit out; one without a build command is ready then. */
static int start_task(struct round *round, struct task *task, struct wg_err *err)
{
    struct bisect_session *session = round->session;
    bool no_submodules = false;
    int64_t start_ns = wg_clock_now_ns();
    if (bisect_tree_prepare(&session->trees, session->history.commits[task->node].id,
                            session->texts[task->node].tree, &task->path, &task->ready,
                            &no_submodules, err) != 0)
        return -1;
    task->checkout_ms = (double)(wg_clock_now_ns() - start_ns) / (double)WG_NS_PER_MS;
    if (no_submodules)
        return record_build(round, task, false, task->checkout_ms, NULL, err);
    if (task->ready && !session->tally[task->node].built)
        return record_build(round, task, true, task->checkout_ms, NULL, err);
    if (task->ready)
        return 0;
    if (session->settings.build)
        return start_build(round, task, err);
    return record_build(round, task, true, task->checkout_ms, NULL, err);
}

/* A command that is not in this commit: the commit cannot be tested. */
static int record_no_command(struct round *round, struct task *task, unsigned n, struct wg_err *err)
{
    struct bisect_session *session = round->session;
    task->left = 0;
    tell(session, task->node, "no command");
    json_t *record = json_pack("{s:s, s:i, s:s, s:s, s:s}", "event", "run", "n", (int)n, "commit",
                               session->history.commits[task->node].id, "result",
                               wg_bisect_result_name(WG_BISECT_RESULT_SKIP), "signature",
                               "the command is not there");
    if (session->way > 0)
        json_object_set_new(record, "way", json_integer((json_int_t)session->way));
    return wg_bisect_state_append(session->state, record, err);
}

static int start_run(struct round *round, struct task *task, struct wg_err *err)
{
    const struct bisect_settings *settings = &round->session->settings;
    struct job job = {.task = task, .n = round->next_run};
    struct wg_err why = WG_ERR_INIT;
    job.seed = wg_bisect_seed(settings->seed, job.n);
    task->left--;
    round->next_run++;
    if (start_job(round, &job, settings->argv.items, &why) == 0)
        return 0;
    if (why.sys_errno == ENOENT || why.sys_errno == EACCES)
        return record_no_command(round, task, job.n, err);
    *err = why;
    return -1;
}

/* Starts as many runs as there are free jobs. */
static int start_runs(struct round *round, struct wg_err *err)
{
    const struct bisect_settings *settings = &round->session->settings;
    for (size_t i = 0; i < round->task_count; i++) {
        struct task *task = &round->tasks[i];
        while (task->ready && task->left > 0 && round->job_count < (size_t)settings->jobs &&
               (task->running == 0 || settings->share_tree))
            if (start_run(round, task, err) != 0)
                return -1;
    }
    return 0;
}

static int finish_build(struct round *round, struct job *job, struct wg_err *err)
{
    const struct bisect_child *child = job->child;
    bool ok = WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
    char *output =
        ok ? NULL : keep_output(round->session, child, "build", (unsigned)job->task->node);
    return record_build(round, job->task, ok, job->task->checkout_ms + child->ms, output, err);
}

static int finish_run(struct round *round, struct job *job, struct wg_err *err)
{
    int exit_code = 0;
    enum wg_bisect_result result = judge(round, job, &exit_code, err);
    if (wg_err_is_set(err))
        return -1;
    if (result == WG_BISECT_RESULT_BAD || result == WG_BISECT_RESULT_SKIP)
        job->task->left = 0;
    return record_run(round, job, result, exit_code, err);
}

/* Deals with the children that have ended. */
static int finish_jobs(struct round *round, struct wg_err *err)
{
    for (size_t i = 0; i < round->job_count;) {
        struct job *job = &round->jobs[i];
        if (!job->child->ended) {
            i++;
            continue;
        }
        job->task->running--;
        int rc = job->build ? finish_build(round, job, err) : finish_run(round, job, err);
        bisect_child_destroy(job->child);
        round->jobs[i] = round->jobs[--round->job_count];
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int wait_for_jobs(struct round *round, int interrupt_fd, bool *ret_interrupted,
                         struct wg_err *err)
{
    struct bisect_child *children[WG_LIMIT_WORKERS];
    for (size_t i = 0; i < round->job_count; i++)
        children[i] = round->jobs[i].child;
    if (bisect_children_wait(children, round->job_count, interrupt_fd, ret_interrupted, err) != 0)
        return -1;
    if (*ret_interrupted)
        return wg_err_set(err, WG_ERR_STATE,
                          "interrupted; 'walgrind bisect run' goes on from here");
    return 0;
}

int bisect_round(struct bisect_session *session, const struct wg_bisect_plan *plan,
                 int interrupt_fd, bool *ret_interrupted, struct wg_err *err)
{
    int rc = -1;
    struct round *round = wg_calloc(1, sizeof *round);
    round->session = session;
    round->next_run = wg_bisect_state_next_run(session->state);
    *ret_interrupted = false;
    for (size_t i = 0; i < plan->choice_count; i++)
        round->tasks[round->task_count++] =
            (struct task){.node = plan->choices[i].node, .left = plan->choices[i].batch};
    for (size_t i = 0; i < round->task_count; i++)
        if (start_task(round, &round->tasks[i], err) != 0)
            goto out;
    for (;;) {
        if (start_runs(round, err) != 0)
            goto out;
        if (round->job_count == 0)
            break;
        if (wait_for_jobs(round, interrupt_fd, ret_interrupted, err) != 0 ||
            finish_jobs(round, err) != 0)
            goto out;
    }
    rc = 0;
out:
    for (size_t i = 0; i < round->job_count; i++)
        bisect_child_destroy(round->jobs[i].child);
    for (size_t i = 0; i < round->task_count; i++)
        free(round->tasks[i].path);
    free(round);
    return rc;
}

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    bool found = false;
    for (const char *at = path ? path : "/usr/bin:/bin"; at && !found;) {
        size_t length = strcspn(at, ":");
        char *candidate = wg_format("%.*s/%s", (int)length, at, program);
        found = access(candidate, X_OK) == 0;
        free(candidate);
        at = at[length] == ':' ? at + length + 1 : NULL;
    }
    return found;
}

int bisect_check_command(const struct bisect_session *session, struct wg_err *err)
{
    const struct bisect_settings *settings = &session->settings;
    if (settings->argv.count == 0)
        return wg_err_set(err, WG_ERR_USAGE, "no command to run: walgrind bisect GOOD BAD -- CMD");
    const char *program = settings->argv.items[0];
    if (!strchr(program, '/'))
        return in_path(program) ? 0
                                : wg_err_set(err, WG_ERR_USAGE, "command not found: %s", program);
    if (program[0] == '/')
        return access(program, X_OK) == 0
                   ? 0
                   : wg_err_set(err, WG_ERR_USAGE, "command not found: %s", program);
    if (settings->build)
        return 0; /* the build may make it */
    int code = 0;
    const char *inside = wg_str_starts(program, "./") ? program + 2 : program;
    char *object = wg_format("%s:%s", settings->bad, inside);
    const char *const args[] = {"cat-file", "-e", object, NULL};
    int rc = bisect_git_ask(session->repo, args, &code, err);
    free(object);
    if (rc == 0 && code != 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          "command not found: %s is not in %.12s (BAD); a program outside the "
                          "repository needs its absolute path",
                          program, settings->bad);
    return rc;
}
