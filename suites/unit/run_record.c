/* SPDX-License-Identifier: MIT */
/* run_record.c - the event log, and what a killed run leaves in its sandbox. */
#include "harness/base/str.h"
#include "harness/run/event_log.h"
#include "harness/run/sandbox.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/walgrind-unit-record-XXXXXX";

static void make_directory(void)
{
    cr_assert(mkdtemp(directory) != NULL);
    setenv("WALGRIND_SANDBOX", directory, 1);
}

static void remove_directory(void)
{
    wg_tree_remove(directory, NULL);
}

TestSuite(event_log, .init = make_directory, .fini = remove_directory);
TestSuite(sandbox, .init = make_directory, .fini = remove_directory);

Test(event_log, each_event_is_one_whole_line_in_order)
{
    struct wg_event_log *log = NULL;
    char line[512];
    char *path = wg_format("%s/events.jsonl", directory);
    cr_assert(eq(int, wg_event_log_create(path, &log, NULL), 0));
    wg_event_emit(log, WG_EVENT_INTERRUPTED, json_pack("{s:i}", "signal", 2));
    wg_event_emit(log, WG_EVENT_RUN_FINISHED, json_pack("{s:s}", "text", "two\nlines"));
    wg_event_log_destroy(log);

    FILE *file = fopen(path, "re");
    for (long sequence = 1; sequence <= 2; sequence++) {
        cr_assert(fgets(line, sizeof line, file) != NULL);
        json_t *event = json_loads(line, 0, NULL);
        cr_expect(eq(long, (long)json_integer_value(json_object_get(event, "seq")), sequence));
        json_decref(event);
    }
    cr_expect(fgets(line, sizeof line, file) == NULL);
    fclose(file);
    free(path);
}

Test(event_log, existing_record_is_never_overwritten)
{
    struct wg_event_log *log = NULL;
    struct wg_err err = WG_ERR_INIT;
    char *path = wg_format("%s/events.jsonl", directory);
    cr_assert(eq(int, wg_event_log_create(path, &log, NULL), 0));
    wg_event_log_destroy(log);
    cr_expect(eq(int, wg_event_log_create(path, &log, &err), -1));
    free(path);
}

Test(event_log, full_disk_is_remembered)
{
    struct wg_event_log *log = NULL;
    char *path = wg_format("%s/events.jsonl", directory);
    sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    cr_assert(eq(int, wg_event_log_create(path, &log, NULL), 0));
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){200, 200});
    cr_expect(wg_event_log_error(log) == NULL);
    for (int i = 0; i < 5; i++)
        wg_event_emit(log, WG_EVENT_INTERRUPTED, json_pack("{s:i}", "signal", i));
    cr_expect(wg_event_log_error(log) != NULL);
    wg_event_log_destroy(log);
    free(path);
}

/* A sandbox whose owner was killed, with a process in its manifest; writes its path. */
static pid_t abandon_sandbox(char *path, size_t size, bool wrong_start_time)
{
    int channel[2];
    cr_assert(eq(int, pipe2(channel, O_CLOEXEC), 0));
    pid_t bystander = fork();
    if (bystander == 0) {
        setpgid(0, 0);
        pause();
        _exit(0);
    }
    if (fork() == 0) {
        struct wg_sandbox *sandbox = NULL;
        if (wg_run_sandbox_create(0, &sandbox, NULL) != 0)
            _exit(1);
        const char *made = wg_run_sandbox_path(sandbox);
        if (!wrong_start_time) {
            wg_run_sandbox_note_process(made, bystander, "server", NULL);
        } else {
            char *manifest = wg_format("%s/processes", made);
            FILE *file = fopen(manifest, "we");
            fprintf(file, "%ld 12345 server\n", (long)bystander);
            fclose(file);
        }
        write(channel[1], made, strlen(made) + 1);
        raise(SIGKILL);
    }
    close(channel[1]);
    cr_assert(read(channel[0], path, size) > 0);
    waitpid(-1, NULL, 0);
    close(channel[0]);
    return bystander;
}

Test(sandbox, what_a_killed_run_left_is_removed_with_its_server)
{
    char path[PATH_MAX];
    struct stat st;
    struct wg_reaped reaped;
    int status = 0;
    pid_t server = abandon_sandbox(path, sizeof path, false);

    wg_run_sandbox_reap(&reaped);

    cr_expect(ge(int, reaped.sandboxes, 1)); /* others may have been killed on this machine, too */
    cr_expect(ge(int, reaped.processes, 1));
    cr_expect(eq(int, stat(path, &st), -1));
    waitpid(server, &status, 0);
    cr_expect(eq(int, WTERMSIG(status), SIGKILL));
}

Test(sandbox, process_that_only_has_the_same_number_is_left_alone)
{
    char path[PATH_MAX];
    struct wg_reaped reaped;
    pid_t bystander = abandon_sandbox(path, sizeof path, true);

    wg_run_sandbox_reap(&reaped);

    cr_expect(ge(int, reaped.sandboxes, 1));
    cr_expect(eq(int, waitpid(bystander, NULL, WNOHANG), 0));
    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);
}

Test(sandbox, living_run_keeps_its_sandbox)
{
    struct wg_sandbox *sandbox = NULL;
    struct wg_reaped reaped;
    struct stat st;
    cr_assert(eq(int, wg_run_sandbox_create(0, &sandbox, NULL), 0));
    /* flock(2) belongs to the open file: another open of the same process is refused as well. */
    wg_run_sandbox_reap(&reaped);

    cr_expect(eq(int, stat(wg_run_sandbox_path(sandbox), &st), 0));
    cr_expect(eq(int, wg_run_sandbox_destroy(sandbox, NULL), 0));
}
