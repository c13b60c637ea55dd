/* SPDX-License-Identifier: MIT */
/*
 * writer.c - puts records and strings into the mapped trace file.
 *
 * The file is sparse. Before records or strings go to a part of it for the first time its pages are
 * made real with MADV_POPULATE_WRITE, which fails where a plain write would raise SIGBUS (disk
 * full): then nothing is written there, and the reader counts the holes.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

uint32_t wg_probe_hash(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ size;
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, at, size);
    hash = (hash ^ rest) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(hash ^ (hash >> 32));
}

/* True when the bytes at `offset` of the file may be written. */
static bool make_real(struct wg_probe_local *local, uint64_t offset)
{
    uint64_t chunk = offset / WG_PROBE_CHUNK;
    if (chunk >= WG_PROBE_CHUNKS)
        return false;
    uint8_t state = atomic_load_explicit(&local->real_chunks[chunk], memory_order_relaxed);
    if (state == 0) {
        uint64_t start = chunk * WG_PROBE_CHUNK;
        uint64_t size = local->size - start < WG_PROBE_CHUNK ? local->size - start : WG_PROBE_CHUNK;
        int rc = madvise((char *)local->header + start, size, MADV_POPULATE_WRITE);
        /* Kernels before 5.14 do not know it; there a full disk stays a danger. */
        state = rc == 0 || errno == EINVAL ? 1 : 2;
        atomic_store_explicit(&local->real_chunks[chunk], state, memory_order_relaxed);
    }
    return state == 1;
}

static void put(struct wg_probe_local *local, const struct wg_trace_area_header *area,
                uint64_t number, const struct wg_trace_record *record)
{
    uint64_t offset = area->offset + (number & (area->capacity - 1)) * WG_TRACE_RECORD_SIZE;
    if (!make_real(local, offset))
        return;
    struct wg_trace_record *slot = (void *)((char *)local->header + offset);
    __atomic_store_n(&slot->commit, 0, __ATOMIC_RELAXED);
    /* Whoever sees a member of the new record sees that the old one is gone. */
    atomic_thread_fence(memory_order_release);
    memcpy((char *)slot + sizeof slot->commit, (const char *)record + sizeof record->commit,
           sizeof *slot - sizeof slot->commit);
    __atomic_store_n(&slot->commit, (uint32_t)(number + 1), __ATOMIC_RELEASE);
}

void wg_probe_emit(enum wg_trace_area area, bool ordinary, const struct wg_trace_record *record)
{
    struct wg_probe_local *local = wg_probe.local;
    struct wg_trace_area_header *log = &local->header->areas[WG_TRACE_RARE];
    struct wg_trace_area_header *ring = &local->header->areas[WG_TRACE_FREQUENT];
    if (area == WG_TRACE_RARE &&
        (!ordinary || __atomic_load_n(&log->next, __ATOMIC_RELAXED) < log->capacity / 2)) {
        uint64_t number = __atomic_fetch_add(&log->next, 1, __ATOMIC_RELAXED);
        if (number < log->capacity) {
            put(local, log, number, record);
            return;
        }
    }
    put(local, ring, __atomic_fetch_add(&ring->next, 1, __ATOMIC_RELAXED), record);
}

/* The newest record of the ring when nothing at all was recorded since it was written. */
static struct wg_trace_record *newest(struct wg_probe_local *local)
{
    const struct wg_trace_area_header *log = &local->header->areas[WG_TRACE_RARE];
    const struct wg_trace_area_header *ring = &local->header->areas[WG_TRACE_FREQUENT];
    uint64_t next = __atomic_load_n(&ring->next, __ATOMIC_RELAXED);
    uint64_t rare = atomic_load_explicit(&local->rare_before_write, memory_order_relaxed);
    if (next == 0 || __atomic_load_n(&log->next, __ATOMIC_RELAXED) != rare)
        return NULL;
    uint64_t offset = ring->offset + ((next - 1) & (ring->capacity - 1)) * WG_TRACE_RECORD_SIZE;
    struct wg_trace_record *record = (void *)((char *)local->header + offset);
    bool real = atomic_load_explicit(&local->real_chunks[offset / WG_PROBE_CHUNK],
                                     memory_order_relaxed) == 1;
    return real && __atomic_load_n(&record->commit, __ATOMIC_ACQUIRE) == (uint32_t)next ? record
                                                                                        : NULL;
}

/* Nothing but that SQLite wrote all that it wanted to. */
static bool is_plain_write(const struct wg_trace_record *record)
{
    return record->type == WG_TRACE_WRITE && record->flags == 0 && record->error == 0 &&
           record->ino2 == 0 && record->stack == 0 && record->result == record->length &&
           record->offset >= 0 && wg_origin_is_sqlite((enum wg_trace_origin)record->origin);
}

bool wg_probe_extend(const struct wg_trace_record *piece)
{
    struct wg_probe_local *local = wg_probe.local;
    if (!is_plain_write(piece))
        return false;
    struct wg_trace_record *before = newest(local);
    if (before && is_plain_write(before) && before->tid == piece->tid && before->fd == piece->fd &&
        before->dev == piece->dev && before->ino == piece->ino &&
        before->connection == piece->connection && before->call == piece->call &&
        before->offset + before->length == piece->offset &&
        piece->time_ns - before->time_ns < WG_TRACE_PIECES_NS) {
        __atomic_store_n(&before->result, before->result + piece->result, __ATOMIC_RELAXED);
        __atomic_store_n(&before->length, before->length + piece->length, __ATOMIC_RELAXED);
        return true;
    }
    const struct wg_trace_area_header *log = &local->header->areas[WG_TRACE_RARE];
    atomic_store_explicit(&local->rare_before_write, __atomic_load_n(&log->next, __ATOMIC_RELAXED),
                          memory_order_relaxed);
    return false;
}

/* The bytes of an entry of the strings. */
static char *entry_at(const struct wg_probe_local *local, uint32_t reference)
{
    return (char *)local->header + local->header->strings_offset + reference;
}

static bool entry_is(const struct wg_probe_local *local, uint32_t reference, const uint32_t key[2],
                     const void *bytes, size_t size)
{
    const char *entry = entry_at(local, reference);
    return memcmp(entry, key, 8) == 0 && memcmp(entry + 8, bytes, size) == 0;
}

/* Takes room for an entry below `limit`; 0 when there is none. */
static uint32_t take_room(struct wg_probe_local *local, size_t need, uint64_t limit)
{
    struct wg_trace_header *header = local->header;
    if (__atomic_load_n(&header->strings_next, __ATOMIC_RELAXED) + need > limit)
        return 0;
    uint64_t at = __atomic_fetch_add(&header->strings_next, need, __ATOMIC_RELAXED);
    if (at + need > header->strings_size)
        return 0;
    uint64_t offset = header->strings_offset + at;
    return make_real(local, offset) && make_real(local, offset + need - 1) ? (uint32_t)at : 0;
}

static uint32_t intern(const void *bytes, size_t size, uint64_t limit, uint16_t *flags)
{
    struct wg_probe_local *local = wg_probe.local;
    const uint32_t key[2] = {(uint32_t)size, wg_probe_hash(bytes, size)};
    _Atomic uint32_t *place = NULL;
    for (uint32_t i = 0; i < 8 && !place; i++) {
        _Atomic uint32_t *slot = &local->intern[(key[1] + i) % WG_PROBE_INTERN];
        uint32_t reference = atomic_load_explicit(slot, memory_order_acquire);
        if (reference == 0)
            place = slot;
        else if (entry_is(local, reference, key, bytes, size))
            return reference;
    }
    uint32_t reference = take_room(local, (8 + size + 1 + 7) & ~(size_t)7, limit);
    if (reference == 0) {
        __atomic_fetch_add(&local->header->strings_lost, 1, __ATOMIC_RELAXED);
        *flags |= WG_TRACE_CUT;
        return 0;
    }
    char *entry = entry_at(local, reference);
    memcpy(entry, key, 8);
    memcpy(entry + 8, bytes, size);
    entry[8 + size] = '\0';
    uint32_t none = 0;
    if (place)
        atomic_compare_exchange_strong_explicit(place, &none, reference, memory_order_release,
                                                memory_order_relaxed);
    return reference;
}

uint32_t wg_probe_bytes(const void *bytes, size_t size, uint16_t *flags)
{
    return intern(bytes, size, wg_probe.local->header->strings_size, flags);
}

uint32_t wg_probe_words(const char *text, size_t size, uint16_t *flags)
{
    return size > 0 ? intern(text, size, wg_probe.local->header->strings_size / 2, flags) : 0;
}

uint32_t wg_probe_string(const char *text, size_t size, uint16_t *flags)
{
    if (size > WG_TRACE_STRING_MAX) {
        size = WG_TRACE_STRING_MAX;
        *flags |= WG_TRACE_CUT;
    }
    return size > 0 ? wg_probe_bytes(text, size, flags) : 0;
}

const struct wg_name *wg_probe_name(const char *text, size_t size)
{
    if (size == 0 || size >= WG_PROBE_PATH || !wg_probe.names)
        return NULL;
    uint32_t hash = wg_probe_hash(text, size);
    _Atomic uint32_t *place = NULL;
    for (uint32_t i = 0; i < 16 && !place; i++) {
        _Atomic uint32_t *slot = &wg_probe.buckets[(hash + i) % WG_PROBE_BUCKETS];
        uint32_t at = atomic_load_explicit(slot, memory_order_acquire);
        if (at == 0) {
            place = slot;
            break;
        }
        struct wg_name *name = (void *)(wg_probe.names + at);
        if (name->hash == hash && name->size == size && memcmp(name->text, text, size) == 0)
            return name;
    }
    uint32_t need = (uint32_t)((sizeof(struct wg_name) + size + 1 + 7) & ~(size_t)7);
    if (!place || atomic_load(&wg_probe.names_next) + need > WG_PROBE_NAMES)
        return NULL;
    uint32_t at = atomic_fetch_add(&wg_probe.names_next, need);
    if (at + need > WG_PROBE_NAMES)
        return NULL;
    struct wg_name *name = (void *)(wg_probe.names + at);
    name->hash = hash;
    name->size = (uint32_t)size;
    memcpy(name->text, text, size);
    name->text[size] = '\0';
    uint32_t none = 0;
    atomic_compare_exchange_strong_explicit(place, &none, at, memory_order_release,
                                            memory_order_relaxed);
    return name;
}

uint32_t wg_probe_name_put(const struct wg_name *name)
{
    uint16_t flags = 0;
    uint32_t reference = wg_probe_bytes(name->text, name->size, &flags);
    if (reference != 0)
        atomic_store_explicit(&((struct wg_name *)name)->cached,
                              (uint64_t)wg_probe.local->generation << 32 | reference,
                              memory_order_relaxed);
    return reference;
}
