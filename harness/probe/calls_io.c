/* SPDX-License-Identifier: MIT */
/*
 * calls_io.c - reads, writes, sizes, syncs, copies and mappings of tracked descriptors.
 *
 * SQLite's own successful reads are not recorded. Of others the first read and the first write on
 * a descriptor have a stack; the rest goes to the ring.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A transfer: what it is, and where. */
struct transfer {
    enum wg_trace_type type;
    enum wg_trace_call call;
    const void *caller;
    int fd;
    int64_t offset, length;
};

/* Starts the record, or returns false when there is nothing to say about this descriptor. */
static bool begin(struct wg_note *note, const struct transfer *transfer, struct wg_fd *entry)
{
    uint16_t delayed =
        wg_perturb_delay((uint16_t)transfer->type, transfer->call, (enum wg_trace_role)entry->role);
    wg_note_begin(note, transfer->type, transfer->call, transfer->caller);
    enum wg_trace_origin origin = wg_probe_origin(transfer->caller, entry);
    bool by_sqlite = wg_origin_is_sqlite(origin);
    if (!by_sqlite && !wg_note_still(transfer->fd, entry)) {
        errno = note->saved_errno;
        return false;
    }
    note->record.origin = (uint8_t)origin;
    note->record.offset = transfer->offset;
    note->record.length = transfer->length;
    note->record.flags |= delayed;
    wg_note_fd(note, transfer->fd, entry);
    bool foreign = !by_sqlite || (note->record.flags & WG_TRACE_INHERITED);
    if (foreign) {
        uint8_t mark = transfer->type == WG_TRACE_READ ? WG_FD_READ : WG_FD_WRITTEN;
        note->stack = !(atomic_fetch_or(&entry->marks, mark) & mark);
    }
    return true;
}

static void end(struct wg_note *note, int64_t result)
{
    bool failed = result < 0;
    wg_note_result(note, result, failed);
    note->stack |= failed && note->record.error != EINTR && note->record.error != EAGAIN;
    bool dull = note->record.type == WG_TRACE_READ && !failed && !note->stack &&
                wg_origin_is_sqlite((enum wg_trace_origin)note->record.origin);
    if (dull)
        errno = note->saved_errno;
    else
        wg_note_end(note);
}

static int64_t total(const struct iovec *parts, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count && i < 1024; i++)
        sum += (int64_t)parts[i].iov_len;
    return sum;
}

/* As much of a size as a perturbation lets through; of NOTED. */
#define CUT(size) ((size) < cut ? (size) : cut)

/*
 * Makes the call `expression` with a record around it when the descriptor is tracked. `cuts` says
 * that the expression asks for CUT(size).
 */
#define NOTED(type, kind, name, descriptor, at, bytes, cuts, expression)                           \
    do {                                                                                           \
        struct wg_note note;                                                                       \
        size_t cut = SIZE_MAX;                                                                     \
        struct wg_fd *entry = wg_probe_fd(descriptor);                                             \
        const struct transfer transfer = {                                                         \
            WG_TRACE_##kind, WG_CALL_##name, WG_CALLER(), descriptor, at, (int64_t)(bytes)};       \
        if (!entry || !begin(&note, &transfer, entry))                                             \
            return expression;                                                                     \
        bool struck = wg_perturb_strikes(&note, wg_entry_database(entry), (size_t)(bytes),         \
                                         (cuts) ? &cut : NULL);                                    \
        type result = struck ? -1 : (expression);                                                  \
        end(&note, result);                                                                        \
        return result;                                                                             \
    } while (0)

ssize_t wg_call_read(int fd, void *to, size_t size) WG_STANDS_FOR("read");
ssize_t wg_call_read(int fd, void *to, size_t size)
{
    NOTED(ssize_t, READ, read, fd, -1, size, true, WG_REAL(read)(fd, to, CUT(size)));
}

ssize_t wg_call_read_chk(int fd, void *to, size_t size, size_t room) WG_STANDS_FOR("__read_chk");
ssize_t wg_call_read_chk(int fd, void *to, size_t size, size_t room)
{
    if (size > room)
        __builtin_trap();
    NOTED(ssize_t, READ, read, fd, -1, size, true, WG_REAL(read)(fd, to, CUT(size)));
}

ssize_t wg_call_pread(int fd, void *to, size_t size, off_t at) WG_STANDS_FOR("pread");
ssize_t wg_call_pread(int fd, void *to, size_t size, off_t at)
{
    NOTED(ssize_t, READ, pread, fd, at, size, true, WG_REAL(pread)(fd, to, CUT(size), at));
}
ssize_t wg_call_pread64(int fd, void *to, size_t size, off_t at) WG_ALSO("pread", "pread64");

ssize_t wg_call_pread_chk(int fd, void *to, size_t size, off_t at, size_t room)
    WG_STANDS_FOR("__pread_chk");
ssize_t wg_call_pread_chk(int fd, void *to, size_t size, off_t at, size_t room)
{
    if (size > room)
        __builtin_trap();
    NOTED(ssize_t, READ, pread, fd, at, size, true, WG_REAL(pread)(fd, to, CUT(size), at));
}
ssize_t wg_call_pread64_chk(int fd, void *to, size_t size, off_t at, size_t room)
    WG_ALSO("__pread_chk", "__pread64_chk");

ssize_t wg_call_readv(int fd, const struct iovec *parts, int count) WG_STANDS_FOR("readv");
ssize_t wg_call_readv(int fd, const struct iovec *parts, int count)
{
    NOTED(ssize_t, READ, readv, fd, -1, total(parts, count), false,
          WG_REAL(readv)(fd, parts, count));
}

ssize_t wg_call_preadv(int fd, const struct iovec *parts, int count, off_t at)
    WG_STANDS_FOR("preadv");
ssize_t wg_call_preadv(int fd, const struct iovec *parts, int count, off_t at)
{
    NOTED(ssize_t, READ, preadv, fd, at, total(parts, count), false,
          WG_REAL(preadv)(fd, parts, count, at));
}
ssize_t wg_call_preadv64(int fd, const struct iovec *parts, int count, off_t at)
    WG_ALSO("preadv", "preadv64");

ssize_t wg_call_preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
    WG_STANDS_FOR("preadv2");
ssize_t wg_call_preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    NOTED(ssize_t, READ, preadv2, fd, at, total(parts, count), false,
          WG_REAL(preadv2)(fd, parts, count, at, flags));
}
ssize_t wg_call_preadv64v2(int fd, const struct iovec *parts, int count, off_t at, int flags)
    WG_ALSO("preadv2", "preadv64v2");

ssize_t wg_call_write(int fd, const void *from, size_t size) WG_STANDS_FOR("write");
ssize_t wg_call_write(int fd, const void *from, size_t size)
{
    NOTED(ssize_t, WRITE, write, fd, -1, size, true, WG_REAL(write)(fd, from, CUT(size)));
}

/*
 * SQLite writes page 1 of a database, to the file or as a frame of the WAL: notes the schema cookie
 * in it (sqlite.org/fileformat2.html, section 1.3.9), with the stack when it went back.
 */
static void note_cookie(struct wg_note *note, const struct wg_fd *entry, const unsigned char *page,
                        size_t size)
{
    enum { HEADER = 100, COOKIE = 40 };
    static const char magic[] = "SQLite format 3";
    bool first = entry->role == WG_TRACE_ROLE_DATABASE && note->record.offset == 0;
    if ((!first && entry->role != WG_TRACE_ROLE_WAL) || size < HEADER ||
        !wg_origin_is_sqlite((enum wg_trace_origin)note->record.origin) ||
        memcmp(page, magic, sizeof magic) != 0)
        return;
    uint32_t cookie = (uint32_t)page[COOKIE] << 24 | (uint32_t)page[COOKIE + 1] << 16 |
                      (uint32_t)page[COOKIE + 2] << 8 | page[COOKIE + 3];
    note->record.ino2 = WG_TRACE_COOKIE | cookie;
    if (!entry->inode)
        return;
    uint32_t highest = atomic_load_explicit(&entry->inode->cookie, memory_order_relaxed);
    note->stack |= cookie < highest;
    if (cookie > highest)
        atomic_store_explicit(&entry->inode->cookie, cookie, memory_order_relaxed);
}

ssize_t wg_call_pwrite(int fd, const void *from, size_t size, off_t at) WG_STANDS_FOR("pwrite");
ssize_t wg_call_pwrite(int fd, const void *from, size_t size, off_t at)
{
    NOTED(ssize_t, WRITE, pwrite, fd, at, size, true,
          (entry ? note_cookie(&note, entry, from, size) : (void)0,
           WG_REAL(pwrite)(fd, from, CUT(size), at)));
}
ssize_t wg_call_pwrite64(int fd, const void *from, size_t size, off_t at)
    WG_ALSO("pwrite", "pwrite64");

ssize_t wg_call_writev(int fd, const struct iovec *parts, int count) WG_STANDS_FOR("writev");
ssize_t wg_call_writev(int fd, const struct iovec *parts, int count)
{
    NOTED(ssize_t, WRITE, writev, fd, -1, total(parts, count), false,
          WG_REAL(writev)(fd, parts, count));
}

ssize_t wg_call_pwritev(int fd, const struct iovec *parts, int count, off_t at)
    WG_STANDS_FOR("pwritev");
ssize_t wg_call_pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    NOTED(ssize_t, WRITE, pwritev, fd, at, total(parts, count), false,
          WG_REAL(pwritev)(fd, parts, count, at));
}
ssize_t wg_call_pwritev64(int fd, const struct iovec *parts, int count, off_t at)
    WG_ALSO("pwritev", "pwritev64");

ssize_t wg_call_pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
    WG_STANDS_FOR("pwritev2");
ssize_t wg_call_pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    NOTED(ssize_t, WRITE, pwritev2, fd, at, total(parts, count), false,
          WG_REAL(pwritev2)(fd, parts, count, at, flags));
}
ssize_t wg_call_pwritev64v2(int fd, const struct iovec *parts, int count, off_t at, int flags)
    WG_ALSO("pwritev2", "pwritev64v2");

static int64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_size : -1;
}

int wg_call_ftruncate(int fd, off_t size) WG_STANDS_FOR("ftruncate");
int wg_call_ftruncate(int fd, off_t size)
{
    struct wg_note note;
    struct wg_fd *entry = wg_probe_fd(fd);
    const struct transfer transfer = {
        WG_TRACE_TRUNCATE, WG_CALL_ftruncate, WG_CALLER(), fd, entry ? size_of(fd) : 0, size};
    if (!entry || !begin(&note, &transfer, entry))
        return WG_REAL(ftruncate)(fd, size);
    note.ordinary = wg_origin_is_sqlite((enum wg_trace_origin)note.record.origin);
    bool struck = wg_perturb_strikes(&note, wg_entry_database(entry), 0, NULL);
    int result = struck ? -1 : WG_REAL(ftruncate)(fd, size);
    end(&note, result);
    return result;
}
int wg_call_ftruncate64(int fd, off_t size) WG_ALSO("ftruncate", "ftruncate64");

int wg_call_fallocate(int fd, int mode, off_t at, off_t size) WG_STANDS_FOR("fallocate");
int wg_call_fallocate(int fd, int mode, off_t at, off_t size)
{
    NOTED(int, ALLOCATE, fallocate, fd, at, size, false, WG_REAL(fallocate)(fd, mode, at, size));
}
int wg_call_fallocate64(int fd, int mode, off_t at, off_t size) WG_ALSO("fallocate", "fallocate64");

/* Returns the error instead of setting errno. */
int wg_call_posix_fallocate(int fd, off_t at, off_t size) WG_STANDS_FOR("posix_fallocate");
int wg_call_posix_fallocate(int fd, off_t at, off_t size)
{
    struct wg_note note;
    struct wg_fd *entry = wg_probe_fd(fd);
    const struct transfer transfer = {
        WG_TRACE_ALLOCATE, WG_CALL_posix_fallocate, WG_CALLER(), fd, at, size};
    if (!entry || !begin(&note, &transfer, entry))
        return WG_REAL(posix_fallocate)(fd, at, size);
    bool struck = wg_perturb_strikes(&note, wg_entry_database(entry), (size_t)size, NULL);
    int result = struck ? errno : WG_REAL(posix_fallocate)(fd, at, size);
    errno = note.saved_errno;
    wg_note_result(&note, result, false);
    note.record.error = result;
    note.stack |= result != 0;
    wg_note_end(&note);
    return result;
}
int wg_call_posix_fallocate64(int fd, off_t at, off_t size)
    WG_ALSO("posix_fallocate", "posix_fallocate64");

static int sync_noted(enum wg_trace_call call, const void *caller, int fd, struct wg_fd *entry)
{
    struct wg_note note;
    const struct transfer transfer = {WG_TRACE_SYNC, call, caller, fd, 0, 0};
    bool noted = begin(&note, &transfer, entry);
    bool struck = noted && wg_perturb_strikes(&note, wg_entry_database(entry), 0, NULL);
    int result = struck ? -1 : call == WG_CALL_fsync ? WG_REAL(fsync)(fd) : WG_REAL(fdatasync)(fd);
    if (!noted)
        return result;
    note.stack = false;
    wg_note_took(&note);
    end(&note, result);
    return result;
}

int wg_call_fsync(int fd) WG_STANDS_FOR("fsync");
int wg_call_fsync(int fd)
{
    struct wg_fd *entry = wg_probe_fd(fd);
    return entry ? sync_noted(WG_CALL_fsync, WG_CALLER(), fd, entry) : WG_REAL(fsync)(fd);
}

int wg_call_fdatasync(int fd) WG_STANDS_FOR("fdatasync");
int wg_call_fdatasync(int fd)
{
    struct wg_fd *entry = wg_probe_fd(fd);
    return entry ? sync_noted(WG_CALL_fdatasync, WG_CALLER(), fd, entry) : WG_REAL(fdatasync)(fd);
}
