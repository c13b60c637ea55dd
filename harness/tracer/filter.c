/* SPDX-License-Identifier: MIT */
#include "harness/tracer/filter.h"

#include "harness/wire/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct wg_outside_call wg_outside_calls[] = {
#ifdef SYS_open
    {SYS_open, WG_OUTSIDE_OPEN, WG_CALL_open, -1, 0, -1, -1, 1},
    {SYS_creat, WG_OUTSIDE_OPEN, WG_CALL_creat, -1, 0, -1, -1, -1},
    {SYS_dup2, WG_OUTSIDE_DUP, WG_CALL_dup2, 0, -1, -1, -1, 1},
    {SYS_unlink, WG_OUTSIDE_UNLINK, WG_CALL_unlink, -1, 0, -1, -1, -1},
    {SYS_rename, WG_OUTSIDE_RENAME, WG_CALL_rename, -1, 0, -1, 1, -1},
    {SYS_link, WG_OUTSIDE_LINK, WG_CALL_link, -1, 0, -1, 1, -1},
#endif
    {SYS_openat, WG_OUTSIDE_OPEN, WG_CALL_openat, 0, 1, -1, -1, 2},
    {SYS_openat2, WG_OUTSIDE_OPEN, WG_CALL_openat, 0, 1, -1, -1, 2},
    {SYS_close, WG_OUTSIDE_CLOSE, WG_CALL_close, 0, -1, -1, -1, -1},
    {SYS_close_range, WG_OUTSIDE_CLOSE_RANGE, WG_CALL_close_range, 0, -1, -1, -1, -1},
    {SYS_dup, WG_OUTSIDE_DUP, WG_CALL_dup, 0, -1, -1, -1, -1},
    {SYS_dup3, WG_OUTSIDE_DUP, WG_CALL_dup3, 0, -1, -1, -1, 1},
    {SYS_fcntl, WG_OUTSIDE_FCNTL, WG_CALL_fcntl, 0, -1, -1, -1, 1},
    {SYS_truncate, WG_OUTSIDE_TRUNCATE, WG_CALL_truncate, -1, 0, -1, -1, 1},
    {SYS_ftruncate, WG_OUTSIDE_FTRUNCATE, WG_CALL_ftruncate, 0, -1, -1, -1, 1},
    {SYS_unlinkat, WG_OUTSIDE_UNLINK, WG_CALL_unlinkat, 0, 1, -1, -1, -1},
#ifdef SYS_renameat
    {SYS_renameat, WG_OUTSIDE_RENAME, WG_CALL_renameat, 0, 1, 2, 3, -1},
#endif
    {SYS_renameat2, WG_OUTSIDE_RENAME, WG_CALL_renameat2, 0, 1, 2, 3, -1},
    {SYS_linkat, WG_OUTSIDE_LINK, WG_CALL_linkat, 0, 1, 2, 3, -1},
    {SYS_copy_file_range, WG_OUTSIDE_COPY, WG_CALL_copy_file_range, 0, -1, 2, -1, 4},
    {SYS_sendfile, WG_OUTSIDE_COPY, WG_CALL_sendfile, 1, -1, 0, -1, 3},
    {SYS_splice, WG_OUTSIDE_COPY, WG_CALL_splice, 0, -1, 2, -1, 4},
    {SYS_ioctl, WG_OUTSIDE_CLONE_FILE, WG_CALL_ioctl, 0, -1, -1, -1, 1},
    {SYS_execve, WG_OUTSIDE_EXEC, WG_CALL_execve, -1, 0, -1, -1, -1},
    {SYS_execveat, WG_OUTSIDE_EXEC, WG_CALL_execveat, 0, 1, -1, -1, -1},
    {SYS_io_uring_setup, WG_OUTSIDE_IO_URING, WG_CALL_none, -1, -1, -1, -1, -1},
    {SYS_ptrace, WG_OUTSIDE_PTRACE, WG_CALL_none, -1, -1, -1, -1, 0},
};
const size_t wg_outside_call_count = sizeof wg_outside_calls / sizeof *wg_outside_calls;

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "add the AUDIT_ARCH of this machine"
#endif

/* Of these only some commands are of interest; the command is the second argument of both. */
static const struct {
    long number;
    uint32_t commands[2];
    unsigned count;
} by_command[] = {
    {SYS_fcntl, {F_DUPFD, F_DUPFD_CLOEXEC}, 2},
    {SYS_ioctl, {FICLONE, FICLONERANGE}, 2},
};

#define FILTER_MAX 160

struct program {
    struct sock_filter code[FILTER_MAX];
    unsigned short size;
};

static void add(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
    program->code[program->size++] = (struct sock_filter){code, yes, no, value};
}

#define LOAD   (BPF_LD | BPF_W | BPF_ABS)
#define EQUALS (BPF_JMP | BPF_JEQ | BPF_K)
#define ANSWER (BPF_RET | BPF_K)

const struct wg_outside_call *wg_outside_lock_call(uint64_t number, uint64_t command)
{
    bool locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||
                 command == F_OFD_SETLKW;
    for (size_t i = 0; i < wg_outside_call_count && locks && number == SYS_fcntl; i++)
        if (wg_outside_calls[i].number == SYS_fcntl)
            return &wg_outside_calls[i];
    return NULL;
}

/* The row's number comes back with the stop. */
static void add_call(struct program *program, size_t row)
{
    long number = wg_outside_calls[row].number;
    uint32_t answer = SECCOMP_RET_TRACE | (uint32_t)row;
    for (size_t i = 0; i < sizeof by_command / sizeof *by_command; i++) {
        if (by_command[i].number != number)
            continue;
        unsigned count = by_command[i].count;
        add(program, EQUALS, 0, (uint8_t)(2 * count + 2), (uint32_t)number);
        add(program, LOAD, 0, 0, (uint32_t)offsetof(struct seccomp_data, args[1]));
        for (unsigned j = 0; j < count; j++) {
            add(program, EQUALS, 0, 1, by_command[i].commands[j]);
            add(program, ANSWER, 0, 0, answer);
        }
        add(program, ANSWER, 0, 0, SECCOMP_RET_ALLOW);
        return;
    }
    add(program, EQUALS, 0, 1, (uint32_t)number);
    add(program, ANSWER, 0, 0, answer);
}

int wg_outside_filter_install(struct wg_err *err)
{
    struct program program = {.size = 0};
    add(&program, LOAD, 0, 0, (uint32_t)offsetof(struct seccomp_data, arch));
    add(&program, EQUALS, 1, 0, NATIVE);
    add(&program, ANSWER, 0, 0, SECCOMP_RET_ALLOW);
    add(&program, LOAD, 0, 0, (uint32_t)offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < wg_outside_call_count; i++)
        add_call(&program, i);
    add(&program, ANSWER, 0, 0, SECCOMP_RET_ALLOW);
    struct sock_fprog given = {program.size, program.code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &given) == 0)
        return 0;
    if (errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &given) == 0)
        return 0;
    return wg_err_errno(err, "seccomp");
}
