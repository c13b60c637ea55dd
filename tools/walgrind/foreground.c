/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The running command, for the signal handler. */
static volatile sig_atomic_t child_pid;

static void hand_on(int signal_number)
{
    int saved_errno = errno;
    if (child_pid > 0)
        kill((pid_t)child_pid, signal_number);
    errno = saved_errno;
}

int wg_foreground_run(char *const *command, struct wg_err *err)
{
    int ends[2];
    int why = 0;
    int status = 0;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction hand = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
    struct sigaction old_int, old_quit;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return wg_err_errno(err, "pipe");
    sigaction(SIGINT, &ignore, &old_int);
    sigaction(SIGQUIT, &ignore, &old_quit);
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGINT, &old_int, NULL);
        sigaction(SIGQUIT, &old_quit, NULL);
        execvp(command[0], command);
        why = errno;
        _exit(write(ends[1], &why, sizeof why) == sizeof why ? 127 : 126);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return wg_err_errno(err, "fork");
    }
    child_pid = pid;
    sigaction(SIGTERM, &hand, NULL);
    sigaction(SIGHUP, &hand, NULL);
    ssize_t n = read(ends[0], &why, sizeof why);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    child_pid = 0;
    if (n == sizeof why) {
        errno = why;
        wg_err_errno(err, "run %s", command[0]);
        err->kind = WG_ERR_USAGE;
        return -1;
    }
    return status;
}

int wg_foreground_exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
