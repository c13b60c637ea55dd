/* SPDX-License-Identifier: MIT */
/*
 * zip.h - ZIP archives, for the tests of export and import: made from a list, and looked into.
 *
 * All memory lives as long as the test. A failure of libarchive fails the test.
 */
#ifndef WG_SUITES_API_ZIP_H
#define WG_SUITES_API_ZIP_H

#include "fixtures/walgrind.h"

#include <stdbool.h>
#include <stddef.h>

/* One file of an archive; lists end with a NULL name. */
struct api_entry {
    const char *name; /* path, "/" between its parts */
    const char *text; /* content */
};

struct api_archive {
    struct api_entry *entries;
    size_t count;
};

#define API_ENTRIES(...) ((const struct api_entry[]){__VA_ARGS__, {NULL, NULL}})

/* POST /import of an archive with these files, as "import.zip"; `query` is what follows the path,
 * "" for nothing. Unjudged. */
struct wg_response *api_import(struct wg_http *http, const char *query,
                               const struct api_entry *entries);
/* The same with bytes and a file name of one's own. */
struct wg_response *api_import_bytes(struct wg_http *http, const char *query, const char *filename,
                                     const void *bytes, size_t size);
/* Bytes of an archive with these files. */
char *api_archive_make(const struct api_entry *entries, size_t *ret_size);
/* What an answer's archive holds. The test fails when it is none. */
struct api_archive api_archive_read(struct wg_response *response);
/* Content of the entry, or NULL. */
const char *api_archive_find(const struct api_archive *archive, const char *name);
/* How many names match a POSIX extended expression. */
size_t api_archive_count(const struct api_archive *archive, const char *pattern);

#endif
