/* SPDX-License-Identifier: MIT */
/* What verify.h and wg_dbset_keep promise: every check is made to complain once. */
#include "suites/unit/db_support.h"

#include "fixtures/db/wal_index.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    struct worker worker;
    char *database;
};

static struct bench bench_open(const char *strategy)
{
    struct bench bench = {.place = place_create()};
    bench.tmpl = template_from_sql(&bench.place, "app.db", sample_wal_sql);
    bench.set = clone_with(&bench.place, bench.tmpl, strategy);
    bench.database = wg_format("%s/app.db", wg_dbset_directory(bench.set));
    bench.worker = worker_start(bench.database);
    worker_expect(&bench.worker, "sql 0 INSERT INTO person(name) VALUES ('new')", "ok");
    expect_sound(bench.set);
    return bench;
}

static void bench_close(struct bench *bench)
{
    worker_stop(&bench->worker);
    wg_dbset_destroy(bench->set);
    wg_template_destroy(bench->tmpl);
    place_remove(&bench->place);
    free(bench->database);
}

/* Does it in another process, as a culprit would; locks of this one stay. */
static void in_a_child(const struct bench *bench, void (*act)(const char *database))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        act(bench->database);
        _exit(0);
    }
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    cr_assert(eq(int, status, 0));
}

/* Flips one byte of DATABASE+suffix. */
static void flip(const char *database, const char *suffix, off_t at)
{
    char path[PATH_MAX];
    unsigned char byte;
    (void)snprintf(path, sizeof path, "%s%s", database, suffix);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        _exit(1);
    byte ^= 1;
    if (pwrite(fd, &byte, 1, at) != 1)
        _exit(1);
    close(fd);
}

static void flip_base(const char *database)
{
    flip(database, "", 3 * 4096 + 4000);
}

static void flip_wal(const char *database)
{
    flip(database, "-wal", WG_WAL_HEADER_SIZE + WG_WAL_FRAME_HEADER_SIZE + 2000);
}

static void flip_wal_salt(const char *database)
{
    flip(database, "-wal", 16);
}

static void cut_wal(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s-wal", database);
    if (truncate(path, WG_WAL_HEADER_SIZE) != 0)
        _exit(1);
}

static void unlink_wal(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s-wal", database);
    if (unlink(path) != 0)
        _exit(1);
}

static void unlink_base(const char *database)
{
    if (unlink(database) != 0)
        _exit(1);
}

static void replace_base(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s.new", database);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || rename(path, database) != 0)
        _exit(1);
}

static void link_base(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s.second", database);
    if (link(database, path) != 0)
        _exit(1);
}

static void add_journal(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s-journal", database);
    if (open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
        _exit(1);
}

static void add_foreign_name(const char *database)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s-wal.bak", database);
    if (open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0)
        _exit(1);
}

static void append_base(const char *database)
{
    int fd = open(database, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (write(fd, "x", 1) != 1)
        _exit(1);
}

Test(db_verify, finds_what_was_done_to_the_files)
{
    static const struct {
        const char *label;
        void (*act)(const char *database);
        const char *finding;
    } cases[] = {
        {"a flipped byte in the database", flip_base,
         "differs from the template at byte 16288 (page 4)"},
        {"a longer database file", append_base, "bytes, the template"},
        {"a flipped byte in the -wal", flip_wal, "frame 1 of the -wal (page "},
        {"another salt in the -wal", flip_wal_salt, "header is wrong"},
        {"a truncated -wal", cut_wal, "shorter than its index says"},
        {"an unlinked -wal", unlink_wal, "app.db-wal is gone while it is in use"},
        {"an unlinked database", unlink_base, "app.db is gone while it is in use"},
        {"a database renamed over", replace_base, "is not the file that is open"},
        {"a hard link", link_base, "has a second name"},
        {"a journal in WAL mode", add_journal, "although the database is in WAL mode"},
        {"a foreign name", add_foreign_name, "app.db-wal.bak does not belong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench bench = bench_open("discard");
        in_a_child(&bench, cases[i].act);
        expect_finding(bench.set, cases[i].finding);
        worker_kill(&bench.worker);
        bench.worker = (struct worker){.to = -1};
        wg_dbset_destroy(bench.set);
        wg_template_destroy(bench.tmpl);
        place_remove(&bench.place);
        free(bench.database);
    }
}

Test(db_verify, finds_rows_that_refer_to_nothing)
{
    struct bench bench = bench_open("discard");
    worker_expect(&bench.worker, "sql 0 PRAGMA foreign_keys = OFF", "ok");
    worker_expect(&bench.worker, "sql 0 INSERT INTO note VALUES (900, 12345, 'lost')", "ok");
    expect_finding(bench.set, "foreign_key_check: row 900 of note");
    (void)reset_now(bench.set);
    expect_sound(bench.set);
    bench_close(&bench);
}

Test(db_verify, finds_an_index_that_disagrees_with_its_table)
{
    struct bench bench = bench_open("backup");
    worker_expect(&bench.worker, "sql 0 PRAGMA writable_schema = ON", "ok");
    worker_expect(&bench.worker,
                  "sql 0 UPDATE sqlite_schema SET sql = 'CREATE INDEX note_person ON note(text)' "
                  "WHERE name = 'note_person'",
                  "ok");
    expect_finding(bench.set, "integrity_check: ");
    bench_close(&bench);
}

Test(db_verify, finds_a_write_transaction_that_is_left_open)
{
    struct bench bench = bench_open("discard");
    worker_expect(&bench.worker, "sql 0 BEGIN IMMEDIATE", "ok");
    char *text = wg_format("process %d holds a write transaction open", worker_pid(&bench.worker));
    expect_finding(bench.set, text);
    free(text);
    bench_close(&bench);
}

/* The hazard that the descriptor rule is about, done on purpose. */
Test(db_verify, finds_that_this_process_has_dropped_its_own_lock)
{
    struct bench bench = bench_open("discard");
    char *shm = wg_format("%s-shm", bench.database);
    int fd = open(shm, O_RDONLY | O_CLOEXEC);
    close(fd);
    expect_finding(bench.set, "the checkpoint lock of app.db was lost");
    free(shm);
    bench_close(&bench);
}

Test(db_verify, finds_a_checkpoint_behind_the_lost_lock)
{
    struct bench bench = bench_open("discard");
    struct wg_err err = WG_ERR_INIT;
    char *shm = wg_format("%s-shm", bench.database);
    close(open(shm, O_RDONLY | O_CLOEXEC));
    worker_expect_start(&bench.worker, "sql 0 PRAGMA wal_checkpoint(PASSIVE)", "ok 0|");
    expect_finding(bench.set, "were checkpointed behind the lock");
    cr_assert(eq(int, wg_dbset_reset(bench.set, 100, NULL, &err), -1));
    cr_expect(strstr(err.message, "although its checkpoint lock is held") != NULL, "%s",
              err.message);
    free(shm);
    bench_close(&bench);
}

/* ---- keep ---- */

Test(db_keep, copies_what_a_live_database_holds_and_says_how_to_open_it)
{
    struct bench bench = bench_open("discard");
    struct wg_err err = WG_ERR_INIT;
    char *kept = place_path(&bench.place, "kept");
    char *copy = wg_format("%s/app.db", kept);
    char *readme = wg_format("%s/README.txt", kept);
    char *extra = wg_format("%s/stored.txt", wg_dbset_directory(bench.set));
    char *extra_copy = wg_format("%s/stored.txt", kept);
    cr_assert(eq(int, close(open(extra, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0));
    worker_expect(&bench.worker, "open 1 SELECT name FROM person", "ok person 1");
    cr_assert(eq(int, wg_dbset_keep(bench.set, kept, &err), 0), "%s", err.message);
    worker_expect(&bench.worker, "finish 1", "ok");
    char *have = dump_database(copy);
    char *want = dump_database(bench.database);
    cr_expect(eq(int, strcmp(have, want), 0));
    cr_expect(eq(int, access(extra_copy, F_OK), 0));
    char text[4096] = "";
    FILE *file = fopen(readme, "re");
    cr_assert(file != NULL);
    (void)fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    char *command = wg_format("sqlite3 '%s'\n", copy);
    cr_expect(strstr(text, command) != NULL, "%s", text);
    cr_expect(eq(int, wg_dbset_keep(bench.set, kept, NULL), -1), "an existing directory");
    free(command);
    free(have);
    free(want);
    free(kept);
    free(copy);
    free(readme);
    free(extra);
    free(extra_copy);
    bench_close(&bench);
}

static void ruin_header(const char *database)
{
    flip(database, "", 0);
    cut_wal(database);
}

Test(db_keep, copies_a_broken_database_file_by_file)
{
    struct bench bench = bench_open("discard");
    struct wg_err err = WG_ERR_INIT;
    char *kept = place_path(&bench.place, "kept");
    char *copy = wg_format("%s/app.db", kept);
    in_a_child(&bench, ruin_header);
    cr_assert(eq(int, wg_dbset_keep(bench.set, kept, &err), 0), "%s", err.message);
    expect_same_file(copy, bench.database);
    free(kept);
    free(copy);
    worker_kill(&bench.worker);
    wg_dbset_destroy(bench.set);
    wg_template_destroy(bench.tmpl);
    place_remove(&bench.place);
    free(bench.database);
}
