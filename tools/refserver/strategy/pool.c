/* SPDX-License-Identifier: MIT
 *
 * pool: everything is ready before the first request, and connections are kept and handed from
 * request to request. `reference` is the same with the journal modes of the contract.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_reference = {
    .name = "reference",
    .help = "as the contract has it: pool, locks in DELETE mode (default)",
    .ready_first = true,
    .contract = true,
    .borrow = wg_pool_take,
    .give_back = wg_pool_put,
};

const struct wg_strategy wg_strategy_pool = {
    .name = "pool",
    .help = "ready before the first request; connections are kept",
    .ready_first = true,
    .borrow = wg_pool_take,
    .give_back = wg_pool_put,
};
