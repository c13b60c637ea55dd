/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_git.h - what walgrind bisect asks of git.
 *
 * Nothing here writes to the checkout, the index, the stash, the configuration or a ref of the
 * user: questions are asked with --no-optional-locks (or `git status` would refresh the index), and
 * the worktrees that are made are detached, ours, and removed one by one (`git worktree prune`
 * would also remove what the user has left lying about). Hooks do not run.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_GIT_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_GIT_H

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/bisect/history.h"

#include <stdbool.h>

struct bisect_repo {
    char *git_dir;      /* absolute path of the directory that all worktrees share */
    char *state_dir;    /* git_dir/walgrind-bisect */
    bool shallow;       /* history was cut when it was cloned */
    struct wg_strv env; /* our environment without the variables that point git at a repository */
};

/* What the reports tell about a commit. */
struct bisect_commit_text {
    char *tree;
    char *subject;
};

/* Finds the repository of the working directory. "Not a git repository" is a usage error. */
int bisect_repo_open(struct bisect_repo *ret_repo, struct wg_err *err);
void bisect_repo_finish(struct bisect_repo *repo);

/*
 * Runs git with `args` (NULL-terminated, without "git") in the shared directory, or in `directory`
 * when that is a worktree. `out` (may be NULL) gets its standard output. A failure of git is an
 * error with the last line of what it said.
 */
int bisect_git(const struct bisect_repo *repo, const char *directory, const char *const *args,
               struct wg_buf *out, struct wg_err *err);

/* As above, but the exit code is an answer; -1 only when git cannot be run. */
int bisect_git_ask(const struct bisect_repo *repo, const char *const *args, int *ret_exit_code,
                   struct wg_err *err);

/* The full id of a commit; the caller frees it. An unknown revision is a usage error. */
int bisect_resolve(const struct bisect_repo *repo, const char *revision, char **ret_id,
                   struct wg_err *err);

/* Checks that GOOD..BAD can be bisected and reads it. Each way to be wrong has its own line. */
int bisect_read_range(const struct bisect_repo *repo, const char *good, const char *bad,
                      struct wg_bisect_history *ret_history, struct wg_err *err);

/* Trees and subjects of all nodes: an array with an element per node, the caller frees it. */
int bisect_read_texts(const struct bisect_repo *repo, const struct wg_bisect_history *history,
                      struct bisect_commit_text **ret_texts, struct wg_err *err);
void bisect_texts_free(struct bisect_commit_text *texts, size_t count);

/*
 * A weight per node: commits that change a path matching one of `patterns` (pathspecs of git) are
 * worth more. The caller frees it.
 */
int bisect_read_prior(const struct bisect_repo *repo, const struct wg_bisect_history *history,
                      const struct wg_strv *patterns, double **ret_prior, struct wg_err *err);

/* Whether the checkout has changes that are not committed (false in a bare repository). */
bool bisect_checkout_dirty(const struct bisect_repo *repo);

#endif
