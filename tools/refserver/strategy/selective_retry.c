/* SPDX-License-Identifier: MIT
 *
 * selective-retry: per-request, and a save that failed is tried again, three times in all; other
 * requests are not.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_selective_retry = {
    .name = "selective-retry",
    .help = "per-request; a failing save is tried three times",
    .save_attempts = 3,
    .borrow = wg_manager_open,
    .give_back = wg_manager_close,
};
