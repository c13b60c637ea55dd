/* SPDX-License-Identifier: MIT */
/* probe_support.h - runs a worker with the probe in it and reads what it left behind. */
#ifndef WG_SUITES_UNIT_PROBE_SUPPORT_H
#define WG_SUITES_UNIT_PROBE_SUPPORT_H

#include "harness/trace/trace.h"

/* What a deed left behind. */
struct wg_watched {
    char root[64];
    char *database, *traces;
    int status; /* of the last one, as wait() gives it */
    struct wg_trace *trace;
};

/* Runs one deed of a worker with the probe loaded; its status as wait() gives it. */
int wg_probe_run(const char *program, const char *deed, const char *database, const char *traces);
/* Two deeds, the second may be NULL, on one database under one trace. */
struct wg_watched wg_probe_watch(const char *program, const char *first, const char *second);
void wg_probe_finish(struct wg_watched *watched);
/* How many records of the type fit; what else is 0 in `like` fits all. `ret_last` may be NULL. */
size_t wg_probe_count(const struct wg_watched *watched, struct wg_trace_record like,
                      struct wg_trace_event *ret_last);

#endif
