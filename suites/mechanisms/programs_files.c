/* SPDX-License-Identifier: MIT */
/* programs_files.c - what is done wrong to the files of a database, in C. */
#include "suites/mechanisms/programs.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- locks that a close() drops --- */

static void reads_beside(void)
{
    char start[16];
    sqlite3 *connection = connect_to(DB, "wal");
    accuse(getpid());
    int fd = open(DB, O_RDONLY | O_CLOEXEC);
    must(read(fd, start, sizeof start) == sizeof start);
    close(fd);
    use(connection);
}

static void reads_before(void)
{
    char start[16];
    sqlite3_close(connect_to(DB, "wal"));
    int fd = open(DB, O_RDONLY | O_CLOEXEC);
    must(read(fd, start, sizeof start) == sizeof start);
    close(fd);
    use(connect_to(DB, "wal"));
}

static void reads_beside_by_stdio(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    say(connection, "BEGIN IMMEDIATE");
    accuse(getpid());
    FILE *file = fopen(DB, "rbe");
    must(file && fgetc(file) == 'S');
    fclose(file);
    say(connection, "COMMIT");
}

static void keeps_its_stream_open(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    say(connection, "BEGIN IMMEDIATE");
    FILE *file = fopen(DB, "rbe");
    must(file && fgetc(file) == 'S');
    say(connection, "COMMIT");
    sqlite3_close(connection);
    fclose(file);
}

static void reads_shm_beside(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    accuse(getpid());
    int fd = open(DB "-shm", O_RDONLY | O_CLOEXEC);
    must(fd >= 0);
    close(fd);
    use(connection);
}

static void reads_shm_elsewhere(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("read", DB "-shm");
    use(connection);
}

/* --- names that vanish --- */

static void deletes_open(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("unlink", DB);
    use(connection);
}

static void deletes_closed(void)
{
    sqlite3_close(connect_to(DB, "wal"));
    other_process("unlink", DB);
    use(connect_to(DB, "wal"));
}

static void renames_over_open(void)
{
    sqlite3_close(connect_to("new.db", "delete"));
    sqlite3 *connection = connect_to(DB, "delete");
    other_process("rename-over", DB);
    use(connection);
}

static void renames_over_closed(void)
{
    sqlite3_close(connect_to("new.db", "delete"));
    sqlite3_close(connect_to(DB, "delete"));
    other_process("rename-over", DB);
    use(connect_to(DB, "delete"));
}

static void deletes_between_uses(void)
{
    struct helper runner = begin_other("unlink", DB);
    sqlite3_close(connect_to(DB, "delete"));
    let_other(runner);
    sqlite3_close(connect_to(DB, "delete"));
}

static void deletes_after_uses(void)
{
    struct helper runner = begin_other("unlink", DB);
    sqlite3_close(connect_to(DB, "delete"));
    let_other(runner);
}

static void deletes_wal(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("unlink", DB "-wal");
    use(connection);
}

static void closes_last(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("query", DB);
    use(connection);
    sqlite3_close(connection);
}

static void loses_locks_and_wal(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    copy_file(DB, "copy.db");
    other_process("query", DB);
    use(connection);
}

static void copies_elsewhere_and_closes(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("read", DB);
    other_process("query", DB);
    use(connection);
}

static void deletes_shm(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("unlink", DB "-shm");
    use(connection);
}

static void deletes_shm_of_closed(void)
{
    sqlite3_close(connect_to(DB, "wal"));
    close(open(DB "-shm", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    other_process("unlink", DB "-shm");
    use(connect_to(DB, "wal"));
}

static sqlite3 *half_a_transaction(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    say(connection,
        "PRAGMA cache_size=1; BEGIN IMMEDIATE; INSERT INTO t VALUES(3, zeroblob(200000))");
    return connection;
}

static void deletes_journal(void)
{
    sqlite3 *connection = half_a_transaction();
    other_process("unlink", DB "-journal");
    say(connection, "COMMIT");
}

static void rolls_back(void)
{
    sqlite3 *connection = half_a_transaction();
    say(connection, "ROLLBACK");
    use(connection);
}

/* --- content that changes --- */

static void copies_over_open(void)
{
    sqlite3_close(connect_to("template.db", "wal"));
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("copy-over", DB);
    use(connection);
}

static void restores_by_backup(void)
{
    sqlite3 *template = connect_to("template.db", "wal");
    sqlite3 *connection = connect_to(DB, "wal");
    sqlite3_backup *backup = sqlite3_backup_init(connection, "main", template, "main");
    must(backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE);
    sqlite3_backup_finish(backup);
    sqlite3_close(template);
    use(connection);
}

static void patches_open(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    other_process("patch", DB);
    use(connection);
}

static void patches_closed(void)
{
    sqlite3_close(connect_to(DB, "delete"));
    other_process("patch", DB);
    use(connect_to(DB, "delete"));
}

static void cuts_database(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    say(connection, "INSERT INTO t VALUES(3, zeroblob(20000))");
    other_process("cut", DB);
    use(connection);
}

static void vacuums(void)
{
    sqlite3 *connection = connect_to(DB, "delete");
    say(connection, "INSERT INTO t VALUES(3, zeroblob(20000)); DELETE FROM t; VACUUM");
    use(connection);
}

static void cuts_wal(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("truncate", DB "-wal");
    use(connection);
}

static void checkpoints(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    say(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    use(connection);
}

/* The next access to the mapping ends the process with SIGBUS, so the database is only open here.
 */
static void cuts_shm(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("truncate", DB "-shm");
    sqlite3_interrupt(connection);
}

static void only_has_shm(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    other_process("read", DB "-shm");
    sqlite3_interrupt(connection);
}

/* --- connections and descriptors in the wrong hands --- */

static void uses_after_fork(void)
{
    int status;
    sqlite3 *connection = connect_to(DB, "wal");
    pid_t child = fork();
    if (child == 0) {
        accuse(getpid());
        use(connection);
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child);
}

/* A connection to the same database that SQLite builds on what the child inherited. */
static void opens_beside_inherited(void)
{
    int status;
    connect_to(DB, "wal");
    pid_t child = fork();
    if (child == 0) {
        accuse(getpid());
        use(connect_to(DB, "wal"));
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child);
}

static void opens_after_fork(void)
{
    int status;
    sqlite3_close(connect_to(DB, "wal"));
    pid_t child = fork();
    sqlite3 *connection = connect_to(DB, "wal");
    use(connection);
    if (child == 0)
        _exit(0);
    must(waitpid(child, &status, 0) == child);
    use(connection);
}

/* Another database than the one that was open at the fork. */
static void opens_another_after_fork(void)
{
    int status;
    sqlite3 *connection = connect_to(DB, "wal");
    pid_t child = fork();
    if (child == 0) {
        use(connect_to("second.db", "wal"));
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child);
    use(connection);
}

static int a_log(void)
{
    int fd = open("log.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(fd >= 0);
    return fd;
}

static void writes_stale_descriptor(void)
{
    int stale = a_log();
    close(stale);
    sqlite3 *connection = connect_to(DB, "delete");
    accuse(getpid());
    must(write(stale, "a line of a log\n", 16) == 16);
    sqlite3_close(connection);
}

static void writes_own_descriptor(void)
{
    int own = a_log();
    sqlite3 *connection = connect_to(DB, "delete");
    must(write(own, "a line of a log\n", 16) == 16);
    close(own);
    sqlite3_close(connection);
}

static void opens_two_names(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    must(link(DB, "second.db") == 0);
    accuse(getpid());
    use(connect_to("second.db", "wal"));
    use(connection);
}

static void opens_by_symbolic_link(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    must(symlink(DB, "second.db") == 0);
    use(connect_to("second.db", "wal"));
    use(connection);
}

/* The library with a SQLite of its own (bundled.c) opens the database. */
static void reads_with_bundled_sqlite(void)
{
    int (*bundled_read)(const char *) = NULL;
    sqlite3 *connection = connect_to(DB, "wal");
    void *handle = dlopen(WG_BUNDLED_SQLITE, RTLD_NOW | RTLD_LOCAL);
    must(handle != NULL);
    *(void **)&bundled_read = dlsym(handle, "bundled_read");
    must(bundled_read != NULL);
    accuse(getpid());
    must(bundled_read(DB) == SQLITE_OK);
    use(connection);
}

static void reads_with_the_same_sqlite(void)
{
    sqlite3 *connection = connect_to(DB, "wal"), *other = NULL;
    const void *handle = dlopen(WG_BUNDLED_SQLITE, RTLD_NOW | RTLD_LOCAL);
    must(handle && sqlite3_open(DB, &other) == SQLITE_OK);
    say(other, "SELECT * FROM t");
    use(connection);
}

const struct mechanism file_mechanisms[] = {
    MECHANISM("close-drops-locks", reads_beside, reads_before, "close"),
    MECHANISM("close-drops-locks", reads_beside_by_stdio, keeps_its_stream_open, "fclose"),
    MECHANISM("close-drops-locks", reads_shm_beside, reads_shm_elsewhere, "close"),
    MECHANISM("unlink-open", deletes_open, deletes_closed, "unlink"),
    MECHANISM("unlink-open", renames_over_open, renames_over_closed, "rename"),
    MECHANISM("deleted-in-service", deletes_between_uses, deletes_after_uses, "unlink"),
    MECHANISM("wal-unlink", deletes_wal, closes_last, "unlink"),
    MECHANISM("wal-unlink-by-sqlite", loses_locks_and_wal, copies_elsewhere_and_closes, "unlink"),
    MECHANISM("shm-unlink", deletes_shm, deletes_shm_of_closed, "unlink"),
    MECHANISM("hot-journal-deleted", deletes_journal, rolls_back, "unlink"),
    MECHANISM("copy-over", copies_over_open, restores_by_backup, "open"),
    MECHANISM("copy-over", patches_open, patches_closed, "pwrite"),
    MECHANISM("truncate-db", cuts_database, vacuums, "ftruncate"),
    MECHANISM("wal-truncate", cuts_wal, checkpoints, "truncate"),
    MECHANISM("shm-truncate", cuts_shm, only_has_shm, "truncate"),
    MECHANISM("fork-use", uses_after_fork, opens_after_fork, "fcntl"),
    MECHANISM("fork-use", opens_beside_inherited, opens_another_after_fork, "fcntl"),
    MECHANISM("fd-reuse", writes_stale_descriptor, writes_own_descriptor, "write"),
    MECHANISM("hard-link", opens_two_names, opens_by_symbolic_link, "open"),
    MECHANISM("two-copies", reads_with_bundled_sqlite, reads_with_the_same_sqlite, "open"),
    {0},
};
