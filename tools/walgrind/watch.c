/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/watch.h"

#include "harness/probe/known.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"
#include "tools/walgrind/locate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Puts `value` before or behind what the variable holds already. */
static void set_joined(const char *name, const char *value, bool before)
{
    const char *others = getenv(name);
    char *joined = !others || !*others ? wg_strdup(value)
                   : before            ? wg_format("%s:%s", value, others)
                                       : wg_format("%s:%s", others, value);
    setenv(name, joined, 1);
    free(joined);
}

bool wg_watch_is_watched(void)
{
    const char *traces = getenv(WG_TRACE_DIR_ENV);
    return traces && *traces;
}

enum wg_watch_how wg_watch_how_of(const char *word)
{
    return strcmp(word, "preload") == 0   ? WG_WATCH_PRELOAD
           : strcmp(word, "seccomp") == 0 ? WG_WATCH_SECCOMP
           : strcmp(word, "both") == 0    ? WG_WATCH_BOTH
                                          : WG_WATCH_AUTO;
}

int wg_watch_begin(const char *traces, enum wg_watch_how how, struct wg_err *err)
{
    char *probe = NULL, *tracer = NULL;
    if (wg_locate_probe(&probe, err) != 0 || wg_locate_tracer(&tracer, err) != 0) {
        free(probe);
        return -1;
    }
    int rc = wg_tree_make(traces, err);
    /* Servers that begin as root leave their work to children of another user, who must be able to
     * make files of their own; each file is its owner's alone. */
    if (rc == 0 && geteuid() == 0 && chmod(traces, 01777) != 0)
        rc = wg_err_errno(err, "chmod %s", traces);
    if (rc == 0 && how != WG_WATCH_SECCOMP) {
        set_joined("LD_PRELOAD", probe, true);
        set_joined("ASAN_OPTIONS", "verify_asan_link_order=0", false);
    }
    if (rc == 0) {
        setenv(WG_TRACE_DIR_ENV, traces, 1);
        unsetenv(WG_TRACER_ENV);
    }
    if (rc == 0 && how == WG_WATCH_AUTO)
        setenv(WG_TRACER_ENV, tracer, 1);
    free(tracer);
    free(probe);
    return rc;
}

/* Why the probe cannot be loaded into a program, NULL when it can as far as one sees. */
static const char *obstacle(const char *path)
{
    struct stat st;
    struct statvfs place;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && fstatvfs(fd, &place) == 0 && !(place.f_flag & ST_NOSUID) &&
        (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
         ((st.st_mode & S_ISGID) && st.st_gid != getegid())))
        why = "it runs with raised privileges";
    if (!why)
        why = wg_probe_obstacle(fd);
    close(fd);
    return why;
}

int wg_watch_command(enum wg_watch_how how, struct wg_strv *command, struct wg_err *err)
{
    char *tracer = NULL;
    char *program = wg_process_find(command->items[0]);
    const char *why = program ? obstacle(program) : NULL;
    bool wanted = how == WG_WATCH_SECCOMP || how == WG_WATCH_BOTH ||
                  (how == WG_WATCH_AUTO && why && why != wg_probe_is_32_bit);
    /* A command that is not there is left to whoever runs it, who says so. */
    struct stat st;
    if (wanted && program && stat(program, &st) == 0 && S_ISREG(st.st_mode) &&
        access(program, X_OK) == 0) {
        if (wg_locate_tracer(&tracer, err) != 0) {
            free(program);
            return -1;
        }
        struct wg_strv started = {0};
        wg_strv_push(&started, tracer);
        wg_strv_push(&started, how == WG_WATCH_AUTO ? "gaps" : "all");
        wg_strv_push(&started, program);
        wg_strv_extend(&started, command->items);
        wg_strv_finish(command);
        *command = started;
    }
    free(tracer);
    free(program);
    return 0;
}

static void add_program(struct wg_strv *programs, const char *path)
{
    for (size_t i = 0; i < programs->count; i++)
        if (strcmp(programs->items[i], path) == 0)
            return;
    wg_strv_push(programs, path);
}

static bool is_not_covered(const char *text)
{
    return strncmp(text, WG_TRACE_NOT_COVERED, strlen(WG_TRACE_NOT_COVERED)) == 0;
}

/* A tracer has seen this program, which may have another name for the kernel. */
static bool is_traced(const struct wg_strv *traced, const char *path)
{
    char *real = realpath(path, NULL);
    bool found = false;
    for (size_t i = 0; i < traced->count && real && !found; i++)
        found = strcmp(traced->items[i], real) == 0;
    free(real);
    return found;
}

static void add_gap(struct wg_strv *gaps, const char *what, const char *why)
{
    char *line = wg_format("%s: %s", what, why);
    add_program(gaps, line);
    free(line);
}

void wg_watch_gaps(const struct wg_trace *trace, const struct wg_strv *programs,
                   struct wg_strv *ret_gaps)
{
    struct wg_strv seen = {0}, traced = {0};
    for (size_t i = 0; i < programs->count; i++)
        add_program(&seen, programs->items[i]);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        if (event.type == WG_TRACE_EXEC && !event.record->error && event.path[0] == '/')
            add_program(&seen, event.path);
        if (event.type == WG_TRACE_PROCESS && (event.record->flags & WG_TRACE_OUTSIDE))
            add_program(&traced, event.process->exe);
        if (event.type == WG_TRACE_MARK && is_not_covered(event.text))
            add_gap(ret_gaps, event.process->exe, event.text + strlen(WG_TRACE_NOT_COVERED));
    }
    for (size_t i = 0; i < seen.count; i++) {
        const char *why = obstacle(seen.items[i]);
        if (why && (why == wg_probe_is_32_bit || !is_traced(&traced, seen.items[i])))
            add_gap(ret_gaps, seen.items[i], why);
    }
    for (size_t i = 0; i < wg_trace_damage_count(trace); i++)
        add_gap(ret_gaps, wg_trace_damage_at(trace, i)->file,
                wg_trace_damage_at(trace, i)->message);
    if (wg_trace_process_count(trace) == 0 && ret_gaps->count == 0)
        wg_strv_push(ret_gaps, "the probe was loaded into no process");
    wg_strv_finish(&traced);
    wg_strv_finish(&seen);
}
