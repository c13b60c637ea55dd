/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/selection.h"

#include "harness/base/str.h"
#include "harness/report/history.h"
#include "harness/run/filter.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX       100000
#define DEFAULT_HISTORY ".walgrind/history.json"

const char *wg_selection_history(const struct wg_selection *selection, bool based)
{
    if (!selection->history)
        return based ? DEFAULT_HISTORY : NULL;
    return strcmp(selection->history, "none") == 0 ? NULL : selection->history;
}

static int read_history(const char *path, struct wg_plan *plan, struct wg_err *err)
{
    struct wg_history history;
    if (wg_history_read(&history, path, err) != 0)
        return -1;
    for (size_t i = 0; i < plan->test_count; i++) {
        plan->tests[i].expected_ms = wg_history_ms(&history, plan->tests[i].full_name);
        plan->tests[i].failed_last = wg_history_failed(&history, plan->tests[i].full_name);
    }
    wg_history_finish(&history);
    return 0;
}

static int apply_filter(const char *text, int64_t slow_ms, struct wg_plan *plan, struct wg_err *err)
{
    struct wg_filter *filter = NULL;
    if (wg_filter_parse(text, &filter, err) != 0)
        return -1;
    int rc = wg_plan_filter(plan, filter, text, slow_ms, err);
    wg_filter_destroy(filter);
    return rc;
}

static int apply_partition(const char *text, struct wg_plan *plan, struct wg_err *err)
{
    const char *slash = strchr(text, '/');
    char *first = wg_strndup(text, slash ? (size_t)(slash - text) : 0);
    long part = 0, parts = 0;
    bool good = slash && wg_str_to_long(slash + 1, 1, PARTS_MAX, &parts) == 0 &&
                wg_str_to_long(first, 1, parts, &part) == 0;
    free(first);
    return good ? wg_plan_partition(plan, part, parts, err)
                : wg_err_set(err, WG_ERR_USAGE, "--partition takes K/N, as in 2/4, not '%s'", text);
}

int wg_selection_apply(const struct wg_selection *selection, const char *history,
                       char *const *patterns, struct wg_plan *plan, struct wg_err *err)
{
    if (selection->failed && !history)
        return wg_err_set(err, WG_ERR_USAGE,
                          "--failed needs a history, and none is kept here; name one with "
                          "--history=FILE");
    if ((history && read_history(history, plan, err) != 0) ||
        wg_plan_select(plan, patterns, err) != 0 ||
        (selection->failed && apply_filter("failed", selection->slow_ms, plan, err) != 0) ||
        (selection->filter &&
         apply_filter(selection->filter, selection->slow_ms, plan, err) != 0) ||
        (selection->partition && apply_partition(selection->partition, plan, err) != 0))
        return -1;
    return 0;
}
