/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_tree.h"

#include "harness/base/hash.h"
#include "harness/sys/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_SUFFIX ".ok"
#define KEY_DIGITS  16

/* What names of trees begin with, before a hyphen. */
static const char *purpose(const struct bisect_trees *trees)
{
    return strrchr(trees->repo->state_dir, '/') + 1;
}

/* The path without suffix of the tree with this key. */
static char *tree_path(const struct bisect_trees *trees, const char *tree)
{
    struct wg_hash hash;
    char hex[WG_HASH_HEX_SIZE];
    wg_hash_init(&hash);
    wg_hash_add_str(&hash, tree);
    wg_hash_add_str(&hash, trees->build ? trees->build : "");
    wg_hash_hex(&hash, hex);
    return wg_format("%s/trees/%s-%.*s", trees->repo->state_dir, purpose(trees), KEY_DIGITS, hex);
}

bool bisect_tree_is_ready(const struct bisect_trees *trees, const char *tree)
{
    char *path = tree_path(trees, tree);
    char *mark = wg_format("%s" MARK_SUFFIX, path);
    bool ready = access(mark, F_OK) == 0 && access(path, F_OK) == 0;
    free(mark);
    free(path);
    return ready;
}

/* The mark goes first: from then on the tree counts as not there. */
static int remove_path(const struct bisect_trees *trees, const char *path, struct wg_err *err)
{
    struct wg_err ignored = WG_ERR_INIT;
    char *mark = wg_format("%s" MARK_SUFFIX, path);
    unlink(mark);
    free(mark);
    const char *const args[] = {"worktree", "remove", "--force", "--force", path, NULL};
    bisect_git(trees->repo, NULL, args, NULL, &ignored); /* fails on what is only half made */
    char *record = wg_format("%s/worktrees%s", trees->repo->git_dir, strrchr(path, '/'));
    int rc = wg_tree_remove(path, err) == 0 && wg_tree_remove(record, err) == 0 ? 0 : -1;
    free(record);
    return rc;
}

int bisect_tree_remove(const struct bisect_trees *trees, const char *tree, struct wg_err *err)
{
    char *path = tree_path(trees, tree);
    int rc = remove_path(trees, path, err);
    free(path);
    return rc;
}

/* Calls for each name in `directory` that is one of ours; returns the first error. */
static int for_each_own(const struct bisect_trees *trees, const char *directory,
                        int (*visit)(const struct bisect_trees *, const char *path, void *data,
                                     struct wg_err *),
                        void *data, struct wg_err *err)
{
    int rc = 0;
    struct wg_strv names = {0};
    DIR *dir = opendir(directory);
    if (!dir)
        return errno == ENOENT ? 0 : wg_err_errno(err, "open %s", directory);
    char *prefix = wg_format("%s-", purpose(trees));
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (wg_str_starts(entry->d_name, prefix) && !wg_str_ends(entry->d_name, MARK_SUFFIX))
            wg_strv_take(&names, wg_format("%s/%s", directory, entry->d_name));
    closedir(dir);
    free(prefix);
    for (size_t i = 0; i < names.count && rc == 0; i++)
        rc = visit(trees, names.items[i], data, err);
    wg_strv_finish(&names);
    return rc;
}

/* The trees that are complete, and the one unused for the longest time. */
struct census {
    size_t count;
    char *oldest;
    struct timespec used;
};

static int count_tree(const struct bisect_trees *trees, const char *path, void *data,
                      struct wg_err *err)
{
    (void)trees;
    (void)err;
    struct census *census = data;
    struct stat mark_stat;
    char *mark = wg_format("%s" MARK_SUFFIX, path);
    if (stat(mark, &mark_stat) == 0) {
        struct timespec used = mark_stat.st_mtim;
        if (census->count++ == 0 || used.tv_sec < census->used.tv_sec ||
            (used.tv_sec == census->used.tv_sec && used.tv_nsec < census->used.tv_nsec)) {
            free(census->oldest);
            census->oldest = wg_strdup(path);
            census->used = used;
        }
    }
    free(mark);
    return 0;
}

/* Makes room for one more tree. */
static int evict(const struct bisect_trees *trees, const char *directory, struct wg_err *err)
{
    for (;;) {
        struct census census = {0};
        int rc = for_each_own(trees, directory, count_tree, &census, err);
        bool full = census.count >= trees->keep;
        if (rc == 0 && full)
            rc = remove_path(trees, census.oldest, err);
        free(census.oldest);
        if (rc != 0 || !full)
            return rc;
    }
}

/*
 * Checks submodules out. `submodule init` would write to the configuration that is shared with the
 * user's checkout; a variable on the command line makes them active for this command only.
 */
static int update_submodules(const struct bisect_trees *trees, const char *path, bool *ret_failed,
                             struct wg_err *err)
{
    char *modules = wg_format("%s/.gitmodules", path);
    bool any = access(modules, F_OK) == 0;
    free(modules);
    if (!any)
        return 0;
    struct wg_err why = WG_ERR_INIT;
    const char *const args[] = {"-c",     "submodule.active=.", "submodule",
                                "update", "--recursive",        NULL};
    if (bisect_git(trees->repo, path, args, NULL, &why) == 0)
        return 0;
    if (why.kind != WG_ERR_STATE) {
        *err = why;
        return -1;
    }
    *ret_failed = true;
    return 0;
}

int bisect_tree_prepare(const struct bisect_trees *trees, const char *commit, const char *tree,
                        char **ret_path, bool *ret_ready, bool *ret_submodules_failed,
                        struct wg_err *err)
{
    int rc = -1;
    char *path = tree_path(trees, tree);
    char *directory = wg_format("%s/trees", trees->repo->state_dir);
    *ret_submodules_failed = false;
    *ret_ready = bisect_tree_is_ready(trees, tree);
    if (*ret_ready) {
        if (bisect_tree_mark(trees, tree, err) != 0)
            goto out;
    } else {
        const char *const args[] = {"worktree", "add", "--force", "--force",
                                    "--detach", path,  commit,    NULL};
        if (wg_tree_make(directory, err) != 0 || remove_path(trees, path, err) != 0 ||
            evict(trees, directory, err) != 0 ||
            bisect_git(trees->repo, NULL, args, NULL, err) != 0 ||
            update_submodules(trees, path, ret_submodules_failed, err) != 0)
            goto out;
    }
    *ret_path = path;
    path = NULL;
    rc = 0;
out:
    free(path);
    free(directory);
    return rc;
}

int bisect_tree_mark(const struct bisect_trees *trees, const char *tree, struct wg_err *err)
{
    char *path = tree_path(trees, tree);
    char *mark = wg_format("%s" MARK_SUFFIX, path);
    int rc = 0;
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || futimens(fd, NULL) != 0)
        rc = wg_err_errno(err, "mark %s", mark);
    if (fd >= 0)
        close(fd);
    free(mark);
    free(path);
    return rc;
}

static int remove_visit(const struct bisect_trees *trees, const char *path, void *data,
                        struct wg_err *err)
{
    (void)data;
    return remove_path(trees, path, err);
}

static int remove_record(const struct bisect_trees *trees, const char *path, void *data,
                         struct wg_err *err)
{
    (void)trees;
    (void)data;
    return wg_tree_remove(path, err);
}

int bisect_trees_remove_all(const struct bisect_trees *trees, struct wg_err *err)
{
    char *directory = wg_format("%s/trees", trees->repo->state_dir);
    char *records = wg_format("%s/worktrees", trees->repo->git_dir);
    int rc = -1;
    if (for_each_own(trees, directory, remove_visit, NULL, err) != 0 ||
        wg_tree_remove(directory, err) != 0 ||
        for_each_own(trees, records, remove_record, NULL, err) != 0)
        goto out;
    rmdir(records); /* as git does when the last worktree goes; fails when others are there */
    rc = 0;
out:
    free(directory);
    free(records);
    return rc;
}
