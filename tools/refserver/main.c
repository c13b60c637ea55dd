/* SPDX-License-Identifier: MIT
 *
 * walgrind-refserver: the HTTP API of the document editor backend, served from SQLite.
 *
 * It is the server that API tests run against when no other is given, and, with --break, the server
 * that shows whether a harness notices. It follows the API contract; where that says "free" it does
 * the sensible thing (parallel changes of configuration files lose nothing, a failed COMMIT keeps
 * files).
 *
 * Start-up: parse options, break hook, bind, seed directories, configuration and databases, start
 * workers, print `ready http://ADDRESS:PORT` on standard output. Binding comes before seeding so
 * that two servers on one port are told apart before either touches data. Stopping: SIGTERM or
 * SIGINT, taken by sigwait() in the main thread; requests in flight are answered, the databases
 * closed, one "totals" line logged, exit status 0.
 *
 * Outside the API there is GET /__stats: the totals so far,
 * `{"requests","statements","sqlite_errors"}`.
 *
 * The server never runs an explicit checkpoint once it serves; see db.h for how it reports
 * SQLite's errors and server.h for its threads.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/check.h"
#include "tools/refserver/helper.h"
#include "tools/refserver/schema.h"
#include "tools/refserver/schemacache.h"
#include "tools/refserver/seed.h"
#include "tools/refserver/server.h"
#include "tools/refserver/xmlcheck.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemastypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_STOPPED = 0, STATUS_VIOLATIONS = 1, STATUS_USAGE = 2, STATUS_CANNOT = 3 };

static void ignore_xml_error(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

static void open_parts(struct wg_app *app)
{
    struct wg_buf directory = {0}, files = {0};
    wg_buf_addf(&directory, "%s/db", app->options.data);
    wg_buf_addf(&files, "%s/files", app->options.data);
    wg_hazards_init(&app->hazards, app, app->options.hazards);
    wg_lender_init(&app->lender, wg_strategy_find(app->options.strategy), directory.data,
                   &app->hazards);
    wg_configs_init(&app->configs, directory.data);
    wg_store_init(&app->store, files.data);
    for (int name = 0; name < WG_DB_COUNT; name++)
        wg_db_init(&app->db[name], (enum wg_db_name)name, directory.data, &app->lender, &app->log);
    wg_hub_init(&app->hub);
    wg_buf_finish(&directory);
    wg_buf_finish(&files);
}

static void close_parts(struct wg_app *app)
{
    wg_hub_finish(&app->hub);
    wg_break_finish(&app->breaker);
    for (int name = 0; name < WG_DB_COUNT; name++)
        wg_db_finish(&app->db[name]);
    wg_lender_finish(&app->lender);
    wg_hazards_finish(&app->hazards);
    wg_store_finish(&app->store);
    wg_configs_finish(&app->configs);
}

static int init_only(struct wg_app *app, struct wg_fail *fail)
{
    if (wg_seed_data(app, !app->options.fresh, fail) < 0)
        return -1;
    for (int name = 0; !app->options.fresh && name < WG_DB_COUNT; name++)
        if (wg_schema_checkpoint(&app->db[name], fail) < 0)
            return -1;
    return 0;
}

static void wait_for_stop(struct wg_app *app, const sigset_t *signals)
{
    int number;
    do {
        sigwait(signals, &number);
    } while (wg_break_ignores_stop(app));
}

static int serve(struct wg_app *app, const sigset_t *signals, struct wg_fail *fail)
{
    int fd = -1, port = 0;
    wg_break_at_start(app);
    if (wg_server_bind(app->options.host, app->options.port, &fd, &port, fail) < 0)
        return -1;
    int status = 0;
    if (app->options.fresh)
        wg_databases_delete(app->configs.directory);
    if (!wg_hazards_supervise(&app->hazards, &status)) {
        close(fd);
        wg_hub_close(&app->hub);
        return status == 0 ? 0 : -1;
    }
    wg_hazards_limit(&app->hazards);
    if (wg_seed_data(app, app->lender.strategy->ready_first, fail) < 0 ||
        wg_hazards_start(&app->hazards, fail) < 0) {
        close(fd);
        return -1;
    }
    struct wg_server *server = wg_server_start(app, fd, fail);
    if (server == NULL)
        return -1;
    if (wg_break_at_ready(app)) {
        printf("ready http://%s:%d\n", app->options.host, port);
        fflush(stdout);
    }
    wait_for_stop(app, signals);
    wg_server_stop(server);
    wg_hazards_stop(&app->hazards);
    return 0;
}

/* The mode that each database ended up in, whatever was asked for. */
static json_t *journal_modes(struct wg_app *app)
{
    json_t *modes = json_object();
    for (int name = 0; name < WG_DB_COUNT; name++)
        json_object_set_new(modes, app->db[name].kind->name,
                            wg_schema_journal_mode(&app->db[name]));
    return modes;
}

static int run(struct wg_app *app, const sigset_t *signals)
{
    struct wg_fail fail = {0};
    int rc;
    open_parts(app);
    if (app->options.init_only) {
        rc = init_only(app, &fail);
        wg_hub_close(&app->hub);
    } else {
        rc = serve(app, signals, &fail);
        if (rc < 0)
            wg_hub_close(&app->hub);
    }
    if (rc < 0)
        fprintf(stderr, "walgrind-refserver: %s\n", fail.message);
    json_t *totals = json_pack("{s:o*}", "journal_modes", rc == 0 ? journal_modes(app) : NULL);
    close_parts(app);
    if (rc == 0 && !app->options.init_only) {
        json_object_update_new(totals, wg_log_totals(&app->log));
        wg_log_line(&app->log, "info", "totals", json_incref(totals));
    }
    json_decref(totals);
    return rc < 0 ? STATUS_CANNOT : STATUS_STOPPED;
}

static void open_xml(void)
{
    xmlInitParser();
    /* What libxml2 would otherwise set up on first use, in whichever thread that is. */
    xmlRelaxNGInitTypes();
    xmlSchemaInitTypes();
    xmlSetExternalEntityLoader(xmlNoNetExternalEntityLoader);
    xmlSetGenericErrorFunc(NULL, ignore_xml_error);
}

static void close_xml(void)
{
    xmlRelaxNGCleanupTypes();
    xmlSchemaCleanupTypes();
    xmlCleanupParser();
}

/* Called before any thread exists. */
static int set_up_process(struct wg_app *app, sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (pthread_sigmask(SIG_BLOCK, signals, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) < 0)
        return -1;
    if (wg_log_init(&app->log, app->options.log_path) < 0) {
        fprintf(stderr, "walgrind-refserver: cannot open log %s\n", app->options.log_path);
        return -1;
    }
    sqlite3_config(SQLITE_CONFIG_LOG, wg_log_sqlite_callback, &app->log);
    sqlite3_initialize();
    json_object_seed(0);
    open_xml();
    wg_schemas_init();
    return 0;
}

static int be_validator(void)
{
    int rc = wg_helper_dies_with_parent();
    open_xml();
    if (rc == 0)
        rc = wg_xml_check_serve();
    close_xml();
    return rc < 0 ? STATUS_CANNOT : STATUS_STOPPED;
}

/* Comes back only when there is no such kind, or the server has gone. */
static void be_outsider(const struct wg_options *options)
{
    struct wg_buf directory = {0};
    wg_buf_addf(&directory, "%s/db", options->data);
    if (wg_outsider_run(options->outsider, directory.data, options->pause_ms) < 0)
        fprintf(stderr, "walgrind-refserver: no outsider '%s', or no server\n", options->outsider);
    wg_buf_finish(&directory);
}

static void print_list(const char *kind)
{
    if (strcmp(kind, "strategies") == 0)
        wg_strategy_print_all();
    else
        wg_hazards_print_all();
}

/* Only looks; needs nothing of the server. */
static int check_data(const struct wg_options *options)
{
    struct wg_fail fail = {0};
    long violations = wg_check_data(options, stdout, &fail);
    if (violations < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "walgrind-refserver: %s\n", fail.message);
        return STATUS_CANNOT;
    }
    return violations > 0 ? STATUS_VIOLATIONS : STATUS_STOPPED;
}

int main(int argc, char **argv)
{
    struct wg_app *app = wg_mem_alloc(sizeof *app);
    sigset_t signals;
    int status = STATUS_USAGE;
    if (wg_options_parse(&app->options, argc, argv) < 0)
        goto out;
    if (app->options.help || app->options.version) {
        if (app->options.help)
            wg_options_print_help();
        else
            printf("walgrind-refserver %s\n", WG_VERSION);
        status = STATUS_STOPPED;
        goto out;
    }
    if (app->options.check) {
        status = check_data(&app->options);
        goto out;
    }
    if (app->options.list != NULL) {
        print_list(app->options.list);
        status = STATUS_STOPPED;
        goto out;
    }
    if (app->options.validator) {
        status = be_validator();
        goto out;
    }
    status = STATUS_CANNOT;
    if (app->options.outsider != NULL) {
        be_outsider(&app->options);
        goto out;
    }
    if (set_up_process(app, &signals) < 0)
        goto out;
    wg_break_init(&app->breaker, app->options.break_kind);
    status = run(app, &signals);
    sqlite3_shutdown();
    wg_log_finish(&app->log);
    wg_schemas_finish();
    close_xml();
out:
    wg_options_finish(&app->options);
    free(app);
    return status;
}
