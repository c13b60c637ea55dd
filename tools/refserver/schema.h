/* SPDX-License-Identifier: MIT
 *
 * Shapes of the three databases.
 *
 * Objects are rows of a table (name, definition). A database that already holds all of them in the
 * right journal mode is only read, so that a clone of a template starts fast and stays equal to it.
 */
#ifndef WG_REFSERVER_SCHEMA_H
#define WG_REFSERVER_SCHEMA_H

#include "tools/refserver/db.h"

/* Creates what is missing. 0, or -1 with `fail` set. `ret_created`: whether anything was written.
 */
int wg_schema_apply(struct wg_db *db, enum wg_db_name name, bool *ret_created,
                    struct wg_fail *fail);
/* Moves the write-ahead log into the database file; only while nobody is served. */
int wg_schema_checkpoint(struct wg_db *db, struct wg_fail *fail);

#endif
