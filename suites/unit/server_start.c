/* SPDX-License-Identifier: MIT */
/* What server.h promises, against server_stub, whose path is in WALGRIND_STUB. */
#include "fixtures/server/listener.h"
#include "fixtures/server/server.h"
#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/sys/port.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(server_start, .timeout = 30);

/* A directory of the test, with an odd name on purpose, and the log in it. */
struct place {
    char root[PATH_MAX / 4];
    char data[PATH_MAX / 2];
    char log[PATH_MAX / 2];
};

static struct place place_create(void)
{
    struct place place;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(
        eq(int, wg_sandbox_create("/tmp", "unit-server", place.root, sizeof place.root, &err), 0),
        "%s", err.message);
    snprintf(place.data, sizeof place.data, "%s/data it's \"here\" \xc3\xa4", place.root);
    snprintf(place.log, sizeof place.log, "%s/server log", place.root);
    cr_assert(eq(int, wg_tree_make(place.data, &err), 0), "%s", err.message);
    return place;
}

static char *read_log(const struct place *place)
{
    char *text = wg_calloc(1, 8192);
    int fd = open(place->log, O_RDONLY | O_CLOEXEC);
    cr_assert(ge(int, fd, 0), "%s: %s", place->log, strerror(errno));
    cr_assert(ge(long, read(fd, text, 8191), 0));
    close(fd);
    return text;
}

/* Starts the stub in a mode; `extra` is one more argument to echo, or NULL. */
static struct wg_server *start_stub(const struct place *place, const char *mode, const char *extra,
                                    int ready_timeout_ms)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_server *server = NULL;
    char *stub = getenv("WALGRIND_STUB");
    cr_assert(not(eq(ptr, stub, NULL)), "WALGRIND_STUB is not set");
    char *argv[] = {
        stub, "--port", "{port}", "--mode", (char *)mode, "--echo", (char *)(extra ? extra : "-"),
        NULL};
    struct wg_server_options options = {.argv = argv,
                                        .data_dir = place->data,
                                        .ready_path = "/health",
                                        .ready_timeout_ms = ready_timeout_ms,
                                        .log_path = place->log};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), 0), "%s", err.message);
    return server;
}

static void finish(struct wg_server *server, const struct place *place)
{
    wg_server_destroy(server);
    cr_assert(eq(int, wg_tree_remove(place->root, NULL), 0));
}

/* A socket that listens on the port, or on a free one for 0. */
static int listen_on(int *port)
{
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)*port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    cr_assert(eq(int, bind(fd, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, listen(fd, 8), 0));
    cr_assert(eq(int, getsockname(fd, (struct sockaddr *)&address, &size), 0));
    *port = ntohs(address.sin_port);
    return fd;
}

Test(server_start, a_server_becomes_ready_and_stops)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "serve", NULL, 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_server_poll_ready(server, &err), 1));
    char *url = wg_format("http://127.0.0.1:%d", wg_server_port(server));
    cr_assert(eq(str, (char *)wg_server_url(server), url));
    cr_assert(eq(int, (int)wg_listener_of(wg_server_port(server), wg_server_pid(server)),
                 (int)WG_LISTENER_OURS));
    int status = -1;
    bool killed = true;
    cr_assert(eq(int, wg_server_stop(server, 10000, &status, &killed, &err), 0));
    cr_assert(eq(int, status, 0));
    cr_assert(not(killed));
    cr_assert(eq(int, wg_server_pidfd(server), -1));
    free(url);
    finish(server, &place);
}

Test(server_start, the_first_question_does_not_block)
{
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "silent", NULL, 10000);
    int64_t begun_ns = wg_clock_now_ns();
    cr_assert(eq(int, wg_server_poll_ready(server, NULL), 0));
    cr_assert(lt(i64, wg_clock_now_ns() - begun_ns, 500 * WG_NS_PER_MS));
    struct pollfd fds[WG_SERVER_POLL_FDS];
    int timeout_ms = -1;
    cr_assert(ge(int, wg_server_poll_fds(server, fds, WG_SERVER_POLL_FDS, &timeout_ms), 1));
    cr_assert(eq(int, fds[0].fd, wg_server_pidfd(server)));
    cr_assert(ge(int, timeout_ms, 0));
    finish(server, &place);
}

Test(server_start, a_server_that_dies_at_start_is_an_error_with_status_and_log)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "die", NULL, 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_STATE));
    cr_assert(not(eq(ptr, strstr(err.message, "exit 3"), NULL)), "%s", err.message);
    cr_assert(not(eq(ptr, strstr(err.message, "first line | fatal: no such table: users"), NULL)),
              "%s", err.message);
    finish(server, &place);
}

Test(server_start, the_log_of_an_earlier_server_is_kept_but_not_quoted)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    int fd = open(place.log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(eq(long, write(fd, "earlier\n", 8), 8));
    close(fd);
    struct wg_server *server = start_stub(&place, "die", NULL, 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), -1));
    cr_assert(eq(ptr, strstr(err.message, "earlier"), NULL), "%s", err.message);
    char *log = read_log(&place);
    cr_assert(wg_str_starts(log, "earlier\n-\nfirst line\n"), "%s", log);
    free(log);
    finish(server, &place);
}

Test(server_start, a_server_that_never_listens_is_a_timeout)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "silent", "I am busy", 100);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_TIMEOUT));
    cr_assert(not(eq(ptr, strstr(err.message, "I am busy"), NULL)), "%s", err.message);
    cr_assert(not(eq(ptr, strstr(err.message, "last answer: none"), NULL)), "%s", err.message);
    finish(server, &place);
}

Test(server_start, a_server_that_only_answers_5xx_is_not_ready)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "broken", NULL, 300);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), -1));
    cr_assert(not(eq(ptr, strstr(err.message, "last answer: status 503"), NULL)), "%s",
              err.message);
    finish(server, &place);
}

Test(server_start, a_server_that_ignores_sigterm_is_killed_after_the_grace)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "stubborn", NULL, 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), 0), "%s", err.message);
    int status = 0;
    bool killed = false;
    cr_assert(eq(int, wg_server_stop(server, 50, &status, &killed, &err), 0));
    cr_assert(killed);
    cr_assert(eq(int, WTERMSIG(status), SIGKILL));
    finish(server, &place);
}

Test(server_start, terminate_does_not_wait_and_the_pidfd_tells_the_end)
{
    struct place place = place_create();
    struct wg_server *server = start_stub(&place, "serve", NULL, 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, NULL), 0));
    wg_server_terminate(server);
    struct pollfd pollfd = {.fd = wg_server_pidfd(server), .events = POLLIN};
    cr_assert(eq(int, poll(&pollfd, 1, 10000), 1));
    finish(server, &place);
}

Test(server_start, placeholders_are_replaced_and_odd_paths_survive)
{
    struct place place = place_create();
    char *db = wg_format("%s/db", place.data);
    cr_assert(eq(int, wg_tree_make(db, NULL), 0));
    struct wg_server *server =
        start_stub(&place, "serve", "{url}|{data}|{db:metadata}|{other}|{", 10000);
    cr_assert(eq(int, wg_server_wait_ready(server, NULL), 0));
    char *log = read_log(&place);
    char *want = wg_format("http://127.0.0.1:%d|%s|%s/db/metadata.db|{other}|{\n",
                           wg_server_port(server), place.data, place.data);
    cr_assert(eq(str, log, want));
    free(log);
    free(want);
    free(db);
    finish(server, &place);
}

Test(server_start, the_environment_is_added_to_ours_with_placeholders)
{
    struct place place = place_create();
    struct wg_server *server = NULL;
    char *argv[] = {"/bin/sh", "-c", "echo \"$PLACE:$PORT:${PATH:+path}\"; exit 1", NULL};
    char *env[] = {"PLACE={data}", "PORT={port}", NULL};
    struct wg_server_options options = {
        .argv = argv, .env = env, .data_dir = place.data, .log_path = place.log};
    cr_assert(eq(int, wg_server_start(&options, &server, NULL), 0));
    cr_assert(eq(int, wg_server_wait_ready(server, NULL), -1));
    char *log = read_log(&place);
    char *want = wg_format("%s:%d:path\n", place.data, wg_server_port(server));
    cr_assert(eq(str, log, want));
    free(log);
    free(want);
    finish(server, &place);
}

Test(server_start, data_without_a_data_directory_is_a_usage_error)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_server *server = NULL;
    char *argv[] = {"true", "{data}", NULL};
    struct wg_server_options options = {.argv = argv};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_USAGE));
}

Test(server_start, a_command_that_does_not_exist_is_an_error_at_once)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_server *server = NULL;
    char *argv[] = {"/nonexistent/server", NULL};
    struct wg_server_options options = {.argv = argv};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), -1));
    cr_assert(eq(int, err.sys_errno, ENOENT));
}

Test(server_start, a_connection_is_enough_without_a_path)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_server *server = NULL;
    char *argv[] = {getenv("WALGRIND_STUB"), "--port", "{port}", "--mode", "broken", NULL};
    struct wg_server_options options = {.argv = argv, .ready_timeout_ms = 10000};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), 0), "%s", err.message);
    wg_server_destroy(server);
}

/*
 * The race for a port: the server's command waits for a go, and meanwhile the test takes the port.
 * A stranger that accepts connections must not be taken for the server, and the server must come up
 * on another port.
 */
Test(server_start, a_stolen_port_is_replaced_by_another)
{
    struct wg_err err = WG_ERR_INIT;
    struct place place = place_create();
    struct wg_server *server = NULL;
    char *go = wg_format("%s/go", place.root);
    cr_assert(eq(int, mkfifo(go, 0600), 0));
    char *script = wg_format("read x <'%s'; exec \"$STUB\" --port {port}", go);
    char *stub = wg_format("STUB=%s", getenv("WALGRIND_STUB"));
    char *argv[] = {"/bin/sh", "-c", script, NULL};
    char *env[] = {stub, NULL};
    struct wg_server_options options = {
        .argv = argv, .env = env, .ready_timeout_ms = 20000, .log_path = place.log};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), 0), "%s", err.message);
    int stolen = wg_server_port(server);
    int thief = listen_on(&stolen);
    for (int i = 0; i < 5; i++) {
        struct pollfd fds[WG_SERVER_POLL_FDS];
        int timeout_ms;
        cr_assert(eq(int, wg_server_poll_ready(server, &err), 0), "a stranger's answer counted");
        int count = wg_server_poll_fds(server, fds, WG_SERVER_POLL_FDS, &timeout_ms);
        poll(fds, (nfds_t)count, timeout_ms);
    }
    int fd = open(go, O_RDWR | O_CLOEXEC); /* both ends, so that every start may read its line */
    cr_assert(eq(long, write(fd, "go\ngo\ngo\ngo\n", 12), 12));
    cr_assert(eq(int, wg_server_wait_ready(server, &err), 0), "%s", err.message);
    cr_assert(ne(int, wg_server_port(server), stolen));
    close(thief);
    close(fd);
    free(go);
    free(script);
    free(stub);
    finish(server, &place);
}

Test(server_start, listeners_are_told_apart)
{
    int port = 0, left[2];
    int fd = listen_on(&port);
    cr_assert(eq(int, pipe2(left, O_CLOEXEC), 0));
    cr_expect(eq(int, (int)wg_listener_of(port, getpgrp()), (int)WG_LISTENER_OURS));
    pid_t other = fork(); /* a group that has nothing to do with the socket */
    if (other == 0) {
        close(fd);
        setpgid(0, 0);
        close(left[0]);
        close(left[1]);
        pause();
        _exit(0);
    }
    close(left[1]);
    cr_assert(eq(int, (int)read(left[0], &(char){0}, 1), 0), "the child has left the socket");
    close(left[0]);
    cr_expect(eq(int, (int)wg_listener_of(port, other), (int)WG_LISTENER_FOREIGN));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    /* A connection that was accepted outlives the listener and is none. */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, connect(client, (struct sockaddr *)&address, sizeof address), 0));
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(ge(int, accepted, 0));
    close(fd);
    cr_expect(eq(int, (int)wg_listener_of(port, getpgrp()), (int)WG_LISTENER_NONE));
    close(accepted);
    close(client);
}

/* The kernel without its module for TCP, while this is set: it is asked for another protocol. */
static bool without_diag;

/* By another name, since what the header says of the real one is not for this. */
ssize_t diverting_send(int fd, const void *bytes, size_t size, int flags) __asm__("send");

ssize_t diverting_send(int fd, const void *bytes, size_t size, int flags)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } question;
    if (without_diag && size == sizeof question) {
        memcpy(&question, bytes, size);
        question.body.sdiag_protocol = IPPROTO_RAW;
        bytes = &question;
    }
    return syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
}

Test(server_start, listeners_are_found_where_the_kernel_cannot_be_asked)
{
    int port = 0;
    int fd = listen_on(&port);
    without_diag = true;
    cr_expect(eq(int, (int)wg_listener_of(port, getpgrp()), (int)WG_LISTENER_OURS));
    close(fd);
    cr_expect(eq(int, (int)wg_listener_of(port, getpgrp()), (int)WG_LISTENER_NONE));
    without_diag = false;
}

Test(server_start, database_paths_follow_the_shapes_of_a_data_directory)
{
    struct place place = place_create();
    char *flat = wg_format("%s/flat.db", place.data);
    char *deep = wg_format("%s/db/deep.db", place.data);
    char *directory = wg_format("%s/db", place.data);
    char *before = wg_server_db_path(place.data, "later");
    char *want_before = wg_format("%s/later.db", place.data);
    cr_expect(eq(str, before, want_before)); /* there is no directory db yet */
    cr_assert(eq(int, wg_tree_make(directory, NULL), 0));
    close(open(flat, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    close(open(deep, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const struct {
        const char *name, *path;
    } rows[] = {
        {"flat", "flat.db"},       {"flat.db", "flat.db"},    {"deep", "db/deep.db"},
        {"deep.db", "db/deep.db"}, {"db/deep", "db/deep.db"}, {"later", "db/later.db"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = wg_server_db_path(place.data, rows[i].name);
        char *want = wg_format("%s/%s", place.data, rows[i].path);
        cr_expect(eq(str, path, want), "%s", rows[i].name);
        free(path);
        free(want);
    }
    char *all[] = {flat, deep, directory, before, want_before};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    cr_assert(eq(int, wg_tree_remove(place.root, NULL), 0));
}
