/* SPDX-License-Identifier: MIT
 *
 * restart-kill: a supervisor that kills the server with SIGKILL and starts it again, as an
 * out-of-memory killer and an init system do together. The listening socket stays open in the
 * supervisor, so connections wait for the next server instead of being refused; requests in flight
 * are lost.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/hazard/hazard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool wg_hazards_supervise(struct wg_hazards *hazards, int *ret_status)
{
    long pause_ms = 0;
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->restarts)
            pause_ms = hazards->on[i].argument;
    if (pause_ms == 0)
        return true;
    const struct timespec pause = {.tv_sec = pause_ms / 1000,
                                   .tv_nsec = (pause_ms % 1000) * 1000000};
    const pid_t supervisor = getpid();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    for (;;) {
        pid_t pid = fork();
        if (pid < 0)
            return true;
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != supervisor)
                _exit(EXIT_FAILURE);
            return true;
        }
        int signal = sigtimedwait(&signals, NULL, &pause);
        kill(pid, signal > 0 ? SIGTERM : SIGKILL);
        *ret_status = wait_for(pid);
        if (signal > 0)
            return false;
    }
}
