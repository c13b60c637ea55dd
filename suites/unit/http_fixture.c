/* SPDX-License-Identifier: MIT */
/*
 * The globals here are the price of taking the place of the harness: wg_suite_emit is what the
 * client calls with events, and the functions of Criterion are what a failed assertion calls.
 * They belong to one test, since every test is a process.
 */
#include "suites/unit/http_fixture.h"

#include "fixtures/server/server.h"
#include "harness/base/str.h"
#include "harness/suite/suite.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    json_t *events;
    struct wg_server *server;
    int report_fd; /* -1: assertions go to Criterion */
} fixture = {.report_fd = -1};

void wg_suite_emit(json_t *event)
{
    if (!fixture.events)
        fixture.events = json_array();
    json_array_append_new(fixture.events, event);
}

void wg_suite_on_load(void (*prepare)(void))
{
    prepare();
}

/* Takes the place of Criterion's function, as the suite library does. */
CR_API void cri_assert_node_send(const char *file, size_t line, struct cri_assert_node *tree)
{
    if (fixture.report_fd >= 0) {
        const char *base = strrchr(file, '/');
        dprintf(fixture.report_fd, "%s:%zu\n%s", base ? base + 1 : file, line,
                tree->message ? tree->message : "");
        _exit(0);
    }
    void (*send)(const char *, size_t, struct cri_assert_node *);
    *(void **)&send = dlsym(RTLD_NEXT, "cri_assert_node_send");
    send(file, line, tree);
}

struct wg_http *fixture_start(void)
{
    struct wg_err err = WG_ERR_INIT;
    char *argv[] = {getenv("WALGRIND_STUB"), "--port", "{port}", NULL};
    struct wg_server_options options = {.argv = argv, .ready_path = "/health"};
    cr_assert(eq(int, wg_server_start(&options, &fixture.server, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_server_wait_ready(fixture.server, &err), 0), "%s", err.message);
    setenv("WALGRIND_TEST", "http/unit", 1);
    unsetenv("WALGRIND_HTTP_TIMEOUT_MS");
    return wg_http_create(wg_server_url(fixture.server));
}

void fixture_finish(struct wg_http *http)
{
    wg_http_destroy(http);
    wg_server_destroy(fixture.server);
    fixture.server = NULL;
    json_decref(fixture.events);
    fixture.events = NULL;
}

json_t *fixture_events(void)
{
    return fixture.events;
}

json_t *fixture_last_event(void)
{
    return json_array_get(fixture.events, json_array_size(fixture.events) - 1);
}

char *fixture_failure_of(void (*body)(struct wg_http *http), struct wg_http *http)
{
    int fds[2];
    cr_assert(eq(int, pipe2(fds, O_CLOEXEC), 0));
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        fixture.report_fd = fds[1];
        body(http);
        _exit(0);
    }
    close(fds[1]);
    struct wg_buf text;
    wg_buf_init(&text, 64 << 10);
    char chunk[1024];
    ssize_t n;
    while ((n = read(fds[0], chunk, sizeof chunk)) > 0)
        wg_buf_append(&text, chunk, (size_t)n);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return wg_buf_steal(&text);
}
