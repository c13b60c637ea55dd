/* SPDX-License-Identifier: MIT */
#include "harness/report/failure.h"

#include "harness/base/json.h"
#include "harness/report/diff_text.h"

#include <stdlib.h>
#include <string.h>

void wg_failure_describe(const json_t *test, struct wg_buf *out)
{
    size_t index;
    json_t *message;
    const char *reason = wg_json_str(test, "reason", "");
    const char *stacks = wg_json_str(test, "stacks", "");
    if (reason[0])
        wg_buf_printf(out, "%s\n", reason);
    json_array_foreach(json_object_get(test, "messages"), index, message)
    {
        const char *file = wg_json_str(message, "file", "");
        if (file[0])
            wg_buf_printf(out, "%s:%lld: ", file, (long long)wg_json_int(message, "line", 0));
        wg_buf_printf(out, "%s\n", wg_json_str(message, "message", ""));
    }
    if (stacks[0])
        wg_buf_printf(out, "stacks:\n%s\n", stacks);
    char *changes = wg_changes_text(test, "");
    wg_buf_puts(out, changes);
    free(changes);
    wg_buf_printf(out, "repeat: %s\n", wg_json_str(test, "repeat", ""));
}

const char *wg_skip_reason(const json_t *test)
{
    const char *reason = wg_json_str(test, "reason", "");
    size_t index;
    json_t *message;
    json_array_foreach(json_object_get(test, "messages"), index, message)
    {
        if (!reason[0] && strcmp(wg_json_str(message, "event", ""), "skip") == 0)
            reason = wg_json_str(message, "message", "");
    }
    return reason[0] ? reason : "without a reason";
}
