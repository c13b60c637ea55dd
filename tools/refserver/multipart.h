/* SPDX-License-Identifier: MIT
 *
 * multipart/form-data, read from a complete body (RFC 7578, RFC 2046 section 5.1).
 */
#ifndef WG_REFSERVER_MULTIPART_H
#define WG_REFSERVER_MULTIPART_H

#include "tools/refserver/req.h"

/*
 * Finds the file part `name` of the request's body. A part without a file name is a plain field and
 * does not count. 0 with `ret->present` saying whether it was there, -1 if the body is malformed.
 */
int wg_multipart_find(struct wg_req *req, const char *name, struct wg_part *ret);

#endif
