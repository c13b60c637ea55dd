/* SPDX-License-Identifier: MIT
 *
 * Who is asking, and what may they see: sessions, users, roles, collections, access control.
 *
 * How a missing, expired or ownerless session is answered differs between groups of endpoints;
 * the kinds are rows of one table in identity.c.
 */
#ifndef WG_REFSERVER_IDENTITY_H
#define WG_REFSERVER_IDENTITY_H

#include "tools/refserver/req.h"

enum wg_auth_kind {
    WG_AUTH_NONE,
    WG_AUTH_OPTIONAL, /* anybody; a valid session makes the caller known */
    WG_AUTH_USER,     /* required user; refreshes the session */
    WG_AUTH_STATUS,
    WG_AUTH_MANAGE, /* management endpoints, any user */
    WG_AUTH_ADMIN,
    WG_AUTH_REVIEWER,
    WG_AUTH_CONFIG
};

/* True when the request may go on; false when the reply is set (or, with `fail`, a 500 is due). */
bool wg_auth_check(struct wg_req *req, enum wg_auth_kind kind);
/* Seconds that a session lives without use. */
double wg_session_timeout(struct wg_req *req);
/* Id of the session that came with the request, from header, query or cookie; NULL if none. */
const char *wg_session_id(struct wg_req *req);

bool wg_user_has_role(const struct wg_user *user, const char *role);
/* role, or the wildcard. */
bool wg_user_has_right(const struct wg_user *user, const char *role);
/* Roles of a user entry as an array, a new reference. */
json_t *wg_user_roles(const json_t *entry);

/* What the caller sees. NULL on failure. */
const struct wg_visible *wg_visible_get(struct wg_req *req);
/* Whether one of the collections is visible. 1 yes, 0 no, -1 failure. */
int wg_visible_any(struct wg_req *req, const json_t *collections);

/* Access control objects inside a file's metadata; any argument may be NULL. */
bool wg_access_read(const struct wg_req *req, const json_t *doc_metadata,
                    const json_t *file_metadata);
bool wg_access_write(const struct wg_req *req, const json_t *doc_metadata,
                     const json_t *file_metadata);

#endif
