/* SPDX-License-Identifier: MIT */
#include "harness/run/stacks.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/wire/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEBUGGER_DEADLINE_MS 5000
#define THREADS_MAX          64 /* described from /proc, of one process */

struct target {
    pid_t pid;
    int output_fd; /* memory file that the debugger writes to */
    struct wg_process *debugger;
    bool ended;
};

struct wg_stacks {
    struct target targets[WG_STACKS_PROCESSES_MAX];
    size_t count, of_test; /* the first ones are the test's */
    struct wg_deadline deadline;
};

/* Debuggers in order of preference; {pid} is replaced. The first that starts is used. */
static const char *const debuggers[][12] = {
    {"eu-stack", "-p", "{pid}", NULL},
    {"gdb", "-q", "-nx", "-batch", "-ex", "set pagination off", "-ex",
     "thread apply all backtrace 30", "-p", "{pid}", NULL},
};

/* The environment without what loads the probe: a debugger would be slower by it, and a process of
 * the run. */
static void copy_environment(struct wg_strv *ret_list)
{
    static const char *const left_out[] = {"LD_PRELOAD=", WG_TRACE_DIR_ENV "=", WG_TRACER_ENV "="};
    for (char **variable = environ; *variable; variable++) {
        bool wanted = true;
        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
            wanted = wanted && !wg_str_starts(*variable, left_out[i]);
        if (wanted)
            wg_strv_push(ret_list, *variable);
    }
}

static int start_debugger(struct target *target, const char *const *words)
{
    struct wg_strv argv = {0}, envp = {0};
    copy_environment(&envp);
    for (; *words; words++) {
        if (strcmp(*words, "{pid}") == 0)
            wg_strv_take(&argv, wg_format("%ld", (long)target->pid));
        else
            wg_strv_push(&argv, *words);
    }
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv.items;
    options.envp = envp.items;
    options.stdout_fd = options.stderr_fd = target->output_fd;
    int rc = wg_process_start(&options, &target->debugger, NULL);
    wg_strv_finish(&argv);
    wg_strv_finish(&envp);
    return rc;
}

static void add_target(struct wg_stacks *stacks, pid_t pid)
{
    struct target *target = &stacks->targets[stacks->count++];
    *target = (struct target){.pid = pid};
    target->output_fd = memfd_create("stacks", MFD_CLOEXEC);
    if (target->output_fd < 0)
        return;
    for (size_t i = 0; i < sizeof debuggers / sizeof debuggers[0]; i++)
        if (start_debugger(target, debuggers[i]) == 0)
            return;
}

/* The entries of /proc/PID/task: the threads of a process, at most `max`; how many. */
static size_t list_threads(pid_t pid, long *ids, size_t max)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && count < max && (entry = readdir(directory)))
        if (wg_str_to_long(entry->d_name, 1, 1L << 30, &ids[count]) == 0)
            count++;
    if (directory)
        closedir(directory);
    return count;
}

/* A process and those that it started, depth first, up to `max` in all: requests hang in the
 * workers of a preforking server, tests of a command in what its shell has started. */
static void add_family(struct wg_stacks *stacks, pid_t pid, size_t max)
{
    long threads[THREADS_MAX], child;
    add_target(stacks, pid);
    size_t count = list_threads(pid, threads, THREADS_MAX);
    for (size_t i = 0; i < count && stacks->count < max; i++) {
        char path[96];
        snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, threads[i]);
        FILE *file = fopen(path, "re");
        while (file && stacks->count < max && fscanf(file, "%ld", &child) == 1)
            add_family(stacks, (pid_t)child, max);
        if (file)
            fclose(file);
    }
}

struct wg_stacks *wg_stacks_start(pid_t test, pid_t server)
{
    struct wg_stacks *stacks = wg_calloc(1, sizeof *stacks);
    stacks->deadline = wg_deadline_in_ms(DEBUGGER_DEADLINE_MS);
    add_family(stacks, test, WG_STACKS_TEST_MAX);
    stacks->of_test = stacks->count;
    if (server > 0)
        add_family(stacks, server, WG_STACKS_PROCESSES_MAX);
    return stacks;
}

int wg_stacks_fd(const struct wg_stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++)
        if (stacks->targets[i].debugger && !stacks->targets[i].ended)
            return wg_process_pidfd(stacks->targets[i].debugger);
    return -1;
}

bool wg_stacks_ready(struct wg_stacks *stacks)
{
    bool ready = true;
    int status;
    for (size_t i = 0; i < stacks->count; i++) {
        struct target *target = &stacks->targets[i];
        if (target->debugger && !target->ended)
            target->ended =
                wg_process_wait(target->debugger, wg_deadline_in_ms(0), &status, NULL, NULL) != 0;
        ready = ready && (!target->debugger || target->ended);
    }
    return ready || wg_deadline_passed(stacks->deadline);
}

/* The first line of a file of a thread, "" when it cannot be read. */
static void read_line(pid_t pid, long thread, const char *name, char *text, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/%s", (long)pid, thread, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void append_threads(pid_t pid, struct wg_buf *out)
{
    long threads[THREADS_MAX];
    size_t count = list_threads(pid, threads, THREADS_MAX);
    for (size_t i = 0; i < count; i++) {
        char name[64], wait_channel[64], call[256], stat[512];
        read_line(pid, threads[i], "comm", name, sizeof name);
        read_line(pid, threads[i], "wchan", wait_channel, sizeof wait_channel);
        read_line(pid, threads[i], "syscall", call, sizeof call);
        read_line(pid, threads[i], "stat", stat, sizeof stat);
        const char *after_name = strrchr(stat, ')');
        wg_buf_printf(out, "thread %ld %s: state %.1s, waits in %s, system call %s\n", threads[i],
                      name, after_name && after_name[1] ? after_name + 2 : "?",
                      wait_channel[0] ? wait_channel : "?", call[0] ? call : "?");
    }
}

/* What the debugger wrote, without gdb's words about threads that it found ("[New LWP 4]"). */
static bool append_frames(const struct target *target, struct wg_buf *out)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool any = false;
    FILE *file = target->output_fd >= 0 ? fdopen(target->output_fd, "re") : NULL;
    if (!file) {
        if (target->output_fd >= 0)
            close(target->output_fd);
        return false;
    }
    rewind(file);
    while ((n = getline(&line, &room, file)) > 0) {
        any = any || wg_str_starts(line, "#0 ");
        if (line[0] != '[' && line[0] != '\n' && wg_buf_append(out, line, (size_t)n) != 0)
            break;
    }
    free(line);
    fclose(file);
    return any;
}

/* What /proc tells comes last, and only when the debugger showed no frame. */
static void append_target(const struct target *target, struct wg_buf *out)
{
    char command[256];
    read_line(target->pid, target->pid, "comm", command, sizeof command);
    wg_buf_printf(out, "process %ld %s\n", (long)target->pid, command);
    if (!append_frames(target, out))
        append_threads(target->pid, out);
}

void wg_stacks_finish(struct wg_stacks *stacks, struct wg_buf *test, struct wg_buf *server)
{
    for (size_t i = 0; i < stacks->count; i++)
        wg_process_destroy(stacks->targets[i].debugger);
    for (size_t i = 0; i < stacks->count; i++)
        append_target(&stacks->targets[i], i < stacks->of_test ? test : server);
    free(stacks);
}
