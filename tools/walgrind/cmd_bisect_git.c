/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_git.h"

#include "harness/base/limit.h"
#include "harness/sys/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much more a commit is suspected that touches what --touching names. */
#define TOUCHING_WEIGHT 8

/* Variables that would point git, ours or the tested program's, at another repository. */
static const char *const git_variables[] = {
    "GIT_DIR",    "GIT_WORK_TREE", "GIT_INDEX_FILE",       "GIT_COMMON_DIR",
    "GIT_PREFIX", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
};

static bool points_git_elsewhere(const char *entry)
{
    for (size_t i = 0; i < sizeof git_variables / sizeof git_variables[0]; i++) {
        size_t length = strlen(git_variables[i]);
        if (strncmp(entry, git_variables[i], length) == 0 && entry[length] == '=')
            return true;
    }
    return false;
}

/* Appends the content of a memfd. */
static int read_back(int fd, struct wg_buf *out, struct wg_err *err)
{
    char chunk[64 * 1024];
    off_t at = 0;
    ssize_t size = 0;
    while ((size = pread(fd, chunk, sizeof chunk, at)) > 0) {
        if (wg_buf_append(out, chunk, (size_t)size) != 0)
            return wg_err_set(err, WG_ERR_LIMIT, "git prints more than %zu bytes", out->max);
        at += size;
    }
    return size == 0 ? 0 : wg_err_errno(err, "read what git printed");
}

/* What a user may have set and a worktree of ours must not do. */
static const char *const settings[] = {"core.hooksPath=/dev/null", "core.fsmonitor=false",
                                       "submodule.recurse=false"};

/* Runs git to its end; standard output and error go to the two buffers. */
static int run_git(const struct bisect_repo *repo, const char *directory, const char *const *args,
                   struct wg_buf *out, struct wg_buf *complaint, int *ret_status,
                   struct wg_err *err)
{
    int rc = -1;
    struct wg_process *process = NULL;
    struct wg_strv argv = {0};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.stdout_fd = memfd_create("git-out", MFD_CLOEXEC);
    options.stderr_fd = memfd_create("git-err", MFD_CLOEXEC);
    if (options.stdout_fd < 0 || options.stderr_fd < 0) {
        wg_err_errno(err, "memfd_create");
        goto out;
    }
    wg_strv_push(&argv, "git");
    wg_strv_push(&argv, "--no-optional-locks");
    if (repo->git_dir && !directory)
        wg_strv_take(&argv, wg_format("--git-dir=%s", repo->git_dir));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        wg_strv_push(&argv, "-c");
        wg_strv_push(&argv, settings[i]);
    }
    for (size_t i = 0; args[i]; i++)
        wg_strv_push(&argv, args[i]);
    options.argv = argv.items;
    options.envp = repo->git_dir ? repo->env.items : NULL;
    options.directory = directory;
    if (wg_process_start(&options, &process, err) != 0 ||
        wg_process_wait(process, WG_DEADLINE_NEVER, ret_status, NULL, err) < 0 ||
        read_back(options.stdout_fd, out, err) != 0 ||
        read_back(options.stderr_fd, complaint, err) != 0)
        goto out;
    rc = 0;
out:
    wg_process_destroy(process);
    wg_strv_finish(&argv);
    if (options.stdout_fd >= 0)
        close(options.stdout_fd);
    if (options.stderr_fd >= 0)
        close(options.stderr_fd);
    return rc;
}

/* The last line that is not empty; cuts the text. */
static const char *last_line(struct wg_buf *text)
{
    while (text->size > 0 && text->data[text->size - 1] == '\n')
        text->data[--text->size] = '\0';
    const char *line = strrchr(text->data, '\n');
    return line ? line + 1 : text->data;
}

int bisect_git(const struct bisect_repo *repo, const char *directory, const char *const *args,
               struct wg_buf *out, struct wg_err *err)
{
    int status = 0, rc = -1;
    struct wg_buf dropped, complaint;
    wg_buf_init(&dropped, WG_LIMIT_BISECT_LOG);
    wg_buf_init(&complaint, WG_LIMIT_BISECT_LOG);
    if (run_git(repo, directory, args, out ? out : &dropped, &complaint, &status, err) != 0)
        goto out;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        wg_err_set(err, WG_ERR_STATE, "git %s: %s", args[0], last_line(&complaint));
        goto out;
    }
    rc = 0;
out:
    wg_buf_finish(&dropped);
    wg_buf_finish(&complaint);
    return rc;
}

int bisect_git_ask(const struct bisect_repo *repo, const char *const *args, int *ret_exit_code,
                   struct wg_err *err)
{
    int status = 0;
    struct wg_buf out, complaint;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    wg_buf_init(&complaint, WG_LIMIT_BISECT_LOG);
    int rc = run_git(repo, NULL, args, &out, &complaint, &status, err);
    if (rc == 0)
        *ret_exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    wg_buf_finish(&out);
    wg_buf_finish(&complaint);
    return rc;
}

int bisect_repo_open(struct bisect_repo *ret_repo, struct wg_err *err)
{
    int rc = -1;
    struct bisect_repo repo = {0};
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    const char *const where[] = {"rev-parse", "--path-format=absolute", "--git-common-dir",
                                 "--is-shallow-repository", NULL};
    if (bisect_git(&repo, NULL, where, &out, err) != 0) {
        if (err->kind == WG_ERR_STATE) {
            wg_err_clear(err);
            wg_err_set(err, WG_ERR_USAGE, "not a git repository (nor any directory above)");
        }
        goto out;
    }
    size_t length = strcspn(out.data, "\n");
    repo.git_dir = wg_strndup(out.data, length);
    repo.shallow = strcmp(last_line(&out), "true") == 0;
    repo.state_dir = wg_format("%s/walgrind-bisect", repo.git_dir);
    for (char **entry = environ; *entry; entry++)
        if (!points_git_elsewhere(*entry))
            wg_strv_push(&repo.env, *entry);
    *ret_repo = repo;
    repo = (struct bisect_repo){0};
    rc = 0;
out:
    bisect_repo_finish(&repo);
    wg_buf_finish(&out);
    return rc;
}

void bisect_repo_finish(struct bisect_repo *repo)
{
    free(repo->git_dir);
    free(repo->state_dir);
    wg_strv_finish(&repo->env);
    *repo = (struct bisect_repo){0};
}

static const char *shallow_hint(const struct bisect_repo *repo)
{
    return repo->shallow ? "; this is a shallow clone: run 'git fetch --unshallow' first" : "";
}

int bisect_resolve(const struct bisect_repo *repo, const char *revision, char **ret_id,
                   struct wg_err *err)
{
    int rc = -1;
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    char *commit = wg_format("%s^{commit}", revision);
    const char *const args[] = {"rev-parse",        "--verify", "--quiet",
                                "--end-of-options", commit,     NULL};
    struct wg_err why = WG_ERR_INIT;
    if (bisect_git(repo, NULL, args, &out, &why) != 0) {
        wg_err_set(err, WG_ERR_USAGE, "'%s' is no commit here%s", revision, shallow_hint(repo));
        goto out;
    }
    *ret_id = wg_strdup(last_line(&out));
    rc = 0;
out:
    free(commit);
    wg_buf_finish(&out);
    return rc;
}

static int is_ancestor(const struct bisect_repo *repo, const char *older, const char *newer,
                       bool *ret_yes, struct wg_err *err)
{
    int code = 0;
    const char *const args[] = {"merge-base", "--is-ancestor", older, newer, NULL};
    if (bisect_git_ask(repo, args, &code, err) != 0)
        return -1;
    *ret_yes = code == 0;
    return 0;
}

/* GOOD must be an ancestor of BAD and not the same. */
static int check_ends(const struct bisect_repo *repo, const char *good, const char *bad,
                      struct wg_err *err)
{
    bool forward = false, backward = false;
    if (strcmp(good, bad) == 0)
        return wg_err_set(err, WG_ERR_USAGE, "GOOD and BAD are the same commit, %.12s", good);
    if (is_ancestor(repo, good, bad, &forward, err) != 0 ||
        is_ancestor(repo, bad, good, &backward, err) != 0)
        return -1;
    if (forward)
        return 0;
    if (backward)
        return wg_err_set(err, WG_ERR_USAGE,
                          "GOOD and BAD are swapped: %.12s (GOOD) comes after %.12s (BAD)", good,
                          bad);
    struct wg_buf base;
    struct wg_err why = WG_ERR_INIT;
    const char *const args[] = {"merge-base", good, bad, NULL};
    wg_buf_init(&base, WG_LIMIT_BISECT_LOG);
    if (bisect_git(repo, NULL, args, &base, &why) == 0)
        wg_err_set(err, WG_ERR_USAGE,
                   "%.12s (GOOD) is not an ancestor of %.12s (BAD); start from where they part: "
                   "%.12s",
                   good, bad, last_line(&base));
    else
        wg_err_set(err, WG_ERR_USAGE, "%.12s (GOOD) and %.12s (BAD) have no common history%s", good,
                   bad, shallow_hint(repo));
    wg_buf_finish(&base);
    return -1;
}

/* In a shallow clone: no commit of the range may be one where the history was cut. */
static int check_cut(const struct bisect_repo *repo, const struct wg_bisect_history *history,
                     struct wg_err *err)
{
    if (!repo->shallow)
        return 0;
    for (size_t x = 1; x < history->count; x++)
        if (history->commits[x].parent_count == 0)
            return wg_err_set(err, WG_ERR_USAGE,
                              "the history between GOOD and BAD is cut at %.12s%s",
                              history->commits[x].id, shallow_hint(repo));
    return 0;
}

int bisect_read_range(const struct bisect_repo *repo, const char *good, const char *bad,
                      struct wg_bisect_history *ret_history, struct wg_err *err)
{
    int rc = -1;
    struct wg_bisect_history history = {0};
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    char *not_good = wg_format("^%s", good);
    const char *const args[] = {"rev-list", "--topo-order", "--parents", bad, not_good, NULL};
    if (check_ends(repo, good, bad, err) != 0 || bisect_git(repo, NULL, args, &out, err) != 0 ||
        wg_bisect_history_parse(good, out.data, &history, err) != 0 ||
        check_cut(repo, &history, err) != 0)
        goto out;
    *ret_history = history;
    history = (struct wg_bisect_history){0};
    rc = 0;
out:
    wg_bisect_history_finish(&history);
    wg_buf_finish(&out);
    free(not_good);
    return rc;
}

/* Calls for every commit of GOOD..BAD and for GOOD; the lines are "id tree subject". */
static void take_texts(const struct wg_bisect_history *history, const char *lines,
                       struct bisect_commit_text *texts)
{
    for (const char *at = lines; *at; at += *at == '\n') {
        size_t length = strcspn(at, "\n"), id_size = strcspn(at, " \n");
        char *id = wg_strndup(at, id_size);
        long node = wg_bisect_history_find(history, id);
        free(id);
        if (node >= 0 && id_size < length && !texts[node].tree) {
            const char *tree = at + id_size + 1;
            size_t tree_size = strcspn(tree, " \n");
            texts[node].tree = wg_strndup(tree, tree_size);
            const char *subject = tree + tree_size + (tree[tree_size] == ' ');
            texts[node].subject = wg_strndup(subject, (size_t)(at + length - subject));
        }
        at += length;
    }
}

int bisect_read_texts(const struct bisect_repo *repo, const struct wg_bisect_history *history,
                      struct bisect_commit_text **ret_texts, struct wg_err *err)
{
    int rc = -1;
    struct bisect_commit_text *texts = wg_calloc(history->count, sizeof *texts);
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    const char *good = history->commits[0].id;
    char *not_good = wg_format("^%s", good);
    const char *bad = history->commits[wg_bisect_history_bad(history)].id;
    const char *const range[] = {"log", "--format=%H %T %s", bad, not_good, NULL};
    const char *const end[] = {"log", "--format=%H %T %s", "-1", good, NULL};
    if (bisect_git(repo, NULL, range, &out, err) != 0 ||
        bisect_git(repo, NULL, end, &out, err) != 0)
        goto out;
    take_texts(history, out.data, texts);
    for (size_t x = 0; x < history->count; x++) {
        if (!texts[x].tree) {
            wg_err_set(err, WG_ERR_STATE, "git log does not show %s", history->commits[x].id);
            goto out;
        }
    }
    *ret_texts = texts;
    texts = NULL;
    rc = 0;
out:
    bisect_texts_free(texts, history->count);
    wg_buf_finish(&out);
    free(not_good);
    return rc;
}

void bisect_texts_free(struct bisect_commit_text *texts, size_t count)
{
    for (size_t x = 0; texts && x < count; x++) {
        free(texts[x].tree);
        free(texts[x].subject);
    }
    free(texts);
}

int bisect_read_prior(const struct bisect_repo *repo, const struct wg_bisect_history *history,
                      const struct wg_strv *patterns, double **ret_prior, struct wg_err *err)
{
    int rc = -1;
    size_t matched = 0;
    struct wg_strv args = {0};
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    double *prior = wg_calloc(history->count, sizeof *prior);
    wg_strv_push(&args, "rev-list");
    wg_strv_push(&args, "--full-history");
    wg_strv_push(&args, history->commits[wg_bisect_history_bad(history)].id);
    wg_strv_take(&args, wg_format("^%s", history->commits[0].id));
    wg_strv_push(&args, "--");
    wg_strv_extend(&args, patterns->items);
    if (bisect_git(repo, NULL, (const char *const *)args.items, &out, err) != 0)
        goto out;
    for (size_t x = 0; x < history->count; x++)
        prior[x] = 1;
    for (const char *at = out.data; *at; at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        char *id = wg_strndup(at, length);
        long node = wg_bisect_history_find(history, id);
        free(id);
        at += length;
        if (node < 0)
            continue;
        prior[node] = TOUCHING_WEIGHT;
        matched++;
    }
    if (matched == 0) {
        wg_err_set(err, WG_ERR_USAGE, "no commit between GOOD and BAD touches '%s'",
                   patterns->items[0]);
        goto out;
    }
    *ret_prior = prior;
    prior = NULL;
    rc = 0;
out:
    free(prior);
    wg_strv_finish(&args);
    wg_buf_finish(&out);
    return rc;
}

bool bisect_checkout_dirty(const struct bisect_repo *repo)
{
    struct wg_buf out;
    struct wg_err why = WG_ERR_INIT;
    const char *const args[] = {"status", "--porcelain", "--untracked-files=no", NULL};
    struct bisect_repo here = {.env = repo->env}; /* of the working directory, not the shared one */
    wg_buf_init(&out, WG_LIMIT_BISECT_LOG);
    bool dirty = bisect_git(&here, NULL, args, &out, &why) == 0 && out.size > 0;
    wg_buf_finish(&out);
    return dirty;
}
