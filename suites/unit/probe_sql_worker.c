/* SPDX-License-Identifier: MIT */
/*
 * probe_sql_worker.c - as probe_worker.c, for the SQLite API: a program that is not linked with
 * SQLite but loads it, so that every way to a function can be taken. Does one thing (argv[1]) with
 * the database argv[2] and exits 0 when it went as without the probe.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uchar.h>
#include <unistd.h>

#define LIBRARY "libsqlite3.so.0"

static void must(bool truth)
{
    if (!truth)
        _exit(9);
}

/* SQLite's functions as a handle gives them. */
struct api {
    void *handle;
    int (*config)(int, ...);
    int (*open_v2)(const char *, sqlite3 **, int, const char *);
    int (*close)(sqlite3 *);
    int (*exec)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*prepare16_v2)(sqlite3 *, const void *, int, sqlite3_stmt **, const void **);
    int (*prepare_v2)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
    int (*step)(sqlite3_stmt *);
    int (*reset)(sqlite3_stmt *);
    int (*finalize)(sqlite3_stmt *);
    int (*shutdown)(void);
};

static void find(void *handle, const char *name, void *ret)
{
    void *found = dlsym(handle, name);
    must(found != NULL);
    memcpy(ret, &found, sizeof found);
}

static struct api load(const char *path)
{
    struct api api = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    must(api.handle != NULL);
    find(api.handle, "sqlite3_config", &api.config);
    find(api.handle, "sqlite3_open_v2", &api.open_v2);
    find(api.handle, "sqlite3_close", &api.close);
    find(api.handle, "sqlite3_exec", &api.exec);
    find(api.handle, "sqlite3_prepare16_v2", &api.prepare16_v2);
    find(api.handle, "sqlite3_prepare_v2", &api.prepare_v2);
    find(api.handle, "sqlite3_step", &api.step);
    find(api.handle, "sqlite3_reset", &api.reset);
    find(api.handle, "sqlite3_finalize", &api.finalize);
    find(api.handle, "sqlite3_shutdown", &api.shutdown);
    return api;
}

static sqlite3 *connect_by(const struct api *api, const char *path)
{
    sqlite3 *connection;
    must(api->open_v2(path, &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) ==
         SQLITE_OK);
    must(api->exec(
             connection,
             "CREATE TABLE IF NOT EXISTS t(a); -- of a test\n INSERT INTO t VALUES('secret', 12)",
             NULL, NULL, NULL) == SQLITE_ERROR);
    must(api->exec(connection, "INSERT INTO t VALUES('secret'), (12)", NULL, NULL, NULL) ==
         SQLITE_OK);
    return connection;
}

/* Statements by the handle of a library that the global scope does not have. */
static void by_handle(const char *path)
{
    static const char16_t wide[] = u"SELECT a, 'Gr\u00fc\u00dfe' FROM t";
    struct api api = load(LIBRARY);
    sqlite3 *connection = connect_by(&api, path);
    sqlite3_stmt *statement;
    must(api.prepare_v2(connection, "SELECT a FROM t WHERE a <> 7", -1, &statement, NULL) ==
         SQLITE_OK);
    must(api.step(statement) == SQLITE_ROW);
    must(api.step(statement) == SQLITE_ROW);
    must(api.step(statement) == SQLITE_DONE && api.finalize(statement) == SQLITE_OK);
    must(api.prepare16_v2(connection, wide, -1, &statement, NULL) == SQLITE_OK);
    must(api.step(statement) == SQLITE_ROW && api.reset(statement) == SQLITE_OK);
    must(api.finalize(statement) == SQLITE_OK && api.close(connection) == SQLITE_OK);
}

static void log_here(void *last, int code, const char *message)
{
    must(message != NULL);
    *(int *)last = code;
}

static void provoke(const struct api *api, const char *path, int *last)
{
    sqlite3 *connection = connect_by(api, path);
    sqlite3_stmt *statement;
    *last = 0;
    must(api->prepare_v2(connection, "SELECT nothing", -1, &statement, NULL) == SQLITE_ERROR);
    must(api->close(connection) == SQLITE_OK);
}

/* The program's log is called, whenever it is set; and it can be taken away. */
static void own_log(const char *path)
{
    struct api api = load(LIBRARY);
    int last;
    must(api.config(SQLITE_CONFIG_LOG, log_here, &last) == SQLITE_OK);
    must(api.config(SQLITE_CONFIG_SERIALIZED) == SQLITE_OK);
    must(api.config(SQLITE_CONFIG_MMAP_SIZE, (sqlite3_int64)0, (sqlite3_int64)1 << 40) ==
         SQLITE_OK);
    provoke(&api, path, &last);
    must(last == SQLITE_ERROR);
    must(api.config(SQLITE_CONFIG_LOG, NULL, NULL) == SQLITE_MISUSE);
    must(api.shutdown() == SQLITE_OK);
    must(api.config(SQLITE_CONFIG_LOG, NULL, NULL) == SQLITE_OK);
    provoke(&api, path, &last);
    must(last == 0 && api.shutdown() == SQLITE_OK);
    must(api.config(SQLITE_CONFIG_LOG, log_here, &last) == SQLITE_OK);
    provoke(&api, path, &last);
    must(last == SQLITE_ERROR);
}

/* A copy of the library beside the database; the caller frees its path. */
static char *copy_library(const char *path)
{
    char block[65536];
    struct link_map *map = NULL;
    char *copy = NULL;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    must(handle && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
    must(asprintf(&copy, "%s.so", path) > 0);
    int from = open(map->l_name, O_RDONLY | O_CLOEXEC);
    int to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    ssize_t size;
    must(from >= 0 && to >= 0);
    while ((size = read(from, block, sizeof block)) > 0)
        must(write(to, block, (size_t)size) == size);
    must(size == 0 && close(from) == 0 && close(to) == 0 && dlclose(handle) == 0);
    return copy;
}

/* Two libraries: each gets its own connections back. */
static void two_libraries(const char *path)
{
    char *copy = copy_library(path);
    struct api first = load(LIBRARY);
    struct api second = load(copy);
    free(copy);
    int last;
    must(first.handle != second.handle);
    must(second.config(SQLITE_CONFIG_LOG, log_here, &last) == SQLITE_OK);
    provoke(&first, path, &last);
    must(last == 0);
    provoke(&second, ":memory:", &last);
    must(last == SQLITE_ERROR);
}

/* A library goes and another comes, at the same place or, when the old one is taken, elsewhere. */
static void come_and_go(const char *path, bool elsewhere)
{
    char *copy = copy_library(path);
    for (int i = 0; i < 40; i++) {
        struct api api = load(i % 2 ? copy : LIBRARY);
        struct link_map *map = NULL;
        must(dlinfo(api.handle, RTLD_DI_LINKMAP, &map) == 0);
        uintptr_t place = map->l_addr;
        sqlite3 *connection = connect_by(&api, path);
        must(api.exec(connection, "DROP TABLE t", NULL, NULL, NULL) == SQLITE_OK);
        must(api.close(connection) == SQLITE_OK && api.shutdown() == SQLITE_OK);
        must(dlclose(api.handle) == 0);
        must(!elsewhere || mmap((void *)place, 1, PROT_NONE, /* NOLINT(performance-no-int-to-ptr) */
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                                0) == (void *)place); /* NOLINT(performance-no-int-to-ptr) */
    }
    free(copy);
}

static void again(const char *path)
{
    come_and_go(path, false);
}

static void again_elsewhere(const char *path)
{
    come_and_go(path, true);
}

/* There is no SQLite in this process, whatever the probe exports. */
static void none(const char *path)
{
    (void)path;
    must(dlsym(RTLD_DEFAULT, "sqlite3_open_v2") == NULL && dlerror() != NULL);
    void *self = dlopen(NULL, RTLD_NOW);
    must(self && dlsym(self, "sqlite3_step") == NULL && dlerror() != NULL);
    must(dlsym(RTLD_NEXT, "dlsym") != NULL && dlsym(self, "malloc") != NULL);
    must(dlsym(RTLD_DEFAULT, "must") == NULL && dlerror() != NULL && dlerror() == NULL);
}

static const struct {
    const char *name;
    void (*run)(const char *path);
} deeds[] = {
    {"by-handle", by_handle}, {"own-log", own_log}, {"two-libraries", two_libraries},
    {"again", again},         {"none", none},       {"again-elsewhere", again_elsewhere},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(deeds[i].name, argv[1]) == 0) {
            deeds[i].run(argv[2]);
            return 0;
        }
    }
    return 2;
}
