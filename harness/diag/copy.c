/* SPDX-License-Identifier: MIT */
/* copy.c - copies of databases that were made by other code than SQLite, and of their WALs. */
#include "harness/base/str.h"
#include "harness/diag/sql.h"

#include <stdlib.h>
#include <string.h>

struct wg_copies {
    struct wg_trace_event *items; /* of live databases without their WAL */
    size_t count;
    struct wg_trace_event *wals; /* of WALs */
    size_t wal_count;
};

struct wg_copies *wg_copies_create(void)
{
    return wg_calloc(1, sizeof(struct wg_copies));
}

void wg_copies_destroy(struct wg_copies *copies)
{
    if (!copies)
        return;
    free(copies->items);
    free(copies->wals);
    free(copies);
}

/* Where both sides are in families the record is that of the target. */
const char *wg_copy_source(const struct wg_trace_event *event)
{
    return event->record->offset == 0 ? event->path : event->text;
}

static const char *target_of(const struct wg_trace_event *event)
{
    return event->record->offset == 0 ? event->text : event->path;
}

/* "DATABASE-wal"; with "" for the database, of any. */
static bool is_wal_of(const char *path, const char *database)
{
    static const char end[] = "-wal";
    size_t size = strlen(path);
    return size >= sizeof end - 1 && strcmp(path + size - (sizeof end - 1), end) == 0 &&
           (!database[0] || (strlen(database) == size - (sizeof end - 1) &&
                             strncmp(path, database, strlen(database)) == 0));
}

/* The WAL was copied before, to beside the target, and nothing was written to it since. */
static bool has_wal(const struct wg_copies *copies, const struct wg_trace_event *event,
                    int64_t wal_ns)
{
    for (size_t i = 0; i < copies->wal_count; i++)
        if (copies->wals[i].time_ns > wal_ns &&
            is_wal_of(wg_copy_source(&copies->wals[i]), wg_copy_source(event)) &&
            is_wal_of(target_of(&copies->wals[i]), target_of(event)))
            return true;
    return false;
}

static void append(struct wg_trace_event **items, size_t *count, const struct wg_trace_event *event)
{
    *items = wg_realloc(*items, (*count + 1) * sizeof **items);
    (*items)[(*count)++] = *event;
}

void wg_copies_see(struct wg_copies *copies, const struct wg_trace_event *event, int64_t wal_ns)
{
    const char *target = target_of(event);
    for (size_t i = copies->count; i-- > 0;) {
        /* The WAL was copied too: not at one moment, but nothing is known to be missing. */
        const char *copy = target_of(&copies->items[i]);
        if (is_wal_of(target, copy) || strcmp(target, copy) == 0)
            copies->items[i] = copies->items[--copies->count];
    }
    if (is_wal_of(target, ""))
        append(&copies->wals, &copies->wal_count, event);
    else if (wal_ns != 0 && target[0] && !has_wal(copies, event, wal_ns))
        append(&copies->items, &copies->count, event);
}

bool wg_copies_take(struct wg_copies *copies, const char *path, struct wg_trace_event *ret_copy)
{
    for (size_t i = copies->count; i-- > 0;) {
        if (strcmp(path, target_of(&copies->items[i])) != 0)
            continue;
        *ret_copy = copies->items[i];
        copies->items[i] = copies->items[--copies->count];
        return true;
    }
    return false;
}
