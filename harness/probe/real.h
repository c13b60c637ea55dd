/* SPDX-License-Identifier: MIT */
/*
 * real.h - the functions that the probe stands in for, as the next object in line defines them.
 *
 * WG_REAL(name) is the function. It is looked up at the first use, which start-up makes for all;
 * only code that runs before the probe's constructor looks one up later.
 *
 * The probe's own functions have names of the house and get libc's as symbols (WG_STANDS_FOR), so
 * that headers, which may redirect a name to another symbol, have no say in it.
 *
 * To add a function: a row here, its definition in the calls_*.c of its kind.
 */
#ifndef WG_HARNESS_PROBE_REAL_H
#define WG_HARNESS_PROBE_REAL_H

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define WG_STANDS_FOR(symbol)  __asm__(symbol) __attribute__((visibility("default")))
/* A further symbol for a function that stands for `symbol` already. */
#define WG_ALSO(symbol, other) __asm__(other) __attribute__((visibility("default"), alias(symbol)))
#define WG_CALLER()            __builtin_return_address(0)

/* X(name, result, parameters) */
#define WG_PROBE_REALS(X)                                                                          \
    X(open, int, (const char *, int, ...))                                                         \
    X(openat, int, (int, const char *, int, ...))                                                  \
    X(fopen, FILE *, (const char *, const char *))                                                 \
    X(freopen, FILE *, (const char *, const char *, FILE *))                                       \
    X(fclose, int, (FILE *))                                                                       \
    X(close, int, (int))                                                                           \
    X(close_range, int, (unsigned, unsigned, int))                                                 \
    X(closefrom, void, (int))                                                                      \
    X(dup, int, (int))                                                                             \
    X(dup2, int, (int, int))                                                                       \
    X(dup3, int, (int, int, int))                                                                  \
    X(fcntl, int, (int, int, ...))                                                                 \
    X(flock, int, (int, int))                                                                      \
    X(lockf, int, (int, int, off_t))                                                               \
    X(read, ssize_t, (int, void *, size_t))                                                        \
    X(pread, ssize_t, (int, void *, size_t, off_t))                                                \
    X(readv, ssize_t, (int, const struct iovec *, int))                                            \
    X(preadv, ssize_t, (int, const struct iovec *, int, off_t))                                    \
    X(preadv2, ssize_t, (int, const struct iovec *, int, off_t, int))                              \
    X(write, ssize_t, (int, const void *, size_t))                                                 \
    X(pwrite, ssize_t, (int, const void *, size_t, off_t))                                         \
    X(writev, ssize_t, (int, const struct iovec *, int))                                           \
    X(pwritev, ssize_t, (int, const struct iovec *, int, off_t))                                   \
    X(pwritev2, ssize_t, (int, const struct iovec *, int, off_t, int))                             \
    X(truncate, int, (const char *, off_t))                                                        \
    X(ftruncate, int, (int, off_t))                                                                \
    X(fallocate, int, (int, int, off_t, off_t))                                                    \
    X(posix_fallocate, int, (int, off_t, off_t))                                                   \
    X(fsync, int, (int))                                                                           \
    X(fdatasync, int, (int))                                                                       \
    X(copy_file_range, ssize_t, (int, off_t *, int, off_t *, size_t, unsigned))                    \
    X(sendfile, ssize_t, (int, int, off_t *, size_t))                                              \
    X(splice, ssize_t, (int, off_t *, int, off_t *, size_t, unsigned))                             \
    X(ioctl, int, (int, unsigned long, ...))                                                       \
    X(mmap, void *, (void *, size_t, int, int, int, off_t))                                        \
    X(munmap, int, (void *, size_t))                                                               \
    X(mremap, void *, (void *, size_t, size_t, int, ...))                                          \
    X(unlink, int, (const char *))                                                                 \
    X(unlinkat, int, (int, const char *, int))                                                     \
    X(remove, int, (const char *))                                                                 \
    X(rename, int, (const char *, const char *))                                                   \
    X(renameat, int, (int, const char *, int, const char *))                                       \
    X(renameat2, int, (int, const char *, int, const char *, unsigned))                            \
    X(link, int, (const char *, const char *))                                                     \
    X(linkat, int, (int, const char *, int, const char *, int))                                    \
    X(symlink, int, (const char *, const char *))                                                  \
    X(symlinkat, int, (const char *, int, const char *))                                           \
    X(chmod, int, (const char *, mode_t))                                                          \
    X(fchmodat, int, (int, const char *, mode_t, int))                                             \
    X(fork, pid_t, (void))                                                                         \
    X(vfork, pid_t, (void))                                                                        \
    X(execve, int, (const char *, char *const *, char *const *))                                   \
    X(execvpe, int, (const char *, char *const *, char *const *))                                  \
    X(fexecve, int, (int, char *const *, char *const *))                                           \
    X(posix_spawn, int,                                                                            \
      (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,       \
       char *const *, char *const *))                                                              \
    X(posix_spawnp, int,                                                                           \
      (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,       \
       char *const *, char *const *))                                                              \
    X(_exit, void, (int))                                                                          \
    X(kill, int, (pid_t, int))                                                                     \
    X(killpg, int, (pid_t, int))                                                                   \
    X(setrlimit, int, (int, const struct rlimit *))                                                \
    X(dlclose, int, (void *))                                                                      \
    X(accept, int, (int, struct sockaddr *, socklen_t *))                                          \
    X(accept4, int, (int, struct sockaddr *, socklen_t *, int))                                    \
    X(syscall, long, (long, ...))

struct wg_probe_reals {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type and a parameter list */
#define REAL(name, result, parameters) result(*real_##name) parameters;
    WG_PROBE_REALS(REAL)
#undef REAL
};

extern struct wg_probe_reals wg_probe_reals;

void wg_probe_find_reals(void);

#define WG_REAL(name)                                                                              \
    (__builtin_expect(wg_probe_reals.real_##name == NULL, 0)                                       \
         ? (wg_probe_find_reals(), wg_probe_reals.real_##name)                                     \
         : wg_probe_reals.real_##name)

#endif
