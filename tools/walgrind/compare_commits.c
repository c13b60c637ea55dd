/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/compare_commits.h"

#include "harness/base/str.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/cmd_bisect_child.h"
#include "tools/walgrind/cmd_bisect_git.h"
#include "tools/walgrind/cmd_bisect_tree.h"
#include "tools/walgrind/command.h"
#include "tools/walgrind/run_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TREES_KEPT 8

struct side {
    const char *revision;
    char *id, *tree; /* of git */
    char *path;      /* of the worktree */
    struct wg_model *model;
};

struct comparing {
    const struct compare_commits *what;
    struct bisect_repo repo;
    struct bisect_trees trees;
    struct side sides[2];
    int lock_fd, interrupt_fd;
};

static int open_repo(struct comparing *comparing, struct wg_err *err)
{
    struct bisect_repo *repo = &comparing->repo;
    if (bisect_repo_open(repo, err) != 0)
        return -1;
    free(repo->state_dir);
    repo->state_dir = wg_format("%s/walgrind-compare", repo->git_dir);
    if (wg_tree_make(repo->state_dir, err) != 0)
        return -1;
    char *lock = wg_format("%s/lock", repo->state_dir);
    comparing->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int rc = 0;
    if (comparing->lock_fd < 0)
        rc = wg_err_errno(err, "open %s", lock);
    else if (flock(comparing->lock_fd, LOCK_EX | LOCK_NB) != 0)
        rc = wg_err_set(err, WG_ERR_STATE, "commits of this repository are being compared already");
    free(lock);
    return rc;
}

static int open_interrupt(struct comparing *comparing, struct wg_err *err)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    comparing->interrupt_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return comparing->interrupt_fd >= 0 ? 0 : wg_err_errno(err, "signalfd");
}

static int resolve(struct comparing *comparing, struct side *side, struct wg_err *err)
{
    struct wg_buf out;
    if (bisect_resolve(&comparing->repo, side->revision, &side->id, err) != 0)
        return -1;
    char *name = wg_format("%s^{tree}", side->id);
    const char *const args[] = {"rev-parse", "--verify", name, NULL};
    wg_buf_init(&out, 256);
    int rc = bisect_git(&comparing->repo, NULL, args, &out, err);
    side->tree = wg_strndup(out.data, strcspn(out.data, "\n"));
    wg_buf_finish(&out);
    free(name);
    return rc;
}

/* The last lines of a command that went wrong. */
static int command_failed(const struct side *side, const char *what,
                          const struct bisect_child *child, struct wg_err *err)
{
    const char *output = child->output.data;
    size_t size = child->output.size, from = size > 400 ? size - 400 : 0;
    const char *line = from ? strchr(output + from, '\n') : NULL;
    char *tail = wg_strdup(line ? line + 1 : output + from);
    for (char *at = tail; *at; at++)
        *at = *at == '\n' ? '|' : *at;
    wg_err_set(err, WG_ERR_STATE, "%s of %s failed: %s", what, side->revision, tail);
    free(tail);
    return -1;
}

/* Runs a command in the tree of a side. Its exit code; -1 also when it was interrupted. */
static int run_in(struct comparing *comparing, const struct side *side, const char *what,
                  char *const *argv, int exit_code_most, struct wg_err *err)
{
    const struct bisect_child_options options = {
        .argv = argv, .envp = comparing->repo.env.items, .directory = side->path};
    struct bisect_child *child = NULL;
    bool interrupted = false;
    int rc = -1;
    if (bisect_child_start(&options, &child, err) != 0)
        return wg_err_wrap(err, "%s of %s", what, side->revision);
    do
        rc = bisect_children_wait(&child, 1, comparing->interrupt_fd, &interrupted, err);
    while (rc == 0 && !child->ended && !interrupted);
    if (rc == 0 && interrupted)
        rc = wg_err_set(err, WG_ERR_STATE, "interrupted");
    else if (rc == 0)
        rc = WIFEXITED(child->status) && WEXITSTATUS(child->status) <= exit_code_most
                 ? WEXITSTATUS(child->status)
                 : command_failed(side, what, child, err);
    bisect_child_destroy(child);
    return rc;
}

static int prepare(struct comparing *comparing, struct side *side, struct wg_err *err)
{
    bool ready = false, no_submodules = false;
    char shell[] = "/bin/sh", option[] = "-c";
    if (resolve(comparing, side, err) != 0 ||
        bisect_tree_prepare(&comparing->trees, side->id, side->tree, &side->path, &ready,
                            &no_submodules, err) != 0)
        return -1;
    if (no_submodules)
        return wg_err_set(err, WG_ERR_STATE, "the submodules of %s cannot be checked out",
                          side->revision);
    if (ready)
        return 0;
    if (comparing->what->build) {
        char *build = wg_strdup(comparing->what->build);
        char *argv[] = {shell, option, build, NULL};
        fprintf(stderr, "building %s (%.12s)\n", side->revision, side->id);
        int rc = run_in(comparing, side, "the build", argv, 0, err);
        free(build);
        if (rc != 0)
            return -1;
    }
    return bisect_tree_mark(&comparing->trees, side->tree, err);
}

/* Reads the run that the command has just recorded; `before` is what was the newest before it. */
static int read_newest(struct side *side, char **before, struct wg_err *err)
{
    struct wg_run_directory directory = {0};
    struct wg_model alone;
    int rc = -1;
    char *last = wg_format("%s/.walgrind/last", side->path);
    char *newest = realpath(last, NULL);
    wg_model_init(&alone);
    if (!newest || (*before && strcmp(*before, newest) == 0)) {
        wg_err_set(err, WG_ERR_USAGE,
                   "the command recorded no run in its working directory; it is to be "
                   "'walgrind run …' without --run-dir");
    } else if (wg_run_directory_open(newest, &directory, err) == 0 &&
               wg_model_read(&alone, directory.events, err) == 0) {
        enum wg_verdict verdict = wg_model_verdict(&alone);
        rc = verdict == WG_VERDICT_PASS || verdict == WG_VERDICT_FAIL
                 ? wg_model_read(side->model, directory.events, err)
                 : wg_err_set(err, WG_ERR_STATE, "a run of %s has the verdict %s", side->revision,
                              wg_verdict_name(verdict));
    }
    free(*before);
    *before = newest;
    wg_model_finish(&alone);
    wg_run_directory_finish(&directory);
    free(last);
    return rc;
}

static int run_all(struct comparing *comparing, struct wg_err *err)
{
    char *newest[2] = {NULL, NULL};
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        char *last = wg_format("%s/.walgrind/last", comparing->sides[i].path);
        newest[i] = realpath(last, NULL);
        free(last);
    }
    for (long n = 0; rc >= 0 && n < comparing->what->runs; n++) {
        for (int i = 0; rc >= 0 && i < 2; i++) {
            struct side *side = &comparing->sides[i];
            fprintf(stderr, "run %ld of %ld: %s", n + 1, comparing->what->runs, side->revision);
            rc = run_in(comparing, side, "the command", comparing->what->command, WG_EXIT_FAILED,
                        err);
            fprintf(stderr, "%s\n", rc == 0 ? ", passed" : rc > 0 ? ", failed" : "");
            if (rc >= 0)
                rc = read_newest(side, &newest[i], err);
        }
    }
    free(newest[0]);
    free(newest[1]);
    return rc < 0 ? -1 : 0;
}

static int clean_up(struct comparing *comparing, int rc, struct wg_err *err)
{
    bool mine = comparing->lock_fd >= 0 && comparing->trees.repo;
    if (mine && !comparing->what->keep &&
        (bisect_trees_remove_all(&comparing->trees, rc == 0 ? err : NULL) != 0 ||
         wg_tree_remove(comparing->repo.state_dir, rc == 0 ? err : NULL) != 0))
        rc = -1;
    for (int i = 0; i < 2; i++) {
        free(comparing->sides[i].id);
        free(comparing->sides[i].tree);
        free(comparing->sides[i].path);
    }
    if (comparing->lock_fd >= 0)
        close(comparing->lock_fd);
    if (comparing->interrupt_fd >= 0)
        close(comparing->interrupt_fd);
    bisect_repo_finish(&comparing->repo);
    return rc;
}

int compare_commits(const struct compare_commits *what, struct wg_model *a, struct wg_model *b,
                    struct wg_err *err)
{
    struct comparing comparing = {
        .what = what,
        .sides = {{.revision = what->a, .model = a}, {.revision = what->b, .model = b}},
        .lock_fd = -1,
        .interrupt_fd = -1,
    };
    int rc = -1;
    if (open_repo(&comparing, err) == 0 && open_interrupt(&comparing, err) == 0) {
        comparing.trees = (struct bisect_trees){
            .repo = &comparing.repo, .build = what->build, .keep = TREES_KEPT};
        if (prepare(&comparing, &comparing.sides[0], err) == 0 &&
            prepare(&comparing, &comparing.sides[1], err) == 0)
            rc = strcmp(comparing.sides[0].path, comparing.sides[1].path) == 0
                     ? wg_err_set(err, WG_ERR_USAGE, "%s and %s have the same content", what->a,
                                  what->b)
                     : run_all(&comparing, err);
    }
    return clean_up(&comparing, rc, err);
}
