/* SPDX-License-Identifier: MIT */
/* probe_trace.c - the probe in a real program: what it records, and that it does no harm. */
#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"
#include "harness/trace/trace.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* What a deed left behind. */
struct watched {
    char root[64];
    char *database, *traces;
    int status;
    struct wg_trace *trace;
};

static int run_worker(const char *deed, const char *database, const char *traces)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv environment = {0};
    char *argv[] = {(char *)WG_TEST_PROBE_WORKER, (char *)deed, (char *)database, NULL};
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

/* Two deeds, the second may be NULL, on one database under one trace. */
static struct watched watch(const char *first, const char *second)
{
    struct wg_err err = WG_ERR_INIT;
    struct watched watched = {.root = "/tmp/walgrind-unit-probe-XXXXXX"};
    cr_assert(ne(ptr, mkdtemp(watched.root), NULL));
    watched.database = wg_format("%s/x.db", watched.root);
    watched.traces = wg_format("%s/trace", watched.root);
    cr_assert(zero(int, wg_tree_make(watched.traces, &err)));
    watched.status = run_worker(first, watched.database, watched.traces);
    if (second)
        watched.status = run_worker(second, watched.database, watched.traces);
    cr_assert(zero(int, wg_trace_open(watched.traces, &watched.trace, &err)), "%s", err.message);
    return watched;
}

static void finish(struct watched *watched)
{
    wg_trace_destroy(watched->trace);
    wg_tree_remove(watched->root, NULL);
    free(watched->database);
    free(watched->traces);
}

/* Whether a record fits; what is 0 in `like` fits all. */
static size_t count_like(const struct watched *watched, struct wg_trace_record like,
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

TestSuite(probe, .timeout = 60);

Test(probe, a_close_beside_sqlite_is_recorded_with_the_locks_that_it_drops)
{
    const char *deeds[] = {"read-beside", "read-beside-stdio", "read-beside-syscall"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct watched watched = watch(deeds[i], NULL);
        struct wg_trace_event event;
        cr_assert(zero(int, watched.status), "%s", deeds[i]);
        cr_assert(eq(sz,
                     count_like(&watched,
                                (struct wg_trace_record){.type = WG_TRACE_CLOSE,
                                                         .role = WG_TRACE_ROLE_DATABASE,
                                                         .origin = WG_TRACE_ORIGIN_OTHER},
                                &event),
                     1),
                  "%s", deeds[i]);
        cr_expect(eq(u32, event.record->held, WG_TRACE_HELD_SHARED));
        cr_expect(eq(int, event.record->open_count, 2));
        cr_expect(eq(str, (char *)event.path, watched.database));
        cr_expect(ge(sz, event.frame_count, 2));
        finish(&watched);
    }
}

Test(probe, a_healthy_program_shows_sqlite_alone)
{
    struct watched watched = watch("healthy", NULL);
    cr_assert(zero(int, watched.status));
    for (size_t i = 0; i < wg_trace_count(watched.trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(watched.trace, i, &event);
        if (event.role != WG_TRACE_ROLE_NONE)
            cr_expect(eq(int, event.origin, WG_TRACE_ORIGIN_SQLITE));
        cr_expect(zero(int, event.record->error));
    }
    cr_expect(
        ge(sz,
           count_like(&watched,
                      (struct wg_trace_record){.type = WG_TRACE_LOCK, .role = WG_TRACE_ROLE_SHM},
                      NULL),
           5));
    cr_expect(eq(int, wg_trace_process_at(watched.trace, 0)->state, WG_TRACE_EXITED));
    finish(&watched);
}

Test(probe, a_connection_used_after_fork_is_marked_as_inherited)
{
    struct watched watched = watch("fork-use", NULL);
    struct wg_trace_event event;
    cr_assert(zero(int, watched.status));
    cr_assert(
        ge(sz,
           count_like(&watched,
                      (struct wg_trace_record){.type = WG_TRACE_LOCK, .flags = WG_TRACE_INHERITED},
                      &event),
           1));
    cr_assert(ne(ptr, (void *)event.process->parent, NULL));
    cr_expect(eq(int, event.process->ppid, event.process->parent->pid));
    finish(&watched);
}

Test(probe, a_program_that_unlinks_a_database_is_named)
{
    struct watched watched = watch("healthy", "unlink");
    struct wg_trace_event event;
    cr_assert(eq(sz,
                 count_like(&watched,
                            (struct wg_trace_record){.type = WG_TRACE_UNLINK,
                                                     .role = WG_TRACE_ROLE_DATABASE,
                                                     .origin = WG_TRACE_ORIGIN_OTHER},
                            &event),
                 1));
    cr_expect(eq(str, (char *)event.path, watched.database));
    cr_expect(ne(ptr, strstr(event.process->command, "unlink"), NULL));
    finish(&watched);
}

Test(probe, records_survive_a_kill)
{
    struct watched watched = watch("die", NULL);
    cr_assert(eq(int, WTERMSIG(watched.status), SIGKILL));
    struct wg_trace_event event = {0};
    cr_assert(
        eq(sz, count_like(&watched, (struct wg_trace_record){.type = WG_TRACE_KILL}, &event), 1));
    cr_expect(eq(i64, event.record->offset, SIGKILL));
    cr_expect(eq(int, event.process->state, WG_TRACE_RUNNING));
    cr_expect(zero(u64, event.process->torn));
    finish(&watched);
}

Test(probe, programs_go_on_as_without_it)
{
    const char *deeds[] = {"errno",      "close-everything", "many-threads",
                           "fork-storm", "small-files",      "chroot",
                           "handler",    "signals",          "nobody"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct watched watched = watch(deeds[i], NULL);
        cr_expect(zero(int, watched.status), "%s: status %x", deeds[i], watched.status);
        cr_expect(zero(sz, wg_trace_damage_count(watched.trace)), "%s", deeds[i]);
        finish(&watched);
    }
}

Test(probe, a_missing_directory_does_no_harm)
{
    struct watched watched = watch("healthy", NULL);
    cr_expect(zero(int, run_worker("healthy", watched.database, "/nowhere/at/all")));
    finish(&watched);
}
