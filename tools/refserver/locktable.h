/* SPDX-License-Identifier: MIT
 *
 * Rows of locks.db: a stable id is locked by a session, not by a user, until it is released or has
 * not been refreshed for WG_LOCK_SECONDS. An older lock is stale and may be taken over by anybody.
 */
#ifndef WG_REFSERVER_LOCKTABLE_H
#define WG_REFSERVER_LOCKTABLE_H

#include "tools/refserver/req.h"

#define WG_LOCK_SECONDS "90"
#define WG_LOCK_RETRIES 3

/* Takes, refreshes or takes over. 1 the session holds the lock now, 0 another one does, -1 failure.
 */
int wg_lock_acquire(struct wg_req *req, const char *stable_id, const char *session);
/* 1 removed, 0 there was none, 2 another session's, -1 failure. */
int wg_lock_release(struct wg_req *req, const char *stable_id, const char *session);
/* Session of a fresh lock into `ret` (arena, or NULL). 0 / -1. */
int wg_lock_holder(struct wg_req *req, const char *stable_id, const char **ret);

#endif
