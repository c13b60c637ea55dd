/* SPDX-License-Identifier: MIT */
/*
 * trace.h - read what the probe wrote: the processes of a run and their records, merged by time.
 *
 *     struct wg_trace *trace;
 *     if (wg_trace_open(directory, &trace, &err) != 0) ...
 *     for (size_t i = 0; i < wg_trace_count(trace); i++) {
 *         struct wg_trace_event event;
 *         wg_trace_get(trace, i, &event);
 *         ...event.type, event.process->pid, event.path...
 *     }
 *     wg_trace_destroy(trace);
 *
 * The directory may belong to a run that still goes on, or whose processes were killed: what was
 * complete when it was opened is there, the rest is counted as torn. Files that make no sense are
 * never trusted: every offset, size and number is checked, and a file that cannot be used is a row
 * of wg_trace_damage_at, since a process without its trace is a process that was not watched.
 *
 * Memory: the files are mapped, an index of 16 bytes a record is built. Not thread-safe.
 */
#ifndef WG_HARNESS_TRACE_TRACE_H
#define WG_HARNESS_TRACE_TRACE_H

#include "harness/base/err.h"
#include "harness/wire/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One process image: what ran between fork or exec and the next exec or the end. */
struct wg_trace_process {
    size_t index;     /* in the trace; ordered by start */
    const char *file; /* base name of its file in the directory */
    pid_t pid, ppid;
    int64_t start_ns;  /* CLOCK_MONOTONIC; pid and start_ns together are unique in a trace */
    int64_t parent_ns; /* start_ns of the image that forked this one, 0 if none or not traced */
    const struct wg_trace_process *parent; /* that image, NULL if it is not in the trace */
    int64_t wall_offset_ns;                /* add to a time_ns to get nanoseconds since 1970 */
    unsigned uid;
    enum wg_trace_state state;
    const char *exe, *command, *cwd, *libc; /* never NULL, "" when unknown */
    int64_t first_ns, last_ns;              /* of its records that can be read; 0 without any */
    uint64_t records;                       /* that can be read */
    uint64_t torn;                          /* that were being written when the process died */
    uint64_t rare_dropped;                  /* of area 0: found it full and went to area 1 */
    uint64_t frequent_dropped;              /* of area 1: the oldest are missing */
    int64_t frequent_since_ns; /* from here on area 1 is complete; start_ns when nothing was lost,
                                  INT64_MAX when that cannot be told */
    uint64_t strings_lost;
};

/* A record with its references resolved. Strings live as long as the trace and are never NULL. */
struct wg_trace_event {
    const struct wg_trace_process *process;
    const struct wg_trace_record *record; /* all members as they were written (a checked copy) */
    enum wg_trace_type type;
    enum wg_trace_role role;
    enum wg_trace_origin origin, opener;
    enum wg_trace_call call;
    int64_t time_ns; /* when the call began */
    int64_t end_ns;  /* when it returned, as far as known */
    const char *path, *text, *database, *script;
    const uint64_t *frames; /* return addresses, innermost first */
    size_t frame_count;
};

/* A file of the directory that could not be used. */
struct wg_trace_damage {
    const char *file;
    const char *message;
};

struct wg_trace;

/*
 * Reads all files of a trace directory. A directory without any is fine (nothing was watched).
 * Fails when the directory cannot be read or a limit of limit.h is passed.
 */
int wg_trace_open(const char *directory, struct wg_trace **ret_trace, struct wg_err *err);
/* NULL is fine. */
void wg_trace_destroy(struct wg_trace *trace);

const char *wg_trace_directory(const struct wg_trace *trace);

size_t wg_trace_process_count(const struct wg_trace *trace);
const struct wg_trace_process *wg_trace_process_at(const struct wg_trace *trace, size_t index);
/* The image with this pid at this moment (`time_ns` INT64_MAX: the last one), NULL if unknown. */
const struct wg_trace_process *wg_trace_process_find(const struct wg_trace *trace, pid_t pid,
                                                     int64_t time_ns);

/* True when the image is of process `pid` or was started by it, however far back. */
bool wg_trace_process_descends(const struct wg_trace *trace, const struct wg_trace_process *process,
                               pid_t pid);

size_t wg_trace_damage_count(const struct wg_trace *trace);
const struct wg_trace_damage *wg_trace_damage_at(const struct wg_trace *trace, size_t index);

/* Records of all processes, ordered by the time at which the calls began. */
size_t wg_trace_count(const struct wg_trace *trace);
void wg_trace_get(const struct wg_trace *trace, size_t index, struct wg_trace_event *ret_event);
/* The record alone: to find the few that are of interest. */
const struct wg_trace_record *wg_trace_record_at(const struct wg_trace *trace, size_t index);

/*
 * The mapped object in which an address lay at that time, and the address within the file (as
 * addr2line wants it). Returns 0, or -1 when no MODULE record covers it.
 */
int wg_trace_module(const struct wg_trace *trace, const struct wg_trace_process *process,
                    uint64_t address, const char **ret_path, uint64_t *ret_file_address);

/* Names of enumerators, as in the tables; "?" outside of them. */
const char *wg_trace_type_name(enum wg_trace_type type);
/* The record is of a call of SQLite's API. */
bool wg_trace_type_is_sql(enum wg_trace_type type);
const char *wg_trace_role_name(enum wg_trace_role role);
const char *wg_trace_origin_name(enum wg_trace_origin origin);
const char *wg_trace_call_name(enum wg_trace_call call);
/* The locks of `held` in words: "SHARED RESERVED", "WRITE(x) READ1"; "" for none. */
void wg_trace_held_text(uint32_t held, char *buffer, size_t size);
/* How many locks a mask stands for. */
unsigned wg_trace_held_count(uint32_t held);

#endif
