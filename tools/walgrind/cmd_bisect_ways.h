/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_ways.h - the ways to run CMD that are tried at BAD, as words of the command line.
 *
 * A way is written as words with blanks between them: NAME=VALUE sets a variable of the
 * environment, and when CMD is `walgrind run` or `walgrind exec`, an option like --swarm is put
 * behind that word. {seed} in a word becomes a number from 1 to 999999999 that is new in each run.
 * Which way is the best is decided by harness/bisect/provoke.h.
 *
 * To add a way that is tried unasked: a row of `usual_ways`.
 */
#ifndef WG_TOOLS_WALGRIND_CMD_BISECT_WAYS_H
#define WG_TOOLS_WALGRIND_CMD_BISECT_WAYS_H

#include "harness/base/err.h"
#include "harness/base/str.h"

#include <stdint.h>

/* Whether the words of CMD call walgrind itself, by whatever path. */
bool bisect_is_walgrind(const struct wg_strv *argv);

/*
 * Appends to `ret_ways` what --provoke asks for: "off" nothing, "auto" (also when it is not given)
 * the usual ways for this command, anything else a way as it stands. With `imported` runs, which
 * were made the way the command was given, nothing is tried unasked. A way that makes no sense for
 * the command is a usage error.
 */
int bisect_ways_read(const struct wg_strv *provoke, const struct wg_strv *argv, bool imported,
                     struct wg_strv *ret_ways, struct wg_err *err);

/* The environment and the words of CMD for one run: both lists get what `way` changes in them. */
void bisect_way_apply(const char *way, uint64_t seed, struct wg_strv *env, struct wg_strv *argv);

#endif
