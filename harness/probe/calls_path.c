/* SPDX-License-Identifier: MIT */
/*
 * calls_path.c - the functions that change what a name stands for: unlink, rename, link, truncate,
 * chmod.
 *
 * What the name stood for is looked at before the call: afterwards it is too late. A directory that
 * is renamed is recorded whatever lies in it, since that is not looked at.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <unistd.h>

static bool watched(const char *path)
{
    return wg_probe.fd_max != 0 && path && !wg_probe_in_vfork();
}

/* Fills in what the look found; false when it is of no family. */
static bool begin_path(struct wg_note *note, enum wg_trace_type type, enum wg_trace_call call,
                       const void *caller, const struct wg_look *look)
{
    wg_note_begin(note, type, call, caller);
    if (look->family.role == WG_TRACE_ROLE_NONE || !look->exists)
        return false;
    const struct wg_fd *none = NULL;
    enum wg_trace_origin origin = wg_probe_origin(caller, none);
    /* In an object with SQLite and other code: SQLite unlinks its own side files and nothing else.
     */
    if (origin == WG_TRACE_ORIGIN_UNKNOWN && wg_probe_module(caller) &&
        look->family.role == WG_TRACE_ROLE_DATABASE)
        origin = WG_TRACE_ORIGIN_OTHER_LIKELY;
    note->record.origin = (uint8_t)origin;
    wg_note_look(note, look);
    note->ordinary = wg_origin_is_sqlite(origin);
    note->stack = !note->ordinary;
    return true;
}

/* A fault for the call on what the look found. */
static bool strikes(struct wg_note *note, struct wg_look *look)
{
    if (wg_probe.perturb.rules.count == 0)
        return false;
    char kept = look->absolute[look->family.base];
    look->absolute[look->family.base] = '\0';
    bool struck = wg_perturb_strikes(note, look->absolute, 0, NULL);
    look->absolute[look->family.base] = kept;
    return struck;
}

static void end_path(struct wg_note *note, int result)
{
    wg_note_result(note, result, result != 0);
    note->stack |= result != 0 && note->record.error != ENOENT;
    wg_note_end(note);
}

static int unlink_any(enum wg_trace_call call, const void *caller, int directory_fd,
                      const char *path, int flags)
{
    struct wg_look look;
    struct wg_note note;
    int saved_errno = errno;
    wg_probe_look(directory_fd, path, false, &look);
    errno = saved_errno;
    uint16_t delayed = look.family.role == WG_TRACE_ROLE_NONE
                           ? 0
                           : wg_perturb_delay(WG_TRACE_UNLINK, call, look.family.role);
    bool noted = begin_path(&note, WG_TRACE_UNLINK, call, caller, &look);
    note.record.flags |= delayed;
    int result = noted && strikes(&note, &look) ? -1
                 : call == WG_CALL_remove       ? WG_REAL(remove)(path)
                                                : WG_REAL(unlinkat)(directory_fd, path, flags);
    if (noted) {
        note.record.offset = (int64_t)look.st.st_nlink;
        end_path(&note, result);
    }
    return result;
}

int wg_call_unlink(const char *path) WG_STANDS_FOR("unlink");
int wg_call_unlink(const char *path)
{
    return watched(path) ? unlink_any(WG_CALL_unlink, WG_CALLER(), AT_FDCWD, path, 0)
                         : WG_REAL(unlink)(path);
}

int wg_call_unlinkat(int directory_fd, const char *path, int flags) WG_STANDS_FOR("unlinkat");
int wg_call_unlinkat(int directory_fd, const char *path, int flags)
{
    return watched(path) && !(flags & AT_REMOVEDIR)
               ? unlink_any(WG_CALL_unlinkat, WG_CALLER(), directory_fd, path, flags)
               : WG_REAL(unlinkat)(directory_fd, path, flags);
}

int wg_call_remove(const char *path) WG_STANDS_FOR("remove");
int wg_call_remove(const char *path)
{
    return watched(path) ? unlink_any(WG_CALL_remove, WG_CALLER(), AT_FDCWD, path, 0)
                         : WG_REAL(remove)(path);
}

/* --- rename --------------------------------------------------------------------------------- */

struct renaming {
    struct wg_note note;
    bool noted;
};

static void begin_rename(struct renaming *renaming, enum wg_trace_call call, const void *caller,
                         int from_fd, const char *from, int to_fd, const char *to)
{
    struct wg_look source;
    char target_path[WG_PROBE_PATH];
    struct stat target_st;
    struct wg_family target;
    int saved_errno = errno;
    wg_probe_look(from_fd, from, false, &source);
    {
        struct wg_look look;
        wg_probe_look(to_fd, to, false, &look);
        target_st = look.st;
        target = look.family;
    }
    size_t target_size = wg_probe_absolute(to_fd, to, target_path);
    if (source.size == 0)
        source.size = wg_probe_absolute(from_fd, from, source.absolute);
    errno = saved_errno;
    struct wg_note *note = &renaming->note;
    wg_note_begin(note, WG_TRACE_RENAME, call, caller);
    bool by_target = source.family.role == WG_TRACE_ROLE_NONE;
    bool directory = source.exists && S_ISDIR(source.st.st_mode);
    renaming->noted =
        source.exists && (!by_target || target.role != WG_TRACE_ROLE_NONE || directory);
    if (!renaming->noted)
        return;
    note->record.origin = (uint8_t)wg_probe_origin(caller, NULL);
    wg_note_look(note, &source);
    note->record.ino2 = target_st.st_ino;
    if (wg_probe_live()) {
        note->record.text = wg_probe_string(target_path, target_size, &note->record.flags);
        if (by_target && target.role != WG_TRACE_ROLE_NONE) {
            note->record.role = (uint8_t)target.role;
            note->record.offset = 1;
            size_t cut = wg_probe_family_of_name(target_path, target_size).base;
            note->record.database = wg_probe_string(
                target_path, target.role == WG_TRACE_ROLE_DATABASE ? target_size : cut,
                &note->record.flags);
        }
    }
    note->stack = !directory;
}

static int end_rename(struct renaming *renaming, int result)
{
    if (renaming->noted)
        end_path(&renaming->note, result);
    return result;
}

int wg_call_rename(const char *from, const char *to) WG_STANDS_FOR("rename");
int wg_call_rename(const char *from, const char *to)
{
    struct renaming renaming;
    if (!watched(from) || !to)
        return WG_REAL(rename)(from, to);
    begin_rename(&renaming, WG_CALL_rename, WG_CALLER(), AT_FDCWD, from, AT_FDCWD, to);
    return end_rename(&renaming, WG_REAL(rename)(from, to));
}

int wg_call_renameat(int from_fd, const char *from, int to_fd, const char *to)
    WG_STANDS_FOR("renameat");
int wg_call_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    struct renaming renaming;
    if (!watched(from) || !to)
        return WG_REAL(renameat)(from_fd, from, to_fd, to);
    begin_rename(&renaming, WG_CALL_renameat, WG_CALLER(), from_fd, from, to_fd, to);
    return end_rename(&renaming, WG_REAL(renameat)(from_fd, from, to_fd, to));
}

int wg_call_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
    WG_STANDS_FOR("renameat2");
int wg_call_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    struct renaming renaming;
    if (!watched(from) || !to)
        return WG_REAL(renameat2)(from_fd, from, to_fd, to, flags);
    begin_rename(&renaming, WG_CALL_renameat2, WG_CALLER(), from_fd, from, to_fd, to);
    return end_rename(&renaming, WG_REAL(renameat2)(from_fd, from, to_fd, to, flags));
}

/* --- links ---------------------------------------------------------------------------------- */

/* A further name for a file of a family; the second path goes into the text. */
static bool begin_link(struct wg_note *note, enum wg_trace_call call, const void *caller,
                       int from_fd, const char *from, int to_fd, const char *to, bool follow)
{
    struct wg_look look;
    int saved_errno = errno;
    wg_probe_look(from_fd, from, follow, &look);
    errno = saved_errno;
    if (!begin_path(note, WG_TRACE_LINK, call, caller, &look))
        return false;
    char path[WG_PROBE_PATH];
    size_t size = wg_probe_absolute(to_fd, to, path);
    if (wg_probe_live())
        note->record.text = wg_probe_string(path, size, &note->record.flags);
    return true;
}

int wg_call_link(const char *from, const char *to) WG_STANDS_FOR("link");
int wg_call_link(const char *from, const char *to)
{
    struct wg_note note;
    bool noted = watched(from) && to &&
                 begin_link(&note, WG_CALL_link, WG_CALLER(), AT_FDCWD, from, AT_FDCWD, to, false);
    int result = WG_REAL(link)(from, to);
    if (noted)
        end_path(&note, result);
    return result;
}

int wg_call_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
    WG_STANDS_FOR("linkat");
int wg_call_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    struct wg_note note;
    bool noted = watched(from) && to && from[0] &&
                 begin_link(&note, WG_CALL_linkat, WG_CALLER(), from_fd, from, to_fd, to,
                            flags & AT_SYMLINK_FOLLOW);
    int result = WG_REAL(linkat)(from_fd, from, to_fd, to, flags);
    if (noted)
        end_path(&note, result);
    return result;
}

int wg_call_symlinkat(const char *target, int to_fd, const char *to) WG_STANDS_FOR("symlinkat");
int wg_call_symlinkat(const char *target, int to_fd, const char *to)
{
    struct wg_note note;
    /* A relative target starts at the directory of the new name; only absolute ones are looked at.
     */
    bool noted =
        watched(target) && to && target[0] == '/' &&
        begin_link(&note, WG_CALL_symlinkat, WG_CALLER(), AT_FDCWD, target, to_fd, to, true);
    int result = WG_REAL(symlinkat)(target, to_fd, to);
    if (noted)
        end_path(&note, result);
    return result;
}

int wg_call_symlink(const char *target, const char *to) WG_STANDS_FOR("symlink");
int wg_call_symlink(const char *target, const char *to)
{
    struct wg_note note;
    bool noted =
        watched(target) && to && target[0] == '/' &&
        begin_link(&note, WG_CALL_symlink, WG_CALLER(), AT_FDCWD, target, AT_FDCWD, to, true);
    int result = WG_REAL(symlink)(target, to);
    if (noted)
        end_path(&note, result);
    return result;
}

/* --- size and mode by path ------------------------------------------------------------------ */

int wg_call_truncate(const char *path, off_t size) WG_STANDS_FOR("truncate");
int wg_call_truncate(const char *path, off_t size)
{
    if (!watched(path))
        return WG_REAL(truncate)(path, size);
    struct wg_look look;
    struct wg_note note;
    int saved_errno = errno;
    wg_probe_look(AT_FDCWD, path, true, &look);
    errno = saved_errno;
    bool noted = begin_path(&note, WG_TRACE_TRUNCATE, WG_CALL_truncate, WG_CALLER(), &look);
    int result = noted && strikes(&note, &look) ? -1 : WG_REAL(truncate)(path, size);
    if (noted) {
        note.record.offset = look.st.st_size;
        note.record.length = size;
        end_path(&note, result);
    }
    return result;
}
int wg_call_truncate64(const char *path, off_t size) WG_ALSO("truncate", "truncate64");

int wg_call_chmod(const char *path, mode_t mode) WG_STANDS_FOR("chmod");
int wg_call_chmod(const char *path, mode_t mode)
{
    if (!watched(path))
        return WG_REAL(chmod)(path, mode);
    struct wg_look look;
    struct wg_note note;
    int saved_errno = errno;
    wg_probe_look(AT_FDCWD, path, true, &look);
    errno = saved_errno;
    bool noted = begin_path(&note, WG_TRACE_CHMOD, WG_CALL_chmod, WG_CALLER(), &look);
    int result = WG_REAL(chmod)(path, mode);
    if (noted) {
        note.record.offset = mode;
        end_path(&note, result);
    }
    return result;
}
