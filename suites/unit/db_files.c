/* SPDX-License-Identifier: MIT */
/* The other files of a set: what a reset does to them. */
#include "suites/unit/db_stage.h"

#include "harness/base/str.h"
#include "harness/sys/tree.h"

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

struct shelf {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    char *root; /* the clone */
};

static struct shelf shelf_open(void)
{
    struct shelf shelf = {.place = place_create()};
    struct wg_err err = WG_ERR_INIT;
    place_write(&shelf.place, "a.sql", sample_wal_sql);
    char *cache = place_path(&shelf.place, "cache");
    char *sql = wg_format("db/app.db=%s/a.sql", shelf.place.root);
    char *sql_files[] = {sql, NULL};
    char script[] =
        "mkdir -p $0/docs/deep $0/empty && echo one > $0/docs/one.xml && "
        "echo two > $0/docs/deep/two.xml && chmod 640 $0/docs/deep/two.xml && "
        "ln -s one.xml $0/docs/link && mkdir -p $0/locked/deep && "
        "echo three > $0/locked/deep/three.xml && chmod 555 $0/locked $0/locked/deep && "
        "mkdir $0/zoo && echo four > $0/zoo/four.xml && chmod 555 $0/zoo";
    char *command[] = {"sh", "-c", script, "{data}", NULL};
    struct wg_template_spec spec = {
        .name = "shelf", .sql_files = sql_files, .command = command, .cache_dir = cache};
    cr_assert(eq(int, wg_template_get(&spec, &shelf.tmpl, &err), 0), "%s", err.message);
    shelf.set = clone_with(&shelf.place, shelf.tmpl, "auto");
    shelf.root = wg_strdup(wg_dbset_directory(shelf.set));
    free(cache);
    free(sql);
    return shelf;
}

static void shelf_close(struct shelf *shelf)
{
    wg_dbset_destroy(shelf->set);
    wg_template_destroy(shelf->tmpl);
    place_remove(&shelf->place);
    free(shelf->root);
}

static int run(const struct shelf *shelf, const char *script)
{
    char *whole = wg_format("cd '%s' && { %s; }", shelf->root, script);
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", whole, (char *)NULL);
        _exit(127);
    }
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    free(whole);
    return status;
}

/* Compares everything but the database families with the template. */
static void expect_template_files(const struct shelf *shelf)
{
    char *script = wg_format("diff -r --no-dereference -x app.db-wal -x app.db-shm . '%s' && "
                             "test $(stat -c %%a docs/deep/two.xml) = 640",
                             wg_template_path(shelf->tmpl));
    cr_assert(eq(int, run(shelf, script), 0), "the files are not the template's");
    free(script);
}

Test(db_files, every_kind_of_change_is_undone)
{
    static const struct {
        const char *label;
        const char *script;
        size_t removed;
        size_t restored;
    } cases[] = {
        {"nothing", "true", 0, 0},
        {"an extra file", "echo x > docs/extra", 1, 0},
        {"extra directories", "mkdir -p new/a/b && echo x > new/a/b/c && ln -s / new/root", 5, 0},
        {"a changed file", "echo changed > docs/one.xml", 0, 1},
        {"the same size", "printf 'uno\\n' > docs/one.xml", 0, 1},
        {"a replaced file", "cp docs/one.xml t && mv t docs/one.xml", 0, 1},
        {"a removed file", "rm docs/one.xml", 0, 1},
        {"another mode", "chmod 600 docs/deep/two.xml", 0, 1},
        {"a removed directory", "rm -r docs/deep", 0, 2},
        {"an empty directory removed", "rmdir empty", 0, 1},
        {"another mode of a directory", "chmod 700 empty", 0, 1},
        {"a file instead of a directory", "rmdir empty && : > empty", 1, 1},
        {"a directory instead of a file", "rm docs/one.xml && mkdir -p docs/one.xml/a", 2, 1},
        {"a link to elsewhere", "ln -sfn deep docs/link", 0, 1},
        {"a link instead of a directory", "mv empty moved && ln -s docs empty", 2, 1},
        {"a closed database", "sqlite3 docs/new.db 'CREATE TABLE t(a)'", 1, 0},
    };
    struct shelf shelf = shelf_open();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            cr_assert(eq(int, run(&shelf, cases[i].script), 0), "%s", cases[i].label);
            struct wg_reset_report report = reset_now(shelf.set);
            cr_expect(eq(sz, report.files_removed, cases[i].removed), "%s", cases[i].label);
            cr_expect(eq(sz, report.files_restored, cases[i].restored), "%s", cases[i].label);
            cr_expect(eq(sz, report.files_left, 0), "%s", cases[i].label);
            expect_template_files(&shelf);
        }
    }
    expect_sound(shelf.set);
    shelf_close(&shelf);
}

/* To move such a directory needs the right to write to it, which root has always. */
static void be_nobody(void)
{
    cr_assert(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0), "%s", strerror(errno));
}

static const char remove_locked[] = "chmod -R u+w locked && rm -r locked";

Test(db_files, a_removed_directory_that_forbids_writing_comes_back)
{
    be_nobody();
    struct shelf shelf = shelf_open();
    for (int round = 0; round < 2; round++) {
        cr_assert(eq(int, run(&shelf, remove_locked), 0));
        struct wg_reset_report report = reset_now(shelf.set);
        cr_expect(eq(sz, report.files_restored, 3));
        expect_template_files(&shelf);
        cr_expect(eq(int, run(&shelf, "test $(stat -c %a locked) = 555"), 0));
        cr_expect(eq(int, run(&shelf, "test $(stat -c %a locked/deep) = 555"), 0));
    }
    expect_sound(shelf.set);
    shelf_close(&shelf);
}

Test(db_files, a_directory_that_forbids_writing_goes_again_when_the_reset_fails)
{
    struct wg_err err = WG_ERR_INIT;
    be_nobody();
    struct shelf shelf = shelf_open();
    cr_assert(eq(int, run(&shelf, remove_locked), 0));
    cr_assert(eq(int, run(&shelf, "chmod u+w zoo && rm zoo/four.xml && chmod u-w zoo"), 0));
    cr_assert(eq(int, wg_dbset_reset(shelf.set, -1, NULL, &err), -1));
    cr_expect(strstr(err.message, "/zoo/four.xml: ") != NULL, "%s", err.message);
    cr_expect(strstr(err.message, "not as they were") == NULL, "%s", err.message);
    cr_expect(
        eq(int, run(&shelf, "test ! -e locked && test -z \"$(find . -name '.walgrind-*')\""), 0));
    shelf_close(&shelf);
}

Test(db_files, a_write_in_the_tick_of_the_restore_is_seen)
{
    struct shelf shelf = shelf_open();
    char *path = wg_format("%s/docs/one.xml", shelf.root);
    for (int i = 0; i < 50; i++) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        cr_assert(eq(long, write(fd, "uno\n", 4), 4));
        close(fd);
        struct wg_reset_report report = reset_now(shelf.set);
        cr_assert(eq(sz, report.files_restored, 1), "round %d", i);
    }
    free(path);
    shelf_close(&shelf);
}

Test(db_files, nothing_outside_the_set_is_touched_through_links)
{
    struct shelf shelf = shelf_open();
    place_write(&shelf.place, "precious/file", "keep me");
    cr_assert(eq(int, run(&shelf, "rm -r docs && ln -s ../precious docs"), 0));
    (void)reset_now(shelf.set);
    expect_template_files(&shelf);
    char *precious = place_path(&shelf.place, "precious/file");
    cr_expect(eq(int, access(precious, F_OK), 0));
    free(precious);
    shelf_close(&shelf);
}

Test(db_files, a_new_database_that_a_process_has_open_is_left_and_named)
{
    struct shelf shelf = shelf_open();
    cr_assert(eq(int,
                 run(&shelf, "sqlite3 docs/tenant.db 'PRAGMA journal_mode=WAL; "
                             "CREATE TABLE t(a)' > /dev/null"),
                 0));
    char *path = wg_format("%s/docs/tenant.db", shelf.root);
    struct worker worker = worker_start(path);
    worker_expect(&worker, "sql 0 INSERT INTO t VALUES (1)", "ok");
    struct wg_reset_report report = reset_now(shelf.set);
    cr_expect(eq(sz, report.files_left, 3), "database, -wal and -shm");
    cr_expect(eq(int, report.left_pid, worker_pid(&worker)));
    cr_expect(wg_str_starts(report.left_path, "docs/tenant.db"));
    worker_expect(&worker, "sql 1 SELECT count(*) FROM t", "ok 1");
    worker_stop(&worker);
    report = reset_now(shelf.set);
    cr_expect(eq(sz, report.files_left, 0));
    expect_template_files(&shelf);
    free(path);
    shelf_close(&shelf);
}

/* A database of somebody else's, closed; its path, and a copy to compare with. */
static char *make_other(struct stage *stage, char **ret_copy)
{
    struct wg_err err = WG_ERR_INIT;
    place_write(&stage->place, "outside/readme", "");
    char *path = place_path(&stage->place, "outside/other.db");
    *ret_copy = place_path(&stage->place, "other-before.db");
    cr_assert(eq(int, wg_file_copy(stage->original, path, NULL, &err), 0), "%s", err.message);
    struct worker owner = worker_start(path);
    worker_expect(&owner, "sql 0 DELETE FROM note", "ok");
    worker_stop(&owner);
    cr_assert(eq(int, wg_file_copy(path, *ret_copy, NULL, &err), 0), "%s", err.message);
    return path;
}

/* Whatever row it is, a link where the database was does not lead it to the other one. */
static void check_link(const struct wg_reset_strategy_info *info)
{
    static const char *const left[] = {"-wal", "-shm", "-journal", ".walgrind-new"};
    struct stage stage = stage_open(info->name, sample_wal_sql);
    struct wg_err err = WG_ERR_INIT;
    char *copy = NULL;
    char *other = make_other(&stage, &copy);
    char *moved = wg_format("%s.moved", stage.database);
    worker_stop(&stage.worker);
    cr_assert(eq(int, rename(stage.database, moved), 0));
    cr_assert(eq(int, symlink(other, stage.database), 0));
    int rc = wg_dbset_reset(stage.set, 0, NULL, &err);
    cr_expect(eq(int, rc, info->live ? 0 : -1), "%s: %s", info->name, err.message);
    cr_expect(info->live || strstr(err.message, "is a symbolic link") != NULL, "%s", err.message);
    expect_same_file(other, copy);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char *path = wg_format("%s%s", other, left[i]);
        cr_expect(eq(int, access(path, F_OK), -1), "%s left %s", info->name, path);
        free(path);
    }
    stage.worker = worker_start(other);
    stage_close(&stage);
    free(other);
    free(copy);
    free(moved);
}

Test(db_files, a_database_that_became_a_link_to_another_leaves_the_other_alone, .timeout = 60)
{
    for (size_t i = 0; i < wg_reset_strategy_count(); i++)
        check_link(wg_reset_strategy(i));
}
