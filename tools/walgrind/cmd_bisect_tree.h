/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_tree.h - checked-out and built commits, cached by the hash of their tree.
 *
 * Each tree is a worktree of its own below the state directory, `trees/PURPOSE-KEY`, PURPOSE the
 * last part of that directory (walgrind-bisect, walgrind-compare), KEY made from the git tree and
 * the build command: commits with the same content share a build. A file `KEY.ok` beside it says
 * that it is complete; it is written last and removed first, so a tree that was being made or
 * removed when the process was killed is never used. Its time is that of the last use: beyond the
 * limit the tree that was not used for the longest time is removed.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_TREE_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_TREE_H

#include "tools/walgrind/cmd_bisect_git.h"

#include <stdbool.h>
#include <stddef.h>

struct bisect_trees {
    const struct bisect_repo *repo; /* borrowed */
    const char *build;              /* the build command, NULL for none; borrowed */
    size_t keep;                    /* trees kept at a time */
};

/* Whether the tree of a commit is there and complete. */
bool bisect_tree_is_ready(const struct bisect_trees *trees, const char *tree);

/*
 * Gives the directory of a commit (caller frees it). *ret_ready tells whether it is complete; when
 * not it has just been checked out, submodules and all, and is to be built and then marked.
 * *ret_submodules_failed: the commit cannot be tested.
 */
int bisect_tree_prepare(const struct bisect_trees *trees, const char *commit, const char *tree,
                        char **ret_path, bool *ret_ready, bool *ret_submodules_failed,
                        struct wg_err *err);

/* Marks a tree as complete. */
int bisect_tree_mark(const struct bisect_trees *trees, const char *tree, struct wg_err *err);

/* Removes one tree, or all of them with everything that git knows of them. */
int bisect_tree_remove(const struct bisect_trees *trees, const char *tree, struct wg_err *err);
int bisect_trees_remove_all(const struct bisect_trees *trees, struct wg_err *err);

#endif
