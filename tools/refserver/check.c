/* SPDX-License-Identifier: MIT
 *
 * How it works: every stored file is read once into the temporary table `stored`; after that each
 * invariant is one query that selects key, expected and found of each violation. The queries see
 *
 *     files, storage_refs           metadata.db            s.sessions     sessions.db
 *     stored                        the files on disk      l.locks        locks.db
 *     known                         files with what follows from a row, see `prelude`
 *
 * Only that is here which holds whatever clients did and in whichever order. Where the contract
 * lets the history of a row matter, the query asks for no more than the rows prove:
 *
 *   - How often a PDF was uploaded is not stored, so its count has a lower bound only. What a save
 *     made counts exactly one; an import, two; gold without version is one by save, two by
 *     extraction. A deleted row counts one less. A document whose id was changed (its file names
 *     did not follow) may have content without a count.
 *   - A version may be missing only when garbage collection can have purged it: then a row id is
 *     missing between its neighbours, too. Documents that were merged, imported or had versions
 *     promoted to gold number theirs differently and are passed over.
 *   - The row of a lock's file, and the user of a session, may be gone.
 *   - A lock outlives its session until it is stale; what is left after that is a leak, since only
 *     its session could have released it.
 *
 * To add an invariant, add a row to `invariants`, and one to the table of its self-test, which
 * breaks a database in a way that must show.
 */
#include "tools/refserver/check.h"

#include "tools/refserver/locktable.h"
#include "tools/refserver/store.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT "9223372036854775807"

static const char prelude[] =
    "CREATE TEMP TABLE stored (shard, name, hash, ext, size, real, rest);"
    "CREATE TEMP VIEW known AS SELECT f.rowid AS at, f.*, quote(f.stable_id) AS key,"
    " CASE file_type WHEN 'pdf' THEN '.pdf' WHEN 'tei' THEN '.tei.xml' ELSE '.rng' END AS ext,"
    " json_extract(iif(json_valid(file_metadata), file_metadata, '{}'), '$.original_path') IS NOT"
    " NULL AS imported,"
    " file_type = 'tei' AND substr(filename, 1, length(doc_id)) <> doc_id AS renamed,"
    " doc_id || iif(variant IS NULL, '', '.' || variant) || '.v' || version || '.tei.xml' AS"
    " version_name FROM files f;"
    /* What the count of a row's content can be. */
    "CREATE TEMP VIEW counted AS SELECT key, id,"
    " max(0, CASE WHEN renamed THEN 0 WHEN file_type = 'pdf' OR imported THEN 2 ELSE 1 END"
    " - deleted) AS low,"
    " CASE WHEN file_type <> 'tei' OR (SELECT count(*) FROM stored WHERE hash = id) > 1"
    " THEN " NO_LIMIT " WHEN imported OR version IS NULL THEN 2 - deleted ELSE 1 - deleted END AS"
    " high, coalesce((SELECT ref_count FROM storage_refs WHERE file_hash = id), 0) AS found"
    " FROM known;"
    /* Documents whose versions were not all numbered by saves, one after another. */
    "CREATE TEMP VIEW mixed AS SELECT DISTINCT doc_id FROM known WHERE file_type = 'tei' AND"
    " (renamed OR imported OR (is_gold_standard <> (version IS NULL)) OR"
    " (version IS NOT NULL AND filename <> version_name))"
    " UNION SELECT o.doc_id FROM known o JOIN known r ON r.renamed AND substr(r.filename, 1,"
    " length(o.doc_id) + 1) = o.doc_id || '.';"
    "CREATE TEMP VIEW numbered AS SELECT *, quote(doc_id) || iif(variant IS NULL, '', ' variant ' ||"
    " quote(variant)) AS document, lag(version, 1, 0) OVER series AS before, lag(at, 1, 0) OVER series AS"
    " before_at FROM known WHERE file_type = 'tei' AND version IS NOT NULL AND doc_id NOT IN mixed"
    " WINDOW series AS (PARTITION BY doc_id, variant ORDER BY version, at);";

/* Columns of each query: key, expected, found. */
static const struct {
    const char *name;
    const char *table;
    const char *meaning;
    const char *sql;
} invariants[] = {
    {"stable-id", "files", "stable ids are 6 to 12 characters of the readable alphabet",
     "SELECT key, '6 to 12 readable characters', stable_id FROM known WHERE length(stable_id) NOT "
     "BETWEEN 6 AND 12 OR stable_id GLOB '*[^a-hjkmnp-z2-9]*'"},
    {"content-id", "files", "the id of a row is a SHA-256 in lower-case hexadecimal",
     "SELECT key, '64 hexadecimal digits', id FROM known WHERE length(id) <> 64 OR id GLOB "
     "'*[^0-9a-f]*'"},
    {"file-type", "files", "the type of a file is pdf, tei or rng",
     "SELECT key, 'pdf, tei or rng', file_type FROM known WHERE file_type NOT IN ('pdf', 'tei', "
     "'rng')"},
    {"flags", "files", "the flags deleted and is_gold_standard are 0 or 1",
     "SELECT key, '0 or 1', 'deleted ' || quote(deleted) || ', gold ' || quote(is_gold_standard) "
     "FROM known WHERE deleted IS NULL OR deleted NOT IN (0, 1) OR is_gold_standard IS NULL OR "
     "is_gold_standard NOT IN (0, 1)"},
    {"deleted-status", "files", "a soft-deleted row waits for its deletion to be synchronised",
     "SELECT key, 'pending_delete or deletion_synced', quote(sync_status) FROM known WHERE deleted "
     "AND coalesce(sync_status, '') NOT IN ('pending_delete', 'deletion_synced')"},
    {"live-status", "files", "a live row does not wait for its deletion to be synchronised",
     "SELECT key, 'modified or synced', quote(sync_status) FROM known WHERE NOT deleted AND "
     "coalesce(sync_status, '') NOT IN ('modified', 'synced')"},
    {"json", "files", "collections are a JSON array, the other metadata objects",
     "SELECT key, 'a JSON ' || kind, quote(value) FROM (SELECT key, 'array' AS kind, "
     "doc_collections AS value FROM known UNION ALL SELECT key, 'object', doc_metadata FROM known "
     "UNION ALL SELECT key, 'object', file_metadata FROM known) WHERE value IS NOT NULL AND NOT "
     "iif(json_valid(value), json_type(value) = kind, 0)"},
    {"row-has-file", "files", "the content of each live row is stored",
     "SELECT key, 'stored content ' || id || ext, 'none' FROM known k WHERE NOT deleted AND NOT "
     "EXISTS (SELECT 1 FROM stored t WHERE t.hash = k.id AND t.ext = k.ext)"},
    {"file-size", "files", "the size of a row is that of its content",
     "SELECT key, t.size, k.file_size FROM known k JOIN stored t ON t.hash = k.id AND t.ext = k.ext "
     "WHERE NOT deleted AND NOT renamed AND k.file_size IS NOT t.size"},
    {"reference-count", "storage_refs", "content is counted as often as it was stored and named",
     "SELECT id || ' of ' || key, iif(low = high, low, iif(high = " NO_LIMIT
     ", 'at least ' || low, low || ' to ' || high)), found FROM counted WHERE found NOT BETWEEN low AND high"},
    {"count-has-file", "storage_refs", "content that is counted is stored",
     "SELECT file_hash, 'a stored file', 'none for count ' || ref_count FROM storage_refs WHERE "
     "ref_count > 0 AND file_hash NOT IN (SELECT hash FROM stored) AND file_hash NOT IN (SELECT id "
     "FROM files WHERE NOT deleted)"},
    {"count-has-name", "storage_refs", "the count of content without any row is above zero",
     "SELECT file_hash, 'at least 1, or no entry', ref_count FROM storage_refs WHERE ref_count < 1 "
     "AND file_hash NOT IN (SELECT id FROM files)"},
    {"versions-unique", "files", "no two live files are the same version of one document",
     "SELECT document || ' version ' || version, 'one live file', group_concat(stable_id) FROM "
     "numbered WHERE NOT deleted AND NOT is_gold_standard GROUP BY document, version HAVING "
     "count(*) > 1"},
    {"versions-contiguous", "files", "versions of a document follow on each other",
     "SELECT document || ' file ' || key, 'version ' || (before + 1), 'version ' || version FROM "
     "numbered n WHERE version > before + 1 AND (at - before_at - 1) - (SELECT count(*) FROM files "
     "WHERE rowid > before_at AND rowid < at) < version - before - 1"},
    {"file-has-row", "stored", "each stored file has a row or a count",
     "SELECT shard || '/' || name, 'a row or a count', 'neither' FROM stored t WHERE hash IS NOT "
     "NULL AND hash NOT IN (SELECT id FROM files) AND hash NOT IN (SELECT file_hash FROM "
     "storage_refs) AND NOT EXISTS (SELECT 1 FROM stored o JOIN known k ON k.id = o.hash WHERE "
     "o.rest = t.rest AND k.renamed)"},
    {"content-hash", "stored", "a stored file holds the bytes that its name promises",
     "SELECT shard || '/' || name, hash, real FROM stored WHERE hash IS NOT NULL AND real IS NOT "
     "hash"},
    {"stored-name", "stored",
     "the store holds nothing else: no temporary, misplaced or foreign file",
     "SELECT shard || '/' || name, 'a hash with a known extension in its shard', 'another name' "
     "FROM stored WHERE name IS NOT NULL AND hash IS NULL"},
    {"shard-in-use", "stored", "directories of the store that became empty are removed",
     "SELECT shard, 'a file', 'an empty directory' FROM stored WHERE name IS NULL"},
    {"session-id", "sessions", "session ids are random UUIDs",
     "SELECT quote(session_id), 'a UUID of version 4', session_id FROM s.sessions WHERE session_id "
     "NOT LIKE '________-____-4___-____-____________' OR session_id GLOB '*[^0-9a-f-]*' OR "
     "substr(session_id, 20, 1) NOT IN ('8', '9', 'a', 'b')"},
    {"session-user", "sessions", "a session is somebody's",
     "SELECT quote(session_id), 'a user name', quote(username) FROM s.sessions WHERE username = ''"},
    {"session-times", "sessions", "a session is not used before it was made, nor in the future",
     "SELECT quote(session_id), 'made, then used, then now', created_at || ' and ' || last_access "
     "FROM s.sessions WHERE last_access < created_at OR last_access > unixepoch() + 5"},
    {"session-expired", "sessions", "the last login has removed the sessions expired by then",
     "SELECT quote(session_id), 'last used within ' || ?1 || ' s of the last login', printf('%.0f "
     "s', (SELECT max(created_at) FROM s.sessions) - last_access) FROM s.sessions WHERE last_access "
     "< (SELECT max(created_at) FROM s.sessions) - ?1 - 1"},
    {"lock-key", "locks", "locks are kept by stable id",
     "SELECT quote(file_id), 'a stable id', file_id FROM l.locks WHERE length(file_id) NOT BETWEEN "
     "6 AND 12 OR file_id GLOB '*[^a-hjkmnp-z2-9]*'"},
    {"lock-owner", "locks", "a lock is some session's",
     "SELECT quote(file_id), 'a session', quote(session_id) FROM l.locks WHERE session_id = ''"},
    {"lock-time", "locks", "no lock comes from the future",
     "SELECT quote(file_id), 'now or before', updated_at FROM l.locks WHERE updated_at > "
     "datetime('now', '+5 seconds') OR datetime(updated_at) IS NOT updated_at"},
    {"lock-session", "locks", "no lock older than its time-out is left without its session",
     "SELECT quote(file_id), 'session ' || session_id, 'none, not refreshed since ' || updated_at "
     "FROM l.locks WHERE updated_at < datetime('now', '-" WG_LOCK_SECONDS
     " seconds') AND session_id NOT IN (SELECT session_id FROM s.sessions)"},
};
#define INVARIANTS (sizeof invariants / sizeof *invariants)

struct check {
    const struct wg_options *options;
    sqlite3 *db;
    sqlite3_stmt *insert;
    double session_timeout;
    FILE *out;
    long count;
    struct wg_fail *fail;
};

static int sql_failed(struct check *check, const char *what)
{
    wg_fail_set(check->fail, sqlite3_extended_errcode(check->db), "check %s: %s", what,
                sqlite3_errmsg(check->db));
    return -1;
}

/* A text for a URI: the characters that have a meaning there are written as %XX. */
static void add_uri_path(struct wg_buf *uri, const char *path)
{
    for (; *path != '\0'; path++)
        if (strchr("%?#", *path) != NULL)
            wg_buf_addf(uri, "%%%02x", (unsigned char)*path);
        else
            wg_buf_add(uri, path, 1);
}

static int attach(struct check *check, enum wg_db_name name, const char *as)
{
    struct wg_buf uri = {0};
    wg_buf_add_text(&uri, "file:");
    add_uri_path(&uri, check->options->data);
    wg_buf_addf(&uri, "/db/%s?mode=ro", wg_db_kinds[name].file);
    int rc = 0;
    if (as == NULL) {
        if (sqlite3_open_v2(uri.data, &check->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) !=
            SQLITE_OK)
            rc = sql_failed(check, wg_db_kinds[name].file);
        sqlite3_busy_timeout(check->db, 5000);
    } else {
        char *sql = sqlite3_mprintf("ATTACH %Q AS %s", uri.data, as);
        if (sqlite3_exec(check->db, sql, NULL, NULL, NULL) != SQLITE_OK)
            rc = sql_failed(check, wg_db_kinds[name].file);
        sqlite3_free(sql);
    }
    wg_buf_finish(&uri);
    return rc;
}

/* The timeout that the server works with: environment, settings file, default. */
static double session_timeout(const struct wg_options *options)
{
    struct wg_buf path = {0};
    if (options->session_timeout != NULL)
        return strtod(options->session_timeout, NULL);
    wg_buf_addf(&path, "%s/db/config.json", options->data);
    json_t *settings = json_load_file(path.data, 0, NULL);
    const json_t *value = json_object_get(settings, "session.timeout");
    double seconds =
        json_is_number(value) ? json_number_value(value) : strtod(options->session_fallback, NULL);
    json_decref(settings);
    wg_buf_finish(&path);
    return seconds;
}

/* Digest of a TEI without the text of its file reference: changing the id of a document rewrites
 * that and leaves the rest, and the former content may stay behind without a count. */
static void rest_digest(const struct wg_buf *bytes, char ret[WG_SHA256_HEX + 1])
{
    struct wg_buf rest = {0};
    const char *text = bytes->data != NULL ? bytes->data : "";
    const char *at = strstr(text, "type=\"fileref\"");
    const char *open = at != NULL ? strchr(at, '>') : NULL;
    const char *close = open != NULL ? strchr(open, '<') : NULL;
    if (close != NULL) {
        wg_buf_add(&rest, text, (size_t)(open - text));
        wg_buf_add_text(&rest, close);
    } else {
        wg_buf_add(&rest, text, bytes->len);
    }
    wg_sha256_hex(rest.data, rest.len, ret);
    wg_buf_finish(&rest);
}

/* Whether a name is that of content in its shard; `ret` gets the extension. */
static bool is_content(const char *shard, const char *name, const char **ret)
{
    static const char *const types[] = {"pdf", "tei", "rng"};
    if (strspn(name, "0123456789abcdef") != WG_SHA256_HEX || strncmp(shard, name, 2) != 0)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        *ret = wg_store_extension(types[i]);
        if (strcmp(name + WG_SHA256_HEX, *ret) == 0)
            return true;
    }
    return false;
}

/* A row of `stored`; a name of NULL stands for an empty directory. */
static int note_stored(struct check *check, const char *shard, const char *name)
{
    sqlite3_stmt *insert = check->insert;
    struct wg_buf bytes = {0};
    char real[WG_SHA256_HEX + 1], rest[WG_SHA256_HEX + 1];
    const char *ext = NULL;
    sqlite3_clear_bindings(insert);
    sqlite3_bind_text(insert, 1, shard, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
    if (name != NULL && is_content(shard, name, &ext)) {
        struct wg_buf path = {0};
        wg_buf_addf(&path, "%s/files/%s/%s", check->options->data, shard, name);
        sqlite3_bind_text(insert, 3, name, WG_SHA256_HEX, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 4, ext, -1, SQLITE_STATIC);
        if (wg_file_read(path.data, &bytes) == 0) {
            wg_sha256_hex(bytes.data != NULL ? bytes.data : "", bytes.len, real);
            rest_digest(&bytes, rest);
            sqlite3_bind_int64(insert, 5, (sqlite3_int64)bytes.len);
            sqlite3_bind_text(insert, 6, real, -1, SQLITE_TRANSIENT);
            sqlite3_bind_text(insert, 7, rest, -1, SQLITE_TRANSIENT);
        }
        wg_buf_finish(&path);
        wg_buf_finish(&bytes);
    }
    int step = sqlite3_step(insert);
    sqlite3_reset(insert);
    return step == SQLITE_DONE ? 0 : sql_failed(check, "the list of stored files");
}

/* Number of entries, -1 on failure, -2 when it is no directory. */
static int note_shard(struct check *check, const char *shard)
{
    struct wg_buf path = {0};
    int entries = 0;
    wg_buf_addf(&path, "%s/files/%s", check->options->data, shard);
    DIR *directory = opendir(path.data);
    wg_buf_finish(&path);
    if (directory == NULL)
        return errno == ENOTDIR ? -2 : 0;
    for (struct dirent *entry; entries >= 0 && (entry = readdir(directory)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            entries = note_stored(check, shard, entry->d_name) < 0 ? -1 : entries + 1;
    closedir(directory);
    return entries;
}

static int note_store(struct check *check)
{
    struct wg_buf path = {0};
    wg_buf_addf(&path, "%s/files", check->options->data);
    DIR *root = opendir(path.data);
    int rc = root == NULL && errno != ENOENT ? -1 : 0;
    if (rc < 0)
        wg_fail_set(check->fail, 0, "check: %s: %s", path.data, strerror(errno));
    for (struct dirent *entry; rc == 0 && root != NULL && (entry = readdir(root)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        int entries = note_shard(check, entry->d_name);
        if (entries == 0)
            entries = note_stored(check, entry->d_name, NULL);
        else if (entries == -2)
            entries = note_stored(check, "", entry->d_name);
        rc = entries < 0 ? -1 : 0;
    }
    if (root != NULL)
        closedir(root);
    wg_buf_finish(&path);
    return rc;
}

static int look(struct check *check, size_t number)
{
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(check->db, invariants[number].sql, -1, &row, NULL) != SQLITE_OK)
        return sql_failed(check, invariants[number].name);
    if (sqlite3_bind_parameter_count(row) == 1)
        sqlite3_bind_double(row, 1, check->session_timeout);
    int step;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) {
        const char *texts[3];
        for (int i = 0; i < 3; i++) {
            texts[i] = (const char *)sqlite3_column_text(row, i);
            texts[i] = texts[i] != NULL ? texts[i] : "NULL";
        }
        fprintf(check->out, "%s %s: %s: expected %s, found %s\n", invariants[number].table,
                texts[0], invariants[number].name, texts[1], texts[2]);
        check->count++;
    }
    sqlite3_finalize(row);
    return step == SQLITE_DONE ? 0 : sql_failed(check, invariants[number].name);
}

long wg_check_data(const struct wg_options *options, FILE *out, struct wg_fail *fail)
{
    struct check check = {
        .options = options, .out = out, .fail = fail, .session_timeout = session_timeout(options)};
    int rc = -1;
    if (attach(&check, WG_DB_METADATA, NULL) < 0 || attach(&check, WG_DB_SESSIONS, "s") < 0 ||
        attach(&check, WG_DB_LOCKS, "l") < 0)
        goto out;
    if (sqlite3_exec(check.db, prelude, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(check.db, "INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?)", -1,
                           &check.insert, NULL) != SQLITE_OK) {
        sql_failed(&check, "preparations");
        goto out;
    }
    if (note_store(&check) < 0 || sqlite3_exec(check.db, "CREATE INDEX stored_hash ON stored(hash)",
                                               NULL, NULL, NULL) != SQLITE_OK)
        goto out;
    for (size_t i = 0; i < INVARIANTS; i++)
        if (look(&check, i) < 0)
            goto out;
    rc = 0;
out:
    sqlite3_finalize(check.insert);
    sqlite3_close(check.db);
    if (rc < 0)
        wg_fail_set(fail, 0, "cannot check the data");
    return rc < 0 ? -1 : check.count;
}

void wg_check_print_invariants(FILE *out)
{
    for (size_t i = 0; i < INVARIANTS; i++)
        fprintf(out, "  %-22s %s\n", invariants[i].name, invariants[i].meaning);
}
