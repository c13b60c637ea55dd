/* SPDX-License-Identifier: MIT */
#include "harness/tracer/tracer.h"

#include "harness/base/str.h"
#include "harness/tracer/call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                                    \
    (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |    \
     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

/* A thread. */
struct task {
    pid_t tid;
    struct wg_image *image; /* of its process */
    struct wg_outside_pending *pending;
    bool closely; /* it has been told, or need not be: it is resumed that way */
};

struct wg_tracer {
    struct wg_outside_world world;
    struct task *tasks;
    size_t task_count;
    struct wg_searched searched;
    bool everything;
};

static struct task *find_task(struct wg_tracer *tracer, pid_t tid)
{
    for (size_t i = 0; i < tracer->task_count; i++)
        if (tracer->tasks[i].tid == tid)
            return &tracer->tasks[i];
    return NULL;
}

static struct wg_image *find_image(const struct wg_tracer *tracer, pid_t pid)
{
    for (size_t i = 0; i < tracer->world.image_count; i++)
        if (tracer->world.images[i]->pid == pid)
            return tracer->world.images[i];
    return NULL;
}

static struct wg_image *add_image(struct wg_tracer *tracer, struct wg_image *image)
{
    struct wg_outside_world *world = &tracer->world;
    world->images = wg_realloc(world->images, (world->image_count + 1) * sizeof(void *));
    world->images[world->image_count++] = image;
    return image;
}

static void remove_image(struct wg_tracer *tracer, struct wg_image *image)
{
    struct wg_outside_world *world = &tracer->world;
    for (size_t i = 0; i < world->image_count; i++)
        if (world->images[i] == image)
            world->images[i] = world->images[--world->image_count];
    wg_image_destroy(image);
}

static struct task *add_task(struct wg_tracer *tracer, pid_t tid, struct wg_image *image)
{
    tracer->tasks = wg_realloc(tracer->tasks, (tracer->task_count + 1) * sizeof *tracer->tasks);
    struct task *task = &tracer->tasks[tracer->task_count++];
    *task = (struct task){.tid = tid, .image = image};
    task->pending = wg_calloc(1, sizeof *task->pending);
    return task;
}

static void remove_task(struct wg_tracer *tracer, struct task *task)
{
    free(task->pending);
    *task = tracer->tasks[--tracer->task_count];
}

/* A number of /proc/TID/status; 0 when it is not there. */
static pid_t status_number(pid_t tid, const char *name)
{
    char path[64], line[256];
    int number = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
    FILE *file = fopen(path, "re");
    while (file && number == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            number = (int)strtol(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return number;
}

/* A task that was not known: a thread of a process that is, or a new process of `parent`. */
static struct task *meet(struct wg_tracer *tracer, pid_t tid, struct wg_image *parent)
{
    struct task *task = find_task(tracer, tid);
    if (task)
        return task;
    pid_t tgid = status_number(tid, "Tgid:");
    if (tgid == 0)
        tgid = tid;
    struct wg_image *image = find_image(tracer, tgid);
    if (!image && !parent)
        parent = find_image(tracer, status_number(tid, "PPid:"));
    if (!image)
        image = add_image(
            tracer, parent ? wg_image_fork(parent, tgid)
                           : wg_image_create(tgid, status_number(tid, "PPid:"), &tracer->searched));
    wg_watch_heir(image);
    return add_task(tracer, tid, image);
}

/* Do its variables make the dynamic linker load the probe, and the probe do its work? */
static bool asks_for_probe(pid_t pid)
{
    static const char probe[] = "libwalgrind-probe", traces[] = WG_TRACE_DIR_ENV "=";
    char path[64], *variable = NULL;
    size_t room = 0;
    bool loaded = false, works = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && !(loaded && works) && getdelim(&variable, &room, '\0', file) > 0) {
        loaded |= wg_str_starts(variable, "LD_PRELOAD=") && strstr(variable, probe) != NULL;
        works |= wg_str_starts(variable, traces) && variable[strlen(traces)] == '/';
    }
    if (file)
        fclose(file);
    free(variable);
    return loaded && works;
}

/* The probe is in the program that this process has become, and sees all that it does. */
static bool has_probe(const struct wg_tracer *tracer, pid_t pid)
{
    char path[64];
    if (tracer->everything)
        return false;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *obstacle = fd >= 0 ? wg_probe_obstacle(fd) : NULL;
    if (fd >= 0)
        close(fd);
    return !obstacle && asks_for_probe(pid);
}

static void at_exec(struct wg_tracer *tracer, struct task *task)
{
    unsigned long former = 0;
    struct wg_image *image = task->image;
    task->pending->call = NULL;
    /* After exec in a thread its number is that of the process, and all other threads are gone. */
    struct task *thread = NULL;
    if (ptrace(PTRACE_GETEVENTMSG, task->tid, 0, &former) == 0 && (pid_t)former != task->tid)
        thread = find_task(tracer, (pid_t)former);
    if (thread)
        remove_task(tracer, thread);
    wg_image_exec(image, has_probe(tracer, image->pid));
    wg_image_announce(image, tracer->world.traces);
}

static void at_child(struct wg_tracer *tracer, const struct task *task)
{
    unsigned long child = 0;
    if (ptrace(PTRACE_GETEVENTMSG, task->tid, 0, &child) == 0 && child > 0)
        meet(tracer, (pid_t)child, task->image);
}

/* A call of a process that is watched closely begins; the filter has its own stops. */
static void at_entry(struct wg_tracer *tracer, struct task *task,
                     const struct __ptrace_syscall_info *info)
{
    const struct wg_outside_call *call = wg_outside_lock_call(info->entry.nr, info->entry.args[1]);
    if (call && !task->image->muted)
        wg_outside_enter(&tracer->world, task->image, task->tid, call, info->entry.args,
                         info->instruction_pointer, task->pending);
    wg_watch_spend(task->image, call != NULL);
}

static void at_call(struct wg_tracer *tracer, struct task *task)
{
    struct __ptrace_syscall_info info;
    task->image->tid = task->tid;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_SECCOMP && info.seccomp.ret_data < wg_outside_call_count &&
        !task->image->muted)
        wg_outside_enter(&tracer->world, task->image, task->tid,
                         &wg_outside_calls[info.seccomp.ret_data], info.seccomp.args,
                         info.instruction_pointer, task->pending);
    else if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        at_entry(tracer, task, &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT && task->pending->call)
        wg_outside_leave(&tracer->world, task->image, task->pending, info.exit.rval);
}

static bool is_stop_signal(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Lets a stopped task go on, with a signal for it or 0. */
static void resume(const struct task *task, int signal_number)
{
    bool closely = task->pending->call || task->image->close_calls > 0;
    ptrace(closely ? PTRACE_SYSCALL : PTRACE_CONT, task->tid, 0, signal_number);
}

/* Processes that are to be watched closely from now on are stopped for a moment, and so are seen at
 * their next call, whatever they do now. */
static void stop_watched(struct wg_tracer *tracer)
{
    for (size_t i = 0; i < tracer->task_count; i++) {
        struct task *task = &tracer->tasks[i];
        if (task->image->close_calls > 0 && !task->closely)
            ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
        task->closely = task->image->close_calls > 0;
    }
}

static void at_stop(struct wg_tracer *tracer, pid_t tid, int status)
{
    struct task *task = meet(tracer, tid, NULL);
    int number = WSTOPSIG(status);
    switch (status >> 16) {
    case PTRACE_EVENT_STOP:
        if (is_stop_signal(number)) {
            ptrace(PTRACE_LISTEN, tid, 0, 0);
            return;
        }
        number = 0;
        break;
    case PTRACE_EVENT_SECCOMP:
        at_call(tracer, task);
        number = 0;
        break;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        at_child(tracer, task);
        number = 0;
        break;
    case PTRACE_EVENT_EXEC:
        at_exec(tracer, task);
        number = 0;
        break;
    default:
        if (number == (SIGTRAP | 0x80)) {
            at_call(tracer, task);
            number = 0;
        }
        break;
    }
    task = find_task(tracer, tid);
    if (task)
        resume(task, number);
}

static void at_end(struct wg_tracer *tracer, pid_t tid, int status)
{
    struct task *task = find_task(tracer, tid);
    if (!task)
        return;
    struct wg_image *image = task->image;
    remove_task(tracer, task);
    /* The leader's end is told when no other thread is left. */
    if (image->pid != tid)
        return;
    wg_image_end(image, tracer->world.traces, tid,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    for (size_t i = tracer->task_count; i-- > 0;)
        if (tracer->tasks[i].image == image)
            remove_task(tracer, &tracer->tasks[i]);
    remove_image(tracer, image);
}

int wg_tracer_attach(pid_t pid, pid_t ppid, const char *traces, bool everything,
                     struct wg_tracer **ret_tracer, struct wg_err *err)
{
    if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) != 0)
        return wg_err_errno(err, "ptrace");
    struct wg_tracer *tracer = wg_calloc(1, sizeof *tracer);
    tracer->world.traces = wg_strdup(traces);
    tracer->world.watches = wg_watches_create();
    tracer->everything = everything;
    add_task(tracer, pid, add_image(tracer, wg_image_create(pid, ppid, &tracer->searched)));
    *ret_tracer = tracer;
    return 0;
}

void wg_tracer_run(struct wg_tracer *tracer)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD); /* a stop or an end */
    sigaddset(&signals, SIGIO);   /* a change of a file */
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
        if (tid < 0 && errno != EINTR)
            return;
        /* First: the end of the program that changed a file lets the one go on that waits for it.
         */
        wg_watches_read(tracer->world.watches, tracer->world.images, tracer->world.image_count);
        stop_watched(tracer);
        if (tid > 0 && WIFSTOPPED(status))
            at_stop(tracer, tid, status);
        else if (tid > 0)
            at_end(tracer, tid, status);
        stop_watched(tracer);
        if (tid == 0)
            sigwaitinfo(&signals, NULL);
    }
}

void wg_tracer_destroy(struct wg_tracer *tracer)
{
    if (!tracer)
        return;
    for (size_t i = 0; i < tracer->task_count; i++)
        free(tracer->tasks[i].pending);
    for (size_t i = 0; i < tracer->world.image_count; i++)
        wg_image_destroy(tracer->world.images[i]);
    free(tracer->tasks);
    free(tracer->world.images);
    free(tracer->world.traces);
    wg_watches_destroy(tracer->world.watches);
    free(tracer);
}
