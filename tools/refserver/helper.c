/* SPDX-License-Identifier: MIT */
#include "tools/refserver/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int wg_helper_start(char *const arguments[], int input, int output, pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int code = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

int wg_helper_dies_with_parent(void)
{
    /* The server may have died before this took effect. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() == 1 ? -1 : 0;
}

/* A file without a name that holds `text`, to be read from its beginning; -1 with errno set. */
static int file_of(const char *text)
{
    int fd = memfd_create("walgrind-refserver-input", MFD_CLOEXEC);
    for (size_t left = strlen(text); fd >= 0 && left > 0;) {
        ssize_t written = write(fd, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            close(fd);
            return -1;
        }
        text += written;
        left -= (size_t)written;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Until the other end is closed. False when the time is up. */
static bool read_until(int fd, int64_t end_ms, struct wg_buf *ret)
{
    char part[16384];
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - wg_clock_ms();
        int ready = left_ms <= 0 ? 0 : poll(&wait, 1, (int)left_ms);
        if (ready == 0)
            return false;
        ssize_t size = ready < 0 ? -1 : read(fd, part, sizeof part);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return true;
        wg_buf_add(ret, part, (size_t)size);
    }
}

static enum wg_helper_end follow(pid_t pid, int output, int64_t limit_ms, struct wg_buf *ret_output,
                                 struct wg_fail *fail)
{
    int status = 0;
    bool in_time = read_until(output, wg_clock_ms() + limit_ms, ret_output);
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return WG_HELPER_EXPIRED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return WG_HELPER_DONE;
    wg_fail_set(fail, 0, "the helper ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return WG_HELPER_FAILED;
}

enum wg_helper_end wg_helper_run(char *const arguments[], const char *input, int64_t limit_ms,
                                 struct wg_buf *ret_output, struct wg_fail *fail)
{
    enum wg_helper_end end = WG_HELPER_FAILED;
    int pipe_fd[2] = {-1, -1}, code;
    pid_t pid = -1;
    int input_fd = file_of(input);
    if (input_fd < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
        code = errno;
    else
        code = wg_helper_start(arguments, input_fd, pipe_fd[1], &pid);
    if (input_fd >= 0)
        close(input_fd);
    if (pipe_fd[1] >= 0)
        close(pipe_fd[1]);
    if (code == 0)
        end = follow(pid, pipe_fd[0], limit_ms, ret_output, fail);
    else
        wg_fail_set(fail, 0, "cannot start a helper: %s", strerror(code));
    if (pipe_fd[0] >= 0)
        close(pipe_fd[0]);
    return end;
}
