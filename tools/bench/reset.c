/* SPDX-License-Identifier: MIT */
/*
 * reset.c - how long it takes to put a live database back to its template, by strategy.
 *
 *     reset [--sizes=MIB,...] [--pages=N,...] [--places=DIR,...] [--budget-ms=N] [--rounds=N]
 *
 * Every cell: a template of the given size (one row a page), a clone, and another process with four
 * connections that stay open. Before each reset that process changes N pages in one transaction
 * and every connection reads; then one reset is timed from outside (CLOCK_MONOTONIC around the
 * call, waiting included). A cell runs until --rounds resets or --budget-ms have passed, at least
 * twice.
 *
 * Rows: each strategy of the table that resets, and for comparison what people do by hand: DELETE
 * everything and INSERT it again from the template, in one transaction. For `reclone` the other
 * process closes its connections before and opens them after; both are in its time.
 *
 * The second table is the time of a clone: copy, guards and all. The third is the time that a pool
 * takes to hand one out that is ready.
 *
 * Output is Markdown. Exit code 1 when a guarded strategy on tmpfs misses the target of 50 µs on
 * average with ten pages. To add a row: a new strategy appears by itself.
 */
#include "fixtures/db/reset.h"
#include "fixtures/db/dbset.h"
#include "fixtures/db/pool.h"
#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST_MAX     16
#define ROUNDS_MAX   100000
#define CONNECTIONS  4
#define TMPFS_MAGIC  0x01021994
#define TARGET_US    50.0
#define CLONE_ROUNDS 50
#define POOL_ROUNDS  25
#define POOL_READY   8
#define POOL_FILL_MS 50

struct list {
    char *items[LIST_MAX];
    size_t count;
};

struct options {
    struct list sizes; /* MiB */
    struct list pages;
    struct list places;
    long budget_ms;
    long rounds;
};

/* The process with the connections: one byte says what to do, one byte answers. */
struct server {
    pid_t pid;
    int to;
    int from;
};

struct cell {
    const char *place;
    bool tmpfs;
    long size_mib;
    long pages;
    double backup_us; /* mean of the backup row, for the ratios; 0 unknown */
};

static void die(const char *what, const char *message)
{
    (void)fprintf(stderr, "reset: %s: %s\n", what, message);
    exit(3);
}

static void check_sql(int code, sqlite3 *db, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
        die(what, sqlite3_errmsg(db));
}

/* ---- the other process ---- */

static void serve_change(sqlite3 *const connections[], long pages)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %ld) "
                   "UPDATE t SET filler = randomblob(3000) WHERE id IN (SELECT 1 + (i * 7919) %% "
                   "(SELECT max(id) FROM t) FROM n)",
                   pages);
    check_sql(sqlite3_exec(connections[0], sql, NULL, NULL, NULL), connections[0], "change");
    for (size_t i = 0; i < CONNECTIONS; i++)
        check_sql(
            sqlite3_exec(connections[i], "SELECT filler FROM t WHERE id = 1", NULL, NULL, NULL),
            connections[i], "read");
}

static void open_connections(const char *database, sqlite3 *connections[])
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        check_sql(sqlite3_open(database, &connections[i]), connections[i], "open");
        sqlite3_busy_timeout(connections[i], 60000);
        check_sql(sqlite3_exec(connections[i], "PRAGMA synchronous=NORMAL", NULL, NULL, NULL),
                  connections[i], "set up");
    }
}

static void serve(const char *database, long pages, int in, int out)
{
    sqlite3 *connections[CONNECTIONS] = {NULL};
    char command;
    while (read(in, &command, 1) == 1) {
        if (command == 'w')
            serve_change(connections, pages);
        for (size_t i = 0; i < CONNECTIONS && command == 'c'; i++)
            sqlite3_close(connections[i]);
        if (command == 'o')
            open_connections(database, connections);
        if (write(out, &command, 1) != 1)
            break;
    }
    _exit(0);
}

/* Called before this process opens any database: a connection must not cross a fork. */
static struct server server_start(const char *database, long pages)
{
    int to[2];
    int from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        die("pipe", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        die("fork", strerror(errno));
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        serve(database, pages, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    return (struct server){pid, to[1], from[0]};
}

static void server_do(const struct server *server, char command)
{
    char answer;
    if (write(server->to, &command, 1) != 1 || read(server->from, &answer, 1) != 1)
        die("server", "the other process died");
}

static void server_stop(const struct server *server)
{
    close(server->to);
    close(server->from);
    (void)waitpid(server->pid, NULL, 0);
}

/* ---- templates ---- */

static struct wg_template *make_template(const char *root, long size_kib, size_t databases)
{
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    char *sql_files[LIST_MAX + 1] = {NULL};
    char *sql = wg_format("%s/seed.sql", root);
    char *cache = wg_format("%s/cache", root);
    FILE *file = fopen(sql, "we");
    if (file == NULL)
        die(sql, strerror(errno));
    (void)fprintf(file,
                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                  "CREATE TABLE t(id INTEGER PRIMARY KEY, filler BLOB);"
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %ld) "
                  "INSERT INTO t SELECT i, zeroblob(3000) FROM n;",
                  size_kib / 4);
    (void)fclose(file);
    for (size_t i = 0; i < databases; i++)
        sql_files[i] = wg_format("app%zu.db=%s", i, sql);
    struct wg_template_spec spec = {
        .name = "bench", .sql_files = sql_files, .cache_dir = cache, .timeout_ms = 600000};
    if (wg_template_get(&spec, &tmpl, &err) != 0)
        die("template", err.message);
    for (size_t i = 0; i < databases; i++)
        free(sql_files[i]);
    free(sql);
    free(cache);
    return tmpl;
}

/* ---- numbers ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static double print_row(struct cell *cell, const char *name, double *times_us, size_t count)
{
    double mean = mean_of(times_us, count);
    qsort(times_us, count, sizeof *times_us, compare_doubles);
    printf("| %s | %ld MiB | %ld | %s | %.1f | %.1f | %.1f | %zu |", cell->place, cell->size_mib,
           cell->pages, name, mean, times_us[(count - 1) / 2], times_us[(count - 1) * 99 / 100],
           count);
    if (cell->backup_us > 0)
        printf(" %.4g |\n", cell->backup_us / mean);
    else
        printf(" |\n");
    (void)fflush(stdout);
    return mean;
}

/* ---- one row ---- */

/* Without a set: DELETE and INSERT from the attached template on a connection of this process. */
static void delete_and_insert(sqlite3 *db)
{
    check_sql(sqlite3_exec(db,
                           "BEGIN IMMEDIATE; DELETE FROM main.t; INSERT INTO main.t SELECT * FROM "
                           "original.t; COMMIT",
                           NULL, NULL, NULL),
              db, "DELETE and INSERT");
}

static sqlite3 *open_by_hand(const char *database, const char *original)
{
    sqlite3 *db = NULL;
    check_sql(sqlite3_open_v2(database, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL), db,
              "open");
    char *sql =
        wg_format("PRAGMA synchronous=NORMAL; ATTACH 'file:%s?immutable=1' AS original", original);
    check_sql(sqlite3_exec(db, sql, NULL, NULL, NULL), db, "attach");
    free(sql);
    return db;
}

static double measure(struct cell *cell, const struct options *options, const char *root,
                      const struct wg_template *tmpl, const char *strategy)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_dbset *set = NULL;
    sqlite3 *by_hand = NULL;
    char *directory = wg_format("%s/clone", root);
    char *database = wg_format("%s/app0.db", directory);
    char *original = wg_format("%s/app0.db", wg_template_path(tmpl));
    struct wg_dbset_options choice = {.strategy = strategy != NULL ? strategy : "none"};
    double *times_us = wg_calloc((size_t)options->rounds, sizeof *times_us);
    bool reclone = strategy != NULL && strcmp(strategy, "reclone") == 0;

    struct server server = server_start(database, cell->pages);
    if (wg_dbset_clone(tmpl, directory, &choice, &set, &err) != 0)
        die("clone", err.message);
    server_do(&server, 'o');
    if (strategy == NULL)
        by_hand = open_by_hand(database, original);
    struct wg_deadline budget = wg_deadline_in_ms(options->budget_ms);
    size_t count = 0;
    while (count < (size_t)options->rounds && (count < 2 || !wg_deadline_passed(budget))) {
        server_do(&server, 'w');
        int64_t start_ns = wg_clock_now_ns();
        if (reclone)
            server_do(&server, 'c');
        if (by_hand != NULL)
            delete_and_insert(by_hand);
        else if (wg_dbset_reset(set, 60000, NULL, &err) != 0)
            die(choice.strategy, err.message);
        if (reclone)
            server_do(&server, 'o');
        times_us[count++] = (double)(wg_clock_now_ns() - start_ns) / 1000.0;
    }
    server_stop(&server);
    sqlite3_close(by_hand);
    wg_dbset_destroy(set);
    (void)wg_tree_remove(directory, NULL);
    double mean = print_row(cell, strategy != NULL ? strategy : "DELETE + INSERT", times_us, count);
    free(times_us);
    free(original);
    free(database);
    free(directory);
    return mean;
}

/* All rows of one place, size and number of pages; backup first, the others are compared with it.
 */
static bool measure_cell(struct cell *cell, const struct options *options, const char *root,
                         const struct wg_template *tmpl)
{
    bool met = true;
    cell->backup_us = 0;
    cell->backup_us = measure(cell, options, root, tmpl, "backup");
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (!info->resets || strcmp(info->name, "backup") == 0)
            continue;
        double mean = measure(cell, options, root, tmpl, info->name);
        if (info->keeps_base && cell->tmpfs && cell->pages <= 10 && mean > TARGET_US)
            met = false;
    }
    (void)measure(cell, options, root, tmpl, NULL);
    return met;
}

static void measure_clone(const char *place, const char *root)
{
    double times_us[CLONE_ROUNDS];
    struct wg_template *tmpl = make_template(root, 1024 / 3, 3);
    char *directory = wg_format("%s/clone", root);
    for (size_t i = 0; i < CLONE_ROUNDS; i++) {
        struct wg_dbset *set = NULL;
        struct wg_err err = WG_ERR_INIT;
        int64_t start_ns = wg_clock_now_ns();
        if (wg_dbset_clone(tmpl, directory, NULL, &set, &err) != 0)
            die("clone", err.message);
        times_us[i] = (double)(wg_clock_now_ns() - start_ns) / 1000.0;
        wg_dbset_destroy(set);
        (void)wg_tree_remove(directory, NULL);
    }
    double mean = mean_of(times_us, CLONE_ROUNDS);
    qsort(times_us, CLONE_ROUNDS, sizeof times_us[0], compare_doubles);
    printf("| %s | %.1f | %.1f | %.1f |\n", place, mean, times_us[CLONE_ROUNDS / 2],
           times_us[CLONE_ROUNDS - 1]);
    free(directory);
    wg_template_destroy(tmpl);
}

/* Time of a hand-out: taken are only so many at once as are kept ready. */
static void measure_pool(const char *place, const char *root)
{
    double times_us[POOL_ROUNDS * POOL_READY];
    struct wg_template *tmpl = make_template(root, 1024 / 3, 3);
    char *directory = wg_format("%s/pool", root);
    const struct wg_pool_options options = {.ready = POOL_READY};
    struct wg_pool *pool = NULL;
    struct wg_err err = WG_ERR_INIT;
    if (wg_pool_create(tmpl, directory, &options, &pool, &err) != 0)
        die("pool", err.message);
    for (size_t round = 0; round < POOL_ROUNDS; round++) {
        struct wg_dbset *sets[POOL_READY];
        poll(NULL, 0, POOL_FILL_MS);
        for (size_t i = 0; i < POOL_READY; i++) {
            int64_t start_ns = wg_clock_now_ns();
            if (wg_pool_take(pool, -1, &sets[i], &err) != 0)
                die("pool", err.message);
            times_us[round * POOL_READY + i] = (double)(wg_clock_now_ns() - start_ns) / 1000.0;
        }
        for (size_t i = 0; i < POOL_READY; i++)
            wg_pool_give(pool, sets[i]);
    }
    double mean = mean_of(times_us, POOL_ROUNDS * POOL_READY);
    qsort(times_us, POOL_ROUNDS * POOL_READY, sizeof times_us[0], compare_doubles);
    printf("| %s | %.1f | %.1f | %.1f |\n", place, mean, times_us[POOL_ROUNDS * POOL_READY / 2],
           times_us[POOL_ROUNDS * POOL_READY - 1]);
    wg_pool_destroy(pool);
    free(directory);
    wg_template_destroy(tmpl);
}

/* ---- options and the whole ---- */

static struct list split(const char *text)
{
    struct list list = {.count = 0};
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        if (list.count == LIST_MAX || size == 0)
            die("options", "a list has empty or too many items");
        list.items[list.count++] = wg_strndup(text, size);
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return list;
}

static void list_finish(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
}

static long number(const char *text, long min, long max)
{
    long value;
    if (wg_str_to_long(text, min, max, &value) != 0)
        die("not a number in range", text);
    return value;
}

static void parse(int argc, char **argv, struct options *options)
{
    const char *sizes = "1";
    const char *pages = "10";
    const char *places = "/dev/shm,/var/tmp";
    *options = (struct options){.budget_ms = 500, .rounds = 2000};
    for (int i = 1; i < argc; i++) {
        if (wg_str_starts(argv[i], "--sizes="))
            sizes = argv[i] + strlen("--sizes=");
        else if (wg_str_starts(argv[i], "--pages="))
            pages = argv[i] + strlen("--pages=");
        else if (wg_str_starts(argv[i], "--places="))
            places = argv[i] + strlen("--places=");
        else if (wg_str_starts(argv[i], "--budget-ms="))
            options->budget_ms = number(argv[i] + strlen("--budget-ms="), 1, 3600000);
        else if (wg_str_starts(argv[i], "--rounds="))
            options->rounds = number(argv[i] + strlen("--rounds="), 2, ROUNDS_MAX);
        else
            die("unknown option", argv[i]);
    }
    options->sizes = split(sizes);
    options->pages = split(pages);
    options->places = split(places);
}

static bool measure_place(const char *place, const struct options *options)
{
    bool met = true;
    struct wg_err err = WG_ERR_INIT;
    struct statfs kind;
    char root[PATH_MAX];
    if (statfs(place, &kind) != 0)
        die(place, strerror(errno));
    for (size_t i = 0; i < options->sizes.count; i++) {
        if (wg_sandbox_create(place, "bench", root, sizeof root, &err) != 0)
            die(place, err.message);
        struct cell cell = {.place = place,
                            .tmpfs = kind.f_type == TMPFS_MAGIC,
                            .size_mib = number(options->sizes.items[i], 1, 4096)};
        struct wg_template *tmpl = make_template(root, cell.size_mib * 1024, 1);
        for (size_t k = 0; k < options->pages.count; k++) {
            cell.pages = number(options->pages.items[k], 1, 10000);
            met = measure_cell(&cell, options, root, tmpl) && met;
        }
        wg_template_destroy(tmpl);
        (void)wg_tree_remove(root, NULL);
    }
    return met;
}

/* A row for each place. */
static void print_table(const struct options *options, const char *title, int count,
                        void (*measure_row)(const char *place, const char *root))
{
    printf("\n%s\n\n| place | mean | median | slowest of %d |\n|---|---|---|---|\n", title, count);
    for (size_t i = 0; i < options->places.count; i++) {
        struct wg_err err = WG_ERR_INIT;
        char root[PATH_MAX];
        if (wg_sandbox_create(options->places.items[i], "bench", root, sizeof root, &err) != 0)
            die(options->places.items[i], err.message);
        measure_row(options->places.items[i], root);
        (void)wg_tree_remove(root, NULL);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    bool met = true;
    parse(argc, argv, &options);
    printf("SQLite %s, four connections of another process open, times in microseconds\n\n",
           sqlite3_libversion());
    printf(
        "| place | size | pages changed | strategy | mean | median | 99 %% | resets | times faster "
        "than backup |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < options.places.count; i++)
        met = measure_place(options.places.items[i], &options) && met;
    print_table(&options, "Clone of a set of three databases, 1 MiB together, with their guards",
                CLONE_ROUNDS, measure_clone);
    print_table(&options, "The same, handed out by a pool that had it ready",
                POOL_ROUNDS * POOL_READY, measure_pool);
    list_finish(&options.sizes);
    list_finish(&options.pages);
    list_finish(&options.places);
    printf("\ntarget %s: guarded strategies on tmpfs, ten pages, at most %.0f microseconds on "
           "average\n",
           met ? "met" : "MISSED", TARGET_US);
    return met ? 0 : 1;
}
