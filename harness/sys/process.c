/* SPDX-License-Identifier: MIT */
/*
 * How a child is started: fork(2) with all signals blocked, so that no handler of ours runs in the
 * child; the child makes itself what process.h promises and calls execve(2). An error on that way
 * travels back through a close-on-exec pipe, whose end of file tells that the exec succeeded.
 * Everything that may allocate (the PATH search, the table of descriptors) happens before the
 * fork, because the child of a threaded process may only call async-signal-safe functions.
 *
 * How the group stays ours: the leader is looked at with WNOWAIT and stays a zombie until stop or
 * destroy. As long as it is one, the kernel does not give its number away, so a signal to the group
 * cannot hit a stranger. It is reaped only after the group was killed.
 *
 * Needs Linux 5.11 (close_range with CLOSE_RANGE_CLOEXEC).
 */
#include "harness/sys/process.h"

#include "harness/base/str.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GROUP_MEMBERS_MAX = 1024,   /* members of a dying group that are waited for */
    GROUP_DEATH_MS = 2000,      /* how long: SIGKILL acts at once unless the disk hangs */
    CHILD_FD_MAX = 1024,        /* highest descriptor number a child may be given */
    EXEC_FAILED_EXIT_CODE = 127 /* never seen by callers: the pipe speaks first */
};

struct wg_process {
    pid_t pid;
    int pidfd;
    bool ended;  /* status and usage are known */
    bool reaped; /* the number may belong to somebody else now */
    int status;
    struct rusage usage;
};

/* What the child says when it cannot become the program. */
struct start_failure {
    int sys_errno;
    char step[32];
};

/* Everything the child needs, made before the fork. */
struct start_plan {
    const struct wg_process_options *options;
    struct wg_strv candidates; /* paths to try execve on */
    struct wg_fd_map *maps;    /* 0, 1, 2 and the rest */
    size_t map_count;
    int fd_floor; /* lowest number above every child_fd */
    int failure_fd;
    pid_t parent;
};

static void find_candidates(const char *program, struct wg_strv *ret_list)
{
    if (strchr(program, '/')) {
        wg_strv_push(ret_list, program);
        return;
    }
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/bin:/bin";;) {
        size_t size = strcspn(at, ":");
        wg_strv_take(ret_list, size == 0 ? wg_format("./%s", program)
                                         : wg_format("%.*s/%s", (int)size, at, program));
        if (at[size] == '\0')
            break;
        at += size + 1;
    }
}

char *wg_process_find(const char *program)
{
    char *found = strchr(program, '/') ? wg_strdup(program) : NULL;
    struct wg_strv candidates = {0};
    find_candidates(program, &candidates);
    for (size_t i = 0; !found && i < candidates.count; i++)
        if (access(candidates.items[i], X_OK) == 0)
            found = wg_strdup(candidates.items[i]);
    wg_strv_finish(&candidates);
    return found;
}

static int plan_fds(const struct wg_process_options *options, int null_fd, struct start_plan *plan,
                    struct wg_err *err)
{
    const int standard[3] = {options->stdin_fd, options->stdout_fd, options->stderr_fd};
    plan->map_count = 3 + options->fd_count;
    plan->maps = wg_calloc(plan->map_count, sizeof *plan->maps);
    plan->fd_floor = 3;
    for (int fd = 0; fd < 3; fd++)
        plan->maps[fd] = (struct wg_fd_map){standard[fd] < 0 ? null_fd : standard[fd], fd};
    for (size_t i = 0; i < options->fd_count; i++) {
        int child_fd = options->fds[i].child_fd;
        if (child_fd < 3 || child_fd > CHILD_FD_MAX)
            return wg_err_set(err, WG_ERR_USAGE, "descriptor %d for a child is not in 3..%d",
                              child_fd, CHILD_FD_MAX);
        plan->maps[3 + i] = options->fds[i];
        if (child_fd >= plan->fd_floor)
            plan->fd_floor = child_fd + 1;
    }
    return 0;
}

/* --- in the child: only async-signal-safe calls from here on ------------------------------- */

static void child_fail(int failure_fd, const char *step)
{
    struct start_failure failure = {.sys_errno = errno};
    for (size_t i = 0; step[i] != '\0' && i + 1 < sizeof failure.step; i++)
        failure.step[i] = step[i];
    /* The record is smaller than PIPE_BUF; when the parent is gone nobody is left to tell. */
    ssize_t n = write(failure_fd, &failure, sizeof failure);
    (void)n;
    _exit(EXEC_FAILED_EXIT_CODE);
}

/*
 * Puts every descriptor in its place. All are first lifted above the highest target, so that no
 * dup2 overwrites one that is still needed; whatever is not a target closes at the exec.
 */
static void child_place_fds(struct start_plan *plan)
{
    int failure_fd = fcntl(plan->failure_fd, F_DUPFD_CLOEXEC, plan->fd_floor);
    if (failure_fd < 0)
        child_fail(plan->failure_fd, "dup");
    plan->failure_fd = failure_fd;
    for (size_t i = 0; i < plan->map_count; i++) {
        plan->maps[i].parent_fd = fcntl(plan->maps[i].parent_fd, F_DUPFD_CLOEXEC, plan->fd_floor);
        if (plan->maps[i].parent_fd < 0)
            child_fail(failure_fd, "dup");
    }
    if (syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        child_fail(failure_fd, "close_range");
    for (size_t i = 0; i < plan->map_count; i++) {
        if (dup2(plan->maps[i].parent_fd, plan->maps[i].child_fd) < 0)
            child_fail(failure_fd, "dup2");
    }
}

static void child_reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL); /* refused for SIGKILL and SIGSTOP, rightly */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_run(struct start_plan *plan)
{
    const struct wg_process_options *options = plan->options;
    setpgid(0, 0);
    if (!options->outlive_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            child_fail(plan->failure_fd, "prctl");
        /* The parent may have died before the request was made. */
        if (getppid() != plan->parent)
            _exit(EXEC_FAILED_EXIT_CODE);
    }
    child_place_fds(plan);
    if (options->directory && chdir(options->directory) != 0)
        child_fail(plan->failure_fd, "chdir");
    child_reset_signals();
    char *const *envp = options->envp ? options->envp : environ;
    int worst = ENOENT;
    for (size_t i = 0; i < plan->candidates.count; i++) {
        execve(plan->candidates.items[i], options->argv, envp);
        /* As the shell: a file that exists but cannot be run is worth more than "not found". */
        if (errno != ENOENT && errno != ENOTDIR)
            worst = errno;
    }
    errno = worst;
    child_fail(plan->failure_fd, "execve");
}

/* --- in the parent -------------------------------------------------------------------------- */

static pid_t fork_child(struct start_plan *plan, struct wg_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    plan->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_run(plan);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    if (pid < 0)
        return wg_err_errno(err, "fork");
    return pid;
}

/* Blocks until the exec happened or failed. */
static int read_failure(int fd, const struct start_plan *plan, struct wg_err *err)
{
    struct start_failure failure;
    ssize_t n;
    do
        n = read(fd, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    if (n != (ssize_t)sizeof failure)
        return wg_err_errno(err, "read from a starting child");
    errno = failure.sys_errno;
    failure.step[sizeof failure.step - 1] = '\0';
    bool about_directory = strcmp(failure.step, "chdir") == 0;
    return wg_err_errno(err, "start %s: %s%s%s", plan->options->argv[0], failure.step,
                        about_directory ? " " : "",
                        about_directory ? plan->options->directory : "");
}

static int start(struct start_plan *plan, struct wg_process *process, struct wg_err *err)
{
    int rc = -1;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return wg_err_errno(err, "pipe");
    plan->failure_fd = fds[1];
    pid_t pid = fork_child(plan, err);
    close(fds[1]);
    if (pid < 0)
        goto out;
    process->pid = pid;
    process->reaped = false;
    /* Both sides do this, so that neither sees the child outside its group; EACCES: it did. */
    setpgid(pid, pid);
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (process->pidfd < 0) {
        wg_err_errno(err, "pidfd_open %d", (int)pid);
        goto out;
    }
    rc = read_failure(fds[0], plan, err);
out:
    close(fds[0]);
    return rc;
}

int wg_process_start(const struct wg_process_options *options, struct wg_process **ret_process,
                     struct wg_err *err)
{
    int rc = -1;
    assert(options->argv && options->argv[0]);
    struct start_plan plan = {.options = options};
    struct wg_process *process = wg_calloc(1, sizeof *process);
    process->pidfd = -1;
    process->reaped = true; /* nothing to reap yet */
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0) {
        wg_err_errno(err, "open /dev/null");
        goto out;
    }
    find_candidates(options->argv[0], &plan.candidates);
    if (plan_fds(options, null_fd, &plan, err) != 0 || start(&plan, process, err) != 0)
        goto out;
    *ret_process = process;
    process = NULL;
    rc = 0;
out:
    wg_process_destroy(process);
    if (null_fd >= 0)
        close(null_fd);
    wg_strv_finish(&plan.candidates);
    free(plan.maps);
    return rc;
}

pid_t wg_pidfd_process(int pidfd)
{
    char path[64], line[128];
    long pid = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *file = pidfd >= 0 ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pid: %ld", &pid) == 1)
            break;
    if (file)
        fclose(file);
    return pid > 0 ? (pid_t)pid : 0;
}

pid_t wg_process_pid(const struct wg_process *process)
{
    return process->pid;
}

int wg_process_pidfd(const struct wg_process *process)
{
    return process->pidfd;
}

static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED: return (info->si_status & 0xff) << 8;
    case CLD_DUMPED: return info->si_status | 0x80;
    default: return info->si_status;
    }
}

/* Looks at the ended leader, or reaps it when `flags` lacks WNOWAIT. */
static int collect(struct wg_process *process, int flags, struct wg_err *err)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    long rc;
    do /* the system call itself: the C library's waitid(2) gives no resource usage */
        rc = syscall(SYS_waitid, P_PID, process->pid, &info, WEXITED | flags, &usage);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return wg_err_errno(err, "wait for process %d", (int)process->pid);
    if (!process->ended) {
        process->ended = true;
        process->status = status_of(&info);
        process->usage = usage;
    }
    return 0;
}

int wg_process_wait(struct wg_process *process, struct wg_deadline deadline, int *ret_status,
                    struct rusage *ret_usage, struct wg_err *err)
{
    while (!process->ended) {
        struct pollfd pollfd = {.fd = process->pidfd, .events = POLLIN};
        int n = poll(&pollfd, 1, wg_deadline_poll_ms(deadline));
        if (n < 0 && errno != EINTR)
            return wg_err_errno(err, "poll process %d", (int)process->pid);
        if (n > 0 && collect(process, WNOWAIT, err) != 0)
            return -1;
        if (n == 0 && wg_deadline_passed(deadline))
            return 0;
    }
    if (ret_status)
        *ret_status = process->status;
    if (ret_usage)
        *ret_usage = process->usage;
    return 1;
}

void wg_process_signal_group(struct wg_process *process, int signal_number)
{
    if (!process->reaped)
        kill(-process->pid, signal_number);
}

/* Opens pidfds of all members of the group but its leader. */
static nfds_t open_members(pid_t group, struct pollfd *members, nfds_t max)
{
    nfds_t count = 0;
    DIR *directory = opendir("/proc");
    if (!directory)
        return 0;
    const struct dirent *entry;
    while (count < max && (entry = readdir(directory)) != NULL) {
        long pid;
        if (wg_str_to_long(entry->d_name, 1, INT_MAX, &pid) != 0 || pid == group ||
            getpgid((pid_t)pid) != group)
            continue;
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0U);
        if (fd >= 0)
            members[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    closedir(directory);
    return count;
}

/*
 * Kills all members of the group and waits until they are gone, so that nobody writes to a file
 * that the caller is about to read or remove. Members are not our children: their pidfds tell.
 */
static void end_members(pid_t group)
{
    struct pollfd *members = wg_calloc(GROUP_MEMBERS_MAX, sizeof *members);
    nfds_t count = open_members(group, members, GROUP_MEMBERS_MAX);
    kill(-group, SIGKILL);
    struct wg_deadline deadline = wg_deadline_in_ms(GROUP_DEATH_MS);
    for (nfds_t i = 0; i < count; i++) {
        int n;
        do
            n = poll(&members[i], 1, wg_deadline_poll_ms(deadline));
        while (n < 0 && errno == EINTR);
        close(members[i].fd);
    }
    free(members);
}

/* The leader has ended or is about to: ends the rest of its group, then lets its number go. */
static int end_group(struct wg_process *process, struct wg_err *err)
{
    if (process->reaped)
        return 0;
    if (collect(process, WNOWAIT, err) != 0)
        return -1;
    end_members(process->pid);
    if (collect(process, 0, err) != 0)
        return -1;
    process->reaped = true;
    return 0;
}

int wg_process_stop(struct wg_process *process, int grace_ms, int *ret_status, bool *ret_killed,
                    struct wg_err *err)
{
    bool killed = false;
    if (!process->ended) {
        wg_process_signal_group(process, SIGTERM);
        int ended = wg_process_wait(process, wg_deadline_in_ms(grace_ms < 0 ? 0 : grace_ms), NULL,
                                    NULL, err);
        if (ended < 0)
            return -1;
        if (ended == 0) {
            killed = true;
            wg_process_signal_group(process, SIGKILL);
        }
    }
    if (end_group(process, err) != 0)
        return -1;
    if (ret_status)
        *ret_status = process->status;
    if (ret_killed)
        *ret_killed = killed;
    return 0;
}

void wg_process_destroy(struct wg_process *process)
{
    if (!process)
        return;
    wg_process_signal_group(process, SIGKILL);
    end_group(process, NULL);
    if (process->pidfd >= 0)
        close(process->pidfd);
    free(process);
}

void wg_process_status_text(int status, char *buffer, size_t size)
{
    if (WIFEXITED(status)) {
        snprintf(buffer, size, "exit %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        snprintf(buffer, size, "signal %d (%s)%s", WTERMSIG(status), name ? name : "unknown",
                 WCOREDUMP(status) ? ", core dumped" : "");
    } else {
        snprintf(buffer, size, "wait status 0x%x", (unsigned)status);
    }
}

long long wg_process_start_ticks(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    /* The name in parentheses may hold anything, so counting starts behind its last ')': field 3 */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        if (at)
            at++;
    }
    return at ? strtoll(at, NULL, 10) : -1;
}
