/* SPDX-License-Identifier: MIT */
/*
 * watch.h - loads the probe into everything that is started from here, and names what it did not
 * get into.
 */
#ifndef WG_TOOLS_WALGRIND_WATCH_H
#define WG_TOOLS_WALGRIND_WATCH_H

#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/trace/trace.h"

/*
 * Makes the directory `traces` and sets this process's environment such that every program started
 * from now on has the probe loaded and leaves its trace there. The calling program itself is not
 * watched. AddressSanitizer is told to bear with a library that is loaded before its own.
 */
int wg_watch_begin(const char *traces, struct wg_err *err);

/* How programs are watched. */
enum wg_watch_how {
    WG_WATCH_AUTO,    /* the probe; and a tracer for programs that it cannot get into */
    WG_WATCH_PRELOAD, /* the probe */
    WG_WATCH_SECCOMP, /* a tracer */
    WG_WATCH_BOTH,    /* both, everywhere */
};

/*
 * After wg_watch_begin(): puts what starts it with a tracer beside it before `command` when that is
 * wanted, and sees to it that programs started by watched ones get one. Without a call programs are
 * watched as of WG_WATCH_AUTO, but for the command itself.
 */
int wg_watch_command(enum wg_watch_how how, struct wg_strv *command, struct wg_err *err);

/* True when this process runs under the probe of another walgrind, which watches its children too.
 */
bool wg_watch_is_watched(void);

/*
 * Adds "PATH: reason" for each program that was watched neither by the probe nor by a tracer: of
 * `programs` (paths) and of what the trace says was executed; for what the trace says was not seen;
 * and for traces that cannot be read.
 */
void wg_watch_gaps(const struct wg_trace *trace, const struct wg_strv *programs,
                   struct wg_strv *ret_gaps);

#endif
