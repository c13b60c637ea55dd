/* SPDX-License-Identifier: MIT */
/*
 * survivors.c - reads /proc for what a test left behind.
 *
 * A test's leader is a child subreaper, and so is the fork server. While a test runs, its orphans
 * stay below its leader, also those that called setsid(); when the leader has ended they become
 * direct children of this process. So whoever is a direct child and no leader was left behind by a
 * test that has ended. Only when several leaders end at the same time must it be told whose it is.
 * Three marks do: the process group; the event channel, which fork passes on (and exec closes); the
 * environment, which exec carries on (/proc shows the one of the last exec, so fork alone does not
 * change it). A process without any mark is given to the test that is looked at first.
 */
#include "harness/suite/survivors.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_DEADLINE_MS 1000
#define CHILDREN_MAX     1024
#define ENVIRONMENT_MAX  (256u << 10)
#define NAMED_MAX        100 /* survivors of one test that are named */

/* Reads a file of /proc; the bytes read, -1 when it is gone. NUL-terminates. */
static ssize_t read_proc(pid_t pid, const char *file, char *bytes, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t size = 0;
    ssize_t n;
    while (size + 1 < room && (n = read(fd, bytes + size, room - 1 - size)) > 0)
        size += (size_t)n;
    close(fd);
    bytes[size] = '\0';
    return (ssize_t)size;
}

/* Fields of /proc/PID/stat behind the name, which may hold blanks and parentheses. */
static bool read_stat(pid_t pid, char *ret_state, pid_t *ret_group, char name[static 32])
{
    char text[1024];
    if (read_proc(pid, "stat", text, sizeof text) <= 0)
        return false;
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    long parent, group;
    if (!open || !close || sscanf(close + 1, " %c %ld %ld", ret_state, &parent, &group) != 3)
        return false;
    *close = '\0';
    snprintf(name, 32, "%s", open + 1);
    *ret_group = (pid_t)group;
    return true;
}

static bool carries_run(pid_t pid, long long run)
{
    char wanted[64];
    char *bytes = wg_malloc(ENVIRONMENT_MAX);
    ssize_t size = read_proc(pid, "environ", bytes, ENVIRONMENT_MAX);
    bool found = false;
    snprintf(wanted, sizeof wanted, WG_RUN_ID_ENV "=%lld", run);
    for (char *at = bytes; !found && size > 0 && at < bytes + size; at += strlen(at) + 1)
        found = strcmp(at, wanted) == 0;
    free(bytes);
    return found;
}

static bool holds_channel(pid_t pid, ino_t event_channel)
{
    char path[64], wanted[64], link[64];
    bool found = false;
    snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)event_channel);
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && !found && (entry = readdir(directory))) {
        ssize_t n = readlinkat(dirfd(directory), entry->d_name, link, sizeof link - 1);
        if (n > 0) {
            link[n] = '\0';
            found = strcmp(link, wanted) == 0;
        }
    }
    if (directory)
        closedir(directory);
    return found;
}

static bool bears(pid_t pid, pid_t its_group, const struct wg_test_marks *marks)
{
    return its_group == marks->group || holds_channel(pid, marks->event_channel) ||
           carries_run(pid, marks->run);
}

/* With a single test there is nobody else that it could belong to, and /proc need not be asked. */
static bool belongs(pid_t pid, pid_t its_group, const struct wg_test_marks *running, size_t count,
                    size_t ended)
{
    if (count <= 1 || ended == count || bears(pid, its_group, &running[ended]))
        return true;
    for (size_t i = 0; i < count; i++)
        if (bears(pid, its_group, &running[i]))
            return false;
    return true;
}

static size_t list_children(pid_t *pids, size_t room)
{
    char path[64];
    size_t count = 0;
    long pid;
    snprintf(path, sizeof path, "task/%ld/children", (long)getpid());
    char *text = wg_malloc(CHILDREN_MAX * 12);
    char *at = text;
    int used;
    if (read_proc(getpid(), path, text, CHILDREN_MAX * 12) <= 0)
        text[0] = '\0';
    /* A number at which the text was cut is no pid: whole ones have a blank behind them. */
    while (count < room && sscanf(at, "%ld%n", &pid, &used) == 1 && at[used] == ' ') {
        pids[count++] = (pid_t)pid;
        at += used;
    }
    free(text);
    return count;
}

static void note(json_t *found, pid_t pid, const char *name)
{
    char *text = wg_format("pid %ld %s", (long)pid, name);
    size_t count = json_array_size(found);
    bool told = count > NAMED_MAX;
    for (size_t i = 0; i < count; i++)
        told = told || strcmp(json_string_value(json_array_get(found, i)), text) == 0;
    if (!told && count == NAMED_MAX)
        json_array_append_new(found, json_string("and more"));
    else if (!told)
        json_array_append_new(found, wg_json_string_new(text, strlen(text)));
    free(text);
}

/* Looked at first, since /proc need not be asked: most tests leave nothing, and then the other
 * running tests are the only children there are. */
static bool is_leader(pid_t pid, const struct wg_test_marks *running, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (running[i].group == pid)
            return true;
    return false;
}

/* One pass: kills the living survivors, reaps the dead ones. Returns how many it saw of both. A
 * dead one counts, because it may have lived when the list was made and have handed over its
 * children since. */
static size_t sweep(const struct wg_test_marks *running, size_t count, size_t ended, json_t *found)
{
    pid_t *pids = wg_calloc(CHILDREN_MAX, sizeof *pids);
    size_t children = list_children(pids, CHILDREN_MAX), seen = 0;
    for (size_t i = 0; i < children; i++) {
        char state, name[32];
        pid_t its_group;
        if (is_leader(pids[i], running, count) || !read_stat(pids[i], &state, &its_group, name))
            continue;
        if (state == 'Z') {
            waitpid(pids[i], NULL, WNOHANG);
            seen++;
            continue;
        }
        if (!belongs(pids[i], its_group, running, count, ended))
            continue;
        seen++;
        note(found, pids[i], name);
        kill(pids[i], SIGKILL); /* ours to reap, so the number cannot have been given away */
        waitpid(pids[i], NULL, WNOHANG);
    }
    free(pids);
    return seen;
}

void wg_survivors_kill(const struct wg_test_marks *running, size_t count, size_t ended,
                       json_t *found)
{
    struct wg_deadline deadline = wg_deadline_in_ms(KILL_DEADLINE_MS);
    while (sweep(running, count, ended, found) > 0 && !wg_deadline_passed(deadline))
        poll(NULL, 0, 1); /* until the killed are dead and have handed over their own children */
}
