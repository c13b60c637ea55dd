/* SPDX-License-Identifier: MIT */
#include "suites/selftest/support.h"

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 20 /* between two looks at something that cannot be waited for */

extern char **environ;

char *place_path(const struct place *place, const char *name)
{
    return wg_format("%s/%s", place->root, name);
}

bool place_has(const struct place *place, const char *name)
{
    char *path = place_path(place, name);
    bool has = access(path, F_OK) == 0;
    free(path);
    return has;
}

void place_init(struct place *place)
{
    char root[] = "/tmp/walgrind-selftest-XXXXXX";
    *place = (struct place){0};
    cr_assert(mkdtemp(root) != NULL);
    place->root = wg_strdup(root);
    place->sandbox = place_path(place, "sandbox");
    place->work = place_path(place, "work");
    place->record = place_path(place, "record");
    char *cache = place_path(place, "cache");
    const char *const made[] = {place->sandbox, place->work, cache};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        cr_assert(eq(int, wg_tree_make(made[i], NULL), 0));
    wg_strv_extend(&place->env, environ);
    wg_strv_setenv(&place->env, "WALGRIND_SANDBOX", place->sandbox);
    wg_strv_setenv(&place->env, "XDG_CACHE_HOME", cache);
    char *uploads = place_path(place, "uploads");
    wg_strv_setenv(&place->env, "UPLOAD_DIR", uploads);
    free(uploads);
    free(cache);
}

static bool environment_names(const char *pid, const char *text)
{
    char block[1 << 16];
    char *path = wg_format("/proc/%s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    ssize_t n = fd < 0 ? 0 : read(fd, block, sizeof block);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(block, (size_t)n, text, strlen(text));
}

int place_processes(const struct place *place)
{
    int count = 0;
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        if (isdigit((unsigned char)entry->d_name[0]))
            count += environment_names(entry->d_name, place->root);
    if (directory)
        closedir(directory);
    return count;
}

int place_sandboxes(const struct place *place)
{
    int count = 0;
    DIR *directory = opendir(place->sandbox);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

void place_finish(struct place *place)
{
    cr_assert(eq(int, place_processes(place), 0), "processes are left; see %s", place->root);
    cr_assert(eq(int, place_sandboxes(place), 0), "sandboxes are left; see %s", place->root);
    wg_tree_remove(place->root, NULL);
    wg_strv_finish(&place->env);
    free(place->root);
    free(place->sandbox);
    free(place->work);
    free(place->record);
}

static int create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(ge(int, fd, 0));
    return fd;
}

void call_start_program(struct call *call, const struct place *place, const char *program,
                        const char *const *words)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv argv = {0};
    *call = (struct call){
        .out_path = place_path(place, "out"),
        .err_path = place_path(place, "err"),
        .begun_ns = wg_clock_now_ns(),
    };
    wg_strv_push(&argv, program);
    for (; *words; words++)
        wg_strv_push(&argv, *words);
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv.items;
    options.envp = place->env.items;
    options.directory = place->work;
    options.stdout_fd = create(call->out_path);
    options.stderr_fd = create(call->err_path);
    cr_assert(eq(int, wg_process_start(&options, &call->process, &err), 0), "%s", err.message);
    close(options.stdout_fd);
    close(options.stderr_fd);
    wg_strv_finish(&argv);
}

void call_start(struct call *call, const struct place *place, const char *const *words)
{
    const char *program = getenv("WALGRIND_PROGRAM");
    cr_assert(program != NULL, "WALGRIND_PROGRAM is not set; start this with meson test");
    call_start_program(call, place, program, words);
}

static char *read_text(const char *path)
{
    size_t size = 0;
    char *text = NULL;
    FILE *file = fopen(path, "re");
    cr_assert(file != NULL);
    ssize_t n = getdelim(&text, &size, '\0', file);
    fclose(file);
    if (n >= 0)
        return text;
    free(text);
    return wg_strdup("");
}

void call_wait(struct call *call, int timeout_ms)
{
    int status = 0;
    int ended = wg_process_wait(call->process, wg_deadline_in_ms(timeout_ms), &status, NULL, NULL);
    call->ms = (wg_clock_now_ns() - call->begun_ns) / WG_NS_PER_MS;
    call->out = read_text(call->out_path);
    call->err = read_text(call->err_path);
    cr_assert(eq(int, ended, 1), "it still ran after %d ms; stdout:\n%s\nstderr:\n%s", timeout_ms,
              call->out, call->err);
    call->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void call_signal(const struct call *call, int number)
{
    kill(wg_process_pid(call->process), number);
}

void call_finish(struct call *call)
{
    wg_process_destroy(call->process);
    free(call->out_path);
    free(call->err_path);
    free(call->out);
    free(call->err);
    *call = (struct call){0};
}

void call_run(struct call *call, const struct place *place, const char *const *words)
{
    call_start(call, place, words);
    call_wait(call, CALL_TIMEOUT_MS);
}

json_t *events_read(const char *run_directory)
{
    char *path = wg_format("%s/events.jsonl", run_directory);
    json_t *events = json_array();
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) > 0) {
        json_t *event = json_loads(line, 0, NULL);
        if (event)
            json_array_append_new(events, event);
    }
    if (file)
        fclose(file);
    free(line);
    free(path);
    return events;
}

static bool value_matches(const json_t *value, const json_t *pattern)
{
    const char *wanted = json_string_value(pattern);
    if (!wanted)
        return value && json_equal(value, pattern);
    if (wanted[0] == '>')
        return json_is_number(value) && json_number_value(value) > strtod(wanted + 1, NULL);
    const char *text = json_string_value(value);
    if (!text)
        return false;
    if (strcmp(wanted, "*") == 0)
        return text[0] != '\0';
    return wanted[0] == '~' ? strstr(text, wanted + 1) != NULL : strcmp(text, wanted) == 0;
}

static bool event_matches(const json_t *event, json_t *pattern)
{
    const char *key;
    json_t *wanted;
    json_object_foreach(
        pattern, key, wanted) if (!value_matches(json_object_get(event, key), wanted)) return false;
    return true;
}

int events_count(const json_t *events, const char *name, const char *pattern)
{
    int count = 0;
    json_t *wanted = json_loads(pattern ? pattern : "{}", 0, NULL);
    cr_assert(wanted != NULL, "not JSON: %s", pattern);
    size_t index;
    json_t *event;
    json_array_foreach(events, index, event) count +=
        strcmp(json_string_value(json_object_get(event, "event")), name) == 0 &&
        event_matches(event, wanted);
    json_decref(wanted);
    return count;
}

void events_await(const char *run_directory, const char *name, int count, int timeout_ms)
{
    struct wg_deadline deadline = wg_deadline_in_ms(timeout_ms);
    int seen;
    do {
        json_t *events = events_read(run_directory);
        seen = events_count(events, name, NULL);
        json_decref(events);
        if (seen < count)
            poll(NULL, 0, STEP_MS);
    } while (seen < count && !wg_deadline_passed(deadline));
    cr_assert(ge(int, seen, count), "%d events %s, not %d", seen, name, count);
}
