/* SPDX-License-Identifier: MIT */
#include "harness/run/stacks.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/sys/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEBUGGER_DEADLINE_MS 5000

struct wg_stacks {
    pid_t pid;
    int output_fd; /* memory file that the debugger writes to */
    struct wg_process *debugger;
    struct wg_deadline deadline;
};

/* Debuggers in order of preference; {pid} is replaced. The first that starts is used. */
static const char *const debuggers[][12] = {
    {"eu-stack", "-p", "{pid}", NULL},
    {"gdb", "-q", "-nx", "-batch", "-ex", "set pagination off", "-ex",
     "thread apply all backtrace 30", "-p", "{pid}", NULL},
};

static int start_debugger(struct wg_stacks *stacks, const char *const *words)
{
    struct wg_strv argv = {0};
    for (; *words; words++) {
        if (strcmp(*words, "{pid}") == 0)
            wg_strv_take(&argv, wg_format("%ld", (long)stacks->pid));
        else
            wg_strv_push(&argv, *words);
    }
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv.items;
    options.stdout_fd = options.stderr_fd = stacks->output_fd;
    int rc = wg_process_start(&options, &stacks->debugger, NULL);
    wg_strv_finish(&argv);
    return rc;
}

struct wg_stacks *wg_stacks_start(pid_t pid)
{
    struct wg_stacks *stacks = wg_calloc(1, sizeof *stacks);
    stacks->pid = pid;
    stacks->deadline = wg_deadline_in_ms(DEBUGGER_DEADLINE_MS);
    stacks->output_fd = memfd_create("stacks", MFD_CLOEXEC);
    if (stacks->output_fd < 0)
        return stacks;
    for (size_t i = 0; i < sizeof debuggers / sizeof debuggers[0]; i++)
        if (start_debugger(stacks, debuggers[i]) == 0)
            break;
    return stacks;
}

int wg_stacks_fd(const struct wg_stacks *stacks)
{
    return stacks->debugger ? wg_process_pidfd(stacks->debugger) : -1;
}

bool wg_stacks_ready(struct wg_stacks *stacks)
{
    int status;
    if (!stacks->debugger || wg_deadline_passed(stacks->deadline))
        return true;
    return wg_process_wait(stacks->debugger, wg_deadline_in_ms(0), &status, NULL, NULL) != 0;
}

static void append_file(struct wg_buf *out, const char *label, const char *path)
{
    char text[512];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    wg_buf_printf(out, "%s: %s\n", label, text);
}

static void append_proc(pid_t pid, struct wg_buf *out)
{
    static const char *const files[] = {"wchan", "syscall", "stat"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, files[i]);
        append_file(out, files[i], path);
    }
}

void wg_stacks_finish(struct wg_stacks *stacks, struct wg_buf *out)
{
    char block[4096];
    ssize_t n;
    size_t before = out->size;
    wg_process_destroy(stacks->debugger);
    if (stacks->output_fd >= 0) {
        for (off_t at = 0; (n = pread(stacks->output_fd, block, sizeof block, at)) > 0; at += n)
            if (wg_buf_append(out, block, (size_t)n) != 0)
                break;
        close(stacks->output_fd);
    }
    if (out->size == before)
        append_proc(stacks->pid, out);
    free(stacks);
}
