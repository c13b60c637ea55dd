/* SPDX-License-Identifier: MIT */
/*
 * files.c - which descriptors and inodes of this process belong to database families, and which
 * POSIX locks it holds on them.
 *
 * POSIX locks belong to process and inode: a close() of any descriptor on the inode drops them all.
 * So locks are counted per inode, and a record of close() can say what it dropped.
 */
#include "harness/probe/probe.h"

#include <fcntl.h>

static uint64_t key_of(uint64_t dev, uint64_t ino)
{
    uint64_t key = (ino ^ (dev << 40) ^ (dev >> 24)) * UINT64_C(0x9e3779b97f4a7c15);
    return (key ^ (key >> 29)) | 1;
}

static struct wg_inode *first_way(uint64_t key)
{
    return &wg_probe.inodes[(key >> 8) % (WG_PROBE_INODES / WG_PROBE_WAYS) * WG_PROBE_WAYS];
}

struct wg_inode *wg_probe_inode_find(uint64_t dev, uint64_t ino)
{
    if (!wg_probe.inodes)
        return NULL;
    uint64_t key = key_of(dev, ino);
    struct wg_inode *ways = first_way(key);
    for (int i = 0; i < WG_PROBE_WAYS; i++)
        if (atomic_load_explicit(&ways[i].key, memory_order_acquire) == key && ways[i].dev == dev &&
            ways[i].ino == ino)
            return &ways[i];
    return NULL;
}

/* A free slot, or that of a file which is no longer open; NULL when all are in use. */
static struct wg_inode *claim(uint64_t dev, uint64_t ino)
{
    uint64_t key = key_of(dev, ino);
    struct wg_inode *ways = first_way(key);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < WG_PROBE_WAYS; i++) {
            uint64_t old = atomic_load(&ways[i].key);
            if (pass == 0 ? old != 0 : atomic_load(&ways[i].open_count) > 0)
                continue;
            if (!atomic_compare_exchange_strong(&ways[i].key, &old, key))
                continue;
            ways[i].dev = dev;
            ways[i].ino = ino;
            atomic_store(&ways[i].held, 0);
            atomic_store(&ways[i].open_count, 0);
            atomic_store(&ways[i].cookie, 0);
            return &ways[i];
        }
    }
    return NULL;
}

struct wg_fd *wg_probe_fd_add(int fd, const struct wg_fd *entry, const struct stat *st)
{
    if ((unsigned)fd >= wg_probe.fd_max)
        return NULL;
    struct wg_fd *slot = &wg_probe.fds[fd];
    struct wg_inode *inode = wg_probe_inode_find(st->st_dev, st->st_ino);
    if (!inode)
        inode = claim(st->st_dev, st->st_ino);
    if (inode) {
        inode->role = entry->role;
        atomic_store(&inode->path, entry->path);
        atomic_store(&inode->database, entry->database);
        atomic_fetch_add(&inode->open_count, 1);
    }
    slot->role = entry->role;
    slot->opener = entry->opener;
    slot->owner = entry->owner;
    slot->flags = entry->flags;
    slot->dev = st->st_dev;
    slot->ino = st->st_ino;
    slot->inode = inode;
    slot->path = entry->path;
    slot->database = entry->database;
    atomic_store(&slot->changed_ns, wg_probe_changed_ns(st));
    atomic_store(&slot->counters, 0);
    atomic_store(&slot->marks, 0);
    atomic_store_explicit(&slot->active, 1, memory_order_release);
    uint32_t high = atomic_load(&wg_probe.fd_high);
    while ((uint32_t)fd >= high &&
           !atomic_compare_exchange_weak(&wg_probe.fd_high, &high, (uint32_t)fd + 1))
        ;
    return slot;
}

void wg_probe_fd_remove(struct wg_fd *entry, bool drops_locks)
{
    if (!atomic_exchange(&entry->active, 0) || !entry->inode)
        return;
    atomic_fetch_sub(&entry->inode->open_count, 1);
    if (drops_locks)
        atomic_store(&entry->inode->held, 0);
}

uint32_t wg_probe_held(const struct wg_fd *entry)
{
    return entry->inode ? atomic_load_explicit(&entry->inode->held, memory_order_relaxed) : 0;
}

void wg_probe_locked(struct wg_fd *entry, short type, int64_t start, int64_t length)
{
    uint32_t set = 0;
    uint32_t clear = 0;
    if (!entry->inode)
        return;
    wg_probe_lock_bits((enum wg_trace_role)entry->role, type, start, length, &set, &clear);
    if (clear)
        atomic_fetch_and(&entry->inode->held, ~clear);
    if (!set)
        return;
    uint64_t group = UINT64_C(1) << ((entry->inode - wg_probe.inodes) / WG_PROBE_LOCK_GROUP);
    if (!(atomic_load_explicit(&wg_probe.lock_groups, memory_order_relaxed) & group))
        atomic_fetch_or(&wg_probe.lock_groups, group);
    atomic_fetch_or(&entry->inode->held, set);
}

/* Only where there ever was a lock: to look at each inode of the table would make its pages. */
void wg_probe_forget_locks(void)
{
    uint64_t groups = atomic_load(&wg_probe.lock_groups);
    for (int i = 0; i < WG_PROBE_INODES; i++)
        if (groups >> (i / WG_PROBE_LOCK_GROUP) & 1 &&
            atomic_load_explicit(&wg_probe.inodes[i].held, memory_order_relaxed) != 0)
            atomic_store_explicit(&wg_probe.inodes[i].held, 0, memory_order_relaxed);
}
