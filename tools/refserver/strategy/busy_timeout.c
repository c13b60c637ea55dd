/* SPDX-License-Identifier: MIT
 *
 * busy-timeout-60s: per-request, with a busy timeout of a minute on every database.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_busy_timeout = {
    .name = "busy-timeout-60s",
    .help = "per-request with a busy timeout of 60 s everywhere",
    .busy_ms = 60000,
    .borrow = wg_manager_open,
    .give_back = wg_manager_close,
};
