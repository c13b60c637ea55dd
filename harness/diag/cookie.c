/* SPDX-License-Identifier: MIT */
/*
 * cookie.c - schema cookies of databases, as SQLite wrote them.
 *
 * A connection reads the schema anew when the cookie in page 1 is not the one it knows. When the
 * cookie goes back, and comes to lie where it was under another schema, a connection that did
 * nothing meanwhile takes the old schema for the current one. Going back alone hurts nobody.
 *
 * With a WAL its frames count and what checkpoints write to the database does not, which may be
 * older. What one transaction writes last is what counts: a rollback writes the old page back.
 */
#include "harness/base/str.h"
#include "harness/diag/sql.h"

#include <stdlib.h>
#include <string.h>

#define RESERVED_BYTE (INT64_C(0x40000000) + 1)

struct written {
    const char *database;
    struct wg_trace_event event;
    uint32_t cookie;
    size_t transaction;
    bool in_wal;
};

struct wg_cookies {
    struct written *items;
    size_t count;
    size_t transactions; /* write locks taken so far, on any database */
};

struct wg_cookies *wg_cookies_create(void)
{
    return wg_calloc(1, sizeof(struct wg_cookies));
}

void wg_cookies_destroy(struct wg_cookies *cookies)
{
    if (cookies)
        free(cookies->items);
    free(cookies);
}

/* Begins a transaction that writes: RESERVED, or WRITE on a -shm. */
static bool is_write_lock(const struct wg_trace_event *event)
{
    return event->type == WG_TRACE_LOCK && event->record->error == 0 &&
           (event->record->lock_type & WG_TRACE_LOCK_KIND) == WG_TRACE_LOCK_WRITE &&
           !(event->record->lock_type & WG_TRACE_LOCK_QUERY) &&
           event->record->offset ==
               (event->role == WG_TRACE_ROLE_SHM ? WG_TRACE_SHM_LOCK_FIRST : RESERVED_BYTE);
}

static struct written *newest_of(const struct wg_cookies *cookies, const char *database)
{
    for (size_t i = cookies->count; i-- > 0;)
        if (strcmp(cookies->items[i].database, database) == 0)
            return &cookies->items[i];
    return NULL;
}

void wg_cookies_see(struct wg_cookies *cookies, const struct wg_trace_event *event)
{
    cookies->transactions += is_write_lock(event);
    if (event->type != WG_TRACE_WRITE || !(event->record->ino2 & WG_TRACE_COOKIE) ||
        event->record->error != 0)
        return;
    struct written now = {.database = event->database,
                          .event = *event,
                          .cookie = (uint32_t)event->record->ino2,
                          .transaction = cookies->transactions,
                          .in_wal = event->role == WG_TRACE_ROLE_WAL};
    struct written *newest = newest_of(cookies, event->database);
    if (newest && newest->in_wal && !now.in_wal)
        return;
    if (newest && newest->transaction == now.transaction) {
        *newest = now;
        return;
    }
    if (newest && newest->cookie == now.cookie) {
        newest->in_wal = now.in_wal;
        return;
    }
    cookies->items = wg_realloc(cookies->items, (cookies->count + 1) * sizeof *cookies->items);
    cookies->items[cookies->count++] = now;
}

const struct wg_trace_event *wg_cookies_misled(const struct wg_cookies *cookies,
                                               const char *database, int64_t known_ns)
{
    const struct written *known = NULL, *back = NULL, *last = NULL;
    for (size_t i = 0; i < cookies->count; i++) {
        const struct written *written = &cookies->items[i];
        if (strcmp(written->database, database) != 0)
            continue;
        if (written->event.time_ns < known_ns)
            known = written;
        else if (!back && last && written->cookie < last->cookie)
            back = written;
        last = written;
    }
    return known && back && last->cookie == known->cookie ? &back->event : NULL;
}
