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
/* The two halves of what a naive manager does on each connection: ask for the journal mode that the
 * strategy wants, and run every CREATE ... IF NOT EXISTS by itself. 0, or -1 with the failure set.
 */
int wg_schema_set_journal(struct wg_conn *conn);
int wg_schema_create_each(struct wg_conn *conn);
/* Moves the write-ahead log into the database file; only while nobody is served. */
int wg_schema_checkpoint(struct wg_db *db, struct wg_fail *fail);
/* The mode that the database is really in, as a JSON string; null when it cannot be opened. */
json_t *wg_schema_journal_mode(struct wg_db *db);

#endif
