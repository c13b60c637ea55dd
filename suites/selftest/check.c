/* SPDX-License-Identifier: MIT */
/*
 * check.c - walgrind-refserver --check complains about data in which an invariant does not hold.
 *
 * Each test starts from one small set of data that is right, made here by SQL and files, so that
 * the check is compared with the contract and not with the server that it belongs to. A row breaks
 * it in one way and names the invariant that must say so. To add an invariant: a row;
 * `every_invariant_has_a_row` compares with `walgrind-refserver --help`.
 */
#include "harness/base/hash.h"
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Contents A to F; {A} in SQL and paths stands for the hash of "content A". */
#define CONTENTS "ABCDEF"
#define SESSION  "0b7c1f64-55a3-4c0e-9d1f-0123456789ab"

#define COLUMNS                                                                                    \
    "files (id, stable_id, filename, doc_id, file_type, file_size, version, is_gold_standard, "    \
    "deleted, sync_status, doc_collections, doc_metadata, file_metadata)"
#define REST "'modified', '[\"_inbox\"]', '{}', '{}')"

/* A PDF, the gold, versions 1 and 2 of its document, a deleted version 3, a session with a lock. */
static const char sound[] =
    "INSERT INTO " COLUMNS " VALUES ('{A}', 'aaaaaa', '{A}.pdf', 'd', 'pdf', 9, 1, 0, 0, " REST ", "
    "('{B}', 'bbbbbb', 'd.tei.xml', 'd', 'tei', 9, NULL, 1, 0, " REST ", "
    "('{C}', 'cccccc', 'd.v1.tei.xml', 'd', 'tei', 9, 1, 0, 0, " REST ", "
    "('{D}', 'dddddd', 'd.v2.tei.xml', 'd', 'tei', 9, 2, 0, 0, " REST ", "
    "('{E}', 'eeeeee', 'd.v3.tei.xml', 'd', 'tei', 9, 3, 0, 1, 'pending_delete', '[]', '{}', '{}');"
    "INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{A}', 'pdf', 2), "
    "('{B}', 'tei', 1), ('{C}', 'tei', 1), ('{D}', 'tei', 1);"
    "INSERT INTO s.sessions VALUES ('" SESSION "', 'user', unixepoch() - 10, unixepoch() - 5);"
    "INSERT INTO l.locks (file_id, session_id) VALUES ('dddddd', '" SESSION "');";
static const char *const sound_files[] = {"A.pdf", "B.tei.xml", "C.tei.xml", "D.tei.xml"};

struct row {
    const char *invariant;   /* NULL: nothing may be found */
    const char *says;        /* in its line, NULL: nothing in particular */
    const char *sql;         /* NULL: none */
    const char *made, *gone; /* letter and extension of content to add or remove, or a plain name */
};

#define UPDATE "UPDATE files SET "

static const struct row rows[] = {
    {.invariant = NULL},
    {"stable-id", "files 'iiiiii'", UPDATE "stable_id = 'iiiiii' WHERE id = '{C}'", NULL, NULL},
    {"content-id", "'cccccc'", UPDATE "id = upper(id) WHERE id = '{C}'", NULL, NULL},
    {"file-type", "found doc", UPDATE "file_type = 'doc' WHERE id = '{A}'", NULL, NULL},
    {"flags", "deleted 2", UPDATE "deleted = 2 WHERE id = '{C}'", NULL, NULL},
    {"deleted-status", "'eeeeee'", UPDATE "sync_status = 'modified' WHERE id = '{E}'", NULL, NULL},
    {"live-status", "'cccccc'", UPDATE "sync_status = 'pending_delete' WHERE id = '{C}'", NULL,
     NULL},
    {"json", "a JSON array", UPDATE "doc_collections = '[' WHERE id = '{C}'", NULL, NULL},
    {"json", "a JSON object", UPDATE "file_metadata = '[]' WHERE id = '{C}'", NULL, NULL},
    {"row-has-file", "{C}.tei.xml", NULL, NULL, "C.tei.xml"},
    {"file-size", "expected 9, found 8", UPDATE "file_size = 8 WHERE id = '{C}'", NULL, NULL},
    /* One increment lost; one too many; a decrement lost by a deletion; an upload counted once. */
    {"reference-count", "{C} of 'cccccc'",
     "UPDATE storage_refs SET ref_count = 0 WHERE file_hash = '{C}'", NULL, NULL},
    {"reference-count", "expected 1, found 2",
     "UPDATE storage_refs SET ref_count = 2 WHERE file_hash = '{D}'", NULL, NULL},
    {"reference-count", "{E} of 'eeeeee'",
     "INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{E}', 'tei', 1)",
     "E.tei.xml", NULL},
    {"reference-count", "at least 2, found 1",
     "UPDATE storage_refs SET ref_count = 1 WHERE file_hash = '{A}'", NULL, NULL},
    {"count-has-file", "{F}",
     "INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{F}', 'tei', 1)", NULL,
     NULL},
    {"count-has-name", "{F}",
     "INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{F}', 'tei', 0)", NULL,
     NULL},
    /* Two saves that both saw version 1 as the highest. */
    {"versions-unique", "'d' version 2",
     "INSERT INTO " COLUMNS
     " VALUES ('{F}', 'ffffff', 'd.v2.tei.xml', 'd', 'tei', 9, 2, 0, 0, " REST
     "; INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{F}', 'tei', 1)",
     "F.tei.xml", NULL},
    {"versions-contiguous", "expected version 4, found version 5",
     "INSERT INTO " COLUMNS
     " VALUES ('{F}', 'ffffff', 'd.v5.tei.xml', 'd', 'tei', 9, 5, 0, 0, " REST
     "; INSERT INTO storage_refs (file_hash, file_type, ref_count) VALUES ('{F}', 'tei', 1)",
     "F.tei.xml", NULL},
    /* The row of an insert is lost, its content was stored before. */
    {"file-has-row", "neither", NULL, "F.tei.xml", NULL},
    {"content-hash", "{C}.tei.xml", NULL, "C.tei.xml=other", NULL},
    {"stored-name", "another name", NULL, "F.tei.xml.7-1.tmp", NULL},
    {"shard-in-use", "an empty directory", NULL, "ff/", NULL},
    {"session-id", "'x'", "INSERT INTO s.sessions VALUES ('x', 'user', unixepoch(), unixepoch())",
     NULL, NULL},
    {"session-user", "found ''", "UPDATE s.sessions SET username = ''", NULL, NULL},
    {"session-times", SESSION, "UPDATE s.sessions SET last_access = created_at - 1", NULL, NULL},
    {"session-expired", "within 3600.0 s",
     "INSERT INTO s.sessions VALUES ('11111111-1111-4111-8111-111111111111', 'user', unixepoch() - "
     "9000, unixepoch() - 8000)",
     NULL, NULL},
    {"lock-key", "'{A}'", "UPDATE l.locks SET file_id = '{A}'", NULL, NULL},
    {"lock-owner", "a session", "UPDATE l.locks SET session_id = ''", NULL, NULL},
    {"lock-time", "now or before", "UPDATE l.locks SET updated_at = datetime('now', '+1 hour')",
     NULL, NULL},
    {"lock-session", "session gone",
     "UPDATE l.locks SET session_id = 'gone', updated_at = datetime('now', '-120 seconds')", NULL,
     NULL},
    /* What the contract allows, although it looks wrong. */
    {.sql = "DELETE FROM files WHERE id = '{D}'; DELETE FROM storage_refs WHERE file_hash = '{D}'",
     .gone = "D.tei.xml"},
    {.sql = "UPDATE storage_refs SET ref_count = 7 WHERE file_hash = '{A}'"},
    {.sql = UPDATE "doc_id = 'e' WHERE NOT deleted; " UPDATE "id = '{F}' WHERE id = '{C}'",
     .made = "F.tei.xml"},
    {.sql = "UPDATE storage_refs SET ref_count = 2 WHERE file_hash = '{B}'"},
    {.sql = "UPDATE l.locks SET updated_at = datetime('now', '-120 seconds')"},
    {.sql = "UPDATE l.locks SET session_id = 'gone'"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void content_hash(char letter, char hex[WG_HASH_HEX_SIZE])
{
    struct wg_hash hash;
    char text[] = "content A";
    text[8] = letter;
    wg_hash_init(&hash);
    wg_hash_add(&hash, text, strlen(text));
    wg_hash_hex(&hash, hex);
}

/* `text` with {A} to {F} replaced; free() it. */
static char *with_hashes(const char *text)
{
    size_t length = strlen(text), used = 0;
    char *out = wg_calloc(length + 1, WG_HASH_HEX_SIZE);
    for (const char *at = text; *at; at++) {
        if (at[0] == '{' && at[1] && strchr(CONTENTS, at[1]) && at[2] == '}') {
            char hex[WG_HASH_HEX_SIZE];
            content_hash(at[1], hex);
            used += (size_t)snprintf(out + used, WG_HASH_HEX_SIZE, "%s", hex);
            at += 2;
        } else {
            out[used++] = *at;
        }
    }
    return out;
}

/* "C.tei.xml" -> ROOT/files/<shard>/<hash>.tei.xml, its shard made. */
static char *stored_path(const struct place *place, const char *name)
{
    char hex[WG_HASH_HEX_SIZE];
    content_hash(name[0], hex);
    char *shard = wg_format("%s/data/files/%.2s", place->root, hex);
    mkdir(shard, 0777);
    char *path = wg_format("%s/%s%.*s", shard, hex, (int)strcspn(name + 1, "="), name + 1);
    free(shard);
    return path;
}

static void store(const struct place *place, const char *name)
{
    if (name[strlen(name) - 1] == '/') {
        char *directory = wg_format("%s/data/files/%s", place->root, name);
        cr_assert(eq(int, mkdir(directory, 0777), 0));
        free(directory);
        return;
    }
    char *path = stored_path(place, name);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL, "%s", path);
    if (strchr(name, '='))
        fputs(strchr(name, '=') + 1, file);
    else
        fprintf(file, "content %c", name[0]);
    fclose(file);
    free(path);
}

static void execute(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    char *path = wg_format("%s/data/db/metadata.db", place->root);
    char *attach = wg_format("ATTACH '%s/data/db/sessions.db' AS s; ATTACH '%s/data/db/locks.db' "
                             "AS l",
                             place->root, place->root);
    char *text = with_hashes(sql);
    cr_assert(eq(int, sqlite3_open(path, &db), SQLITE_OK));
    cr_assert(eq(int, sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK));
    cr_assert(eq(int, sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK), "%s in: %s",
              sqlite3_errmsg(db), text);
    sqlite3_close(db);
    free(text);
    free(attach);
    free(path);
}

static void refserver(struct call *call, const struct place *place, const char *word)
{
    char *data = place_path(place, "data");
    call_start_program(call, place, getenv("WALGRIND_REFSERVER"), WORDS(word, "--data", data));
    call_wait(call, CALL_TIMEOUT_MS);
    free(data);
}

static void make_sound(const struct place *place)
{
    struct call call;
    refserver(&call, place, "--init-only");
    cr_assert(eq(int, call.exit_code, 0), "%s", call.err);
    call_finish(&call);
    execute(place, sound);
    for (size_t i = 0; i < sizeof sound_files / sizeof sound_files[0]; i++)
        store(place, sound_files[i]);
}

static void break_it(const struct place *place, const struct row *row)
{
    if (row->sql)
        execute(place, row->sql);
    if (row->made)
        store(place, row->made);
    if (!row->gone)
        return;
    char *path = stored_path(place, row->gone);
    cr_assert(eq(int, unlink(path), 0));
    *strrchr(path, '/') = '\0';
    rmdir(path);
    free(path);
}

ParameterizedTestParameters(check, broken_invariant_is_found)
{
    static size_t indices[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        indices[i] = i;
    return cr_make_param_array(size_t, indices, ROWS);
}

ParameterizedTest(const size_t *index, check, broken_invariant_is_found, .timeout = 30)
{
    struct place place;
    struct call call;
    const struct row *row = &rows[*index];
    place_init(&place);
    make_sound(&place);
    break_it(&place, row);

    refserver(&call, &place, "--check");

    cr_expect(eq(int, call.exit_code, row->invariant ? 1 : 0), "%s%s", call.out, call.err);
    if (row->invariant) {
        char *name = wg_format(": %s: expected ", row->invariant);
        char *says = with_hashes(row->says);
        cr_expect(strstr(call.out, name) != NULL, "no %s in: %s", name, call.out);
        cr_expect(strstr(call.out, says) != NULL, "no %s in: %s", says, call.out);
        free(says);
        free(name);
    } else {
        cr_expect(eq(str, call.out, ""));
    }
    call_finish(&call);
    place_finish(&place);
}

Test(check, data_that_cannot_be_read_are_no_pass, .timeout = 20)
{
    struct place place;
    struct call call;
    place_init(&place);

    refserver(&call, &place, "--check");

    cr_expect(eq(int, call.exit_code, 3));
    cr_expect(strstr(call.err, "metadata.db") != NULL, "%s", call.err);
    call_finish(&call);
    place_finish(&place);
}

static bool has_row(const char *invariant)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].invariant && strcmp(rows[i].invariant, invariant) == 0)
            return true;
    return false;
}

Test(check, every_invariant_has_a_row, .timeout = 20)
{
    struct place place;
    struct call call;
    char name[64];
    int names = 0;
    place_init(&place);
    call_start_program(&call, &place, getenv("WALGRIND_REFSERVER"), WORDS("--help"));
    call_wait(&call, CALL_TIMEOUT_MS);
    const char *line = strstr(call.out, "What --check verifies:");
    cr_assert(line != NULL);
    for (line = strchr(line, '\n'); line && sscanf(line, "\n  %63[a-z-] ", name) == 1;
         line = strchr(line + 1, '\n')) {
        cr_expect(has_row(name), "no row for %s", name);
        names++;
    }
    cr_expect(ge(int, names, 26));
    call_finish(&call);
    place_finish(&place);
}

/* The command line: what a check of one's own says is evidence, what it cannot say is an error. */
Test(check, command_of_ones_own_decides, .timeout = 60)
{
    static const struct {
        const char *command;
        int exit_code;
        const char *says;
    } cases[] = {
        {"test -e {db:metadata}", 0, "verdict: PASS"},
        {"echo {data} has a fault; exit 1", 1, "has a fault; check; unit 1 (suite)"},
        {"exit 1", 1, "printed none"},
        {"echo no module >&2; exit 4", 3, "could not look (exit 4): no module"},
        {"none", 0, "verdict: PASS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct place place;
        struct call call;
        place_init(&place);
        char *check = wg_format("--check=%s", cases[i].command);
        call_run(&call, &place,
                 WORDS("run", "--isolate=suite", "--no-progress", check, "health/*"));
        cr_expect(eq(int, call.exit_code, cases[i].exit_code), "%s: %s", check, call.out);
        cr_expect(strstr(call.out, cases[i].says) != NULL, "%s: %s", check, call.out);
        call_finish(&call);
        free(check);
        place_finish(&place);
    }
}
