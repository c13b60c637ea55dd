/* SPDX-License-Identifier: MIT */
#include "suites/unit/probe_support.h"

#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

int wg_probe_run(const char *program, const char *deed, const char *database, const char *traces)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv environment = {0};
    char *argv[] = {(char *)program, (char *)deed, (char *)database, NULL};
    wg_strv_setenv(&environment, "LD_PRELOAD", WG_TEST_PROBE);
    wg_strv_setenv(&environment, WG_TRACE_DIR_ENV, traces);
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    options.envp = environment.items;
    options.stderr_fd = 2;
    struct wg_process *process = NULL;
    int status = -1;
    cr_assert(zero(int, wg_process_start(&options, &process, &err)), "%s", err.message);
    cr_assert(eq(int, wg_process_wait(process, wg_deadline_in_ms(50000), &status, NULL, &err), 1));
    wg_process_destroy(process);
    wg_strv_finish(&environment);
    return status;
}

struct wg_watched wg_probe_watch(const char *program, const char *first, const char *second)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_watched watched = {.root = "/tmp/walgrind-unit-probe-XXXXXX"};
    cr_assert(ne(ptr, mkdtemp(watched.root), NULL));
    watched.database = wg_format("%s/x.db", watched.root);
    watched.traces = wg_format("%s/trace", watched.root);
    cr_assert(zero(int, wg_tree_make(watched.traces, &err)));
    watched.status = wg_probe_run(program, first, watched.database, watched.traces);
    if (second)
        watched.status = wg_probe_run(program, second, watched.database, watched.traces);
    cr_assert(zero(int, wg_trace_open(watched.traces, &watched.trace, &err)), "%s", err.message);
    return watched;
}

void wg_probe_finish(struct wg_watched *watched)
{
    wg_trace_destroy(watched->trace);
    wg_tree_remove(watched->root, NULL);
    free(watched->database);
    free(watched->traces);
}

size_t wg_probe_count(const struct wg_watched *watched, struct wg_trace_record like,
                      struct wg_trace_event *ret_last)
{
    size_t count = 0;
    for (size_t i = 0; i < wg_trace_count(watched->trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched->trace, i, &event);
        if (event.type != like.type || (like.role && event.role != like.role) ||
            (like.origin && event.origin != like.origin) ||
            (event.record->flags & like.flags) != like.flags)
            continue;
        count++;
        if (ret_last)
            *ret_last = event;
    }
    return count;
}
