/* SPDX-License-Identifier: MIT
 *
 * From bytes to a checked body: content type, JSON, field table, and the 422 answers.
 *
 * Parsing and checking are two steps because a request without permission is refused after the
 * first and before the second. Booleans given as words or 0/1 are replaced by real ones, so
 * handlers see only the declared types. To add a type, add a row to the table in validate.c.
 */
#ifndef WG_REFSERVER_VALIDATE_H
#define WG_REFSERVER_VALIDATE_H

#include "tools/refserver/req.h"

enum wg_field_type {
    WG_FIELD_TEXT = 1,
    WG_FIELD_BOOL,
    WG_FIELD_TEXT_LIST,
    WG_FIELD_OBJECT,
    WG_FIELD_ANY,
    WG_FIELD_TIME
};

#define WG_REQUIRED  1u /* absent is an error */
#define WG_NOT_EMPTY 2u /* text of at least one character */
#define WG_NOT_NULL  4u /* optional, but null is an error */
#define WG_IN_QUERY  8u /* a query parameter instead of a body member */

struct wg_field {
    const char *name; /* NULL ends a table */
    enum wg_field_type type;
    unsigned flags;
    const char *const *choices; /* NULL-terminated, or NULL */
};

enum wg_body_kind {
    WG_BODY_NONE,        /* whatever is sent is ignored */
    WG_BODY_FIELDS,      /* a JSON object with the route's fields */
    WG_BODY_OBJECT,      /* any JSON object */
    WG_BODY_TEXT_LIST,   /* a JSON array of strings */
    WG_BODY_RECORD_LIST, /* a JSON array of objects with the route's fields */
    WG_BODY_FILE         /* multipart with a part named "file" */
};

/* Both return true when the request may go on, false when the reply is set. */
bool wg_body_parse(struct wg_req *req);
bool wg_body_check(struct wg_req *req);
/* Query booleans: true/false and their synonyms. -1 if it is none. */
int wg_bool_word(const char *text);
/* ISO 8601 date or date-time into Unix seconds. 0, or -1. */
int wg_time_parse(const char *text, double *ret);

#endif
