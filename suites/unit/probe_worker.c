/* SPDX-License-Identifier: MIT */
/*
 * probe_worker.c - a program that the probe is loaded into: does one thing (argv[1]) with the
 * database argv[2] and exits 0 when the thing went as without the probe.
 */
#include "suites/unit/probe_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

sqlite3 *connect_to(const char *path)
{
    sqlite3 *connection;
    must(sqlite3_open(path, &connection) == SQLITE_OK);
    must(sqlite3_exec(connection, "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t(a)", NULL,
                      NULL, NULL) == SQLITE_OK);
    return connection;
}

int insert(sqlite3 *connection)
{
    return sqlite3_exec(connection, "INSERT INTO t VALUES(1)", NULL, NULL, NULL);
}

void healthy(const char *path)
{
    sqlite3 *connection = connect_to(path);
    must(insert(connection) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
}

/* A transaction of a dozen pages or more, which SQLite writes one behind the other. */
static void wide(const char *path)
{
    sqlite3 *connection = connect_to(path);
    must(sqlite3_exec(connection, "INSERT INTO t VALUES(zeroblob(50000))", NULL, NULL, NULL) ==
         SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
}

/* Its last transaction writes two pages that do not follow each other, and nothing in between. */
static void apart(const char *path)
{
    sqlite3 *connection;
    must(sqlite3_open(path, &connection) == SQLITE_OK);
    must(sqlite3_exec(connection,
                      "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; BEGIN;"
                      "CREATE TABLE t(a); CREATE TABLE gap(a); CREATE TABLE u(a);"
                      "INSERT INTO t VALUES(1); INSERT INTO u VALUES(1); COMMIT;"
                      "BEGIN; UPDATE t SET a = 2; UPDATE u SET a = 2; COMMIT",
                      NULL, NULL, NULL) == SQLITE_OK);
    must(sqlite3_close(connection) == SQLITE_OK);
}

void must_end_well(pid_t pid)
{
    int status;
    must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void read_start(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char start[16];
    must(read(fd, start, sizeof start) == sizeof start);
    must(close(fd) == 0);
}

static void read_beside(const char *path)
{
    sqlite3 *connection = connect_to(path);
    read_start(path);
    sqlite3_close(connection);
}

static void read_in_child(const char *path)
{
    sqlite3 *connection = connect_to(path);
    pid_t pid = fork();
    if (pid == 0) {
        read_start(path);
        _exit(0);
    }
    must_end_well(pid);
    read_start(path);
    sqlite3_close(connection);
}

static void read_beside_stdio(const char *path)
{
    sqlite3 *connection = connect_to(path);
    FILE *file = fopen(path, "rbe");
    must(file && fgetc(file) == 'S');
    fclose(file);
    sqlite3_close(connection);
}

static void read_beside_syscall(const char *path)
{
    sqlite3 *connection = connect_to(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && syscall(SYS_close, fd) == 0);
    sqlite3_close(connection);
}

static void fork_use(const char *path)
{
    int status;
    sqlite3 *connection = connect_to(path);
    pid_t pid = fork();
    if (pid == 0)
        _exit(insert(connection) == SQLITE_OK ? 0 : 1);
    must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    sqlite3_close(connection);
}

static void unlink_it(const char *path)
{
    must(unlink(path) == 0);
}

static void die(const char *path)
{
    sqlite3 *connection = connect_to(path);
    insert(connection);
    kill(getpid(), SIGKILL);
}

static void check_errno(const char *path)
{
    errno = 77;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && errno == 77);
    must(close(fd) == 0 && errno == 77);
    /* cppcheck-suppress doubleFree */
    must(close(fd) == -1 && errno == EBADF);
    fd = open("/nowhere/x.db", O_RDONLY | O_CLOEXEC);
    must(fd == -1 && errno == ENOENT);
    errno = 77;
    must(unlink(path) == 0 && errno == 77);
}

static void close_everything(const char *path)
{
    for (int fd = 3; fd < 200; fd++)
        close(fd);
    healthy(path);
    closefrom(3);
    healthy(path);
}

static void *commit_alone(void *path)
{
    for (int i = 0; i < 3; i++) {
        sqlite3 *connection;
        if (sqlite3_open(path, &connection) == SQLITE_OK) {
            sqlite3_busy_timeout(connection, 20000);
            insert(connection);
        }
        sqlite3_close(connection);
    }
    return NULL;
}

static void many_threads(const char *path)
{
    pthread_t threads[200];
    healthy(path);
    for (int i = 0; i < 200; i++)
        must(pthread_create(&threads[i], NULL, commit_alone, (void *)path) == 0);
    for (int i = 0; i < 200; i++)
        pthread_join(threads[i], NULL);
}

static void fork_storm(const char *path)
{
    healthy(path);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (i % 2)
                healthy(path);
            _exit(0);
        }
        must(waitpid(pid, NULL, 0) == pid);
    }
}

static void small_files(const char *path)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        healthy(path);
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

static void in_chroot(const char *path)
{
    char *directory = strdup(path);
    *strrchr(directory, '/') = '\0';
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (chroot(directory) != 0 || chdir("/") != 0)
            _exit(0);
        healthy("/inside.db");
        _exit(0);
    }
    free(directory);
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

static const char *volatile signal_path;

static void open_in_handler(int number)
{
    (void)number;
    int fd = open(signal_path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && close(fd) == 0);
    must(unlink(signal_path) == 0);
}

/* A handler on as small a stack as libc's constant gives. */
static void in_handler(const char *path)
{
    static char memory[8192];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = open_in_handler, .sa_flags = SA_ONSTACK};
    sqlite3 *connection = connect_to(path);
    must(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    signal_path = path;
    must(raise(SIGUSR1) == 0 && access(path, F_OK) == -1);
    sqlite3_close(connection);
}

static void touch_other_file(int number)
{
    (void)number;
    int saved_errno = errno;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    errno = saved_errno;
}

/* Signals at any moment, while commits go on. */
static void under_signals(const char *path)
{
    struct sigaction action = {.sa_handler = touch_other_file, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}};
    sqlite3 *connection = connect_to(path);
    must(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 2000; i++)
        must(insert(connection) == SQLITE_OK);
    sqlite3_close(connection);
}

static void as_nobody(const char *path)
{
    int status;
    sqlite3 *connection = connect_to(path);
    pid_t pid = fork();
    if (pid == 0) {
        if (setuid(65534) == 0)
            insert(connection); /* works or not, as without the probe */
        _exit(0);
    }
    must(waitpid(pid, &status, 0) == pid && status == 0);
    sqlite3_close(connection);
}

/* The index of the WAL is mapped a second time, as by a second SQLite in the process, and just
 * being unmapped by that while this one takes its locks: the call that the probe sees comes later.
 */
static void beside_another_library(const char *path)
{
    char index[4096];
    const size_t size = 32768;
    snprintf(index, sizeof index, "%s-shm", path);
    int fd = open(index, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    void *other = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    must(other != MAP_FAILED);
    sqlite3 *connection = connect_to(path);
    must(syscall(SYS_munmap, other, size) == 0);
    must(insert(connection) == SQLITE_OK);
    sqlite3_close(connection);
    close(fd);
}

static long pages(void)
{
    long count = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    must(file != NULL && fscanf(file, "%ld", &count) == 1 && fclose(file) == 0);
    return count;
}

static int execute(void *command)
{
    char own[] = "OWN=1", *variables[] = {own, NULL};
    execve(*(char **)command, command, variables);
    return 9;
}

/* A vfork child has its memory from its parent: what it needs for exec is not the parent's loss. */
static void vfork_with_environment(const char *path)
{
    char stack[1 << 16] __attribute__((aligned(16)));
    char program[] = "/bin/true", *command[] = {program, NULL};
    long before = 0;
    healthy(path);
    for (int i = 0; i < 400; i++) {
        must_end_well(
            clone(execute, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, command));
        before = i == 10 ? pages() : before;
    }
    must(pages() - before < 100);
}

static const struct deed deeds[] = {
    {"healthy", healthy},
    {"wide", wide},
    {"apart", apart},
    {"read-beside", read_beside},
    {"read-beside-stdio", read_beside_stdio},
    {"read-beside-syscall", read_beside_syscall},
    {"read-in-child", read_in_child},
    {"fork-use", fork_use},
    {"unlink", unlink_it},
    {"die", die},
    {"errno", check_errno},
    {"close-everything", close_everything},
    {"many-threads", many_threads},
    {"fork-storm", fork_storm},
    {"small-files", small_files},
    {"chroot", in_chroot},
    {"handler", in_handler},
    {"signals", under_signals},
    {"nobody", as_nobody},
    {"beside-another-library", beside_another_library},
    {"vfork", vfork_with_environment},
    {0},
};

int main(int argc, char **argv)
{
    const struct deed *const tables[] = {deeds, storms, layers};
    for (size_t i = 0; argc == 3 && i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct deed *deed = tables[i]; deed->name; deed++) {
            if (strcmp(argv[1], deed->name) == 0) {
                deed->run(argv[2]);
                return 0;
            }
        }
    }
    return 2;
}
