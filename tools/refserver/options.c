/* SPDX-License-Identifier: MIT */
#include "tools/refserver/options.h"

#include "tools/refserver/break.h"
#include "tools/refserver/check.h"
#include "tools/refserver/hazard/hazard.h"
#include "tools/refserver/strategy/strategy.h"
#include "tools/refserver/util.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum source { FROM_ANYWHERE, FROM_PROCESS, FROM_FILE };

struct row {
    const char *flag;        /* long option, or NULL */
    const char *argument;    /* name of its argument; NULL makes it a switch */
    const char *environment; /* or NULL */
    enum source source;
    size_t offset;
    const char *initial; /* or NULL */
    const char *help;    /* NULL: not in the help text */
};

#define AT(field) offsetof(struct wg_options, field)
static const struct row rows[] = {
    {"--port", "N", "PORT", FROM_ANYWHERE, AT(port_text), "8000", "port; 0 takes a free one"},
    {"--host", "ADDRESS", "HOST", FROM_ANYWHERE, AT(host), "127.0.0.1", "address to bind"},
    {"--data", "DIR", "DATA_ROOT", FROM_ANYWHERE, AT(data), "data",
     "databases, configuration files and stored files live below"},
    {"--config-dir", "DIR", "CONFIG_DIR", FROM_ANYWHERE, AT(config_dir), "",
     "seeds the configuration files; without it the built-in test fixture does"},
    {"--upload-dir", "DIR", "UPLOAD_DIR", FROM_ANYWHERE, AT(upload_dir), NULL, "temporary uploads"},
    {"--threads", "N", NULL, FROM_ANYWHERE, AT(threads_text), "8", "requests handled at a time"},
    {"--validation-limit", "S", NULL, FROM_ANYWHERE, AT(validation_text), "30",
     "seconds that a schema may take to check a document"},
    {"--break", "KIND[:ARG]", NULL, FROM_ANYWHERE, AT(break_kind), NULL,
     "misbehave on purpose, see below"},
    {"--init", "STRATEGY", NULL, FROM_ANYWHERE, AT(strategy), "reference",
     "how databases are initialised, see below"},
    {"--hazard", "H[:ARG],…", NULL, FROM_ANYWHERE, AT(hazards), NULL,
     "what goes wrong beside the requests, see below"},
    {"--fresh", NULL, NULL, FROM_ANYWHERE, AT(fresh), NULL,
     "start without databases; with --init-only: make none"},
    {"--list", "KIND", NULL, FROM_ANYWHERE, AT(list), NULL,
     "print the strategies or hazards and exit"},
    {"--outsider", "KIND", NULL, FROM_ANYWHERE, AT(outsider), NULL, NULL},
    {"--pause", "MS", NULL, FROM_ANYWHERE, AT(pause_text), "20", NULL},
    {"--validator", NULL, NULL, FROM_ANYWHERE, AT(validator), NULL, NULL},
    {"--log", "FILE|-", NULL, FROM_ANYWHERE, AT(log_path), "-",
     "where JSON lines go; - is standard error"},
    {"--init-only", NULL, NULL, FROM_ANYWHERE, AT(init_only), NULL,
     "create and seed everything, checkpoint, exit"},
    {"--check", NULL, NULL, FROM_ANYWHERE, AT(check), NULL,
     "verify databases and stored files against the contract, print violations, exit"},
    {"--help", NULL, NULL, FROM_ANYWHERE, AT(help), NULL, "print this and exit"},
    {"--version", NULL, NULL, FROM_ANYWHERE, AT(version), NULL, "print the version and exit"},
    {NULL, "", "APPLICATION_MODE", FROM_ANYWHERE, AT(mode), "development", NULL},
    {NULL, "", "FASTAPI_APPLICATION_MODE", FROM_PROCESS, AT(mode_forced), NULL, NULL},
    {NULL, "", "SESSION_TIMEOUT", FROM_PROCESS, AT(session_timeout), NULL, NULL},
    {NULL, "", "SESSION_TIMEOUT", FROM_FILE, AT(session_fallback), "3600", NULL},
    {NULL, "", "WEBDAV_ENABLED", FROM_ANYWHERE, AT(webdav_enabled), "false", NULL},
    {NULL, "", "DOCS_FROM_GITHUB", FROM_PROCESS, AT(docs_from_github), NULL, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)

static char **slot(struct wg_options *options, const struct row *row)
{
    return (char **)(void *)((char *)options + row->offset);
}

static void set_text(struct wg_options *options, const struct row *row, const char *text)
{
    char **place = slot(options, row);
    free(*place);
    *place = wg_mem_strdup(text);
}

bool wg_options_truth(const char *text)
{
    return text != NULL && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 ||
                            strcasecmp(text, "yes") == 0);
}

bool wg_options_testing(const struct wg_options *options)
{
    return options->mode_forced != NULL && strcmp(options->mode_forced, "testing") == 0;
}

/* One NAME=VALUE line of an env file. Names match in any case; unknown ones are ignored. */
static void take_env_line(struct wg_options *options, char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    char *equals = strchr(line, '=');
    if (*line == '#' || equals == NULL)
        return;
    *equals = '\0';
    char *value = equals + 1;
    size_t length = strlen(value);
    while (length > 0 && isspace((unsigned char)value[length - 1]))
        value[--length] = '\0';
    if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
        value[length - 1] = '\0';
        value++;
    }
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].environment != NULL && rows[i].source != FROM_PROCESS &&
            strcasecmp(rows[i].environment, line) == 0)
            set_text(options, &rows[i], value);
}

static void take_env_file(struct wg_options *options)
{
    const char *path = getenv("FASTAPI_ENV_FILE");
    struct wg_buf text = {0};
    if (wg_file_read(path != NULL ? path : ".env.fastapi", &text) == 0) {
        char *rest = text.data;
        for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
            take_env_line(options, line);
    }
    wg_buf_finish(&text);
}

static void take_defaults(struct wg_options *options)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].initial != NULL)
            set_text(options, &rows[i], rows[i].initial);
    struct wg_buf uploads = {0};
    const char *temporary = getenv("TMPDIR");
    wg_buf_addf(&uploads, "%s/document-editor-uploads", temporary != NULL ? temporary : "/tmp");
    options->upload_dir = uploads.data;
    take_env_file(options);
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = NULL;
        if (rows[i].environment != NULL && rows[i].source != FROM_FILE)
            value = getenv(rows[i].environment);
        if (value != NULL)
            set_text(options, &rows[i], value);
    }
}

static int complain(const char *text, const char *what)
{
    fprintf(stderr, "walgrind-refserver: %s '%s' (try --help)\n", text, what);
    return -1;
}

static const struct row *find_flag(const char *word, size_t length)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].flag != NULL && strlen(rows[i].flag) == length &&
            strncmp(rows[i].flag, word, length) == 0)
            return &rows[i];
    return NULL;
}

static int take_arguments(struct wg_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct row *row = find_flag(argv[i], length);
        if (row == NULL)
            return complain("unknown argument", argv[i]);
        if (row->argument == NULL) {
            if (equals != NULL)
                return complain("no value belongs to", argv[i]);
            *(bool *)(void *)((char *)options + row->offset) = true;
            continue;
        }
        const char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL)
            return complain("value missing after", argv[i]);
        set_text(options, row, value);
    }
    return 0;
}

static int take_number(const char *text, long low, long high, int *ret)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high)
        return -1;
    *ret = (int)value;
    return 0;
}

int wg_options_parse(struct wg_options *options, int argc, char **argv)
{
    take_defaults(options);
    if (take_arguments(options, argc, argv) < 0)
        return -1;
    if (take_number(options->port_text, 0, 65535, &options->port) < 0)
        return complain("not a port number:", options->port_text);
    if (take_number(options->threads_text, 1, 256, &options->threads) < 0)
        return complain("not a number of threads (1 to 256):", options->threads_text);
    if (take_number(options->validation_text, 1, 3600, &options->validation_seconds) < 0)
        return complain("not a number of seconds (1 to 3600):", options->validation_text);
    if (options->break_kind != NULL && !wg_break_known(options->break_kind))
        return complain("unknown kind of misbehaviour", options->break_kind);
    if (wg_strategy_find(options->strategy) == NULL)
        return complain("unknown strategy of initialisation", options->strategy);
    if (!wg_hazards_known(options->hazards))
        return complain("unknown hazard in", options->hazards);
    if (options->list != NULL && strcmp(options->list, "strategies") != 0 &&
        strcmp(options->list, "hazards") != 0)
        return complain("strategies or hazards can be listed, not", options->list);
    if (take_number(options->pause_text, 1, 3600000, &options->pause_ms) < 0)
        return complain("not a number of milliseconds:", options->pause_text);
    return 0;
}

void wg_options_finish(struct wg_options *options)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].argument == NULL)
            continue;
        free(*slot(options, &rows[i]));
        *slot(options, &rows[i]) = NULL;
    }
}

void wg_options_print_help(void)
{
    printf("Usage: walgrind-refserver [OPTION]...\n"
           "Serves the HTTP API of the document editor backend from SQLite databases.\n"
           "Prints 'ready http://ADDRESS:PORT' once it answers; stops on SIGTERM or SIGINT.\n\n"
           "Options (a name in brackets is the environment variable with the same meaning):\n");
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        if (rows[i].help == NULL)
            continue;
        snprintf(left, sizeof left, "%s%s%s", rows[i].flag, rows[i].argument != NULL ? " " : "",
                 rows[i].argument != NULL ? rows[i].argument : "");
        printf("  %-22s %s", left, rows[i].help);
        if (rows[i].initial != NULL && *rows[i].initial != '\0')
            printf(" (default %s)", rows[i].initial);
        if (rows[i].environment != NULL)
            printf(" [%s]", rows[i].environment);
        printf("\n");
    }
    printf("\nKinds of misbehaviour:\n");
    wg_break_print_kinds();
    printf("\nStrategies of initialisation:\n");
    wg_strategy_print_all();
    printf("\nHazards:\n");
    wg_hazards_print_all();
    printf("\nWhat --check verifies:\n");
    wg_check_print_invariants(stdout);
    printf("\nExit status: 0 stopped as asked, 1 violations found by --check, 2 usage error,\n"
           "3 cannot bind or open the data.\n");
}
