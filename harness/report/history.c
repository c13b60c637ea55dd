/* SPDX-License-Identifier: MIT */
#include "harness/report/history.h"

#include "harness/base/json.h"

#include <string.h>
#include <unistd.h>

#define VERSION 1

int wg_history_read(struct wg_history *ret_history, const char *path, struct wg_err *err)
{
    json_t *document = NULL;
    *ret_history = (struct wg_history){0};
    if (access(path, F_OK) != 0)
        return 0;
    if (wg_json_read_file(path, &document, err) != 0)
        return -1;
    json_t *tests = json_object_get(document, "tests");
    int rc = 0;
    if (wg_json_int(document, "version", 0) == VERSION && json_is_object(tests))
        ret_history->tests = json_incref(tests);
    else
        rc = wg_err_set(err, WG_ERR_STATE,
                        "%s is no history of version %d; delete it to begin a new one", path,
                        VERSION);
    json_decref(document);
    return rc;
}

/* What this run shows of each test: {"ms", "failed"} by name. */
static json_t *fold(const struct wg_model *model)
{
    json_t *seen = json_object();
    for (size_t i = 0; i < model->finished.count; i++) {
        const json_t *event = model->finished.items[i];
        const char *name = wg_json_str(event, "test", "");
        enum wg_outcome outcome = wg_outcome_of(wg_json_str(event, "outcome", ""));
        if (outcome == WG_OUTCOME_SKIPPED || outcome == WG_OUTCOME_NOT_RUN)
            continue;
        const json_t *before = json_object_get(seen, name);
        double ms = wg_json_real(event, "ms", 0), longest = wg_json_real(before, "ms", 0);
        bool failed = wg_json_bool(before, "failed", false) || wg_outcome_is_failure(outcome);
        json_object_set_new(
            seen, name,
            json_pack("{s:f, s:b}", "ms", ms > longest ? ms : longest, "failed", failed));
    }
    return seen;
}

void wg_history_update(struct wg_history *history, const struct wg_model *model)
{
    const char *name;
    json_t *now, *seen = fold(model);
    if (!history->tests)
        history->tests = json_object();
    json_object_foreach(seen, name, now)
    {
        double old_ms = wg_history_ms(history, name), ms = wg_json_real(now, "ms", 0);
        if (old_ms >= 0)
            json_object_set_new(now, "ms", json_real((old_ms + ms) / 2));
        json_object_set(history->tests, name, now);
    }
    json_decref(seen);
}

int wg_history_write(const struct wg_history *history, const char *path, struct wg_err *err)
{
    json_t *document = json_pack("{s:i, s:O?}", "version", VERSION, "tests", history->tests);
    int rc = wg_json_write_file(path, document, err);
    json_decref(document);
    return rc;
}

void wg_history_finish(struct wg_history *history)
{
    json_decref(history->tests);
    *history = (struct wg_history){0};
}

double wg_history_ms(const struct wg_history *history, const char *test)
{
    return wg_json_real(json_object_get(history->tests, test), "ms", -1);
}

bool wg_history_failed(const struct wg_history *history, const char *test)
{
    return wg_json_bool(json_object_get(history->tests, test), "failed", false);
}
