/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - Criterion's functions as a test calls them, turned into events in a forked child.
 *
 * Each function of this file that is named like one of libcriterion's takes its place, because the
 * binary comes first in the search order; the same holds for libcriterion's own calls of them.
 * Outside a forked child they pass the call on to the next definition.
 *
 * The order of a test is Criterion's: init of the suite, init of the test, the test, fini of the
 * test, fini of the suite. An assertion that fails in an init leaves out the test but not the
 * finis (under Criterion's own runner it leaves out everything that follows). A failed assertion
 * leaves its phase by longjmp when the main thread made it; another thread ends itself. Unlike a
 * signal handler's, these jumps run inside normal code, so they are well defined.
 *
 * A process that a test forks carries all this too: what it asserts counts for the test, but where
 * the test would end or be left it exits, so that only the test itself runs finis and says "done".
 */
#include "harness/suite/internal.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"

#include <criterion/internal/assert.h>
#include <criterion/new/assert.h>
#include <criterion/theories.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/* The state of the one test of this process. Written before the test starts, then only by its main
 * thread; the counters are atomic because assertions may be made by any thread. */
static struct {
    bool active;
    const struct wg_case *test_case;
    struct criterion_suite plain_suite; /* stands for a TestSuite() that there is not */
    int event_fd;
    pid_t pid;
    pthread_t main_thread;
    jmp_buf phase; /* where a failed assertion leaves to */
    bool setup_failed;
    atomic_long passed, failed;
} child;

/* The next definition of a function behind ours; a libcriterion without it cannot be used at all.
 */
static void (*next_definition(const char *name))(void)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    void (*function)(void);
    if (!symbol)
        abort();
    /* ISO C has no conversion between the two kinds of pointers; POSIX says they look the same. */
    memcpy(&function, &symbol, sizeof function);
    return function;
}

#define FORWARD(name, type) ((type)next_definition(#name))

bool wg_child_is_active(void)
{
    return child.active;
}

/* Replaces the longest text of a message by its first half and a mark. False if none is left that
 * is worth it. */
static bool cut_longest(json_t *message)
{
    static const char mark[] = "... (cut)";
    const char *key, *longest = NULL;
    json_t *value;
    size_t size = sizeof mark;
    json_object_foreach(message, key, value)
    {
        if (json_is_string(value) && json_string_length(value) > size) {
            longest = key;
            size = json_string_length(value);
        }
    }
    if (!longest)
        return false;
    struct wg_buf text;
    wg_buf_init(&text, size);
    wg_buf_printf(&text, "%.*s%s", (int)(size / 2 - strlen(mark) / 2),
                  json_string_value(json_object_get(message, longest)), mark);
    json_object_set_new(message, longest, wg_json_string_new(text.data, text.size));
    wg_buf_finish(&text);
    return true;
}

int wg_packet_send(int fd, json_t *message)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_PACKET);
    wg_json_dump(message, &text);
    /* A byte of a text can take six in JSON, so its own limit does not bound the packet. */
    while (text.truncated && cut_longest(message)) {
        wg_buf_finish(&text);
        wg_buf_init(&text, WG_LIMIT_PACKET);
        wg_json_dump(message, &text);
    }
    json_decref(message);
    ssize_t n;
    do
        n = send(fd, text.data, text.size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    wg_buf_finish(&text);
    return n < 0 ? -1 : 0;
}

void wg_suite_emit(json_t *event)
{
    if (child.active)
        wg_packet_send(child.event_fd, event);
    else
        json_decref(event);
}

static json_t *text_new(const char *text)
{
    size_t size = strlen(text);
    return wg_json_string_new(text, size < WG_LIMIT_MESSAGE ? size : WG_LIMIT_MESSAGE);
}

static void emit_assert(const char *file, size_t line, const char *message)
{
    atomic_fetch_add_explicit(&child.failed, 1, memory_order_relaxed);
    wg_suite_emit(json_pack("{s:s, s:s, s:I, s:o}", "event", "assert", "file", file, "line",
                            (json_int_t)line, "message", text_new(message)));
}

/* These variables of libcriterion are constant in its headers, so a compiler may drop a store that
 * it sees. */
static void set_current(const char *name, const void *value)
{
    const void **variable = dlsym(RTLD_DEFAULT, name);
    if (variable)
        *variable = value;
}

void wg_child_begin(const struct wg_case *test_case, int event_fd)
{
    child.test_case = test_case;
    child.event_fd = event_fd;
    child.pid = getpid();
    child.main_thread = pthread_self();
    child.active = true;
    child.plain_suite.name = test_case->test->category;
    set_current("criterion_current_test", test_case->test);
    set_current("criterion_current_suite",
                test_case->suite ? test_case->suite : &child.plain_suite);
}

/* In a process that the test forked: its part ends here. */
static void end_copy(int exit_code)
{
    if (getpid() == child.pid)
        return;
    fflush(NULL);
    _exit(exit_code);
}

static _Noreturn void leave_phase(void)
{
    end_copy(1);
    if (!pthread_equal(pthread_self(), child.main_thread))
        pthread_exit(NULL);
    longjmp(child.phase, 1);
}

void wg_child_run(void)
{
    child.test_case->test->test(); /* Criterion's trampoline: setup, main, teardown below */
    fflush(NULL);
    wg_suite_emit(json_pack("{s:s, s:I, s:I}", "event", "done", "passed",
                            (json_int_t)atomic_load_explicit(&child.passed, memory_order_relaxed),
                            "failed",
                            (json_int_t)atomic_load_explicit(&child.failed, memory_order_relaxed)));
    _exit(0);
}

EXPORTED void criterion_internal_test_setup(void)
{
    if (!child.active) {
        FORWARD(criterion_internal_test_setup, void (*)(void))();
        return;
    }
    const struct wg_case *test_case = child.test_case;
    if (setjmp(child.phase) != 0) {
        child.setup_failed = true;
        return;
    }
    wg_suite_check(test_case->test->category);
    if (test_case->suite && test_case->suite->data && test_case->suite->data->init)
        test_case->suite->data->init();
    if (test_case->test->data->init)
        test_case->test->data->init();
    end_copy(0);
}

EXPORTED void criterion_internal_test_main(void (*body)(void))
{
    if (!child.active) {
        FORWARD(criterion_internal_test_main, void (*)(void (*)(void)))(body);
        return;
    }
    if (child.setup_failed)
        return;
    if (setjmp(child.phase) != 0)
        return;
    if (child.test_case->param)
        ((void (*)(void *))body)(child.test_case->param);
    else
        body();
    end_copy(0);
}

EXPORTED void criterion_internal_test_teardown(void)
{
    if (!child.active) {
        FORWARD(criterion_internal_test_teardown, void (*)(void))();
        return;
    }
    const struct wg_case *test_case = child.test_case;
    if (setjmp(child.phase) == 0 && test_case->test->data->fini)
        test_case->test->data->fini();
    if (setjmp(child.phase) == 0 && test_case->suite && test_case->suite->data &&
        test_case->suite->data->fini)
        test_case->suite->data->fini();
    end_copy(0);
}

EXPORTED void cri_asserts_passed_incr(void)
{
    if (child.active)
        atomic_fetch_add_explicit(&child.passed, 1, memory_order_relaxed);
    else
        FORWARD(cri_asserts_passed_incr, void (*)(void))();
}

EXPORTED void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!child.active)
        FORWARD(criterion_send_assert, void (*)(struct criterion_assert_stats *))(stats);
    else if (!stats->passed)
        emit_assert(stats->file, stats->line, stats->message ? stats->message : "");
}

/* A value; the lines of a long one below each other. */
static void append_value(const char *value, struct wg_buf *out)
{
    if (!strchr(value, '\n')) {
        wg_buf_printf(out, " %s", value);
        return;
    }
    while (*value) {
        int length = (int)strcspn(value, "\n");
        wg_buf_printf(out, "\n        %.*s", length, value);
        value += length + (value[length] == '\n');
    }
}

/* The values that a comparison was made of, as Criterion rendered them. */
static void append_params(const struct cri_assert_node *node, struct wg_buf *out)
{
    for (size_t i = 0; i < CRI_ASSERT_MAX_PARAMS && node->params[i].name; i++) {
        const struct cri_assert_param *param = &node->params[i];
        if (param->type == CRI_ASSERT_RT_STR) {
            wg_buf_printf(out, "\n    %s:", param->name);
            append_value(param->data, out);
        }
    }
}

/* The tree of a failed new-style assertion: a line per criterion that did not hold. */
static void append_node(const struct cri_assert_node *node, struct wg_buf *out)
{
    if (node->message && node->message[0])
        wg_buf_printf(out, "%s%s", out->size ? "\n" : "", node->message);
    if (node->repr) {
        wg_buf_printf(out, "%s%s", out->size ? "\n" : "", node->repr);
        append_params(node, out);
    }
    for (size_t i = 0; i < node->nchild; i++)
        if (!node->children[i].pass)
            append_node(&node->children[i], out);
}

EXPORTED void cri_assert_node_send(const char *file, size_t line, struct cri_assert_node *tree)
{
    if (!child.active) {
        FORWARD(cri_assert_node_send, void (*)(const char *, size_t, struct cri_assert_node *))
        (file, line, tree);
        return;
    }
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_MESSAGE);
    append_node(tree, &text);
    emit_assert(file, line, text.size ? text.data : "assertion failed");
    wg_buf_finish(&text);
}

EXPORTED void criterion_abort_test(void)
{
    if (child.active)
        leave_phase();
    FORWARD(criterion_abort_test, void (*)(void))();
    abort();
}

EXPORTED void criterion_continue_test(void)
{
    if (!child.active)
        FORWARD(criterion_continue_test, void (*)(void))();
}

__attribute__((format(printf, 2, 0))) static void format_into(struct wg_buf *text,
                                                              const char *format, va_list ap)
{
    wg_buf_init(text, WG_LIMIT_MESSAGE);
    wg_buf_vprintf(text, format, ap);
}

EXPORTED __attribute__((format(printf, 1, 2))) void criterion_skip_test(const char *format, ...)
{
    struct wg_buf text;
    va_list ap;
    va_start(ap, format);
    format_into(&text, format, ap);
    va_end(ap);
    if (!child.active) {
        FORWARD(criterion_skip_test, void (*)(const char *, ...))("%s", text.data);
        abort();
    }
    wg_suite_emit(json_pack("{s:s, s:o}", "event", "skip", "message", text_new(text.data)));
    wg_buf_finish(&text);
    leave_phase();
}

EXPORTED __attribute__((format(printf, 1, 2))) void criterion_test_die(const char *format, ...)
{
    struct wg_buf text;
    va_list ap;
    va_start(ap, format);
    format_into(&text, format, ap);
    va_end(ap);
    if (!child.active) {
        FORWARD(criterion_test_die, void (*)(const char *, ...))("%s", text.data);
        abort();
    }
    emit_assert(child.test_case->test->data->file_, child.test_case->test->data->line_, text.data);
    fflush(NULL);
    _exit(1);
}

/* What needs Criterion's own runner says so instead of hanging or lying. */
static _Noreturn void unsupported(const char *what)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_MESSAGE);
    wg_buf_printf(&text,
                  "%s needs Criterion's own runner: start the suite binary by hand, or read the "
                  "test's output from the report",
                  what);
    emit_assert(child.test_case->test->data->file_, child.test_case->test->data->line_, text.data);
    wg_buf_finish(&text);
    leave_phase();
}

EXPORTED void cr_theory_main(struct criterion_datapoints *points, size_t count, void (*body)(void))
{
    if (child.active)
        unsupported("Theory()");
    FORWARD(cr_theory_main, void (*)(struct criterion_datapoints *, size_t, void (*)(void)))
    (points, count, body);
}

#define REDIRECTION(name)                                                                          \
    EXPORTED void name(void)                                                                       \
    {                                                                                              \
        if (child.active)                                                                          \
            unsupported(#name "()");                                                               \
        FORWARD(name, void (*)(void))();                                                           \
    }

void cr_redirect_stdout(void);
void cr_redirect_stderr(void);
void cr_redirect_stdin(void);
REDIRECTION(cr_redirect_stdout)
REDIRECTION(cr_redirect_stderr)
REDIRECTION(cr_redirect_stdin)
