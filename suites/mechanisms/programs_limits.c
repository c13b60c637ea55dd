/* SPDX-License-Identifier: MIT */
/* programs_limits.c - what the system refuses a program with a database, in C. */
#include "suites/mechanisms/programs.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void limit(int resource, rlim_t most)
{
    struct rlimit have;
    must(getrlimit((__rlimit_resource_t)resource, &have) == 0);
    have.rlim_cur = most;
    must(setrlimit((__rlimit_resource_t)resource, &have) == 0);
}

static void runs_out_of_descriptors(void)
{
    sqlite3_close(connect_to(DB, "wal"));
    accuse(getpid());
    limit(RLIMIT_NOFILE, 16);
    for (int i = 0; i < 16; i++) {
        sqlite3 *connection = NULL;
        if (sqlite3_open(DB, &connection) == SQLITE_OK)
            use(connection);
    }
}

static void closes_its_connections(void)
{
    limit(RLIMIT_NOFILE, 16);
    for (int i = 0; i < 32; i++)
        sqlite3_close(connect_to(DB, "wal"));
}

/* A server with a database open, and clients that connect and stay. */
static void serve(int clients, rlim_t most)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    sqlite3 *connection = connect_to(DB, "wal");
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 64) == 0);
    for (int i = 0; i < clients; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    }
    limit(RLIMIT_NOFILE, most);
    for (int i = 0; i < clients; i++)
        /* cppcheck-suppress nullPointer */
        if (accept4(server, NULL, NULL, SOCK_CLOEXEC) < 0)
            break;
    use(connection);
}

static void refuses_connections(void)
{
    accuse(getpid());
    serve(20, 36);
}

static void takes_connections(void)
{
    serve(20, 100);
}

static void passes_file_size(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    accuse(getpid());
    must(sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == 0);
    limit(RLIMIT_FSIZE, 100000);
    say(connection, "INSERT INTO t VALUES(3, zeroblob(400000))");
}

static void stays_below_file_size(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    limit(RLIMIT_FSIZE, 100000000);
    say(connection, "INSERT INTO t VALUES(3, zeroblob(400000))");
}

static void leaves_no_address_space(void)
{
    sqlite3_close(connect_to(DB, "wal"));
    sqlite3 *connection = NULL;
    must(sqlite3_open(DB, &connection) == SQLITE_OK);
    accuse(getpid());
    limit(RLIMIT_AS, 1 << 20);
    use(connection);
}

static void leaves_address_space(void)
{
    sqlite3_close(connect_to(DB, "wal"));
    limit(RLIMIT_AS, (rlim_t)1 << 34);
    use(connect_to(DB, "wal"));
}

/* The file stays writable, the directory gets `mode`; root may write everywhere, so not as root. */
static void write_as_nobody(mode_t mode)
{
    char *path = realpath(DB, NULL);
    must(path && chmod(".", mode) == 0 && chmod(DB, 0666) == 0);
    if (geteuid() == 0)
        must(setuid(65534) == 0);
    sqlite3 *connection = NULL;
    must(sqlite3_open(path, &connection) == SQLITE_OK);
    use(connection);
    sqlite3_close(connection);
    free(path);
}

static void writes_in_closed_directory(void)
{
    sqlite3_close(connect_to(DB, "delete"));
    accuse(getpid());
    write_as_nobody(0555);
}

static void writes_in_open_directory(void)
{
    sqlite3_close(connect_to(DB, "delete"));
    write_as_nobody(0777);
}

/* Writes 1 MiB in a tmpfs of `size`, in a mount namespace of its own. */
static void fill(const char *size)
{
    must(mkdir("small", 0755) == 0);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "small", "tmpfs", 0, size) != 0)
        _exit(CANNOT);
    sqlite3 *connection = connect_to("small/" DB, "delete");
    accuse(getpid());
    say(connection, "INSERT INTO t VALUES(3, zeroblob(1000000))");
}

static void fills_disk(void)
{
    fill("size=256k");
}

static void fits_on_disk(void)
{
    fill("size=64m");
}

const struct mechanism limit_mechanisms[] = {
    MECHANISM("nofile", runs_out_of_descriptors, closes_its_connections, "open"),
    MECHANISM("nofile", refuses_connections, takes_connections, "accept4"),
    MECHANISM("fsize-limit", passes_file_size, stays_below_file_size, "pwrite"),
    MECHANISM("as-limit", leaves_no_address_space, leaves_address_space, "mmap"),
    MECHANISM("dir-readonly", writes_in_closed_directory, writes_in_open_directory, "open"),
    MECHANISM("disk-full", fills_disk, fits_on_disk, "pwrite"),
    {0},
};
