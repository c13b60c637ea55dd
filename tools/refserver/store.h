/* SPDX-License-Identifier: MIT
 *
 * Stored files: DATA_ROOT/files/<first two hex digits>/<SHA-256><extension>.
 *
 * Adding is done in two steps. wg_store_stage writes the bytes under a temporary name, outside any
 * transaction; wg_store_publish, inside the transaction that makes them known, renames them into
 * place unless the content is there already. Removal is only noted down while a transaction runs
 * (wg_store_drop) and done by wg_store_commit together with COMMIT.
 *
 * Invariant: content with a reference is never removed by a slower request that had dropped the
 * last one. Locking: `gate` is held from just before COMMIT until the dropped files are gone, and
 * around a publish. Both happen inside a write transaction of metadata.db, and nobody starts a
 * transaction while holding the gate, so the order is always write lock, then gate.
 *
 * Files are not flushed to disk: like the application, the store survives the death of the process,
 * not of the machine.
 */
#ifndef WG_REFSERVER_STORE_H
#define WG_REFSERVER_STORE_H

#include "tools/refserver/db.h"

struct wg_store {
    char *root; /* DATA_ROOT/files */
    pthread_mutex_t gate;
    atomic_uint_fast64_t serial; /* makes temporary names unique */
};

struct wg_staged {
    char hash[WG_SHA256_HEX + 1];
    size_t size;
    char *temporary; /* arena of the request; NULL once published or discarded */
    char *final;
};

struct wg_drop {
    struct wg_drop *next;
    char *path;
};

/* Files to remove at commit; zero-initialise. Entries live in the arena. */
struct wg_drops {
    struct wg_drop *first;
};

void wg_store_init(struct wg_store *store, const char *root);
void wg_store_finish(struct wg_store *store);
/* ".pdf", ".tei.xml", ".rng" for a file type, NULL for an unknown one. */
const char *wg_store_extension(const char *file_type);
/* Path of a content, from the arena. */
char *wg_store_path(struct wg_store *store, struct wg_arena *arena, const char *hash,
                    const char *file_type);

int wg_store_stage(struct wg_store *store, struct wg_arena *arena, const void *data, size_t size,
                   const char *file_type, struct wg_staged *ret, struct wg_fail *fail);
int wg_store_publish(struct wg_store *store, struct wg_staged *staged, struct wg_fail *fail);
/* Removes the temporary file unless published. */
void wg_store_discard(struct wg_staged *staged);
void wg_store_drop(struct wg_arena *arena, struct wg_drops *drops, const char *path);
/* COMMIT, then removal of the dropped files. On failure (rolled back) the files stay. */
int wg_store_commit(struct wg_store *store, struct wg_conn *conn, const struct wg_drops *drops);
bool wg_store_exists(struct wg_store *store, struct wg_arena *arena, const char *hash,
                     const char *file_type);

#endif
