/* SPDX-License-Identifier: MIT */
/*
 * All walking is done relative to directory descriptors that were opened with O_NOFOLLOW, so a
 * directory that is swapped for a link in the middle of a walk ends the walk instead of leading it
 * elsewhere. A walk holds one descriptor per level of depth.
 */
#include "harness/sys/tree.h"

#include "harness/base/str.h"
#include "harness/base/token.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    COPY_CHUNK = 1 << 20,   /* bytes of one read and write */
    SANDBOX_TOKEN_SIZE = 9, /* eight characters and a NUL */
    SANDBOX_ATTEMPTS = 16,  /* names tried before giving up */
};

static int make_one(const char *path, struct wg_err *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return 0;
    int saved = errno;
    if (saved == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    errno = saved;
    return wg_err_errno(err, "mkdir %s", path);
}

int wg_tree_make(const char *path, struct wg_err *err)
{
    int rc = -1;
    char *copy = wg_strdup(path);
    for (char *at = copy + 1; copy[0] != '\0' && *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (make_one(copy, err) != 0)
            goto out;
        *at = '/';
    }
    if (make_one(copy, err) != 0)
        goto out;
    rc = 0;
out:
    free(copy);
    return rc;
}

/* Opens a directory for reading without following a link; the stream owns the descriptor. */
static DIR *open_directory(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *directory = fdopendir(fd);
    if (!directory)
        close(fd);
    return directory;
}

/* The next entry that is neither "." nor "..", or NULL with errno 0 at the end. */
static const struct dirent *next_entry(DIR *directory)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(directory);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

/* --- copying --------------------------------------------------------------------------------- */

static int copy_by_read_write(int from_fd, int to_fd, struct wg_err *err)
{
    int rc = -1;
    char *chunk = wg_malloc(COPY_CHUNK);
    for (;;) {
        ssize_t n = read(from_fd, chunk, COPY_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            wg_err_errno(err, "read");
            goto out;
        }
        if (n == 0)
            break;
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(to_fd, chunk + done, (size_t)(n - done));
            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0) {
                wg_err_errno(err, "write");
                goto out;
            }
            done += written;
        }
    }
    rc = 0;
out:
    free(chunk);
    return rc;
}

/* Errors of FICLONE and copy_file_range that mean "not here", not "broken". */
static bool is_unsupported(int code)
{
    return code == EOPNOTSUPP || code == EXDEV || code == ENOTTY || code == EINVAL ||
           code == ENOSYS || code == EPERM || code == ETXTBSY;
}

static int copy_content(int from_fd, int to_fd, enum wg_copy_method *ret_method, struct wg_err *err)
{
    *ret_method = WG_COPY_REFLINK;
    if (ioctl(to_fd, FICLONE, from_fd) == 0)
        return 0;
    if (!is_unsupported(errno))
        return wg_err_errno(err, "reflink");
    *ret_method = WG_COPY_RANGE;
    bool moved = false;
    for (;;) {
        ssize_t n = copy_file_range(from_fd, NULL, to_fd, NULL, SSIZE_MAX / 2, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !is_unsupported(errno))
            return wg_err_errno(err, "copy_file_range");
        if (n <= 0)
            break;
        moved = true;
    }
    /* Some filesystems answer 0 at once although there are bytes; at the end this reads nothing. */
    if (!moved)
        *ret_method = WG_COPY_READ_WRITE;
    return copy_by_read_write(from_fd, to_fd, err);
}

static int copy_file_at(int from_dir, const char *from, int to_dir, const char *to,
                        enum wg_copy_method *ret_method, struct wg_err *err)
{
    int rc = -1;
    int to_fd = -1;
    struct stat st;
    enum wg_copy_method method = WG_COPY_READ_WRITE;
    /* O_NONBLOCK: opening a FIFO by mistake must not hang; it has no effect on regular files. */
    int from_fd = openat(from_dir, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (from_fd < 0 || fstat(from_fd, &st) != 0) {
        wg_err_errno(err, "open %s", from);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        wg_err_set(err, WG_ERR_USAGE, "%s is not a regular file", from);
        goto out;
    }
    to_fd = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to_fd < 0) {
        wg_err_errno(err, "create %s", to);
        goto out;
    }
    if (copy_content(from_fd, to_fd, &method, err) != 0) {
        wg_err_wrap(err, "copy %s to %s", from, to);
        goto out;
    }
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st.st_mtim};
    if (fchmod(to_fd, st.st_mode & 07777) != 0 || futimens(to_fd, times) != 0) {
        wg_err_errno(err, "set mode and time of %s", to);
        goto out;
    }
    if (ret_method)
        *ret_method = method;
    rc = 0;
out:
    if (to_fd >= 0 && rc != 0)
        unlinkat(to_dir, to, 0);
    if (to_fd >= 0)
        close(to_fd);
    if (from_fd >= 0)
        close(from_fd);
    return rc;
}

int wg_file_copy(const char *from, const char *to, enum wg_copy_method *ret_method,
                 struct wg_err *err)
{
    return copy_file_at(AT_FDCWD, from, AT_FDCWD, to, ret_method, err);
}

static int copy_link_at(int from_dir, int to_dir, const char *name, struct wg_err *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);
    if (n < 0)
        return wg_err_errno(err, "readlink %s", name);
    target[n] = '\0';
    struct stat st;
    if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        symlinkat(target, to_dir, name) != 0)
        return wg_err_errno(err, "symlink %s", name);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st.st_mtim};
    if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return wg_err_errno(err, "set the time of %s", name);
    return 0;
}

/* Recursion is bounded by the depth of the tree, and that by open descriptors. */
static int copy_directory(int from_parent, const char *from, int to_parent, const char *to,
                          struct wg_err *err);

static int copy_entry(int from_fd, int to_fd, const char *name, struct wg_err *err)
{
    struct stat st;
    if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return wg_err_errno(err, "stat %s", name);
    switch (st.st_mode & S_IFMT) {
    case S_IFREG: return copy_file_at(from_fd, name, to_fd, name, NULL, err);
    case S_IFLNK: return copy_link_at(from_fd, to_fd, name, err);
    case S_IFDIR: return copy_directory(from_fd, name, to_fd, name, err);
    default:
        return wg_err_set(err, WG_ERR_USAGE, "%s is neither a file, a directory nor a link", name);
    }
}

static int copy_directory(int from_parent, const char *from, int to_parent, const char *to,
                          struct wg_err *err)
{
    int rc = -1;
    int to_fd = -1;
    struct stat st;
    DIR *directory = open_directory(from_parent, from);
    if (!directory || fstat(dirfd(directory), &st) != 0) {
        wg_err_errno(err, "open directory %s", from);
        goto out;
    }
    if (mkdirat(to_parent, to, 0700) != 0) {
        wg_err_errno(err, "mkdir %s", to);
        goto out;
    }
    to_fd = openat(to_parent, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to_fd < 0) {
        wg_err_errno(err, "open directory %s", to);
        goto out;
    }
    const struct dirent *entry;
    while ((entry = next_entry(directory)) != NULL) {
        if (copy_entry(dirfd(directory), to_fd, entry->d_name, err) != 0) {
            wg_err_wrap(err, "in %s", from);
            goto out;
        }
    }
    /* Last, since a directory without write permission could not have been filled. */
    if (errno != 0 || fchmod(to_fd, st.st_mode & 07777) != 0) {
        wg_err_errno(err, "copy directory %s", from);
        goto out;
    }
    rc = 0;
out:
    if (to_fd >= 0)
        close(to_fd);
    if (directory)
        closedir(directory);
    return rc;
}

/* True when `to` would lie below `from`: the copy would find itself and never end. */
static bool lies_below(const char *to, const char *from)
{
    char *parent = wg_strdup(to);
    size_t size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/')
        parent[--size] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent ? 1 : 0] = '\0';
    char *real_parent = realpath(slash ? parent : ".", NULL);
    char *real_from = realpath(from, NULL);
    bool below = false;
    if (real_parent && real_from) {
        size_t from_size = strlen(real_from);
        below = strncmp(real_parent, real_from, from_size) == 0 &&
                (real_parent[from_size] == '/' || real_parent[from_size] == '\0');
    }
    free(real_from);
    free(real_parent);
    free(parent);
    return below;
}

int wg_tree_copy(const char *from, const char *to, struct wg_err *err)
{
    if (lies_below(to, from))
        return wg_err_set(err, WG_ERR_USAGE, "cannot copy %s into itself (%s)", from, to);
    return copy_directory(AT_FDCWD, from, AT_FDCWD, to, err);
}

/* --- measuring and removing ------------------------------------------------------------------ */

static int measure(int parent_fd, const char *name, uint64_t *bytes, struct wg_err *err)
{
    int rc = -1;
    struct stat st;
    DIR *directory = open_directory(parent_fd, name);
    if (!directory)
        return wg_err_errno(err, "open directory %s", name);
    const struct dirent *entry;
    while ((entry = next_entry(directory)) != NULL) {
        if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) /* a live server removes its own files */
                continue;
            wg_err_errno(err, "stat %s", entry->d_name);
            goto out;
        }
        if (S_ISREG(st.st_mode))
            *bytes += (uint64_t)st.st_blocks * 512;
        if (S_ISDIR(st.st_mode) && measure(dirfd(directory), entry->d_name, bytes, err) != 0)
            goto out;
    }
    if (errno != 0) {
        wg_err_errno(err, "read directory %s", name);
        goto out;
    }
    rc = 0;
out:
    closedir(directory);
    return rc;
}

int wg_tree_size(const char *path, uint64_t *ret_bytes, struct wg_err *err)
{
    uint64_t bytes = 0;
    if (measure(AT_FDCWD, path, &bytes, err) != 0)
        return -1;
    *ret_bytes = bytes;
    return 0;
}

/* Opens a directory that is about to be emptied, giving us the right to when only that lacks. */
static DIR *open_to_empty(int parent_fd, const char *name)
{
    char link[64];
    struct stat st;
    int fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    /* Through /proc, since fchmod refuses O_PATH descriptors and a name could be swapped. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
        chmod(link, S_IRWXU);
    DIR *directory = open_directory(fd, ".");
    close(fd);
    return directory;
}

static int remove_entry(int parent_fd, const char *name, struct wg_err *err);

/* One pass over a directory; sets `*removed` when it changed anything. */
static int empty_once(DIR *directory, bool *removed, struct wg_err *err)
{
    const struct dirent *entry;
    *removed = false;
    rewinddir(directory);
    while ((entry = next_entry(directory)) != NULL) {
        if (remove_entry(dirfd(directory), entry->d_name, err) != 0)
            return -1;
        *removed = true;
    }
    return errno == 0 ? 0 : wg_err_errno(err, "read directory");
}

static int remove_entry(int parent_fd, const char *name, struct wg_err *err)
{
    if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    /* Linux says EISDIR for directories, POSIX EPERM. */
    if (errno != EISDIR && errno != EPERM)
        return wg_err_errno(err, "remove %s", name);
    DIR *directory = open_to_empty(parent_fd, name);
    if (!directory)
        return errno == ENOENT ? 0 : wg_err_errno(err, "remove %s", name);
    /* Until a pass finds nothing: reading while removing may skip entries on some filesystems. */
    bool removed = true;
    int rc = 0;
    while (rc == 0 && removed)
        rc = empty_once(directory, &removed, err);
    closedir(directory);
    if (rc != 0)
        return wg_err_wrap(err, "in %s", name);
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return wg_err_errno(err, "rmdir %s", name);
    return 0;
}

int wg_tree_remove(const char *path, struct wg_err *err)
{
    return remove_entry(AT_FDCWD, path, err);
}

/* --- sandboxes ------------------------------------------------------------------------------- */

static bool is_tmpfs(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static bool has_room(const char *path, uint64_t need_bytes)
{
    struct statvfs fs;
    if (statvfs(path, &fs) != 0)
        return false;
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    return available >= need_bytes && available - need_bytes >= need_bytes / 4;
}

static int take_root(const char *path, char *buffer, size_t size, bool *ret_tmpfs,
                     struct wg_err *err)
{
    char *real = realpath(path, NULL);
    if (!real)
        return wg_err_errno(err, "sandbox directory %s", path);
    int n = snprintf(buffer, size, "%s", real);
    free(real);
    if (n < 0 || (size_t)n >= size)
        return wg_err_set(err, WG_ERR_LIMIT, "the path of sandbox directory %s is too long", path);
    if (access(buffer, W_OK | X_OK) != 0)
        return wg_err_errno(err, "sandbox directory %s", path);
    if (ret_tmpfs)
        *ret_tmpfs = is_tmpfs(buffer);
    return 0;
}

int wg_sandbox_root(uint64_t need_bytes, char *buffer, size_t size, bool *ret_tmpfs,
                    struct wg_err *err)
{
    const char *wanted = getenv("WALGRIND_SANDBOX");
    if (wanted && wanted[0] != '\0')
        return take_root(wanted, buffer, size, ret_tmpfs, err);
    const char *const in_memory[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm"};
    for (size_t i = 0; i < sizeof in_memory / sizeof in_memory[0]; i++) {
        const char *path = in_memory[i];
        if (path && path[0] == '/' && is_tmpfs(path) && has_room(path, need_bytes) &&
            access(path, W_OK | X_OK) == 0)
            return take_root(path, buffer, size, ret_tmpfs, err);
    }
    const char *temporary = getenv("TMPDIR");
    return take_root(temporary && temporary[0] != '\0' ? temporary : "/tmp", buffer, size,
                     ret_tmpfs, err);
}

int wg_sandbox_create(const char *root, const char *prefix, char *buffer, size_t size,
                      struct wg_err *err)
{
    char *safe = wg_strdup(prefix);
    for (char *at = safe; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
            *at = '_';
    }
    int rc = -1;
    for (int attempt = 0; attempt < SANDBOX_ATTEMPTS; attempt++) {
        char token[SANDBOX_TOKEN_SIZE];
        wg_token(token, sizeof token);
        int n =
            snprintf(buffer, size, "%s/walgrind-%u-%s-%s", root, (unsigned)geteuid(), safe, token);
        if (n < 0 || (size_t)n >= size) {
            wg_err_set(err, WG_ERR_LIMIT, "the path of a sandbox in %s is too long", root);
            goto out;
        }
        if (mkdir(buffer, 0700) == 0) {
            rc = 0;
            goto out;
        }
        if (errno != EEXIST) {
            wg_err_errno(err, "mkdir %s", buffer);
            goto out;
        }
    }
    wg_err_set(err, WG_ERR_STATE, "no unused sandbox name in %s", root);
out:
    free(safe);
    return rc;
}
