/* SPDX-License-Identifier: MIT */
#include "tools/refserver/hazard/hazard.h"

#include "tools/refserver/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct wg_hazard hazards_table[] = {
    {.name = "none", .help = "nothing beside the requests"},
    {.name = "slow-requests",
     .argument = 5,
     .help = "each request takes ARG ms more (computes a difference, sends events)",
     .request = wg_slow_requests},
    {.name = "leak-connections",
     .argument = 40,
     .help = "closed connections stay open until ARG are waiting, then all close at once",
     .keep = wg_leak_keep,
     .stop = wg_leak_stop},
    {.name = "backup-copy",
     .argument = 5,
     .help = "every ARG-th request copies a database file inside this process",
     .request = wg_backup_copy},
    {.name = "file-read",
     .argument = 5,
     .help = "every ARG-th request opens, reads and closes a database file in this process",
     .request = wg_magic_read},
    {.name = "second-process",
     .argument = 5,
     .help = "another process opens, reads and closes all databases every ARG ms",
     .start = wg_second_process_start,
     .stop = wg_outsider_stop},
    {.name = "wipe",
     .argument = 700,
     .help = "another process deletes all database files every ARG ms",
     .start = wg_wipe_start,
     .stop = wg_outsider_stop},
    {.name = "restart-kill",
     .argument = 500,
     .help = "the server is killed with SIGKILL and restarted every ARG ms",
     .restarts = true},
    {.name = "fd-pressure",
     .argument = 64,
     .help = "at most ARG descriptors may be open",
     .limit = wg_fd_pressure_limit},
    {.name = "small-disk",
     .argument = 1024,
     .help = "the disk is full after SQLite wrote ARG KiB",
     .limit = wg_small_disk_limit},
};
#define HAZARDS (sizeof hazards_table / sizeof *hazards_table)

/* Row of the first `length` bytes of `text`, NAME[:ARG], or NULL. */
static const struct wg_hazard *find(const char *text, size_t length, long *ret_argument)
{
    const char *colon = memchr(text, ':', length);
    size_t name_length = colon != NULL ? (size_t)(colon - text) : length;
    for (size_t i = 0; i < HAZARDS; i++) {
        const struct wg_hazard *hazard = &hazards_table[i];
        if (strlen(hazard->name) != name_length || strncmp(hazard->name, text, name_length) != 0)
            continue;
        *ret_argument = hazard->argument;
        if (colon != NULL) {
            char *end;
            *ret_argument = strtol(colon + 1, &end, 10);
            if (end != text + length || end == colon + 1 || *ret_argument < 1 ||
                hazard->argument == 0)
                return NULL;
        }
        return hazard;
    }
    return NULL;
}

/* Goes over the comma-separated list; adds to `hazards` unless that is NULL. */
static bool take_list(struct wg_hazards *hazards, const char *text)
{
    size_t count = 0;
    while (text != NULL) {
        size_t length = strcspn(text, ",");
        long argument;
        const struct wg_hazard *hazard = find(text, length, &argument);
        if (hazard == NULL || count == WG_HAZARDS_MAX)
            return false;
        if (hazards != NULL) {
            hazards->on[count].hazard = hazard;
            hazards->on[count].argument = argument;
        }
        count++;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
    if (hazards != NULL)
        hazards->count = count;
    return true;
}

bool wg_hazards_known(const char *text)
{
    return take_list(NULL, text);
}

void wg_hazards_print_all(void)
{
    for (size_t i = 0; i < HAZARDS; i++) {
        printf("  %-22s %s", hazards_table[i].name, hazards_table[i].help);
        if (hazards_table[i].argument != 0)
            printf(" (default %ld)", hazards_table[i].argument);
        printf("\n");
    }
}

void wg_hazards_init(struct wg_hazards *hazards, struct wg_app *app, const char *text)
{
    *hazards = (struct wg_hazards){.app = app};
    atomic_init(&hazards->seen, 0);
    pthread_mutex_init(&hazards->mutex, NULL);
    take_list(hazards, text);
}

void wg_hazards_finish(struct wg_hazards *hazards)
{
    pthread_mutex_destroy(&hazards->mutex);
}

void wg_hazards_limit(struct wg_hazards *hazards)
{
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->limit != NULL)
            hazards->on[i].hazard->limit(hazards->app, hazards->on[i].argument);
}

int wg_hazards_start(struct wg_hazards *hazards, struct wg_fail *fail)
{
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->start != NULL &&
            hazards->on[i].hazard->start(hazards->app, hazards->on[i].argument, fail) < 0)
            return -1;
    return 0;
}

void wg_hazards_at_request(struct wg_hazards *hazards)
{
    if (hazards->count == 0)
        return;
    long number = 1 + atomic_fetch_add_explicit(&hazards->seen, 1, memory_order_relaxed);
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->request != NULL)
            hazards->on[i].hazard->request(hazards->app, hazards->on[i].argument, number);
}

bool wg_hazards_keep(struct wg_hazards *hazards, struct wg_conn *conn)
{
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->keep != NULL &&
            hazards->on[i].hazard->keep(hazards->app, hazards->on[i].argument, conn))
            return true;
    return false;
}

void wg_hazards_stop(struct wg_hazards *hazards)
{
    for (size_t i = 0; i < hazards->count; i++)
        if (hazards->on[i].hazard->stop != NULL)
            hazards->on[i].hazard->stop(hazards->app);
}
