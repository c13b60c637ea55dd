/* SPDX-License-Identifier: MIT */
/*
 * sql_rules.c - the detectors that look at SQL: contention, settings, threads.
 *
 * To add one: a row without a function in detector.c, a rule here, and the rest as in detector.h.
 */
#include "harness/base/str.h"
#include "harness/diag/sql.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Result codes (sqlite.org/rescode.html). */
enum {
    CODE_BUSY = 5,
    CODE_CORRUPT = 11,
    CODE_LOCKED_SHARED_CACHE = 262,
    CODE_NOTICE_RECOVER_WAL = 283,
    CODE_BUSY_SNAPSHOT = 517,
    CODE_IOERR_TEMP_PATH = 6410
};

#define WAL_BIG     (INT64_C(16) << 20) /* four times what automatic checkpoints let it grow to */
#define WAL_COMMITS 3

/* A call that SQLite refused, and what its connection was like when it began. */
struct refused {
    struct wg_trace_event event;
    struct wg_sql_session session;
    bool tried_again; /* the program knew what to do, whatever came of it */
    bool judged;
    const char *id;                /* once judged; NULL: nothing */
    struct wg_trace_event culprit; /* once judged */
};

/* What befell the files of a database. */
struct place {
    const char *database;
    struct wg_trace_event replaced; /* by code that is not SQLite; time_ns 0: never */
    int64_t wal_ns;                 /* SQLite's last write to the WAL */
    int64_t wal_foreign_ns;         /* the WAL itself was put there by other code */
    int64_t database_ns;            /* SQLite's last write to the database */
    int64_t wal_size;
    int64_t wal_grown_ns; /* when it passed what automatic checkpoints allow; 0: not */
    int commits;          /* write locks on its -shm since */
    bool told_size;
    bool in_wal_mode;
};

struct wg_sql_fold {
    wg_sql_report *report;
    void *context;
    struct wg_sql_sessions sessions;
    struct refused *refused;
    size_t refused_count, unjudged;
    struct place *places;
    size_t place_count;
    struct wg_copies *copies;
    struct wg_cookies *cookies;
    struct wg_trace_event *stops; /* SIGSTOP */
    size_t stop_count;
    struct wg_trace_event *journal_modes; /* calls that set WAL */
    size_t journal_mode_count;
};

static bool by_other(enum wg_trace_origin origin)
{
    return origin == WG_TRACE_ORIGIN_OTHER || origin == WG_TRACE_ORIGIN_OTHER_LIKELY;
}

static bool by_sqlite(enum wg_trace_origin origin)
{
    return origin == WG_TRACE_ORIGIN_SQLITE || origin == WG_TRACE_ORIGIN_SQLITE_LIKELY;
}

static bool is_statement(const struct wg_trace_event *event)
{
    return event->type == WG_TRACE_SQL_STEP || event->type == WG_TRACE_SQL_EXEC ||
           event->type == WG_TRACE_SQL_PREPARE;
}

struct wg_sql_fold *wg_sql_fold_create(wg_sql_report *report, void *context)
{
    struct wg_sql_fold *fold = wg_calloc(1, sizeof *fold);
    fold->report = report;
    fold->context = context;
    fold->copies = wg_copies_create();
    fold->cookies = wg_cookies_create();
    return fold;
}

/* The session's process has done something since then, so it was not dead. */
static bool is_alive(const struct wg_sql_session *session, int64_t time_ns)
{
    return session->process->last_ns > time_ns;
}

static struct place *find_place(const struct wg_sql_fold *fold, const char *database)
{
    for (size_t i = fold->place_count; i-- > 0;)
        if (strcmp(fold->places[i].database, database) == 0)
            return &fold->places[i];
    return NULL;
}

/* Makes one when there is none; valid until the next call. */
static struct place *place_of(struct wg_sql_fold *fold, const char *database)
{
    struct place *known = find_place(fold, database);
    if (known)
        return known;
    fold->places = wg_realloc(fold->places, (fold->place_count + 1) * sizeof *fold->places);
    fold->places[fold->place_count] = (struct place){.database = database};
    return &fold->places[fold->place_count++];
}

/* --- what SQLite refused -------------------------------------------------------------------- */

static bool is_of_contention(int error)
{
    return error == CODE_BUSY || error == CODE_BUSY_SNAPSHOT || error == CODE_LOCKED_SHARED_CACHE;
}

/* By the same thread, on the same connection, or by the same command once more. */
static bool is_retry(const struct wg_trace_event *first, const struct wg_trace_event *later)
{
    if (first->process != later->process)
        return strcmp(first->process->command, later->process->command) == 0;
    return first->record->tid == later->record->tid ||
           first->record->connection == later->record->connection;
}

static bool is_same(const struct refused *refused, const struct wg_trace_event *later)
{
    return refused->event.time_ns < later->time_ns && is_retry(&refused->event, later) &&
           strcmp(refused->event.text, later->text) == 0 &&
           strcmp(refused->session.database, later->database) == 0;
}

/* The same SQL once more, and it was not refused. */
static void forget_refused(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = fold->refused_count; i-- > 0;)
        if (is_same(&fold->refused[i], event))
            fold->refused[i] = fold->refused[--fold->refused_count];
}

static void keep_refused(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    const struct wg_sql_session *session =
        wg_sql_session_find(&fold->sessions, event->process, event->record->connection);
    for (size_t i = 0; i < fold->refused_count; i++) {
        if (is_same(&fold->refused[i], event)) {
            fold->refused[i].tried_again = true;
            return;
        }
    }
    if (!session)
        return;
    fold->refused = wg_realloc(fold->refused, (fold->refused_count + 1) * sizeof *fold->refused);
    fold->refused[fold->refused_count++] = (struct refused){.event = *event, .session = *session};
    fold->unjudged++;
}

/* Can this session be what the refused call waited for? */
static bool keeps_out(const struct wg_sql_session *session, const struct refused *refused, bool wal)
{
    if (session->in_transaction && session->has_written)
        return true;
    /* Readers keep nobody out in WAL mode, and otherwise only who commits. */
    bool reads = session->running_count > 0 || (session->in_transaction && session->has_read);
    return reads && !wal && !wg_sql_begins(refused->event.text, "begin");
}

/*
 * A session of the same database that has sat there since before the call, without a call of its
 * own, in a process that was there afterwards.
 */
static const struct wg_sql_session *idle_holder(struct wg_sql_fold *fold,
                                                const struct refused *refused)
{
    const struct place *place = place_of(fold, refused->session.database);
    for (size_t i = 0; i < fold->sessions.count; i++) {
        const struct wg_sql_session *other = &fold->sessions.items[i];
        if (keeps_out(other, refused, place->in_wal_mode) &&
            other->last_ns < refused->event.time_ns && other->database[0] &&
            is_alive(other, refused->event.end_ns) &&
            strcmp(other->database, refused->session.database) == 0 &&
            (other->process != refused->event.process ||
             other->address != refused->event.record->connection))
            return other;
    }
    return NULL;
}

/* A process was stopped by a signal and had the database open then. */
static const struct wg_trace_event *stopped_holder(const struct wg_sql_fold *fold,
                                                   const struct refused *refused)
{
    for (size_t i = 0; i < fold->stop_count; i++) {
        for (size_t j = 0; j < fold->sessions.count; j++) {
            const struct wg_sql_session *other = &fold->sessions.items[j];
            if (other->process->pid == fold->stops[i].record->length &&
                fold->stops[i].time_ns < refused->event.end_ns &&
                strcmp(other->database, refused->session.database) == 0 &&
                (other->in_transaction || other->running_count > 0))
                return &fold->stops[i];
        }
    }
    return NULL;
}

/* Another connection set the journal mode of the same database at the same time. */
static bool is_race_for_wal(const struct wg_sql_fold *fold, const struct refused *refused)
{
    for (size_t i = 0; i < fold->journal_mode_count; i++) {
        const struct wg_trace_event *other = &fold->journal_modes[i];
        if (other->record->connection != refused->event.record->connection &&
            other->time_ns <= refused->event.end_ns && other->end_ns >= refused->event.time_ns &&
            strcmp(other->database, refused->session.database) == 0)
            return true;
    }
    return false;
}

static void blame(struct refused *refused, const char *id, const struct wg_trace_event *culprit)
{
    refused->id = id;
    refused->culprit = *culprit;
}

static void judge_busy(struct wg_sql_fold *fold, struct refused *refused)
{
    const struct wg_sql_session *own = &refused->session;
    const struct wg_trace_event *stop = stopped_holder(fold, refused);
    if (stop) {
        blame(refused, "lock-stuck", stop);
        return;
    }
    if (wg_sql_begins(refused->event.text, "pragma journal_mode") &&
        is_race_for_wal(fold, refused)) {
        blame(refused, "wal-init-race", &refused->event);
        return;
    }
    if (own->timeout_ms == 0) {
        blame(refused, "busy-zero", &refused->event);
        return;
    }
    /* It did not wait as long as it was told to. */
    if (refused->event.record->duration_us < own->timeout_ms * 1000 / 4) {
        if (own->in_transaction && own->has_read)
            blame(refused, "upgrade-deadlock", &refused->event);
        return;
    }
    const struct wg_sql_session *other = idle_holder(fold, refused);
    if (other && other->in_transaction)
        blame(refused, "leaked-transaction", &other->begun);
    else if (other)
        blame(refused, "idle-reader", &other->reading);
}

static void judge(struct wg_sql_fold *fold, struct refused *refused)
{
    refused->judged = true;
    switch (refused->event.record->error) {
    case CODE_BUSY: judge_busy(fold, refused); break;
    case CODE_BUSY_SNAPSHOT: blame(refused, "busy-snapshot", &refused->event); break;
    case CODE_LOCKED_SHARED_CACHE: blame(refused, "shared-cache", &refused->event); break;
    default: break;
    }
}

static void judge_until(struct wg_sql_fold *fold, int64_t time_ns)
{
    if (fold->unjudged == 0)
        return;
    fold->unjudged = 0;
    for (size_t i = 0; i < fold->refused_count; i++) {
        if (!fold->refused[i].judged && fold->refused[i].event.end_ns < time_ns)
            judge(fold, &fold->refused[i]);
        fold->unjudged += !fold->refused[i].judged;
    }
}

/* "Malformed": on a connection that was misled about the schema? */
static void see_corrupt(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    const struct wg_sql_session *session =
        wg_sql_session_find(&fold->sessions, event->process, event->record->connection);
    const struct wg_trace_event *back =
        session ? wg_cookies_misled(fold->cookies, session->database, session->last_run_ns) : NULL;
    if (back)
        fold->report(fold->context, "cookie-aba", back, session->database);
}

static void see_statement(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    int error = event->record->error;
    if (wg_sql_begins(event->text, "pragma journal_mode") && event->type != WG_TRACE_SQL_PREPARE) {
        fold->journal_modes = wg_realloc(fold->journal_modes, (fold->journal_mode_count + 1) *
                                                                  sizeof *fold->journal_modes);
        fold->journal_modes[fold->journal_mode_count++] = *event;
    }
    if (error == CODE_CORRUPT)
        see_corrupt(fold, event);
    if (error == CODE_IOERR_TEMP_PATH)
        fold->report(fold->context, "no-tempdir", event, event->database);
    else if (is_of_contention(error))
        keep_refused(fold, event);
    else if (error == 0 && event->type != WG_TRACE_SQL_PREPARE)
        forget_refused(fold, event);
}

/* --- settings of connections ---------------------------------------------------------------- */

/* A file that was put in the place of the one that the session has open. */
static bool is_another_file(const struct wg_sql_session *session,
                            const struct wg_trace_event *event)
{
    return event->role == WG_TRACE_ROLE_DATABASE && session->ino != 0 &&
           (session->ino != event->record->ino || session->dev != event->record->dev);
}

/* SQLite wrote to a database: connections that do not see it, or that nobody keeps out. */
static void see_write(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    struct wg_sql_session *own =
        wg_sql_session_find(&fold->sessions, event->process, event->record->connection);
    /* How it locks what it has attached is not known: a URI speaks of its own file. */
    if (own && strcmp(own->database, event->database) != 0)
        own = NULL;
    for (size_t i = 0; i < fold->sessions.count; i++) {
        struct wg_sql_session *other = &fold->sessions.items[i];
        if (other->told || other == own || strcmp(other->database, event->database) != 0 ||
            !is_alive(other, event->time_ns) || is_another_file(other, event))
            continue;
        const struct wg_sql_session *lax = other;
        const char *id = NULL;
        if (other->immutable)
            id = "immutable";
        else if (own && (own->locking != other->locking ||
                         (own->locking == WG_SQL_LOCKING_NONE && own->process != other->process))) {
            lax = own->locking != WG_SQL_LOCKING_POSIX ? own : other;
            id = lax->nolock ? "nolock" : "vfs-mix";
        }
        if (!id || (own && own->told))
            continue;
        fold->report(fold->context, id, &lax->opened, lax->database);
        other->told = true;
        if (own && id[0] != 'i')
            own->told = true;
    }
}

/* --- the WAL -------------------------------------------------------------------------------- */

/* A session that has read from the WAL since before it grew, and did nothing since. */
static const struct wg_sql_session *find_starver(const struct wg_sql_fold *fold,
                                                 const struct place *place, int64_t time_ns)
{
    for (size_t i = 0; i < fold->sessions.count; i++) {
        const struct wg_sql_session *session = &fold->sessions.items[i];
        bool reads = session->running_count > 0 || (session->in_transaction && session->has_read);
        if (reads && session->last_ns < place->wal_grown_ns && is_alive(session, time_ns) &&
            strcmp(session->database, place->database) == 0)
            return session;
    }
    return NULL;
}

static void see_wal_write(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    struct place *place = place_of(fold, event->database);
    const struct wg_trace_record *record = event->record;
    place->wal_ns = event->time_ns;
    int64_t end = record->offset + record->length;
    if (record->offset == 0) {
        place->wal_size = 0;
        place->wal_grown_ns = 0;
        place->told_size = false;
    }
    if (end > place->wal_size)
        place->wal_size = end;
    if (place->wal_grown_ns == 0 && place->wal_size > WAL_BIG / 4) {
        place->wal_grown_ns = event->time_ns;
        place->commits = 0;
    }
    if (place->wal_size < WAL_BIG || place->commits < WAL_COMMITS || place->told_size)
        return;
    const struct wg_sql_session *starver = find_starver(fold, place, event->time_ns);
    if (!starver)
        return;
    place->told_size = true;
    fold->report(fold->context, "reader-starves-checkpoint",
                 starver->running_count > 0 ? &starver->reading : &starver->begun,
                 starver->database);
}

/* SQLite's log: "recovered N frames from WAL file PATH". */
static void see_recovery(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < fold->place_count; i++) {
        const struct place *place = &fold->places[i];
        size_t size = strlen(place->database);
        const char *at = strstr(event->text, place->database);
        if (!at || strncmp(at + size, "-wal", 4) != 0 || place->replaced.time_ns == 0)
            continue;
        if (place->replaced.time_ns > place->wal_ns && place->wal_ns != 0 &&
            place->wal_foreign_ns < place->wal_ns)
            fold->report(fold->context, "stale-wal", &place->replaced, place->database);
    }
}

/* --- copies --------------------------------------------------------------------------------- */

static void see_copy(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    const char *source = wg_copy_source(event);
    const struct place *place = find_place(fold, source);
    bool live = false;
    for (size_t i = 0; i < fold->sessions.count && !live; i++)
        live = strcmp(fold->sessions.items[i].database, source) == 0;
    bool in_wal = place && place->wal_ns > place->database_ns;
    wg_copies_see(fold->copies, event, live && in_wal ? place->wal_ns : 0);
}

static void see_open(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    struct wg_trace_event copy;
    while (wg_copies_take(fold->copies, event->path, &copy))
        fold->report(fold->context, "copy-live", &copy, wg_copy_source(&copy));
}

/* --- all ------------------------------------------------------------------------------------ */

/* Code that is not SQLite puts another file in the place of a database or its WAL. */
static void see_foreign(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    /* Emptied, or made where there was none. */
    bool replaces = event->type == WG_TRACE_OPEN &&
                    ((event->record->length & O_TRUNC) ||
                     ((event->record->length & O_CREAT) && event->record->ino2 == 0));
    const char *path = event->path;
    if (event->type == WG_TRACE_RENAME) {
        replaces = true;
        path = event->text;
    }
    if (!replaces || event->record->error != 0 || !path[0])
        return;
    for (size_t i = 0; i < fold->place_count; i++) {
        struct place *place = &fold->places[i];
        size_t size = strlen(place->database);
        if (strncmp(path, place->database, size) != 0)
            continue;
        if (path[size] == '\0')
            place->replaced = *event;
        else if (strcmp(path + size, "-wal") == 0)
            place->wal_foreign_ns = event->time_ns;
    }
}

static void see_stop(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    if (event->record->offset == SIGCONT || event->record->offset == SIGKILL)
        for (size_t i = fold->stop_count; i-- > 0;)
            if (fold->stops[i].record->length == event->record->length)
                fold->stops[i] = fold->stops[--fold->stop_count];
    if (event->record->offset != SIGSTOP)
        return;
    fold->stops = wg_realloc(fold->stops, (fold->stop_count + 1) * sizeof *fold->stops);
    fold->stops[fold->stop_count++] = *event;
}

static void see_file(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    if (event->type == WG_TRACE_COPY && by_other(event->origin) && event->record->error == 0 &&
        (event->record->result != 0 || event->call == WG_CALL_ioctl))
        see_copy(fold, event);
    if (by_other(event->origin))
        see_foreign(fold, event);
    if (!by_sqlite(event->origin))
        return;
    if (event->type == WG_TRACE_OPEN && event->role == WG_TRACE_ROLE_DATABASE &&
        event->record->error == 0)
        see_open(fold, event);
    if (event->type == WG_TRACE_LOCK && event->role == WG_TRACE_ROLE_SHM)
        place_of(fold, event->database)->in_wal_mode = true;
    if (event->type == WG_TRACE_LOCK && event->role == WG_TRACE_ROLE_SHM &&
        event->record->error == 0 && event->record->offset == WG_TRACE_SHM_LOCK_FIRST &&
        (event->record->lock_type & WG_TRACE_LOCK_KIND) == WG_TRACE_LOCK_WRITE)
        place_of(fold, event->database)->commits++;
    if (event->type != WG_TRACE_WRITE)
        return;
    if (event->role == WG_TRACE_ROLE_WAL)
        see_wal_write(fold, event);
    else if (event->role == WG_TRACE_ROLE_DATABASE)
        place_of(fold, event->database)->database_ns = event->time_ns;
    if (event->role == WG_TRACE_ROLE_WAL || event->role == WG_TRACE_ROLE_DATABASE)
        see_write(fold, event);
}

void wg_sql_fold_see(struct wg_sql_fold *fold, const struct wg_trace_event *event)
{
    judge_until(fold, event->time_ns);
    wg_cookies_see(fold->cookies, event);
    if (event->record->flags & WG_TRACE_INJECTED) {
        /* What was made to fail is nobody's fault. */
    } else if (is_statement(event))
        see_statement(fold, event);
    else if (event->type == WG_TRACE_SQL_OVERLAP)
        fold->report(fold->context, "thread-misuse", event, event->database);
    else if (event->type == WG_TRACE_SQL_LOG && event->record->error == CODE_NOTICE_RECOVER_WAL)
        see_recovery(fold, event);
    else if (event->type == WG_TRACE_KILL)
        see_stop(fold, event);
    else
        see_file(fold, event);
    wg_sql_sessions_follow(&fold->sessions, event);
}

void wg_sql_fold_destroy(struct wg_sql_fold *fold)
{
    if (!fold)
        return;
    judge_until(fold, INT64_MAX);
    for (size_t i = 0; i < fold->refused_count; i++)
        if (fold->refused[i].id && !fold->refused[i].tried_again)
            fold->report(fold->context, fold->refused[i].id, &fold->refused[i].culprit,
                         fold->refused[i].session.database);
    free(fold->sessions.items);
    free(fold->refused);
    free(fold->places);
    wg_copies_destroy(fold->copies);
    wg_cookies_destroy(fold->cookies);
    free(fold->stops);
    free(fold->journal_modes);
    free(fold);
}
