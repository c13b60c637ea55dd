/* SPDX-License-Identifier: MIT
 *
 * Event streams (text/event-stream).
 *
 * A stream costs no thread: its connection is suspended in libmicrohttpd while it has nothing to
 * say. Sending appends to the stream's buffer and resumes the connection; a ticker thread resumes a
 * stream that was silent for half a second so that it can send a ping, which is also how a vanished
 * client is noticed. Messages to a session without a stream are dropped, as are messages beyond the
 * limit of a stream that is not being read. When a session has several streams, the newest gets the
 * messages.
 *
 * Locking: `mutex` guards the list, every stream in it and `closing`. libmicrohttpd's own locks are
 * taken inside it (suspend, resume), never the other way round with a hub call inside.
 */
#ifndef WG_REFSERVER_SSE_H
#define WG_REFSERVER_SSE_H

#include "tools/refserver/util.h"

#include <microhttpd.h>
#include <pthread.h>

#define WG_STREAM_PING_MS   500
#define WG_STREAM_BYTES_MAX (1024 * 1024)
#define WG_STREAMS_MAX      512

struct wg_stream;

struct wg_hub {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t ticker;
    struct wg_stream *streams;
    size_t count;
    bool closing;
};

void wg_hub_init(struct wg_hub *hub);
/* Ends all streams, then the ticker. The streams are freed by libmicrohttpd. */
void wg_hub_close(struct wg_hub *hub);
void wg_hub_finish(struct wg_hub *hub);

/* A stream of the session, its first event queued; NULL if there are too many. */
struct wg_stream *wg_stream_open(struct wg_hub *hub, const char *session);
/* Queues the endless response on the connection, which then owns the stream. */
enum MHD_Result wg_stream_start(struct wg_stream *stream, struct MHD_Connection *connection);
/* For a stream that was never started. */
void wg_stream_abandon(struct wg_stream *stream);

/* Whether any stream is open. */
bool wg_hub_is_heard(struct wg_hub *hub);
/* Sends to the session's stream, if it has one. */
void wg_hub_send(struct wg_hub *hub, const char *session, const char *event, const char *data);

#endif
