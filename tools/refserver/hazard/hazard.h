/* SPDX-License-Identifier: MIT
 *
 * What goes wrong beside the requests (--hazard H[:ARG][,H[:ARG]]…): the mechanisms that break
 * SQLite databases in real applications, each as one switch.
 *
 * --break shows whether a harness notices; --hazard shows what a cause does to an application,
 * alone or together with another and with each way to initialise (strategy/strategy.h). Most of
 * them are silent alone. A hazard acts at one or more of these points, and is otherwise not there:
 *
 *   limit    in the serving process, before its first thread and its first database
 *   start    before the first request; may start a child process
 *   request  at every API request, in the request's thread, before it is handled; `number` from 1
 *   keep     when a connection would be closed: true takes it over
 *   stop     after the last request
 *
 * restart-kill is none of these: main.c asks wg_hazards_supervise for it, since it is about the
 * process itself. To add a hazard: a row in hazard.c, its functions in a file of its own.
 *
 * Locking: `seen` is an atomic counter; `mutex` guards the kept connections; the rest is written
 * before the first request and after the last.
 */
#ifndef WG_REFSERVER_HAZARD_H
#define WG_REFSERVER_HAZARD_H

#include "tools/refserver/util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct wg_app;
struct wg_conn;

#define WG_HAZARDS_MAX 4

struct wg_hazard {
    const char *name;
    long argument; /* default; 0: takes none */
    const char *help;
    void (*limit)(struct wg_app *app, long argument);
    int (*start)(struct wg_app *app, long argument, struct wg_fail *fail);
    void (*request)(struct wg_app *app, long argument, long number);
    bool (*keep)(struct wg_app *app, long argument, struct wg_conn *conn);
    void (*stop)(struct wg_app *app);
    bool restarts;
};

struct wg_hazards {
    struct wg_app *app;
    struct {
        const struct wg_hazard *hazard;
        long argument;
    } on[WG_HAZARDS_MAX];
    size_t count;
    atomic_long seen;
    pthread_mutex_t mutex;
    struct wg_conn *kept; /* oldest last */
    size_t kept_count;
    pid_t children[WG_HAZARDS_MAX];
    size_t child_count;
};

/* Whether the text names hazards that exist; NULL is fine and means none. */
bool wg_hazards_known(const char *text);
void wg_hazards_print_all(void);
void wg_hazards_init(struct wg_hazards *hazards, struct wg_app *app, const char *text);
void wg_hazards_finish(struct wg_hazards *hazards);

/*
 * In the process that bound the address, before anything else exists. With restart-kill: forks the
 * server, kills it with SIGKILL after ARG milliseconds, forks the next one, until a signal of
 * `stops` arrives, which it passes on. True in the process that is to serve; false in the
 * supervisor once all is over, with the exit status of the last server.
 */
bool wg_hazards_supervise(struct wg_hazards *hazards, int *ret_status);
void wg_hazards_limit(struct wg_hazards *hazards);
int wg_hazards_start(struct wg_hazards *hazards, struct wg_fail *fail);
void wg_hazards_at_request(struct wg_hazards *hazards);
/* Whether a hazard took the connection over, which then must not be closed. */
bool wg_hazards_keep(struct wg_hazards *hazards, struct wg_conn *conn);
void wg_hazards_stop(struct wg_hazards *hazards);

/* Deletes the databases with all that belongs to them: what --fresh and the wiper do. */
void wg_databases_delete(const char *directory);

/* Body of the child programs second-process and wipe (--outsider KIND); returns when killed. */
int wg_outsider_run(const char *kind, const char *directory, long pause_ms);
/* Starts one; it dies with the server. */
int wg_outsider_start(struct wg_app *app, const char *kind, long pause_ms, struct wg_fail *fail);

/* The rows' functions, by file. */
void wg_slow_requests(struct wg_app *app, long argument, long number);
bool wg_leak_keep(struct wg_app *app, long argument, struct wg_conn *conn);
void wg_leak_stop(struct wg_app *app);
void wg_backup_copy(struct wg_app *app, long argument, long number);
void wg_magic_read(struct wg_app *app, long argument, long number);
int wg_second_process_start(struct wg_app *app, long argument, struct wg_fail *fail);
int wg_wipe_start(struct wg_app *app, long argument, struct wg_fail *fail);
void wg_outsider_stop(struct wg_app *app);
void wg_fd_pressure_limit(struct wg_app *app, long argument);
void wg_small_disk_limit(struct wg_app *app, long argument);

#endif
