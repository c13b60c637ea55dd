/* SPDX-License-Identifier: MIT */
/*
 * overlay.c - mappings of databases on overlayfs that show what the file was, not what it is.
 *
 * A file of a lower layer is copied to the upper one when it is first opened for writing. A
 * descriptor that was opened for reading before that reads from the copy from then on, with
 * read() and fstat(); but what is mapped of it, before or after, stays the lower file (Linux,
 * Documentation/filesystems/overlayfs.rst, "Non-standard behavior"; measured on 6.18). SQLite with
 * PRAGMA mmap_size reads through the mapping, the change counter too, and so sees old pages for
 * ever.
 *
 * The kernel tells nobody which of the two files a mapping is of, so the bytes are compared: those
 * of the mapping, and those that pread() gives for the descriptor that it was made of. Mapping and
 * file are one page cache otherwise, so that they differ only while somebody writes between two
 * looks. A difference counts when mapping, file, mapping, file, mapping are found in turns and all
 * of a kind agree: bytes that change to and fro in step with the looks are not to be had. That
 * needs no lock to be sound; the looks are when a read transaction begins and when a mapping is
 * made, since SQLite is about to use it then. Bytes of the mapping are read by process_vm_readv(),
 * since they may be gone: where another thread has unmapped it, or where the lower file is shorter.
 *
 * To keep this cheap, only descriptors of SQLite that were opened for reading alone are looked at,
 * once they are mapped and when the time of the last change of the file is another than at the last
 * look. The first LOOK_MAX bytes are compared: page 1 has counters that every transaction changes
 * with a rollback journal, but in WAL mode only some do. A descriptor is settled for good when it
 * lies on another file system, when its mapping shows that the counters have changed (a lower file
 * never changes), or when it was told that it is stale.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOOK_SIZE 2048         /* bytes compared at once; two such buffers lie on the stack */
#define LOOK_MAX  (256u << 10) /* bytes compared of a database */
#define COUNTERS  24           /* offset of the change counter and the size in pages */
#define WORD      sizeof(uint64_t)

/* A part of a mapping and the same part of its file. */
struct part {
    uintptr_t address;
    int fd;
    int64_t offset;
    size_t size;
};

static bool read_map(const struct part *part, unsigned char *to)
{
    struct iovec local = {to, part->size};
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    struct iovec remote = {(void *)(part->address + (uintptr_t)part->offset), part->size};
    return syscall(SYS_process_vm_readv, syscall(SYS_getpid), &local, 1UL, &remote, 1UL, 0UL) ==
           (long)part->size;
}

static bool read_file(const struct part *part, unsigned char *to)
{
    return syscall(SYS_pread64, part->fd, to, part->size, (off_t)part->offset) ==
           (ssize_t)part->size;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < WORD; i++)
        word = word << 8 | bytes[i];
    return word;
}

/* A difference: where, and what is there. */
struct difference {
    int64_t offset;
    uint64_t in_map, in_file;
};

/* The word in which the part differs, if it goes on differing in the same way. */
static bool differs(const struct part *part, struct difference *ret_difference)
{
    unsigned char map[LOOK_SIZE], file[LOOK_SIZE];
    if (!read_map(part, map) || !read_file(part, file) || memcmp(map, file, part->size) == 0)
        return false;
    size_t at = 0;
    while (memcmp(map + at, file + at, WORD) == 0)
        at += WORD;
    ret_difference->offset = part->offset + (int64_t)at;
    ret_difference->in_map = word_at(map + at);
    ret_difference->in_file = word_at(file + at);
    const struct part word = {part->address, part->fd, ret_difference->offset, WORD};
    for (int i = 0; i < 2; i++)
        if (!read_map(&word, map) || word_at(map) != ret_difference->in_map ||
            !read_file(&word, file) || word_at(file) != ret_difference->in_file)
            return false;
    return read_map(&word, map) && word_at(map) == ret_difference->in_map;
}

/* Both begin as a database does: else what lies there is not what was mapped. */
static bool is_database(const struct part *whole)
{
    const struct part start = {whole->address, whole->fd, 0, sizeof WG_PROBE_HEADER};
    unsigned char map[sizeof WG_PROBE_HEADER], file[sizeof WG_PROBE_HEADER];
    return read_map(&start, map) && read_file(&start, file) &&
           memcmp(map, WG_PROBE_HEADER, sizeof map) == 0 && memcmp(map, file, sizeof map) == 0;
}

/* The counters of the file, 0 when they cannot be read. */
static uint64_t counters_of(int fd)
{
    unsigned char bytes[WORD];
    const struct part part = {0, fd, COUNTERS, WORD};
    return read_file(&part, bytes) ? word_at(bytes) : 0;
}

/* The mapping and the file have the same counters, and others than those of before. */
static bool follows(const struct part *whole, const struct wg_fd *entry)
{
    unsigned char bytes[WORD];
    const struct part part = {whole->address, whole->fd, COUNTERS, WORD};
    return read_map(&part, bytes) && word_at(bytes) != atomic_load(&entry->counters) &&
           word_at(bytes) == counters_of(whole->fd);
}

static bool is_same_file(int fd, const struct wg_fd *entry, int64_t *ret_changed_ns)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_dev != entry->dev || st.st_ino != entry->ino)
        return false;
    *ret_changed_ns = wg_probe_changed_ns(&st);
    return true;
}

static void tell(const void *caller, enum wg_trace_call call, const struct part *whole,
                 const struct wg_fd *entry, const struct difference *difference)
{
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_STALE_MAP, call, caller);
    note.record.origin = (uint8_t)wg_probe_origin(caller, entry);
    wg_note_fd(&note, whole->fd, entry);
    note.record.offset = (int64_t)whole->address;
    note.record.length = difference->offset;
    note.record.result = (int64_t)difference->in_map;
    note.record.ino2 = difference->in_file;
    note.stack = true;
    wg_note_end(&note);
}

/* The mapping is one that may be stale. What came through a fork is not this process's to use. */
static bool is_wanted(const struct wg_map *map, const struct wg_fd *entry)
{
    unsigned marks = entry ? atomic_load(&entry->marks) : 0;
    return map->offset == 0 && (marks & WG_FD_OVERLAY) && !(marks & WG_FD_SETTLED) &&
           entry->ino == map->ino && entry->dev == map->dev && wg_probe_live() &&
           entry->owner == wg_probe.local->pid;
}

/* Looks at one mapping; it may be unmapped meanwhile, and its descriptor closed. */
static void look_at(const void *caller, enum wg_trace_call call, struct wg_map *map)
{
    uint32_t serial = atomic_load(&map->serial);
    struct part whole = {wg_map_start(map), map->fd, 0, map->size};
    struct wg_fd *entry = wg_probe_fd(whole.fd);
    int64_t changed_ns, again_ns;
    if (whole.address == 0 || !is_wanted(map, entry) ||
        !is_same_file(whole.fd, entry, &changed_ns) ||
        changed_ns == atomic_load(&entry->changed_ns) || !is_database(&whole))
        return;
    struct difference difference;
    bool found = false;
    struct part part = whole;
    for (; !found && (size_t)part.offset < whole.size && part.offset < LOOK_MAX;
         part.offset += LOOK_SIZE) {
        size_t left = whole.size - (size_t)part.offset;
        part.size = left < LOOK_SIZE ? left & ~(WORD - 1) : LOOK_SIZE;
        found = part.size > 0 && differs(&part, &difference);
    }
    bool settled = found || follows(&whole, entry);
    /* All of it was read from what was mapped and open at the beginning. */
    if (!is_same_file(whole.fd, entry, &again_ns) || atomic_load(&map->serial) != serial ||
        atomic_load(&map->start) != whole.address)
        return;
    atomic_store(&entry->changed_ns, changed_ns);
    if (settled && (atomic_fetch_or(&entry->marks, WG_FD_SETTLED) & WG_FD_SETTLED))
        found = false;
    if (found)
        tell(caller, call, &whole, entry, &difference);
}

static void look(const void *caller, enum wg_trace_call call, const struct wg_name *database)
{
    int saved_errno = errno;
    for (int i = 0; i < WG_PROBE_MAPS; i++) {
        struct wg_map *map = &wg_probe.maps[i];
        if (wg_map_start(map) != 0 && map->role == WG_TRACE_ROLE_DATABASE &&
            map->database == database)
            look_at(caller, call, map);
    }
    errno = saved_errno;
}

void wg_overlay_look(const void *caller, const struct wg_fd *entry)
{
    look(caller, WG_CALL_fcntl, entry->database);
}

void wg_overlay_mapped(const void *caller, int fd, struct wg_fd *entry)
{
    struct statfs system;
    int saved_errno = errno;
    uint8_t marks = atomic_load(&entry->marks);
    if ((entry->flags & O_ACCMODE) != O_RDONLY || (marks & WG_FD_SETTLED))
        return;
    if (!(marks & WG_FD_OVERLAY)) {
        bool overlay = fstatfs(fd, &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC;
        errno = saved_errno;
        atomic_fetch_or(&entry->marks, overlay ? WG_FD_OVERLAY : WG_FD_SETTLED);
        if (!overlay)
            return;
        atomic_store(&entry->counters, counters_of(fd));
        errno = saved_errno;
        atomic_store(&wg_probe.overlay_seen, true);
    }
    look(caller, WG_CALL_mmap, entry->database);
}
