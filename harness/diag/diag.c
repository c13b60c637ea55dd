/* SPDX-License-Identifier: MIT */
/*
 * diag.c - one pass over the trace: who has which file open, and what each detector says.
 *
 * Holders are kept per process and inode, from opens and closes by SQLite. A process counts as
 * alive at a moment when the trace has something of it later, so one that was killed long ago holds
 * nothing.
 */
#include "harness/diag/diag.h"

#include "harness/base/str.h"
#include "harness/diag/detector.h"
#include "harness/diag/effect.h"
#include "harness/diag/sql.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Holders that a view may show; more are not needed to be certain. */
#define VIEW_MAX     32
#define HOLDERS_KEPT (sizeof((struct wg_finding *)NULL)->holders / sizeof(pid_t))
#define CLOSES_KEPT  32  /* calls of sqlite3_close() that may be under way at one time */
#define SHM_DMS      128 /* lock byte that every user of the -shm keeps */

/* A process has had a database open through SQLite, for the last time at `last_ns`. */
struct use {
    const struct wg_trace_process *process;
    const char *database;
    int64_t last_ns;
};

/* A finding that waits for its sign, and the files that SQLite had open of its database then. */
struct kept {
    struct wg_finding finding;
    struct {
        uint64_t dev, ino;
    } files[VIEW_MAX];
    size_t file_count;
    bool anew; /* somebody has put a database in its place */
};

/* Faults that were asked for and injected into a database. */
struct faults {
    const char *database;
    size_t count;
};

/* When a fault was injected into whom. */
struct strike {
    const struct wg_trace_process *process;
    uint32_t tid;
    int64_t time_ns;
};

struct fold {
    const struct wg_trace *trace;
    struct faults *faults;
    size_t faults_count;
    struct strike *strikes;
    size_t strike_count;
    struct {
        const struct wg_trace_process *process;
        uint64_t connection;
        int64_t end_ns;
    } closes[CLOSES_KEPT];
    size_t close_count; /* ever; the newest of them are kept */
    struct wg_holder *holders;
    size_t holder_count, holder_room;
    struct kept *kept_back; /* wait for their sign */
    size_t kept_count;
    struct use *uses;
    size_t use_count;
    struct wg_findings *out;
};

static bool is_family(enum wg_trace_role role)
{
    return role == WG_TRACE_ROLE_DATABASE || role == WG_TRACE_ROLE_WAL ||
           role == WG_TRACE_ROLE_SHM || role == WG_TRACE_ROLE_JOURNAL ||
           role == WG_TRACE_ROLE_EMPTY;
}

static bool by_sqlite(const struct wg_trace_event *event)
{
    return event->origin == WG_TRACE_ORIGIN_SQLITE ||
           event->origin == WG_TRACE_ORIGIN_SQLITE_LIKELY;
}

static struct use *find_use(const struct fold *fold, const struct wg_trace_process *process,
                            const char *database)
{
    for (size_t i = fold->use_count; i-- > 0;)
        if (fold->uses[i].process == process && strcmp(fold->uses[i].database, database) == 0)
            return &fold->uses[i];
    return NULL;
}

/* Another process has opened the database since the one of the event began. */
static bool is_used_beside(const struct fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < fold->use_count; i++)
        if (fold->uses[i].process != event->process &&
            fold->uses[i].last_ns > event->process->first_ns &&
            strcmp(fold->uses[i].database, event->database) == 0)
            return true;
    return false;
}

static void add_use(struct fold *fold, const struct wg_trace_event *event)
{
    struct use *use = find_use(fold, event->process, event->database);
    if (!use) {
        fold->uses = wg_realloc(fold->uses, (fold->use_count + 1) * sizeof *fold->uses);
        use = &fold->uses[fold->use_count++];
        *use = (struct use){.process = event->process, .database = event->database};
    }
    use->last_ns = event->time_ns;
}

static struct wg_holder *find_holder(struct fold *fold, const struct wg_trace_process *process,
                                     uint64_t dev, uint64_t ino)
{
    for (size_t i = fold->holder_count; i-- > 0;) {
        struct wg_holder *holder = &fold->holders[i];
        if (holder->ino == ino && holder->dev == dev && holder->process == process)
            return holder;
    }
    return NULL;
}

static void drop_holder(struct fold *fold, struct wg_holder *holder)
{
    *holder = fold->holders[--fold->holder_count];
}

static void drop_pid(struct fold *fold, pid_t pid)
{
    for (size_t i = fold->holder_count; i-- > 0;)
        if (fold->holders[i].process->pid == pid)
            drop_holder(fold, &fold->holders[i]);
}

static void add_holder(struct fold *fold, const struct wg_trace_event *event)
{
    /* Before that its closes may be missing, and it would seem to hold what it closed long ago. */
    if (event->process->frequent_dropped > 0 && event->time_ns < event->process->frequent_since_ns)
        return;
    struct wg_holder *holder =
        find_holder(fold, event->process, event->record->dev, event->record->ino);
    bool reads_only = (event->record->length & O_ACCMODE) == O_RDONLY;
    if (holder) {
        holder->fds++;
        holder->reads_only = holder->reads_only && reads_only;
        return;
    }
    if (fold->holder_count == fold->holder_room) {
        fold->holder_room = fold->holder_room ? 2 * fold->holder_room : 64;
        fold->holders = wg_realloc(fold->holders, fold->holder_room * sizeof *fold->holders);
    }
    fold->holders[fold->holder_count++] = (struct wg_holder){.process = event->process,
                                                             .dev = event->record->dev,
                                                             .ino = event->record->ino,
                                                             .database = event->database,
                                                             .module = event->record->caller,
                                                             .reads_only = reads_only,
                                                             .fds = 1};
}

/* SQLite opens a file that nobody had open: where one was deleted that had this number, it is a new
 * file, and what happens to it says nothing about the old one. */
static void forget_reused(struct fold *fold, uint64_t dev, uint64_t ino)
{
    for (size_t i = 0; i < fold->holder_count; i++)
        if (fold->holders[i].ino == ino && fold->holders[i].dev == dev)
            return;
    for (size_t i = 0; i < fold->kept_count; i++) {
        struct kept *kept = &fold->kept_back[i];
        enum wg_trace_type type = kept->finding.event.type;
        for (size_t j = kept->file_count; j-- > 0;)
            if ((type == WG_TRACE_UNLINK || type == WG_TRACE_RENAME) && kept->files[j].ino == ino &&
                kept->files[j].dev == dev)
                kept->files[j] = kept->files[--kept->file_count];
    }
}

/* What the event changes in who holds what; after the detectors have seen it. */
static void follow(struct fold *fold, const struct wg_trace_event *event)
{
    const struct wg_trace_record *record = event->record;
    switch (event->type) {
    case WG_TRACE_OPEN:
        if (record->error == 0 && is_family(event->role) && by_sqlite(event)) {
            forget_reused(fold, record->dev, record->ino);
            add_holder(fold, event);
            add_use(fold, event);
        }
        break;
    case WG_TRACE_CLOSE: {
        struct wg_holder *holder = find_holder(fold, event->process, record->dev, record->ino);
        bool sqlites = event->opener == WG_TRACE_ORIGIN_SQLITE ||
                       event->opener == WG_TRACE_ORIGIN_SQLITE_LIKELY;
        if (holder && (record->open_count <= 1 || (sqlites && --holder->fds <= 0)))
            drop_holder(fold, holder);
        break;
    }
    /* Not at WG_TRACE_EXEC: the child of a vfork() calls exec in its parent's name. */
    case WG_TRACE_SQL_CLOSE: {
        size_t slot = fold->close_count++ % CLOSES_KEPT;
        fold->closes[slot].process = event->process;
        fold->closes[slot].connection = record->connection;
        fold->closes[slot].end_ns = event->end_ns + 1000; /* ends are in whole microseconds */
        break;
    }
    case WG_TRACE_EXIT:
    case WG_TRACE_PROCESS: drop_pid(fold, event->process->pid); break;
    default: break;
    }
}

static size_t view_holders(const struct fold *fold, uint64_t dev, uint64_t ino, int64_t time_ns,
                           struct wg_holder *ret_holders)
{
    size_t count = 0;
    for (size_t i = 0; i < fold->holder_count && count < VIEW_MAX && ino != 0; i++) {
        const struct wg_holder *holder = &fold->holders[i];
        if (holder->ino == ino && holder->dev == dev && holder->process->last_ns > time_ns)
            ret_holders[count++] = *holder;
    }
    return count;
}

static bool same_place(const struct wg_finding *a, const struct wg_finding *b)
{
    if (a->detector != b->detector || a->event.process != b->event.process ||
        strcmp(a->database, b->database) != 0)
        return false;
    return a->detector->once || (a->event.script[0] || b->event.script[0]
                                     ? strcmp(a->event.script, b->event.script) == 0
                                     : a->event.record->caller == b->event.record->caller);
}

static void report(struct fold *fold, const struct wg_finding *finding)
{
    for (size_t i = 0; i < fold->out->count; i++) {
        if (same_place(&fold->out->items[i], finding)) {
            fold->out->items[i].times++;
            return;
        }
    }
    struct wg_findings *out = fold->out;
    out->items = wg_realloc(out->items, (out->count + 1) * sizeof *out->items);
    out->items[out->count++] = *finding;
}

/* The beginning of a transaction or a write of one. What the last close does is none: that takes
 * the database exclusively, checkpoints, and hurts nobody when the files are gone. */
static bool is_transaction(const struct wg_trace_event *event)
{
    const struct wg_trace_record *record = event->record;
    if (event->type == WG_TRACE_WRITE)
        return event->role == WG_TRACE_ROLE_WAL || event->role == WG_TRACE_ROLE_JOURNAL;
    if (event->type != WG_TRACE_LOCK || (record->lock_type & WG_TRACE_LOCK_QUERY))
        return false;
    unsigned kind = record->lock_type & WG_TRACE_LOCK_KIND;
    bool shared = kind == WG_TRACE_LOCK_READ;
    if (event->role == WG_TRACE_ROLE_DATABASE)
        return shared;
    return event->role == WG_TRACE_ROLE_SHM && record->offset >= WG_TRACE_SHM_LOCK_FIRST &&
           (shared ? record->offset < SHM_DMS
                   : kind == WG_TRACE_LOCK_WRITE && record->offset == WG_TRACE_SHM_LOCK_FIRST);
}

/* Within sqlite3_close(), which rolls back what is open. */
static bool is_closing(const struct fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < CLOSES_KEPT; i++)
        if (fold->closes[i].process == event->process && event->record->connection != 0 &&
            fold->closes[i].connection == event->record->connection &&
            fold->closes[i].end_ns >= event->time_ns)
            return true;
    return false;
}

/* A transaction ends, with a rollback perhaps: SHARED is taken again by who has it. That matters to
 * who lost the journal alone; with the database gone there is nothing to be rolled back. */
static bool is_mere_end(const struct fold *fold, const struct wg_finding *kept,
                        const struct wg_trace_event *event)
{
    if (event->type != WG_TRACE_LOCK || event->role != WG_TRACE_ROLE_DATABASE ||
        !(event->record->held & WG_TRACE_HELD_SHARED))
        return false;
    if (kept->event.role != WG_TRACE_ROLE_JOURNAL)
        return true;
    for (size_t i = 0; i < fold->kept_count; i++)
        if (fold->kept_back[i].finding.event.role == WG_TRACE_ROLE_DATABASE &&
            fold->kept_back[i].finding.event.type == WG_TRACE_UNLINK &&
            strcmp(fold->kept_back[i].finding.database, kept->database) == 0)
            return true;
    return false;
}

static bool is_used(const struct fold *fold, const struct kept *kept,
                    const struct wg_trace_event *event)
{
    if (!is_transaction(event) || is_closing(fold, event) ||
        is_mere_end(fold, &kept->finding, event))
        return false;
    for (size_t i = 0; i < kept->file_count; i++)
        if (kept->files[i].ino == event->record->ino && kept->files[i].dev == event->record->dev)
            return true;
    return false;
}

/* A process that worked with the file comes back: what it finds at the path now, if anything, is
 * another file, though perhaps of the same inode number. */
static bool is_missed(const struct fold *fold, const struct wg_finding *kept,
                      const struct wg_trace_event *event)
{
    if (event->type != WG_TRACE_OPEN || event->process == kept->event.process ||
        strcmp(event->path, kept->database) != 0)
        return false;
    const struct use *use = find_use(fold, event->process, kept->database);
    return use && use->last_ns > kept->event.process->first_ns;
}

/*
 * The database was deleted while a process had it open, and that process opens the path again:
 * some of its connections have the deleted file now and the new ones another. Unless it had it
 * deleted itself, by a command that it started.
 */
static bool is_split(const struct fold *fold, const struct kept *kept,
                     const struct wg_trace_event *event)
{
    const struct wg_finding *finding = &kept->finding;
    if (kept->anew || finding->event.type != WG_TRACE_UNLINK || event->type != WG_TRACE_OPEN ||
        finding->event.role != WG_TRACE_ROLE_DATABASE ||
        strcmp(event->path, finding->database) != 0 ||
        wg_trace_process_descends(fold->trace, finding->event.process, event->process->pid))
        return false;
    for (size_t i = 0; i < finding->holder_count && i < HOLDERS_KEPT; i++)
        if (finding->holders[i] == event->process->pid)
            return true;
    return false;
}

/* Somebody put a database in the place of the deleted one: the one who deleted it, one who never
 * worked with it, or code that is not SQLite, by a copy or a rename. */
static bool is_made_anew(const struct fold *fold, const struct wg_finding *kept,
                         const struct wg_trace_event *event)
{
    if (event->record->error != 0)
        return false;
    if (event->type == WG_TRACE_RENAME)
        return strcmp(event->text, kept->database) == 0;
    if (event->type != WG_TRACE_OPEN || strcmp(event->path, kept->database) != 0)
        return false;
    return by_sqlite(event) ? !find_use(fold, event->process, kept->database) ||
                                  event->process == kept->event.process
                            : (event->record->length & O_CREAT) != 0;
}

/* Reports what was kept back and has its sign now; forgets what cannot hurt any more. */
static void confirm(struct fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < fold->kept_count; i++) {
        struct kept *kept = &fold->kept_back[i];
        if (event->time_ns <= kept->finding.event.time_ns)
            continue;
        bool missing = kept->finding.detector->sign == WG_DIAG_MISSED;
        bool felt = by_sqlite(event) &&
                    (missing ? is_missed(fold, &kept->finding, event)
                             : is_used(fold, kept, event) || is_split(fold, kept, event));
        kept->anew = kept->anew || is_made_anew(fold, &kept->finding, event);
        if (felt)
            report(fold, &kept->finding);
        if (felt || (missing && kept->anew))
            fold->kept_back[i--] = fold->kept_back[--fold->kept_count];
    }
}

/* Keeps a finding back with every file of its database that is open now. */
static void keep_back(struct fold *fold, const struct wg_finding *finding)
{
    struct kept kept = {.finding = *finding};
    for (size_t i = 0; i < fold->holder_count && kept.file_count < VIEW_MAX; i++) {
        if (strcmp(fold->holders[i].database, finding->database) != 0)
            continue;
        kept.files[kept.file_count].dev = fold->holders[i].dev;
        kept.files[kept.file_count++].ino = fold->holders[i].ino;
    }
    fold->kept_back = wg_realloc(fold->kept_back, (fold->kept_count + 1) * sizeof *fold->kept_back);
    fold->kept_back[fold->kept_count++] = kept;
}

static bool is_strike(const struct wg_trace_record *record)
{
    return record->type == WG_TRACE_FAULT && (record->flags & WG_TRACE_INJECTED);
}

static void add_strike(struct fold *fold, const struct wg_trace_event *event)
{
    fold->strikes = wg_realloc(fold->strikes, (fold->strike_count + 1) * sizeof *fold->strikes);
    fold->strikes[fold->strike_count++] =
        (struct strike){event->process, event->record->tid, event->time_ns};
}

/* A fault was injected into a call that was made on behalf of this one, of SQLite's API. */
static bool is_struck(const struct fold *fold, const struct wg_trace_event *event)
{
    for (size_t i = 0; i < fold->strike_count; i++)
        if (fold->strikes[i].process == event->process &&
            fold->strikes[i].tid == event->record->tid &&
            fold->strikes[i].time_ns >= event->time_ns &&
            fold->strikes[i].time_ns <= event->end_ns + 1000) /* ends are in whole microseconds */
            return true;
    return false;
}

static struct faults *find_faults(const struct fold *fold, const char *database)
{
    for (size_t i = 0; i < fold->faults_count; i++)
        if (strcmp(fold->faults[i].database, database) == 0)
            return &fold->faults[i];
    return NULL;
}

static void add_fault(struct fold *fold, const char *database)
{
    struct faults *faults = find_faults(fold, database);
    if (!faults) {
        fold->faults = wg_realloc(fold->faults, (fold->faults_count + 1) * sizeof *fold->faults);
        faults = &fold->faults[fold->faults_count++];
        *faults = (struct faults){.database = database};
    }
    faults->count++;
}

static void found(struct fold *fold, const struct wg_detector *detector,
                  const struct wg_diag_view *view)
{
    const struct wg_trace_event *event = view->event;
    struct wg_finding finding = {.detector = detector, .event = *event, .times = 1};
    bool replaced = event->type == WG_TRACE_RENAME && view->target_count > 0;
    const struct wg_holder *holders = replaced ? view->target : view->holders;
    finding.holder_count = replaced ? view->target_count : view->holder_count;
    for (size_t i = 0; i < finding.holder_count; i++)
        if (i < HOLDERS_KEPT)
            finding.holders[i] = holders[i].process->pid;
    finding.database = event->database[0] ? event->database : event->path;
    if (replaced)
        finding.database = holders[0].database;
    const struct faults *faults = find_faults(fold, finding.database);
    finding.faults_before = faults ? faults->count : 0;
    finding.locks_lost = wg_trace_held_count(event->record->held);
    if (detector->sign != WG_DIAG_AT_ONCE)
        keep_back(fold, &finding);
    else
        report(fold, &finding);
}

/* What the rules about SQL have found. */
static void found_by_rule(void *context, const char *id, const struct wg_trace_event *event,
                          const char *database)
{
    struct wg_finding finding = {.detector = wg_detector_find(id),
                                 .event = *event,
                                 .database = database[0] ? database : event->path,
                                 .times = 1};
    const struct faults *faults = find_faults(context, finding.database);
    finding.faults_before = faults ? faults->count : 0;
    if (!is_struck(context, event))
        report(context, &finding);
}

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const struct wg_finding *)a)->event.time_ns;
    int64_t right = ((const struct wg_finding *)b)->event.time_ns;
    return (left > right) - (left < right);
}

static void see(struct fold *fold, const struct wg_trace_event *event)
{
    struct wg_holder holders[VIEW_MAX], target[VIEW_MAX];
    struct wg_diag_view view = {
        .trace = fold->trace, .event = event, .holders = holders, .target = target};
    confirm(fold, event);
    view.holder_count =
        view_holders(fold, event->record->dev, event->record->ino, event->time_ns, holders);
    if (event->type == WG_TRACE_RENAME)
        view.target_count =
            view_holders(fold, event->record->dev, event->record->ino2, event->time_ns, target);
    view.used_beside = event->type == WG_TRACE_UNLINK && is_used_beside(fold, event);
    if (is_strike(event->record))
        add_fault(fold, event->database[0] ? event->database : event->path);
    /* What was made to fail is nobody's fault. */
    bool asked_for = event->record->flags & WG_TRACE_INJECTED;
    for (size_t i = 0; i < wg_detector_count && !asked_for; i++)
        if (wg_detectors[i].matches && wg_detectors[i].matches(&view))
            found(fold, &wg_detectors[i], &view);
    follow(fold, event);
}

void wg_diag_run(const struct wg_trace *trace, struct wg_findings *ret_findings)
{
    struct fold fold = {.trace = trace, .out = ret_findings};
    *ret_findings = (struct wg_findings){0};
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        if (!is_strike(wg_trace_record_at(trace, i)))
            continue;
        wg_trace_get(trace, i, &event);
        add_strike(&fold, &event);
    }
    struct wg_sql_fold *sql = wg_sql_fold_create(found_by_rule, &fold);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        see(&fold, &event);
        wg_sql_fold_see(sql, &event);
    }
    wg_sql_fold_destroy(sql);
    if (ret_findings->count > 0)
        qsort(ret_findings->items, ret_findings->count, sizeof *ret_findings->items, by_time);
    free(fold.holders);
    free(fold.kept_back);
    free(fold.uses);
    free(fold.faults);
    free(fold.strikes);
}

bool wg_finding_is_error(const struct wg_finding *finding)
{
    return finding->detector->severity == WG_DIAG_ERROR;
}

size_t wg_findings_errors(const struct wg_findings *findings)
{
    size_t errors = 0;
    for (size_t i = 0; i < findings->count; i++)
        errors += wg_finding_is_error(&findings->items[i]);
    return errors;
}

void wg_findings_finish(struct wg_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        wg_strv_finish(&findings->items[i].stack);
        wg_moment_finish(&findings->items[i].moment);
        wg_effects_finish(findings->items[i].effects, findings->items[i].effect_count);
    }
    free(findings->items);
    *findings = (struct wg_findings){0};
}
