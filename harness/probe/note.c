/* SPDX-License-Identifier: MIT */
/* note.c - from a call and what is known of its file to a record; and open(), of which all follows.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void wg_note_begin(struct wg_note *note, enum wg_trace_type type, enum wg_trace_call call,
                   const void *caller)
{
    memset(note, 0, sizeof *note);
    note->saved_errno = errno;
    note->record.type = (uint16_t)type;
    note->record.call = (uint16_t)call;
    note->record.caller = (uintptr_t)caller;
    note->record.fd = -1;
    note->record.connection = wg_probe_connection;
    note->record.time_ns = wg_probe_now_ns();
}

void wg_note_fd(struct wg_note *note, int fd, const struct wg_fd *entry)
{
    struct wg_trace_record *record = &note->record;
    record->fd = fd;
    record->dev = entry->dev;
    record->ino = entry->ino;
    record->role = entry->role;
    record->opener = entry->opener;
    if (entry->inode) {
        record->held = atomic_load_explicit(&entry->inode->held, memory_order_relaxed);
        record->open_count = (uint16_t)atomic_load(&entry->inode->open_count);
    }
    if (!wg_probe_live())
        return;
    record->path = wg_probe_name_ref(entry->path);
    record->database = wg_probe_name_ref(entry->database);
    if (entry->owner != wg_probe.local->pid)
        record->flags |= WG_TRACE_INHERITED;
}

void wg_note_look(struct wg_note *note, const struct wg_look *look)
{
    struct wg_trace_record *record = &note->record;
    record->dev = look->st.st_dev;
    record->ino = look->st.st_ino;
    record->role = (uint8_t)look->family.role;
    if (look->exists && look->st.st_nlink > 1 && S_ISREG(look->st.st_mode))
        record->flags |= WG_TRACE_LINKS;
    const struct wg_inode *inode =
        look->exists ? wg_probe_inode_find(look->st.st_dev, look->st.st_ino) : NULL;
    if (inode) {
        record->held = atomic_load(&inode->held);
        record->open_count = (uint16_t)atomic_load(&inode->open_count);
    }
    if (!wg_probe_live())
        return;
    record->path = wg_probe_string(look->absolute, look->size, &record->flags);
    if (look->family.role != WG_TRACE_ROLE_NONE)
        record->database = wg_probe_string(look->absolute, look->family.base, &record->flags);
}

void wg_note_result(struct wg_note *note, int64_t result, bool failed)
{
    note->record.result = result;
    if (failed) {
        note->saved_errno = errno;
        note->record.error = errno;
    }
}

void wg_note_took(struct wg_note *note)
{
    int64_t took_us = (wg_probe_now_ns() - note->record.time_ns) / 1000;
    note->record.duration_us = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
}

static enum wg_trace_area area_of(uint16_t type)
{
    static const uint8_t areas[] = {
#define AREA(identifier, name, area, members) WG_TRACE_##area,
        WG_TRACE_TYPES(AREA)
#undef AREA
    };
    return (enum wg_trace_area)areas[type];
}

void wg_note_end(struct wg_note *note)
{
    struct wg_trace_record *record = &note->record;
    if (wg_probe_live()) {
        record->tid = (uint32_t)wg_probe_tid();
        if (note->stack) {
            record->stack = wg_probe_stack(&record->flags);
            record->script = wg_probe_script(&record->flags);
        }
        if (note->stack || !wg_probe_extend(record))
            wg_probe_emit(note->stack ? WG_TRACE_RARE : area_of(record->type), note->ordinary,
                          record);
    }
    errno = note->saved_errno;
}

bool wg_note_still(int fd, struct wg_fd *entry)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_dev == entry->dev && st.st_ino == entry->ino)
        return true;
    wg_probe_fd_remove(entry, false);
    return false;
}

/* --- open ----------------------------------------------------------------------------------- */

/* Who opens, well enough for files that look like no database. Asked for only when it matters:
 * devices and pipes are nothing of ours. */
static enum wg_trace_origin opener_of(struct wg_opening *opening)
{
    struct wg_trace_record *record = &opening->note.record;
    if (!opening->asked)
        record->origin =
            (uint8_t)wg_probe_origin_of_open(opening->caller, opening->path, opening->flags, true);
    opening->asked = true;
    return (enum wg_trace_origin)record->origin;
}

void wg_opening_begin(struct wg_opening *opening, enum wg_trace_call call, const void *caller)
{
    opening->caller = caller;
    opening->asked = false;
    wg_note_begin(&opening->note, WG_TRACE_OPEN, call, caller);
    /* What a call may be about to empty or replace must be looked at before. */
    opening->looked =
        ((opening->flags & (O_CREAT | O_TRUNC)) || (opening->flags & O_ACCMODE) == O_WRONLY) &&
        !wg_origin_is_sqlite(opener_of(opening));
    if (opening->looked)
        wg_probe_look(opening->directory_fd, opening->path, !(opening->flags & O_NOFOLLOW),
                      &opening->before);
}

bool wg_opening_strikes(struct wg_opening *opening)
{
    struct wg_note *note = &opening->note;
    struct wg_perturb *perturb = &wg_probe.perturb;
    if ((!perturb->chaos && perturb->rules.count == 0) || wg_probe_in_vfork())
        return false;
    char path[WG_PROBE_PATH];
    size_t size = strnlen(opening->path, WG_PROBE_PATH);
    struct wg_family family = wg_probe_family_of_name(opening->path, size);
    bool by_sqlite = wg_origin_is_sqlite(opener_of(opening));
    if (family.role == WG_TRACE_ROLE_NONE && opening->looked)
        family.role = opening->before.family.role;
    if (family.role == WG_TRACE_ROLE_NONE && by_sqlite)
        family.role = WG_TRACE_ROLE_DATABASE;
    if (family.role == WG_TRACE_ROLE_NONE)
        return false;
    note->record.flags |=
        wg_perturb_delay(WG_TRACE_OPEN, (enum wg_trace_call)note->record.call, family.role);
    note->record.time_ns = wg_probe_now_ns();
    note->record.role = (uint8_t)family.role;
    size_t cut = size - (family.base < size ? family.base : size);
    size = wg_probe_absolute(opening->directory_fd, opening->path, path);
    if (perturb->rules.count > 0 && wg_probe_live())
        note->record.path = wg_probe_string(path, size, &note->record.flags);
    size -= cut < size ? cut : 0;
    path[size] = '\0';
    if (perturb->rules.count > 0 && wg_probe_live())
        note->record.database = wg_probe_string(path, size, &note->record.flags);
    return wg_perturb_strikes(note, path, 0, NULL);
}

/* Is there a NAME-wal, left behind or in use? */
static bool has_wal(const struct wg_opening *opening)
{
    char wal[WG_PROBE_PATH];
    struct stat st;
    size_t size = strlen(opening->path);
    if (size + 5 > sizeof wal)
        return false;
    memcpy(wal, opening->path, size);
    memcpy(wal + size, "-wal", 5);
    return fstatat(opening->directory_fd, wal, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

static enum wg_trace_role role_of_opened(struct wg_opening *opening, int fd, const struct stat *st)
{
    size_t size = strlen(opening->path);
    enum wg_trace_role by_name = wg_probe_family_of_name(opening->path, size).role;
    if (by_name != WG_TRACE_ROLE_NONE)
        return by_name;
    if (wg_origin_is_sqlite(opener_of(opening)))
        return WG_TRACE_ROLE_DATABASE;
    const struct wg_inode *inode = wg_probe_inode_find(st->st_dev, st->st_ino);
    if (inode && atomic_load(&inode->open_count) > 0)
        return (enum wg_trace_role)inode->role;
    if (opening->looked && opening->before.family.role != WG_TRACE_ROLE_NONE)
        return opening->before.family.role;
    if ((opening->flags & O_ACCMODE) != O_WRONLY && wg_probe_header_of_fd(fd, st))
        return WG_TRACE_ROLE_DATABASE;
    if (st->st_size == 0 && wg_probe_name_like_database(opening->path, size))
        return WG_TRACE_ROLE_EMPTY;
    if (opening->looked && !opening->before.exists && has_wal(opening))
        return WG_TRACE_ROLE_DATABASE;
    return WG_TRACE_ROLE_NONE;
}

static void find_origin(struct wg_opening *opening)
{
    struct wg_trace_record *record = &opening->note.record;
    record->origin =
        (uint8_t)wg_probe_origin_of_open(opening->caller, opening->path, opening->flags, false);
}

static void track(struct wg_opening *opening, int fd, const struct stat *st,
                  enum wg_trace_role role)
{
    struct wg_note *note = &opening->note;
    find_origin(opening);
    char path[WG_PROBE_PATH];
    /* SQLite itself resolves links before it opens; others' paths are asked for. */
    bool resolved =
        opening->path[0] == '/' && wg_origin_is_sqlite((enum wg_trace_origin)note->record.origin);
    size_t size = resolved ? 0 : wg_probe_path_of_fd(fd, path);
    if (st->st_nlink == 0 || size == 0)
        size = wg_probe_absolute(opening->directory_fd, opening->path, path);
    struct wg_family family = wg_probe_family_of_name(path, size);
    size_t base = family.role == WG_TRACE_ROLE_NONE ? size : family.base;
    struct wg_fd entry = {
        .role = (uint8_t)role,
        .opener = note->record.origin,
        /* Another thread of a new child may still be making its file. */
        .owner = wg_probe_live() ? wg_probe.local->pid : (int32_t)syscall(SYS_getpid),
        .flags = opening->flags,
        .path = wg_probe_name(path, size),
        .database = wg_probe_name(path, base),
    };
    bool known = wg_probe_inode_find(st->st_dev, st->st_ino) != NULL;
    struct wg_fd *slot = wg_probe_fd_add(fd, &entry, st);
    if (!slot)
        return;
    wg_note_fd(note, fd, slot);
    if (note->record.open_count > 0)
        note->record.open_count--; /* as it was before */
    bool by_sqlite = wg_origin_is_sqlite((enum wg_trace_origin)note->record.origin);
    note->ordinary = by_sqlite && (known || role > WG_TRACE_ROLE_SHM);
    note->stack = !by_sqlite || (role == WG_TRACE_ROLE_DATABASE && !note->ordinary);
    if (st->st_nlink != 1)
        note->record.flags |= st->st_nlink == 0 ? WG_TRACE_UNLINKED : WG_TRACE_LINKS;
    if (opening->looked)
        note->record.ino2 = opening->before.st.st_ino;
}

/* In a vfork child, whose descriptors are not those of the tables. A library that is SQLite and
 * nothing else does not run in one. */
static bool in_others_vfork(struct wg_opening *opening)
{
    return opener_of(opening) != WG_TRACE_ORIGIN_SQLITE && wg_probe_in_vfork();
}

static void note_failed_open(struct wg_opening *opening)
{
    struct wg_note *note = &opening->note;
    size_t size = strnlen(opening->path, WG_PROBE_PATH);
    bool by_sqlite = wg_origin_is_sqlite(opener_of(opening));
    struct wg_family family = wg_probe_family_of_name(opening->path, size);
    bool telling = by_sqlite || family.role != WG_TRACE_ROLE_NONE ||
                   (opening->looked && opening->before.family.role != WG_TRACE_ROLE_NONE);
    if (!telling || (note->record.error == ENOENT && !by_sqlite) || in_others_vfork(opening))
        return;
    find_origin(opening);
    if (by_sqlite && family.role == WG_TRACE_ROLE_NONE)
        family.role = WG_TRACE_ROLE_DATABASE;
    struct wg_look look = {.family = family};
    /* SQLite that may not write to what is there opens it for reading next. */
    look.exists = note->record.error != ENOENT &&
                  fstatat(opening->directory_fd, opening->path, &look.st, 0) == 0;
    look.size = wg_probe_absolute(opening->directory_fd, opening->path, look.absolute);
    look.family.base = look.size - (size > family.base ? size - family.base : 0);
    note->record.role = (uint8_t)family.role;
    wg_note_look(note, &look);
    note->ordinary = note->record.error == ENOENT;
    note->stack = !note->ordinary;
    wg_note_end(note);
}

static void note_opened(struct wg_opening *opening, int fd)
{
    struct stat st;
    struct wg_fd *stale = wg_probe_fd(fd);
    if (stale) {
        if (in_others_vfork(opening))
            return;
        wg_probe_fd_remove(stale, false);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    enum wg_trace_role role = role_of_opened(opening, fd, &st);
    if (role != WG_TRACE_ROLE_NONE && !in_others_vfork(opening)) {
        track(opening, fd, &st, role);
        wg_note_end(&opening->note);
    }
}

void wg_opening_end(struct wg_opening *opening, int fd)
{
    struct wg_note *note = &opening->note;
    wg_note_result(note, fd, fd < 0);
    note->record.offset = opening->mode;
    note->record.length = opening->flags;
    if (fd < 0)
        note_failed_open(opening);
    else
        note_opened(opening, fd);
    errno = note->saved_errno;
}

void wg_opening_inherited(int fd)
{
    struct stat st;
    char path[WG_PROBE_PATH];
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    size_t size = wg_probe_path_of_fd(fd, path);
    struct wg_family family = wg_probe_family_of_name(path, size);
    if (family.role == WG_TRACE_ROLE_NONE && wg_probe_header_of_fd(fd, &st))
        family.role = WG_TRACE_ROLE_DATABASE;
    if (family.role == WG_TRACE_ROLE_NONE || size == 0)
        return;
    struct wg_fd entry = {.role = (uint8_t)family.role,
                          .path = wg_probe_name(path, size),
                          .database = wg_probe_name(path, family.base)};
    struct wg_fd *slot = wg_probe_fd_add(fd, &entry, &st);
    if (!slot)
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_OPEN, WG_CALL_none, NULL);
    wg_note_fd(&note, fd, slot);
    wg_note_result(&note, fd, false);
    wg_note_end(&note);
}
