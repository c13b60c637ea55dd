/* SPDX-License-Identifier: MIT */
/*
 * db_worker.c - another process with SQLite connections, told what to do line by line.
 *
 * `db_worker FILE` reads commands on stdin and answers each with one line on stdout:
 *
 *     sql N STATEMENT     run it on connection N (0-15, opened when first used; statements are
 *                         prepared once and stay prepared); answers "ok ROW;ROW" with columns
 *                         joined by "|", or "error CODE MESSAGE" with the extended result code
 *     open N STATEMENT    prepare, step once and stay inside the statement; answers as sql does
 *     next N              the next row of the open statement: "ok ROW", or "ok" at its end
 *     finish N            end the open statement
 *     wait N MS           busy timeout of a connection
 *     storm COUNT SEED    COUNT random reads and writes over eight connections; every read checks
 *                         the invariant of the table `pair` (see storm_read); answers "ok READS
 *                         WRITES BUSY" or "error ..." with the first violation
 *     twin COUNT SEED     COUNT transactions over connections 0-3, which have attached another
 * database as `two`; each finds both tables `pair` equal and changes both; answers "ok WRITES
 * BUSY", or "error ..." with the first violation checkpoint COUNT SEED COUNT checkpoints over eight
 * connections, all modes in turn, each after a write; answers "ok DONE BUSY", or "error ..." quit
 *
 * It ends at the end of stdin, so it never outlives the test.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 16
#define STATEMENTS  32
#define STORM       8
#define LINE_SIZE   65536

struct connection {
    sqlite3 *db;
    sqlite3_stmt *cache[STATEMENTS];
    size_t cached;
    sqlite3_stmt *open;
};

struct worker {
    const char *file;
    struct connection connections[CONNECTIONS];
};

static void answer_error(sqlite3 *db, int code)
{
    printf("error %d %s\n", db == NULL ? code : sqlite3_extended_errcode(db),
           db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db));
}

static struct connection *connect_to(struct worker *worker, long number)
{
    struct connection *connection = &worker->connections[number & (CONNECTIONS - 1)];
    if (connection->db != NULL)
        return connection;
    int code = sqlite3_open_v2(worker->file, &connection->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL);
    if (code != SQLITE_OK) {
        answer_error(connection->db, code);
        sqlite3_close(connection->db);
        connection->db = NULL;
        return NULL;
    }
    sqlite3_extended_result_codes(connection->db, 1);
    sqlite3_busy_timeout(connection->db, 5000);
    return connection;
}

/* The statement of that text, prepared once per connection. */
static sqlite3_stmt *prepared(struct connection *connection, const char *sql)
{
    for (size_t i = 0; i < connection->cached; i++)
        if (strcmp(sqlite3_sql(connection->cache[i]), sql) == 0)
            return connection->cache[i];
    if (connection->cached == STATEMENTS)
        sqlite3_finalize(connection->cache[--connection->cached]);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    connection->cache[connection->cached++] = statement;
    return statement;
}

static void print_row(sqlite3_stmt *statement)
{
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        printf("%s%s", i == 0 ? "" : "|", text == NULL ? "NULL" : text);
    }
}

static void run_sql(struct worker *worker, long number, const char *sql)
{
    struct connection *connection = connect_to(worker, number);
    if (connection == NULL)
        return;
    sqlite3_stmt *statement = prepared(connection, sql);
    if (statement == NULL) {
        answer_error(connection->db, SQLITE_ERROR);
        return;
    }
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        answer_error(connection->db, code);
        sqlite3_reset(statement);
        return;
    }
    printf("ok ");
    for (bool first = true; code == SQLITE_ROW; code = sqlite3_step(statement), first = false) {
        printf("%s", first ? "" : ";");
        print_row(statement);
    }
    if (code == SQLITE_DONE)
        printf("\n");
    else
        printf("; error %d in the middle\n", sqlite3_extended_errcode(connection->db));
    sqlite3_reset(statement);
}

static void step_open(struct connection *connection)
{
    int code = sqlite3_step(connection->open);
    if (code == SQLITE_ROW) {
        printf("ok ");
        print_row(connection->open);
        printf("\n");
    } else if (code == SQLITE_DONE) {
        printf("ok\n");
    } else {
        answer_error(connection->db, code);
    }
}

static void open_statement(struct worker *worker, long number, const char *sql)
{
    struct connection *connection = connect_to(worker, number);
    if (connection == NULL)
        return;
    if (sqlite3_prepare_v2(connection->db, sql, -1, &connection->open, NULL) != SQLITE_OK)
        answer_error(connection->db, SQLITE_ERROR);
    else
        step_open(connection);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/*
 * Every transaction adds the same amount to one row and takes it from the other, and the template
 * has (1, 0) and (2, 0): so in any snapshot the sum is 0, and a mixture of two states shows.
 */
static const char read_sql[] = "SELECT sum(amount) + (SELECT count(*) FROM pair) - 2 FROM pair";
static const char write_sql[] =
    "UPDATE pair SET amount = amount + (CASE id WHEN 1 THEN 1 ELSE -1 END), "
    "filler = randomblob(2000)";

/* Runs a statement of one row at most; its first column is `ret_value` (may be NULL). */
static int run_once(struct connection *connection, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement = connection == NULL ? NULL : prepared(connection, sql);
    if (statement == NULL)
        return connection == NULL ? SQLITE_ERROR : sqlite3_extended_errcode(connection->db);
    if (sqlite3_step(statement) == SQLITE_ROW && ret_value != NULL)
        *ret_value = sqlite3_column_int64(statement, 0);
    return sqlite3_reset(statement);
}

/* Of all the kinds of busy only the plain one: no snapshot is ever too old, nothing recovers. */
static void storm(struct worker *worker, long count, uint64_t seed)
{
    long reads = 0;
    long writes = 0;
    long busy = 0;
    for (long i = 0; i < count; i++) {
        struct connection *connection = connect_to(worker, (long)(next_random(&seed) % STORM));
        bool write = next_random(&seed) % 4 == 0;
        int64_t sum = 0;
        int code = run_once(connection, write ? write_sql : read_sql, write ? NULL : &sum);
        if (code == SQLITE_BUSY) {
            busy++;
            continue;
        }
        if (code != SQLITE_OK) {
            answer_error(connection == NULL ? NULL : connection->db, code);
            return;
        }
        if (sum != 0) {
            printf("error 0 the sum is %lld: a mixture of two states\n", (long long)sum);
            return;
        }
        *(write ? &writes : &reads) += 1;
    }
    printf("ok %ld %ld %ld\n", reads, writes, busy);
}

/*
 * BEGIN IMMEDIATE has the write locks of both databases, so nobody is between the two commits of
 * another transaction, and no reset between the two databases of its set.
 */
static void twin(struct worker *worker, long count, uint64_t seed)
{
    static const char *const steps[] = {
        "BEGIN IMMEDIATE",
        "SELECT (SELECT amount FROM main.pair WHERE id = 1) - (SELECT amount FROM two.pair WHERE "
        "id = 1)",
        write_sql,
        "UPDATE two.pair SET amount = amount + (CASE id WHEN 1 THEN 1 ELSE -1 END)",
        "COMMIT",
    };
    long writes = 0;
    long busy = 0;
    for (long i = 0; i < count; i++) {
        struct connection *connection = connect_to(worker, (long)(next_random(&seed) % 4));
        int64_t difference = 0;
        int code = SQLITE_OK;
        for (size_t k = 0; k < sizeof steps / sizeof steps[0] && code == SQLITE_OK; k++)
            code = run_once(connection, steps[k], k == 1 ? &difference : NULL);
        if (code != SQLITE_OK && code != SQLITE_BUSY) {
            answer_error(connection == NULL ? NULL : connection->db, code);
            return;
        }
        if (difference != 0) {
            printf("error 0 the databases differ by %lld\n", (long long)difference);
            return;
        }
        if (code == SQLITE_BUSY && sqlite3_get_autocommit(connection->db) == 0)
            (void)run_once(connection, "ROLLBACK", NULL);
        *(code == SQLITE_BUSY ? &busy : &writes) += 1;
    }
    printf("ok %ld %ld\n", writes, busy);
}

static void checkpoint(struct worker *worker, long count, uint64_t seed)
{
    static const int modes[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL,
                                SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
    long done = 0;
    long busy = 0;
    for (long i = 0; i < count; i++) {
        struct connection *connection = connect_to(worker, (long)(next_random(&seed) % STORM));
        int code = run_once(connection, write_sql, NULL);
        if (code == SQLITE_OK || code == SQLITE_BUSY)
            code = sqlite3_wal_checkpoint_v2(connection->db, NULL, modes[i % 4], NULL, NULL);
        if (code != SQLITE_OK && code != SQLITE_BUSY) {
            answer_error(connection == NULL ? NULL : connection->db, code);
            return;
        }
        *(code == SQLITE_BUSY ? &busy : &done) += 1;
    }
    printf("ok %ld %ld\n", done, busy);
}

static bool obey(struct worker *worker, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *at = line + strcspn(line, " ");
    long number = strtol(at, &at, 10);
    const char *rest = *at == ' ' ? at + 1 : at;
    struct connection *connection = &worker->connections[number & (CONNECTIONS - 1)];
    if (strncmp(line, "sql ", 4) == 0) {
        run_sql(worker, number, rest);
    } else if (strncmp(line, "open ", 5) == 0) {
        open_statement(worker, number, rest);
    } else if (strncmp(line, "next ", 5) == 0) {
        step_open(connection);
    } else if (strncmp(line, "finish ", 7) == 0) {
        sqlite3_finalize(connection->open);
        connection->open = NULL;
        printf("ok\n");
    } else if (strncmp(line, "wait ", 5) == 0) {
        if ((connection = connect_to(worker, number)) != NULL) {
            sqlite3_busy_timeout(connection->db, (int)strtol(rest, NULL, 10));
            printf("ok\n");
        }
    } else if (strncmp(line, "storm ", 6) == 0) {
        storm(worker, number, strtoull(rest, NULL, 10));
    } else if (strncmp(line, "twin ", 5) == 0) {
        twin(worker, number, strtoull(rest, NULL, 10));
    } else if (strncmp(line, "checkpoint ", 11) == 0) {
        checkpoint(worker, number, strtoull(rest, NULL, 10));
    } else {
        return false;
    }
    (void)fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    char line[LINE_SIZE];
    if (argc != 2)
        return 2;
    struct worker worker = {.file = argv[1]};
    while (fgets(line, sizeof line, stdin) != NULL && obey(&worker, line)) {
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &worker.connections[i];
        sqlite3_finalize(connection->open);
        for (size_t k = 0; k < connection->cached; k++)
            sqlite3_finalize(connection->cache[k]);
        sqlite3_close(connection->db);
    }
    return 0;
}
