/* SPDX-License-Identifier: MIT
 *
 * XML schemas that documents refer to: finding the reference, the cached copy, downloading it.
 *
 * A schema at http://host:port/dirs/file is cached as DATA_ROOT/schema/cache/host:port/dirs/file. A
 * file that is there is used as it is, whoever put it there; otherwise it is downloaded.
 */
#ifndef WG_REFSERVER_SCHEMACACHE_H
#define WG_REFSERVER_SCHEMACACHE_H

#include "tools/refserver/req.h"

#define WG_SCHEMA_BYTES_MAX (16L * 1024 * 1024)
#define WG_SCHEMA_SECONDS   30L

/* Before any thread and after the last one. */
void wg_schemas_init(void);
void wg_schemas_finish(void);
/* Location in the first xml-model instruction for RELAX NG, or NULL. From the arena. */
const char *wg_schema_find_relaxng(struct wg_arena *arena, const char *xml);
/* Locations of all schemaLocation pairs, an array of strings owned by the arena. */
json_t *wg_schema_find_xsd(struct wg_arena *arena, const char *xml);
/*
 * Path of the cached copy (arena), downloading it if absent or if `again`. NULL on failure, with
 * the reason in `ret_error`.
 */
const char *wg_schema_fetch(struct wg_req *req, const char *url, bool again,
                            const char **ret_error);
/* Where the copy would be. NULL for a location that cannot be cached. */
const char *wg_schema_path(struct wg_req *req, const char *url);

#endif
