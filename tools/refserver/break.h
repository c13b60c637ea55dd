/* SPDX-License-Identifier: MIT
 *
 * Misbehaviour on purpose (--break KIND[:ARG]), so that whoever watches servers can be tested.
 *
 * Kinds are rows of a table in break.c; each says at which hook it acts. To add one, write its
 * function for one of the hooks and add a row. Without --break every hook is one test of a pointer.
 *
 * Locking: `seen` is an atomic counter; `leaked` is written by the one request whose number it is;
 * the rest is written before the server starts.
 */
#ifndef WG_REFSERVER_BREAK_H
#define WG_REFSERVER_BREAK_H

#include <stdatomic.h>
#include <stdbool.h>

struct wg_app;
struct wg_req;
struct wg_break_kind;
struct wg_conn;

struct wg_break {
    const struct wg_break_kind *kind; /* NULL: behave */
    long argument;
    atomic_long seen;
    struct wg_conn *leaked; /* by leak-txn; closed at the very end */
};

bool wg_break_known(const char *text);
void wg_break_print_kinds(void);
void wg_break_init(struct wg_break *breaker, const char *text);
/* After the last request. */
void wg_break_finish(struct wg_break *breaker);

/* Before the address is bound. */
void wg_break_at_start(struct wg_app *app);
/* Before the ready line and each answer of /health; false suppresses the one, makes the other 503.
 */
bool wg_break_at_ready(struct wg_app *app);
/* Before an API request is handled; true if the reply is set already. */
bool wg_break_at_request(struct wg_req *req);
/* After an API request was handled: may change its reply. */
void wg_break_at_reply(struct wg_req *req);
/* Whether release_lock is to leave the row this time. */
bool wg_break_leaks_lock(struct wg_app *app);
/* Whether a change of a reference count is to be lost this time. */
bool wg_break_loses_update(struct wg_app *app);
/* Whether a request to stop is to be ignored. */
bool wg_break_ignores_stop(struct wg_app *app);

#endif
