/* SPDX-License-Identifier: MIT */
#include "harness/trace/trace.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/trace/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANCESTORS_MAX 64 /* pids may be used again: no chain is longer */
#define AHEAD         8  /* records fetched before they are asked for */

/* Where one record lies. */
struct place {
    int64_t time_ns;
    uint32_t file;
    uint32_t record;
};

struct wg_trace {
    char *directory;
    struct wg_trace_file *files; /* ordered by start */
    size_t file_count;
    struct wg_trace_damage *damage; /* owns its strings */
    size_t damage_count;
    struct place *places; /* ordered by time */
    size_t place_count;
};

static void add_damage(struct wg_trace *trace, const char *name, const struct wg_err *why)
{
    trace->damage = wg_realloc(trace->damage, (trace->damage_count + 1) * sizeof *trace->damage);
    trace->damage[trace->damage_count++] =
        (struct wg_trace_damage){wg_strdup(name), wg_strdup(why->message)};
}

static int list_files(int directory_fd, struct wg_strv *ret_names, struct wg_err *err)
{
    int fd = fcntl(directory_fd, F_DUPFD_CLOEXEC, 0);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        wg_err_errno(err, "fdopendir");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(directory)) != NULL) {
        if (!wg_str_ends(entry->d_name, WG_TRACE_SUFFIX))
            continue;
        if (ret_names->count >= WG_LIMIT_TRACE_FILES)
            rc = wg_err_set(err, WG_ERR_LIMIT, "more than %d traced processes",
                            WG_LIMIT_TRACE_FILES);
        else
            wg_strv_push(ret_names, entry->d_name);
    }
    closedir(directory);
    return rc;
}

static int by_start(const void *left, const void *right)
{
    const struct wg_trace_file *a = left;
    const struct wg_trace_file *b = right;
    if (a->process.start_ns != b->process.start_ns)
        return a->process.start_ns < b->process.start_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_time(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return a->record < b->record ? -1 : a->record > b->record;
}

static int read_files(struct wg_trace *trace, int directory_fd, const struct wg_strv *names,
                      struct wg_err *err)
{
    size_t records = 0;
    trace->files = wg_calloc(names->count + 1, sizeof *trace->files);
    for (size_t i = 0; i < names->count; i++) {
        struct wg_err why = WG_ERR_INIT;
        struct wg_trace_file *file = &trace->files[trace->file_count];
        if (wg_trace_file_read(directory_fd, names->items[i], file, &why) != 0) {
            add_damage(trace, names->items[i], &why);
            continue;
        }
        trace->file_count++;
        records += file->record_count;
        if (records > WG_LIMIT_TRACE_TOTAL)
            return wg_err_set(err, WG_ERR_LIMIT, "more than %u records", WG_LIMIT_TRACE_TOTAL);
    }
    if (trace->file_count > 0)
        qsort(trace->files, trace->file_count, sizeof *trace->files, by_start);
    trace->place_count = records;
    return 0;
}

static const struct wg_trace_process *find_parent(const struct wg_trace *trace,
                                                  const struct wg_trace_process *child)
{
    for (size_t i = 0; child->parent_ns != 0 && i < child->index; i++) {
        const struct wg_trace_process *process = &trace->files[i].process;
        if (process->start_ns == child->parent_ns)
            return process;
    }
    return NULL;
}

static void merge(struct wg_trace *trace)
{
    trace->places = wg_calloc(trace->place_count + 1, sizeof *trace->places);
    size_t count = 0;
    for (size_t i = 0; i < trace->file_count; i++) {
        struct wg_trace_file *file = &trace->files[i];
        file->process.index = i;
        for (size_t j = 0; j < file->record_count; j++)
            trace->places[count++] =
                (struct place){file->records[j].time_ns, (uint32_t)i, (uint32_t)j};
    }
    if (count > 0)
        qsort(trace->places, count, sizeof *trace->places, by_time);
    for (size_t i = 0; i < trace->file_count; i++)
        trace->files[i].process.parent = find_parent(trace, &trace->files[i].process);
}

/* Calls of the probe's that a tracer may have seen too, by thread. */
#define SEEN_THREADS 4096
#define SEEN_CALLS   4
struct seen {
    uint32_t tid;
    const struct wg_trace_record *calls[SEEN_CALLS]; /* the newest first */
};

/*
 * Where a tracer watches a process that has the probe in it, each call is told twice: by the probe,
 * with more, and then, as soon as it reaches the kernel, from outside. Drops the second. What a
 * program did before exec is not what the next one does.
 */
static void drop_doubles(struct wg_trace *trace)
{
    size_t kept = 0;
    struct seen *threads = wg_calloc(SEEN_THREADS, sizeof *threads);
    for (size_t i = 0; i < trace->place_count; i++) {
        const struct place *place = &trace->places[i];
        const struct wg_trace_record *record = &trace->files[place->file].records[place->record];
        struct seen *seen = &threads[record->tid % SEEN_THREADS];
        bool twice = false;
        /* What is called afterwards is called by another program. */
        if (record->type == WG_TRACE_EXEC || record->type == WG_TRACE_PROCESS)
            *seen = (struct seen){.tid = record->tid};
        if (!(record->flags & WG_TRACE_OUTSIDE) && record->ino != 0 &&
            record->type != WG_TRACE_FAULT) {
            if (seen->tid != record->tid)
                *seen = (struct seen){.tid = record->tid};
            memmove(seen->calls + 1, seen->calls, (SEEN_CALLS - 1) * sizeof *seen->calls);
            seen->calls[0] = record;
        }
        for (size_t j = 0; j < SEEN_CALLS && (record->flags & WG_TRACE_OUTSIDE) && !twice; j++) {
            const struct wg_trace_record *call = seen->tid == record->tid ? seen->calls[j] : NULL;
            twice = call && record->ino != 0 && call->type == record->type &&
                    call->ino == record->ino && call->dev == record->dev;
            if (twice)
                seen->calls[j] = NULL;
        }
        if (!twice)
            trace->places[kept++] = *place;
    }
    trace->place_count = kept;
    free(threads);
}

static void find_lives(struct wg_trace *trace)
{
    for (size_t i = 0; i < trace->place_count; i++) {
        struct wg_trace_process *process = &trace->files[trace->places[i].file].process;
        if (process->first_ns == 0)
            process->first_ns = trace->places[i].time_ns;
        process->last_ns = trace->places[i].time_ns;
    }
}

int wg_trace_open(const char *directory, struct wg_trace **ret_trace, struct wg_err *err)
{
    int rc = -1;
    struct wg_strv names = {0};
    struct wg_trace *trace = wg_calloc(1, sizeof *trace);
    trace->directory = wg_strdup(directory);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        wg_err_errno(err, "open %s", directory);
        goto out;
    }
    if (list_files(fd, &names, err) != 0 || read_files(trace, fd, &names, err) != 0) {
        wg_err_wrap(err, "trace %s", directory);
        goto out;
    }
    merge(trace);
    drop_doubles(trace);
    find_lives(trace);
    *ret_trace = trace;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    wg_strv_finish(&names);
    if (rc != 0)
        wg_trace_destroy(trace);
    return rc;
}

void wg_trace_destroy(struct wg_trace *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; i < trace->file_count; i++)
        wg_trace_file_finish(&trace->files[i]);
    for (size_t i = 0; i < trace->damage_count; i++) {
        free((char *)trace->damage[i].file);
        free((char *)trace->damage[i].message);
    }
    free(trace->damage);
    free(trace->files);
    free(trace->places);
    free(trace->directory);
    free(trace);
}

const char *wg_trace_directory(const struct wg_trace *trace)
{
    return trace->directory;
}

size_t wg_trace_process_count(const struct wg_trace *trace)
{
    return trace->file_count;
}

const struct wg_trace_process *wg_trace_process_at(const struct wg_trace *trace, size_t index)
{
    return index < trace->file_count ? &trace->files[index].process : NULL;
}

const struct wg_trace_process *wg_trace_process_find(const struct wg_trace *trace, pid_t pid,
                                                     int64_t time_ns)
{
    const struct wg_trace_process *found = NULL;
    for (size_t i = 0; i < trace->file_count; i++) {
        const struct wg_trace_process *process = &trace->files[i].process;
        if (process->pid == pid && process->start_ns <= time_ns)
            found = process;
    }
    return found;
}

bool wg_trace_process_descends(const struct wg_trace *trace, const struct wg_trace_process *process,
                               pid_t pid)
{
    for (int depth = 0; process && pid > 0 && depth < ANCESTORS_MAX; depth++) {
        if (process->pid == pid || process->ppid == pid)
            return true;
        process = process->parent ? process->parent
                                  : wg_trace_process_find(trace, process->ppid, process->start_ns);
    }
    return false;
}

size_t wg_trace_damage_count(const struct wg_trace *trace)
{
    return trace->damage_count;
}

const struct wg_trace_damage *wg_trace_damage_at(const struct wg_trace *trace, size_t index)
{
    return index < trace->damage_count ? &trace->damage[index] : NULL;
}

size_t wg_trace_count(const struct wg_trace *trace)
{
    return trace->place_count;
}

const struct wg_trace_record *wg_trace_record_at(const struct wg_trace *trace, size_t index)
{
    const struct place *place = &trace->places[index];
    /* Neighbours in time lie in the files of different processes. */
    if (trace->place_count - index > AHEAD) {
        const struct place *next = &trace->places[index + AHEAD];
        const char *record = (const char *)&trace->files[next->file].records[next->record];
        __builtin_prefetch(record);
        __builtin_prefetch(record + WG_TRACE_RECORD_SIZE / 2);
    }
    return &trace->files[place->file].records[place->record];
}

void wg_trace_get(const struct wg_trace *trace, size_t index, struct wg_trace_event *ret_event)
{
    const struct wg_trace_file *file = &trace->files[trace->places[index].file];
    const struct wg_trace_record *record = wg_trace_record_at(trace, index);
    *ret_event = (struct wg_trace_event){
        .process = &file->process,
        .record = record,
        .type = (enum wg_trace_type)record->type,
        .role = (enum wg_trace_role)record->role,
        .origin = (enum wg_trace_origin)record->origin,
        .opener = (enum wg_trace_origin)record->opener,
        .call = (enum wg_trace_call)record->call,
        .time_ns = record->time_ns,
        .end_ns = (int64_t)((uint64_t)record->time_ns + record->duration_us * UINT64_C(1000)),
        .path = wg_trace_file_string(file, record->path),
        .text = wg_trace_file_string(file, record->text),
        .database = wg_trace_file_string(file, record->database),
        .script = wg_trace_file_string(file, record->script),
    };
    ret_event->frame_count = wg_trace_file_stack(file, record->stack, &ret_event->frames);
}

int wg_trace_module(const struct wg_trace *trace, const struct wg_trace_process *process,
                    uint64_t address, const char **ret_path, uint64_t *ret_file_address)
{
    const struct wg_trace_file *file = &trace->files[process->index];
    for (size_t i = 0; i < file->record_count; i++) {
        const struct wg_trace_record *record = &file->records[i];
        if (record->type != WG_TRACE_MODULE || address < (uint64_t)record->offset ||
            address - (uint64_t)record->offset >= (uint64_t)record->length)
            continue;
        *ret_path = wg_trace_file_string(file, record->path);
        *ret_file_address = address - record->ino2;
        return 0;
    }
    return -1;
}
