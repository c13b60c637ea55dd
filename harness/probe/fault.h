/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what --fault=SPEC and --chaos=SEED mean: read by the probe, and by walgrind to check
 * them.
 *
 *     KIND[:KEY=VALUE[,KEY=VALUE...]]      eio:call=pwrite,role=wal,nth=3     enospc:after=100
 *
 * KIND is the name of an errno, which a matching call fails with instead of being made, or `short`,
 * which lets it transfer only a part. A call matches when all keys do:
 *
 *   call=NAME      a function (pwrite) or a type of record as `walgrind trace` prints it (write:
 * all functions that write); without it, what a KIND usually happens to role=ROLE      database,
 * wal, shm, journal ... (WG_TRACE_ROLES) database=TEXT  the path of the database contains TEXT
 *   program=TEXT   the path of the program contains TEXT
 *   nth=N          only the N-th matching call of the process
 *   from=N         the N-th and all after it; without nth and from: all
 *   after=BYTES    writes: once so many bytes were written by matching calls of the process; the
 * call that passes the number is cut. K, M and G are understood bytes=N        of `short`: how many
 * are transferred; without it half of what was asked for
 *
 * Several specifications are separated by ';' in the environment; the first that strikes wins.
 *
 * A seed is a number from 1 on. The probe hands SEED.N on to the programs that a process starts, N
 * being made of what the process itself got and of how many it started before: two workers of one
 * parent do not stay in step, and a second run gives each the number that it had in the first.
 *
 * Pure functions of their arguments: nothing is allocated, printed or kept.
 *
 * To add a kind: a row in WG_FAULT_KINDS. To make another function fail: a row in WG_FAULT_CALLS
 * and wg_perturb_strikes() where it is called.
 */
#ifndef WG_HARNESS_PROBE_FAULT_H
#define WG_HARNESS_PROBE_FAULT_H

#include "harness/wire/trace.h"

#include <stdbool.h>
#include <stddef.h>

#define WG_CHAOS_ENV "WALGRIND_CHAOS"
#define WG_FAULT_ENV "WALGRIND_FAULT"

#define WG_FAULT_RULES_MAX 8   /* specifications at once */
#define WG_FAULT_TEXT_MAX  256 /* bytes of one */
#define WG_FAULT_WORD_MAX  128 /* bytes of a TEXT */

#define WG_FAULT_TYPE(type) (UINT64_C(1) << WG_TRACE_##type)

/* X(word, errno, types of record that it happens to without call=) */
#define WG_FAULT_KINDS(X)                                                                          \
    X("eio", EIO,                                                                                  \
      WG_FAULT_TYPE(READ) | WG_FAULT_TYPE(WRITE) | WG_FAULT_TYPE(TRUNCATE) | WG_FAULT_TYPE(SYNC))  \
    X("enospc", ENOSPC, WG_FAULT_TYPE(WRITE) | WG_FAULT_TYPE(ALLOCATE) | WG_FAULT_TYPE(COPY))      \
    X("edquot", EDQUOT, WG_FAULT_TYPE(WRITE) | WG_FAULT_TYPE(ALLOCATE) | WG_FAULT_TYPE(COPY))      \
    X("efbig", EFBIG, WG_FAULT_TYPE(WRITE) | WG_FAULT_TYPE(ALLOCATE) | WG_FAULT_TYPE(TRUNCATE))    \
    X("emfile", EMFILE, WG_FAULT_TYPE(OPEN))                                                       \
    X("enfile", ENFILE, WG_FAULT_TYPE(OPEN))                                                       \
    X("enoent", ENOENT, WG_FAULT_TYPE(OPEN))                                                       \
    X("eacces", EACCES, WG_FAULT_TYPE(OPEN) | WG_FAULT_TYPE(UNLINK))                               \
    X("eperm", EPERM, WG_FAULT_TYPE(OPEN) | WG_FAULT_TYPE(UNLINK))                                 \
    X("erofs", EROFS, WG_FAULT_TYPE(OPEN) | WG_FAULT_TYPE(UNLINK))                                 \
    X("enomem", ENOMEM, WG_FAULT_TYPE(MAP))                                                        \
    X("eagain", EAGAIN, WG_FAULT_TYPE(LOCK))                                                       \
    X("enolck", ENOLCK, WG_FAULT_TYPE(LOCK))                                                       \
    X("eintr", EINTR, WG_FAULT_TYPE(READ) | WG_FAULT_TYPE(WRITE))                                  \
    X("short", 0, WG_FAULT_TYPE(WRITE))

/* The functions that can be made to fail. X(name, type of its record, it can be cut short) */
#define WG_FAULT_CALLS(X)                                                                          \
    X(open, OPEN, false)                                                                           \
    X(openat, OPEN, false)                                                                         \
    X(creat, OPEN, false)                                                                          \
    X(read, READ, true)                                                                            \
    X(pread, READ, true)                                                                           \
    X(readv, READ, false)                                                                          \
    X(preadv, READ, false)                                                                         \
    X(preadv2, READ, false)                                                                        \
    X(write, WRITE, true)                                                                          \
    X(pwrite, WRITE, true)                                                                         \
    X(writev, WRITE, false)                                                                        \
    X(pwritev, WRITE, false)                                                                       \
    X(pwritev2, WRITE, false)                                                                      \
    X(truncate, TRUNCATE, false)                                                                   \
    X(ftruncate, TRUNCATE, false)                                                                  \
    X(fallocate, ALLOCATE, false)                                                                  \
    X(posix_fallocate, ALLOCATE, false)                                                            \
    X(fsync, SYNC, false)                                                                          \
    X(fdatasync, SYNC, false)                                                                      \
    X(copy_file_range, COPY, false)                                                                \
    X(sendfile, COPY, false)                                                                       \
    X(splice, COPY, false)                                                                         \
    X(mmap, MAP, false)                                                                            \
    X(fcntl, LOCK, false)                                                                          \
    X(unlink, UNLINK, false)                                                                       \
    X(unlinkat, UNLINK, false)                                                                     \
    X(remove, UNLINK, false)

/* One specification, read. */
struct wg_fault_rule {
    int error;      /* 0: cut short */
    uint64_t types; /* WG_FAULT_TYPE of those that match */
    uint16_t call;  /* enum wg_trace_call; 0: any function of these types */
    uint8_t role;   /* enum wg_trace_role; 0: any */
    bool once;      /* nth, not from */
    int64_t from;   /* the first matching call that it strikes, from 1 */
    int64_t after;  /* bytes; -1: does not count them */
    int64_t bytes;  /* of short; 0: half */
    char database[WG_FAULT_WORD_MAX], program[WG_FAULT_WORD_MAX]; /* "": any */
    char text[WG_FAULT_TEXT_MAX];                                 /* as it was given */
};

struct wg_fault_rules {
    struct wg_fault_rule items[WG_FAULT_RULES_MAX];
    uint32_t count;
};

/* What is wrong with a specification: `what` is a sentence's end, `at` the part that it is about.
 */
struct wg_fault_mistake {
    const char *what;
    char at[WG_FAULT_WORD_MAX];
};

/*
 * Adds the specifications of a text, separated by ';', to the rules. Returns 0, or -1 with the
 * mistake of the first bad one; the good ones before it stay added.
 */
int wg_fault_parse(const char *text, struct wg_fault_rules *rules,
                   struct wg_fault_mistake *ret_mistake);

/* Reads SEED or SEED.N; false when it is neither. */
bool wg_chaos_parse(const char *text, uint64_t *ret_seed, uint64_t *ret_line);

#endif
