/* SPDX-License-Identifier: MIT
 *
 * Hazards inside the serving process: slow requests, connections that are closed late, and code
 * that opens a database file as if it were any file.
 *
 * backup-copy and file-read are what a migration runner does before it starts, a hash for a health
 * page, or a check of the first bytes. The file is right, the bytes are right; but the close() ends
 * all POSIX locks that this process holds on the file, those of SQLite among them.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/hazard/hazard.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

void wg_slow_requests(struct wg_app *app, long argument, long number)
{
    (void)app;
    (void)number;
    poll(NULL, 0, (int)argument);
}

/* All that wait, taken off the list. */
static struct wg_conn *take_kept(struct wg_hazards *hazards)
{
    struct wg_conn *kept = hazards->kept;
    hazards->kept = NULL;
    hazards->kept_count = 0;
    return kept;
}

static void close_list(struct wg_conn *list)
{
    while (list != NULL) {
        struct wg_conn *next = list->next;
        wg_conn_close(list);
        list = next;
    }
}

bool wg_leak_keep(struct wg_app *app, long argument, struct wg_conn *conn)
{
    struct wg_hazards *hazards = &app->hazards;
    struct wg_conn *collected = NULL;
    conn->fail = NULL;
    pthread_mutex_lock(&hazards->mutex);
    conn->next = hazards->kept;
    hazards->kept = conn;
    if (++hazards->kept_count >= (size_t)argument)
        collected = take_kept(hazards);
    pthread_mutex_unlock(&hazards->mutex);
    close_list(collected);
    return true;
}

void wg_leak_stop(struct wg_app *app)
{
    close_list(take_kept(&app->hazards));
}

/* The database whose turn it is: one after the other, all three. */
static const char *pick_path(struct wg_app *app, long argument, long number)
{
    return app->db[(number / argument) % WG_DB_COUNT].path;
}

void wg_backup_copy(struct wg_app *app, long argument, long number)
{
    struct wg_buf content = {0}, path = {0};
    if (number % argument != 0)
        return;
    const char *source = pick_path(app, argument, number);
    wg_buf_addf(&path, "%s.backup", source);
    if (wg_file_read(source, &content) == 0) {
        int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, content.data, content.len) != (ssize_t)content.len)
            wg_log_message(&app->log, "warn", "cannot write %s", path.data);
        if (fd >= 0)
            close(fd);
    }
    wg_buf_finish(&content);
    wg_buf_finish(&path);
}

void wg_magic_read(struct wg_app *app, long argument, long number)
{
    char magic[16];
    if (number % argument != 0)
        return;
    const char *path = pick_path(app, argument, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, magic, sizeof magic) < 0)
        wg_log_message(&app->log, "warn", "cannot read %s", path);
    if (fd >= 0)
        close(fd);
}
