/* SPDX-License-Identifier: MIT
 *
 * One request on its way through the server, and the helpers with which handlers answer it.
 *
 * A handler fills in the reply with one of the wg_reply_* functions and returns 0. It returns -1
 * only after something it called has recorded a failure in `fail`; the dispatcher then answers 500
 * with that message. Everything hanging off a request lives in its arena.
 *
 * Locking: a request belongs to one thread at a time; the server's queue hands it over.
 */
#ifndef WG_REFSERVER_REQ_H
#define WG_REFSERVER_REQ_H

#include "tools/refserver/app.h"

#include <microhttpd.h>

#define WG_PATH_ARGUMENTS_MAX 2

struct wg_route;

struct wg_reply {
    int status;
    const char *content_type;
    struct wg_buf body;
    int fd; /* file to send instead of `body`, or -1 */
    uint64_t fd_offset;
    uint64_t fd_size;
    struct {
        const char *name;
        const char *value;
    } headers[8];
    size_t header_count;
    struct wg_stream *stream; /* endless answer instead */
    bool hang;                /* never answer (--break hang) */
};

/* The uploaded file of a multipart body; pointers into the body. */
struct wg_part {
    bool present;
    const char *filename; /* arena */
    const char *data;
    size_t size;
};

struct wg_user {
    json_t *entry; /* NULL: nobody */
    const char *name;
    const json_t *roles;
};

/* Collections that the caller may see. */
struct wg_visible {
    bool known;
    bool all;
    json_t *names;
};

enum wg_req_state { WG_REQ_READING, WG_REQ_QUEUED, WG_REQ_ANSWERED };

struct wg_req {
    struct wg_app *app;
    struct MHD_Connection *connection;
    const struct wg_route *route;
    char *method;
    char *path;
    const char *arguments[WG_PATH_ARGUMENTS_MAX];
    struct wg_buf body;
    json_t *json; /* validated body; owned by the arena */
    struct wg_part part;
    const char *session; /* first non-empty session id of the request, or NULL */
    const char *test;    /* X-Walgrind-Test, or NULL */
    struct wg_user user;
    struct wg_visible visible;
    struct wg_conn *conns[WG_DB_COUNT];
    bool lent[WG_DB_COUNT]; /* since the request began; where its connection is gone, it leaked */
    struct wg_fail fail;
    struct wg_reply reply;
    struct wg_arena arena;
    int64_t started_ms;
    enum wg_req_state state;
    struct wg_req *next;
};

struct wg_req *wg_req_new(struct wg_app *app, struct MHD_Connection *connection, const char *method,
                          const char *path);
void wg_req_free(struct wg_req *req);

/* Query parameter or header, or NULL. */
const char *wg_req_query(struct wg_req *req, const char *name);
const char *wg_req_header(struct wg_req *req, const char *name);
/* Connection of the database, borrowed until the request ends. NULL on failure. */
struct wg_conn *wg_req_conn(struct wg_req *req, enum wg_db_name name);

/* Text, boolean or any value of the validated body. Absent and null give NULL / `otherwise`. */
const char *wg_req_text(struct wg_req *req, const char *name);
bool wg_req_bool(struct wg_req *req, const char *name, bool otherwise);
json_t *wg_req_value(struct wg_req *req, const char *name);

/* Each sets the reply and returns 0, so that a handler can end with one. */
int wg_reply_json(struct wg_req *req, int status, json_t *owned);
int wg_reply_detail(struct wg_req *req, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int wg_reply_text_500(struct wg_req *req);
void wg_reply_header(struct wg_req *req, const char *name, const char *value);
/* Drops whatever was put into the reply. */
void wg_reply_clear(struct wg_req *req);

#endif
