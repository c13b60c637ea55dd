/* SPDX-License-Identifier: MIT */
#include "harness/run/sandbox.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SANDBOX_PREFIX       "run"
/* A directory without `owner` may be one that is just being made. */
#define NEWBORN_SECONDS      60
#define REAP_KILL_TIMEOUT_MS 2000

struct wg_sandbox {
    char path[PATH_MAX];
    bool tmpfs;
    int owner_fd; /* holds the lock */
};

int wg_run_sandbox_create(uint64_t need_bytes, struct wg_sandbox **ret_sandbox, struct wg_err *err)
{
    int rc = -1;
    char root[PATH_MAX], owner[PATH_MAX + 16];
    struct wg_sandbox *sandbox = wg_calloc(1, sizeof *sandbox);
    sandbox->owner_fd = -1;
    if (wg_sandbox_root(need_bytes, root, sizeof root, &sandbox->tmpfs, err) != 0 ||
        wg_sandbox_create(root, SANDBOX_PREFIX, sandbox->path, sizeof sandbox->path, err) != 0)
        goto out;
    snprintf(owner, sizeof owner, "%s/owner", sandbox->path);
    sandbox->owner_fd = open(owner, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (sandbox->owner_fd < 0 || flock(sandbox->owner_fd, LOCK_EX | LOCK_NB) != 0) {
        wg_err_errno(err, "lock %s", owner);
        goto out;
    }
    *ret_sandbox = sandbox;
    sandbox = NULL;
    rc = 0;
out:
    if (sandbox && sandbox->path[0])
        wg_tree_remove(sandbox->path, NULL);
    if (sandbox && sandbox->owner_fd >= 0)
        close(sandbox->owner_fd);
    free(sandbox);
    return rc;
}

const char *wg_run_sandbox_path(const struct wg_sandbox *sandbox)
{
    return sandbox->path;
}

bool wg_run_sandbox_is_tmpfs(const struct wg_sandbox *sandbox)
{
    return sandbox->tmpfs;
}

int wg_run_sandbox_destroy(struct wg_sandbox *sandbox, struct wg_err *err)
{
    if (!sandbox)
        return 0;
    int rc = wg_tree_remove(sandbox->path, err);
    close(sandbox->owner_fd);
    free(sandbox);
    return rc;
}

int wg_run_sandbox_note_process(const char *path, pid_t pid, const char *name, struct wg_err *err)
{
    char *manifest = wg_format("%s/processes", path);
    char *line = wg_format("%ld %lld %s\n", (long)pid, wg_process_start_ticks(pid), name);
    int rc = -1;
    int fd = open(manifest, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        wg_err_errno(err, "write %s", manifest);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    free(line);
    free(manifest);
    return rc;
}

/* Kills the process group of a pid that still is the process it was, and waits for its end. */
static bool kill_leftover(pid_t pid, long long start_ticks)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return false;
    /* With the pidfd open the pid cannot be reused between the check and the kill. A readable one
     * is a zombie that nobody has reaped yet. */
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    bool same = wg_process_start_ticks(pid) == start_ticks && poll(&ended, 1, 0) == 0;
    if (same) {
        kill(-pid, SIGKILL);
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        poll(&wait, 1, REAP_KILL_TIMEOUT_MS);
    }
    close(pidfd);
    return same;
}

static int kill_manifest(const char *path)
{
    int killed = 0;
    char line[256];
    char *manifest = wg_format("%s/processes", path);
    FILE *file = fopen(manifest, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *end = NULL;
        long pid = strtol(line, &end, 10);
        long long ticks = strtoll(end, NULL, 10);
        if (pid > 1 && ticks > 0)
            killed += kill_leftover((pid_t)pid, ticks);
    }
    if (file)
        fclose(file);
    free(manifest);
    return killed;
}

/* True when no living run owns the sandbox; then *ret_fd holds its lock, so that only one cleans.
 */
static bool is_abandoned(const char *path, int *ret_fd)
{
    struct stat st;
    *ret_fd = -1;
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return false;
    char *owner = wg_format("%s/owner", path);
    int fd = open(owner, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    free(owner);
    if (fd < 0)
        return errno == ENOENT && time(NULL) - st.st_mtime > NEWBORN_SECONDS;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

static void reap_root(const char *root, struct wg_reaped *reaped)
{
    char *prefix = wg_format("walgrind-%ld-%s-", (long)geteuid(), SANDBOX_PREFIX);
    DIR *directory = opendir(root);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (!wg_str_starts(entry->d_name, prefix))
            continue;
        char *path = wg_format("%s/%s", root, entry->d_name);
        int lock_fd;
        if (is_abandoned(path, &lock_fd)) {
            reaped->processes += kill_manifest(path);
            reaped->sandboxes += wg_tree_remove(path, NULL) == 0;
            if (lock_fd >= 0)
                close(lock_fd);
        }
        free(path);
    }
    if (directory)
        closedir(directory);
    free(prefix);
}

void wg_run_sandbox_reap(struct wg_reaped *ret_reaped)
{
    const char *const roots[] = {getenv("WALGRIND_SANDBOX"), getenv("XDG_RUNTIME_DIR"), "/dev/shm",
                                 getenv("TMPDIR"), "/tmp"};
    *ret_reaped = (struct wg_reaped){0};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (roots[i] && roots[i][0])
            reap_root(roots[i], ret_reaped);
}
