/* SPDX-License-Identifier: MIT
 *
 * wal2: asks for journal_mode=WAL2, which only a branch of SQLite has. A release ignores the word
 * and answers with the mode that is in force, which nobody reads: the databases stay in DELETE
 * mode. The server logs once what it got.
 */
#include "tools/refserver/strategy/strategy.h"

const struct wg_strategy wg_strategy_wal2 = {
    .name = "wal2",
    .help = "per-request, asking for WAL2, which releases ignore",
    .journal = "wal2",
    .borrow = wg_manager_open,
    .give_back = wg_manager_close,
};
