/* SPDX-License-Identifier: MIT */
#include "harness/run/suite_client.h"

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/sys/process.h"
#include "harness/wire/suite_protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHILD_CONTROL_FD 3

struct wg_suite_client {
    struct wg_process *process;
    int fd;
    char *packet; /* WG_LIMIT_PACKET bytes, for receiving */
};

static int send_packet(struct wg_suite_client *client, json_t *message, const int *fds,
                       size_t fd_count, struct wg_err *err)
{
    int rc = -1;
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_PACKET);
    wg_json_dump(message, &text);
    json_decref(message);
    struct iovec part = {.iov_base = text.data, .iov_len = text.size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    if (text.truncated) {
        wg_err_set(err, WG_ERR_LIMIT, "a message to the suite binary exceeds %u bytes",
                   WG_LIMIT_PACKET);
        goto out;
    }
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(client->fd, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        wg_err_errno(err, "send to the suite binary");
        goto out;
    }
    rc = 0;
out:
    wg_buf_finish(&text);
    return rc;
}

int wg_suite_client_receive(struct wg_suite_client *client, json_t **ret_message,
                            struct wg_err *err)
{
    ssize_t n;
    do
        n = recv(client->fd, client->packet, WG_LIMIT_PACKET, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0)
        return wg_err_errno(err, "receive from the suite binary");
    if (n == 0)
        return wg_err_set(err, WG_ERR_STATE, "the suite binary has ended unexpectedly");
    json_error_t error;
    json_t *message = json_loadb(client->packet, (size_t)n, 0, &error);
    if (!message)
        return wg_err_set(err, WG_ERR_FORMAT, "the suite binary sent no JSON: %s", error.text);
    const char *op = wg_json_str(message, "op", "");
    if (strcmp(op, "error") == 0) {
        wg_err_set(err, WG_ERR_STATE, "the suite binary says: %s",
                   wg_json_str(message, "message", "(no message)"));
        json_decref(message);
        return -1;
    }
    *ret_message = message;
    return 1;
}

/* Waits for one message. */
static int receive_within(struct wg_suite_client *client, struct wg_deadline deadline,
                          json_t **ret_message, struct wg_err *err)
{
    for (;;) {
        int got = wg_suite_client_receive(client, ret_message, err);
        if (got != 0)
            return got > 0 ? 0 : -1;
        if (wg_deadline_passed(deadline))
            return wg_err_set(err, WG_ERR_TIMEOUT, "the suite binary did not answer in time");
        struct pollfd wait = {.fd = client->fd, .events = POLLIN};
        if (poll(&wait, 1, wg_deadline_poll_ms(deadline)) < 0 && errno != EINTR)
            return wg_err_errno(err, "poll");
    }
}

static int expect_hello(struct wg_suite_client *client, int timeout_ms, struct wg_err *err)
{
    json_t *hello = NULL;
    if (receive_within(client, wg_deadline_in_ms(timeout_ms), &hello, err) != 0)
        return -1;
    int rc = 0;
    if (strcmp(wg_json_str(hello, "op", ""), "hello") != 0 ||
        wg_json_int(hello, "protocol", 0) != WG_SUITE_PROTOCOL)
        rc = wg_err_set(err, WG_ERR_FORMAT,
                        "the suite binary speaks another protocol version; "
                        "link it against this version of walgrind");
    json_decref(hello);
    return rc;
}

/* Ours without the mark of Criterion's workers: when a Criterion test starts a runner, the suite
 * binary must not take itself for that test's process. The dynamic linker is to resolve all symbols
 * at once: what it would do lazily, every test's process would do again. */
static void fill_environment(struct wg_strv *env)
{
    char number[16];
    for (char **at = environ; *at; at++)
        if (!wg_str_starts(*at, "BXFI_MAP="))
            wg_strv_push(env, *at);
    snprintf(number, sizeof number, "%d", CHILD_CONTROL_FD);
    wg_strv_setenv(env, WG_SUITE_FD_ENV, number);
    wg_strv_setenv(env, "LD_BIND_NOW", "1");
}

int wg_suite_client_start(char *const *argv, int stderr_fd, int timeout_ms,
                          struct wg_suite_client **ret_client, struct wg_err *err)
{
    int rc = -1;
    int pair[2] = {-1, -1};
    struct wg_strv env = {0};
    struct wg_suite_client *client = wg_calloc(1, sizeof *client);
    client->fd = -1;
    client->packet = wg_malloc(WG_LIMIT_PACKET);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        wg_err_errno(err, "socketpair");
        goto out;
    }
    client->fd = pair[0];
    fill_environment(&env);
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    struct wg_fd_map map = {.parent_fd = pair[1], .child_fd = CHILD_CONTROL_FD};
    options.argv = argv;
    options.envp = env.items;
    options.fds = &map;
    options.fd_count = 1;
    options.stdout_fd = options.stderr_fd = stderr_fd;
    /* When we are killed the end of the channel tells it, and it kills the tests with all that they
     * started; dying at once, it would leave those that they started. */
    options.outlive_parent = true;
    if (wg_process_start(&options, &client->process, err) != 0)
        goto out;
    close(pair[1]);
    pair[1] = -1;
    if (expect_hello(client, timeout_ms, err) != 0)
        goto out;
    *ret_client = client;
    client = NULL;
    rc = 0;
out:
    if (pair[1] >= 0)
        close(pair[1]);
    wg_strv_finish(&env);
    wg_suite_client_destroy(client);
    while (argv[1])
        argv++;
    return rc == 0 ? 0 : wg_err_wrap(err, "start suite binary %s", argv[0]);
}

void wg_suite_client_destroy(struct wg_suite_client *client)
{
    if (!client)
        return;
    /* End of file makes the fork server kill its tests and exit; then what is left is killed. */
    if (client->fd >= 0)
        close(client->fd);
    if (client->process) {
        int status;
        wg_process_wait(client->process, wg_deadline_in_ms(WG_DEFAULT_GRACE_MS), &status, NULL,
                        NULL);
        wg_process_destroy(client->process);
    }
    free(client->packet);
    free(client);
}

static void take_test(const json_t *message, struct wg_test *test, char **ret_suite)
{
    const char *suite = wg_json_str(message, "suite", "");
    *ret_suite = wg_strdup(suite);
    *test = (struct wg_test){
        .id = (long)wg_json_int(message, "id", -1),
        .full_name = wg_format("%s/%s", suite, wg_json_str(message, "name", "")),
        .file = wg_strdup(wg_json_str(message, "file", "")),
        .line = (long)wg_json_int(message, "line", 0),
        .description = wg_strdup(wg_json_str(message, "description", "")),
        .disabled = wg_json_bool(message, "disabled", false),
        .exclusive = wg_json_bool(message, "exclusive", false),
        .retries = -1,
        .timeout_ms = (int)wg_json_int(message, "timeout_ms", 0),
        .signal = (int)wg_json_int(message, "signal", 0),
        .exit_code = (int)wg_json_int(message, "exit_code", 0),
    };
}

int wg_suite_client_list(struct wg_suite_client *client, int timeout_ms, struct wg_plan *ret_plan,
                         struct wg_err *err)
{
    struct wg_test *tests = NULL;
    char **suites = NULL;
    size_t count = 0, room = 0;
    int rc = -1;
    struct wg_deadline deadline = wg_deadline_in_ms(timeout_ms);
    if (send_packet(client, json_pack("{s:s}", "op", "list"), NULL, 0, err) != 0)
        return -1;
    for (bool listed = false; !listed;) {
        json_t *message = NULL;
        if (receive_within(client, deadline, &message, err) != 0)
            goto out;
        listed = strcmp(wg_json_str(message, "op", ""), "listed") == 0;
        if (!listed) {
            if (count == room) {
                room = room ? 2 * room : 64;
                tests = wg_realloc(tests, room * sizeof *tests);
                suites = wg_realloc(suites, room * sizeof *suites);
            }
            take_test(message, &tests[count], &suites[count]);
            count++;
        }
        json_decref(message);
    }
    wg_plan_init(ret_plan, tests, suites, count);
    tests = NULL;
    rc = 0;
out:
    for (size_t i = 0; i < count; i++) {
        free(suites[i]);
        if (tests) {
            free(tests[i].full_name);
            free(tests[i].file);
            free(tests[i].description);
        }
    }
    free(suites);
    free(tests);
    return rc;
}

int wg_suite_client_fd(const struct wg_suite_client *client)
{
    return client->fd;
}

int wg_suite_client_run(struct wg_suite_client *client, long long run, long id,
                        const struct wg_strv *env, int event_fd, int output_fd, struct wg_err *err)
{
    json_t *variables = json_object();
    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->items[i], '=');
        char *name = wg_strndup(env->items[i], (size_t)(equals - env->items[i]));
        json_object_set_new(variables, name, wg_json_string_new(equals + 1, strlen(equals + 1)));
        free(name);
    }
    json_t *message = json_pack("{s:s, s:I, s:I, s:o}", "op", "run", "run", (json_int_t)run, "id",
                                (json_int_t)id, "env", variables);
    const int fds[2] = {event_fd, output_fd};
    return send_packet(client, message, fds, 2, err);
}

void wg_suite_client_kill(struct wg_suite_client *client, long long run, int signal_number)
{
    /* A binary that is gone has killed its tests by dying; the loop learns of it elsewhere. */
    send_packet(
        client,
        json_pack("{s:s, s:I, s:i}", "op", "kill", "run", (json_int_t)run, "signal", signal_number),
        NULL, 0, NULL);
}
