/* SPDX-License-Identifier: MIT */
/* What tree.h promises. Each test works in a directory of its own that its fixture removes. */
#include "harness/base/str.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of the test below /tmp. */
struct place {
    char root[PATH_MAX / 2];
};

static struct place place_create(void)
{
    struct place place = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(
        eq(int, wg_sandbox_create("/tmp", "unit-tree", place.root, sizeof place.root, &err), 0),
        "%s", err.message);
    return place;
}

static void place_remove(const struct place *place)
{
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_tree_remove(place->root, &err), 0), "%s", err.message);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert(ge(int, fd, 0), "%s: %s", path, strerror(errno));
    cr_assert(eq(long, write(fd, text, strlen(text)), (long)strlen(text)));
    cr_assert(eq(int, fchmod(fd, mode), 0));
    close(fd);
}

static char *read_file(const char *path)
{
    char *text = wg_calloc(1, 4096);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(ge(int, fd, 0), "%s: %s", path, strerror(errno));
    cr_assert(ge(long, read(fd, text, 4095), 0));
    close(fd);
    return text;
}

static void expect_content(const char *path, const char *text)
{
    char *content = read_file(path);
    cr_expect(eq(str, content, (char *)text), "%s", path);
    free(content);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    cr_assert(eq(int, lstat(path, &st), 0), "%s: %s", path, strerror(errno));
    return st.st_mode & 07777;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static const struct timespec old_time = {.tv_sec = 1000000000, .tv_nsec = 123456789};

static void set_old_time(const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, old_time};
    cr_assert(eq(int, utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0));
}

static void expect_old_time(const char *path)
{
    struct stat st;
    cr_assert(eq(int, lstat(path, &st), 0));
    cr_expect(eq(long, st.st_mtim.tv_sec, old_time.tv_sec), "%s", path);
    cr_expect(eq(long, st.st_mtim.tv_nsec, old_time.tv_nsec), "%s", path);
}

Test(sys_tree, make_creates_parents_and_accepts_what_exists)
{
    struct place place = place_create();
    char *deep = wg_format("%s/a/b c/d'\"\xc3\xa4", place.root);
    cr_assert(eq(int, wg_tree_make(deep, NULL), 0));
    cr_assert(eq(int, wg_tree_make(deep, NULL), 0));
    cr_assert(exists(deep));
    free(deep);
    place_remove(&place);
}

Test(sys_tree, make_refuses_a_file_in_the_way)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char *file = wg_format("%s/file", place.root);
    char *below = wg_format("%s/file/below", place.root);
    write_file(file, "x", 0600);
    cr_assert(eq(int, wg_tree_make(file, &err), -1));
    cr_assert(eq(int, err.sys_errno, EEXIST));
    cr_assert(eq(int, wg_tree_make(below, NULL), -1));
    free(file);
    free(below);
    place_remove(&place);
}

Test(sys_tree, file_copy_keeps_content_and_mode)
{
    struct place place = place_create();
    enum wg_copy_method method = WG_COPY_REFLINK;
    struct wg_err err = WG_ERR_INIT;
    char *from = wg_format("%s/from it's", place.root);
    char *to = wg_format("%s/to \"\xe2\x82\xac\"", place.root);
    write_file(from, "hello", 0741);
    cr_assert(eq(int, wg_file_copy(from, to, &method, &err), 0), "%s", err.message);
    expect_content(to, "hello");
    cr_assert(eq(uint, mode_of(to), 0741));
    free(from);
    free(to);
    place_remove(&place);
}

Test(sys_tree, file_copy_refuses_an_existing_target)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char *from = wg_format("%s/from", place.root);
    char *to = wg_format("%s/to", place.root);
    write_file(from, "new", 0600);
    write_file(to, "old", 0600);
    cr_assert(eq(int, wg_file_copy(from, to, NULL, &err), -1));
    cr_assert(eq(int, err.sys_errno, EEXIST));
    expect_content(to, "old");
    free(from);
    free(to);
    place_remove(&place);
}

Test(sys_tree, file_copy_reads_files_whose_length_is_not_known)
{
    struct place place = place_create();
    enum wg_copy_method method = WG_COPY_REFLINK;
    struct wg_err err = WG_ERR_INIT;
    char *to = wg_format("%s/version", place.root);
    cr_assert(eq(int, wg_file_copy("/proc/version", to, &method, &err), 0), "%s", err.message);
    cr_assert(eq(int, (int)method, (int)WG_COPY_READ_WRITE));
    char *want = read_file("/proc/version");
    expect_content(to, want);
    free(want);
    free(to);
    place_remove(&place);
}

Test(sys_tree, file_copy_crosses_filesystems)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char room[PATH_MAX / 2];
    cr_assert(eq(int, wg_sandbox_create("/dev/shm", "unit-tree", room, sizeof room, &err), 0));
    char *from = wg_format("%s/from", place.root);
    char *to = wg_format("%s/to", room);
    write_file(from, "across", 0600);
    cr_expect(eq(int, wg_file_copy(from, to, NULL, &err), 0), "%s", err.message);
    expect_content(to, "across");
    cr_assert(eq(int, wg_tree_remove(room, NULL), 0));
    free(from);
    free(to);
    place_remove(&place);
}

Test(sys_tree, file_copy_leaves_nothing_behind_when_the_source_is_no_file)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char *fifo = wg_format("%s/fifo", place.root);
    char *to = wg_format("%s/to", place.root);
    cr_assert(eq(int, mkfifo(fifo, 0600), 0));
    cr_assert(eq(int, wg_file_copy(fifo, to, NULL, &err), -1));
    cr_assert(not(exists(to)));
    free(fifo);
    free(to);
    place_remove(&place);
}

Test(sys_tree, tree_copy_copies_all_below_and_keeps_links_as_links)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char target[64] = "";
    char *command_root = wg_format("%s/from/sub dir", place.root);
    char *file = wg_format("%s/data.db", command_root);
    char *link = wg_format("%s/from/link", place.root);
    char *from = wg_format("%s/from", place.root);
    char *to = wg_format("%s/to", place.root);
    char *to_file = wg_format("%s/sub dir/data.db", to);
    char *to_link = wg_format("%s/link", to);
    char *to_sub = wg_format("%s/sub dir", to);
    cr_assert(eq(int, wg_tree_make(command_root, NULL), 0));
    write_file(file, "rows", 0640);
    cr_assert(eq(int, symlink("nowhere at all", link), 0));
    cr_assert(eq(int, chmod(command_root, 0550), 0));
    set_old_time(file);
    set_old_time(link);
    cr_assert(eq(int, wg_tree_copy(from, to, &err), 0), "%s", err.message);
    expect_content(to_file, "rows");
    expect_old_time(to_file);
    expect_old_time(to_link);
    cr_assert(eq(uint, mode_of(to_file), 0640));
    cr_assert(eq(uint, mode_of(to_sub), 0550));
    cr_assert(eq(long, readlink(to_link, target, sizeof target - 1), 14));
    cr_assert(eq(str, target, "nowhere at all"));
    char *all[] = {command_root, file, link, from, to, to_file, to_link, to_sub};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    place_remove(&place);
}

Test(sys_tree, tree_copy_refuses_an_existing_target_and_itself)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    char *from = wg_format("%s/from", place.root);
    char *inside = wg_format("%s/from/inside/", place.root);
    cr_assert(eq(int, wg_tree_make(from, NULL), 0));
    cr_assert(eq(int, wg_tree_copy(from, place.root, &err), -1));
    wg_err_clear(&err);
    cr_assert(eq(int, wg_tree_copy(from, inside, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_USAGE));
    free(from);
    free(inside);
    place_remove(&place);
}

Test(sys_tree, size_counts_allocated_blocks_of_all_files)
{
    struct place place = place_create();
    uint64_t bytes = 1;
    char *sub = wg_format("%s/sub", place.root);
    char *file = wg_format("%s/sub/file", place.root);
    char *sparse = wg_format("%s/sparse", place.root);
    cr_assert(eq(int, wg_tree_size(place.root, &bytes, NULL), 0));
    cr_assert(eq(u64, bytes, 0));
    cr_assert(eq(int, wg_tree_make(sub, NULL), 0));
    write_file(file, "x", 0600);
    write_file(sparse, "", 0600);
    cr_assert(eq(int, truncate(sparse, 1 << 30), 0));
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    cr_assert(eq(int, fsync(fd), 0)); /* blocks are allocated late on some filesystems */
    close(fd);
    cr_assert(eq(int, wg_tree_size(place.root, &bytes, NULL), 0));
    cr_assert(ge(u64, bytes, 1));
    cr_assert(lt(u64, bytes, 1 << 20));
    free(sub);
    free(file);
    free(sparse);
    place_remove(&place);
}

Test(sys_tree, remove_takes_the_link_and_not_what_it_points_to)
{
    struct place place = place_create();
    char *outside = wg_format("%s/outside", place.root);
    char *kept = wg_format("%s/outside/kept", place.root);
    char *doomed = wg_format("%s/doomed/deep", place.root);
    char *link = wg_format("%s/doomed/deep/link", place.root);
    char *top = wg_format("%s/doomed", place.root);
    cr_assert(eq(int, wg_tree_make(outside, NULL), 0));
    cr_assert(eq(int, wg_tree_make(doomed, NULL), 0));
    write_file(kept, "kept", 0600);
    cr_assert(eq(int, symlink(outside, link), 0));
    cr_assert(eq(int, wg_tree_remove(top, NULL), 0));
    cr_assert(not(exists(top)));
    expect_content(kept, "kept");
    /* The same when the path itself is the link. */
    cr_assert(eq(int, symlink(outside, top), 0));
    cr_assert(eq(int, wg_tree_remove(top, NULL), 0));
    expect_content(kept, "kept");
    char *all[] = {outside, kept, doomed, link, top};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    place_remove(&place);
}

Test(sys_tree, remove_accepts_what_is_not_there_and_odd_names)
{
    struct place place = place_create();
    char *missing = wg_format("%s/missing", place.root);
    char *odd = wg_format("%s/ -rf *\n'\"\xf0\x9f\x97\x84", place.root);
    char *file = wg_format("%s/\xff\xfe", odd);
    cr_assert(eq(int, wg_tree_remove(missing, NULL), 0));
    cr_assert(eq(int, wg_tree_make(odd, NULL), 0));
    write_file(file, "x", 0);
    cr_assert(eq(int, chmod(odd, 0), 0));
    cr_assert(eq(int, wg_tree_remove(odd, NULL), 0));
    cr_assert(not(exists(odd)));
    free(missing);
    free(odd);
    free(file);
    place_remove(&place);
}

Test(sys_tree, remove_clears_a_directory_with_many_entries)
{
    struct place place = place_create();
    for (int i = 0; i < 2000; i++) {
        char *file = wg_format("%s/%04d", place.root, i);
        write_file(file, "", 0600);
        free(file);
    }
    place_remove(&place);
    cr_assert(not(exists(place.root)));
}

Test(sys_tree, sandbox_root_obeys_the_variable)
{
    struct place place = place_create();
    char root[PATH_MAX];
    bool tmpfs = true;
    setenv("WALGRIND_SANDBOX", place.root, 1);
    cr_assert(eq(int, wg_sandbox_root(1, root, sizeof root, &tmpfs, NULL), 0));
    cr_assert(eq(str, root, place.root));
    setenv("WALGRIND_SANDBOX", "/nonexistent", 1);
    cr_assert(eq(int, wg_sandbox_root(1, root, sizeof root, &tmpfs, NULL), -1));
    place_remove(&place);
}

Test(sys_tree, sandbox_root_is_no_tmpfs_with_too_little_room)
{
    char root[PATH_MAX];
    bool tmpfs = true;
    unsetenv("WALGRIND_SANDBOX");
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", "/var/tmp", 1);
    cr_assert(eq(int, wg_sandbox_root(UINT64_C(1) << 60, root, sizeof root, &tmpfs, NULL), 0));
    cr_assert(eq(str, root, "/var/tmp"));
    cr_assert(not(tmpfs));
}

Test(sys_tree, sandbox_root_prefers_a_tmpfs_and_ignores_other_runtime_directories)
{
    char root[PATH_MAX];
    bool tmpfs = false;
    unsetenv("WALGRIND_SANDBOX");
    setenv("XDG_RUNTIME_DIR", "/var/tmp", 1); /* not a tmpfs */
    cr_assert(eq(int, wg_sandbox_root(4096, root, sizeof root, &tmpfs, NULL), 0));
    cr_assert(eq(str, root, "/dev/shm"));
    cr_assert(tmpfs);
}

Test(sys_tree, a_sandbox_is_private_and_its_name_tells_whose_it_is)
{
    struct place place = place_create();
    char path[PATH_MAX];
    char *start = wg_format("%s/walgrind-%u-run_1_x-", place.root, (unsigned)geteuid());
    cr_assert(eq(int, wg_sandbox_create(place.root, "run 1/x", path, sizeof path, NULL), 0));
    cr_assert(wg_str_starts(path, start), "%s", path);
    cr_assert(eq(uint, mode_of(path), 0700));
    free(start);
    place_remove(&place);
}

Test(sys_tree, a_path_that_does_not_fit_is_an_error)
{
    char path[16];
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_sandbox_create("/tmp", "prefix", path, sizeof path, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_LIMIT));
}
