/* SPDX-License-Identifier: MIT
 *
 * HTTP: a few libmicrohttpd threads move bytes, a pool of workers runs requests.
 *
 * libmicrohttpd (epoll, its own thread pool) reads a request completely, suspends the connection
 * and puts the request into a queue. Any free worker takes it, runs it to its reply and resumes the
 * connection, whose thread then sends the reply. So a request that waits for a database lock
 * holds up one worker and nobody's socket, and the number of requests that run at once does not
 * depend on which connection met which network thread.
 *
 * Stopping: no new connections, wait until every request in flight has been answered (at most
 * WG_DRAIN_MS), end event streams, join the workers, stop libmicrohttpd. A request that arrives
 * meanwhile on a connection kept alive is answered 503.
 *
 * Locking: `mutex` guards the queue, the lists and the counters. A request is touched by its
 * network thread or by its worker, never both: the queue and libmicrohttpd's resume hand it over.
 */
#ifndef WG_REFSERVER_SERVER_H
#define WG_REFSERVER_SERVER_H

#include "tools/refserver/req.h"

#define WG_NETWORK_THREADS 2
#define WG_DRAIN_MS        20000
#define WG_CONNECTIONS_MAX 2000

struct wg_server;

/* Binds the address. 0, or -1 with a one-line reason in `fail`. `ret_port` is the real port. */
int wg_server_bind(const char *host, int port, int *ret_fd, int *ret_port, struct wg_fail *fail);
/* Starts answering on the bound socket and takes it over. NULL on failure. */
struct wg_server *wg_server_start(struct wg_app *app, int fd, struct wg_fail *fail);
/* Drains and stops; frees the server. */
void wg_server_stop(struct wg_server *server);

#endif
