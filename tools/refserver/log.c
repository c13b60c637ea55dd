/* SPDX-License-Identifier: MIT */
#include "tools/refserver/log.h"

#include "tools/refserver/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROW(code)                                                                                  \
    {                                                                                              \
        code, #code                                                                                \
    }
static const struct {
    int code;
    const char *name;
} code_names[] = {
    ROW(SQLITE_ERROR),
    ROW(SQLITE_INTERNAL),
    ROW(SQLITE_PERM),
    ROW(SQLITE_ABORT),
    ROW(SQLITE_BUSY),
    ROW(SQLITE_LOCKED),
    ROW(SQLITE_NOMEM),
    ROW(SQLITE_READONLY),
    ROW(SQLITE_INTERRUPT),
    ROW(SQLITE_IOERR),
    ROW(SQLITE_CORRUPT),
    ROW(SQLITE_NOTFOUND),
    ROW(SQLITE_FULL),
    ROW(SQLITE_CANTOPEN),
    ROW(SQLITE_PROTOCOL),
    ROW(SQLITE_SCHEMA),
    ROW(SQLITE_TOOBIG),
    ROW(SQLITE_CONSTRAINT),
    ROW(SQLITE_MISMATCH),
    ROW(SQLITE_MISUSE),
    ROW(SQLITE_NOTADB),
    ROW(SQLITE_NOTICE),
    ROW(SQLITE_WARNING),
    ROW(SQLITE_IOERR_READ),
    ROW(SQLITE_IOERR_SHORT_READ),
    ROW(SQLITE_IOERR_WRITE),
    ROW(SQLITE_IOERR_FSYNC),
    ROW(SQLITE_IOERR_DIR_FSYNC),
    ROW(SQLITE_IOERR_TRUNCATE),
    ROW(SQLITE_IOERR_FSTAT),
    ROW(SQLITE_IOERR_UNLOCK),
    ROW(SQLITE_IOERR_RDLOCK),
    ROW(SQLITE_IOERR_DELETE),
    ROW(SQLITE_IOERR_ACCESS),
    ROW(SQLITE_IOERR_CHECKRESERVEDLOCK),
    ROW(SQLITE_IOERR_LOCK),
    ROW(SQLITE_IOERR_CLOSE),
    ROW(SQLITE_IOERR_SHMOPEN),
    ROW(SQLITE_IOERR_SHMSIZE),
    ROW(SQLITE_IOERR_SHMLOCK),
    ROW(SQLITE_IOERR_SHMMAP),
    ROW(SQLITE_IOERR_SEEK),
    ROW(SQLITE_IOERR_DELETE_NOENT),
    ROW(SQLITE_IOERR_MMAP),
    ROW(SQLITE_IOERR_GETTEMPPATH),
    ROW(SQLITE_IOERR_DATA),
    ROW(SQLITE_IOERR_CORRUPTFS),
    ROW(SQLITE_BUSY_RECOVERY),
    ROW(SQLITE_BUSY_SNAPSHOT),
    ROW(SQLITE_BUSY_TIMEOUT),
    ROW(SQLITE_CANTOPEN_ISDIR),
    ROW(SQLITE_CANTOPEN_FULLPATH),
    ROW(SQLITE_CANTOPEN_SYMLINK),
    ROW(SQLITE_CANTOPEN_DIRTYWAL),
    ROW(SQLITE_CORRUPT_VTAB),
    ROW(SQLITE_CORRUPT_INDEX),
    ROW(SQLITE_READONLY_RECOVERY),
    ROW(SQLITE_READONLY_CANTLOCK),
    ROW(SQLITE_READONLY_ROLLBACK),
    ROW(SQLITE_READONLY_DBMOVED),
    ROW(SQLITE_READONLY_CANTINIT),
    ROW(SQLITE_CONSTRAINT_CHECK),
    ROW(SQLITE_CONSTRAINT_NOTNULL),
    ROW(SQLITE_CONSTRAINT_PRIMARYKEY),
    ROW(SQLITE_CONSTRAINT_UNIQUE),
    ROW(SQLITE_NOTICE_RECOVER_WAL),
    ROW(SQLITE_NOTICE_RECOVER_ROLLBACK),
    ROW(SQLITE_WARNING_AUTOINDEX),
};
#undef ROW

const char *wg_sqlite_code_name(int code)
{
    for (int wanted = code;; wanted = code & 0xff) {
        for (size_t i = 0; i < sizeof code_names / sizeof *code_names; i++)
            if (code_names[i].code == wanted)
                return code_names[i].name;
        if (wanted == (code & 0xff))
            return "SQLITE_UNKNOWN";
    }
}

int wg_log_init(struct wg_log *log, const char *path)
{
    *log = (struct wg_log){.fd = STDERR_FILENO};
    if (path != NULL && strcmp(path, "-") != 0) {
        log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (log->fd < 0)
            return -1;
    }
    pthread_mutex_init(&log->mutex, NULL);
    if (pthread_key_create(&log->test_key, NULL) != 0)
        abort();
    return 0;
}

void wg_log_finish(struct wg_log *log)
{
    pthread_key_delete(log->test_key);
    pthread_mutex_destroy(&log->mutex);
    if (log->fd != STDERR_FILENO)
        close(log->fd);
    log->fd = STDERR_FILENO;
}

void wg_log_set_test(struct wg_log *log, const char *test)
{
    pthread_setspecific(log->test_key, test);
}

static void write_line(struct wg_log *log, const char *line, size_t length)
{
    pthread_mutex_lock(&log->mutex);
    while (length > 0) {
        ssize_t done = write(log->fd, line, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break; /* nobody reads the log: the server goes on */
        line += done;
        length -= (size_t)done;
    }
    pthread_mutex_unlock(&log->mutex);
}

void wg_log_line(struct wg_log *log, const char *level, const char *event, json_t *fields)
{
    struct timespec now;
    struct tm utc;
    char day[32], stamp[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp, sizeof stamp, "%s.%03ldZ", day, now.tv_nsec / 1000000);
    json_t *line = json_pack("{s:s,s:s,s:s}", "ts", stamp, "level", level, "event", event);
    json_object_update(line, fields);
    json_decref(fields);
    const char *test = pthread_getspecific(log->test_key);
    if (test != NULL)
        json_object_set_new(line, "test", wg_json_text(test));
    struct wg_buf text = {0};
    char *dumped = json_dumps(line, JSON_COMPACT);
    if (dumped != NULL) {
        wg_buf_add_text(&text, dumped);
        wg_buf_add_text(&text, "\n");
        write_line(log, text.data, text.len);
    }
    wg_buf_finish(&text);
    free(dumped);
    json_decref(line);
}

void wg_log_message(struct wg_log *log, const char *level, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    json_t *fields = json_object();
    json_object_set_new(fields, "message", wg_json_text(text));
    wg_log_line(log, level, "message", fields);
}

static void count_error(struct wg_log *log, const char *name)
{
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < WG_ERROR_NAMES_MAX; i++) {
        if (log->errors[i].name == NULL)
            log->errors[i].name = name;
        if (log->errors[i].name == name) {
            log->errors[i].count++;
            break;
        }
    }
    pthread_mutex_unlock(&log->mutex);
}

void wg_log_sqlite(struct wg_log *log, int code, int system_errno, const char *db,
                   const char *message, const char *sql)
{
    const char *name = wg_sqlite_code_name(code);
    count_error(log, name);
    json_t *fields =
        json_pack("{s:i,s:s,s:i,s:s}", "code", code, "name", name, "errno", system_errno, "db", db);
    json_object_set_new(fields, "message", wg_json_text(message));
    if (sql != NULL)
        json_object_set_new(fields, "sql", wg_json_text(sql));
    wg_log_line(log, (code & 0xff) == SQLITE_BUSY ? "warn" : "error", "sqlite", fields);
}

void wg_log_sqlite_callback(void *log, int code, const char *message)
{
    int kind = code & 0xff;
    const char *level = kind == SQLITE_NOTICE || kind == SQLITE_SCHEMA ? "info" : "warn";
    json_t *fields = json_pack("{s:i,s:s}", "code", code, "name", wg_sqlite_code_name(code));
    json_object_set_new(fields, "message", wg_json_text(message));
    wg_log_line(log, level, "sqlite-log", fields);
}

json_t *wg_log_totals(struct wg_log *log)
{
    json_t *errors = json_object();
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < WG_ERROR_NAMES_MAX && log->errors[i].name != NULL; i++)
        json_object_set_new(errors, log->errors[i].name,
                            json_integer((json_int_t)log->errors[i].count));
    pthread_mutex_unlock(&log->mutex);
    json_int_t requests = (json_int_t)atomic_load_explicit(&log->requests, memory_order_relaxed);
    json_int_t statements =
        (json_int_t)atomic_load_explicit(&log->statements, memory_order_relaxed);
    return json_pack("{s:I,s:I,s:o}", "requests", requests, "statements", statements,
                     "sqlite_errors", errors);
}
