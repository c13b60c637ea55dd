/* SPDX-License-Identifier: MIT */
#include "tools/refserver/schema.h"

#include "tools/refserver/strategy/strategy.h"

#include <string.h>
#include <strings.h>

#define META WG_DB_METADATA
#define NOW  "TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
#define HISTORY                                                                                              \
    "CREATE TABLE IF NOT EXISTS migration_history (version INTEGER PRIMARY KEY, description TEXT NOT NULL, " \
    "applied_at " NOW ", success BOOLEAN DEFAULT 1)"

static const struct {
    enum wg_db_name db;
    const char *name;
    const char *sql;
} objects[] = {
    {META, "files",
     "CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, stable_id TEXT UNIQUE NOT NULL, filename TEXT NOT "
     "NULL, doc_id TEXT NOT NULL, doc_id_type TEXT DEFAULT 'doi', file_type TEXT NOT NULL, "
     "mime_type TEXT, file_size INTEGER, label TEXT, variant TEXT, version INTEGER DEFAULT 1, "
     "is_gold_standard BOOLEAN DEFAULT 0, deleted BOOLEAN DEFAULT 0, local_modified_at TIMESTAMP, "
     "remote_version INTEGER, sync_status TEXT DEFAULT 'synced', sync_hash TEXT, created_at " NOW
     ", updated_at " NOW ", doc_collections TEXT, doc_metadata TEXT, file_metadata TEXT)"},
    {META, "idx_stable_id", "CREATE INDEX IF NOT EXISTS idx_stable_id ON files(stable_id)"},
    {META, "idx_doc_id", "CREATE INDEX IF NOT EXISTS idx_doc_id ON files(doc_id)"},
    {META, "idx_doc_id_type",
     "CREATE INDEX IF NOT EXISTS idx_doc_id_type ON files(doc_id, file_type)"},
    {META, "idx_file_type", "CREATE INDEX IF NOT EXISTS idx_file_type ON files(file_type)"},
    {META, "idx_variant", "CREATE INDEX IF NOT EXISTS idx_variant ON files(variant)"},
    {META, "idx_created_at", "CREATE INDEX IF NOT EXISTS idx_created_at ON files(created_at DESC)"},
    {META, "idx_is_gold",
     "CREATE INDEX IF NOT EXISTS idx_is_gold ON files(is_gold_standard) WHERE is_gold_standard = 1"},
    {META, "idx_sync_status",
     "CREATE INDEX IF NOT EXISTS idx_sync_status ON files(sync_status) WHERE sync_status <> 'synced'"},
    {META, "idx_deleted",
     "CREATE INDEX IF NOT EXISTS idx_deleted ON files(deleted) WHERE deleted = 1"},
    {META, "idx_local_modified",
     "CREATE INDEX IF NOT EXISTS idx_local_modified ON files(local_modified_at DESC)"},
    {META, "idx_remote_version",
     "CREATE INDEX IF NOT EXISTS idx_remote_version ON files(remote_version)"},
    {META, "sync_metadata",
     "CREATE TABLE IF NOT EXISTS sync_metadata (key TEXT PRIMARY KEY, value TEXT, updated_at " NOW
     ");"
     "INSERT OR IGNORE INTO sync_metadata (key, value) VALUES ('last_sync_time', '1970-01-01T00:00:00Z'), "
     "('remote_version', '0'), ('sync_in_progress', '0'), ('last_sync_summary', '{}')"},
    {META, "storage_refs",
     "CREATE TABLE IF NOT EXISTS storage_refs (file_hash TEXT PRIMARY KEY, file_type TEXT NOT NULL, ref_count "
     "INTEGER NOT NULL DEFAULT 0 CHECK (ref_count >= 0), created_at " NOW ", updated_at " NOW ")"},
    {META, "idx_ref_count",
     "CREATE INDEX IF NOT EXISTS idx_ref_count ON storage_refs(ref_count) WHERE ref_count = 0"},
    {META, "migration_history", HISTORY},
    {WG_DB_SESSIONS, "sessions",
     "CREATE TABLE IF NOT EXISTS sessions (session_id TEXT PRIMARY KEY, username TEXT NOT NULL, created_at REAL "
     "NOT NULL, last_access REAL NOT NULL)"},
    {WG_DB_SESSIONS, "idx_username",
     "CREATE INDEX IF NOT EXISTS idx_username ON sessions(username)"},
    {WG_DB_SESSIONS, "idx_last_access",
     "CREATE INDEX IF NOT EXISTS idx_last_access ON sessions(last_access)"},
    {WG_DB_LOCKS, "locks",
     "CREATE TABLE IF NOT EXISTS locks (file_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, acquired_at " NOW
     ", updated_at " NOW ")"},
    {WG_DB_LOCKS, "idx_file_id", "CREATE INDEX IF NOT EXISTS idx_file_id ON locks(file_id)"},
    {WG_DB_LOCKS, "idx_session", "CREATE INDEX IF NOT EXISTS idx_session ON locks(session_id)"},
    {WG_DB_LOCKS, "idx_updated", "CREATE INDEX IF NOT EXISTS idx_updated ON locks(updated_at)"},
    {WG_DB_LOCKS, "migration_history",
     HISTORY
     ";INSERT OR IGNORE INTO migration_history (version, description) VALUES (1, 'key locks by "
     "stable id')"},
};
#define OBJECTS (sizeof objects / sizeof *objects)

/* 1 if the object is there, 0 if not, -1 on failure. */
static int has_object(struct wg_conn *conn, const char *name)
{
    int64_t one;
    return wg_stmt_int(conn, &one, "SELECT 1 FROM sqlite_master WHERE name = ?", "s", name);
}

/* 1 if the database is in the journal mode that the strategy asks for, 0 if not, -1 on failure. */
static int right_journal(struct wg_conn *conn)
{
    const char *wanted = wg_lender_journal(conn->db->lender, conn->db->kind);
    sqlite3_stmt *row = wg_stmt_start(conn, "PRAGMA journal_mode", "");
    if (wg_stmt_step(conn, row) != 1)
        return -1;
    const char *mode = (const char *)sqlite3_column_text(row, 0);
    int right = mode != NULL && strcasecmp(mode, wanted) == 0;
    wg_stmt_end(row);
    return right;
}

int wg_schema_set_journal(struct wg_conn *conn)
{
    struct wg_buf sql = {0};
    wg_buf_addf(&sql, "PRAGMA journal_mode=%s",
                wg_lender_journal(conn->db->lender, conn->db->kind));
    int rc = wg_conn_script(conn, sql.data);
    wg_buf_finish(&sql);
    return rc;
}

int wg_schema_create_each(struct wg_conn *conn)
{
    for (size_t i = 0; i < OBJECTS; i++)
        if (objects[i].db == conn->db->name && wg_conn_script(conn, objects[i].sql) < 0)
            return -1;
    return 0;
}

static int create_missing(struct wg_conn *conn, enum wg_db_name name)
{
    if (wg_conn_begin(conn) < 0)
        return -1;
    for (size_t i = 0; i < OBJECTS; i++) {
        if (objects[i].db != name)
            continue;
        int has = has_object(conn, objects[i].name);
        if (has < 0 || (has == 0 && wg_conn_script(conn, objects[i].sql) < 0))
            return -1;
    }
    return wg_conn_commit(conn);
}

int wg_schema_apply(struct wg_db *db, enum wg_db_name name, bool *ret_created, struct wg_fail *fail)
{
    struct wg_conn *conn = wg_conn_open(db, true, fail);
    if (conn == NULL)
        return -1;
    int rc = -1;
    int journal = right_journal(conn);
    if (journal < 0 || (journal == 0 && wg_schema_set_journal(conn) < 0))
        goto out;
    int complete = 1;
    for (size_t i = 0; i < OBJECTS && complete == 1; i++)
        if (objects[i].db == name)
            complete = has_object(conn, objects[i].name);
    if (complete < 0 || (complete == 0 && create_missing(conn, name) < 0))
        goto out;
    *ret_created = journal == 0 || complete == 0;
    rc = 0;
out:
    wg_conn_give_back(conn);
    return rc;
}

int wg_schema_checkpoint(struct wg_db *db, struct wg_fail *fail)
{
    struct wg_conn *conn = wg_conn_borrow(db, fail);
    if (conn == NULL)
        return -1;
    int rc = 0;
    if (strcmp(wg_lender_journal(db->lender, db->kind), "wal") == 0)
        rc = wg_conn_script(conn, "PRAGMA wal_checkpoint(TRUNCATE)");
    wg_conn_give_back(conn);
    return rc;
}

json_t *wg_schema_journal_mode(struct wg_db *db)
{
    struct wg_fail fail = {0};
    json_t *mode = NULL;
    struct wg_conn *conn = wg_conn_open(db, false, &fail);
    if (conn != NULL) {
        sqlite3_stmt *row = wg_stmt_start(conn, "PRAGMA journal_mode", "");
        if (wg_stmt_step(conn, row) == 1)
            mode = wg_json_text((const char *)sqlite3_column_text(row, 0));
        wg_stmt_end(row);
        wg_conn_close(conn);
    }
    return mode != NULL ? mode : json_null();
}
