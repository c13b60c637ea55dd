/* SPDX-License-Identifier: MIT */
#include "tools/refserver/migrate.h"

#include "tools/refserver/tei.h"

#include <string.h>
#include <time.h>

#define VERSION 4

/* A document id that changes, and what it becomes. */
struct change {
    struct change *next;
    const char *from, *to;
};

/* 0 with the list, which is empty when there is nothing to do; -1 on failure. */
static int find_changes(struct wg_conn *conn, struct wg_arena *arena, struct change **ret_first)
{
    int64_t version = 0;
    int step =
        wg_stmt_int(conn, &version, "SELECT coalesce(max(version), 0) FROM migration_history", "");
    if (step < 0 || version >= VERSION)
        return step < 0 ? -1 : 0;
    sqlite3_stmt *row =
        wg_stmt_start(conn, "SELECT DISTINCT doc_id FROM files WHERE deleted = 0", "");
    while (row != NULL && (step = wg_stmt_step(conn, row)) == 1) {
        const char *id = (const char *)sqlite3_column_text(row, 0);
        if (id == NULL || wg_doc_id_encoded(id))
            continue;
        const char *encoded = wg_doc_id_encode(arena, id);
        if (strcmp(encoded, id) == 0)
            continue;
        struct change *change = wg_arena_alloc(arena, sizeof *change);
        *change = (struct change){*ret_first, wg_arena_strdup(arena, id), encoded};
        *ret_first = change;
    }
    return row == NULL || step < 0 ? -1 : 0;
}

/* <name>_backup_<time>.db, made by SQLite: copying the file here would drop its locks. */
static int leave_copy(struct wg_conn *conn, struct wg_arena *arena)
{
    char stamp[32];
    struct tm utc;
    time_t now = time(NULL);
    const char *path = conn->db->path;
    size_t stem = strlen(path) - strlen(".db");
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", &utc);
    char *copy = wg_arena_format(arena, "%.*s_backup_%s.db", (int)stem, path, stamp);
    return wg_stmt_run(conn, "VACUUM INTO ?", "s", copy) < 0 ? -1 : 0;
}

static int apply(struct wg_conn *conn, const struct change *first)
{
    if (wg_conn_begin(conn) < 0)
        return -1;
    for (const struct change *change = first; change != NULL; change = change->next)
        if (wg_stmt_run(
                conn,
                "UPDATE files SET doc_id = ?, sync_status = 'modified' WHERE doc_id = ? AND "
                "deleted = 0",
                "ss", change->to, change->from) < 0)
            return -1;
    if (wg_stmt_run(conn,
                    "INSERT INTO migration_history (version, description) VALUES (?, 'document ids "
                    "are encoded')",
                    "i", (int64_t)VERSION) < 0)
        return -1;
    return wg_conn_commit(conn);
}

int wg_migrate_document_ids(struct wg_db *db, struct wg_fail *fail)
{
    int rc = -1;
    struct wg_arena arena = {0};
    struct change *first = NULL;
    struct wg_conn *conn = wg_conn_open(db, false, fail);
    if (conn == NULL)
        return -1;
    if (find_changes(conn, &arena, &first) < 0)
        goto out;
    rc = first == NULL || (leave_copy(conn, &arena) == 0 && apply(conn, first) == 0) ? 0 : -1;
out:
    wg_conn_give_back(conn);
    wg_arena_finish(&arena);
    return rc;
}
