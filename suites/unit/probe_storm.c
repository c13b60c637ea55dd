/* SPDX-License-Identifier: MIT */
/*
 * probe_storm.c - what is hard on injected code: many threads and children, objects that come and
 * go, limits, rights, a trace directory that is full or gone. All of it must go as without the
 * probe.
 */
#include "suites/unit/probe_worker.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- threads --------------------------------------------------------------------------------- */

struct crowd {
    const char *path;
    sem_t room; /* so many connections at once fit under the usual limit of descriptors */
};

static void *look_into(void *argument)
{
    struct crowd *crowd = argument;
    sqlite3 *connection;
    sem_wait(&crowd->room);
    must(sqlite3_open(crowd->path, &connection) == SQLITE_OK);
    sqlite3_busy_timeout(connection, 20000);
    must(sqlite3_exec(connection, "SELECT count(*) FROM t", NULL, NULL, NULL) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
    sem_post(&crowd->room);
    return NULL;
}

static void thousand_threads(const char *path)
{
    pthread_t *threads = calloc(1000, sizeof *threads);
    struct crowd crowd = {.path = path};
    pthread_attr_t small;
    sqlite3 *connection = connect_to(path);
    must(threads && sem_init(&crowd.room, 0, 200) == 0 && pthread_attr_init(&small) == 0 &&
         pthread_attr_setstacksize(&small, 256 << 10) == 0);
    for (int i = 0; i < 1000; i++)
        must(pthread_create(&threads[i], &small, look_into, &crowd) == 0);
    for (int i = 0; i < 1000; i++)
        must(pthread_join(threads[i], NULL) == 0);
    must(insert(connection) == SQLITE_OK);
    sqlite3_close(connection);
    pthread_attr_destroy(&small);
    sem_destroy(&crowd.room);
    free(threads);
}

static void *fork_some(void *path)
{
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            _exit(fd >= 0 && close(fd) == 0 ? 0 : 1);
        }
        must_end_well(pid);
    }
    return NULL;
}

static void fork_from_threads(const char *path)
{
    pthread_t threads[8];
    healthy(path);
    for (int i = 0; i < 8; i++)
        must(pthread_create(&threads[i], NULL, fork_some, (void *)path) == 0);
    for (int i = 0; i < 8; i++)
        must(pthread_join(threads[i], NULL) == 0);
    healthy(path);
}

/* --- children -------------------------------------------------------------------------------- */

/* A child that shares our memory closes and opens what it wants, and does not find its program. */
/* NOLINTBEGIN(clang-analyzer-unix.Vfork,clang-analyzer-security.insecureAPI.vfork): it is what we
 * test */
static void vfork_storm(const char *path)
{
    char *const nothing[] = {(char *)"nothing", NULL};
    sqlite3 *connection = connect_to(path);
    for (int i = 0; i < 100; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            close(open(path, O_RDONLY | O_CLOEXEC));
            for (int fd = 3; fd < 20; fd++)
                close(fd);
            close(open(path, O_RDONLY | O_CLOEXEC));
            close(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
            execve("/nowhere/at/all", nothing, environ);
            _exit(errno == ENOENT ? 0 : 1);
        }
        must_end_well(pid);
        must(insert(connection) == SQLITE_OK);
    }
    sqlite3_close(connection);
}

/* A child of which the first thing to be recorded is done by a vfork child of its own. */
static void vfork_in_child(const char *path)
{
    pid_t (*const ways[])(void) = {fork, _Fork};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        healthy(path);
        pid_t child = ways[i]();
        if (child == 0) {
            int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
            must(nothing >= 0 && close(nothing) == 0);
            pid_t pid = vfork();
            if (pid == 0) {
                execl("/bin/true", "true", NULL);
                _exit(1);
            }
            must_end_well(pid);
            must(unlink(path) == 0);
            _exit(0);
        }
        must_end_well(child);
    }
}
/* NOLINTEND(clang-analyzer-unix.Vfork,clang-analyzer-security.insecureAPI.vfork) */

static void spawn_storm(const char *path)
{
    char *const arguments[] = {(char *)"true", NULL};
    char *const no_environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    sqlite3 *connection = connect_to(path);
    must(posix_spawn_file_actions_init(&actions) == 0 &&
         posix_spawn_file_actions_addclose(&actions, 3) == 0 &&
         posix_spawn_file_actions_adddup2(&actions, 2, 5) == 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid;
        must(posix_spawn(&pid, "/bin/true", i % 2 ? &actions : NULL, NULL, arguments,
                         i % 3 ? environ : no_environment) == 0);
        must_end_well(pid);
        must(posix_spawnp(&pid, "no-such-program", NULL, NULL, arguments, environ) == ENOENT);
        must(insert(connection) == SQLITE_OK);
    }
    posix_spawn_file_actions_destroy(&actions);
    sqlite3_close(connection);
}

static void exec_of_nothing(const char *path)
{
    char *const arguments[] = {(char *)"nothing", NULL};
    sqlite3 *connection = connect_to(path);
    must(execv("/nowhere/at/all", arguments) == -1 && errno == ENOENT);
    must(execvp("no-such-program", arguments) == -1 && errno == ENOENT);
    must(execv("/", arguments) == -1 && errno == EACCES);
    must(insert(connection) == SQLITE_OK);
    sqlite3_close(connection);
}

/* --- descriptors and objects ------------------------------------------------------------------ */

static void close_ranges(const char *path)
{
    char byte;
    healthy(path);
    for (int round = 0; round < 3; round++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        must(fd >= 3 && close_range(3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0);
        must(read(fd, &byte, 1) == 1);
        if (round % 2)
            closefrom(3);
        else
            must(close_range(3, ~0U, 0) == 0);
        must(read(fd, &byte, 1) == -1 && errno == EBADF);
        healthy(path);
    }
    must(close_range(5, 3, 0) == -1 && errno == EINVAL);
}

/* Two libraries take turns at one place in memory; the second one's calls must be its own. */
static void library_storm(const char *path)
{
    healthy(path);
    sqlite3 *connection = connect_to(path);
    for (int i = 0; i < 100; i++) {
        int (*call)(const char *) = NULL;
        void *handle = dlopen(i % 2 ? WG_TEST_PLAIN_LIBRARY : WG_TEST_SQLITE_LIBRARY, RTLD_NOW);
        must(handle != NULL);
        *(void **)&call = dlsym(handle, i % 2 ? "plain_read" : "bundled_read");
        /* Of SQLite's the open connection would outlive it, so of another file that is not there.
         */
        must(call && call(i % 2 ? path : "/nowhere/x.db") == (i % 2 ? 0 : -1));
        must(dlclose(handle) == 0);
    }
    sqlite3_close(connection);
}

/* One library is SQLite by its name and what it exports, the other is not; the same call in both
 * comes from the same address. */
static void same_address(const char *path)
{
    healthy(path);
    for (int i = 0; i < 20; i++) {
        int (*call)(const char *) = NULL;
        void *handle = dlopen(i % 2 ? WG_TEST_PLAIN_LIBRARY : WG_TEST_POSING_LIBRARY, RTLD_NOW);
        must(handle != NULL);
        *(void **)&call = dlsym(handle, "plain_read");
        must(call && call(path) == 0 && dlclose(handle) == 0);
    }
}

/* --- limits and rights ------------------------------------------------------------------------ */

static void limited(int resource, rlim_t soft)
{
    struct rlimit limit;
    must(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
    limit.rlim_cur = soft;
    must(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

/* A child without descriptors for a while, one without address space, one without anything. */
static void small_limits(const char *path)
{
    healthy(path);
    for (int round = 0; round < 3; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (round != 1)
                limited(RLIMIT_NOFILE, 3);
            if (round != 0)
                limited(RLIMIT_AS, 1 << 20);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            must(fd >= 0 || errno == EMFILE);
            limited(RLIMIT_NOFILE, 100);
            limited(RLIMIT_AS, (rlim_t)1 << 33);
            healthy(path);
            _exit(0);
        }
        must_end_well(pid);
    }
}

static void run_child(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        healthy(path);
        _exit(0);
    }
    must_end_well(pid);
}

static void directory_gone(const char *path)
{
    const char *traces = getenv("WALGRIND_TRACE_DIR");
    must(traces != NULL);
    DIR *directory = opendir(traces);
    if (!directory)
        _exit(9);
    for (const struct dirent *entry; (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    must(rmdir(traces) == 0);
    healthy(path);
    run_child(path);
    must(mkdir(traces, 0755) == 0);
}

/* Takes all room of a file system. */
static void fill(const char *name)
{
    char zeros[4096] = "";
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    close(fd);
}

static void full_disk(const char *path)
{
    char name[4096];
    const char *traces = getenv("WALGRIND_TRACE_DIR");
    must(traces != NULL);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", traces, "tmpfs", 0, "size=100k") != 0)
        _exit(PROBE_WORKER_CANNOT);
    run_child(path);
    snprintf(name, sizeof name, "%s/filling", traces);
    fill(name);
    run_child(path);
    for (int i = 0; i < 3; i++)
        healthy(path);
}

/* A program with raised privileges, which the loader keeps the probe out of, started by nobody. */
static void raised_privileges(const char *path)
{
    char copy[4096], database[4096], bytes[65536];
    ssize_t size;
    if (geteuid() != 0)
        _exit(PROBE_WORKER_CANNOT);
    snprintf(copy, sizeof copy, "%s.program", path);
    snprintf(database, sizeof database, "%s.raised", path);
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    must(from >= 0 && to >= 0);
    while ((size = read(from, bytes, sizeof bytes)) > 0)
        must(write(to, bytes, (size_t)size) == size);
    must(fchmod(to, 04755) == 0 && close(to) == 0 && close(from) == 0);
    char *directory = strdup(path);
    *strrchr(directory, '/') = '\0';
    must(chmod(directory, 0755) == 0);
    free(directory);
    pid_t pid = fork();
    if (pid == 0) {
        must(setgid(65534) == 0 && setuid(65534) == 0);
        execl(copy, copy, "healthy", database, (char *)NULL);
        _exit(1);
    }
    must_end_well(pid);
    must(access(database, F_OK) == 0);
}

const struct deed storms[] = {
    {"thousand-threads", thousand_threads},
    {"fork-from-threads", fork_from_threads},
    {"vfork-storm", vfork_storm},
    {"vfork-in-child", vfork_in_child},
    {"spawn-storm", spawn_storm},
    {"exec-of-nothing", exec_of_nothing},
    {"close-ranges", close_ranges},
    {"library-storm", library_storm},
    {"same-address", same_address},
    {"small-limits", small_limits},
    {"directory-gone", directory_gone},
    {"full-disk", full_disk},
    {"raised-privileges", raised_privileges},
    {0},
};
