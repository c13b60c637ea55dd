/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_guard.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "tools/walgrind/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFELINE_FD 3

static bool send_message(int lifeline, struct bisect_guard_message message)
{
    return send(lifeline, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message;
}

/* False when the other side is gone, or with `flags` MSG_DONTWAIT when there is none yet. */
static bool receive_message(int lifeline, int flags, struct bisect_guard_message *ret_message)
{
    ssize_t size;
    do
        size = recv(lifeline, ret_message, sizeof *ret_message, flags);
    while (size < 0 && errno == EINTR);
    return size == (ssize_t)sizeof *ret_message;
}

int bisect_guard_start(const struct wg_process_options *options, struct wg_process **ret_guard,
                       int *ret_lifeline, struct wg_err *err)
{
    int rc = -1;
    int ends[2] = {-1, -1};
    struct wg_strv argv = {0};
    struct wg_process *guard = NULL;
    struct bisect_guard_message message = {0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        wg_err_errno(err, "socketpair");
        goto out;
    }
    /* Not by name: the file may have been replaced since this process was started. */
    wg_strv_push(&argv, "/proc/self/exe");
    wg_strv_push(&argv, "bisect");
    wg_strv_push(&argv, BISECT_GUARD_WORD);
    wg_strv_extend(&argv, options->argv);
    struct wg_process_options start = *options;
    struct wg_fd_map lifeline = {.parent_fd = ends[1], .child_fd = LIFELINE_FD};
    start.argv = argv.items;
    start.fds = &lifeline;
    start.fd_count = 1;
    start.outlive_parent = true; /* the lifeline tells; dying with us would leave the rest alone */
    if (wg_process_start(&start, &guard, err) != 0)
        goto out;
    close(ends[1]);
    ends[1] = -1;
    if (!receive_message(ends[0], 0, &message)) {
        wg_err_set(err, WG_ERR_STATE, "the guard of %s has died", options->argv[0]);
        goto out;
    }
    if (message.sys_errno != 0) {
        errno = message.sys_errno;
        wg_err_errno(err, "start %s", options->argv[0]);
        goto out;
    }
    *ret_guard = guard;
    *ret_lifeline = ends[0];
    guard = NULL;
    ends[0] = -1;
    rc = 0;
out:
    wg_process_destroy(guard);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    wg_strv_finish(&argv);
    return rc;
}

void bisect_guard_stop(int lifeline)
{
    send_message(lifeline, (struct bisect_guard_message){0});
}

bool bisect_guard_status(int lifeline, int *ret_status)
{
    struct bisect_guard_message message = {0};
    if (!receive_message(lifeline, MSG_DONTWAIT, &message))
        return false;
    *ret_status = message.status;
    return true;
}

/* The parent of a process: field 4 of /proc/PID/stat, behind a name that may hold anything. */
static long parent_of(long pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *at = strrchr(text, ')');
    return at && strlen(at) > 4 ? strtol(at + 4, NULL, 10) : -1; /* ") S 1234" */
}

static void kill_children(void)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        long pid = 0;
        if (wg_str_to_long(entry->d_name, 1, INT_MAX, &pid) == 0 && parent_of(pid) == getpid())
            kill((pid_t)pid, SIGKILL);
    }
    closedir(directory);
}

/*
 * Kills everything below this process. The children of whoever dies become ours, so it takes as
 * many rounds as they are nested; a child stays a zombie until it is waited for here, so no number
 * is given away between looking and killing.
 */
static void end_descendants(void)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid == 0) {
            kill_children();
            waitpid(-1, NULL, 0);
        }
    }
}

/* Waits until the command has ended, bisect asks to stop it, or bisect is gone. */
static void watch(struct wg_process *process, int *ret_status, bool *ret_alone)
{
    for (;;) {
        struct bisect_guard_message message;
        struct pollfd fds[2] = {{.fd = LIFELINE_FD, .events = POLLIN},
                                {.fd = wg_process_pidfd(process), .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents) {
            wg_process_wait(process, WG_DEADLINE_NEVER, ret_status, NULL, NULL);
            return;
        }
        if (fds[0].revents) {
            *ret_alone = !receive_message(LIFELINE_FD, MSG_DONTWAIT, &message);
            if (!*ret_alone)
                wg_process_stop(process, WG_DEFAULT_GRACE_MS, ret_status, NULL, NULL);
            return;
        }
    }
}

int bisect_guard_main(char *const *argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    int status = 0;
    bool alone = false;
    prctl(PR_SET_NAME, "walgrind-guard");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    options.argv = argv;
    options.stdout_fd = STDOUT_FILENO;
    options.stderr_fd = STDERR_FILENO;
    if (wg_process_start(&options, &process, &err) != 0) {
        send_message(LIFELINE_FD, (struct bisect_guard_message){
                                      .sys_errno = err.sys_errno ? err.sys_errno : EINVAL});
        return WG_EXIT_INFRASTRUCTURE;
    }
    send_message(LIFELINE_FD, (struct bisect_guard_message){0});
    watch(process, &status, &alone);
    wg_process_destroy(process);
    end_descendants();
    if (!alone)
        send_message(LIFELINE_FD, (struct bisect_guard_message){.status = status});
    return WG_EXIT_PASSED;
}
