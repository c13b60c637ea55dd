/* SPDX-License-Identifier: MIT */
/*
 * watch.h - loads the probe into everything that is started from here, or has a tracer watch it,
 * and names what was not seen: --trace of the commands that start programs.
 */
#ifndef WG_TOOLS_WALGRIND_WATCH_H
#define WG_TOOLS_WALGRIND_WATCH_H

#include "harness/base/err.h"
#include "harness/base/str.h"
#include "harness/trace/trace.h"
#include "tools/walgrind/command.h"

/* How programs are watched. */
enum wg_watch_how {
    WG_WATCH_AUTO,    /* the probe; and a tracer for programs that it cannot get into */
    WG_WATCH_PRELOAD, /* the probe */
    WG_WATCH_SECCOMP, /* a tracer */
    WG_WATCH_BOTH,    /* both, everywhere */
};

/* A row of an option table; `type` is the options struct, with a member `const char *trace`, which
 * begins as WG_WATCH_DEFAULT. */
#define WG_WATCH_DEFAULT "auto"
#define WG_WATCH_OPTION(type)                                                                      \
    {                                                                                              \
        "trace", 0, WG_OPTION_CHOICE, offsetof(type, trace), "auto|preload|seccomp|both",          \
            "How programs are watched: by the probe, and those that it cannot get into by a "      \
            "tracer (auto, the default); by the probe alone; by a tracer at their rare system "    \
            "calls alone; by both.",                                                               \
            0, 0                                                                                   \
    }
/* What the value of the option stands for. */
enum wg_watch_how wg_watch_how_of(const char *word);

/*
 * Makes the directory `traces` and sets this process's environment such that every program started
 * from now on leaves its trace there: with the probe loaded, unless a tracer is to do it alone. The
 * calling program itself is not watched. AddressSanitizer is told to bear with a library that is
 * loaded before its own.
 */
int wg_watch_begin(const char *traces, enum wg_watch_how how, struct wg_err *err);

/*
 * After wg_watch_begin(): puts what starts it with a tracer beside it before `command` when that is
 * wanted. Without a call a command is watched by the probe alone; what it starts gets a tracer all
 * the same where that is WG_WATCH_AUTO, and with it where it has one itself.
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
