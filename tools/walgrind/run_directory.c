/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/run_directory.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/base/token.h"
#include "harness/sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BASE ".walgrind"

static void name_files(struct wg_run_directory *directory, char *path)
{
    directory->path = path;
    directory->events = wg_format("%s/events.jsonl", path);
    directory->junit = wg_format("%s/junit.xml", path);
    directory->servers = wg_format("%s/servers", path);
    directory->suite_log = wg_format("%s/suite.log", path);
    directory->tests_xml = wg_format("%s/tests.xml", path);
    directory->databases = wg_format("%s/databases", path);
}

void wg_run_directory_finish(struct wg_run_directory *directory)
{
    free(directory->path);
    free(directory->events);
    free(directory->junit);
    free(directory->servers);
    free(directory->suite_log);
    free(directory->tests_xml);
    free(directory->databases);
    free(directory->last);
    *directory = (struct wg_run_directory){0};
}

/* A file that keeps the records out of version control without touching the user's own files. */
static int write_gitignore(struct wg_err *err)
{
    int fd = open(BASE "/.gitignore", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EEXIST ? 0 : wg_err_errno(err, "create " BASE "/.gitignore");
    int rc = write(fd, "*\n", 2) == 2 ? 0 : wg_err_errno(err, "write " BASE "/.gitignore");
    close(fd);
    return rc;
}

/* A temporary link is renamed into place, so that there always is a `last`. */
void wg_run_directory_publish(const struct wg_run_directory *directory)
{
    if (!directory->last)
        return;
    char *temporary = wg_format(BASE "/last.%ld", (long)getpid());
    if (symlink(directory->last, temporary) == 0 && rename(temporary, BASE "/last") != 0)
        unlink(temporary);
    free(temporary);
}

void wg_run_directory_discard(const struct wg_run_directory *directory)
{
    struct stat st;
    if (!directory->path || (stat(directory->suite_log, &st) == 0 && st.st_size > 0))
        return;
    unlink(directory->suite_log);
    rmdir(directory->servers);
    char *trace = wg_format("%s/trace", directory->path);
    wg_tree_remove(trace, NULL);
    free(trace);
    if (!directory->made || rmdir(directory->path) != 0 || !directory->based)
        return;
    /* Fails, as it should, when another run has put something there meanwhile. */
    if (rmdir(BASE "/runs") == 0 && unlink(BASE "/.gitignore") == 0)
        rmdir(BASE);
}

static int create_below_base(struct wg_run_directory *directory, char **ret_path,
                             struct wg_err *err)
{
    directory->based = access(BASE, F_OK) != 0;
    char when[32], token[5];
    struct tm tm;
    time_t now = (time_t)(wg_clock_wall_ns() / WG_NS_PER_S);
    if (wg_tree_make(BASE "/runs", err) != 0 || write_gitignore(err) != 0)
        return -1;
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    wg_token(token, sizeof token);
    char *name = wg_format("%s-%s", when, token);
    char *path = wg_format(BASE "/runs/%s", name);
    int rc = mkdir(path, 0777) == 0 ? 0 : wg_err_errno(err, "create %s", path);
    if (rc == 0) {
        directory->made = true;
        directory->last = wg_format("runs/%s", name);
        *ret_path = path;
        path = NULL;
    }
    free(path);
    free(name);
    return rc;
}

static int make_absolute(const char *path, char **ret_path, struct wg_err *err)
{
    *ret_path = realpath(path, NULL);
    return *ret_path ? 0 : wg_err_errno(err, "find %s", path);
}

int wg_run_directory_create(const char *chosen, struct wg_run_directory *ret_directory,
                            struct wg_err *err)
{
    char *made = NULL, *absolute = NULL;
    struct wg_run_directory directory = {0};
    if (chosen) {
        directory.made = access(chosen, F_OK) != 0;
        if (wg_tree_make(chosen, err) != 0)
            return -1;
        made = wg_strdup(chosen);
    } else if (create_below_base(&directory, &made, err) != 0) {
        return -1;
    }
    int rc = make_absolute(made, &absolute, err);
    free(made);
    if (rc != 0) {
        wg_run_directory_finish(&directory);
        return -1;
    }
    name_files(&directory, absolute);
    if (access(directory.events, F_OK) == 0) {
        wg_err_set(err, WG_ERR_USAGE, "%s already holds a run; choose another directory",
                   directory.path);
        rc = -1;
    } else {
        rc = wg_tree_make(directory.servers, err);
    }
    if (rc != 0)
        wg_run_directory_finish(&directory);
    else
        *ret_directory = directory;
    return rc;
}

int wg_run_directory_open(const char *chosen, struct wg_run_directory *ret_directory,
                          struct wg_err *err)
{
    char *absolute = NULL;
    const char *path = chosen ? chosen : BASE "/last";
    struct stat st;
    if (stat(path, &st) != 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          chosen ? "no run directory %s"
                                 : "no run in %s; start one "
                                   "with 'walgrind run'",
                          path);
    if (make_absolute(path, &absolute, err) != 0)
        return -1;
    struct wg_run_directory directory = {0};
    name_files(&directory, absolute);
    if (access(directory.events, F_OK) != 0) {
        wg_err_set(err, WG_ERR_USAGE, "%s holds no run: it has no events.jsonl", directory.path);
        wg_run_directory_finish(&directory);
        return -1;
    }
    *ret_directory = directory;
    return 0;
}
