/* SPDX-License-Identifier: MIT
 *
 * Changes of data at start, each made once and recorded in migration_history (the contract's
 * section 2.6). Those that only changed the shape of tables are part of it from the beginning.
 */
#ifndef WG_REFSERVER_MIGRATE_H
#define WG_REFSERVER_MIGRATE_H

#include "tools/refserver/db.h"

/*
 * Migration 4 of the metadata: encodes every live document id that is not, and marks its rows as
 * modified. Only if there is one, and only below version 4; a copy of the database is left beside
 * it then. 0, or -1 with `fail` set.
 */
int wg_migrate_document_ids(struct wg_db *db, struct wg_fail *fail);

#endif
