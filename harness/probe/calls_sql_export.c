/* SPDX-License-Identifier: MIT */
/*
 * calls_sql_export.c - the functions that stand in for SQLite's: one of each name that finds the
 * library of its caller, and for the libraries that were asked through dlsym() one of each name and
 * library.
 */
#include "harness/probe/real.h"
#include "harness/probe/sql.h"

#include <stdarg.h>
#include <string.h>

/*
 * In an object with SQLite and other code the address does not tell SQLite's own calls; there what
 * is called while a call is under way in this thread counts as SQLite's.
 */
static bool is_handed_on(const struct wg_sql_from *from)
{
    return from->inside || wg_probe.fd_max == 0 ||
           (!from->library->whole && wg_sql_current == from->library);
}

#define PLAIN(...) (__VA_ARGS__)
#define WITH(...)  (from, __VA_ARGS__)

/* NOLINTBEGIN(bugprone-macro-parentheses): types and parameter lists */
#define EXPORT(name, result, none, parameters, arguments)                                          \
    static result at_##name WG_SQL_FROM parameters                                                 \
    {                                                                                              \
        if (!from->library || !from->library->name)                                                \
            return none;                                                                           \
        bool handed_on = is_handed_on(from);                                                       \
        struct wg_sql_library *before = wg_sql_current;                                            \
        wg_sql_current = from->library;                                                            \
        result answer =                                                                            \
            handed_on ? from->library->name PLAIN arguments : wg_sql_##name WITH arguments;        \
        wg_sql_current = before;                                                                   \
        return answer;                                                                             \
    }                                                                                              \
    result wg_call_sqlite3_##name parameters                                                       \
    {                                                                                              \
        struct wg_sql_from caller = wg_sql_from_caller(WG_CALLER());                               \
        const struct wg_sql_from *from = &caller;                                                  \
        return at_##name WITH arguments;                                                           \
    }
WG_SQL_FUNCTIONS(EXPORT)
#undef EXPORT

static struct wg_sql_from handed_from(uint32_t number, const void *caller)
{
    return (struct wg_sql_from){.library = wg_sql_library_of_number(number), .caller = caller};
}

#define HANDED(number, name, result, parameters, arguments)                                        \
    static result handed_##number##_##name parameters                                              \
    {                                                                                              \
        struct wg_sql_from caller = handed_from(number, WG_CALLER());                              \
        const struct wg_sql_from *from = &caller;                                                  \
        return at_##name WITH arguments;                                                           \
    }
#define HANDED_ALL(name, result, none, parameters, arguments)                                      \
    HANDED(0, name, result, parameters, arguments)                                                 \
    HANDED(1, name, result, parameters, arguments)                                                 \
    HANDED(2, name, result, parameters, arguments)                                                 \
    HANDED(3, name, result, parameters, arguments)
WG_SQL_FUNCTIONS(HANDED_ALL)
#undef HANDED_ALL
#undef HANDED
/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * All options take up to three more arguments, integers and pointers, which the machines that glibc
 * has in 64 bits pass in the same way; reading more than were given is harmless there.
 */
static int config_at(const struct wg_sql_from *from, int option, va_list arguments)
{
    void *first = va_arg(arguments, void *);
    void *second = va_arg(arguments, void *);
    void *third = va_arg(arguments, void *);
    if (!from->library || !from->library->config)
        return SQLITE_ERROR;
    if (is_handed_on(from))
        return from->library->config(option, first, second, third);
    return wg_sql_config(from, option, first, second, third);
}

int wg_call_sqlite3_config(int option, ...) WG_STANDS_FOR("sqlite3_config");
int wg_call_sqlite3_config(int option, ...)
{
    struct wg_sql_from from = wg_sql_from_caller(WG_CALLER());
    va_list arguments;
    va_start(arguments, option);
    int code = config_at(&from, option, arguments);
    va_end(arguments);
    return code;
}

#define HANDED_CONFIG(number)                                                                      \
    static int handed_##number##_config(int option, ...)                                           \
    {                                                                                              \
        struct wg_sql_from from = handed_from(number, WG_CALLER());                                \
        va_list arguments;                                                                         \
        va_start(arguments, option);                                                               \
        int code = config_at(&from, option, arguments);                                            \
        va_end(arguments);                                                                         \
        return code;                                                                               \
    }
HANDED_CONFIG(0)
HANDED_CONFIG(1)
HANDED_CONFIG(2)
HANDED_CONFIG(3)
#undef HANDED_CONFIG

static int initialize_at(const struct wg_sql_from *from)
{
    if (!from->library || !from->library->initialize)
        return SQLITE_ERROR;
    if (!is_handed_on(from))
        wg_sql_offer_log(from->library);
    return from->library->initialize();
}

int wg_call_sqlite3_initialize(void) WG_STANDS_FOR("sqlite3_initialize");
int wg_call_sqlite3_initialize(void)
{
    struct wg_sql_from from = wg_sql_from_caller(WG_CALLER());
    return initialize_at(&from);
}

#define HANDED_INITIALIZE(number)                                                                  \
    static int handed_##number##_initialize(void)                                                  \
    {                                                                                              \
        struct wg_sql_from from = handed_from(number, WG_CALLER());                                \
        return initialize_at(&from);                                                               \
    }
HANDED_INITIALIZE(0)
HANDED_INITIALIZE(1)
HANDED_INITIALIZE(2)
HANDED_INITIALIZE(3)
#undef HANDED_INITIALIZE

typedef void function(void);

static const struct {
    const char *name;
    function *exported, *handed[WG_SQL_HANDED];
} functions[] = {
#define ROW(name, result, none, parameters, arguments)                                             \
    {#name,                                                                                        \
     (function *)wg_call_sqlite3_##name,                                                           \
     {(function *)handed_0_##name, (function *)handed_1_##name, (function *)handed_2_##name,       \
      (function *)handed_3_##name}},
    WG_SQL_FUNCTIONS(ROW) ROW(config, , , , ) ROW(initialize, , , , )
#undef ROW
};

void *wg_sql_handed(const struct wg_sql_library *library, const char *name)
{
    uint32_t number = library ? wg_sql_library_number(library) : 0;
    void *address = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions && number < WG_SQL_HANDED; i++) {
        if (strcmp(functions[i].name, name) == 0)
            memcpy(&address, library ? &functions[i].handed[number] : &functions[i].exported,
                   sizeof address);
    }
    return address;
}
