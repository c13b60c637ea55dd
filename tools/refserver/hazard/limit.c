/* SPDX-License-Identifier: MIT
 *
 * Hazards of resources that run out: descriptors and disk space.
 *
 * The full disk is made through SQLite's own table of system calls (xSetSystemCall): its pwrite
 * answers ENOSPC once the allowance is used up. No privilege is needed, nothing else on the machine
 * notices, and SQLite cannot tell it from a real one.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/hazard/hazard.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

void wg_fd_pressure_limit(struct wg_app *app, long argument)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)argument, .rlim_max = (rlim_t)argument};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        wg_log_message(&app->log, "warn", "cannot limit the descriptors to %ld", argument);
}

/* SQLite calls pwrite without any context, so this one has to be the process's. */
static atomic_long disk_left;

static ssize_t write_to_small_disk(int fd, const void *data, size_t size, off_t offset)
{
    if (atomic_fetch_sub_explicit(&disk_left, (long)size, memory_order_relaxed) < (long)size) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, size, offset);
}

void wg_small_disk_limit(struct wg_app *app, long argument)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    atomic_store_explicit(&disk_left, argument * 1024, memory_order_relaxed);
    if (vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)write_to_small_disk) !=
            SQLITE_OK ||
        vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)write_to_small_disk) != SQLITE_OK)
        wg_log_message(&app->log, "warn", "cannot make the disk small");
}
