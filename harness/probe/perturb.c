/* SPDX-License-Identifier: MIT */
/*
 * perturb.c - delays and faults that were asked for (--chaos, --fault; fault.h says what they
 * mean).
 *
 * Chaos widens the windows between the calls that SQLite makes: before locks, opens, mappings of
 * the -shm, writes to the database (a checkpoint, in WAL mode), truncations, syncs and unlinks. How
 * long, is a pure function of the seed, the process's place in the tree of processes, the point and
 * how many calls the process made there before, so a program with one thread meets the same delays
 * in each run. A seed also decides which points take part and how long delays get, since a race
 * that needs two long pauses hides from many short ones (Groce et al., "Swarm Testing", 2012).
 *
 * Counters lie in `struct wg_probe_local`: a forked child begins at 0, as it does after exec.
 *
 * This is the one place where the probe waits or changes a result, and it does so only when asked.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread uint32_t wg_probe_strikes;

static uint64_t mix(uint64_t value)
{
    /* splitmix64's finaliser (Steele, Lea, Flood 2014) */
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void wg_perturb_start(void)
{
    struct wg_perturb *perturb = &wg_probe.perturb;
    struct wg_fault_mistake mistake;
    const char *chaos = getenv(WG_CHAOS_ENV);
    const char *faults = getenv(WG_FAULT_ENV);
    /* Whoever set them by hand has walgrind check them. */
    if (chaos && *chaos)
        perturb->chaos = wg_chaos_parse(chaos, &perturb->seed, &perturb->line);
    if (faults && *faults && strlen(faults) < sizeof perturb->faults_text &&
        wg_fault_parse(faults, &perturb->rules, &mistake) == 0)
        memcpy(perturb->faults_text, faults, strlen(faults) + 1);
    for (uint32_t i = 0; i < perturb->rules.count; i++) {
        struct wg_fault_rule *rule = &perturb->rules.items[i];
        if (rule->program[0] && !strstr(wg_probe.exe_text, rule->program))
            rule->types = 0;
    }
}

void wg_perturb_forked(void)
{
    uint32_t number = atomic_load(&wg_probe.perturb.children);
    wg_probe.perturb.line = mix(wg_probe.perturb.line ^ number);
}

uint64_t wg_perturb_child_line(void)
{
    return mix(wg_probe.perturb.line ^ atomic_load(&wg_probe.perturb.children)) | 1;
}

/* --- delays --------------------------------------------------------------------------------- */

static bool is_point(uint16_t type, enum wg_trace_role role)
{
    switch (type) {
    case WG_TRACE_LOCK:
    case WG_TRACE_SYNC:
    case WG_TRACE_TRUNCATE:
    case WG_TRACE_UNLINK:
    case WG_TRACE_OPEN: return true;
    case WG_TRACE_MAP: return role == WG_TRACE_ROLE_SHM;
    case WG_TRACE_WRITE: return role == WG_TRACE_ROLE_DATABASE;
    default: return false;
    }
}

/* Microseconds before the `number`-th call at a point; 0 none. */
static uint32_t delay_us(uint16_t type, enum wg_trace_role role, uint64_t number)
{
    const struct wg_perturb *perturb = &wg_probe.perturb;
    uint64_t point = (uint64_t)type << 8 | role;
    uint64_t style = mix(perturb->seed);
    /* Of four points one is left alone; one call of 2, 4, 8 or 16 is delayed; 0.25 to 16 ms at
     * most. */
    if (mix(style ^ point) % 4 == 0)
        return 0;
    uint64_t value = mix(mix(perturb->seed ^ mix(perturb->line)) ^ point << 40 ^ number);
    if (value % (UINT64_C(2) << (style & 3)) != 0)
        return 0;
    uint64_t most_us = UINT64_C(250) << ((style >> 2 & 3) * 2);
    /* Short ones are common, long ones rare. */
    uint64_t span_us = most_us >> (value >> 8) % 6;
    return (uint32_t)(1 + (value >> 16) % (span_us + 1));
}

static void record_delay(uint16_t type, enum wg_trace_call call, enum wg_trace_role role,
                         uint32_t us, uint64_t number)
{
    static const char word[] = "delay";
    struct wg_trace_record record = {.type = WG_TRACE_FAULT,
                                     .flags = WG_TRACE_DELAYED,
                                     .time_ns = wg_probe_now_ns(),
                                     .fd = -1,
                                     .result = type,
                                     .offset = us,
                                     .length = (int64_t)number,
                                     .role = (uint8_t)role,
                                     .call = (uint16_t)call};
    if (!wg_probe_live())
        return;
    record.tid = (uint32_t)wg_probe_tid();
    record.text = wg_probe_string(word, sizeof word - 1, &record.flags);
    wg_probe_emit(WG_TRACE_FREQUENT, true, &record);
}

uint16_t wg_perturb_delay_now(uint16_t type, enum wg_trace_call call, enum wg_trace_role role)
{
    if (!is_point(type, role) || !wg_probe.local || wg_probe_in_vfork())
        return 0;
    int saved_errno = errno;
    uint64_t number = atomic_fetch_add(&wg_probe.local->points[type][role], 1) + 1;
    /* A new child knows its place in the tree once it has a file. */
    wg_probe_live();
    uint32_t us = delay_us(type, role, number);
    if (us > 0) {
        const struct timespec span = {us / 1000000, (long)(us % 1000000) * 1000};
        record_delay(type, call, role, us, number);
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, NULL);
    }
    errno = saved_errno;
    return us > 0 ? WG_TRACE_DELAYED : 0;
}

/* --- faults --------------------------------------------------------------------------------- */

static bool fits(const struct wg_fault_rule *rule, const struct wg_trace_record *record,
                 const char *database)
{
    return (rule->types >> record->type & 1) && (!rule->call || rule->call == record->call) &&
           (!rule->role || rule->role == record->role) &&
           (!rule->database[0] || (database && strstr(database, rule->database)));
}

/*
 * What the rule does to a matching call: true when it strikes, with the bytes that still get
 * through in `cut`, 0 for none.
 */
static bool strikes(const struct wg_fault_rule *rule, uint32_t which, uint16_t type, int64_t size,
                    uint64_t *number, size_t *cut)
{
    struct wg_probe_local *local = wg_probe.local;
    bool writes = type == WG_TRACE_WRITE || type == WG_TRACE_ALLOCATE || type == WG_TRACE_COPY;
    *cut = 0;
    *number = atomic_fetch_add(&local->fault_calls[which], 1) + 1;
    if ((int64_t)*number < rule->from || (rule->once && (int64_t)*number != rule->from))
        return false;
    if (rule->after >= 0) {
        int64_t given = writes ? size : 0;
        int64_t before = atomic_fetch_add(&local->fault_bytes[which], given);
        if (before + given <= rule->after)
            return false;
        *cut = before < rule->after ? (size_t)(rule->after - before) : 0;
    } else if (rule->error == 0) {
        int64_t bytes = rule->bytes > 0 ? rule->bytes : size / 2;
        if (bytes <= 0 || bytes >= size)
            return false;
        *cut = (size_t)bytes;
    }
    return true;
}

static void record_fault(const struct wg_note *note, const struct wg_fault_rule *rule,
                         uint64_t number)
{
    struct wg_trace_record record = note->record;
    if (!wg_probe_live())
        return;
    record.flags = WG_TRACE_INJECTED;
    record.type = WG_TRACE_FAULT;
    record.result = note->record.type;
    record.error = rule->error;
    record.offset = 0;
    record.length = (int64_t)number;
    record.ino2 = 0;
    record.tid = (uint32_t)wg_probe_tid();
    record.text = wg_probe_string(rule->text, strlen(rule->text), &record.flags);
    wg_probe_emit(WG_TRACE_RARE, true, &record);
}

bool wg_perturb_strikes_now(struct wg_note *note, const char *database, size_t size, size_t *cut)
{
    const struct wg_fault_rules *rules = &wg_probe.perturb.rules;
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct wg_fault_rule *rule = &rules->items[i];
        uint64_t number = 0;
        size_t left = 0;
        if (!fits(rule, &note->record, database) ||
            !strikes(rule, i, note->record.type, (int64_t)size, &number, &left))
            continue;
        note->record.flags |= WG_TRACE_INJECTED;
        wg_probe_strikes++;
        record_fault(note, rule, number);
        if (left > 0 && cut) {
            *cut = left;
            errno = note->saved_errno;
            return false;
        }
        errno = rule->error;
        return true;
    }
    errno = note->saved_errno;
    return false;
}
