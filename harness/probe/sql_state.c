/* SPDX-License-Identifier: MIT */
/*
 * sql_state.c - what is known of connections and statements, and SQL without its literals.
 *
 * Texts of statements are kept without numbers, strings and comments: what a program does all day
 * with changing values is then one text in the trace, and no data of the program's users gets into
 * it. PRAGMA and ATTACH keep their arguments, but for keys.
 */
#include "harness/probe/sql.h"

#include <string.h>
#include <strings.h>

#define CONNECTIONS 1024
#define WAYS        8
#define STATEMENTS  4096

static struct {
    struct wg_sql_connection connections[CONNECTIONS];
    struct {
        _Atomic uintptr_t key;
        _Atomic uint64_t text; /* generation of the trace file << 32 | reference */
    } statements[STATEMENTS];
} state;

static uint32_t mix(uintptr_t pointer)
{
    return (uint32_t)(((uint64_t)pointer * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/* --- connections ---------------------------------------------------------------------------- */

static struct wg_sql_connection *find_connection(uintptr_t key, uintptr_t value)
{
    uint32_t first = mix(key);
    for (uint32_t i = 0; i < WAYS; i++) {
        struct wg_sql_connection *connection = &state.connections[(first + i) % CONNECTIONS];
        if (atomic_load_explicit(&connection->key, memory_order_acquire) == value)
            return connection;
    }
    return NULL;
}

struct wg_sql_connection *wg_sql_connection(const sqlite3 *db)
{
    return db ? find_connection((uintptr_t)db, (uintptr_t)db) : NULL;
}

struct wg_sql_connection *wg_sql_connection_add(const struct wg_sql_library *library, sqlite3 *db)
{
    uintptr_t none = 0;
    wg_sql_connection_remove(db);
    struct wg_sql_connection *connection = find_connection((uintptr_t)db, 0);
    if (!db || !connection || !atomic_compare_exchange_strong(&connection->key, &none, 1))
        return NULL;
    const char *name = library->db_filename ? library->db_filename(db, "main") : NULL;
    atomic_store(&connection->database,
                 name ? wg_probe_name(name, strnlen(name, WG_PROBE_PATH)) : NULL);
    atomic_store(&connection->owner, wg_probe_live() ? wg_probe.local->pid : 0);
    atomic_store(&connection->failures, 0);
    atomic_store(&connection->bare, library->db_mutex && !library->db_mutex(db));
    atomic_store(&connection->inside, 0);
    atomic_store(&connection->intruder, 0);
    atomic_store_explicit(&connection->key, (uintptr_t)db, memory_order_release);
    return connection;
}

void wg_sql_connection_remove(const sqlite3 *db)
{
    struct wg_sql_connection *connection = wg_sql_connection(db);
    if (connection)
        atomic_store(&connection->key, 0);
}

__thread uintptr_t wg_probe_connection;

uintptr_t wg_sql_enter(struct wg_sql_connection *connection, const sqlite3 *db)
{
    uintptr_t before = wg_probe_connection;
    wg_probe_connection = (uintptr_t)db;
    if (!connection || !atomic_load_explicit(&connection->bare, memory_order_relaxed) ||
        !wg_probe_live())
        return before;
    int32_t tid = wg_probe_tid();
    int32_t other = 0;
    if (!atomic_compare_exchange_strong(&connection->inside, &other, tid) && other != tid)
        atomic_store(&connection->intruder, tid);
    return before;
}

void wg_sql_leave(struct wg_sql_connection *connection, uintptr_t before, enum wg_trace_call call,
                  const void *caller)
{
    wg_probe_connection = before;
    if (!connection || !atomic_load_explicit(&connection->bare, memory_order_relaxed) ||
        !wg_probe_live() || atomic_load(&connection->inside) != wg_probe_tid())
        return;
    int32_t intruder = atomic_exchange(&connection->intruder, 0);
    atomic_store(&connection->inside, 0);
    uint32_t count = intruder ? atomic_fetch_add(&connection->failures, 1) + 1 : 0;
    if (intruder == 0 || (count & (count - 1)) != 0)
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_SQL_OVERLAP, call, caller);
    note.record.connection = atomic_load(&connection->key);
    note.record.database = wg_probe_name_ref(atomic_load(&connection->database));
    note.record.offset = intruder;
    note.stack = true;
    wg_note_end(&note);
}

/* --- statements ----------------------------------------------------------------------------- */

uint32_t wg_sql_statement_text(const struct wg_sql_library *library, sqlite3_stmt *statement,
                               uint16_t *flags)
{
    uintptr_t key = (uintptr_t)statement;
    uint32_t slot = mix(key) % STATEMENTS;
    uint64_t generation = wg_probe.local->generation;
    uint64_t known = atomic_load_explicit(&state.statements[slot].text, memory_order_relaxed);
    if (atomic_load_explicit(&state.statements[slot].key, memory_order_acquire) == key &&
        known >> 32 == generation)
        return (uint32_t)known;
    const char *sql = library->sql ? library->sql(statement) : NULL;
    uint32_t reference = sql ? wg_sql_text(sql, -1, flags) : 0;
    atomic_store_explicit(&state.statements[slot].key, 0, memory_order_release);
    atomic_store_explicit(&state.statements[slot].text, generation << 32 | reference,
                          memory_order_release);
    atomic_store_explicit(&state.statements[slot].key, key, memory_order_release);
    return reference;
}

void wg_sql_statement_remove(sqlite3_stmt *statement)
{
    uintptr_t key = (uintptr_t)statement;
    atomic_compare_exchange_strong(&state.statements[mix(key) % STATEMENTS].key, &key, 0);
}

/* --- text ----------------------------------------------------------------------------------- */

size_t wg_sql_narrow(const void *text, int size, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; used + 1 < room && (size < 0 || 2 * i + 1 < (size_t)size); i++) {
        uint16_t unit;
        memcpy(&unit, (const char *)text + 2 * i, sizeof unit);
        if (unit == 0)
            break;
        out[used++] = unit < 0x80 ? (char)unit : '?';
    }
    out[used] = '\0';
    return used;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

struct digest {
    const char *at, *end; /* what is left of the SQL */
    char *out, *limit;
    char *statement; /* where the current statement begins in `out` */
};

static void put(struct digest *digest, char c)
{
    if (digest->out < digest->limit)
        *digest->out++ = c;
}

/* After the opening quote at `at`: behind the closing one; twice the quote stands for itself. */
static const char *after_quoted(const char *at, const char *end, char quote)
{
    for (at++; at < end; at++) {
        if (*at != quote)
            continue;
        if (at + 1 < end && at[1] == quote)
            at++;
        else
            return at + 1;
    }
    return end;
}

static bool begins_with(const struct digest *digest, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(digest->out - digest->statement) >= size &&
           strncasecmp(digest->statement, word, size) == 0;
}

/* Are literals at this place of the statement kept? */
static bool keeps(const struct digest *digest)
{
    if (begins_with(digest, "pragma ")) {
        for (const char *at = digest->statement; at + 3 <= digest->out; at++)
            if (strncasecmp(at, "key", 3) == 0)
                return false;
        return true;
    }
    /* The file; what follows may be a key. */
    return begins_with(digest, "attach ") &&
           !memchr(digest->statement, '\'', (size_t)(digest->out - digest->statement));
}

/* A literal from `at` to `to`. */
static void put_literal(struct digest *digest, const char *to)
{
    if (keeps(digest))
        while (digest->at < to)
            put(digest, *digest->at++);
    else
        put(digest, '?');
    digest->at = to;
}

/* True when a comment was left out. */
static bool skip_comment(struct digest *digest)
{
    const char *at = digest->at;
    if (digest->end - at < 2 || !((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*')))
        return false;
    const char *close = at[0] == '-' ? memchr(at, '\n', (size_t)(digest->end - at))
                                     : memmem(at + 2, (size_t)(digest->end - at - 2), "*/", 2);
    digest->at = !close ? digest->end : at[0] == '-' ? close + 1 : close + 2;
    return true;
}

/* One token, the spaces before it become one. */
static void digest_token(struct digest *digest)
{
    const char *at = digest->at;
    if (*at == '\'') {
        put_literal(digest, after_quoted(at, digest->end, '\''));
    } else if ((*at == 'x' || *at == 'X') && at + 1 < digest->end && at[1] == '\'') {
        put_literal(digest, after_quoted(at + 1, digest->end, '\''));
    } else if (is_digit(*at)) {
        const char *to = at;
        while (to < digest->end && (is_word(*to) || *to == '.'))
            to++;
        put_literal(digest, to);
    } else if (*at == '"' || *at == '`') {
        const char *to = after_quoted(at, digest->end, *at);
        while (digest->at < to)
            put(digest, *digest->at++);
    } else if (is_word(*at)) {
        while (digest->at < digest->end && is_word(*digest->at))
            put(digest, *digest->at++);
    } else {
        put(digest, *digest->at++);
        if (*at == ';')
            digest->statement = NULL;
    }
}

uint32_t wg_sql_text(const char *sql, int size, uint16_t *flags)
{
    char text[WG_SQL_TEXT];
    size_t length = size < 0 ? strlen(sql) : strnlen(sql, (size_t)size);
    struct digest digest = {
        .at = sql, .end = sql + length, .out = text, .limit = text + sizeof text};
    bool space = false;
    while (digest.at < digest.end && digest.out < digest.limit) {
        if (is_space(*digest.at)) {
            digest.at++;
            space = true;
        } else if (!skip_comment(&digest)) {
            if (space && digest.out > text)
                put(&digest, ' ');
            if (!digest.statement)
                digest.statement = digest.out;
            digest_token(&digest);
            space = false;
        }
    }
    while (digest.out > text && (digest.out[-1] == ';' || digest.out[-1] == ' '))
        digest.out--;
    if (digest.at < digest.end)
        *flags |= WG_TRACE_CUT;
    return wg_probe_words(text, (size_t)(digest.out - text), flags);
}
