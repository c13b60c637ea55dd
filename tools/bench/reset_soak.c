/* SPDX-License-Identifier: MIT */
/*
 * reset_soak.c - very many resets of a database that other processes read and write all the time.
 *
 *     reset-soak [--resets=N] [--strategy=NAME] [--processes=N] [--directory=DIR] [--seed=N]
 *
 * Each process has two connections that never pause: most of what they do are reads of a sum that
 * is 0 in every state a transaction leaves, a quarter are transactions that move an amount from one
 * row to another, some of them make and drop a table. A read that sees another sum has seen a
 * mixture of two states. Any result but OK and BUSY, and any such sum, ends the soak.
 *
 * At the end the databases are verified: integrity, WAL checksums, and the file byte by byte
 * against the template. Exit code 0 when nothing was wrong, 1 with what was, 3 when it could not
 * run. Everything random comes from the seed that is printed (the interleaving does not).
 */
#include "fixtures/db/dbset.h"
#include "fixtures/db/reset.h"
#include "fixtures/db/verify.h"
#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/base/token.h"
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
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 32
#define CONNECTIONS   2
#define RESET_WAIT_MS 10000
#define BUSY_WAIT_MS  20000
#define PAUSE_NS      100000

static const char template_sql[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE pair(id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB);"
    "INSERT INTO pair VALUES (1, 0, zeroblob(2000)), (2, 0, zeroblob(2000));"
    "CREATE TABLE item(id INTEGER PRIMARY KEY, text TEXT);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
    "INSERT INTO item SELECT i, 'item ' || i FROM n;"
    "CREATE INDEX item_text ON item(text);";

/* What the busy processes do, drawn by weight. */
static const struct {
    const char *sql;
    unsigned weight;
    bool reads_sum;
} actions[] = {
    {"SELECT sum(amount) + count(*) - 2 FROM pair", 60, true},
    {"SELECT count(*) - 2000 FROM item WHERE text >= ''", 12, true},
    {"UPDATE pair SET amount = amount + (CASE id WHEN 1 THEN 1 ELSE -1 END), "
     "filler = randomblob(2000)",
     24, false},
    {"CREATE TABLE IF NOT EXISTS fresh(a, b)", 2, false},
    {"DROP TABLE IF EXISTS fresh", 2, false},
};

#define ACTIONS (sizeof actions / sizeof actions[0])

struct options {
    long resets;
    long processes;
    long seed;
    const char *strategy;
    const char *directory;
};

/* What a busy process has done when it ends; also says what went wrong. */
struct tally {
    long reads;
    long writes;
    long busy;
    int code; /* SQLite's, of the violation; 0 none */
    char message[200];
};

struct busy {
    pid_t pid;
    int word; /* a byte: begin; another: end */
    int result;
};

static void die(const char *what, const char *message)
{
    (void)fprintf(stderr, "reset-soak: %s: %s\n", what, message);
    exit(3);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* ---- a busy process ---- */

static size_t draw(uint64_t *random)
{
    unsigned at = next_random(random) % 100;
    size_t i = 0;
    while (i + 1 < ACTIONS && at >= actions[i].weight)
        at -= actions[i++].weight;
    return i;
}

/* One action; false with the tally's message on a violation. */
static bool act(sqlite3 *db, sqlite3_stmt **statements, uint64_t *random, struct tally *tally)
{
    size_t i = draw(random);
    int64_t sum = 0;
    int code = SQLITE_OK;
    if (statements[i] == NULL)
        code = sqlite3_prepare_v3(db, actions[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &statements[i],
                                  NULL);
    if (code == SQLITE_OK) {
        if (sqlite3_step(statements[i]) == SQLITE_ROW)
            sum = sqlite3_column_int64(statements[i], 0);
        code = sqlite3_reset(statements[i]);
    }
    if ((code & 0xff) == SQLITE_BUSY) {
        tally->busy++;
        return true;
    }
    if (code != SQLITE_OK || (actions[i].reads_sum && sum != 0)) {
        tally->code = code != SQLITE_OK ? sqlite3_extended_errcode(db) : SQLITE_OK;
        (void)snprintf(tally->message, sizeof tally->message, "%s: %.100s", actions[i].sql,
                       code != SQLITE_OK ? sqlite3_errmsg(db) : "wrong sum");
        return false;
    }
    *(actions[i].reads_sum ? &tally->reads : &tally->writes) += 1;
    return true;
}

static void be_busy(const char *database, uint64_t random, int word, int result)
{
    char byte;
    struct tally tally = {0};
    sqlite3 *connections[CONNECTIONS] = {NULL};
    sqlite3_stmt *statements[CONNECTIONS][ACTIONS] = {{NULL}};
    struct pollfd stopped = {.fd = word, .events = POLLIN};
    bool well = true;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(word, &byte, 1) != 1)
        _exit(3);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (sqlite3_open_v2(database, &connections[i], SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
            _exit(3);
        sqlite3_busy_timeout(connections[i], BUSY_WAIT_MS);
    }
    for (long round = 0; well; round++) {
        if (round % 16 == 0 && poll(&stopped, 1, 0) != 0)
            break;
        size_t i = next_random(&random) % CONNECTIONS;
        well = act(connections[i], statements[i], &random, &tally);
    }
    _exit(write(result, &tally, sizeof tally) == (ssize_t)sizeof tally ? 0 : 3);
}

/*
 * Before this process opens a database: nothing of SQLite may cross a fork. A word on the pipe ends
 * it, not its closing, because later children inherit this end too.
 */
static struct busy busy_start(const char *database, uint64_t random)
{
    int word[2];
    int result[2];
    if (pipe2(word, O_CLOEXEC) != 0 || pipe2(result, O_CLOEXEC) != 0)
        die("pipe", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        die("fork", strerror(errno));
    if (pid == 0)
        be_busy(database, random, word[0], result[1]);
    close(word[0]);
    close(result[1]);
    return (struct busy){pid, word[1], result[0]};
}

static void busy_tell(const struct busy *busy, const char *word)
{
    if (write(busy->word, word, 1) != 1)
        die("tell a busy process", strerror(errno));
}

/* ---- the soak ---- */

struct score {
    struct tally busy;
    long done;
    long clean;
    int64_t wait_ns;
    int64_t work_ns;
    int64_t total_ns;
    long violations;
};

/* Leaves the others PAUSE_NS to change something; true when one of them ended meanwhile. */
static bool one_violated(const struct busy *busy, size_t count)
{
    struct pollfd results[PROCESSES_MAX];
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (size_t i = 0; i < count; i++)
        results[i] = (struct pollfd){.fd = busy[i].result, .events = POLLIN};
    return ppoll(results, count, &pause, NULL) > 0;
}

static void reset_many(struct wg_dbset *set, const struct options *options, const struct busy *busy,
                       struct score *score)
{
    struct wg_reset_report report;
    int64_t start_ns = wg_clock_now_ns();
    while (score->done < options->resets) { /* those that found nothing to undo do not count */
        struct wg_err err = WG_ERR_INIT;
        if (wg_dbset_reset(set, RESET_WAIT_MS, &report, &err) != 0) {
            printf("a reset failed: %s\n", err.message);
            score->violations++;
            break;
        }
        *(report.databases[0].outcome == WG_RESET_CLEAN ? &score->clean : &score->done) += 1;
        score->wait_ns += report.wait_ns;
        score->work_ns += report.databases[0].duration_ns;
        if (one_violated(busy, (size_t)options->processes))
            break;
    }
    score->total_ns = wg_clock_now_ns() - start_ns;
}

static void collect(struct busy *busy, struct score *score)
{
    struct tally tally = {0};
    int status = 0;
    busy_tell(busy, "e");
    close(busy->word);
    bool complete = read(busy->result, &tally, sizeof tally) == (ssize_t)sizeof tally;
    close(busy->result);
    (void)waitpid(busy->pid, &status, 0);
    score->busy.reads += tally.reads;
    score->busy.writes += tally.writes;
    score->busy.busy += tally.busy;
    if (!complete || status != 0 || tally.message[0] != '\0') {
        printf("a connection failed: code %d, %s (status %d)\n", tally.code,
               tally.message[0] != '\0' ? tally.message : "no answer", status);
        score->violations++;
    }
}

static void verify(struct wg_dbset *set, struct score *score)
{
    struct wg_verify_report report;
    struct wg_err err = WG_ERR_INIT;
    if (wg_dbset_verify(set, &report, &err) != 0)
        die("verify", err.message);
    for (size_t i = 0; i < report.databases[0].findings.count; i++)
        printf("finding: %s\n", report.databases[0].findings.items[i]);
    score->violations += (long)report.finding_count;
    wg_verify_report_finish(&report);
}

static struct wg_template *make_template(const char *root)
{
    struct wg_template *tmpl = NULL;
    struct wg_err err = WG_ERR_INIT;
    char *sql = wg_format("%s/seed.sql", root);
    char *cache = wg_format("%s/cache", root);
    char *spec_text = wg_format("app.db=%s", sql);
    char *sql_files[] = {spec_text, NULL};
    FILE *file = fopen(sql, "we");
    if (file == NULL || fputs(template_sql, file) == EOF || fclose(file) != 0)
        die(sql, strerror(errno));
    struct wg_template_spec spec = {.name = "soak", .sql_files = sql_files, .cache_dir = cache};
    if (wg_template_get(&spec, &tmpl, &err) != 0)
        die("template", err.message);
    free(spec_text);
    free(cache);
    free(sql);
    return tmpl;
}

static void soak(const struct options *options, const char *root, struct score *score)
{
    struct busy busy[PROCESSES_MAX];
    struct wg_dbset *set = NULL;
    struct wg_err err = WG_ERR_INIT;
    struct wg_template *tmpl = make_template(root);
    char *directory = wg_format("%s/clone", root);
    char *database = wg_format("%s/app.db", directory);
    struct wg_dbset_options choice = {.strategy = options->strategy};
    uint64_t random = (uint64_t)options->seed;
    for (long i = 0; i < options->processes; i++)
        busy[i] = busy_start(database, next_random(&random));
    if (wg_dbset_clone(tmpl, directory, &choice, &set, &err) != 0)
        die("clone", err.message);
    for (long i = 0; i < options->processes; i++)
        busy_tell(&busy[i], "b");
    reset_many(set, options, busy, score);
    for (long i = 0; i < options->processes; i++)
        collect(&busy[i], score);
    if (wg_dbset_reset(set, RESET_WAIT_MS, NULL, &err) != 0)
        die("last reset", err.message);
    verify(set, score);
    wg_dbset_destroy(set);
    wg_template_destroy(tmpl);
    free(database);
    free(directory);
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
    unsigned short seed;
    wg_random_bytes(&seed, sizeof seed);
    *options = (struct options){.resets = 20000, .processes = 4, .seed = seed, .strategy = "auto"};
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        value = value == NULL ? "" : value + 1;
        if (wg_str_starts(argv[i], "--resets="))
            options->resets = number(value, 1, LONG_MAX);
        else if (wg_str_starts(argv[i], "--processes="))
            options->processes = number(value, 1, PROCESSES_MAX);
        else if (wg_str_starts(argv[i], "--seed="))
            options->seed = number(value, 0, LONG_MAX);
        else if (wg_str_starts(argv[i], "--strategy="))
            options->strategy = value;
        else if (wg_str_starts(argv[i], "--directory="))
            options->directory = value;
        else
            die("unknown option", argv[i]);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    struct score score = {0};
    struct wg_err err = WG_ERR_INIT;
    char place[PATH_MAX];
    char root[PATH_MAX];
    bool tmpfs;
    parse(argc, argv, &options);
    if (options.directory != NULL)
        (void)snprintf(place, sizeof place, "%s", options.directory);
    else if (wg_sandbox_root(64 << 20, place, sizeof place, &tmpfs, &err) != 0)
        die("directory", err.message);
    if (wg_sandbox_create(place, "soak", root, sizeof root, &err) != 0)
        die(place, err.message);
    printf("seed %ld, SQLite %s, %ld connections, strategy %s, in %s\n", options.seed,
           sqlite3_libversion(), CONNECTIONS * options.processes, options.strategy, place);
    (void)fflush(stdout);
    soak(&options, root, &score);
    (void)wg_tree_remove(root, NULL);
    long resets = score.done + score.clean;
    printf(
        "%ld resets (%ld found nothing to undo) in %.1f s: %.1f us each at work, %.1f us waiting\n"
        "%ld reads and %ld writes of the others, %ld busy, %ld violations\n",
        resets, score.clean, (double)score.total_ns / 1e9,
        (double)score.work_ns / 1e3 / (double)(resets > 0 ? resets : 1),
        (double)score.wait_ns / 1e3 / (double)(resets > 0 ? resets : 1), score.busy.reads,
        score.busy.writes, score.busy.busy, score.violations);
    return score.violations == 0 ? 0 : 1;
}
