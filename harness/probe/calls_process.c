/* SPDX-License-Identifier: MIT */
/*
 * calls_process.c - the functions that begin and end processes.
 *
 * A child made by fork knows itself from its wiped pages; fork() is recorded in the parent for its
 * own sake: a fork with connections open is where fork-use begins.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

pid_t wg_call_fork(void) WG_STANDS_FOR("fork");
pid_t wg_call_fork(void)
{
    struct wg_note note;
    bool noted = wg_probe.fd_max != 0 && wg_probe_live() && !wg_probe_in_vfork();
    if (noted)
        wg_note_begin(&note, WG_TRACE_FORK, WG_CALL_fork, WG_CALLER());
    wg_perturb_child();
    pid_t pid = WG_REAL(fork)();
    if (noted && pid != 0) {
        wg_note_result(&note, pid, pid < 0);
        /* Ordinary unless the child inherits a family. */
        note.ordinary = atomic_load(&wg_probe.fd_high) == 0;
        note.stack = !note.ordinary;
        wg_note_end(&note);
    }
    return pid;
}

#ifdef __x86_64__

/*
 * Before there is a vfork child, this process makes its file: the child has this memory and must
 * know that it is not its own. Answers with the function that the instructions below go on to; they
 * leave the stack as it was, since vfork() returns twice.
 */
void *wg_vfork_begin(void) __attribute__((used));
void *wg_vfork_begin(void)
{
    void *real = NULL;
    pid_t (*function)(void) = WG_REAL(vfork);
    if (wg_probe.fd_max != 0 && wg_probe_live())
        wg_probe_tid();
    memcpy(&real, &function, sizeof real);
    return real;
}

/* 16 bytes alignment at the call. */
__asm__(".text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "subq $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "call wg_vfork_begin\n"
        "addq $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "jmp *%rax\n"
        ".cfi_endproc\n"
        ".size vfork, . - vfork\n");

#endif

/* --- exec and spawn ------------------------------------------------------------------------- */

/*
 * A vfork child has its memory from its parent, and after exec nobody of it is left to give it
 * back. What it took for its exec is therefore kept in mind by its thread, which is that of its
 * parent and goes on when the exec is over; the next exec or spawn of the thread gives it back.
 */
static __thread struct left_over {
    void *memory;
    size_t size;
} left_over[2];

static void drop_left_over(void)
{
    int saved_errno = errno;
    for (size_t i = 0; i < sizeof left_over / sizeof left_over[0]; i++)
        if (left_over[i].memory)
            munmap(left_over[i].memory, left_over[i].size);
    memset(left_over, 0, sizeof left_over);
    errno = saved_errno;
}

static uint32_t join(char *const *list, uint16_t *flags)
{
    char text[512];
    size_t used = 0;
    for (size_t i = 0; list && list[i] && used + 1 < sizeof text; i++) {
        if (i > 0)
            text[used++] = ' ';
        size_t size = strnlen(list[i], sizeof text - used);
        memcpy(text + used, list[i], size);
        used += size;
    }
    return wg_probe_string(text, used, flags);
}

static void begin_exec(struct wg_note *note, enum wg_trace_call call, const void *caller,
                       const char *path, char *const *arguments)
{
    wg_note_begin(note, WG_TRACE_EXEC, call, caller);
    if (!wg_probe_live())
        return;
    char absolute[WG_PROBE_PATH], found[WG_PROBE_PATH];
    bool searched = call == WG_CALL_none || call == WG_CALL_posix_spawnp;
    size_t size = strnlen(path, WG_PROBE_PATH);
    bool is_path = !searched || memchr(path, '/', size) != NULL;
    if (!is_path && wg_handover_search(path, found)) {
        path = found;
        is_path = true;
    }
    if (is_path)
        size = wg_probe_absolute(AT_FDCWD, path, absolute);
    note->record.path = wg_probe_string(is_path ? absolute : path, size, &note->record.flags);
    note->record.text = join(arguments, &note->record.flags);
}

/* The record comes before the call, since there is no after when it succeeds; if there is, it
 * failed and is told again with its error. */
static int exec_noted(enum wg_trace_call call, const void *caller, int fd, const char *path,
                      char *const *arguments, char *const *list)
{
    struct wg_note note;
    struct wg_environment environment;
    bool own_file = wg_probe.fd_max != 0 && wg_probe_live();
    bool in_vfork = own_file && wg_probe_in_vfork();
    drop_left_over();
    wg_environment_begin(&environment, list);
    if (own_file) {
        begin_exec(&note, call, caller, path, arguments);
        if (!in_vfork)
            wg_probe.local->header->state = WG_TRACE_EXECED;
        wg_note_end(&note);
    }
    struct wg_handover handover;
    wg_handover_begin(&handover, path, call == WG_CALL_none, arguments);
    if (in_vfork) {
        left_over[0] = (struct left_over){environment.memory, environment.size};
        left_over[1] = (struct left_over){handover.memory, handover.size};
    }
    int result = call == WG_CALL_fexecve ? WG_REAL(fexecve)(fd, arguments, environment.list)
                 : call == WG_CALL_none
                     ? WG_REAL(execvpe)(handover.file, handover.arguments, environment.list)
                     : WG_REAL(execve)(handover.file, handover.arguments, environment.list);
    memset(left_over, 0, sizeof left_over);
    wg_handover_end(&handover);
    wg_environment_end(&environment);
    if (own_file) {
        if (!in_vfork)
            wg_probe.local->header->state = WG_TRACE_RUNNING;
        int why = errno;
        begin_exec(&note, call, caller, path, arguments);
        errno = why;
        wg_note_result(&note, result, true);
        wg_note_end(&note);
    }
    return result;
}

int wg_call_execve(const char *path, char *const arguments[], char *const list[])
    WG_STANDS_FOR("execve");
int wg_call_execve(const char *path, char *const arguments[], char *const list[])
{
    return exec_noted(WG_CALL_execve, WG_CALLER(), -1, path, arguments, list);
}

int wg_call_execv(const char *path, char *const arguments[]) WG_STANDS_FOR("execv");
int wg_call_execv(const char *path, char *const arguments[])
{
    return exec_noted(WG_CALL_execve, WG_CALLER(), -1, path, arguments, environ);
}

int wg_call_execvp(const char *file, char *const arguments[]) WG_STANDS_FOR("execvp");
int wg_call_execvp(const char *file, char *const arguments[])
{
    return exec_noted(WG_CALL_none, WG_CALLER(), -1, file, arguments, environ);
}

int wg_call_execvpe(const char *file, char *const arguments[], char *const list[])
    WG_STANDS_FOR("execvpe");
int wg_call_execvpe(const char *file, char *const arguments[], char *const list[])
{
    return exec_noted(WG_CALL_none, WG_CALLER(), -1, file, arguments, list);
}

/*
 * libc's own functions with a list of arguments call no other by name. The array is made on the
 * stack, as libc does. Counts up to the NULL; the arguments behind it are left in `rest`.
 */
static size_t count_arguments(const char *first, va_list *rest)
{
    size_t count = 0;
    for (const char *each = first; each; each = va_arg(*rest, const char *))
        count++;
    return count;
}

static void take_arguments(char **list, const char *first, va_list *rest)
{
    const char *each = first;
    for (; each; each = va_arg(*rest, const char *))
        *list++ = (char *)each;
    *list = NULL;
}

/* Declares `list`, the arguments from `first` on, and `rest`, which stands behind their NULL. */
#define LISTED                                                                                     \
    va_list rest;                                                                                  \
    va_start(rest, first);                                                                         \
    char **list = __builtin_alloca((count_arguments(first, &rest) + 1) * sizeof *list);            \
    va_end(rest);                                                                                  \
    va_start(rest, first);                                                                         \
    take_arguments(list, first, &rest)

int wg_call_execl(const char *path, const char *first, ...) WG_STANDS_FOR("execl");
int wg_call_execl(const char *path, const char *first, ...)
{
    LISTED;
    va_end(rest);
    return exec_noted(WG_CALL_execve, WG_CALLER(), -1, path, list, environ);
}

int wg_call_execlp(const char *file, const char *first, ...) WG_STANDS_FOR("execlp");
int wg_call_execlp(const char *file, const char *first, ...)
{
    LISTED;
    va_end(rest);
    return exec_noted(WG_CALL_none, WG_CALLER(), -1, file, list, environ);
}

int wg_call_execle(const char *path, const char *first, ...) WG_STANDS_FOR("execle");
int wg_call_execle(const char *path, const char *first, ...)
{
    LISTED;
    char *const *variables = va_arg(rest, char *const *);
    va_end(rest);
    return exec_noted(WG_CALL_execve, WG_CALLER(), -1, path, list, variables);
}

int wg_call_fexecve(int fd, char *const arguments[], char *const list[]) WG_STANDS_FOR("fexecve");
int wg_call_fexecve(int fd, char *const arguments[], char *const list[])
{
    char path[WG_PROBE_PATH];
    wg_probe_path_of_fd(fd, path);
    return exec_noted(WG_CALL_fexecve, WG_CALLER(), fd, path, arguments, list);
}

static void note_spawn(enum wg_trace_call call, const void *caller, const char *path,
                       char *const *arguments, int result, pid_t pid)
{
    struct wg_note note;
    if (wg_probe.fd_max == 0 || !wg_probe_live() || wg_probe_in_vfork())
        return;
    begin_exec(&note, call, caller, path, arguments);
    note.record.result = pid;
    note.record.error = result;
    wg_note_end(&note);
}

typedef int spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *,
                     const posix_spawnattr_t *, char *const[], char *const[]);

static int spawn(enum wg_trace_call call, const void *caller, spawn_fn *real, pid_t *pid,
                 const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[], char *const list[])
{
    struct wg_environment environment;
    pid_t child = 0;
    drop_left_over();
    /* The child's place in the tree of processes lies below this one's, which must be known. */
    if (wg_probe.fd_max != 0)
        wg_probe_live();
    wg_environment_begin(&environment, list);
    struct wg_handover handover;
    wg_handover_begin(&handover, file, call == WG_CALL_posix_spawnp, arguments);
    int result =
        real(&child, handover.file, actions, attributes, handover.arguments, environment.list);
    wg_handover_end(&handover);
    wg_environment_end(&environment);
    if (pid && result == 0)
        *pid = child;
    note_spawn(call, caller, file, arguments, result, child);
    return result;
}

int wg_call_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[],
                        char *const list[]) WG_STANDS_FOR("posix_spawn");
int wg_call_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const arguments[],
                        char *const list[])
{
    return spawn(WG_CALL_posix_spawn, WG_CALLER(), WG_REAL(posix_spawn), pid, path, actions,
                 attributes, arguments, list);
}

int wg_call_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                         const posix_spawnattr_t *attributes, char *const arguments[],
                         char *const list[]) WG_STANDS_FOR("posix_spawnp");
int wg_call_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                         const posix_spawnattr_t *attributes, char *const arguments[],
                         char *const list[])
{
    return spawn(WG_CALL_posix_spawnp, WG_CALLER(), WG_REAL(posix_spawnp), pid, file, actions,
                 attributes, arguments, list);
}

/* --- ends ----------------------------------------------------------------------------------- */

static void note_exit(int status, const void *caller)
{
    if (!wg_probe.local || atomic_load(&wg_probe.local->state) != WG_LOCAL_READY ||
        wg_probe_in_vfork())
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_EXIT, WG_CALL__exit, caller);
    wg_note_result(&note, status, false);
    wg_note_end(&note);
    wg_probe.local->header->state = WG_TRACE_EXITED;
}

void wg_call__exit(int status) WG_STANDS_FOR("_exit") __attribute__((noreturn));
void wg_call__exit(int status)
{
    note_exit(status, WG_CALLER());
    WG_REAL(_exit)(status);
    __builtin_unreachable();
}
void wg_call__Exit(int status) WG_ALSO("_exit", "_Exit") __attribute__((noreturn));

static void note_kill(enum wg_trace_call call, const void *caller, pid_t pid, int signal_number,
                      int result)
{
    if (wg_probe.fd_max == 0 || signal_number == 0 || !wg_probe_live() || wg_probe_in_vfork())
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_KILL, call, caller);
    note.record.origin = (uint8_t)wg_probe_origin(caller, NULL);
    note.record.offset = signal_number;
    note.record.length = pid;
    wg_note_result(&note, result, result != 0);
    wg_note_end(&note);
}

/* Recorded before the call: the signal may end this process. */
int wg_call_kill(pid_t pid, int signal_number) WG_STANDS_FOR("kill");
int wg_call_kill(pid_t pid, int signal_number)
{
    note_kill(WG_CALL_kill, WG_CALLER(), pid, signal_number, 0);
    return WG_REAL(kill)(pid, signal_number);
}

int wg_call_killpg(pid_t group, int signal_number) WG_STANDS_FOR("killpg");
int wg_call_killpg(pid_t group, int signal_number)
{
    note_kill(WG_CALL_killpg, WG_CALLER(), -group, signal_number, 0);
    return WG_REAL(killpg)(group, signal_number);
}

int wg_call_setrlimit(int resource, const struct rlimit *limit) WG_STANDS_FOR("setrlimit");
int wg_call_setrlimit(int resource, const struct rlimit *limit)
{
    int result = WG_REAL(setrlimit)(resource, limit);
    if (wg_probe.fd_max != 0 && limit && wg_probe_live() && !wg_probe_in_vfork()) {
        struct wg_note note;
        wg_note_begin(&note, WG_TRACE_LIMIT, WG_CALL_setrlimit, WG_CALLER());
        note.record.offset = resource;
        note.record.length = (int64_t)limit->rlim_cur;
        wg_note_result(&note, result, result != 0);
        wg_note_end(&note);
    }
    return result;
}
int wg_call_setrlimit64(int resource, const struct rlimit *limit)
    WG_ALSO("setrlimit", "setrlimit64");
