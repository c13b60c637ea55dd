/* SPDX-License-Identifier: MIT
 *
 * Hazards outside the serving process: an importer that opens and closes the databases now and
 * then, and somebody who deletes them. Both are this program, started once more as --outsider KIND,
 * so that whoever watches sees another process with another command line. They die with the server.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/hazard/hazard.h"
#include "tools/refserver/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An importer's visit: open, look, close. Errors are its own business. */
static void visit(const char *path)
{
    sqlite3 *handle = NULL;
    if (sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(handle, 1000);
        sqlite3_exec(handle, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL);
    }
    sqlite3_close(handle);
}

static void delete_family(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct wg_buf name = {0};
        wg_buf_addf(&name, "%s%s", path, endings[i]);
        unlink(name.data);
        wg_buf_finish(&name);
    }
}

static const struct {
    const char *kind;
    void (*act)(const char *path);
} outsiders[] = {{"importer", visit}, {"wiper", delete_family}};

static void for_each_database(const char *directory, void (*act)(const char *path))
{
    for (int name = 0; name < WG_DB_COUNT; name++) {
        struct wg_buf path = {0};
        wg_buf_addf(&path, "%s/%s", directory, wg_db_kinds[name].file);
        act(path.data);
        wg_buf_finish(&path);
    }
}

void wg_databases_delete(const char *directory)
{
    for_each_database(directory, delete_family);
}

int wg_outsider_run(const char *kind, const char *directory, long pause_ms)
{
    if (wg_helper_dies_with_parent() < 0)
        return -1;
    for (size_t i = 0; i < sizeof outsiders / sizeof *outsiders; i++) {
        if (strcmp(outsiders[i].kind, kind) != 0)
            continue;
        for (;;) {
            poll(NULL, 0, (int)pause_ms);
            for_each_database(directory, outsiders[i].act);
        }
    }
    return -1;
}

int wg_outsider_start(struct wg_app *app, const char *kind, long pause_ms, struct wg_fail *fail)
{
    struct wg_hazards *hazards = &app->hazards;
    char pause[24];
    snprintf(pause, sizeof pause, "%ld", pause_ms);
    char self[] = "walgrind-refserver", be[] = "--outsider", data[] = "--data", wait[] = "--pause";
    char *role = wg_mem_strdup(kind);
    char *const argv[] = {self, be, role, data, app->options.data, wait, pause, NULL};
    pid_t pid;
    int code = wg_helper_start(argv, -1, -1, &pid);
    free(role);
    if (code != 0) {
        wg_fail_set(fail, 0, "cannot start %s: %s", kind, strerror(code));
        return -1;
    }
    hazards->children[hazards->child_count++] = pid;
    wg_log_message(&app->log, "info", "started %s as process %d", kind, (int)pid);
    return 0;
}

int wg_second_process_start(struct wg_app *app, long argument, struct wg_fail *fail)
{
    return wg_outsider_start(app, "importer", argument, fail);
}

int wg_wipe_start(struct wg_app *app, long argument, struct wg_fail *fail)
{
    return wg_outsider_start(app, "wiper", argument, fail);
}

void wg_outsider_stop(struct wg_app *app)
{
    struct wg_hazards *hazards = &app->hazards;
    while (hazards->child_count > 0) {
        pid_t pid = hazards->children[--hazards->child_count];
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}
