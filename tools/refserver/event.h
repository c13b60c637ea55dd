/* SPDX-License-Identifier: MIT
 *
 * Telling other sessions what happened, over their event streams.
 */
#ifndef WG_REFSERVER_EVENT_H
#define WG_REFSERVER_EVENT_H

#include "tools/refserver/req.h"

/*
 * Sends to every session of sessions.db but `except` (NULL for none). Takes over `data`. 0, or
 * -1. A failure must not undo what the event is about:
 * callers that have committed ignore it (it is in the log).
 */
int wg_event_send(struct wg_req *req, const char *except, const char *event, json_t *data);

#endif
