/* SPDX-License-Identifier: MIT
 *
 * per-request: every request makes its own manager, which opens the database, sets WAL mode,
 * creates the tables and closes it again. What the application of the report did from the start.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_per_request = {
    .name = "per-request",
    .help = "each request opens, sets WAL, creates tables, closes",
    .borrow = wg_manager_open,
    .give_back = wg_manager_close,
};
