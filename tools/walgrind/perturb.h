/* SPDX-License-Identifier: MIT */
/*
 * perturb.h - --chaos and --fault of the commands that load the probe.
 */
#ifndef WG_TOOLS_WALGRIND_PERTURB_H
#define WG_TOOLS_WALGRIND_PERTURB_H

#include "harness/trace/trace.h"
#include "tools/walgrind/command.h"

#include <stdio.h>

struct wg_perturb_options {
    long chaos; /* seed, 0: none */
    struct wg_strv faults;
};

/* Rows of an option table; `type` is the options struct, with a member `perturb`. */
#define WG_PERTURB_OPTIONS(type)                                                                   \
    {"chaos",                                                                                      \
     0,                                                                                            \
     WG_OPTION_INT,                                                                                \
     offsetof(type, perturb.chaos),                                                                \
     "SEED",                                                                                       \
     "Delay calls on database files at random before locks, syncs and checkpoints, so that rare "  \
     "orders become common. The same SEED gives a program the same delays.",                       \
     1,                                                                                            \
     999999999},                                                                                   \
    {                                                                                              \
        "fault", 0, WG_OPTION_LIST, offsetof(type, perturb.faults), "SPEC",                        \
            "Make calls on database files fail, e.g. enospc:after=100K or "                        \
            "eio:call=pwrite,role=wal,nth=3; 'walgrind help faults' has all of it.",               \
            0, 0                                                                                   \
    }

/*
 * Checks the faults, those of the environment when none were given among them. Fails with
 * WG_ERR_USAGE and what is wrong in one line.
 */
int wg_perturb_check(const struct wg_perturb_options *options, struct wg_err *err);
bool wg_perturb_is_set(const struct wg_perturb_options *options);

/* Puts what was asked for into the environment of this process, for what it starts from now on. */
void wg_perturb_apply(const struct wg_perturb_options *options);
/* Takes it out again, for commands that shall be left alone. */
void wg_perturb_withdraw(void);

/* Says what was delayed and what was made to fail, and which fault never happened. */
void wg_perturb_print(const struct wg_trace *trace, const struct wg_perturb_options *options,
                      FILE *out);

#endif
