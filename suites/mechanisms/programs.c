/* SPDX-License-Identifier: MIT */
/*
 * programs.c - runs one of the C programs of suites/mechanisms in the current directory.
 *
 *     mechanism-programs NAME         the program of that name
 *     mechanism-programs --list       ID BAD CONTROL CALL, a line for each row
 *     mechanism-programs --deed DEED PATH
 *                                     what other_process() starts: says that it is there, waits
 *                                     for the end of its standard input, then does the deed
 */
#include "suites/mechanisms/programs.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mechanism *const tables[] = {file_mechanisms, limit_mechanisms, sql_mechanisms};

void say(sqlite3 *connection, const char *sql)
{
    sqlite3_exec(connection, sql, NULL, NULL, NULL);
}

sqlite3 *connect_to(const char *path, const char *journal)
{
    sqlite3 *connection = NULL;
    must(sqlite3_open(path, &connection) == SQLITE_OK);
    sqlite3_busy_timeout(connection, 5000);
    char *mode = sqlite3_mprintf("PRAGMA journal_mode=%s", journal);
    say(connection, mode);
    sqlite3_free(mode);
    say(connection, "CREATE TABLE IF NOT EXISTS t(a, b); INSERT INTO t VALUES(1, 'x')");
    return connection;
}

void use(sqlite3 *connection)
{
    say(connection, "INSERT INTO t VALUES(2, 'y')");
}

void accuse(int pid)
{
    FILE *file = fopen("culprit", "we");
    must(file && fprintf(file, "%d", pid) > 0 && fclose(file) == 0);
}

void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    ssize_t size;
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    must(source >= 0 && target >= 0);
    while ((size = read(source, bytes, sizeof bytes)) > 0)
        must(write(target, bytes, (size_t)size) == size);
    close(source);
    close(target);
}

/* --- deeds of other processes --------------------------------------------------------------- */

static void unlink_it(const char *path)
{
    must(unlink(path) == 0);
}

static void rename_over(const char *path)
{
    must(rename("new.db", path) == 0);
}

static void read_start(const char *path)
{
    char start[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && read(fd, start, sizeof start) == sizeof start);
    close(fd);
}

static void query(const char *path)
{
    sqlite3 *connection;
    must(sqlite3_open(path, &connection) == SQLITE_OK);
    say(connection, "SELECT * FROM t");
    sqlite3_close(connection);
}

static void copy_over(const char *path)
{
    copy_file("template.db", path);
}

static void patch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0 && pwrite(fd, "patched", 7, 4000) == 7);
    close(fd);
}

static void cut_by_name(const char *path)
{
    must(truncate(path, 0) == 0);
}

static void cut_by_descriptor(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, 4096) == 0);
    close(fd);
}

static const struct {
    const char *name;
    void (*run)(const char *path);
} deeds[] = {
    {"unlink", unlink_it},     {"rename-over", rename_over}, {"read", read_start},
    {"query", query},          {"copy-over", copy_over},     {"patch", patch},
    {"truncate", cut_by_name}, {"cut", cut_by_descriptor},
};

static int do_deed(const char *name, const char *path)
{
    char end;
    must(write(STDOUT_FILENO, "", 1) == 1); /* it is there */
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (strcmp(deeds[i].name, name) == 0) {
            deeds[i].run(path);
            return 0;
        }
    }
    return 2;
}

struct helper begin_other(const char *deed, const char *path)
{
    char there;
    int ends[2], ready[2];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    char *arguments[] = {(char *)"mechanism-programs", (char *)"--deed", (char *)deed, (char *)path,
                         NULL};
    must(pipe2(ends, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0 &&
         posix_spawn_file_actions_init(&actions) == 0 &&
         posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO) == 0 &&
         posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO) == 0 &&
         posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    close(ready[1]);
    must(read(ready[0], &there, 1) == 1);
    close(ready[0]);
    return (struct helper){pid, ends[1]};
}

void let_other(struct helper helper)
{
    int status;
    accuse(helper.pid);
    close(helper.fd);
    must(waitpid(helper.pid, &status, 0) == helper.pid && status == 0);
}

void other_process(const char *deed, const char *path)
{
    let_other(begin_other(deed, path));
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--deed") == 0)
        return do_deed(argv[2], argv[3]);
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
    for (size_t i = 0; argc == 2 && i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct mechanism *row = tables[i]; row->id; row++) {
            if (list)
                printf("%s %s %s %s\n", row->id, row->bad_name, row->control_name, row->call);
            bool bad = strcmp(argv[1], row->bad_name) == 0;
            if (bad || strcmp(argv[1], row->control_name) == 0) {
                (bad ? row->bad : row->control)();
                return 0;
            }
        }
    }
    return list ? 0 : 2;
}
