/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/watch.h"

#include "harness/sys/tree.h"
#include "tools/walgrind/locate.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

int wg_watch_begin(const char *traces, struct wg_err *err)
{
    char *probe = NULL;
    if (wg_locate_probe(&probe, err) != 0)
        return -1;
    int rc = wg_tree_make(traces, err);
    /* Servers that begin as root leave their work to children of another user, who must be able to
     * make files of their own; each file is its owner's alone. */
    if (rc == 0 && geteuid() == 0 && chmod(traces, 01777) != 0)
        rc = wg_err_errno(err, "chmod %s", traces);
    if (rc == 0) {
        set_joined("LD_PRELOAD", probe, true);
        set_joined("ASAN_OPTIONS", "verify_asan_link_order=0", false);
        setenv(WG_TRACE_DIR_ENV, traces, 1);
    }
    free(probe);
    return rc;
}

/* Why the probe cannot be loaded into a program, NULL when it can as far as one sees. */
static const char *obstacle(const char *path)
{
    Elf64_Ehdr elf;
    struct stat st;
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) && geteuid() != 0)
        why = "it runs with raised privileges";
    if (pread(fd, &elf, sizeof elf, 0) == sizeof elf && memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 &&
        elf.e_phentsize == sizeof(Elf64_Phdr)) {
        bool dynamic = false;
        for (int i = 0; i < elf.e_phnum; i++) {
            Elf64_Phdr part;
            off_t at = (off_t)(elf.e_phoff + (uint64_t)i * sizeof part);
            dynamic |= pread(fd, &part, sizeof part, at) == sizeof part && part.p_type == PT_INTERP;
        }
        if (!dynamic)
            why = "it is statically linked, the probe cannot be loaded into it";
    }
    close(fd);
    return why;
}

char *wg_watch_find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') || !path)
        return wg_strdup(name);
    while (*path) {
        size_t size = strcspn(path, ":");
        char *candidate = wg_format("%.*s/%s", (int)size, path, name);
        if (access(candidate, X_OK) == 0)
            return candidate;
        free(candidate);
        path += size + (path[size] == ':');
    }
    return NULL;
}

static void add_program(struct wg_strv *programs, const char *path)
{
    for (size_t i = 0; i < programs->count; i++)
        if (strcmp(programs->items[i], path) == 0)
            return;
    wg_strv_push(programs, path);
}

static void add_gap(struct wg_strv *gaps, const char *what, const char *why)
{
    char *line = wg_format("%s: %s", what, why);
    wg_strv_push(gaps, line);
    free(line);
}

void wg_watch_gaps(const struct wg_trace *trace, const struct wg_strv *programs,
                   struct wg_strv *ret_gaps)
{
    struct wg_strv seen = {0};
    for (size_t i = 0; i < programs->count; i++)
        add_program(&seen, programs->items[i]);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        if (event.type == WG_TRACE_EXEC && !event.record->error && event.path[0] == '/')
            add_program(&seen, event.path);
    }
    for (size_t i = 0; i < seen.count; i++) {
        const char *why = obstacle(seen.items[i]);
        if (why)
            add_gap(ret_gaps, seen.items[i], why);
    }
    for (size_t i = 0; i < wg_trace_damage_count(trace); i++)
        add_gap(ret_gaps, wg_trace_damage_at(trace, i)->file,
                wg_trace_damage_at(trace, i)->message);
    if (wg_trace_process_count(trace) == 0 && ret_gaps->count == 0)
        wg_strv_push(ret_gaps, "the probe was loaded into no process");
    wg_strv_finish(&seen);
}
