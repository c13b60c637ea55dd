/* SPDX-License-Identifier: MIT */
/*
 * outside.c - mechanisms in a statically linked program, into which the probe cannot get: does one
 * thing (argv[1]) in the current directory. What shall be found writes its pid to the file culprit.
 *
 * Linked statically with SQLite; with WG_PLAIN without it, as rm, cp and the like are.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#ifndef WG_PLAIN
#include <sqlite3.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DB "app.db"

static void must(bool truth)
{
    if (!truth)
        _exit(9);
}

static void culprit(void)
{
    FILE *file = fopen("culprit", "we");
    must(file != NULL && fprintf(file, "%d", (int)getpid()) > 0 && fclose(file) == 0);
}

/* --- what needs no SQLite ------------------------------------------------------------------- */

static void unlinks_database(void)
{
    culprit();
    must(unlink(DB) == 0);
}

static void unlinks_wal(void)
{
    culprit();
    must(unlinkat(AT_FDCWD, DB "-wal", 0) == 0);
}

static void truncates(void)
{
    culprit();
    must(truncate(DB, 4096) == 0);
}

static void renames_over(void)
{
    culprit();
    must(rename("new.db", DB) == 0);
}

static void copies_over(void)
{
    culprit();
    int from = open("template.db", O_RDONLY | O_CLOEXEC);
    int to = open(DB, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(from >= 0 && to >= 0 && sendfile(to, from, NULL, 1 << 20) > 0);
    must(close(from) == 0 && close(to) == 0);
}

static void reads(void)
{
    char bytes[16];
    int fd = open(DB, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && read(fd, bytes, sizeof bytes) == sizeof bytes && close(fd) == 0);
}

static void works_on_other_files(void)
{
    for (int i = 0; i < 50; i++) {
        int fd = open("log.txt", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        must(fd >= 0 && write(fd, "a line\n", 7) == 7 && close(fd) == 0);
        must(rename("log.txt", "log.1") == 0 && truncate("log.1", 3) == 0 && unlink("log.1") == 0);
    }
}

/* --- what a tracer must not disturb --------------------------------------------------------- */

static volatile sig_atomic_t signals_seen;

static void count(int number)
{
    (void)number;
    signals_seen = signals_seen + 1;
}

static void takes_signals(void)
{
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = count, .sa_flags = SA_RESTART}, NULL);
    for (int i = 0; i < 200; i++) {
        must(kill(getpid(), SIGUSR1) == 0);
        works_on_other_files();
        i += 20;
    }
    must(signals_seen == 10);
}

/* Stopped by a signal, seen as stopped by its parent, and let go on. */
static void stops_and_goes_on(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        reads();
        _exit(7);
    }
    must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
         WSTOPSIG(status) == SIGSTOP);
    must(kill(pid, SIGCONT) == 0);
    must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void *executes(void *self)
{
    execl(self, self, "reads", (char *)NULL);
    return NULL;
}

static void *waits(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void execs_in_a_thread(void)
{
    pthread_t thread;
    char self[4096] = {0}; /* this function does not return */
    must(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    must(pthread_create(&thread, NULL, waits, NULL) == 0);
    must(pthread_create(&thread, NULL, executes, self) == 0);
    for (;;)
        pause();
}

/* posix_spawn() of glibc is a vfork with a stack of its own. */
static void vforks(void)
{
    int status;
    char self[4096] = {0};
    must(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        char deed[] = "reads";
        char *command[] = {self, deed, NULL};
        must(posix_spawn(&pid, self, NULL, NULL, command, environ) == 0);
        must(waitpid(pid, &status, 0) == pid && status == 0);
    }
}

static void *opens_and_closes(void *unused)
{
    for (int i = 0; i < 20; i++)
        reads();
    return unused;
}

static void runs_threads(void)
{
    pthread_t threads[100];
    for (int i = 0; i < 100; i++)
        must(pthread_create(&threads[i], NULL, opens_and_closes, NULL) == 0);
    for (int i = 0; i < 100; i++)
        must(pthread_join(threads[i], NULL) == 0);
}

static void forks_a_lot(void)
{
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            reads();
            _exit(0);
        }
        must(waitpid(pid, NULL, 0) == pid);
    }
}

/* A child of a child that lives on when this program ends, and waits for the file `go`. */
static void leaves_a_daemon(void)
{
    if (fork() != 0)
        return;
    setsid();
    if (fork() != 0)
        _exit(0);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    while (access("go", F_OK) != 0)
        poll(NULL, 0, 10);
    reads();
    must(rename("culprit.new", "done") == 0);
    _exit(0);
}

static void waits_for_go(void)
{
    culprit();
    while (access("go", F_OK) != 0)
        poll(NULL, 0, 10);
    reads();
    must(rename("culprit", "done") == 0);
}

static void is_killed(void)
{
    reads();
    kill(getpid(), SIGKILL);
}

static void debugs(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        long rc = ptrace(PTRACE_TRACEME, 0, 0, 0);
        _exit(rc == 0 ? 0 : errno == EPERM ? 1 : 2);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 2);
}

static void uses_io_uring(void)
{
    syscall(SYS_io_uring_setup, 0, NULL);
}

/* --- what is hard to see -------------------------------------------------------------------- */

/* Returns when the first thread of the process has ended. */
static void wait_for_the_first(void)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    for (;;) {
        FILE *file = fopen(path, "re");
        must(file != NULL && fgets(line, sizeof line, file) != NULL && fclose(file) == 0);
        if (strstr(line, ") Z "))
            return;
        poll(NULL, 0, 1);
    }
}

static void leave_to(void *(*run)(void *))
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, NULL) == 0);
    pthread_exit(NULL);
}

static void *unlinks_alone(void *unused)
{
    (void)unused;
    wait_for_the_first();
    unlinks_database();
    _exit(0);
}

static void unlinks_in_a_thread(void)
{
    leave_to(unlinks_alone);
}

/* Whether exec closes a descriptor is decided after it was opened: the first is, the second stays.
 */
static void decides_late_what_exec_closes(void)
{
    char self[4096] = {0}, number[16];
    must(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    int closed = (int)syscall(SYS_openat, AT_FDCWD, DB, O_RDONLY);
    int kept = open(DB, O_RDWR | O_CLOEXEC);
    must(fcntl(closed, F_SETFD, FD_CLOEXEC) == 0 && fcntl(kept, F_SETFD, 0) == 0);
    snprintf(number, sizeof number, "%d", kept);
    execl(self, self, "truncates_inherited", number, (char *)NULL);
}

static void truncates_inherited(char **arguments)
{
    must(ftruncate(arguments[0][0] - '0', 4096) == 0);
}

/* Nobody but root may look at it from now on. */
static void hides(void)
{
    must(prctl(PR_SET_DUMPABLE, 0) == 0);
    unlinks_database();
}

/* Starts a program that will not load the probe, though a variable has its name. */
static void starts_bare(char **command)
{
    char note[] = "NOTE=libwalgrind-probe.so";
    char *variables[] = {note, NULL};
    execve(command[0], command, variables);
    _exit(127);
}

/* dup2() closes nothing when there is nothing to copy. */
static void copies_no_descriptor(void)
{
    int fd = open(DB, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && dup2(999, fd) == -1 && dup3(fd, fd, O_CLOEXEC) == -1);
    must(close(fd) == 0);
}

/* --- what needs SQLite ---------------------------------------------------------------------- */

#ifndef WG_PLAIN
static sqlite3 *connect_in(const char *journal)
{
    sqlite3 *connection;
    char *sql = sqlite3_mprintf("PRAGMA journal_mode=%s; CREATE TABLE IF NOT EXISTS t(a);"
                                "INSERT INTO t VALUES(1)",
                                journal);
    must(sqlite3_open(DB, &connection) == SQLITE_OK);
    sqlite3_busy_timeout(connection, 5000);
    must(sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_free(sql);
    return connection;
}

/* What it answers on a broken database does not matter. */
static void insert(sqlite3 *connection)
{
    sqlite3_exec(connection, "INSERT INTO t VALUES(2)", NULL, NULL, NULL);
}

static void reads_beside(const char *journal)
{
    sqlite3 *connection = connect_in(journal);
    must(sqlite3_exec(connection, "BEGIN; SELECT * FROM t", NULL, NULL, NULL) == SQLITE_OK);
    culprit();
    reads();
    sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    insert(connection);
    sqlite3_close(connection);
}

static void reads_in_wal_mode(void)
{
    reads_beside("wal");
}

static void reads_in_delete_mode(void)
{
    reads_beside("delete");
}

static void healthy(const char *journal)
{
    for (int i = 0; i < 3; i++) {
        sqlite3 *connection = connect_in(journal);
        insert(connection);
        must(sqlite3_exec(connection, "DELETE FROM t; VACUUM; SELECT * FROM t", NULL, NULL, NULL) ==
             SQLITE_OK);
        works_on_other_files();
        must(sqlite3_close(connection) == SQLITE_OK);
        reads();
    }
}

static void works_in_wal_mode(void)
{
    healthy("wal");
}

static void *works_alone(void *unused)
{
    (void)unused;
    wait_for_the_first();
    works_in_wal_mode();
    _exit(0);
}

static void works_in_a_thread(void)
{
    leave_to(works_alone);
}

static void works_in_delete_mode(void)
{
    healthy("delete");
}

static void works_in_truncate_mode(void)
{
    healthy("truncate");
}

/* Holds the database while the rest of the arguments runs, then uses it. */
static void serves(char **command)
{
    int status;
    sqlite3 *connection = connect_in("wal");
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    must(waitpid(pid, &status, 0) == pid && status == 0);
    insert(connection);
    sqlite3_close(connection);
}

static void uses_after_fork(void)
{
    sqlite3 *connection = connect_in("wal");
    pid_t pid = fork();
    if (pid == 0) {
        culprit();
        insert(connection);
        _exit(0);
    }
    must(waitpid(pid, NULL, 0) == pid);
}

/* For measurements: commits, and opens and closes. */
static void commits(const char *journal, int times)
{
    sqlite3 *connection = connect_in(journal);
    sqlite3_exec(connection, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
    for (int i = 0; i < times; i++)
        insert(connection);
    sqlite3_close(connection);
}

static void commits_in_wal_mode(void)
{
    commits("wal", 20000);
}

static void commits_in_delete_mode(void)
{
    commits("delete", 5000);
}

static void answers_requests(void)
{
    for (int i = 0; i < 300; i++) {
        sqlite3 *connection = connect_in("wal");
        for (int j = 0; j < 20; j++)
            must(sqlite3_exec(connection, "SELECT count(*), sum(a) FROM t", NULL, NULL, NULL) ==
                 SQLITE_OK);
        sqlite3_close(connection);
    }
}
#endif

static const struct {
    const char *name;
    void (*run)(void);
    void (*run_with)(char **command);
} deeds[] = {
    {"unlinks_database", unlinks_database, NULL},
    {"unlinks_wal", unlinks_wal, NULL},
    {"truncates", truncates, NULL},
    {"renames_over", renames_over, NULL},
    {"copies_over", copies_over, NULL},
    {"reads", reads, NULL},
    {"works_on_other_files", works_on_other_files, NULL},
    {"takes_signals", takes_signals, NULL},
    {"stops_and_goes_on", stops_and_goes_on, NULL},
    {"execs_in_a_thread", execs_in_a_thread, NULL},
    {"vforks", vforks, NULL},
    {"runs_threads", runs_threads, NULL},
    {"forks_a_lot", forks_a_lot, NULL},
    {"leaves_a_daemon", leaves_a_daemon, NULL},
    {"waits_for_go", waits_for_go, NULL},
    {"is_killed", is_killed, NULL},
    {"debugs", debugs, NULL},
    {"uses_io_uring", uses_io_uring, NULL},
    {"unlinks_in_a_thread", unlinks_in_a_thread, NULL},
    {"decides_late_what_exec_closes", decides_late_what_exec_closes, NULL},
    {"truncates_inherited", NULL, truncates_inherited},
    {"hides", hides, NULL},
    {"starts_bare", NULL, starts_bare},
    {"copies_no_descriptor", copies_no_descriptor, NULL},
#ifndef WG_PLAIN
    {"reads_in_wal_mode", reads_in_wal_mode, NULL},
    {"reads_in_delete_mode", reads_in_delete_mode, NULL},
    {"works_in_wal_mode", works_in_wal_mode, NULL},
    {"works_in_a_thread", works_in_a_thread, NULL},
    {"works_in_delete_mode", works_in_delete_mode, NULL},
    {"works_in_truncate_mode", works_in_truncate_mode, NULL},
    {"serves", NULL, serves},
    {"uses_after_fork", uses_after_fork, NULL},
    {"commits_in_wal_mode", commits_in_wal_mode, NULL},
    {"commits_in_delete_mode", commits_in_delete_mode, NULL},
    {"answers_requests", answers_requests, NULL},
#endif
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(argv[1], deeds[i].name) != 0)
            continue;
        if (deeds[i].run)
            deeds[i].run();
        else if (argc > 2)
            deeds[i].run_with(argv + 2);
        return 0;
    }
    return 2;
}
