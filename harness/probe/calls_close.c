/* SPDX-License-Identifier: MIT */
/*
 * calls_close.c - the functions that close and duplicate descriptors.
 *
 * A vfork child shares this memory with its parent but has descriptors of its own: what it closes
 * is still open in the parent, so nothing is recorded or forgotten there.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Records that `entry` is about to be closed; the record is written after the call. */
static void begin_close(struct wg_note *note, enum wg_trace_call call, const void *caller, int fd,
                        struct wg_fd *entry)
{
    wg_note_begin(note, WG_TRACE_CLOSE, call, caller);
    enum wg_trace_origin origin = wg_probe_origin(caller, entry);
    note->record.origin = (uint8_t)origin;
    wg_note_fd(note, fd, entry);
    bool by_sqlite = wg_origin_is_sqlite(origin);
    note->ordinary = by_sqlite;
    note->stack = !by_sqlite && entry->role <= WG_TRACE_ROLE_SHM && note->record.held != 0;
    struct stat st;
    if (entry->role <= WG_TRACE_ROLE_SHM && fstat(fd, &st) == 0 && st.st_nlink == 0)
        note->record.flags |= WG_TRACE_UNLINKED;
    /* Before the call: afterwards another thread may get the number. */
    wg_probe_fd_remove(entry, true);
}

static void end_close(struct wg_note *note, int result)
{
    wg_note_result(note, result, result != 0);
    wg_note_end(note);
}

/* The entry if closing it here means something. */
static struct wg_fd *to_close(int fd, const void *caller)
{
    struct wg_fd *entry = wg_probe_fd(fd);
    if (!entry)
        return NULL;
    /* SQLite closes what it has opened; of others the number may be a stale one. A library that is
     * SQLite and nothing else does not run in a vfork child. */
    enum wg_trace_origin origin = wg_probe_origin(caller, entry);
    if (origin != WG_TRACE_ORIGIN_SQLITE && wg_probe_in_vfork())
        return NULL;
    return wg_origin_is_sqlite(origin) || wg_note_still(fd, entry) ? entry : NULL;
}

int wg_call_close(int fd) WG_STANDS_FOR("close");
int wg_call_close(int fd)
{
    struct wg_fd *entry = to_close(fd, WG_CALLER());
    if (!entry)
        return WG_REAL(close)(fd);
    struct wg_note note;
    begin_close(&note, WG_CALL_close, WG_CALLER(), fd, entry);
    int result = WG_REAL(close)(fd);
    end_close(&note, result);
    return result;
}
/* By this name libc offers close() to those who must not be interrupted. */
int wg_call_close_alias(int fd) WG_ALSO("close", "__close");

int wg_call_fclose(FILE *file) WG_STANDS_FOR("fclose");
int wg_call_fclose(FILE *file)
{
    int fd = file && wg_probe.fd_max ? fileno_unlocked(file) : -1;
    struct wg_fd *entry = to_close(fd, WG_CALLER());
    if (!entry)
        return WG_REAL(fclose)(file);
    struct wg_note note;
    begin_close(&note, WG_CALL_fclose, WG_CALLER(), fd, entry);
    int result = WG_REAL(fclose)(file);
    end_close(&note, result);
    return result;
}

/* Closes of a range: one record for each descriptor that is tracked. */
static void note_range(enum wg_trace_call call, const void *caller, unsigned first, unsigned last)
{
    uint32_t high = atomic_load(&wg_probe.fd_high);
    for (uint32_t fd = first; fd <= last && fd < high; fd++) {
        struct wg_fd *entry = to_close((int)fd, caller);
        if (!entry)
            continue;
        struct wg_note note;
        begin_close(&note, call, caller, (int)fd, entry);
        wg_note_end(&note);
    }
}

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

int wg_call_close_range(unsigned first, unsigned last, int flags) WG_STANDS_FOR("close_range");
int wg_call_close_range(unsigned first, unsigned last, int flags)
{
    if (wg_probe.fd_max && !((unsigned)flags & CLOSE_RANGE_CLOEXEC) && first <= last)
        note_range(WG_CALL_close_range, WG_CALLER(), first, last);
    if (WG_REAL(close_range))
        return WG_REAL(close_range)(first, last, flags);
    errno = ENOSYS;
    return -1;
}

void wg_call_closefrom(int first) WG_STANDS_FOR("closefrom");
void wg_call_closefrom(int first)
{
    if (wg_probe.fd_max)
        note_range(WG_CALL_closefrom, WG_CALLER(), first < 0 ? 0 : (unsigned)first, UINT32_MAX - 1);
    WG_REAL(closefrom)(first);
}

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

/* What is done through a ring is seen by nobody. liburing sets it up without libc; others do not.
 */
static void note_io_uring(const void *caller)
{
    static const char words[] = WG_TRACE_NOT_COVERED "it uses io_uring, whose calls are not seen";
    if (wg_probe.fd_max == 0 || !wg_probe_live() || wg_probe_in_vfork())
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_MARK, WG_CALL_none, caller);
    note.record.text = wg_probe_string(words, sizeof words - 1, &note.record.flags);
    wg_note_end(&note);
}

/*
 * libuv, and with it Node, closes files by syscall(). The function is variadic, but its arguments
 * are all registers, and passing on one that the caller did not give is what libc does too.
 */
long wg_call_syscall(long number, long a, long b, long c, long d, long e, long f)
    WG_STANDS_FOR("syscall");
long wg_call_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_io_uring_setup)
        note_io_uring(WG_CALLER());
    struct wg_fd *entry =
        number == SYS_close && wg_probe_fd((int)a) ? to_close((int)a, WG_CALLER()) : NULL;
    if (!entry)
        return WG_REAL(syscall)(number, a, b, c, d, e, f);
    struct wg_note note;
    begin_close(&note, WG_CALL_close, WG_CALLER(), (int)a, entry);
    long result = WG_REAL(syscall)(number, a, b, c, d, e, f);
    end_close(&note, (int)result);
    return result;
}

/* --- duplicates ----------------------------------------------------------------------------- */

static void track_duplicate(int to, const struct wg_fd *entry)
{
    struct wg_fd copy;
    struct stat st = {.st_dev = entry->dev, .st_ino = entry->ino};
    struct wg_fd *stale = wg_probe_fd(to);
    memcpy(&copy, entry, sizeof copy);
    if (stale)
        wg_probe_fd_remove(stale, false);
    wg_probe_fd_add(to, &copy, &st);
}

void wg_probe_duplicated(enum wg_trace_call call, const void *caller, int from, int to,
                         struct wg_fd *entry)
{
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_DUP, call, caller);
    note.record.origin = (uint8_t)wg_probe_origin(caller, entry);
    wg_note_fd(&note, from, entry);
    wg_note_result(&note, to, to < 0);
    note.record.length = -1;
    if (to >= 0)
        track_duplicate(to, entry);
    wg_note_end(&note);
}

/* `to` is -1 when the kernel picks the number. */
static int duplicate(enum wg_trace_call call, const void *caller, int from, int to, int flags)
{
    struct wg_note closing;
    struct wg_note note;
    bool closes = false;
    struct wg_fd *source = wg_probe_fd(from);
    struct wg_fd *target = to >= 0 && to != from ? to_close(to, caller) : NULL;
    if (source && (wg_probe_in_vfork() || !wg_note_still(from, source)))
        source = NULL;
    if (source)
        wg_note_begin(&note, WG_TRACE_DUP, call, caller);
    if (target && fcntl(from, F_GETFD) >= 0) {
        begin_close(&closing, call, caller, to, target);
        closes = true;
    }
    int result = to < 0                 ? WG_REAL(dup)(from)
                 : call == WG_CALL_dup3 ? WG_REAL(dup3)(from, to, flags)
                                        : WG_REAL(dup2)(from, to);
    if (closes)
        end_close(&closing, result < 0 ? result : 0);
    if (!source)
        return result;
    note.record.origin = (uint8_t)wg_probe_origin(caller, source);
    wg_note_fd(&note, from, source);
    wg_note_result(&note, result, result < 0);
    note.record.length = closes ? to : -1;
    if (result >= 0 && result != from)
        track_duplicate(result, source);
    wg_note_end(&note);
    return result;
}

int wg_call_dup(int fd) WG_STANDS_FOR("dup");
int wg_call_dup(int fd)
{
    return wg_probe_fd(fd) ? duplicate(WG_CALL_dup, WG_CALLER(), fd, -1, 0) : WG_REAL(dup)(fd);
}

int wg_call_dup2(int from, int to) WG_STANDS_FOR("dup2");
int wg_call_dup2(int from, int to)
{
    return wg_probe_fd(from) || wg_probe_fd(to) ? duplicate(WG_CALL_dup2, WG_CALLER(), from, to, 0)
                                                : WG_REAL(dup2)(from, to);
}

int wg_call_dup3(int from, int to, int flags) WG_STANDS_FOR("dup3");
int wg_call_dup3(int from, int to, int flags)
{
    return wg_probe_fd(from) || wg_probe_fd(to)
               ? duplicate(WG_CALL_dup3, WG_CALLER(), from, to, flags)
               : WG_REAL(dup3)(from, to, flags);
}
