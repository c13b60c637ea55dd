/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_child.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FINDING_PREFIX "finding:"
#define END_MS         5000 /* from SIGKILL for everything to the end of the guard */

int bisect_match_init(struct bisect_match *match, const char *finding, const char *regex,
                      struct wg_err *err)
{
    *match = (struct bisect_match){0};
    if (finding) {
        if (!wg_str_starts(finding, FINDING_PREFIX) || !finding[strlen(FINDING_PREFIX)])
            return wg_err_set(err, WG_ERR_USAGE, "--match takes " FINDING_PREFIX "ID, not '%s'",
                              finding);
        match->word = finding + strlen(FINDING_PREFIX);
    }
    if (regex) {
        int code = regcomp(&match->regex, regex, REG_EXTENDED | REG_NOSUB);
        if (code != 0) {
            char why[128];
            regerror(code, &match->regex, why, sizeof why);
            return wg_err_set(err, WG_ERR_USAGE, "--match-regex '%s': %s", regex, why);
        }
        match->has_regex = true;
    }
    return 0;
}

void bisect_match_finish(struct bisect_match *match)
{
    if (match->has_regex)
        regfree(&match->regex);
    *match = (struct bisect_match){0};
}

bool bisect_match_is_any(const struct bisect_match *match)
{
    return !match->word && !match->has_regex;
}

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '-' || byte == '_';
}

bool bisect_match_line(const struct bisect_match *match, const char *line)
{
    if (match->has_regex && regexec(&match->regex, line, 0, NULL, 0) == 0)
        return true;
    size_t length = match->word ? strlen(match->word) : 0;
    for (const char *at = line; length > 0 && (at = strstr(at, match->word)); at++)
        if ((at == line || !is_word_byte(at[-1])) && !is_word_byte(at[length]))
            return true;
    return false;
}

int bisect_child_start(const struct bisect_child_options *options, struct bisect_child **ret_child,
                       struct wg_err *err)
{
    int rc = -1;
    int ends[2] = {-1, -1};
    struct wg_process_options start = WG_PROCESS_OPTIONS_INIT;
    struct bisect_child *child = wg_calloc(1, sizeof *child);
    wg_buf_init(&child->line, WG_LIMIT_LOG_LINE);
    wg_buf_init(&child->output, 3 * (size_t)WG_LIMIT_BISECT_OUTPUT);
    child->pipe_fd = child->lifeline = -1;
    child->match = options->match;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        wg_err_errno(err, "pipe");
        goto out;
    }
    child->pipe_fd = ends[0];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        wg_err_errno(err, "fcntl");
        goto out;
    }
    start.argv = options->argv;
    start.envp = options->envp;
    start.directory = options->directory;
    start.stdout_fd = ends[1];
    start.stderr_fd = ends[1];
    child->start_ns = wg_clock_now_ns();
    child->deadline =
        options->timeout_ms > 0 ? wg_deadline_in_ms(options->timeout_ms) : WG_DEADLINE_NEVER;
    if (bisect_guard_start(&start, &child->guard, &child->lifeline, err) != 0)
        goto out;
    *ret_child = child;
    child = NULL;
    rc = 0;
out:
    bisect_child_destroy(child);
    if (ends[1] >= 0)
        close(ends[1]);
    return rc;
}

void bisect_child_destroy(struct bisect_child *child)
{
    if (!child)
        return;
    struct wg_err ignored = WG_ERR_INIT;
    if (child->lifeline >= 0)
        close(child->lifeline);
    if (child->guard)
        wg_process_wait(child->guard, wg_deadline_in_ms(END_MS), NULL, NULL, &ignored);
    wg_process_destroy(child->guard);
    if (child->pipe_fd >= 0)
        close(child->pipe_fd);
    wg_buf_finish(&child->line);
    wg_buf_finish(&child->output);
    free(child);
}

static void end_line(struct bisect_child *child)
{
    if (child->match && !child->matched && bisect_match_line(child->match, child->line.data)) {
        child->matched = true;
        snprintf(child->signature, sizeof child->signature, "%s", child->line.data);
    }
    wg_buf_reset(&child->line);
}

static void take(struct bisect_child *child, const char *bytes, size_t size)
{
    if (child->output.size > 2 * (size_t)WG_LIMIT_BISECT_OUTPUT)
        wg_buf_consume(&child->output, WG_LIMIT_BISECT_OUTPUT);
    wg_buf_append(&child->output, bytes, size);
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t part = end ? (size_t)(end - bytes) : size;
        wg_buf_append(&child->line, bytes, part); /* a longer line is judged by its beginning */
        if (end)
            end_line(child);
        part += end != NULL;
        bytes += part;
        size -= part;
    }
}

/* Reads what the pipe holds; closes it at its end. */
static int read_output(struct bisect_child *child, struct wg_err *err)
{
    char chunk[16 * 1024];
    while (child->pipe_fd >= 0) {
        ssize_t size = read(child->pipe_fd, chunk, sizeof chunk);
        if (size > 0) {
            take(child, chunk, (size_t)size);
        } else if (size == 0) {
            close(child->pipe_fd);
            child->pipe_fd = -1;
        } else if (errno == EAGAIN) {
            return 0;
        } else if (errno != EINTR) {
            return wg_err_errno(err, "read the output of the command");
        }
    }
    return 0;
}

/* Takes note of the end of a child, also when descendants keep the pipe open. */
static int reap(struct bisect_child *child, struct wg_err *err)
{
    if (child->ended)
        return 0;
    struct wg_deadline deadline = wg_deadline_in_ms(0);
    if (wg_deadline_passed(child->deadline) && !child->timed_out) {
        child->timed_out = true;
        bisect_guard_stop(child->lifeline);
        deadline = wg_deadline_in_ms(WG_DEFAULT_GRACE_MS + END_MS);
    }
    int ended = wg_process_wait(child->guard, deadline, &child->status, NULL, err);
    if (ended == 0 && child->timed_out)
        return wg_err_set(err, WG_ERR_STATE, "the command does not end, not even with SIGKILL");
    if (ended <= 0)
        return ended;
    bisect_guard_status(child->lifeline, &child->status);
    child->ms = (double)(wg_clock_now_ns() - child->start_ns) / (double)WG_NS_PER_MS;
    child->ended = true;
    if (read_output(child, err) != 0)
        return -1;
    if (child->line.size > 0)
        end_line(child);
    return 0;
}

int bisect_children_wait(struct bisect_child *const *children, size_t count, int interrupt_fd,
                         bool *ret_interrupted, struct wg_err *err)
{
    struct pollfd fds[2 * WG_LIMIT_WORKERS + 1];
    struct wg_deadline deadline = WG_DEADLINE_NEVER;
    size_t used = 0;
    assert(count <= WG_LIMIT_WORKERS);
    fds[used++] = (struct pollfd){.fd = interrupt_fd, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        fds[used++] = (struct pollfd){.fd = children[i]->pipe_fd, .events = POLLIN};
        fds[used++] = (struct pollfd){.fd = wg_process_pidfd(children[i]->guard), .events = POLLIN};
        deadline = wg_deadline_earlier(deadline, children[i]->deadline);
    }
    if (poll(fds, (nfds_t)used, wg_deadline_poll_ms(deadline)) < 0 && errno != EINTR)
        return wg_err_errno(err, "poll");
    *ret_interrupted = fds[0].revents & POLLIN;
    for (size_t i = 0; i < count; i++)
        if (read_output(children[i], err) != 0 || reap(children[i], err) != 0)
            return -1;
    return 0;
}
