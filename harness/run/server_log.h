/* SPDX-License-Identifier: MIT */
/*
 * server_log.h - the part of a server's log that belongs to one test: what came while it ran.
 *
 * The cut is by time, for a server of any language tags nothing: the log's size when the test
 * begins and when it ends. Lines that say which test they are about, as those of the reference
 * server do ("test":"suite/name"), are left out when it is another one, so that in the swarm only
 * what may concern the test remains.
 */
#ifndef WG_HARNESS_RUN_SERVER_LOG_H
#define WG_HARNESS_RUN_SERVER_LOG_H

#include <stdint.h>

/* Bytes in the log now; 0 when there is none. */
int64_t wg_server_log_size(const char *path);

/* The lines between two sizes without those of other tests, at most the last
 * WG_LIMIT_SERVER_LOG_CUT bytes, from a line's beginning where there is one. Of an interval of more
 * than 2 MiB the end is read. The caller frees it; empty when there is nothing. */
char *wg_server_log_cut(const char *path, int64_t from, int64_t to, const char *test);

#endif
