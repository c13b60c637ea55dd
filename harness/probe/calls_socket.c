/* SPDX-License-Identifier: MIT */
/*
 * calls_socket.c - connections that a server cannot take for want of a descriptor.
 *
 * A server that has used up its descriptors fails in two ways: SQLite cannot open a database, or
 * nobody gets an answer any more. The second shows in no call on a database, so it is recorded
 * here, with one of the databases that the process has open. Nothing else is recorded of sockets.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <errno.h>
#include <sys/socket.h>

static void note_refused(enum wg_trace_call call, const void *caller)
{
    if (wg_probe.fd_max == 0 || !wg_probe_live() || wg_probe_in_vfork())
        return;
    int fd = 0;
    struct wg_fd *entry = NULL;
    for (; (unsigned)fd < wg_probe.fd_max; fd++) {
        entry = wg_probe_fd(fd);
        if (entry && entry->role == WG_TRACE_ROLE_DATABASE)
            break;
        entry = NULL;
    }
    if (!entry)
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_ACCEPT, call, caller);
    note.record.origin = (uint8_t)wg_probe_origin(caller, NULL);
    wg_note_fd(&note, fd, entry);
    wg_note_result(&note, -1, true);
    wg_note_end(&note);
}

static int accepted(int fd, enum wg_trace_call call, const void *caller)
{
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        note_refused(call, caller);
    return fd;
}

int wg_call_accept(int fd, struct sockaddr *address, socklen_t *size) WG_STANDS_FOR("accept");
int wg_call_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return accepted(WG_REAL(accept)(fd, address, size), WG_CALL_accept, WG_CALLER());
}

int wg_call_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
    WG_STANDS_FOR("accept4");
int wg_call_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return accepted(WG_REAL(accept4)(fd, address, size, flags), WG_CALL_accept4, WG_CALLER());
}
