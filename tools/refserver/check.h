/* SPDX-License-Identifier: MIT
 *
 * --check: whether databases, stored files, sessions and locks agree with each other and with the
 * API contract, so that a lost update shows even when every response was 200.
 *
 * Looks from outside, as another process would: three read-only connections in one (ATTACH) and a
 * walk through the stored files; nothing of the server's own caches, and nothing is written. Meant
 * for a server that has stopped, or that nobody is talking to: a look into the middle of requests
 * sees a file before its row.
 *
 * Each violation is one line on the given stream:
 *
 *     TABLE KEY: INVARIANT: expected WHAT, found WHAT
 */
#ifndef WG_REFSERVER_CHECK_H
#define WG_REFSERVER_CHECK_H

#include "tools/refserver/options.h"
#include "tools/refserver/util.h"

#include <stdio.h>

/* Number of violations written to `out`, or -1 when the data cannot be read. */
long wg_check_data(const struct wg_options *options, FILE *out, struct wg_fail *fail);
/* Name and meaning of every invariant, a line each. */
void wg_check_print_invariants(FILE *out);

#endif
