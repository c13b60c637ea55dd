/* SPDX-License-Identifier: MIT */
/* calls_lock.c - fcntl, flock and lockf: locks, and duplicates by fcntl. */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static uint8_t lock_type_of(int command, short type)
{
    uint8_t lock = type == F_RDLCK   ? WG_TRACE_LOCK_READ
                   : type == F_WRLCK ? WG_TRACE_LOCK_WRITE
                                     : WG_TRACE_LOCK_UNLOCK;
    if (command == F_SETLKW || command == F_OFD_SETLKW)
        lock |= WG_TRACE_LOCK_WAIT;
    if (command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK)
        lock |= WG_TRACE_LOCK_OFD;
    if (command == F_GETLK || command == F_OFD_GETLK)
        lock |= WG_TRACE_LOCK_QUERY;
    return lock;
}

/* Where SQLite's SEEK_SET locks lie; other forms are put at their distance from the start. */
static int64_t start_of(int fd, const struct flock *lock)
{
    off_t base = 0;
    struct stat st;
    if (lock->l_whence == SEEK_CUR)
        base = lseek(fd, 0, SEEK_CUR);
    else if (lock->l_whence == SEEK_END && fstat(fd, &st) == 0)
        base = st.st_size;
    return base + lock->l_start;
}

/*
 * The index of a WAL (sqlite.org/walformat.html, section 2.2): two copies of a header of 48 bytes,
 * then nBackfill, how many frames are in the database already. Who has just been granted the WRITE
 * lock must find no more of them than there are frames (mxFrame): both are changed under that lock
 * alone, but for nBackfill by a checkpoint, which only may come near. If there are more, the next
 * checkpoints will skip frames that were never copied. Returns nBackfill << 32 | mxFrame then, 0
 * when all is well or the header is not to be trusted (SQLite will recover it).
 *
 * Read is the mapping that was made of the descriptor that is locked: the SQLite that makes the
 * call keeps it as long as its connection. That of another SQLite in the process may go any moment.
 */
static uint64_t contradiction_in_index(int fd, const struct wg_fd *entry)
{
    enum { VERSION = 0, IS_INIT = 12, MX_FRAME = 16, HEADER = 48, BACKFILL = 96 };
    for (uint32_t i = 0; i < WG_PROBE_MAPS; i++) {
        const struct wg_map *map = &wg_probe.maps[i];
        uintptr_t start = wg_map_start(map);
        if (start == 0 || map->fd != fd || map->ino != entry->ino || map->dev != entry->dev ||
            map->offset != 0)
            continue;
        const unsigned char *index = (const void *)start; /* NOLINT(performance-no-int-to-ptr) */
        uint32_t version, frames, backfilled;
        memcpy(&version, index + VERSION, sizeof version);
        memcpy(&frames, index + MX_FRAME, sizeof frames);
        memcpy(&backfilled, index + BACKFILL, sizeof backfilled);
        if (version != 3007000 || index[IS_INIT] != 1 || memcmp(index, index + HEADER, HEADER) != 0)
            return 0;
        return backfilled > frames ? (uint64_t)backfilled << 32 | frames : 0;
    }
    return 0;
}

/* A lock with which a read transaction begins: SHARED, or in WAL mode one of READ0 to READ4. */
static bool begins_to_read(const struct wg_fd *entry, const struct wg_trace_record *record)
{
    unsigned kind = record->lock_type & (WG_TRACE_LOCK_KIND | WG_TRACE_LOCK_QUERY);
    int64_t first = entry->role == WG_TRACE_ROLE_DATABASE ? WG_TRACE_DB_PENDING_BYTE + 2
                    : entry->role == WG_TRACE_ROLE_SHM    ? WG_TRACE_SHM_LOCK_FIRST + 3
                                                          : INT64_MAX;
    return kind == WG_TRACE_LOCK_READ && record->error == 0 && record->offset >= first &&
           record->offset != WG_TRACE_SHM_LOCK_FIRST + WG_TRACE_SHM_LOCKS - 1;
}

static int lock_noted(const void *caller, int fd, struct wg_fd *entry, int command,
                      struct flock *lock)
{
    struct wg_note note;
    uint16_t delayed =
        wg_perturb_delay(WG_TRACE_LOCK, WG_CALL_fcntl, (enum wg_trace_role)entry->role);
    wg_note_begin(&note, WG_TRACE_LOCK, WG_CALL_fcntl, caller);
    note.record.flags = delayed;
    enum wg_trace_origin origin = wg_probe_origin(caller, entry);
    note.record.origin = (uint8_t)origin;
    wg_note_fd(&note, fd, entry);
    short type = lock->l_type;
    note.record.offset = start_of(fd, lock);
    note.record.length = lock->l_len;
    note.record.lock_type = lock_type_of(command, type);
    bool struck = wg_perturb_strikes(&note, wg_entry_database(entry), 0, NULL);
    int result = struck ? -1 : WG_REAL(fcntl)(fd, command, lock);
    wg_note_result(&note, result, result != 0);
    if (note.record.lock_type & WG_TRACE_LOCK_WAIT)
        wg_note_took(&note);
    if (result == 0 && (note.record.lock_type & WG_TRACE_LOCK_QUERY)) {
        note.record.result = lock->l_type == F_UNLCK ? 0 : lock->l_pid;
        note.record.ino2 = lock_type_of(F_SETLK, lock->l_type);
    } else if (result == 0 && !(note.record.lock_type & WG_TRACE_LOCK_OFD)) {
        wg_probe_locked(entry, type, note.record.offset, note.record.length);
    }
    if (result == 0 && type == F_WRLCK && command == F_SETLK && entry->role == WG_TRACE_ROLE_SHM &&
        note.record.offset == WG_TRACE_SHM_LOCK_FIRST && note.record.length == 1)
        note.record.ino2 = contradiction_in_index(fd, entry);
    bool busy = result != 0 && (note.record.error == EAGAIN || note.record.error == EACCES);
    bool first_foreign = (note.record.flags & WG_TRACE_INHERITED) &&
                         !(atomic_fetch_or(&entry->marks, WG_FD_FOREIGN) & WG_FD_FOREIGN);
    bool contradiction = command == F_SETLK && note.record.ino2 != 0;
    note.stack = first_foreign || contradiction || (result != 0 && !busy);
    wg_note_end(&note);
    if (atomic_load_explicit(&wg_probe.overlay_seen, memory_order_relaxed) &&
        begins_to_read(entry, &note.record))
        wg_overlay_look(caller, entry);
    return result;
}

int wg_call_fcntl(int fd, int command, ...) WG_STANDS_FOR("fcntl");
int wg_call_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    struct wg_fd *entry = wg_probe_fd(fd);
    if (!entry)
        return WG_REAL(fcntl)(fd, command, argument);
    switch (command) {
    case F_SETLK:
    case F_SETLKW:
    case F_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
    case F_OFD_GETLK:
        return argument ? lock_noted(WG_CALLER(), fd, entry, command, argument)
                        : WG_REAL(fcntl)(fd, command, argument);
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
        int result = WG_REAL(fcntl)(fd, command, argument);
        if (!wg_probe_in_vfork())
            wg_probe_duplicated(WG_CALL_fcntl, WG_CALLER(), fd, result, entry);
        return result;
    }
    default: return WG_REAL(fcntl)(fd, command, argument);
    }
}
int wg_call_fcntl64(int fd, int command, ...) WG_ALSO("fcntl", "fcntl64");

static void note_flock(enum wg_trace_call call, const void *caller, int fd, int result,
                       int operation, uint8_t lock_type, int64_t time_ns)
{
    struct wg_fd *entry = wg_probe_fd(fd);
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_FLOCK, call, caller);
    note.record.time_ns = time_ns;
    wg_note_took(&note);
    wg_note_result(&note, result, result != 0);
    note.record.origin = (uint8_t)wg_probe_origin(caller, entry);
    wg_note_fd(&note, fd, entry);
    note.record.length = operation;
    note.record.lock_type = lock_type;
    wg_note_end(&note);
}

int wg_call_flock(int fd, int operation) WG_STANDS_FOR("flock");
int wg_call_flock(int fd, int operation)
{
    int64_t time_ns = wg_probe_fd(fd) ? wg_probe_now_ns() : 0;
    int result = WG_REAL(flock)(fd, operation);
    if (time_ns != 0 && !wg_probe_in_vfork())
        note_flock(WG_CALL_flock, WG_CALLER(), fd, result, operation,
                   operation & LOCK_SH   ? WG_TRACE_LOCK_READ
                   : operation & LOCK_EX ? WG_TRACE_LOCK_WRITE
                                         : WG_TRACE_LOCK_UNLOCK,
                   time_ns);
    return result;
}

int wg_call_lockf(int fd, int operation, off_t length) WG_STANDS_FOR("lockf");
int wg_call_lockf(int fd, int operation, off_t length)
{
    int64_t time_ns = wg_probe_fd(fd) ? wg_probe_now_ns() : 0;
    int result = WG_REAL(lockf)(fd, operation, length);
    if (time_ns != 0 && !wg_probe_in_vfork())
        note_flock(WG_CALL_lockf, WG_CALLER(), fd, result, operation,
                   operation == F_ULOCK ? WG_TRACE_LOCK_UNLOCK : WG_TRACE_LOCK_WRITE, time_ns);
    return result;
}
int wg_call_lockf64(int fd, int operation, off_t length) WG_ALSO("lockf", "lockf64");
