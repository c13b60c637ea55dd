/* SPDX-License-Identifier: MIT
 *
 * The table of routes, and the way of a request through it.
 *
 * Order of the steps: find the route (else 404/405), parse the body (400/422), check who is asking
 * (401/403), check the fields (422), run the handler, answer 500 if it failed, give back the
 * connections, write the log line. To add an endpoint, write a handler and add a row.
 */
#ifndef WG_REFSERVER_ROUTE_H
#define WG_REFSERVER_ROUTE_H

#include "tools/refserver/identity.h"
#include "tools/refserver/validate.h"

struct wg_route {
    const char *method;
    const char *pattern; /* "{}" stands for one non-empty segment */
    enum wg_auth_kind auth;
    enum wg_body_kind body;
    const struct wg_field *fields; /* or NULL */
    int (*handler)(struct wg_req *req);
};

void wg_route_dispatch(struct wg_req *req);

#endif
