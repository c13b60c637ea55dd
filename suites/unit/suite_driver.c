/* SPDX-License-Identifier: MIT */
#include "suites/unit/suite_driver.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/wire/suite_protocol.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FD   3
#define OUTPUT_MAX (4u << 20)

static json_t *receive_packet(int fd)
{
    char *packet = wg_malloc(WG_LIMIT_PACKET);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    cr_assert(poll(&wait, 1, DRIVER_TIMEOUT_MS) == 1, "no packet in time");
    ssize_t n = recv(fd, packet, WG_LIMIT_PACKET, 0);
    json_t *message = n > 0 ? json_loadb(packet, (size_t)n, 0, NULL) : NULL;
    cr_assert(n <= 0 || message != NULL, "a packet of %zd bytes that is no JSON", n);
    free(packet);
    return message;
}

json_t *driver_receive(struct suite_driver *driver)
{
    return receive_packet(driver->fd);
}

/* WALGRIND_SUITE_SAMPLE names the sample of another build: one with ThreadSanitizer, under which
 * Criterion's own runner, and so this test, cannot run. Without what tells a program that it is one
 * of Criterion's workers. */
static void start_process(struct suite_driver *driver, int child_end)
{
    struct wg_strv env = {0};
    struct wg_err err = WG_ERR_INIT;
    char number[16], *other = getenv("WALGRIND_SUITE_SAMPLE");
    char *argv[] = {other ? other : WG_TEST_SUITE_SAMPLE, NULL};
    struct wg_fd_map map = {.parent_fd = child_end, .child_fd = CHILD_FD};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    for (char **at = environ; *at; at++)
        if (!wg_str_starts(*at, "BXFI_MAP="))
            wg_strv_push(&env, *at);
    snprintf(number, sizeof number, "%d", CHILD_FD);
    wg_strv_setenv(&env, WG_SUITE_FD_ENV, number);
    options.argv = argv;
    options.envp = env.items;
    options.fds = &map;
    options.fd_count = 1;
    options.stderr_fd = STDERR_FILENO;
    cr_assert(wg_process_start(&options, &driver->process, &err) == 0, "%s", err.message);
    wg_strv_finish(&env);
}

void driver_start(struct suite_driver *driver)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    *driver = (struct suite_driver){.fd = pair[0], .tests = json_array(), .exited = json_array()};
    start_process(driver, pair[1]);
    close(pair[1]);
    driver->hello = driver_receive(driver);
    driver_send(driver, json_pack("{s:s}", "op", "list"));
    for (;;) {
        json_t *message = driver_receive(driver);
        if (strcmp(wg_json_str(message, "op", ""), "test") != 0) {
            cr_assert(eq(str, (char *)wg_json_str(message, "op", ""), "listed"));
            cr_assert(
                eq(sz, (size_t)wg_json_int(message, "count", 0), json_array_size(driver->tests)));
            json_decref(message);
            return;
        }
        json_array_append_new(driver->tests, message);
    }
}

void driver_finish(struct suite_driver *driver)
{
    if (driver->fd >= 0)
        close(driver->fd);
    driver->fd = -1;
    driver_wait(driver);
    wg_process_destroy(driver->process);
    json_decref(driver->hello);
    json_decref(driver->tests);
    json_decref(driver->exited);
}

static void send_with(struct suite_driver *driver, json_t *message, const int *fds, size_t count)
{
    struct wg_buf text;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    wg_buf_init(&text, WG_LIMIT_PACKET);
    wg_json_dump(message, &text);
    json_decref(message);
    struct iovec part = {.iov_base = text.data, .iov_len = text.size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    }
    cr_assert(sendmsg(driver->fd, &header, MSG_NOSIGNAL) >= 0, "send: %s", strerror(errno));
    wg_buf_finish(&text);
}

void driver_send(struct suite_driver *driver, json_t *message)
{
    send_with(driver, message, NULL, 0);
}

int driver_wait(struct suite_driver *driver)
{
    int status = -1;
    int ended =
        wg_process_wait(driver->process, wg_deadline_in_ms(DRIVER_TIMEOUT_MS), &status, NULL, NULL);
    cr_assert(eq(int, ended, 1), "the fork server does not end");
    return status;
}

const json_t *driver_test(const struct suite_driver *driver, const char *name)
{
    size_t index;
    json_t *test;
    json_array_foreach(driver->tests, index, test)
    {
        char *full =
            wg_format("%s/%s", wg_json_str(test, "suite", ""), wg_json_str(test, "name", ""));
        bool same = strcmp(full, name) == 0;
        free(full);
        if (same)
            return test;
    }
    cr_fatal("no test %s", name);
    return NULL;
}

/* The message with this "op" and run; "exited" messages of others are put by. */
static json_t *receive_op(struct suite_driver *driver, const char *op, long long run)
{
    for (size_t i = 0; strcmp(op, "exited") == 0 && i < json_array_size(driver->exited); i++) {
        json_t *message = json_array_get(driver->exited, i);
        if (wg_json_int(message, "run", -1) == run) {
            json_incref(message);
            json_array_remove(driver->exited, i);
            return message;
        }
    }
    for (;;) {
        json_t *message = driver_receive(driver);
        cr_assert(message != NULL, "the channel ended before %s", op);
        const char *got = wg_json_str(message, "op", "");
        if (strcmp(got, op) == 0 && wg_json_int(message, "run", -1) == run)
            return message;
        cr_assert(strcmp(got, "exited") == 0, "%s instead of %s: %s", got, op,
                  wg_json_str(message, "message", ""));
        json_array_append_new(driver->exited, message);
    }
}

void driver_run(struct suite_driver *driver, const char *name, struct suite_run *ret_run)
{
    int pair[2];
    json_int_t id = wg_json_int(driver_test(driver, name), "id", -1);
    *ret_run = (struct suite_run){.run = ++driver->last_run, .events = json_array()};
    cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ret_run->event_fd = pair[0];
    ret_run->output_fd = memfd_create("output", MFD_CLOEXEC);
    cr_assert(ret_run->output_fd >= 0);
    send_with(driver,
              json_pack("{s:s, s:I, s:I, s:{s:s}}", "op", "run", "run", (json_int_t)ret_run->run,
                        "id", id, "env", "SAMPLE_VARIABLE", "from the runner"),
              (const int[]){pair[1], ret_run->output_fd}, 2);
    close(pair[1]);
    json_t *started = receive_op(driver, "started", ret_run->run);
    ret_run->pid = (pid_t)wg_json_int(started, "pid", -1);
    json_decref(started);
}

json_t *run_next_event(const struct suite_run *run)
{
    return receive_packet(run->event_fd);
}

void driver_collect(struct suite_driver *driver, struct suite_run *run)
{
    run->exited = receive_op(driver, "exited", run->run);
    for (json_t *event; (event = run_next_event(run));)
        json_array_append_new(run->events, event);
    run->output = wg_calloc(1, OUTPUT_MAX);
    cr_assert(pread(run->output_fd, run->output, OUTPUT_MAX - 1, 0) >= 0);
}

void driver_signal(struct suite_driver *driver, const struct suite_run *run, int signal_number)
{
    driver_send(driver, json_pack("{s:s, s:I, s:i}", "op", "kill", "run", (json_int_t)run->run,
                                  "signal", signal_number));
}

void run_finish(struct suite_run *run)
{
    close(run->event_fd);
    close(run->output_fd);
    json_decref(run->exited);
    json_decref(run->events);
    free(run->output);
}

int run_status(const struct suite_run *run)
{
    return (int)wg_json_int(run->exited, "status", -1);
}

size_t run_survivors(const struct suite_run *run)
{
    return json_array_size(json_object_get(run->exited, "survivors"));
}

bool run_left(const struct suite_run *run, const char *name)
{
    size_t index;
    json_t *survivor;
    json_array_foreach(json_object_get(run->exited, "survivors"), index, survivor)
    {
        if (strstr(json_string_value(survivor), name))
            return true;
    }
    return false;
}

const json_t *run_event(const struct suite_run *run, const char *kind, size_t index)
{
    size_t at;
    json_t *event;
    json_array_foreach(run->events, at, event)
    {
        if (strcmp(wg_json_str(event, "event", ""), kind) == 0 && index-- == 0)
            return event;
    }
    return NULL;
}

const char *run_text(const struct suite_run *run, const char *kind, size_t index)
{
    return wg_json_str(run_event(run, kind, index), "message", "");
}

bool process_ends(pid_t pid, int timeout_ms)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return errno == ESRCH;
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    bool ended = poll(&wait, 1, timeout_ms) == 1;
    close(pidfd);
    return ended;
}
