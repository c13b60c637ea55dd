/* SPDX-License-Identifier: MIT */
/* What template.h promises. */
#include "suites/unit/db_support.h"

#include "harness/base/json.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place and a spec over it that a test may change. */
struct shop {
    struct place place;
    char *cache;
    char *sql;
    char *sql_files[2];
    char *command[8];
    char *inputs[2];
    struct wg_template_spec spec;
};

static void shop_open(struct shop *shop)
{
    *shop = (struct shop){.place = place_create()};
    place_write(&shop->place, "a.sql", sample_wal_sql);
    shop->cache = place_path(&shop->place, "cache");
    shop->sql = wg_format("data/app.db=%s/a.sql", shop->place.root);
    shop->sql_files[0] = shop->sql;
    shop->spec = (struct wg_template_spec){
        .name = "shop", .sql_files = shop->sql_files, .cache_dir = shop->cache};
}

static void shop_close(struct shop *shop)
{
    place_remove(&shop->place);
    free(shop->cache);
    free(shop->sql);
}

static struct wg_template *get(const struct shop *shop)
{
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_template_get(&shop->spec, &tmpl, &err), 0), "%s", err.message);
    return tmpl;
}

/* Gets it, says whether it was built, and lets go. */
static bool get_builds(const struct shop *shop)
{
    struct wg_template *tmpl = get(shop);
    bool built = wg_template_was_built(tmpl);
    wg_template_destroy(tmpl);
    return built;
}

static void expect_refused(const struct shop *shop, enum wg_err_kind kind, const char *text)
{
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_template_get(&shop->spec, &tmpl, &err), -1));
    cr_expect(eq(int, err.kind, kind), "%s", err.message);
    cr_expect(strstr(err.message, text) != NULL, "\"%s\" is not in: %s", text, err.message);
}

Test(db_template, is_checkpointed_and_described)
{
    struct shop shop;
    shop_open(&shop);
    struct wg_template *tmpl = get(&shop);
    cr_assert(eq(sz, wg_template_database_count(tmpl), 1));
    const struct wg_template_database *database = wg_template_database(tmpl, 0);
    cr_expect(eq(str, (char *)database->path, "data/app.db"));
    cr_expect(database->wal);
    cr_expect(eq(uint, database->page_size, 4096));
    cr_expect(eq(sz, database->size_bytes % 4096, 0));
    char *wal = wg_format("%s/data/app.db-wal", wg_template_path(tmpl));
    char *shm = wg_format("%s/data/app.db-shm", wg_template_path(tmpl));
    cr_expect(ne(int, access(wal, F_OK), 0));
    cr_expect(ne(int, access(shm, F_OK), 0));
    char *uri = wg_format("file:%s/data/app.db?immutable=1", wg_template_path(tmpl));
    char *dump = dump_database(uri);
    cr_expect(strstr(dump, "6e6f74655f706572736f6e") != NULL, "note_person is not there");
    free(dump);
    free(uri);
    free(wal);
    free(shm);
    wg_template_destroy(tmpl);
    shop_close(&shop);
}

Test(db_template, comes_from_the_cache_until_an_input_changes)
{
    struct shop shop;
    shop_open(&shop);
    cr_expect(get_builds(&shop));
    cr_expect(not(get_builds(&shop)));
    place_write(&shop.place, "a.sql", "CREATE TABLE other(a);");
    cr_expect(get_builds(&shop), "changed SQL");
    place_write(&shop.place, "in/deep/file", "1");
    char *input = place_path(&shop.place, "in");
    shop.inputs[0] = input;
    shop.spec.inputs = shop.inputs;
    cr_expect(get_builds(&shop), "a new input directory");
    cr_expect(not(get_builds(&shop)));
    place_write(&shop.place, "in/deep/file", "2");
    cr_expect(get_builds(&shop), "changed content below the directory");
    place_write(&shop.place, "in/deep/file", "1");
    cr_expect(not(get_builds(&shop)), "the old content again is the old template");
    free(input);
    shop_close(&shop);
}

/* Flips one byte of the file in the cache, keeping size and times. */
static void damage(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat have;
    unsigned char byte;
    cr_assert(ge(int, fd, 0), "%s: %s", path, strerror(errno));
    cr_assert(eq(int, fstat(fd, &have), 0));
    cr_assert(eq(long, pread(fd, &byte, 1, have.st_size / 2), 1));
    byte ^= 0x40;
    cr_assert(eq(long, pwrite(fd, &byte, 1, have.st_size / 2), 1));
    struct timespec times[2] = {have.st_atim, have.st_mtim};
    cr_assert(eq(int, futimens(fd, times), 0));
    close(fd);
}

Test(db_template, is_built_again_when_the_cache_entry_is_damaged)
{
    struct shop shop;
    shop_open(&shop);
    struct wg_template *tmpl = get(&shop);
    char *database = wg_format("%s/data/app.db", wg_template_path(tmpl));
    char *manifest = wg_format("%s/../manifest.json", wg_template_path(tmpl));
    char *extra = wg_format("%s/extra", wg_template_path(tmpl));
    wg_template_destroy(tmpl);
    cr_expect(not(get_builds(&shop)));
    damage(database);
    cr_expect(get_builds(&shop), "a flipped byte in the database");
    cr_expect(not(get_builds(&shop)));
    damage(manifest);
    cr_expect(get_builds(&shop), "a flipped byte in the manifest");
    cr_assert(eq(int, truncate(manifest, 10), 0));
    cr_expect(get_builds(&shop), "half a manifest");
    cr_assert(eq(int, unlink(manifest), 0));
    cr_expect(get_builds(&shop), "no manifest");
    cr_assert(eq(int, unlink(database), 0));
    cr_expect(get_builds(&shop), "no database");
    cr_assert(eq(int, close(open(extra, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0));
    cr_expect(get_builds(&shop), "a file too many");
    cr_expect(not(get_builds(&shop)));
    free(database);
    free(manifest);
    free(extra);
    shop_close(&shop);
}

/* The command says in a file of its own each time that it runs. */
Test(db_template, is_built_once_when_several_processes_ask_at_once, .timeout = 60)
{
    struct shop shop;
    shop_open(&shop);
    char *script = wg_format("echo run >> %s/runs; mkdir -p $0/files; echo hello > $0/files/a; "
                             "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
                             shop.place.root);
    char *command[] = {"sh", "-c", script, "{data}", NULL};
    shop.spec.command = command;
    pid_t children[8];
    for (size_t i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct wg_template *tmpl = NULL;
            int failed = wg_template_get(&shop.spec, &tmpl, NULL) != 0 ||
                         wg_template_database_count(tmpl) != 1;
            _exit(failed ? 1 : wg_template_was_built(tmpl) ? 10 : 20);
        }
    }
    int built = 0;
    for (size_t i = 0; i < 8; i++) {
        int status = 0;
        cr_assert(eq(int, waitpid(children[i], &status, 0), children[i]));
        cr_expect(ge(int, WIFEXITED(status) ? WEXITSTATUS(status) : 0, 10), "child %zu: %d", i,
                  status);
        built += WIFEXITED(status) && WEXITSTATUS(status) == 10;
    }
    cr_expect(eq(int, built, 1));
    char *runs = place_path(&shop.place, "runs");
    struct stat have;
    cr_assert(eq(int, stat(runs, &have), 0));
    cr_expect(eq(long, have.st_size, (long)strlen("run\n")));
    free(runs);
    free(script);
    shop_close(&shop);
}

Test(db_template, a_builder_that_was_killed_is_no_obstacle, .timeout = 60)
{
    struct shop shop;
    shop_open(&shop);
    char *ready = place_path(&shop.place, "ready");
    char *script =
        wg_format("[ -e %s ] || { : > %s; exec cat /dev/zero > /dev/null; }", ready, ready);
    char *command[] = {"sh", "-c", script, NULL};
    shop.spec.command = command;
    pid_t child = fork();
    if (child == 0) {
        struct wg_template *tmpl = NULL;
        _exit(wg_template_get(&shop.spec, &tmpl, NULL) == 0 ? 0 : 1);
    }
    while (access(ready, F_OK) != 0)
        sched_yield();
    cr_assert(eq(int, kill(child, SIGKILL), 0));
    cr_assert(eq(int, waitpid(child, NULL, 0), child));
    cr_expect(get_builds(&shop));
    char *list = wg_format("[ $(ls -A %s/templates | wc -l) = 2 ]", shop.cache);
    char *check[] = {"sh", "-c", list, NULL};
    pid_t checker = fork();
    if (checker == 0) {
        execvp(check[0], check);
        _exit(127);
    }
    int status = 0;
    cr_assert(eq(int, waitpid(checker, &status, 0), checker));
    cr_expect(eq(int, status, 0), "something else than the entry and its lock is left");
    free(list);
    free(ready);
    free(script);
    shop_close(&shop);
}

Test(db_template, says_what_failed)
{
    struct shop shop;
    shop_open(&shop);
    place_write(&shop.place, "a.sql", "CREATE TABLE t(a); SELEKT 1;");
    expect_refused(&shop, WG_ERR_SQLITE, "a.sql: near \"SELEKT\": syntax error");
    place_write(&shop.place, "a.sql", "BEGIN; CREATE TABLE t(a);");
    expect_refused(&shop, WG_ERR_USAGE, "leaves a transaction open");
    place_write(&shop.place, "a.sql",
                "CREATE TABLE p(a PRIMARY KEY); CREATE TABLE c(b REFERENCES p(a));"
                "INSERT INTO c VALUES (7);");
    expect_refused(&shop, WG_ERR_STATE, "foreign_key_check: row 1 of c");
    place_write(&shop.place, "a.sql", sample_wal_sql);
    char *failing[] = {"sh", "-c", "echo it went wrong >&2; exit 3", NULL};
    shop.spec.command = failing;
    expect_refused(&shop, WG_ERR_STATE, "exit 3; it said: it went wrong");
    char *slow[] = {"cat", "/dev/zero", NULL};
    shop.spec.command = slow;
    shop.spec.timeout_ms = 50;
    expect_refused(&shop, WG_ERR_TIMEOUT, "did not end in time");
    shop.spec.command = NULL;
    char *outside[] = {"../app.db=x.sql", NULL};
    shop.spec.sql_files = outside;
    expect_refused(&shop, WG_ERR_USAGE, "relative path");
    shop.spec.name = "a/b";
    expect_refused(&shop, WG_ERR_USAGE, "not a template name");
    shop_close(&shop);
}

Test(db_template, a_command_may_leave_journals_and_wals_of_databases_it_closed_badly)
{
    struct shop shop;
    shop_open(&shop);
    char *script = wg_format(
        "sqlite3 $0/left.db \"PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)\" "
        "\".shell kill -9 \\$PPID\" || true; test -s $0/left.db-wal");
    char *command[] = {"sh", "-c", script, "{data}", NULL};
    shop.spec.command = command;
    struct wg_template *tmpl = get(&shop);
    cr_assert(eq(sz, wg_template_database_count(tmpl), 2));
    char *uri = wg_format("file:%s/left.db?immutable=1", wg_template_path(tmpl));
    char *wal = wg_format("%s/left.db-wal", wg_template_path(tmpl));
    char *dump = dump_database(uri);
    cr_expect(ne(int, access(wal, F_OK), 0));
    cr_expect(strstr(dump, "1:31|") != NULL, "%s", dump);
    free(dump);
    free(uri);
    free(wal);
    free(script);
    wg_template_destroy(tmpl);
    shop_close(&shop);
}

/* The server of these tests makes its database when it starts; `mode` is of server_stub.c. */
static void use_server(struct shop *shop, char *mode, char *argv[static 8])
{
    static const char script[] =
        "sqlite3 \"$1/self.db\" 'PRAGMA journal_mode=WAL; CREATE TABLE t(a); "
        "INSERT INTO t VALUES (1)'; echo started; echo run >> \"$1/../../runs\"; "
        "exec \"$0\" --port \"$2\" --mode \"$3\"";
    char *words[8] = {"sh",     "-c",     (char *)script, getenv("WALGRIND_STUB"),
                      "{data}", "{port}", mode,           NULL};
    cr_assert(words[3] != NULL, "WALGRIND_STUB is not set");
    memcpy(argv, words, sizeof words);
    shop->spec.server = argv;
    shop->spec.ready_path = "/health";
}

Test(db_template, a_server_that_initialises_itself_fills_it_once, .timeout = 60)
{
    struct shop shop;
    char *argv[8];
    shop_open(&shop);
    use_server(&shop, "serve", argv);
    cr_expect(get_builds(&shop));
    struct wg_template *tmpl = get(&shop);
    cr_expect(not(wg_template_was_built(tmpl)));
    cr_assert(eq(sz, wg_template_database_count(tmpl), 2), "the server's, and that of the SQL");
    char *uri = wg_format("file:%s/self.db?immutable=1", wg_template_path(tmpl));
    char *dump = dump_database(uri);
    cr_expect(strstr(dump, "1:31|") != NULL, "%s", dump);
    char *runs = wg_format("%s/templates/runs", shop.cache);
    struct stat have;
    cr_assert(eq(int, stat(runs, &have), 0));
    cr_expect(eq(long, have.st_size, (long)strlen("run\n")), "it was started more than once");
    wg_template_destroy(tmpl);
    char *env[] = {"OTHER=1", NULL};
    shop.spec.server_env = env;
    cr_expect(get_builds(&shop), "another environment");
    free(uri);
    free(dump);
    free(runs);
    shop_close(&shop);
}

Test(db_template, a_server_that_dies_or_does_not_end_makes_none, .timeout = 60)
{
    struct shop shop;
    char *argv[8];
    shop_open(&shop);
    use_server(&shop, "die", argv);
    expect_refused(&shop, WG_ERR_STATE, "let the server fill {data}: ");
    expect_refused(&shop, WG_ERR_STATE, " | started | ");
    use_server(&shop, "stubborn", argv);
    shop.spec.timeout_ms = 2000;
    expect_refused(&shop, WG_ERR_TIMEOUT, "it did not end within ");
    shop_close(&shop);
}
