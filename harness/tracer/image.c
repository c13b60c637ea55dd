/* SPDX-License-Identifier: MIT */
#include "harness/tracer/image.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- /proc ---------------------------------------------------------------------------------- */

#define PROC_PATH 64

static void proc_path(char buffer[static PROC_PATH], const struct wg_image *image, const char *name)
{
    snprintf(buffer, PROC_PATH, "/proc/%d/%s", (int)image->tid, name);
}

static void fd_path(char buffer[static PROC_PATH], const struct wg_image *image, int fd)
{
    snprintf(buffer, PROC_PATH, "/proc/%d/fd/%d", (int)image->tid, fd);
}

/* The target of a link of /proc, "" when there is none. */
static size_t read_link(const char *link, char buffer[static PATH_MAX])
{
    ssize_t size = readlink(link, buffer, PATH_MAX - 1);
    buffer[size > 0 ? size : 0] = '\0';
    return size > 0 ? (size_t)size : 0;
}

/* The arguments, separated by spaces. */
static void read_command(const struct wg_image *image, char *buffer, size_t size)
{
    char path[PROC_PATH];
    proc_path(path, image, "cmdline");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, buffer, size - 1) : 0;
    if (fd >= 0)
        close(fd);
    size_t length = got > 0 ? (size_t)got : 0;
    while (length > 0 && buffer[length - 1] == '\0')
        length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)buffer[i] < ' ')
            buffer[i] = ' ';
    buffer[length] = '\0';
}

/* --- images --------------------------------------------------------------------------------- */

struct wg_image *wg_image_create(pid_t pid, pid_t ppid, struct wg_searched *searched)
{
    struct wg_image *image = wg_calloc(1, sizeof *image);
    image->pid = image->tid = pid;
    image->ppid = ppid;
    image->searched = searched;
    image->muted = true;
    return image;
}

struct wg_image *wg_image_fork(const struct wg_image *parent, pid_t pid)
{
    struct wg_image *image = wg_calloc(1, sizeof *image);
    *image = *parent;
    image->pid = image->tid = pid;
    image->ppid = parent->pid;
    image->parent_ns = parent->start_ns;
    image->start_ns = 0;
    image->by_exec = false;
    image->writer = NULL;
    image->fds = NULL;
    image->fd_count = 0;
    image->close_calls = image->close_locks = 0;
    image->is_due = image->hidden_told = false;
    for (size_t i = 0; i < parent->fd_count; i++)
        wg_image_fd_add(image, &parent->fds[i]);
    return image;
}

void wg_image_destroy(struct wg_image *image)
{
    if (!image)
        return;
    for (size_t i = 0; i < image->fd_count; i++)
        free(image->fds[i].path);
    free(image->fds);
    wg_trace_writer_destroy(image->writer);
    free(image);
}

/* The number still stands for that file. */
static bool is_open(struct wg_image *image, const struct wg_outside_fd *entry)
{
    char path[PROC_PATH];
    struct stat st;
    fd_path(path, image, entry->fd);
    if (stat(path, &st) == 0)
        return st.st_dev == entry->dev && st.st_ino == entry->ino;
    image->is_hidden |= errno == EACCES;
    return false;
}

/* Takes in a descriptor that is not known, if it is of a file of a database. */
static void take_passed_on(struct wg_image *image, int fd)
{
    static const char deleted[] = " (deleted)";
    struct stat st;
    char path[PATH_MAX];
    if (!wg_image_fd_look(image, fd, &st, path) || !S_ISREG(st.st_mode))
        return;
    size_t size = strlen(path);
    if (st.st_nlink == 0 && wg_str_ends(path, deleted))
        path[size -= strlen(deleted)] = '\0';
    struct wg_family family = wg_probe_family_of_name(path, size);
    if (family.role == WG_TRACE_ROLE_NONE && !wg_image_fd_is_database(image, fd, &st))
        return;
    bool side = family.role != WG_TRACE_ROLE_NONE;
    struct wg_outside_fd entry = {
        .fd = fd,
        .dev = st.st_dev,
        .ino = st.st_ino,
        .role = side ? family.role : WG_TRACE_ROLE_DATABASE,
        .opener = WG_TRACE_ORIGIN_UNKNOWN,
        .owner = image->pid,
        .path = path,
        .base = side ? family.base : size,
    };
    wg_image_fd_add(image, &entry);
}

static bool is_known(const struct wg_image *image, int fd)
{
    for (size_t i = 0; i < image->fd_count; i++)
        if (image->fds[i].fd == fd)
            return true;
    return false;
}

static void find_passed_on(struct wg_image *image)
{
    char path[PROC_PATH];
    proc_path(path, image, "fd");
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        long fd;
        if (wg_str_to_long(entry->d_name, 0, INT_MAX, &fd) == 0 && !is_known(image, (int)fd))
            take_passed_on(image, (int)fd);
    }
    if (directory)
        closedir(directory);
}

void wg_image_exec(struct wg_image *image, bool muted)
{
    if (image->writer)
        wg_trace_writer_end(image->writer, WG_TRACE_EXECED);
    wg_trace_writer_destroy(image->writer);
    image->writer = NULL;
    image->start_ns = image->parent_ns = 0;
    image->by_exec = true;
    image->muted = muted;
    image->has_sqlite = image->has_nofollow = image->is_old = image->is_due = false;
    image->is_hidden = image->hidden_told = false;
    image->close_calls = image->close_locks = 0;
    image->tid = image->pid;
    /* What exec closes, fcntl() may have decided after open(). */
    for (size_t i = image->fd_count; i-- > 0;)
        if (!is_open(image, &image->fds[i]))
            wg_image_fd_remove(image, &image->fds[i]);
    if (!muted)
        find_passed_on(image);
}

static void create_writer(struct wg_image *image, const char *directory)
{
    struct wg_err err = WG_ERR_INIT;
    char path[PROC_PATH], exe[PATH_MAX], cwd[PATH_MAX], command[4096];
    proc_path(path, image, "exe");
    if (read_link(path, exe) == 0)
        snprintf(exe, sizeof exe, "process %d", (int)image->pid);
    proc_path(path, image, "cwd");
    read_link(path, cwd);
    read_command(image, command, sizeof command);
    image->start_ns = wg_clock_now_ns();
    struct wg_trace_writer_options options = {
        .pid = image->pid,
        .ppid = image->ppid,
        .start_ns = image->start_ns,
        .wall_ns = wg_clock_wall_ns(),
        .parent_ns = image->parent_ns,
        .exe = exe,
        .command = command,
        .cwd = cwd,
        .rare_max = 1 << 15,
        .frequent_max = 1 << 15,
        .text_size = 4 << 20,
    };
    /* Without a file, because the disk is full for example, the program still goes on. */
    if (wg_trace_writer_create(directory, &options, &image->writer, &err) != 0)
        image->muted = true;
}

static void put(struct wg_image *image, struct wg_trace_event_spec *spec)
{
    spec->record.flags |= WG_TRACE_OUTSIDE;
    if (image->writer)
        wg_trace_writer_add(image->writer, spec);
}

void wg_image_announce(struct wg_image *image, const char *directory)
{
    if (image->muted || image->writer)
        return;
    create_writer(image, directory);
    struct wg_trace_event_spec spec = {
        .record = {.type = image->parent_ns ? WG_TRACE_FORKED : WG_TRACE_PROCESS,
                   .time_ns = image->start_ns,
                   .tid = (uint32_t)image->pid,
                   .fd = -1,
                   .result = image->ppid,
                   .offset = image->parent_ns ? image->parent_ns : image->by_exec}};
    put(image, &spec);
    for (size_t i = 0; i < image->fd_count && image->by_exec; i++) {
        const struct wg_outside_fd *entry = &image->fds[i];
        struct wg_trace_event_spec inherited = {.record = {.type = WG_TRACE_OPEN,
                                                           .time_ns = image->start_ns,
                                                           .tid = (uint32_t)image->pid,
                                                           .flags = WG_TRACE_INHERITED,
                                                           .fd = entry->fd,
                                                           .result = entry->fd,
                                                           .dev = entry->dev,
                                                           .ino = entry->ino,
                                                           .role = (uint8_t)entry->role},
                                                .path = entry->path};
        put(image, &inherited);
    }
}

void wg_image_record(struct wg_image *image, const char *directory,
                     struct wg_trace_event_spec *spec)
{
    if (image->muted)
        return;
    wg_image_announce(image, directory);
    put(image, spec);
}

void wg_image_end(struct wg_image *image, const char *directory, pid_t tid, int status)
{
    if (!image->writer)
        return;
    struct wg_trace_event_spec spec = {.record = {.type = WG_TRACE_EXIT,
                                                  .time_ns = wg_clock_now_ns(),
                                                  .tid = (uint32_t)tid,
                                                  .fd = -1,
                                                  .result = status,
                                                  .call = WG_CALL__exit}};
    wg_image_record(image, directory, &spec);
    wg_trace_writer_end(image->writer, WG_TRACE_EXITED);
}

/* --- descriptors ---------------------------------------------------------------------------- */

struct wg_outside_fd *wg_image_fd(struct wg_image *image, int fd)
{
    for (size_t i = 0; i < image->fd_count; i++) {
        struct wg_outside_fd *entry = &image->fds[i];
        if (entry->fd != fd)
            continue;
        if (is_open(image, entry))
            return entry;
        wg_image_fd_remove(image, entry);
        return NULL;
    }
    return NULL;
}

struct wg_outside_fd *wg_image_fd_add(struct wg_image *image, const struct wg_outside_fd *entry)
{
    for (size_t i = 0; i < image->fd_count; i++)
        if (image->fds[i].fd == entry->fd) {
            wg_image_fd_remove(image, &image->fds[i]);
            break;
        }
    image->fds = wg_realloc(image->fds, (image->fd_count + 1) * sizeof *image->fds);
    struct wg_outside_fd *added = &image->fds[image->fd_count++];
    *added = *entry;
    added->path = wg_strdup(entry->path);
    return added;
}

void wg_image_fd_remove(struct wg_image *image, struct wg_outside_fd *entry)
{
    free(entry->path);
    *entry = image->fds[--image->fd_count];
}

uint16_t wg_image_open_count(const struct wg_image *image, uint64_t dev, uint64_t ino)
{
    uint16_t count = 0;
    for (size_t i = 0; i < image->fd_count; i++)
        if (image->fds[i].ino == ino && image->fds[i].dev == dev)
            count++;
    return count;
}

uint32_t wg_image_held(const struct wg_image *image, uint64_t ino, enum wg_trace_role role)
{
    /* 1: POSIX  ADVISORY  READ 4711 fe:01:131089 1073741826 1073742335 */
    char line[256], kind[16], type[16], place[64], end[32];
    uint32_t held = 0;
    FILE *file = fopen("/proc/locks", "re");
    while (file && fgets(line, sizeof line, file)) {
        int pid;
        long long start;
        const char *colon;
        if (sscanf(line, "%*d: %15s %*s %15s %d %63s %lld %31s", kind, type, &pid, place, &start,
                   end) != 6 ||
            strcmp(kind, "POSIX") != 0 || pid != image->pid)
            continue;
        colon = strrchr(place, ':');
        if (!colon || strtoull(colon + 1, NULL, 10) != ino)
            continue;
        uint32_t set = 0, clear = 0;
        int64_t length = strcmp(end, "EOF") == 0 ? 0 : strtoll(end, NULL, 10) - start + 1;
        wg_probe_lock_bits(role, strcmp(type, "WRITE") == 0 ? F_WRLCK : F_RDLCK, start, length,
                           &set, &clear);
        held = (held & ~clear) | set;
    }
    if (file)
        fclose(file);
    return held;
}

/* --- files ---------------------------------------------------------------------------------- */

static bool has_header(const char *path, const struct stat *st)
{
    char start[sizeof WG_PROBE_HEADER];
    if (!wg_probe_size_of_database(st))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool found = pread(fd, start, sizeof start, 0) == sizeof start &&
                 memcmp(start, WG_PROBE_HEADER, sizeof start) == 0;
    close(fd);
    return found;
}

bool wg_image_fd_is_database(const struct wg_image *image, int fd, const struct stat *st)
{
    char path[PROC_PATH];
    fd_path(path, image, fd);
    return has_header(path, st);
}

bool wg_image_fd_look(const struct wg_image *image, int fd, struct stat *ret_st,
                      char ret_path[static PATH_MAX])
{
    char path[PROC_PATH];
    fd_path(path, image, fd);
    return stat(path, ret_st) == 0 && read_link(path, ret_path) > 0;
}

/* The role of an inode that some process has open as part of a family. */
static enum wg_trace_role known_role(struct wg_image *const *images, size_t image_count,
                                     const struct stat *st)
{
    for (size_t i = 0; i < image_count; i++)
        for (size_t j = 0; j < images[i]->fd_count; j++)
            if (images[i]->fds[j].ino == st->st_ino && images[i]->fds[j].dev == st->st_dev)
                return images[i]->fds[j].role;
    return WG_TRACE_ROLE_NONE;
}

void wg_image_look(struct wg_image *const *images, size_t image_count, const struct wg_image *image,
                   int directory_fd, const char *path, bool follow,
                   struct wg_outside_look *ret_look)
{
    char base[PROC_PATH], there[PROC_PATH + PATH_MAX];
    if (path[0] == '/')
        proc_path(base, image, "root");
    else if (directory_fd == AT_FDCWD)
        proc_path(base, image, "cwd");
    else
        fd_path(base, image, directory_fd);
    snprintf(there, sizeof there, "%s/%s", base, path);
    ret_look->exists = (follow ? stat(there, &ret_look->st) : lstat(there, &ret_look->st)) == 0;
    if (!ret_look->exists)
        memset(&ret_look->st, 0, sizeof ret_look->st);
    size_t used = 0;
    ret_look->path[0] = '\0';
    if (path[0] != '/') {
        used = read_link(base, ret_look->path);
        if (used < PATH_MAX - 1)
            ret_look->path[used++] = '/';
    }
    snprintf(ret_look->path + used, PATH_MAX - used, "%s", path);
    ret_look->size = wg_probe_normalise(ret_look->path, strlen(ret_look->path));
    struct wg_family family = wg_probe_family_of_name(ret_look->path, ret_look->size);
    ret_look->role = family.role;
    ret_look->base = family.base;
    if (family.role != WG_TRACE_ROLE_NONE)
        return;
    ret_look->base = ret_look->size;
    if (ret_look->exists && S_ISREG(ret_look->st.st_mode))
        ret_look->role = known_role(images, image_count, &ret_look->st);
    if (ret_look->role == WG_TRACE_ROLE_NONE && ret_look->exists &&
        has_header(there, &ret_look->st))
        ret_look->role = WG_TRACE_ROLE_DATABASE;
}
