/* SPDX-License-Identifier: MIT */
/*
 * fork_server.c - loads once, forks one child per test on request.
 *
 * One thread around poll(2): the control channel and a pidfd per running test. A child leads a
 * process group of its own, keeps its orphans below itself (PR_SET_CHILD_SUBREAPER) and dies with
 * this process (PR_SET_PDEATHSIG). When a test's leader has
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

struct server {
    int control_fd;
    struct wg_case_list cases;
    /* Of the running tests, in the same order: what they are known by, and what is waited for:
     * the control channel, then a pidfd each. */
    struct wg_test_marks *running;
    struct pollfd *fds;
    size_t running_count;
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
    sigset_t no_signals;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setpgid(0, 0);
    sigemptyset(&no_signals);
    sigprocmask(SIG_SETMASK, &no_signals, NULL);
    for (size_t i = 0; i <= server->running_count; i++)
        close(server->fds[i].fd);
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
    fflush(NULL); /* or the child would write what is buffered here, too */
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
    size_t index = server->running_count++;
    server->running = wg_realloc(server->running, server->running_count * sizeof *server->running);
    server->running[index] = (struct wg_test_marks){pid, run, channel.st_ino};
    server->fds = wg_realloc(server->fds, (server->running_count + 1) * sizeof *server->fds);
    server->fds[index + 1] = (struct pollfd){.fd = pidfd, .events = POLLIN};
    reply(server, json_pack("{s:s, s:I, s:I}", "op", "started", "run", (json_int_t)run, "pid",
                            (json_int_t)pid));
}

static void signal_test(pid_t leader, int signal_number)
{
    if (kill(-leader, signal_number) != 0)
        kill(leader, signal_number); /* it went to another group */
}

static void kill_test(struct server *server, const json_t *request)
{
    long long run = wg_json_int(request, "run", -1);
    for (size_t i = 0; i < server->running_count; i++)
        if (server->running[i].run == run)
            signal_test(server->running[i].group, (int)wg_json_int(request, "signal", SIGKILL));
}

static long long microseconds(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

/* The leader is a zombie now; its number stays taken until it is reaped at the end of this. */
static void end_test(struct server *server, size_t index)
{
    struct wg_test_marks ended = server->running[index];
    json_t *survivors = json_array();
    struct rusage usage = {0};
    int status = 0;
    wg_survivors_kill(server->running, server->running_count, index, survivors);
    while (wait4(ended.group, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    close(server->fds[index + 1].fd);
    server->fds[index + 1] = server->fds[server->running_count];
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

/* The leaders first, and reaped: only then have their orphans come to this process. */
static void kill_all(struct server *server)
{
    json_t *survivors = json_array();
    for (size_t i = 0; i < server->running_count; i++)
        signal_test(server->running[i].group, SIGKILL);
    for (size_t i = 0; i < server->running_count; i++)
        while (waitpid(server->running[i].group, NULL, 0) < 0 && errno == EINTR)
            ;
    wg_survivors_kill(NULL, 0, 0, survivors);
    json_decref(survivors);
}

int wg_fork_server(int control_fd)
{
    struct server server = {.control_fd = control_fd, .packet = wg_malloc(WG_LIMIT_PACKET)};
    if (fcntl(control_fd, F_SETFD, FD_CLOEXEC) != 0)
        return 3;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    server.fds = wg_malloc(sizeof *server.fds);
    server.fds[0] = (struct pollfd){.fd = control_fd, .events = POLLIN};
    wg_suite_prepare();
    const char *too_many = wg_cases_collect(&server.cases);
    if (too_many)
        refuse(&server, too_many);
    reply(&server, json_pack("{s:s, s:i, s:I}", "op", "hello", "protocol", WG_SUITE_PROTOCOL, "pid",
                             (json_int_t)getpid()));
    for (bool go_on = true; go_on;) {
        if (poll(server.fds, server.running_count + 1, -1) < 0)
            continue;
        bool asked = server.fds[0].revents != 0;
        for (size_t i = server.running_count; i > 0; i--)
            if (server.fds[i].revents)
                end_test(&server, i - 1);
        if (asked)
            go_on = take_request(&server);
    }
    kill_all(&server);
    free(server.running);
    free(server.fds);
    free(server.packet);
    free(server.cases.items);
    return 0;
}
