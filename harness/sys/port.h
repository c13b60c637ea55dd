/* SPDX-License-Identifier: MIT */
/* port.h - free TCP ports on loopback. */
#ifndef WG_HARNESS_SYS_PORT_H
#define WG_HARNESS_SYS_PORT_H

#include "harness/base/err.h"

/*
 * Finds a free TCP port of 127.0.0.1 by binding port 0. With SO_REUSEADDR semantics the port may be
 * bound again at once, but nothing reserves it: a server that finds it taken must be started again
 * with another one (wg_server does).
 */
int wg_port_find_free(int *ret_port, struct wg_err *err);

#endif
