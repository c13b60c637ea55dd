/* SPDX-License-Identifier: MIT */
/* processes.c - who has which file open, and what it holds there, as far as /proc tells. */
#include "fixtures/db/family.h"
#include "harness/base/str.h"
#include "tools/walgrind/doctor/doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define KERNEL_THREAD 0x00200000UL /* PF_KTHREAD of the kernel */

static const char deleted_mark[] = " (deleted)";

/* sqlite.org/fileformat2.html and the WAL index in walformat.html: bytes that stand for locks. */
static const struct {
    bool shm;
    long first, last;
    const char *name;
} lock_bytes[] = {
    {false, 0x40000000, 0x40000000, "PENDING"},   {false, 0x40000001, 0x40000001, "RESERVED"},
    {false, 0x40000002, 0x400001ff, "EXCLUSIVE"}, {true, 120, 120, "the WAL write lock"},
    {true, 121, 121, "the checkpoint lock"},      {true, 122, 122, "the recovery lock"},
};

/* What of a process is told with each finding about it. */
struct process {
    pid_t pid;
    char *directory; /* /proc/PID */
    char command[128];
    char version[32]; /* of its SQLite; empty when unknown */
    bool holds;       /* a file that is looked at */
};

static void read_command(struct process *process)
{
    char *path = wg_format("%s/cmdline", process->directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, process->command, sizeof process->command - 1) : 0;
    for (ssize_t i = 0; i + 1 < got; i++)
        if (!isprint((unsigned char)process->command[i]))
            process->command[i] = ' ';
    if (fd >= 0)
        close(fd);
    free(path);
}

/* The version of the SQLite library that the process has loaded. */
static void read_version(struct process *process)
{
    char line[PATH_MAX + 128];
    char *path = wg_format("%s/maps", process->directory);
    FILE *maps = fopen(path, "re");
    while (maps && !process->version[0] && fgets(line, sizeof line, maps)) {
        char *library = strchr(line, '/');
        const char *name = library ? strrchr(library, '/') : NULL;
        if (!name || !wg_str_starts(name, "/libsqlite3"))
            continue;
        library[strcspn(library, "\n")] = '\0';
        /* As the process sees it, which may live in a container. */
        char *there = wg_format("%s/root%s", process->directory, library);
        if (!doctor_sqlite_version(there, process->version, sizeof process->version))
            process->version[0] = '\0';
        free(there);
    }
    if (maps)
        fclose(maps);
    free(path);
}

/* A file that has no path any more is opened by what /proc has in its place. */
static bool has_header(const char *descriptor)
{
    static const char magic[] = "SQLite format 3";
    char start[sizeof magic] = "";
    int fd = open(descriptor, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? pread(fd, start, sizeof start, 0) : -1;
    if (fd >= 0)
        close(fd);
    return got == (ssize_t)sizeof magic && memcmp(start, magic, sizeof magic) == 0;
}

static bool is_of_database(const char *path, const char *descriptor)
{
    return wg_family_sidecar_base(path) > 0 || has_header(descriptor);
}

/* Below the directory, or the one database with its sidecars. */
static bool is_below(const char *path, const char *root, const struct doctor_files *files)
{
    size_t size = strlen(root);
    if (strncmp(path, root, size) != 0)
        return false;
    if (doctor_file_at(files, root, size)) {
        size_t base = wg_family_sidecar_base(path);
        return path[size] == '\0' || base == size;
    }
    return path[size] == '/' || path[size] == '\0' || strcmp(root, "/") == 0;
}

static void take_deleted(struct doctor *doctor, const struct process *process, const char *path,
                         const char *descriptor)
{
    if (is_of_database(path, descriptor))
        doctor_tell(doctor, DOCTOR_BAD, path, process->pid,
                    "End that process; what it commits goes to a file without a name. Copy "
                    "/proc/PID/fd/N first if it matters.",
                    "was deleted while this process has it open: %s", process->command);
}

static void take_open(struct doctor *doctor, struct process *process, const char *path,
                      const struct stat *have, struct doctor_files *files, bool *seen)
{
    for (size_t i = 0; i < files->count; i++) {
        struct doctor_file *file = &files->items[i];
        if (file->dev != have->st_dev || file->ino != have->st_ino || seen[i])
            continue;
        seen[i] = process->holds = true;
        file->holders++;
        if (strcmp(file->path, path) != 0 && file->links > 1)
            doctor_tell(doctor, DOCTOR_WARN, file->path, process->pid, NULL,
                        "is open under another name, %s: %s", path, process->command);
    }
}

/* The kernel's own processes and dead ones have nothing open. */
static bool has_files(const struct process *process)
{
    char text[512] = "", state = '?';
    unsigned long flags = 0;
    char *path = wg_format("%s/stat", process->directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    free(path);
    /* The name before may hold anything. proc(5): state, five numbers, flags. */
    const char *after_name = strrchr(text, ')');
    bool known =
        after_name && sscanf(after_name + 1, " %c %*d %*d %*d %*d %*d %lu", &state, &flags) == 2;
    return !known || (state != 'Z' && state != 'X' && !(flags & KERNEL_THREAD));
}

static void look_at_descriptors(struct doctor *doctor, struct process *process,
                                struct doctor_files *files, const char *root)
{
    char *list = wg_format("%s/fd", process->directory);
    bool *seen = wg_calloc(files->count + 1, sizeof *seen);
    DIR *directory = opendir(list);
    if (!directory && (errno == EACCES || errno == EPERM) && has_files(process))
        doctor->unseen++;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct stat have;
        char path[PATH_MAX];
        char *descriptor = wg_format("%s/%s", list, entry->d_name);
        ssize_t size = readlink(descriptor, path, sizeof path - 1);
        path[size > 0 ? size : 0] = '\0';
        if (path[0] == '/' && stat(descriptor, &have) == 0 && S_ISREG(have.st_mode)) {
            bool deleted = have.st_nlink == 0 && wg_str_ends(path, deleted_mark);
            if (deleted)
                path[strlen(path) - strlen(deleted_mark)] = '\0';
            if (deleted && is_below(path, root, files))
                take_deleted(doctor, process, path, descriptor);
            else if (!deleted)
                take_open(doctor, process, path, &have, files, seen);
        }
        free(descriptor);
    }
    if (directory)
        closedir(directory);
    free(seen);
    free(list);
}

static void look_at_process(struct doctor *doctor, pid_t pid, struct doctor_files *files,
                            const char *root)
{
    struct process process = {.pid = pid, .directory = wg_format("/proc/%d", (int)pid)};
    read_command(&process);
    look_at_descriptors(doctor, &process, files, root);
    if (process.holds) {
        read_version(&process);
        const char *trouble = process.version[0] ? doctor_version_trouble(process.version) : NULL;
        doctor_tell(doctor, DOCTOR_NOTE, root, pid, NULL, "works here with SQLite %s: %s",
                    process.version[0] ? process.version : "of an unknown version",
                    process.command);
        if (trouble)
            doctor_tell(doctor, DOCTOR_WARN, root, pid,
                        "Upgrade SQLite; or let one process checkpoint.", "SQLite %s %s",
                        process.version, trouble);
    }
    free(process.directory);
}

/* Locks of neighbouring bytes are one line. */
static void look_at_lock(struct doctor *doctor, const char *line, const struct doctor_files *files)
{
    char kind[16], type[16], first_text[32], last_text[32];
    unsigned major_number = 0, minor_number = 0;
    unsigned long long ino = 0;
    int pid = 0;
    long first = 0, last = LONG_MAX;
    if (sscanf(line, "%*d: %15s %*s %15s %d %x:%x:%llu %31s %31s", kind, type, &pid, &major_number,
               &minor_number, &ino, first_text, last_text) != 8 ||
        strcmp(type, "WRITE") != 0 || wg_str_to_long(first_text, 0, LONG_MAX, &first) != 0 ||
        (strcmp(last_text, "EOF") != 0 && wg_str_to_long(last_text, 0, LONG_MAX, &last) != 0))
        return;
    for (size_t i = 0; i < files->count; i++) {
        const struct doctor_file *file = &files->items[i];
        if (file->ino != ino || file->dev != makedev(major_number, minor_number))
            continue;
        for (size_t k = 0; k < sizeof lock_bytes / sizeof lock_bytes[0]; k++)
            if (lock_bytes[k].shm == wg_str_ends(file->path, "-shm") &&
                first <= lock_bytes[k].last && last >= lock_bytes[k].first)
                doctor_tell(doctor, DOCTOR_NOTE, file->path, pid, NULL, "%s is held",
                            lock_bytes[k].name);
    }
}

void doctor_look_at_processes(struct doctor *doctor, struct doctor_files *files, const char *root)
{
    char line[256];
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all && (entry = readdir(all));) {
        long pid = 0;
        if (wg_str_to_long(entry->d_name, 1, INT_MAX, &pid) == 0 && pid != getpid())
            look_at_process(doctor, (pid_t)pid, files, root);
    }
    if (all)
        closedir(all);
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && fgets(line, sizeof line, locks))
        look_at_lock(doctor, line, files);
    if (locks)
        fclose(locks);
    if (doctor->unseen > 0)
        doctor_tell(doctor, DOCTOR_NOTE, root, 0,
                    "Run walgrind doctor as root to see who uses what.",
                    "%d process%s of other users may not be looked at, and may have any of it open",
                    doctor->unseen, doctor->unseen == 1 ? "" : "es");
}
