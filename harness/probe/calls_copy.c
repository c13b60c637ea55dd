/* SPDX-License-Identifier: MIT */
/* calls_copy.c - copies within the kernel, clones, and mappings. */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One copy between two descriptors, of which at least one is tracked. */
struct copy {
    struct wg_note note;
    struct wg_fd *entry;
};

static bool begin_copy(struct copy *copy, enum wg_trace_call call, const void *caller, int from,
                       int to, int64_t length)
{
    struct wg_fd *target = wg_probe_fd(to);
    struct wg_fd *source = wg_probe_fd(from);
    if (target && !wg_note_still(to, target))
        target = NULL;
    if (source && !wg_note_still(from, source))
        source = NULL;
    copy->entry = target ? target : source;
    if (!copy->entry || wg_probe_in_vfork())
        return false;
    int fd = target ? to : from;
    int other = target ? from : to;
    wg_note_begin(&copy->note, WG_TRACE_COPY, call, caller);
    copy->note.record.origin = (uint8_t)wg_probe_origin(caller, copy->entry);
    wg_note_fd(&copy->note, fd, copy->entry);
    copy->note.record.offset = target ? 1 : 0;
    copy->note.record.length = length;
    char path[WG_PROBE_PATH];
    size_t size = wg_probe_path_of_fd(other, path);
    if (wg_probe_live())
        copy->note.record.text = wg_probe_string(path, size, &copy->note.record.flags);
    uint8_t mark = target ? WG_FD_WRITTEN : WG_FD_READ;
    copy->note.stack = !(atomic_fetch_or(&copy->entry->marks, mark) & mark);
    return true;
}

static void end_copy(struct copy *copy, int64_t result)
{
    wg_note_result(&copy->note, result, result < 0);
    wg_note_took(&copy->note);
    wg_note_end(&copy->note);
}

#define COPIED(type, name, from, to, bytes, expression)                                            \
    do {                                                                                           \
        struct copy copy;                                                                          \
        if ((!wg_probe_fd(from) && !wg_probe_fd(to)) ||                                            \
            !begin_copy(&copy, WG_CALL_##name, WG_CALLER(), from, to, (int64_t)(bytes)))           \
            return expression;                                                                     \
        bool struck =                                                                              \
            wg_perturb_strikes(&copy.note, wg_entry_database(copy.entry), (size_t)(bytes), NULL);  \
        type result = struck ? -1 : (expression);                                                  \
        end_copy(&copy, result);                                                                   \
        return result;                                                                             \
    } while (0)

ssize_t wg_call_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t size,
                                unsigned flags) WG_STANDS_FOR("copy_file_range");
ssize_t wg_call_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t size,
                                unsigned flags)
{
    COPIED(ssize_t, copy_file_range, from, to, size,
           WG_REAL(copy_file_range)(from, from_at, to, to_at, size, flags));
}

ssize_t wg_call_sendfile(int to, int from, off_t *at, size_t size) WG_STANDS_FOR("sendfile");
ssize_t wg_call_sendfile(int to, int from, off_t *at, size_t size)
{
    COPIED(ssize_t, sendfile, from, to, size, WG_REAL(sendfile)(to, from, at, size));
}
ssize_t wg_call_sendfile64(int to, int from, off_t *at, size_t size)
    WG_ALSO("sendfile", "sendfile64");

ssize_t wg_call_splice(int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags)
    WG_STANDS_FOR("splice");
ssize_t wg_call_splice(int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags)
{
    COPIED(ssize_t, splice, from, to, size, WG_REAL(splice)(from, from_at, to, to_at, size, flags));
}

static int clone_noted(const void *caller, int to, int from, unsigned long request, void *argument)
{
    struct copy copy;
    if (!begin_copy(&copy, WG_CALL_ioctl, caller, from, to, 0))
        return WG_REAL(ioctl)(to, request, argument);
    int result = WG_REAL(ioctl)(to, request, argument);
    end_copy(&copy, result);
    return result;
}

int wg_call_ioctl(int fd, unsigned long request, ...) WG_STANDS_FOR("ioctl");
int wg_call_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (wg_probe.fd_max && request == FICLONE)
        return clone_noted(WG_CALLER(), fd, (int)(intptr_t)argument, request, argument);
    if (wg_probe.fd_max && request == FICLONERANGE && argument)
        return clone_noted(WG_CALLER(), fd,
                           (int)((const struct file_clone_range *)argument)->src_fd, request,
                           argument);
    return WG_REAL(ioctl)(fd, request, argument);
}

/* --- mappings ------------------------------------------------------------------------------- */

static void remember_map(uintptr_t start, size_t size, off_t offset, int fd,
                         const struct wg_fd *entry)
{
    for (int i = 0; i < WG_PROBE_MAPS; i++) {
        struct wg_map *map = &wg_probe.maps[i];
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&map->start, &none, WG_MAP_CLAIMED))
            continue;
        atomic_fetch_add(&map->serial, 1);
        map->size = size;
        map->fd = fd;
        map->offset = offset;
        map->path = entry->path;
        map->database = entry->database;
        map->dev = entry->dev;
        map->ino = entry->ino;
        map->role = entry->role;
        atomic_store(&map->start, start);
        atomic_fetch_add(&wg_probe.map_count, 1);
        return;
    }
}

void *wg_call_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
    WG_STANDS_FOR("mmap");
void *wg_call_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    struct wg_fd *entry = flags & MAP_ANONYMOUS ? NULL : wg_probe_fd(fd);
    /* While the process starts, the allocator maps memory through here. */
    if (!wg_probe_reals.real_mmap)
        wg_probe_find_reals();
    if (!entry)
        return WG_REAL(mmap)(at, size, protection, flags, fd, offset);
    struct wg_note note;
    uint16_t delayed =
        wg_perturb_delay(WG_TRACE_MAP, WG_CALL_mmap, (enum wg_trace_role)entry->role);
    wg_note_begin(&note, WG_TRACE_MAP, WG_CALL_mmap, WG_CALLER());
    note.record.flags = delayed;
    note.record.origin = (uint8_t)wg_probe_origin(WG_CALLER(), entry);
    wg_note_fd(&note, fd, entry);
    note.record.offset = offset;
    note.record.length = (int64_t)size;
    note.record.ino2 = (uint64_t)protection;
    bool struck = wg_perturb_strikes(&note, wg_entry_database(entry), 0, NULL);
    void *result = struck ? MAP_FAILED : WG_REAL(mmap)(at, size, protection, flags, fd, offset);
    bool failed = result == MAP_FAILED;
    wg_note_result(&note, (int64_t)(intptr_t)result, failed);
    note.ordinary = !failed;
    note.stack = failed;
    if (!failed)
        remember_map((uintptr_t)result, size, offset, fd, entry);
    wg_note_end(&note);
    bool of_sqlite = wg_origin_is_sqlite((enum wg_trace_origin)note.record.origin);
    if (!failed && of_sqlite && entry->role == WG_TRACE_ROLE_DATABASE && (flags & MAP_SHARED))
        wg_overlay_mapped(WG_CALLER(), fd, entry);
    return result;
}
void *wg_call_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
    WG_ALSO("mmap", "mmap64");

static void note_unmap(const void *caller, uintptr_t start, size_t size)
{
    for (int i = 0; i < WG_PROBE_MAPS; i++) {
        struct wg_map *map = &wg_probe.maps[i];
        uintptr_t mapped = wg_map_start(map);
        if (mapped == 0 || mapped < start || mapped >= start + size)
            continue;
        struct wg_note note;
        wg_note_begin(&note, WG_TRACE_UNMAP, WG_CALL_munmap, caller);
        note.record.origin = (uint8_t)wg_probe_origin(caller, NULL);
        note.record.offset = (int64_t)mapped;
        note.record.length = (int64_t)map->size;
        note.record.dev = map->dev;
        note.record.ino = map->ino;
        note.record.role = map->role;
        if (wg_probe_live()) {
            note.record.path = wg_probe_name_ref(map->path);
            note.record.database = wg_probe_name_ref(map->database);
        }
        if (atomic_compare_exchange_strong(&map->start, &mapped, 0))
            atomic_fetch_sub(&wg_probe.map_count, 1);
        wg_note_end(&note);
    }
}

int wg_call_munmap(void *start, size_t size) WG_STANDS_FOR("munmap");
int wg_call_munmap(void *start, size_t size)
{
    if (atomic_load_explicit(&wg_probe.map_count, memory_order_relaxed) > 0)
        note_unmap(WG_CALLER(), (uintptr_t)start, size);
    return WG_REAL(munmap)(start, size);
}

static struct wg_map *find_map(uintptr_t start)
{
    if (atomic_load_explicit(&wg_probe.map_count, memory_order_relaxed) == 0)
        return NULL;
    for (int i = 0; i < WG_PROBE_MAPS; i++)
        if (wg_map_start(&wg_probe.maps[i]) == start)
            return &wg_probe.maps[i];
    return NULL;
}

/* SQLite lets the mapping of a database grow so. */
void *wg_call_mremap(void *start, size_t size, size_t new_size, int flags, ...)
    WG_STANDS_FOR("mremap");
void *wg_call_mremap(void *start, size_t size, size_t new_size, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    void *wanted = va_arg(arguments, void *);
    va_end(arguments);
    struct wg_map *map = start && size > 0 ? find_map((uintptr_t)start) : NULL;
    if (!map)
        return WG_REAL(mremap)(start, size, new_size, flags, wanted);
    /* Before the call: afterwards something else may lie there. */
    atomic_store(&map->start, WG_MAP_CLAIMED);
    void *result = WG_REAL(mremap)(start, size, new_size, flags, wanted);
    bool failed = result == MAP_FAILED;
    map->size = failed ? map->size : new_size;
    atomic_fetch_add(&map->serial, 1);
    atomic_store(&map->start, failed ? (uintptr_t)start : (uintptr_t)result);
    return result;
}
