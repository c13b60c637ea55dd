/* SPDX-License-Identifier: MIT */
#include "suites/unit/fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    bool armed;
    bool fired;
    bool without_exchange;
    enum fault fault;
    long nth;
    long count;
    const char *call;
    void (*watch)(void *context);
    void *context;
    sqlite3_mem_methods memory; /* SQLite's own */
} state;

const char *fault_text(enum fault fault)
{
    static const char *const names[FAULT_KINDS] = {"full", "once", "writes", "memory", "none"};
    return names[fault];
}

void fault_arm(enum fault fault, long nth, void (*watch)(void *context), void *context)
{
    state.watch = watch;
    state.context = context;
    state.fault = fault;
    state.nth = nth;
    state.count = 0;
    state.fired = false;
    state.call = "no call";
    state.armed = true;
}

bool fault_disarm(void)
{
    state.armed = false;
    return state.fired;
}

void fault_without_exchange(bool without)
{
    state.without_exchange = without;
}

const char *fault_call(void)
{
    return state.call;
}

static bool is_hit(bool lasting)
{
    state.count++;
    return lasting ? state.count >= state.nth : state.count == state.nth;
}

/* True, with errno set, when this call is to fail. */
static bool fails(const char *call, bool writes, bool needs_space)
{
    if (!state.armed || state.fault == FAULT_MEMORY)
        return false;
    bool once = state.fault == FAULT_ONCE || state.fault == FAULT_NONE;
    bool counts = once || (state.fault == FAULT_FULL && needs_space) ||
                  (state.fault == FAULT_WRITES && writes);
    if (!counts || !is_hit(!once))
        return false;
    if (!state.fired) {
        state.call = call;
        state.fired = true;
        state.armed = false; /* what it does itself works */
        if (state.watch != NULL)
            state.watch(state.context);
        state.armed = true;
    }
    errno = state.fault == FAULT_FULL ? ENOSPC : EIO;
    return state.fault != FAULT_NONE;
}

static bool grows(int fd, off_t end)
{
    struct stat have;
    return state.armed && fstat(fd, &have) == 0 && S_ISREG(have.st_mode) && end > have.st_size;
}

static bool exists(const char *path)
{
    struct stat have;
    return lstat(path, &have) == 0;
}

/* ---- the calls; visible to the shared libraries ---- */

/* By other names, since what the headers say of the real ones is not for these. */
#pragma GCC visibility push(default)

ssize_t failing_pwrite(int fd, const void *bytes, size_t size, off_t offset) __asm__("pwrite64");
ssize_t failing_write(int fd, const void *bytes, size_t size) __asm__("write");
ssize_t failing_copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                unsigned flags) __asm__("copy_file_range");
int failing_ftruncate(int fd, off_t size) __asm__("ftruncate64");
int failing_fdatasync(int fd) __asm__("fdatasync");
int failing_open(const char *path, int flags, ...) __asm__("open64");
int failing_unlink(const char *path) __asm__("unlink");
int failing_unlinkat(int fd, const char *path, int flags) __asm__("unlinkat");
int failing_rename(const char *from, const char *to) __asm__("rename");
int failing_renameat2(int from_fd, const char *from, int to_fd, const char *to,
                      unsigned flags) __asm__("renameat2");
int failing_mkdir(const char *path, mode_t mode) __asm__("mkdir");
int failing_symlink(const char *target, const char *path) __asm__("symlink");
int failing_chmod(const char *path, mode_t mode) __asm__("chmod");
int failing_fchmodat(int fd, const char *path, mode_t mode, int flags) __asm__("fchmodat");

ssize_t failing_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    if (fails("pwrite", true, grows(fd, offset + (off_t)size)))
        return -1;
    return syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t failing_write(int fd, const void *bytes, size_t size)
{
    if (fails("write", true, grows(fd, state.armed ? lseek(fd, 0, SEEK_CUR) + (off_t)size : 0)))
        return -1;
    return syscall(SYS_write, fd, bytes, size);
}

ssize_t failing_copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                unsigned flags)
{
    if (fails("copy_file_range", true, true))
        return -1;
    return syscall(SYS_copy_file_range, in, in_offset, out, out_offset, size, flags);
}

int failing_ftruncate(int fd, off_t size)
{
    if (fails("ftruncate", true, grows(fd, size)))
        return -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}

int failing_fdatasync(int fd)
{
    if (fails("fdatasync", true, false))
        return -1;
    return (int)syscall(SYS_fdatasync, fd);
}

int failing_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if ((flags & O_CREAT) != 0 && state.armed && !exists(path) && fails("open", false, true))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int failing_unlink(const char *path)
{
    if (state.armed && exists(path) && fails("unlink", false, false))
        return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int failing_unlinkat(int fd, const char *path, int flags)
{
    if (fails("unlinkat", false, false))
        return -1;
    return (int)syscall(SYS_unlinkat, fd, path, flags);
}

int failing_rename(const char *from, const char *to)
{
    if (fails("rename", false, false))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int failing_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (state.without_exchange && (flags & RENAME_EXCHANGE) != 0) {
        errno = EINVAL;
        return -1;
    }
    if (fails("renameat2", false, false))
        return -1;
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int failing_mkdir(const char *path, mode_t mode)
{
    if (fails("mkdir", false, true))
        return -1;
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int failing_symlink(const char *target, const char *path)
{
    if (fails("symlink", false, true))
        return -1;
    return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

int failing_chmod(const char *path, mode_t mode)
{
    if (fails("chmod", false, false))
        return -1;
    return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int failing_fchmodat(int fd, const char *path, mode_t mode, int flags)
{
    (void)flags;
    if (fails("fchmodat", false, false))
        return -1;
    return (int)syscall(SYS_fchmodat, fd, path, mode);
}

#pragma GCC visibility pop

/* ---- SQLite's memory ---- */

static bool memory_fails(void)
{
    if (!state.armed || state.fault != FAULT_MEMORY || !is_hit(false))
        return false;
    state.fired = true;
    state.call = "malloc";
    return true;
}

static void *memory_get(int size)
{
    return memory_fails() ? NULL : state.memory.xMalloc(size);
}

static void *memory_again(void *old, int size)
{
    return memory_fails() ? NULL : state.memory.xRealloc(old, size);
}

void fault_prepare(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_GETMALLOC, &state.memory);
    sqlite3_mem_methods mine = state.memory;
    mine.xMalloc = memory_get;
    mine.xRealloc = memory_again;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &mine);
    /* Without a lookaside buffer small allocations are counted as well. */
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}
