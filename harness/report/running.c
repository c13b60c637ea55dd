/* SPDX-License-Identifier: MIT */
#include "harness/report/running.h"

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <stdlib.h>
#include <string.h>

#define SLOW_TEXT_MAX (64 << 10)

static void add(struct wg_running *running, const json_t *event, int64_t now_ns)
{
    if (running->count == running->room) {
        running->room = running->room ? 2 * running->room : 16;
        running->items = wg_realloc(running->items, running->room * sizeof *running->items);
    }
    struct wg_running_test *test = &running->items[running->count++];
    *test = (struct wg_running_test){
        .attempt = wg_json_int(event, "attempt", 0),
        .test = wg_strdup(wg_json_str(event, "test", "")),
        .worker = (long)wg_json_int(event, "worker", 0),
        .pid = (long)wg_json_int(event, "pid", 0),
        .begun_ns = now_ns,
    };
    snprintf(test->mode, sizeof test->mode, "%s", wg_json_str(event, "mode", ""));
}

static void drop(struct wg_running *running, long long attempt)
{
    size_t i = 0;
    while (i < running->count && running->items[i].attempt != attempt)
        i++;
    if (i == running->count)
        return;
    free(running->items[i].test);
    running->count--;
    memmove(&running->items[i], &running->items[i + 1],
            (running->count - i) * sizeof *running->items);
}

void wg_running_apply(struct wg_running *running, enum wg_event_kind kind, const json_t *event,
                      int64_t now_ns)
{
    if (kind == WG_EVENT_TEST_STARTED)
        add(running, event, now_ns);
    else if (kind == WG_EVENT_TEST_FINISHED)
        drop(running, wg_json_int(event, "attempt", -1));
}

void wg_running_print(const struct wg_running *running, int64_t now_ns, FILE *out)
{
    for (size_t i = 0; i < running->count; i++) {
        const struct wg_running_test *test = &running->items[i];
        fprintf(out, "  %7.1f s  %s (%s, worker %ld, pid %ld)\n",
                (double)(now_ns - test->begun_ns) / (double)WG_NS_PER_S, test->test, test->mode,
                test->worker, test->pid);
    }
}

char *wg_running_slow(struct wg_running *running, int64_t now_ns)
{
    struct wg_buf text;
    wg_buf_init(&text, SLOW_TEXT_MAX);
    for (size_t i = 0; i < running->count; i++) {
        struct wg_running_test *test = &running->items[i];
        int64_t ms = (now_ns - test->begun_ns) / WG_NS_PER_MS;
        int64_t next = test->told_ms ? 2 * test->told_ms : WG_DEFAULT_SLOW_NOTICE_MS;
        if (ms < next)
            continue;
        test->told_ms = next;
        wg_buf_printf(&text, "slow: %s has run for %.0f s (%s, pid %ld)\n", test->test,
                      (double)ms / 1e3, test->mode, test->pid);
    }
    return wg_buf_steal(&text);
}

void wg_running_finish(struct wg_running *running)
{
    for (size_t i = 0; i < running->count; i++)
        free(running->items[i].test);
    free(running->items);
    *running = (struct wg_running){0};
}
