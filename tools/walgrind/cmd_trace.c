/* SPDX-License-Identifier: MIT */
/* cmd_trace.c - walgrind trace: what the probe recorded, as lines. */
#include "harness/base/str.h"
#include "harness/trace/trace.h"
#include "tools/walgrind/commands.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct trace_options {
    const char *database;
    const char *view;
    long pid;
    bool stacks;
};

static const struct wg_option options_table[] = {
    {"view", 0, WG_OPTION_CHOICE, offsetof(struct trace_options, view),
     "time|process|database|connection",
     "Order: all by time (default), or one process, database or connection after another.", 0, 0},
    {"database", 0, WG_OPTION_STRING, offsetof(struct trace_options, database), "TEXT",
     "Only records of databases whose path contains TEXT.", 0, 0},
    {"pid", 0, WG_OPTION_INT, offsetof(struct trace_options, pid), "PID",
     "Only records of this process.", 1, 1L << 30},
    {"stacks", 0, WG_OPTION_FLAG, offsetof(struct trace_options, stacks), NULL,
     "Also the Python frames and the native stack where they were taken.", 0, 0},
    {0},
};

static int trace(int argc, char **argv);

const struct wg_command wg_command_trace = {
    .name = "trace",
    .summary = "print what the probe recorded",
    .synopsis = "[OPTION…] [RUN]",
    .description =
        "Prints the records of a run of 'walgrind exec' or 'walgrind run', one a line: seconds since the first, "
        "process and thread, what happened, who called (SQLite or other code), result, and the "
        "file. RUN is the run's directory; default: the newest below .walgrind. What is missing "
        "is said at the end.",
    .options = options_table,
    .run = trace,
};

static bool wanted(const struct trace_options *options, const struct wg_trace_event *event)
{
    return (options->pid == 0 || event->process->pid == options->pid) &&
           (!options->database || strstr(event->database, options->database));
}

static void print_frames(const struct wg_trace *trace, const struct wg_trace_event *event)
{
    for (const char *line = event->script; *line;) {
        size_t size = strcspn(line, "\n");
        printf("        %.*s\n", (int)size, line);
        line += size + (line[size] != '\0');
    }
    for (size_t i = 0; i < event->frame_count; i++) {
        const char *path = "?";
        uint64_t address = event->frames[i];
        wg_trace_module(trace, event->process, event->frames[i] - 1, &path, &address);
        printf("        #%zu %s+0x%llx\n", i, path, (unsigned long long)address);
    }
}

static void print_flags(const struct wg_trace_record *record)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {
        {WG_TRACE_INHERITED, "inherited"}, {WG_TRACE_INJECTED, "injected"},
        {WG_TRACE_DELAYED, "delayed"},     {WG_TRACE_UNLINKED, "unlinked"},
        {WG_TRACE_LINKS, "several-names"}, {WG_TRACE_MOVED, "moved"},
        {WG_TRACE_OUTSIDE, "outside"},     {WG_TRACE_CUT, "text-cut"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (record->flags & words[i].flag)
            printf(" [%s]", words[i].word);
}

static void print_lock(const struct wg_trace_record *record)
{
    static const char *const kinds[] = {"?", "read", "write", "unlock"};
    printf(" %s%s%s %lld+%lld", kinds[record->lock_type & WG_TRACE_LOCK_KIND],
           record->lock_type & WG_TRACE_LOCK_WAIT ? " wait" : "",
           record->lock_type & WG_TRACE_LOCK_QUERY ? " query" : "", (long long)record->offset,
           (long long)record->length);
}

/* Which call it befell, the how many-th at its point, and how long or with what. */
static void print_fault(const struct wg_trace_record *record)
{
    printf(" at %s %lld", wg_trace_type_name((enum wg_trace_type)record->result),
           (long long)record->length);
    if (record->offset > 0)
        printf(" for %lld us", (long long)record->offset);
}

static void print_stale_map(const struct wg_trace_record *record)
{
    printf(" byte %lld: %016llx, in the file %016llx", (long long)record->length,
           (unsigned long long)record->result, (unsigned long long)record->ino2);
}

/* What a call on SQLite's API has besides result and text. */
static void print_sql(const struct wg_trace_event *event)
{
    const struct wg_trace_record *record = event->record;
    switch (event->type) {
    case WG_TRACE_SQL_PREPARE:
    case WG_TRACE_SQL_STEP:
    case WG_TRACE_SQL_RESET:
    case WG_TRACE_SQL_EXEC:
    case WG_TRACE_SQL_CLOSE:
        if (record->length)
            printf(" in-transaction");
        break;
    case WG_TRACE_SQL_OPEN: printf(" flags 0x%llx", (unsigned long long)record->offset); break;
    case WG_TRACE_SQL_CONFIG:
    case WG_TRACE_SQL_CHECKPOINT: printf(" %lld", (long long)record->offset); break;
    case WG_TRACE_SQL_BACKUP:
        printf(" from connection %llx", (unsigned long long)record->offset);
        break;
    case WG_TRACE_SQL_OVERLAP: printf(" with thread %lld", (long long)record->offset); break;
    default: break;
    }
    if (record->duration_us >= 1000)
        printf(" took %.3f ms", record->duration_us / 1e3);
}

static void print_event(const struct wg_trace *trace, const struct trace_options *options,
                        const struct wg_trace_event *event, int64_t start_ns)
{
    const struct wg_trace_record *record = event->record;
    char held[160];
    wg_trace_held_text(record->held, held, sizeof held);
    printf("%12.6f %d/%u %-9s", (double)(event->time_ns - start_ns) / 1e9, event->process->pid,
           record->tid, wg_trace_type_name(event->type));
    if (event->call != WG_CALL_none)
        printf(" %s", wg_trace_call_name(event->call));
    if (record->fd >= 0)
        printf(" fd %d", record->fd);
    if (event->type == WG_TRACE_LOCK)
        print_lock(record);
    if (event->type == WG_TRACE_FAULT)
        print_fault(record);
    if (event->type == WG_TRACE_STALE_MAP)
        print_stale_map(record);
    if (record->error)
        printf(" error %d", record->error);
    else if (event->type != WG_TRACE_LOCK && event->type != WG_TRACE_MODULE &&
             event->type != WG_TRACE_FAULT && event->type != WG_TRACE_STALE_MAP)
        printf(" = %lld", (long long)record->result);
    if (record->connection)
        printf(" connection %llx", (unsigned long long)record->connection);
    if (wg_trace_type_is_sql(event->type))
        print_sql(event);
    else if (event->type != WG_TRACE_MODULE && record->caller)
        printf(" by %s", wg_trace_origin_name(event->origin));
    if (event->role != WG_TRACE_ROLE_NONE)
        printf(" %s ino %llu", wg_trace_role_name(event->role), (unsigned long long)record->ino);
    if (held[0])
        printf(" holding {%s}", held);
    print_flags(record);
    if (event->path[0])
        printf(" %s", event->path);
    if (event->text[0])
        printf(" -> %s", event->text);
    putchar('\n');
    if (options->stacks)
        print_frames(trace, event);
}

/* Prints those of one process or one database (NULL: all). */
static size_t print_those(const struct wg_trace *trace, const struct trace_options *options,
                          const struct wg_trace_process *process, const char *database)
{
    size_t printed = 0;
    int64_t start_ns = 0;
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        if (i == 0)
            start_ns = event.time_ns;
        if (!wanted(options, &event) || (process && event.process != process) ||
            (database && strcmp(event.database, database) != 0))
            continue;
        print_event(trace, options, &event, start_ns);
        printed++;
    }
    return printed;
}

static size_t print_by_process(const struct wg_trace *trace, const struct trace_options *options)
{
    size_t printed = 0;
    for (size_t i = 0; i < wg_trace_process_count(trace); i++) {
        const struct wg_trace_process *process = wg_trace_process_at(trace, i);
        printf("== process %d, child of %d: %s\n", process->pid, process->ppid, process->command);
        printed += print_those(trace, options, process, NULL);
    }
    return printed;
}

static size_t print_by_database(const struct wg_trace *trace, const struct trace_options *options)
{
    size_t printed = 0;
    struct wg_strv seen = {0};
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        bool known = false;
        wg_trace_get(trace, i, &event);
        for (size_t j = 0; j < seen.count && !known; j++)
            known = strcmp(seen.items[j], event.database) == 0;
        if (known || !event.database[0] || !wanted(options, &event))
            continue;
        wg_strv_push(&seen, event.database);
        printf("== database %s\n", event.database);
        printed += print_those(trace, options, NULL, event.database);
    }
    wg_strv_finish(&seen);
    return printed;
}

/* A connection from its opening to the next one that got its address; without an opening, from its
 * first record. */
struct connection {
    const struct wg_trace_process *process;
    uint64_t address;
    size_t first, end; /* records of the trace */
};

static bool is_of(const struct connection *connection, const struct wg_trace_event *event, size_t i)
{
    return connection->process == event->process &&
           connection->address == event->record->connection && i >= connection->first &&
           i < connection->end;
}

/* All connections of the trace, in order of their first records; the caller frees them. */
static struct connection *find_connections(const struct wg_trace *trace, size_t *ret_count)
{
    struct connection *connections = NULL;
    size_t count = 0;
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        struct connection *known = NULL;
        wg_trace_get(trace, i, &event);
        if (event.record->connection == 0)
            continue;
        for (size_t j = count; j-- > 0 && !known;)
            known = is_of(&connections[j], &event, i) ? &connections[j] : NULL;
        if (known && event.type != WG_TRACE_SQL_OPEN)
            continue;
        if (known)
            known->end = i;
        connections = wg_realloc(connections, (count + 1) * sizeof *connections);
        connections[count++] = (struct connection){.process = event.process,
                                                   .address = event.record->connection,
                                                   .first = i,
                                                   .end = SIZE_MAX};
    }
    *ret_count = count;
    return connections;
}

static size_t print_by_connection(const struct wg_trace *trace, const struct trace_options *options)
{
    size_t printed = 0, count;
    struct connection *connections = find_connections(trace, &count);
    struct wg_trace_event event;
    int64_t start_ns = 0;
    if (wg_trace_count(trace) > 0) {
        wg_trace_get(trace, 0, &event);
        start_ns = event.time_ns;
    }
    for (size_t j = 0; j < count; j++) {
        bool begun = false;
        for (size_t i = connections[j].first; i < wg_trace_count(trace) && i < connections[j].end;
             i++) {
            wg_trace_get(trace, i, &event);
            if (!is_of(&connections[j], &event, i) || !wanted(options, &event))
                continue;
            if (!begun)
                printf("== connection %llx of process %d: %s\n",
                       (unsigned long long)connections[j].address, event.process->pid,
                       event.database);
            begun = true;
            print_event(trace, options, &event, start_ns);
            printed++;
        }
    }
    free(connections);
    return printed;
}

static void print_losses(const struct wg_trace *trace)
{
    for (size_t i = 0; i < wg_trace_damage_count(trace); i++) {
        const struct wg_trace_damage *damage = wg_trace_damage_at(trace, i);
        printf("not readable: %s: %s\n", damage->file, damage->message);
    }
    for (size_t i = 0; i < wg_trace_process_count(trace); i++) {
        const struct wg_trace_process *process = wg_trace_process_at(trace, i);
        if (process->frequent_dropped || process->torn || process->strings_lost)
            printf("not whole: process %d: %llu old records dropped, %llu torn, %llu texts lost\n",
                   process->pid, (unsigned long long)process->frequent_dropped,
                   (unsigned long long)process->torn, (unsigned long long)process->strings_lost);
    }
}

static int trace(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct trace_options options = {.view = "time"};
    struct wg_strv operands = {0};
    struct wg_trace *loaded = NULL;
    char *directory = NULL;
    int exit_code = WG_EXIT_PASSED;
    int parsed = wg_command_parse(&wg_command_trace, argc, argv, false, &options, &operands, &err);
    if (parsed > 0)
        goto out;
    if (parsed == 0 && operands.count > 1)
        wg_err_set(&err, WG_ERR_USAGE, "one RUN at a time, not also '%s'", operands.items[1]);
    if (parsed == 0 && !wg_err_is_set(&err)) {
        directory = wg_format("%s/trace", operands.count ? operands.items[0] : ".walgrind/last");
        wg_trace_open(directory, &loaded, &err);
    }
    if (!loaded) {
        exit_code = wg_command_fail(&wg_command_trace, &err);
        goto out;
    }
    size_t printed = strcmp(options.view, "process") == 0    ? print_by_process(loaded, &options)
                     : strcmp(options.view, "database") == 0 ? print_by_database(loaded, &options)
                     : strcmp(options.view, "connection") == 0
                         ? print_by_connection(loaded, &options)
                         : print_those(loaded, &options, NULL, NULL);
    print_losses(loaded);
    printf("%zu records of %zu processes\n", printed, wg_trace_process_count(loaded));
    exit_code = printed ? WG_EXIT_PASSED : WG_EXIT_USAGE;
out:
    wg_trace_destroy(loaded);
    wg_strv_finish(&operands);
    free(directory);
    return exit_code;
}
