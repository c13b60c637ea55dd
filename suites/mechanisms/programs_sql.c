/* SPDX-License-Identifier: MIT */
/* programs_sql.c - what shows in SQL and not in the files alone; sql.py has more. */
#include "suites/mechanisms/programs.h"

#include <pthread.h>
#include <unistd.h>

/* --- one connection, two threads ------------------------------------------------------------ */

struct shared {
    sqlite3 *connection;
    pthread_t second;
    bool at_once; /* the second thread works while the first is in a call */
};

static void *work(void *argument)
{
    const struct shared *shared = argument;
    say(shared->connection, "SELECT 1");
    return NULL;
}

/* Called with a row, in the middle of sqlite3_exec(). */
static int on_row(void *argument, int count, char **values, char **names)
{
    struct shared *shared = argument;
    (void)count;
    (void)values;
    (void)names;
    if (shared->at_once) {
        must(pthread_create(&shared->second, NULL, work, shared) == 0);
        must(pthread_join(shared->second, NULL) == 0);
    }
    return 0;
}

static void share(bool at_once)
{
    struct shared shared = {.at_once = at_once};
    sqlite3_close(connect_to(DB, "wal"));
    must(sqlite3_open_v2(DB, &shared.connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                         NULL) == SQLITE_OK);
    accuse(getpid());
    must(sqlite3_exec(shared.connection, "SELECT a FROM t", on_row, &shared, NULL) == SQLITE_OK);
    if (!at_once) {
        must(pthread_create(&shared.second, NULL, work, &shared) == 0);
        must(pthread_join(shared.second, NULL) == 0);
    }
    sqlite3_close(shared.connection);
}

static void uses_a_connection_in_two_threads(void)
{
    share(true);
}

static void hands_a_connection_to_another_thread(void)
{
    share(false);
}

/* --- contention ----------------------------------------------------------------------------- */

static void write_beside_a_writer(bool again)
{
    sqlite3 *writer = connect_to(DB, "wal");
    sqlite3 *own = NULL;
    must(sqlite3_open(DB, &own) == SQLITE_OK);
    say(writer, "BEGIN IMMEDIATE");
    accuse(getpid());
    use(own);
    say(writer, "COMMIT");
    if (again)
        use(own);
    sqlite3_close(own);
    sqlite3_close(writer);
}

static void sets_no_busy_timeout(void)
{
    write_beside_a_writer(false);
}

static void sets_none_but_tries_again(void)
{
    write_beside_a_writer(true);
}

static void read_and_write(const char *begin, const char *end)
{
    sqlite3 *own = connect_to(DB, "wal");
    sqlite3 *other = connect_to(DB, "wal");
    accuse(getpid());
    say(own, begin);
    say(own, "SELECT * FROM t");
    if (end)
        say(own, end);
    use(other);
    say(own, "UPDATE t SET b = 'z'");
    sqlite3_close(own);
    sqlite3_close(other);
}

static void writes_on_what_it_read_before(void)
{
    read_and_write("BEGIN", NULL);
}

static void writes_after_its_read_transaction(void)
{
    read_and_write("BEGIN", "COMMIT");
}

/* --- the WAL-reset bug ---------------------------------------------------------------------- */

struct window {
    sqlite3_io_methods
        methods; /* those of SQLite's file but for xUnfetch; first: files point here */
    int (*unfetch)(sqlite3_file *, sqlite3_int64, void *);
    sqlite3 *writer; /* commits once; NULL: nothing is done */
};

/* Between the two looks of a checkpoint at the index SQLite makes this call alone. */
static int commit_in_window(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
    struct window *window = (void *)file->pMethods;
    sqlite3 *writer = window->writer;
    window->writer = NULL;
    if (writer)
        use(writer);
    return window->unfetch(file, offset, page);
}

static sqlite3 *connect_without_checkpoints(void)
{
    sqlite3 *connection = connect_to(DB, "wal");
    sqlite3_wal_autocheckpoint(connection, 0);
    return connection;
}

static void checkpoint(sqlite3 *connection)
{
    sqlite3_wal_checkpoint_v2(connection, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void commit_beside_a_checkpoint(bool in_window)
{
    struct window window = {.writer = NULL};
    sqlite3_file *file = NULL;
    if (sqlite3_libversion_number() >= 3051003)
        _exit(CANNOT);
    sqlite3 *writer = connect_without_checkpoints();
    sqlite3 *checkpointer = connect_without_checkpoints();
    must(sqlite3_file_control(checkpointer, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK);
    window.methods = *file->pMethods;
    window.unfetch = window.methods.xUnfetch;
    window.methods.xUnfetch = commit_in_window;
    file->pMethods = &window.methods;
    for (int i = 0; i < 20; i++)
        use(writer);
    checkpoint(writer);
    window.writer = in_window ? writer : NULL;
    checkpoint(checkpointer);
    accuse(getpid());
    use(writer);
    use(writer);
    _exit(0);
}

static void commits_within_a_checkpoint(void)
{
    commit_beside_a_checkpoint(true);
}

static void commits_after_a_checkpoint(void)
{
    commit_beside_a_checkpoint(false);
}

const struct mechanism sql_mechanisms[] = {
    MECHANISM("thread-misuse", uses_a_connection_in_two_threads,
              hands_a_connection_to_another_thread, "sqlite3_exec"),
    MECHANISM("busy-zero", sets_no_busy_timeout, sets_none_but_tries_again, "sqlite3_exec"),
    MECHANISM("busy-snapshot", writes_on_what_it_read_before, writes_after_its_read_transaction,
              "sqlite3_exec"),
    MECHANISM("wal-reset-bug", commits_within_a_checkpoint, commits_after_a_checkpoint, "fcntl"),
    {0},
};
