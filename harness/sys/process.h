/* SPDX-License-Identifier: MIT */
/*
 * process.h - start a program, watch it through a pidfd, end it with everything it started.
 *
 * A child is the leader of a process group of its own, inherits nothing but the descriptors it is
 * given, starts with default signal dispositions and an empty mask, and is killed when the process
 * that started it dies (PR_SET_PDEATHSIG). The pidfd becomes readable when it has ended, so one
 * poll(2) waits for any number of children.
 *
 * Not thread-safe per object; different objects may be used by different threads.
 */
#ifndef WG_HARNESS_SYS_PROCESS_H
#define WG_HARNESS_SYS_PROCESS_H

#include "harness/base/clock.h"
#include "harness/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* One descriptor for the child: `parent_fd` here becomes `child_fd` there. */
struct wg_fd_map {
    int parent_fd;
    int child_fd;
};

struct wg_process_options {
    char *const *argv;     /* NULL-terminated; argv[0] is searched in PATH when it has no slash */
    char *const *envp;     /* NULL-terminated; NULL inherits the environment */
    const char *directory; /* working directory; NULL keeps it */
    const struct wg_fd_map *fds; /* descriptors beside 0, 1, 2; may be NULL */
    size_t fd_count;
    int stdin_fd;        /* -1 is /dev/null */
    int stdout_fd;       /* -1 is /dev/null */
    int stderr_fd;       /* -1 is /dev/null */
    bool outlive_parent; /* true: no parent-death signal */
};

#define WG_PROCESS_OPTIONS_INIT                                                                    \
    ((struct wg_process_options){.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1})

struct wg_process;

/*
 * Starts a program. A program that cannot be executed is an error here (with errno of execve), not
 * an exit code later. Blocks until the exec succeeded or failed.
 */
int wg_process_start(const struct wg_process_options *options, struct wg_process **ret_process,
                     struct wg_err *err);

/* The file that would be executed for argv[0]; the caller frees it. A name with a slash is that
 * file, there or not; NULL when a name without one is not in PATH. */
char *wg_process_find(const char *program);

pid_t wg_process_pid(const struct wg_process *process);
/* The process behind a pidfd that somebody else owns, 0 when it has ended or there is none. */
pid_t wg_pidfd_process(int pidfd);
/* Borrowed descriptor, readable once the process has ended. */
int wg_process_pidfd(const struct wg_process *process);

/*
 * Waits until the process ended or the deadline passed. Returns 1 when it has ended (`ret_status`
 * as of waitpid(2), `ret_usage` may be NULL), 0 at the deadline, -1 on error. May be called again
 * after it has ended; the answer stays the same.
 */
int wg_process_wait(struct wg_process *process, struct wg_deadline deadline, int *ret_status,
                    struct rusage *ret_usage, struct wg_err *err);

/* Signals the whole group; does nothing once the process was reaped and the group is empty. */
void wg_process_signal_group(struct wg_process *process, int signal_number);

/*
 * SIGTERM to the group, SIGKILL after `grace_ms`, and the rest of the group killed in any case.
 * Blocks until the leader is reaped; `ret_killed` (may be NULL) tells whether SIGKILL was needed.
 */
int wg_process_stop(struct wg_process *process, int grace_ms, int *ret_status, bool *ret_killed,
                    struct wg_err *err);

/* Kills what still runs, reaps it, frees the object. NULL is fine. */
void wg_process_destroy(struct wg_process *process);

/* Writes "exit 3", "signal 11 (Segmentation fault)" and the like for a wait status. */
void wg_process_status_text(int status, char *buffer, size_t size);

/*
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat): together with the
 * pid it names a process for ever, which a manifest on disk needs. -1 when there is none.
 */
long long wg_process_start_ticks(pid_t pid);

#endif
