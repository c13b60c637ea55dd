/* SPDX-License-Identifier: MIT */
/*
 * storage_schema.c - the shape of the server's databases: columns, indexes, journals, seeds.
 *
 * Other programs read these files, so their shape is part of the contract. To add a table or an
 * index: a row.
 */
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <criterion/parameterized.h>

struct table {
    char database[12];
    char name[20];
    char columns[640]; /* "name TYPE" each, " key" behind the primary key, ", " between */
};

ParameterizedTestParameters(storage_schema, table_has_its_columns)
{
    static struct table rows[] = {
        {"metadata", "files",
         "id TEXT key, stable_id TEXT, filename TEXT, doc_id TEXT, doc_id_type TEXT, "
         "file_type TEXT, mime_type TEXT, file_size INTEGER, label TEXT, variant TEXT, "
         "version INTEGER, is_gold_standard BOOLEAN, deleted BOOLEAN, "
         "local_modified_at TIMESTAMP, remote_version INTEGER, sync_status TEXT, "
         "sync_hash TEXT, created_at TIMESTAMP, updated_at TIMESTAMP, doc_collections TEXT, "
         "doc_metadata TEXT, file_metadata TEXT"},
        {"metadata", "sync_metadata", "key TEXT key, value TEXT, updated_at TIMESTAMP"},
        {"metadata", "storage_refs",
         "file_hash TEXT key, file_type TEXT, ref_count INTEGER, created_at TIMESTAMP, "
         "updated_at TIMESTAMP"},
        {"metadata", "migration_history",
         "version INTEGER key, description TEXT, applied_at TIMESTAMP, success BOOLEAN"},
        {"sessions", "sessions",
         "session_id TEXT key, username TEXT, created_at REAL, last_access REAL"},
        {"locks", "locks",
         "file_id TEXT key, session_id TEXT, acquired_at TIMESTAMP, updated_at TIMESTAMP"},
        {"locks", "migration_history",
         "version INTEGER key, description TEXT, applied_at TIMESTAMP, success BOOLEAN"},
    };
    return cr_make_param_array(struct table, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct table *row, storage_schema, table_has_its_columns,
                  .description = "STOR-X01 STOR-X02")
{
    api_need_data();

    char *columns = wg_db_text(
        row->database,
        "SELECT group_concat(name || ' ' || type || CASE pk WHEN 0 THEN '' ELSE ' key' END, ', ') "
        "FROM (SELECT * FROM pragma_table_info(?) ORDER BY cid)",
        row->name);

    cr_assert(columns != NULL, "no table %s", row->name);
    cr_assert(eq(str, columns, row->columns));
}

struct index_list {
    char database[12];
    char table[20];
    char names[240]; /* in the order of the alphabet */
};

ParameterizedTestParameters(storage_schema, table_has_its_indexes)
{
    static struct index_list rows[] = {
        {"metadata", "files",
         "idx_created_at idx_deleted idx_doc_id idx_doc_id_type idx_file_type idx_is_gold "
         "idx_local_modified idx_remote_version idx_stable_id idx_sync_status idx_variant"},
        {"metadata", "storage_refs", "idx_ref_count"},
        {"sessions", "sessions", "idx_last_access idx_username"},
        {"locks", "locks", "idx_file_id idx_session idx_updated"},
    };
    return cr_make_param_array(struct index_list, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct index_list *row, storage_schema, table_has_its_indexes,
                  .description = "STOR-X01 STOR-X02")
{
    api_need_data();

    char *names = wg_db_text(row->database,
                             "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master "
                             "WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL "
                             "ORDER BY name)",
                             row->table);

    cr_assert(names != NULL, "no index on %s", row->table);
    cr_assert(eq(str, names, row->names));
}

struct journal {
    char database[12];
    char mode[8];
};

ParameterizedTestParameters(storage_schema, database_has_its_journal_mode)
{
    static struct journal rows[] = {{"metadata", "wal"}, {"sessions", "wal"}, {"locks", "delete"}};
    return cr_make_param_array(struct journal, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct journal *row, storage_schema, database_has_its_journal_mode,
                  .description = "STOR-X03")
{
    api_need_data();

    cr_assert(eq(str, wg_db_text(row->database, "PRAGMA journal_mode"), row->mode));
}

struct seed {
    char key[24];
    char value[24];
};

ParameterizedTestParameters(storage_schema, synchronisation_state_is_seeded)
{
    static struct seed rows[] = {
        {"last_sync_time", "1970-01-01T00:00:00Z"},
        {"remote_version", "0"},
        {"sync_in_progress", "0"},
        {"last_sync_summary", "{}"},
    };
    return cr_make_param_array(struct seed, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct seed *row, storage_schema, synchronisation_state_is_seeded,
                  .description = "STOR-X04")
{
    api_need_data();

    char *value = wg_db_text("metadata", "SELECT value FROM sync_metadata WHERE key = ?", row->key);

    cr_assert(eq(str, value, row->value));
}

Test(storage_schema, two_rows_cannot_have_one_content, .description = "STOR-X01")
{
    api_need_data();

    cr_assert(eq(i64,
                 wg_db_int("metadata",
                           "SELECT count(*) FROM pragma_index_list('files') WHERE \"unique\" = 1 "
                           "AND origin IN ('pk', 'u')"),
                 2));
}

Test(storage_schema, migration_of_the_locks_is_recorded, .description = "STOR-X02")
{
    api_need_data();

    cr_assert(
        eq(i64, wg_db_int("locks", "SELECT count(*) FROM migration_history WHERE version = 1"), 1));
}
