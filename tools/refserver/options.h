/* SPDX-License-Identifier: MIT
 *
 * What the server was told: command line over process environment over env file over default.
 *
 * One table (options.c) gives the parser, the help text and the environment names. To add an
 * option, add a field here and a row there.
 */
#ifndef WG_REFSERVER_OPTIONS_H
#define WG_REFSERVER_OPTIONS_H

#include <stdbool.h>

struct wg_options {
    char *host;
    char *port_text;
    char *data;
    char *config_dir; /* empty: the embedded fixture */
    char *upload_dir;
    char *threads_text;
    char *break_kind; /* KIND[:ARG], or NULL */
    char *strategy;   /* how databases are initialised */
    char *hazards;    /* HAZARD[:ARG][,…], or NULL */
    char *list;       /* strategies or hazards: print them and exit; NULL: no */
    char *outsider;   /* be this child program of a hazard instead of a server; NULL: no */
    char *pause_text; /* its pause in ms */
    char *validation_text;
    char *log_path;
    char *mode;             /* testing, development, production */
    char *mode_forced;      /* FASTAPI_APPLICATION_MODE of the process environment, or NULL */
    char *session_timeout;  /* from the process environment, or NULL */
    char *session_fallback; /* from the env file or default */
    char *webdav_enabled;
    char *docs_from_github; /* NULL: leave alone */
    int port;
    int threads;
    int pause_ms;
    int validation_seconds;
    bool validator; /* be the helper that validates one document */
    bool check;
    bool fresh;
    bool init_only;
    bool help;
    bool version;
};

/* 0, or -1 with a one-line complaint printed to standard error. */
int wg_options_parse(struct wg_options *options, int argc, char **argv);
void wg_options_finish(struct wg_options *options);
void wg_options_print_help(void);
bool wg_options_testing(const struct wg_options *options);
/* The boolean words that the environment uses: true, 1, yes (any case). */
bool wg_options_truth(const char *text);

#endif
