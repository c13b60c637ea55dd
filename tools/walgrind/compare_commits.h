/* SPDX-License-Identifier: MIT */
/*
 * compare_commits.h - runs two commits in turn, each built in a worktree of its own, and reads what
 * the runs recorded. The user's checkout is not touched.
 */
#ifndef WG_TOOLS_WALGRIND_COMPARE_COMMITS_H
#define WG_TOOLS_WALGRIND_COMPARE_COMMITS_H

#include "harness/report/model.h"

#include <stdbool.h>

struct compare_commits {
    const char *a, *b;    /* revisions */
    const char *build;    /* shell command, NULL: none */
    char *const *command; /* "walgrind run …", NULL-terminated; run in the commit's tree */
    long runs;            /* of each, in turns */
    bool keep;            /* leaves the built trees for the next time */
};

/*
 * Adds up the runs of each commit. WG_ERR_USAGE for what the user can put right; a commit that does
 * not build, and a command that ends without a verdict, are errors with the end of what they said.
 */
int compare_commits(const struct compare_commits *what, struct wg_model *a, struct wg_model *b,
                    struct wg_err *err);

#endif
