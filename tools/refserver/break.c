/* SPDX-License-Identifier: MIT */
#include "tools/refserver/break.h"

#include "tools/refserver/req.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct wg_break_kind {
    const char *name;
    long argument; /* default */
    const char *help;
    void (*start)(struct wg_app *app);
    bool (*ready)(struct wg_app *app);
    bool (*request)(struct wg_req *req, long number); /* number of the API request, from 1 */
    void (*reply)(struct wg_req *req, long number);
    bool leaks_lock;
    bool loses_update;
    bool ignores_stop;
};

static bool io_error_once(struct wg_req *req, long number)
{
    if (number != req->app->breaker.argument)
        return false;
    wg_log_sqlite(&req->app->log, SQLITE_IOERR_SHORT_READ, 0, "metadata", "disk I/O error",
                  "SELECT * FROM files");
    wg_reply_detail(req, 500, "disk I/O error");
    return true;
}

/* Commits without changing anything: page 1 is in the log now and nowhere else. */
static bool commit_first_page(struct wg_conn *conn)
{
    int64_t version = 0;
    char sql[64];
    if (wg_stmt_int(conn, &version, "PRAGMA user_version", "") != 1)
        return false;
    snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
    return wg_conn_script(conn, sql) == 0;
}

/*
 * What a careless "clean up" script does: the log of committed transactions is cut off. Connections
 * that have the lost pages in their cache read on and later commits write over the hole, so a new
 * connection reads the log before anybody can: it is refused with 522, as the next one of a real
 * server would be. The write lock keeps other writers out until then.
 */
static bool truncate_wal(struct wg_req *req, long number)
{
    struct wg_db *db = &req->app->db[WG_DB_METADATA];
    if (number != req->app->breaker.argument)
        return false;
    struct wg_conn *writer = wg_req_conn(req, WG_DB_METADATA);
    if (writer == NULL || !commit_first_page(writer) || wg_conn_begin(writer) < 0)
        return false;
    char *wal = wg_arena_format(&req->arena, "%s-wal", db->path);
    if (truncate(wal, 0) < 0)
        wg_log_message(&req->app->log, "warn", "cannot truncate %s", wal);
    struct wg_conn *reader = wg_conn_open(db, false, &req->fail);
    bool refused =
        reader == NULL || wg_conn_script(reader, "SELECT count(*) FROM sqlite_master") < 0;
    wg_conn_close(reader);
    wg_conn_rollback(writer);
    if (refused)
        wg_reply_detail(req, 500, "%s", req->fail.message);
    return refused;
}

static bool unlink_db(struct wg_req *req, long number)
{
    if (number < req->app->breaker.argument)
        return false;
    if (number == req->app->breaker.argument)
        unlink(req->app->db[WG_DB_METADATA].path);
    /* Open connections would keep the vanished file alive; a busy server opens new ones. */
    wg_db_close_idle(&req->app->db[WG_DB_METADATA]);
    return false;
}

static bool hang(struct wg_req *req, long number)
{
    if (number != req->app->breaker.argument)
        return false;
    req->reply.hang = true;
    return true;
}

static bool crash(struct wg_req *req, long number)
{
    if (number == req->app->breaker.argument)
        abort();
    return false;
}

/* Overwrites the only page of a table that the server never writes, so the damage stays. */
static bool corrupt_page(struct wg_req *req, long number)
{
    if (number != req->app->breaker.argument)
        return false;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    int64_t page = 0, size = 0;
    if (conn == NULL ||
        wg_stmt_int(conn, &page, "SELECT rootpage FROM sqlite_master WHERE name = 'sync_metadata'",
                    "") != 1 ||
        wg_stmt_int(conn, &size, "PRAGMA page_size", "") != 1)
        return false;
    int fd = open(conn->db->path, O_WRONLY | O_CLOEXEC);
    char noise[256];
    memset(noise, 0xa5, sizeof noise);
    if (fd < 0 || pwrite(fd, noise, sizeof noise, (page - 1) * size) < 0)
        wg_log_message(&req->app->log, "warn", "cannot overwrite page %lld", (long long)page);
    if (fd >= 0)
        close(fd);
    return false;
}

/* Begins to read and never ends: the connection is taken out of circulation with its snapshot. */
static bool leak_transaction(struct wg_req *req, long number)
{
    if (number != req->app->breaker.argument)
        return false;
    int64_t rows;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    req->conns[WG_DB_METADATA] = NULL;
    req->app->breaker.leaked = conn;
    if (conn != NULL && wg_stmt_run(conn, "BEGIN", "") >= 0)
        wg_stmt_int(conn, &rows, "SELECT count(*) FROM files", "");
    return false;
}

static void wrong_status(struct wg_req *req, long number)
{
    (void)number;
    if (req->reply.status == 404)
        req->reply.status = 200;
}

static void exit_at_start(struct wg_app *app)
{
    wg_log_message(&app->log, "error", "leaving at start, as asked");
    exit((int)app->breaker.argument);
}

static void slow_start(struct wg_app *app)
{
    poll(NULL, 0, (int)app->breaker.argument);
}

static bool never_ready(struct wg_app *app)
{
    (void)app;
    return false;
}

static const struct wg_break_kind kinds[] = {
    {.name = "io-error-once",
     .argument = 20,
     .help = "API request number ARG answers 500 'disk I/O error' and logs code 522",
     .request = io_error_once},
    {.name = "truncate-wal",
     .argument = 20,
     .help = "at request ARG, metadata.db-wal is truncated behind SQLite's back",
     .request = truncate_wal},
    {.name = "unlink-db",
     .argument = 20,
     .help = "before request ARG, metadata.db is unlinked",
     .request = unlink_db},
    {.name = "hang", .argument = 20, .help = "request ARG is never answered", .request = hang},
    {.name = "crash", .argument = 20, .help = "abort() at request ARG", .request = crash},
    {.name = "corrupt-page",
     .argument = 20,
     .help = "before request ARG, a page of metadata.db is overwritten",
     .request = corrupt_page},
    {.name = "leak-lock",
     .argument = 100,
     .help = "release_lock says released but keeps the row, in ARG percent of the calls; "
             "WALGRIND_SEED says which",
     .leaks_lock = true},
    {.name = "lost-update",
     .argument = 1,
     .help = "change number ARG of a reference count is lost, as by a racing writer; all answers "
             "stay right",
     .loses_update = true},
    {.name = "leak-txn",
     .argument = 20,
     .help = "request ARG leaves a read transaction open",
     .request = leak_transaction},
    {.name = "wrong-status", .help = "API answers 200 where it means 404", .reply = wrong_status},
    {.name = "ignore-term", .help = "does not stop when asked to", .ignores_stop = true},
    {.name = "slow-start",
     .argument = 3000,
     .help = "waits ARG milliseconds before it binds",
     .start = slow_start},
    {.name = "never-ready",
     .help = "never prints the ready line, /health answers 503",
     .ready = never_ready},
    {.name = "exit-at-start",
     .argument = 1,
     .help = "exits with status ARG before it binds",
     .start = exit_at_start},
};

static const struct wg_break_kind *find_kind(const char *text, long *ret_argument)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].name) != length || strncmp(kinds[i].name, text, length) != 0)
            continue;
        *ret_argument = kinds[i].argument;
        if (text[length] == ':') {
            char *end;
            *ret_argument = strtol(text + length + 1, &end, 10);
            if (*end != '\0' || text[length + 1] == '\0' || *ret_argument < 0)
                return NULL;
        }
        return &kinds[i];
    }
    return NULL;
}

bool wg_break_known(const char *text)
{
    long argument;
    return find_kind(text, &argument) != NULL;
}

void wg_break_print_kinds(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        printf("  %-22s %s", kinds[i].name, kinds[i].help);
        if (kinds[i].argument != 0)
            printf(" (default %ld)", kinds[i].argument);
        printf("\n");
    }
}

void wg_break_init(struct wg_break *breaker, const char *text)
{
    breaker->kind = text != NULL ? find_kind(text, &breaker->argument) : NULL;
    /* A server that is started for a single call must be able to leak in some of its starts. */
    const char *seed = getenv("WALGRIND_SEED");
    bool shifted = seed != NULL && breaker->kind != NULL && breaker->kind->leaks_lock;
    atomic_init(&breaker->seen, shifted ? (long)(strtoul(seed, NULL, 10) % 100) : 0);
}

void wg_break_finish(struct wg_break *breaker)
{
    wg_conn_close(breaker->leaked);
    breaker->leaked = NULL;
}

void wg_break_at_start(struct wg_app *app)
{
    if (app->breaker.kind != NULL && app->breaker.kind->start != NULL)
        app->breaker.kind->start(app);
}

bool wg_break_at_ready(struct wg_app *app)
{
    if (app->breaker.kind != NULL && app->breaker.kind->ready != NULL)
        return app->breaker.kind->ready(app);
    return true;
}

bool wg_break_at_request(struct wg_req *req)
{
    struct wg_break *breaker = &req->app->breaker;
    if (breaker->kind == NULL || breaker->kind->request == NULL)
        return false;
    long number = 1 + atomic_fetch_add_explicit(&breaker->seen, 1, memory_order_relaxed);
    return breaker->kind->request(req, number);
}

void wg_break_at_reply(struct wg_req *req)
{
    const struct wg_break_kind *kind = req->app->breaker.kind;
    if (kind != NULL && kind->reply != NULL)
        kind->reply(req, atomic_load_explicit(&req->app->breaker.seen, memory_order_relaxed));
}

bool wg_break_leaks_lock(struct wg_app *app)
{
    struct wg_break *breaker = &app->breaker;
    if (breaker->kind == NULL || !breaker->kind->leaks_lock)
        return false;
    long number = atomic_fetch_add_explicit(&breaker->seen, 1, memory_order_relaxed);
    /* Spread evenly and reproducibly: 37 and 100 have no common divisor. */
    return number * 37 % 100 < breaker->argument;
}

bool wg_break_ignores_stop(struct wg_app *app)
{
    return app->breaker.kind != NULL && app->breaker.kind->ignores_stop;
}

bool wg_break_loses_update(struct wg_app *app)
{
    struct wg_break *breaker = &app->breaker;
    if (breaker->kind == NULL || !breaker->kind->loses_update)
        return false;
    return 1 + atomic_fetch_add_explicit(&breaker->seen, 1, memory_order_relaxed) ==
           breaker->argument;
}
