/* SPDX-License-Identifier: MIT */
/* place.c - the file system and the files in it. */
#include "fixtures/db/family.h"
#include "harness/base/str.h"
#include "tools/walgrind/doctor/doctor.h"

#include <errno.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 32
#define CIFS_MAGIC      0xff534d42
#define SMB2_MAGIC      0xfe534d42

static const char network_advice[] =
    "Keep databases on a disk of the machine that uses them; let others ask that machine.";

static const struct {
    unsigned long magic;
    const char *name;
    enum doctor_grade grade;
    const char *message, *advice;
} places[] = {
    {NFS_SUPER_MAGIC, "NFS", DOCTOR_BAD,
     "NFS: locks may be lost, and WAL cannot work between machines (shared memory)",
     network_advice},
    {CIFS_MAGIC, "SMB", DOCTOR_BAD, "SMB: locks differ from POSIX, and WAL cannot work",
     network_advice},
    {SMB2_MAGIC, "SMB", DOCTOR_BAD, "SMB: locks differ from POSIX, and WAL cannot work",
     network_advice},
    {V9FS_MAGIC, "9p", DOCTOR_BAD,
     "9p (a directory of the host): locks and mmap are not shared with it", network_advice},
    {FUSE_SUPER_MAGIC, "FUSE", DOCTOR_WARN,
     "FUSE: whether locks and shared memory work is up to its server", NULL},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", DOCTOR_WARN,
     "overlayfs (a container's own layer): a file of a lower layer that is opened before it is first "
     "written to stays the old one",
     "Put databases into a volume."},
    {TMPFS_MAGIC, "tmpfs", DOCTOR_NOTE, "tmpfs: gone after a restart", NULL},
    {EXT4_SUPER_MAGIC, "ext4", DOCTOR_NOTE, "ext4", NULL},
    {XFS_SUPER_MAGIC, "xfs", DOCTOR_NOTE, "xfs", NULL},
    {BTRFS_SUPER_MAGIC, "btrfs", DOCTOR_NOTE, "btrfs", NULL},
};

static void look_at_place(struct doctor *doctor, const char *path)
{
    struct statfs place;
    if (statfs(path, &place) != 0)
        return;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].magic == (unsigned long)place.f_type) {
            doctor_tell(doctor, places[i].grade, path, 0, places[i].advice, "%s",
                        places[i].message);
            break;
        }
    }
    if ((place.f_flags & 1) != 0) /* ST_RDONLY */
        doctor_tell(doctor, DOCTOR_WARN, path, 0, NULL, "mounted read-only");
    if (place.f_blocks > 0 && place.f_bavail < place.f_blocks / 100)
        doctor_tell(doctor, DOCTOR_WARN, path, 0, "A full disk is SQLITE_FULL in mid-transaction.",
                    "less than 1 %% of the room is free");
    if (place.f_files > 0 && place.f_ffree < place.f_files / 100)
        doctor_tell(doctor, DOCTOR_WARN, path, 0, "Journals cannot be made without.",
                    "less than 1 %% of the inodes is free");
}

void doctor_look_at_places(struct doctor *doctor, const struct doctor_files *files,
                           const char *path)
{
    struct stat have;
    dev_t first = stat(path, &have) == 0 ? have.st_dev : 0;
    look_at_place(doctor, path);
    for (size_t i = 0; i < files->count; i++) {
        bool told = files->items[i].dev == first;
        for (size_t j = 0; j < i && !told; j++)
            told = files->items[i].dev == files->items[j].dev;
        if (told)
            continue;
        char *directory = wg_strdup(files->items[i].path);
        *strrchr(directory, '/') = '\0';
        look_at_place(doctor, directory);
        free(directory);
    }
}

static void add_file(struct doctor_files *files, const char *path, const struct stat *have)
{
    struct wg_db_header header = {.is_database = false};
    size_t base = wg_family_sidecar_base(path);
    if (base == 0 && access(path, R_OK) != 0 && errno == EACCES)
        wg_strv_push(&files->unread, path);
    if (base == 0 && (wg_family_read_header(path, &header, NULL) != 0 || !header.is_database))
        return;
    files->items = wg_realloc(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count++] = (struct doctor_file){
        .path = wg_strdup(path),
        .dev = have->st_dev,
        .ino = have->st_ino,
        .size = have->st_size,
        .links = have->st_nlink,
        .database = header.is_database,
        .wal = header.wal,
        .base = base,
    };
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct doctor_file *)a)->path, ((const struct doctor_file *)b)->path);
}

/* nftw(3) has no argument for its caller. */
static _Thread_local struct doctor_files *found;

/* What the kernel makes up has no databases, and no end. */
static bool is_made_up(const char *path)
{
    static const unsigned long kinds[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,        DEBUGFS_MAGIC,
                                          TRACEFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                          SECURITYFS_MAGIC, BPF_FS_MAGIC};
    struct statfs place;
    if (statfs(path, &place) != 0)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i] == (unsigned long)place.f_type)
            return true;
    return false;
}

static int visit(const char *path, const struct stat *have, int kind, struct FTW *where)
{
    /* Asked for itself, it is looked into. */
    if (kind == FTW_D && where->level > 0 && is_made_up(path))
        return FTW_SKIP_SUBTREE;
    if (kind == FTW_F && S_ISREG(have->st_mode))
        add_file(found, path, have);
    else if (kind == FTW_DNR)
        wg_strv_push(&found->unread, path);
    return 0;
}

int doctor_files_find(const char *path, struct doctor_files *ret_files, struct wg_err *err)
{
    struct stat have;
    struct doctor_files files = {0};
    if (stat(path, &have) != 0)
        return wg_err_set(err, WG_ERR_USAGE, "%s: %s", path, strerror(errno));
    if (S_ISDIR(have.st_mode)) {
        found = &files;
        int walked = nftw(path, visit, DESCRIPTORS_MAX, FTW_PHYS | FTW_ACTIONRETVAL);
        found = NULL;
        if (walked != 0) {
            doctor_files_finish(&files);
            return wg_err_errno(err, "read %s", path);
        }
    } else {
        add_file(&files, path, &have);
        for (size_t i = 0; files.count > 0 && wg_family_sidecars[i]; i++) {
            char *sidecar = wg_format("%s%s", path, wg_family_sidecars[i]);
            if (stat(sidecar, &have) == 0)
                add_file(&files, sidecar, &have);
            free(sidecar);
        }
    }
    if (files.count > 0)
        qsort(files.items, files.count, sizeof *files.items, by_path);
    *ret_files = files;
    return 0;
}

void doctor_files_finish(struct doctor_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    wg_strv_finish(&files->unread);
    *files = (struct doctor_files){0};
}

struct doctor_file *doctor_file_at(const struct doctor_files *files, const char *path, size_t size)
{
    for (size_t i = 0; i < files->count; i++)
        if (strlen(files->items[i].path) == size && memcmp(files->items[i].path, path, size) == 0)
            return &files->items[i];
    return NULL;
}

static void look_at_sidecar(struct doctor *doctor, const struct doctor_files *files,
                            const struct doctor_file *file)
{
    const struct doctor_file *database = doctor_file_at(files, file->path, file->base);
    const char *ending = file->path + file->base;
    if (!database || !database->database)
        doctor_tell(
            doctor, DOCTOR_BAD, file->path, 0,
            "Put it back beside its database before anybody opens that: it may hold what was "
            "committed last.",
            "its database is not there");
    else if (file->size > 0 && database->holders == 0 && doctor->unseen > 0)
        doctor_tell(doctor, DOCTOR_NOTE, file->path, 0,
                    "Do not touch it: it may be in use, and else the database needs it.",
                    "%lld bytes that no process has open which may be looked at",
                    (long long)file->size);
    else if (file->size > 0 && database->holders == 0 && strcmp(ending, "-wal") == 0)
        doctor_tell(
            doctor, DOCTOR_WARN, file->path, 0,
            "It belongs to the database: copy, move and delete both or none. The next one who "
            "opens it takes it in.",
            "%lld bytes that nobody has open: the last process was killed, or closed without "
            "a checkpoint",
            (long long)file->size);
    else if (file->size > 0 && database->holders == 0 && strcmp(ending, "-journal") == 0)
        doctor_tell(doctor, DOCTOR_WARN, file->path, 0,
                    "Never delete it: it undoes the transaction when the database is next opened.",
                    "a transaction that did not end, of a process that is gone");
}

void doctor_look_at_files(struct doctor *doctor, const struct doctor_files *files)
{
    for (size_t i = 0; i < files->unread.count; i++)
        doctor_tell(doctor, DOCTOR_WARN, files->unread.items[i], 0,
                    "Run walgrind doctor as its owner or as root.",
                    "may not be read, so nothing is known of what is there");
    for (size_t i = 0; i < files->count; i++) {
        const struct doctor_file *file = &files->items[i];
        if (file->base > 0)
            look_at_sidecar(doctor, files, file);
        else
            doctor_tell(
                doctor, DOCTOR_NOTE, file->path, 0, NULL, "%lld bytes, %s, open in %d process%s%s",
                (long long)file->size, file->wal ? "WAL" : "rollback journal", file->holders,
                file->holders == 1 ? "" : "es", doctor->unseen > 0 ? " that may be looked at" : "");
        if (file->database && file->links > 1)
            doctor_tell(
                doctor, DOCTOR_BAD, file->path, 0, "Leave one name; others can be symbolic links.",
                "has %lu names (hard links): each has a -wal of its own, and who uses two of "
                "them destroys it",
                (unsigned long)file->links);
    }
}
