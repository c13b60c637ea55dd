/* SPDX-License-Identifier: MIT */
/*
 * file.h - one file of a trace, taken into memory and checked; private to harness/trace.
 *
 * Only the used parts of the (sparse) file are read, with read calls and not through a mapping, so
 * that a file which shrinks or grows meanwhile does no harm.
 */
#ifndef WG_HARNESS_TRACE_FILE_H
#define WG_HARNESS_TRACE_FILE_H

#include "harness/base/err.h"
#include "harness/trace/trace.h"

#include <stddef.h>
#include <stdint.h>

struct wg_trace_file {
    char *name; /* in the directory */
    struct wg_trace_process process;
    struct wg_trace_record *records; /* complete ones, in the order of the areas */
    size_t record_count;
    char *strings; /* a copy of the used part with 8 zero bytes behind it */
    size_t strings_size;
};

/* Reads `name` of the directory open as `directory_fd`; on failure nothing is left to finish. */
int wg_trace_file_read(int directory_fd, const char *name, struct wg_trace_file *ret_file,
                       struct wg_err *err);
void wg_trace_file_finish(struct wg_trace_file *file);

/* The string at a reference, "" when there is none or the reference makes no sense. */
const char *wg_trace_file_string(const struct wg_trace_file *file, uint32_t reference);
/* The stack at a reference; the number of its addresses, 0 for none. */
size_t wg_trace_file_stack(const struct wg_trace_file *file, uint32_t reference,
                           const uint64_t **ret_frames);

#endif
