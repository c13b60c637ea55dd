/* SPDX-License-Identifier: MIT */
/*
 * fork_server.c - loads once, forks one child per test on request.
 *
 * One thread around poll(2): the control channel and a pidfd per running test. A child leads a
 * process group of its own and dies with this process (PR_SET_PDEATHSIG). When a test's leader has
 * ended, its survivors are looked for and killed before "exited" is sent, so that the next test
 * starts in a clean world. The server owns the children, so it alone can signal a group without the
 * danger of hitting a reused number: a leader is reaped only after its group is empty.
 */
#include "harness/suite/internal.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/suite/survivors.h"
#include "harness/wire/suite_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_FDS 2 /* event channel, output */

struct running {
    long long run;
    pid_t pid;
    int pidfd;
    ino_t event_channel;
};

struct server {
    int control_fd;
    struct wg_case_list cases;
    struct running *running;
    size_t running_count;
    struct pollfd *fds; /* the control channel, then a pidfd per running test */
    char *packet;
};

static int reply(struct server *server, json_t *message)
{
    return wg_packet_send(server->control_fd, message);
}

static void reply_list(struct server *server)
{
    for (size_t i = 0; i < server->cases.count; i++)
        reply(server, wg_case_describe(&server->cases.items[i], i));
    reply(server,
          json_pack("{s:s, s:I}", "op", "listed", "count", (json_int_t)server->cases.count));
}

/* The child's side of fork: nothing of the harness stays but the event channel. */
static _Noreturn void become_test(struct server *server, const struct wg_case *test_case,
                                  const json_t *request, const int fds[RUN_FDS], pid_t parent)
{
    const char *name;
    json_t *value;
    char run[32];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    close(server->control_fd);
    for (size_t i = 0; i < server->running_count; i++)
        close(server->running[i].pidfd);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    close(null_fd);
    /* What a crash leaves unwritten is lost for the report. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    json_object_foreach(json_object_get(request, "env"), name, value)
        setenv(name, json_string_value(value), 1);
    snprintf(run, sizeof run, "%lld", (long long)wg_json_int(request, "run", 0));
    setenv(WG_RUN_ID_ENV, run, 1);
    wg_child_begin(test_case, fds[0]);
    wg_child_run();
}

static void refuse(struct server *server, const char *what)
{
    reply(server, json_pack("{s:s, s:s}", "op", "error", "message", what));
    _exit(3);
}

static void start_test(struct server *server, const json_t *request, const int fds[RUN_FDS])
{
    long long run = wg_json_int(request, "run", -1);
    size_t id = (size_t)wg_json_int(request, "id", -1);
    if (id >= server->cases.count || fds[0] < 0 || fds[1] < 0)
        refuse(server, "a run request without a known test or without its two descriptors");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        refuse(server, "fork failed: too many processes, or no memory");
    if (pid == 0)
        become_test(server, &server->cases.items[id], request, fds, parent);
    setpgid(pid, pid); /* in both, so that it is true for whoever comes first */
    struct stat channel;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0 || fstat(fds[0], &channel) != 0)
        refuse(server, "pidfd_open failed: too many open files");
    server->running =
        wg_realloc(server->running, (server->running_count + 1) * sizeof *server->running);
    server->running[server->running_count++] = (struct running){run, pid, pidfd, channel.st_ino};
    reply(server, json_pack("{s:s, s:I, s:I}", "op", "started", "run", (json_int_t)run, "pid",
                            (json_int_t)pid));
}

static void kill_test(struct server *server, const json_t *request)
{
    long long run = wg_json_int(request, "run", -1);
    for (size_t i = 0; i < server->running_count; i++)
        if (server->running[i].run == run)
            kill(-server->running[i].pid, (int)wg_json_int(request, "signal", SIGKILL));
}

static void kill_survivors(const struct server *server, const struct running *test, json_t *found)
{
    pid_t *leaders = wg_calloc(server->running_count, sizeof *leaders);
    for (size_t i = 0; i < server->running_count; i++)
        leaders[i] = server->running[i].pid;
    struct wg_test_marks marks = {
        .group = test->pid,
        .run = test->run,
        .event_channel = test->event_channel,
        .leaders = leaders,
        .leader_count = server->running_count,
    };
    wg_survivors_kill(&marks, found);
    free(leaders);
}

static long long microseconds(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

/* The leader is a zombie now; its number stays taken until it is reaped at the end of this. */
static void end_test(struct server *server, size_t index)
{
    struct running ended = server->running[index];
    json_t *survivors = json_array();
    struct rusage usage = {0};
    int status = 0;
    kill_survivors(server, &ended, survivors);
    while (wait4(ended.pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    close(ended.pidfd);
    server->running[index] = server->running[--server->running_count];
    reply(server, json_pack("{s:s, s:I, s:i, s:I, s:I, s:I, s:o}", "op", "exited", "run",
                            (json_int_t)ended.run, "status", status, "user_us",
                            (json_int_t)microseconds(usage.ru_utime), "system_us",
                            (json_int_t)microseconds(usage.ru_stime), "max_rss_kib",
                            (json_int_t)usage.ru_maxrss, "survivors", survivors));
}

/* Receives one packet and its descriptors. 1 with a message, 0 at the end of the channel. */
static int receive(struct server *server, json_t **ret_message, int fds[RUN_FDS])
{
    union {
        char bytes[CMSG_SPACE(RUN_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = server->packet, .iov_len = WG_LIMIT_PACKET};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(server->control_fd, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    fds[0] = fds[1] = -1;
    if (n <= 0)
        return 0;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(RUN_FDS * sizeof(int)))
        memcpy(fds, CMSG_DATA(rights), RUN_FDS * sizeof(int));
    *ret_message = json_loadb(server->packet, (size_t)n, 0, NULL);
    if (!*ret_message)
        refuse(server, "a packet that is no JSON");
    return 1;
}

/* False when the server is to end. */
static bool take_request(struct server *server)
{
    json_t *message = NULL;
    int fds[RUN_FDS];
    if (!receive(server, &message, fds))
        return false;
    const char *op = wg_json_str(message, "op", "");
    bool go_on = strcmp(op, "quit") != 0;
    if (strcmp(op, "list") == 0)
        reply_list(server);
    else if (strcmp(op, "run") == 0)
        start_test(server, message, fds);
    else if (strcmp(op, "kill") == 0)
        kill_test(server, message);
    else if (go_on)
        refuse(server, "an unknown request");
    for (size_t i = 0; i < RUN_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    json_decref(message);
    return go_on;
}

static void kill_all(struct server *server)
{
    json_t *survivors = json_array();
    for (size_t i = 0; i < server->running_count; i++) {
        kill(-server->running[i].pid, SIGKILL);
        kill_survivors(server, &server->running[i], survivors);
        waitpid(server->running[i].pid, NULL, 0);
    }
    json_decref(survivors);
}

int wg_fork_server(int control_fd)
{
    struct server server = {.control_fd = control_fd, .packet = wg_malloc(WG_LIMIT_PACKET)};
    if (fcntl(control_fd, F_SETFD, FD_CLOEXEC) != 0)
        return 3;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    wg_suite_prepare();
    wg_cases_collect(&server.cases);
    reply(&server, json_pack("{s:s, s:i, s:I}", "op", "hello", "protocol", WG_SUITE_PROTOCOL, "pid",
                             (json_int_t)getpid()));
    for (bool go_on = true; go_on;) {
        server.fds = wg_realloc(server.fds, (server.running_count + 1) * sizeof *server.fds);
        server.fds[0] = (struct pollfd){.fd = control_fd, .events = POLLIN};
        for (size_t i = 0; i < server.running_count; i++)
            server.fds[i + 1] = (struct pollfd){.fd = server.running[i].pidfd, .events = POLLIN};
        if (poll(server.fds, server.running_count + 1, -1) < 0)
            continue;
        for (size_t i = server.running_count; i > 0; i--)
            if (server.fds[i].revents)
                end_test(&server, i - 1);
        if (server.fds[0].revents)
            go_on = take_request(&server);
    }
    kill_all(&server);
    free(server.running);
    free(server.fds);
    free(server.packet);
    free(server.cases.items);
    return 0;
}
