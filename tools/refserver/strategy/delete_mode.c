/* SPDX-License-Identifier: MIT
 *
 * delete-mode: per-request, with the locks database in DELETE mode: what the application ended up
 * doing.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_delete_mode = {
    .name = "delete-mode",
    .help = "per-request, locks database in DELETE mode",
    .locks_delete = true,
    .borrow = wg_manager_open,
    .give_back = wg_manager_close,
};
