/* SPDX-License-Identifier: MIT */
#include "suites/unit/foreign_support.h"

#include "harness/base/buf.h"

#include <stdint.h>

static const char *const names[] = {
#define ROW(identifier, name, failure, meaning) [WG_OUTCOME_##identifier] = (name),
    WG_OUTCOMES(ROW)
#undef ROW
};

char *results_text(const struct wg_foreign_results *results)
{
    struct wg_buf text;
    wg_buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < results->count; i++) {
        const struct wg_foreign_result *result = &results->items[i];
        wg_buf_printf(&text, "%s%s %s", i > 0 ? "; " : "", names[result->outcome], result->name);
        if (result->reason[0])
            wg_buf_printf(&text, " (%s)", result->reason);
    }
    return wg_buf_steal(&text);
}
