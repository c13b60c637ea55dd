/* SPDX-License-Identifier: MIT */
/*
 * sql.h - the SQLite API as the probe sees it.
 *
 * The probe exports the functions of WG_SQL_FUNCTIONS, so that whatever the dynamic linker would
 * have bound to an SQLite library binds to the probe: programs and libraries linked with one, and
 * modules that were loaded with RTLD_LOCAL (Python's _sqlite3), since the global scope comes first
 * there too. A process can hold several SQLite libraries. Which one a call is meant for follows
 * from where it comes from: sql_library.c finds, once per calling address, what that object would
 * have been bound to. Code that asks dlsym() for a function gets one that goes with the library of
 * the handle (calls_dlsym.c). SQLite inside a program, with its symbols bound or hidden, is never
 * reached: its file calls are seen, its SQL is not.
 *
 * SQLite's functions are not async-signal-safe, so these wrappers need not be either: finding the
 * library of a caller for the first time asks the dynamic linker, which may take its lock. All the
 * rest obeys the law of probe.h. No function of SQLite that takes a mutex is called in addition.
 *
 * Calls that SQLite makes to itself come through here as well where it was linked without
 * -Bsymbolic (as in Debian); they are handed on unrecorded.
 *
 * To add a function: a row in WG_SQL_FUNCTIONS and its definition wg_sql_NAME in a calls_sql*.c,
 * which is only called when the probe is at work and the library has the function.
 */
#ifndef WG_HARNESS_PROBE_SQL_H
#define WG_HARNESS_PROBE_SQL_H

#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <sqlite3.h>

#define WG_SQL_LIBRARIES 16  /* at a time in one process */
#define WG_SQL_HANDED    4   /* of these, so many also through dlsym() */
#define WG_SQL_TEXT      400 /* bytes of SQL that are kept */

typedef int wg_sql_callback(void *, int, char **, char **);
typedef int wg_sql_busy(void *, int);

/*
 * X(name without sqlite3_, result, what to answer when there is no library, parameters, arguments)
 * sqlite3_config, which is variadic, and sqlite3_initialize stand apart.
 */
/* clang-format off */
#define WG_SQL_FUNCTIONS(X)                                                                       \
    X(open, int, (*ret = NULL, 1), (const char *name, sqlite3 **ret), (name, ret))                         \
    X(open16, int, (*ret = NULL, 1), (const void *name, sqlite3 **ret), (name, ret))                       \
    X(open_v2, int, (*ret = NULL, 1), (const char *name, sqlite3 **ret, int flags, const char *vfs),             \
      (name, ret, flags, vfs))                                                              \
    X(close, int, 1, (sqlite3 *db), (db))                                                   \
    X(close_v2, int, 1, (sqlite3 *db), (db))                                                \
    X(prepare, int, (*ret = NULL, 1), (sqlite3 *db, const char *sql, int size, sqlite3_stmt **ret,               \
      const char **ret_tail), (db, sql, size, ret, ret_tail))                               \
    X(prepare_v2, int, (*ret = NULL, 1), (sqlite3 *db, const char *sql, int size, sqlite3_stmt **ret,            \
      const char **ret_tail), (db, sql, size, ret, ret_tail))                               \
    X(prepare_v3, int, (*ret = NULL, 1), (sqlite3 *db, const char *sql, int size, unsigned flags,                \
      sqlite3_stmt **ret, const char **ret_tail), (db, sql, size, flags, ret, ret_tail))    \
    X(prepare16, int, (*ret = NULL, 1), (sqlite3 *db, const void *sql, int size, sqlite3_stmt **ret,             \
      const void **ret_tail), (db, sql, size, ret, ret_tail))                               \
    X(prepare16_v2, int, (*ret = NULL, 1), (sqlite3 *db, const void *sql, int size, sqlite3_stmt **ret,          \
      const void **ret_tail), (db, sql, size, ret, ret_tail))                               \
    X(prepare16_v3, int, (*ret = NULL, 1), (sqlite3 *db, const void *sql, int size, unsigned flags,              \
      sqlite3_stmt **ret, const void **ret_tail), (db, sql, size, flags, ret, ret_tail))    \
    X(step, int, 1, (sqlite3_stmt *statement), (statement))                                 \
    X(reset, int, 1, (sqlite3_stmt *statement), (statement))                                \
    X(finalize, int, 1, (sqlite3_stmt *statement), (statement))                             \
    X(exec, int, 1, (sqlite3 *db, const char *sql, wg_sql_callback *callback, void *argument,     \
      char **ret_message), (db, sql, callback, argument, ret_message))                      \
    X(busy_timeout, int, 1, (sqlite3 *db, int ms), (db, ms))                                \
    X(busy_handler, int, 1, (sqlite3 *db, wg_sql_busy *handler, void *argument),                  \
      (db, handler, argument))                                                              \
    X(enable_shared_cache, int, 1, (int enable), (enable))                                  \
    X(backup_init, sqlite3_backup *, NULL, (sqlite3 *target, const char *target_name,             \
      sqlite3 *source, const char *source_name),                                                  \
      (target, target_name, source, source_name))                                           \
    X(wal_checkpoint, int, 1, (sqlite3 *db, const char *schema), (db, schema))              \
    X(wal_checkpoint_v2, int, 1, (sqlite3 *db, const char *schema, int mode, int *ret_log,        \
      int *ret_done), (db, schema, mode, ret_log, ret_done))

/* Asked about a connection or statement; none takes a mutex. */
#define WG_SQL_HELPERS(X)                                                                         \
    X(db_handle, sqlite3 *, (sqlite3_stmt *))                                                     \
    X(sql, const char *, (sqlite3_stmt *))                                                        \
    X(stmt_busy, int, (sqlite3_stmt *))                                                           \
    X(extended_errcode, int, (sqlite3 *))                                                         \
    X(get_autocommit, int, (sqlite3 *))                                                           \
    X(db_filename, const char *, (sqlite3 *, const char *))                                       \
    X(db_mutex, sqlite3_mutex *, (sqlite3 *))
/* clang-format on */

typedef void wg_sql_log(void *, int, const char *);

/* An SQLite library in this process. A function that it does not have is NULL. */
struct wg_sql_library {
    _Atomic uint32_t state; /* 0 free, 1 being filled, 2 ready, 3 unloaded */
    uintptr_t start, end;
    bool whole; /* has no other business than SQLite */
    /* NOLINTBEGIN(bugprone-macro-parentheses): types and parameter lists */
#define REAL(name, result, none, parameters, arguments) result(*name) parameters;
    WG_SQL_FUNCTIONS(REAL)
#undef REAL
#define REAL(name, result, parameters) result(*name) parameters;
    WG_SQL_HELPERS(REAL)
#undef REAL
    /* NOLINTEND(bugprone-macro-parentheses) */
    int (*config)(int, ...);
    int (*initialize)(void);
    _Atomic uint32_t log_set; /* ours was offered to the library */
    /* The program's own log, which ours calls on. */
    _Atomic(wg_sql_log *) log;
    _Atomic(void *) log_argument;
};

/* Where a call comes from and which library it is meant for. */
struct wg_sql_from {
    struct wg_sql_library *library; /* NULL: there is none in the process */
    const void *caller;
    bool inside; /* SQLite calls itself */
};

/* A connection that is open in this process. */
struct wg_sql_connection {
    _Atomic uintptr_t key; /* sqlite3 *, 0 free, 1 being filled */
    _Atomic(const struct wg_name *) database;
    _Atomic int32_t owner;     /* pid that opened it */
    _Atomic uint32_t failures; /* records of failed calls on it */
    _Atomic uint8_t bare;      /* has no mutex: one thread at a time, says its user */
    _Atomic int32_t inside;    /* thread in a call on it, when bare */
    _Atomic int32_t intruder;  /* thread that came in meanwhile */
};

/* --- sql_library.c --- */
/* The library in which this thread is, NULL for none. */
extern __thread struct wg_sql_library *wg_sql_current __attribute__((tls_model("initial-exec")));
struct wg_sql_from wg_sql_from_caller(const void *caller);
/* The library which has a function at that address under that name, if there is room for it. */
struct wg_sql_library *wg_sql_library_at(const void *address);
uint32_t wg_sql_library_number(const struct wg_sql_library *library);
struct wg_sql_library *wg_sql_library_of_number(uint32_t number);
/* Objects may have left the process. */
void wg_sql_forget_unloaded(void);
/* The address lies in the probe itself. */
bool wg_sql_is_ours(const void *address);
/* True when some object besides the probe exports the API. */
bool wg_sql_any_library(void);

/* --- sql_state.c --- */
/* NULL when its opening was not seen: then it may be anything, and nothing is asked about it. */
struct wg_sql_connection *wg_sql_connection(const sqlite3 *db);
/* A connection that was opened just now; NULL when the table is full. */
struct wg_sql_connection *wg_sql_connection_add(const struct wg_sql_library *library, sqlite3 *db);
void wg_sql_connection_remove(const sqlite3 *db);
/* A reference to the text of a statement; `sql` as the program gave it or NULL. */
uint32_t wg_sql_statement_text(const struct wg_sql_library *library, sqlite3_stmt *statement,
                               uint16_t *flags);
void wg_sql_statement_remove(sqlite3_stmt *statement);
/* SQL without its literals; `size` -1: up to the NUL. */
uint32_t wg_sql_text(const char *sql, int size, uint16_t *flags);
/* UTF-16 in the machine's order; what is not ASCII becomes '?'. The bytes written without the NUL.
 */
size_t wg_sql_narrow(const void *text, int size, char *out, size_t room);
/*
 * Around a call on a connection (NULL: unknown): file calls in between are marked as its own, and a
 * second thread that comes in is noticed where the connection has no mutex. `before` is what
 * enter() returned.
 */
uintptr_t wg_sql_enter(struct wg_sql_connection *connection, const sqlite3 *db);
void wg_sql_leave(struct wg_sql_connection *connection, uintptr_t before, enum wg_trace_call call,
                  const void *caller);

/* --- calls_sql*.c: what is done for a call --- */
#define WG_SQL_FROM(...) (const struct wg_sql_from *from, __VA_ARGS__)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type and a parameter list */
#define DECLARE(name, result, none, parameters, arguments)                                         \
    result wg_sql_##name WG_SQL_FROM parameters;
WG_SQL_FUNCTIONS(DECLARE)
#undef DECLARE

/* The members of sqlite3_config() that follow the option, as far as it has any. */
int wg_sql_config(const struct wg_sql_from *from, int option, void *first, void *second,
                  void *third);

/* --- calls_sql.c --- */
/* Sets our log in a library that has not begun; a program's own is called on. */
void wg_sql_offer_log(struct wg_sql_library *library);
/* Starts a record of a call on a connection with what is known of that. */
void wg_sql_begin(struct wg_note *note, const struct wg_sql_from *from, enum wg_trace_type type,
                  enum wg_trace_call call, struct wg_sql_connection *connection, const sqlite3 *db);
/* After the call: how long it took, its errno, its code, and whether a transaction is open now. */
void wg_sql_outcome(struct wg_note *note, const struct wg_sql_from *from,
                    struct wg_sql_connection *connection, sqlite3 *db, int code);

/* --- calls_dlsym.c --- */
typedef void *wg_dlsym(void *handle, const char *name);
/* The C library's dlsym; RTLD_NEXT is meant of the probe. */
wg_dlsym *wg_probe_dlsym(void);

/* --- calls_sql_export.c --- */
#define DECLARE(name, result, none, parameters, arguments)                                         \
    result wg_call_sqlite3_##name parameters WG_STANDS_FOR("sqlite3_" #name);
WG_SQL_FUNCTIONS(DECLARE)
#undef DECLARE
/*
 * Our function for a name without sqlite3_ that goes with a library; NULL: the one that goes by its
 * caller. NULL if there is none.
 */
void *wg_sql_handed(const struct wg_sql_library *library, const char *name);

#endif
