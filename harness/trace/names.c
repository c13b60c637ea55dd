/* SPDX-License-Identifier: MIT */
/* names.c - the words for numbers in a trace, from the tables of the format. */
#include "harness/trace/trace.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
#define NAME(identifier, name, area, members) name,
    WG_TRACE_TYPES(NAME)
#undef NAME
};

static const char *const role_names[] = {
#define NAME(identifier, name, meaning) name,
    WG_TRACE_ROLES(NAME)
#undef NAME
};

static const char *const origin_names[] = {
#define NAME(identifier, name, meaning) name,
    WG_TRACE_ORIGINS(NAME)
#undef NAME
};

static const char *const call_names[] = {
#define NAME(identifier) #identifier,
    WG_TRACE_CALLS(NAME)
#undef NAME
};

const char *wg_trace_type_name(enum wg_trace_type type)
{
    return type < WG_TRACE_TYPE_COUNT ? type_names[type] : "?";
}

bool wg_trace_type_is_sql(enum wg_trace_type type)
{
    return (type >= WG_TRACE_SQL_OPEN && type <= WG_TRACE_SQL_BACKUP) ||
           type == WG_TRACE_SQL_CHECKPOINT || type == WG_TRACE_SQL_OVERLAP;
}

const char *wg_trace_role_name(enum wg_trace_role role)
{
    return role < WG_TRACE_ROLE_COUNT ? role_names[role] : "?";
}

const char *wg_trace_origin_name(enum wg_trace_origin origin)
{
    return origin < WG_TRACE_ORIGIN_COUNT ? origin_names[origin] : "?";
}

const char *wg_trace_call_name(enum wg_trace_call call)
{
    return call < WG_CALL_COUNT ? call_names[call] : "?";
}

static const char *const shm_locks[WG_TRACE_SHM_LOCKS] = {
    "WRITE", "CKPT", "RECOVER", "READ0", "READ1", "READ2", "READ3", "READ4", "DMS",
};

static const struct {
    uint32_t bit;
    const char *name;
} file_locks[] = {
    {WG_TRACE_HELD_SHARED, "SHARED"},    {WG_TRACE_HELD_RESERVED, "RESERVED"},
    {WG_TRACE_HELD_PENDING, "PENDING"},  {WG_TRACE_HELD_EXCLUSIVE, "EXCLUSIVE"},
    {WG_TRACE_HELD_ELSE, "other bytes"},
};

static void append(char *buffer, size_t size, const char *name, const char *suffix)
{
    size_t used = strlen(buffer);
    snprintf(buffer + used, size - used, "%s%s%s", used ? " " : "", name, suffix);
}

void wg_trace_held_text(uint32_t held, char *buffer, size_t size)
{
    if (size == 0)
        return;
    buffer[0] = '\0';
    for (size_t i = 0; i < sizeof file_locks / sizeof *file_locks; i++)
        if (held & file_locks[i].bit)
            append(buffer, size, file_locks[i].name, "");
    for (int i = 0; i < WG_TRACE_SHM_LOCKS; i++)
        if (held & (WG_TRACE_HELD_SHM(i) | WG_TRACE_HELD_SHM_WRITE(i)))
            append(buffer, size, shm_locks[i], held & WG_TRACE_HELD_SHM_WRITE(i) ? "(x)" : "");
}

unsigned wg_trace_held_count(uint32_t held)
{
    unsigned count = 0;
    for (size_t i = 0; i < sizeof file_locks / sizeof *file_locks; i++)
        count += (held & file_locks[i].bit) != 0;
    for (int i = 0; i < WG_TRACE_SHM_LOCKS; i++)
        count += (held & (WG_TRACE_HELD_SHM(i) | WG_TRACE_HELD_SHM_WRITE(i))) != 0;
    return count;
}
