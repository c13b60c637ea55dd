/* SPDX-License-Identifier: MIT */
/* sql.c - what is known of the connections of a trace. */
#include "harness/diag/sql.h"

#include "harness/base/str.h"
#include "harness/diag/diag.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STEP_ROW 100

bool wg_sql_begins(const char *sql, const char *word)
{
    return strncasecmp(sql, word, strlen(word)) == 0;
}

bool wg_sql_holds(const char *sql, const char *word)
{
    return strcasestr(sql, word) != NULL;
}

struct wg_sql_session *wg_sql_session_find(const struct wg_sql_sessions *sessions,
                                           const struct wg_trace_process *process, uint64_t address)
{
    for (size_t i = sessions->count; i-- > 0 && address != 0;)
        if (sessions->items[i].address == address && sessions->items[i].process == process)
            return &sessions->items[i];
    return NULL;
}

/* The value of a parameter of a URI, as far as "&" or the end; false when it has none. */
static bool has_setting(const char *uri, const char *setting)
{
    const char *at = strchr(uri, '?');
    size_t size = strlen(setting);
    while (at) {
        if (strncmp(at + 1, setting, size) == 0 &&
            (at[1 + size] == '\0' || at[1 + size] == '&' || at[1 + size] == '#'))
            return true;
        at = strchr(at + 1, '&');
    }
    return false;
}

static bool has_vfs(const struct wg_trace_event *event, const char *name)
{
    char setting[64] = "vfs=";
    memcpy(setting + 4, name, strlen(name) + 1);
    return strcmp(event->text, name) == 0 || has_setting(event->path, setting);
}

static void open_session(struct wg_sql_sessions *sessions, const struct wg_trace_event *event)
{
    struct wg_sql_session *session =
        wg_sql_session_find(sessions, event->process, event->record->connection);
    if (event->record->connection == 0 || event->record->error != 0)
        return;
    if (!session) {
        sessions->items =
            wg_realloc(sessions->items, (sessions->count + 1) * sizeof *sessions->items);
        session = &sessions->items[sessions->count++];
    }
    bool uri = strncmp(event->path, "file:", 5) == 0;
    *session = (struct wg_sql_session){
        .process = event->process,
        .address = event->record->connection,
        .opened = *event,
        .database = event->database,
        .nolock = uri && has_setting(event->path, "nolock=1"),
        .immutable = uri && has_setting(event->path, "immutable=1"),
        .last_ns = event->end_ns,
    };
    if (has_vfs(event, "unix-dotfile"))
        session->locking = WG_SQL_LOCKING_DOTFILE;
    else if (has_vfs(event, "unix-none") || session->nolock || session->immutable)
        session->locking = WG_SQL_LOCKING_NONE;
}

/* The open() of a session's database happens within sqlite3_open(). */
static void note_file(struct wg_sql_sessions *sessions, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < sessions->count; i++) {
        struct wg_sql_session *session = &sessions->items[i];
        if (session->process != event->process ||
            session->opened.record->tid != event->record->tid ||
            event->time_ns > session->opened.end_ns + 1000 || /* in whole microseconds */
            strcmp(session->database, event->database) != 0)
            continue;
        session->dev = event->record->dev;
        session->ino = event->record->ino;
    }
}

static void close_session(struct wg_sql_sessions *sessions, struct wg_sql_session *session)
{
    *session = sessions->items[--sessions->count];
}

/* Not at WG_TRACE_EXEC: the child of a vfork() calls exec in its parent's name. */
static void drop_pid(struct wg_sql_sessions *sessions, pid_t pid)
{
    for (size_t i = sessions->count; i-- > 0;)
        if (sessions->items[i].process->pid == pid)
            close_session(sessions, &sessions->items[i]);
}

static void configure(struct wg_sql_session *session, const struct wg_trace_event *event)
{
    if (event->record->error != 0)
        return;
    if (event->call == WG_CALL_sqlite3_busy_timeout)
        session->timeout_ms = event->record->offset > 0 ? event->record->offset : 0;
    else if (event->call == WG_CALL_sqlite3_busy_handler)
        session->timeout_ms = event->record->offset ? -1 : 0;
}

/* PRAGMA busy_timeout=N in a call that worked, alone or as part of a script. What was cut off may
 * have held it: then the connection counts as one of which that is not known. */
static void follow_pragma(struct wg_sql_session *session, const struct wg_trace_event *event)
{
    const char *found = NULL;
    for (const char *at = strcasestr(event->text, "busy_timeout"); at;
         at = strcasestr(found, "busy_timeout"))
        found = at + strlen("busy_timeout");
    if (found) {
        found += strspn(found, " =('\"");
        if (*found >= '0' && *found <= '9')
            session->timeout_ms = strtoll(found, NULL, 10);
    }
    if (event->type == WG_TRACE_SQL_EXEC && (event->record->flags & WG_TRACE_CUT))
        session->timeout_ms = -1;
}

static void stop_running(struct wg_sql_session *session, uint64_t statement)
{
    for (size_t i = 0; i < session->running_count; i++)
        if (session->running[i] == statement)
            session->running[i--] = session->running[--session->running_count];
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_whole(const char *sql, const char *word)
{
    size_t size = strlen(word);
    return strncasecmp(sql, word, size) == 0 && !is_word(sql[size]);
}

/* The word at `sql` makes its statement one that writes. */
static bool is_writing_word(const char *sql)
{
    static const char *const words[] = {"immediate", "exclusive", "insert", "update", "delete",
                                        "create",    "drop",      "alter",  "replace"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_whole(sql, words[i]))
            return strcmp(words[i], "replace") != 0 || wg_sql_begins(sql + 7, " into");
    return false;
}

/* SQL with a statement that takes the write lock: by its first word, or one behind BEGIN or WITH.
 * A column created_at and the function replace() do not. */
static bool is_write(const char *sql)
{
    bool begins = true, goes_on = false;
    while (*sql) {
        size_t size = 0;
        while (is_word(sql[size]))
            size++;
        if (size == 0) {
            begins = begins || *sql == ';';
            sql++;
            continue;
        }
        if ((begins || goes_on) && is_writing_word(sql))
            return true;
        if (begins)
            goes_on = is_whole(sql, "begin") || is_whole(sql, "with");
        begins = false;
        sql += size;
    }
    return false;
}

static void follow_statement(struct wg_sql_session *session, const struct wg_trace_event *event)
{
    const struct wg_trace_record *record = event->record;
    if (event->type == WG_TRACE_SQL_STEP || event->type == WG_TRACE_SQL_RESET) {
        stop_running(session, (uint64_t)record->offset);
        if (event->type == WG_TRACE_SQL_STEP && record->result == STEP_ROW &&
            session->running_count < WG_SQL_RUNNING) {
            if (session->running_count == 0)
                session->reading = *event;
            session->running[session->running_count++] = (uint64_t)record->offset;
        }
    }
    bool open = record->length != 0;
    if (open && !session->in_transaction)
        session->begun = *event;
    session->in_transaction = open;
    if (record->error == 0 && event->type != WG_TRACE_SQL_PREPARE) {
        session->has_read = open && (session->has_read || wg_sql_holds(event->text, "select"));
        session->has_written = open && (session->has_written || is_write(event->text));
    }
    if (record->error == 0 && event->type != WG_TRACE_SQL_PREPARE) {
        follow_pragma(session, event);
        session->last_run_ns = event->end_ns;
    }
}

void wg_sql_sessions_follow(struct wg_sql_sessions *sessions, const struct wg_trace_event *event)
{
    if (event->type == WG_TRACE_SQL_OPEN)
        open_session(sessions, event);
    else if (event->type == WG_TRACE_OPEN && event->role == WG_TRACE_ROLE_DATABASE)
        note_file(sessions, event);
    else if (event->type == WG_TRACE_EXIT || event->type == WG_TRACE_PROCESS)
        drop_pid(sessions, event->process->pid);
    else if (event->type == WG_TRACE_KILL && event->record->offset == SIGKILL)
        drop_pid(sessions, (pid_t)event->record->length);
    struct wg_sql_session *session =
        wg_sql_session_find(sessions, event->process, event->record->connection);
    if (!session)
        return;
    if (event->end_ns > session->last_ns)
        session->last_ns = event->end_ns;
    switch (event->type) {
    case WG_TRACE_SQL_CLOSE:
        if (event->record->error == 0)
            close_session(sessions, session);
        break;
    case WG_TRACE_SQL_CONFIG: configure(session, event); break;
    case WG_TRACE_SQL_PREPARE:
    case WG_TRACE_SQL_STEP:
    case WG_TRACE_SQL_RESET:
    case WG_TRACE_SQL_EXEC: follow_statement(session, event); break;
    default: break;
    }
}

size_t wg_diag_without_sql(const struct wg_trace *trace, const char **ret_exe)
{
    enum { OPENS = 1, SQL = 2 };
    size_t count = 0;
    unsigned char *seen = wg_calloc(wg_trace_process_count(trace) + 1, sizeof *seen);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        uint16_t type = wg_trace_record_at(trace, i)->type;
        if (type != WG_TRACE_SQL_OPEN && type != WG_TRACE_OPEN)
            continue;
        wg_trace_get(trace, i, &event);
        if (event.type == WG_TRACE_SQL_OPEN)
            seen[event.process->index] |= SQL;
        else if (event.role == WG_TRACE_ROLE_DATABASE && event.record->error == 0 &&
                 (event.origin == WG_TRACE_ORIGIN_SQLITE ||
                  event.origin == WG_TRACE_ORIGIN_SQLITE_LIKELY))
            seen[event.process->index] |= OPENS;
    }
    for (size_t i = 0; i < wg_trace_process_count(trace); i++) {
        if (seen[i] != OPENS)
            continue;
        *ret_exe = wg_trace_process_at(trace, i)->exe;
        count++;
    }
    free(seen);
    return count;
}
