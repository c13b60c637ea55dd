/* SPDX-License-Identifier: MIT
 *
 * ZIP archives in memory, by libarchive.
 */
#ifndef WG_REFSERVER_ZIP_H
#define WG_REFSERVER_ZIP_H

#include "tools/refserver/util.h"

/* Decompressed bytes that one archive may hold. */
#define WG_ARCHIVE_BYTES_MAX (1024L * 1024 * 1024)

struct wg_entry {
    char *name; /* path inside the archive, directories end in "/" */
    const char *data;
    size_t size;
};

struct wg_entries {
    struct wg_entry *items; /* all of it in the arena */
    size_t count;
};

/* Reads a whole archive. 0, or -1 with a reason (arena). Entries with absolute or upward paths
 * fail. */
int wg_zip_read(struct wg_arena *arena, const void *data, size_t size, struct wg_entries *ret,
                const char **ret_error);

struct wg_zip;

/* A ZIP archive that grows in `out`. */
struct wg_zip *wg_zip_create(struct wg_buf *out);
int wg_zip_add(struct wg_zip *archive, const char *name, const void *data, size_t size);
/* Completes the archive and frees the writer. 0 / -1. */
int wg_zip_close(struct wg_zip *archive);

#endif
