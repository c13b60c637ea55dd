/* SPDX-License-Identifier: MIT */
#include "tools/refserver/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *type;
    const char *extension;
} extensions[] = {{"pdf", ".pdf"}, {"tei", ".tei.xml"}, {"rng", ".rng"}};

void wg_store_init(struct wg_store *store, const char *root)
{
    store->root = wg_mem_strdup(root);
    pthread_mutex_init(&store->gate, NULL);
    atomic_init(&store->serial, 0);
}

void wg_store_finish(struct wg_store *store)
{
    pthread_mutex_destroy(&store->gate);
    free(store->root);
    store->root = NULL;
}

const char *wg_store_extension(const char *file_type)
{
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (wg_text_same(extensions[i].type, file_type))
            return extensions[i].extension;
    return NULL;
}

char *wg_store_path(struct wg_store *store, struct wg_arena *arena, const char *hash,
                    const char *file_type)
{
    const char *extension = wg_store_extension(file_type);
    return wg_arena_format(arena, "%s/%.2s/%s%s", store->root, hash, hash,
                           extension != NULL ? extension : "");
}

/* Creates the temporary file, and its directory as often as somebody removes it in between. */
static int open_temporary(struct wg_store *store, struct wg_arena *arena,
                          const struct wg_staged *staged)
{
    char *shard = wg_arena_format(arena, "%s/%.2s", store->root, staged->hash);
    for (int attempt = 0; attempt < 100; attempt++) {
        if (mkdir(shard, 0755) < 0 && errno != EEXIST)
            return -1;
        int fd = open(staged->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    return -1;
}

int wg_store_stage(struct wg_store *store, struct wg_arena *arena, const void *data, size_t size,
                   const char *file_type, struct wg_staged *ret, struct wg_fail *fail)
{
    wg_sha256_hex(data, size, ret->hash);
    ret->size = size;
    ret->final = wg_store_path(store, arena, ret->hash, file_type);
    uint_fast64_t serial = atomic_fetch_add_explicit(&store->serial, 1, memory_order_relaxed);
    ret->temporary = wg_arena_format(arena, "%s.%ld-%llu.tmp", ret->final, (long)getpid(),
                                     (unsigned long long)serial);
    int fd = open_temporary(store, arena, ret);
    bool good = fd >= 0;
    for (size_t done = 0; good && done < size;) {
        ssize_t wrote = write(fd, (const char *)data + done, size - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            good = false;
    }
    if (!good)
        wg_fail_set(fail, 0, "cannot store file: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (!good)
        wg_store_discard(ret);
    return good ? 0 : -1;
}

int wg_store_publish(struct wg_store *store, struct wg_staged *staged, struct wg_fail *fail)
{
    int rc = 0;
    pthread_mutex_lock(&store->gate);
    if (access(staged->final, F_OK) == 0)
        unlink(staged->temporary);
    else if (rename(staged->temporary, staged->final) < 0)
        rc = -1;
    pthread_mutex_unlock(&store->gate);
    if (rc < 0) {
        wg_fail_set(fail, 0, "cannot store file: %s", strerror(errno));
        return -1;
    }
    staged->temporary = NULL;
    return 0;
}

/* Removes a file and its directory if that was the last one in it. */
static void remove_file(const char *path)
{
    unlink(path);
    char *shard = wg_mem_strdup(path);
    char *slash = strrchr(shard, '/');
    if (slash != NULL) {
        *slash = '\0';
        rmdir(shard);
    }
    free(shard);
}

void wg_store_discard(struct wg_staged *staged)
{
    if (staged->temporary != NULL)
        remove_file(staged->temporary);
    staged->temporary = NULL;
}

void wg_store_drop(struct wg_arena *arena, struct wg_drops *drops, const char *path)
{
    struct wg_drop *drop = wg_arena_alloc(arena, sizeof *drop);
    drop->path = wg_arena_strdup(arena, path);
    drop->next = drops->first;
    drops->first = drop;
}

int wg_store_commit(struct wg_store *store, struct wg_conn *conn, const struct wg_drops *drops)
{
    pthread_mutex_lock(&store->gate);
    int rc = wg_conn_commit(conn);
    for (const struct wg_drop *drop = drops->first; rc == 0 && drop != NULL; drop = drop->next)
        remove_file(drop->path);
    pthread_mutex_unlock(&store->gate);
    return rc;
}

bool wg_store_exists(struct wg_store *store, struct wg_arena *arena, const char *hash,
                     const char *file_type)
{
    return access(wg_store_path(store, arena, hash, file_type), F_OK) == 0;
}
