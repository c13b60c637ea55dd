/* SPDX-License-Identifier: MIT */
/* probe_worker.h - what the files of the program share that the probe is loaded into. */
#ifndef WG_SUITES_UNIT_PROBE_WORKER_H
#define WG_SUITES_UNIT_PROBE_WORKER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#define PROBE_WORKER_CANNOT 77 /* exit code: the machine does not let it */

struct deed {
    const char *name;
    void (*run)(const char *path);
};

/* Both end with name NULL. */
extern const struct deed storms[];
extern const struct deed layers[];

/* Ends the program with 9 unless it is true. */
static inline void must(bool truth)
{
    if (!truth)
        _exit(9);
}
sqlite3 *connect_to(const char *path);
int insert(sqlite3 *connection);
/* Opens, writes, closes. */
void healthy(const char *path);
/* Waits for a child, which must end well. */
void must_end_well(pid_t pid);

#endif
