/* SPDX-License-Identifier: MIT */
/* cmd_init.c - walgrind init: a first walgrind.yaml, from what lies in a project's directory. */
#include "harness/base/buf.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX   (64 << 10)
#define MARKER_MAX (256 << 10) /* bytes of a file that are looked at */

struct init_options {
    bool force;
    bool print;
};

static const struct wg_option options_table[] = {
    {"force", 0, WG_OPTION_FLAG, offsetof(struct init_options, force), NULL,
     "Replace a walgrind.yaml that is there.", 0, 0},
    {"print", 0, WG_OPTION_FLAG, offsetof(struct init_options, print), NULL,
     "Write to standard output instead.", 0, 0},
    {0},
};

static int init(int argc, char **argv);

const struct wg_command wg_command_init = {
    .name = "init",
    .summary = "write a first walgrind.yaml after a look at the project",
    .synopsis = "[OPTION…] [DIRECTORY]",
    .description =
        "Knows Django, FastAPI, Flask, Rails, Laravel, Phoenix, Node, Go and Rust by their files, and "
        "fills in how the server is started and its databases are made, as far as that can be told; "
        "comments say what is left to fill in. A file that is there is not touched without --force.",
    .options = options_table,
    .run = init,
};

/* A kind of project: the first row whose file is there, and has the word, is taken. */
static const struct kind {
    const char *name, *file, *word; /* word: NULL for any content */
    const char *server, *init;
    const char *env; /* of the server; a line each, NULL for none */
    const char *note;
} kinds[] = {
    {"Django", "manage.py", NULL, "python3 manage.py runserver --noreload 127.0.0.1:{port}",
     "DATABASE_PATH={data}/db.sqlite3 python3 manage.py migrate --noinput",
     "DATABASE_PATH={data}/db.sqlite3",
     "settings.py is to take the path of the database from DATABASE_PATH."},
    {"Rails", "bin/rails", NULL, "bin/rails server --environment=test --port={port}",
     "DATABASE_URL=sqlite3:{data}/app.db RAILS_ENV=test bin/rails db:prepare",
     "DATABASE_URL=sqlite3:{data}/app.db\nRAILS_ENV=test",
     "DATABASE_URL goes before config/database.yml; give each further database a variable."},
    {"Laravel", "artisan", NULL, "php artisan serve --port={port}",
     "DB_CONNECTION=sqlite DB_DATABASE={data}/app.db sh -c 'touch \"$DB_DATABASE\" && php artisan "
     "migrate --force'",
     "DB_CONNECTION=sqlite\nDB_DATABASE={data}/app.db", "Variables go before .env."},
    {"Phoenix", "mix.exs", "phoenix", "mix phx.server",
     "DATABASE_PATH={data}/app.db mix ecto.migrate", "PORT={port}\nDATABASE_PATH={data}/app.db",
     "config/runtime.exs is to take PORT and DATABASE_PATH."},
    {"FastAPI", "pyproject.toml", "fastapi", "uvicorn main:app --port {port}",
     "DATA={data} python3 -m app.migrate", "DATA={data}",
     "The application is to keep its databases below DATA."},
    {"FastAPI", "requirements.txt", "fastapi", "uvicorn main:app --port {port}",
     "DATA={data} python3 -m app.migrate", "DATA={data}",
     "The application is to keep its databases below DATA."},
    {"Flask", "pyproject.toml", "lask", "flask run --port {port}", "DATA={data} flask init-db",
     "DATA={data}", "The application is to keep its databases below DATA."},
    {"Flask", "requirements.txt", "lask", "flask run --port {port}", "DATA={data} flask init-db",
     "DATA={data}", "The application is to keep its databases below DATA."},
    {"Node", "package.json", NULL, "npm start", "DATA={data} npm run migrate",
     "PORT={port}\nDATA={data}",
     "The server is to listen on PORT and to keep its databases below DATA."},
    {"Go", "go.mod", NULL, "go run . --port {port} --data {data}",
     "go run . --migrate --data {data}", NULL,
     "Build first and name the program here: 'go run' compiles at every start."},
    {"Rust", "Cargo.toml", NULL, "target/release/app --port {port} --data {data}",
     "target/release/app --migrate --data {data}", NULL, "Build it first: cargo build --release."},
    {"unknown", NULL, NULL, NULL, NULL, NULL, NULL},
};

/* What the databases of a project are often made from; named as inputs where they are there. */
static const char *const inputs[] = {"migrations",
                                     "db/migrate",
                                     "db/schema.rb",
                                     "database/migrations",
                                     "priv/repo/migrations",
                                     "alembic/versions",
                                     "prisma/migrations",
                                     "drizzle",
                                     "schema.sql",
                                     "db/schema.sql",
                                     "sql",
                                     NULL};

static bool exists(const char *directory, const char *name)
{
    char *path = wg_format("%s/%s", directory, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static bool contains(const char *directory, const char *name, const char *word)
{
    char *path = wg_format("%s/%s", directory, name);
    char *text = wg_calloc(1, MARKER_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, text, MARKER_MAX) : -1;
    bool found = got > 0 && strstr(text, word) != NULL;
    if (fd >= 0)
        close(fd);
    free(text);
    free(path);
    return found;
}

static const struct kind *recognise(const char *directory)
{
    const struct kind *kind = kinds;
    while (kind->file && !(exists(directory, kind->file) &&
                           (!kind->word || contains(directory, kind->file, kind->word))))
        kind++;
    return kind;
}

static void write_lists(const struct kind *kind, const char *directory, struct wg_buf *out)
{
    bool any = false;
    wg_buf_puts(out,
                "\n  # What init depends on: the databases are built again when it changes.\n");
    for (size_t i = 0; inputs[i]; i++) {
        if (!exists(directory, inputs[i]))
            continue;
        wg_buf_printf(out, "%s    - %s\n", any ? "" : "  input:\n", inputs[i]);
        any = true;
    }
    if (!any)
        wg_buf_puts(out, "  # input: [migrations]\n");
    wg_buf_puts(out, "\n  # Variables that the server is started with.\n");
    wg_buf_puts(out, kind->env ? "  server-env:\n" : "  # server-env: [APP_ENV=test]\n");
    for (const char *line = kind->env; line;) {
        size_t size = strcspn(line, "\n");
        wg_buf_printf(out, "    - %.*s\n", (int)size, line);
        line = line[size] ? line + size + 1 : NULL;
    }
}

static void write_config(const struct kind *kind, const char *directory, struct wg_buf *out)
{
    bool known = kind->server != NULL;
    wg_buf_printf(
        out,
        "# walgrind.yaml - how 'walgrind run' tests this project (%s).\n"
        "# Keys are the long options of 'walgrind help run'; {port}, {data} (the directory\n"
        "# for databases), {url} and {db:NAME} are replaced.\n",
        kind->name);
    if (kind->note)
        wg_buf_printf(out, "# %s\n", kind->note);
    wg_buf_printf(
        out,
        "run:\n"
        "  # Starts the server in the foreground on {port}, with its databases below {data}.\n"
        "  %sserver: %s\n\n"
        "  # Fills {data} with fresh databases, once; tests work on clones of them.\n"
        "  %sinit: %s\n",
        known ? "" : "# ", known ? kind->server : "./app --port {port} --data {data}",
        known ? "" : "# ", known ? kind->init : "./app --migrate --data {data}");
    write_lists(kind, directory, out);
    wg_buf_puts(
        out, "\n  # A request that answers when the server is ready; else a connection is enough.\n"
             "  # ready: /health\n\n"
             "  # The tests: a Criterion program linked with walgrind-suite.\n"
             "  # suite-binary: build/my-suite\n\n"
             "  timeout: 30s\n\n"
             "profiles:\n"
             "  # walgrind run --profile=ci\n"
             "  ci:\n"
             "    run:\n"
             "      both: true\n"
             "      shuffle: true\n"
             "      junit: walgrind-junit.xml\n"
             "      progress: false\n"
             "  # walgrind run --profile=local\n"
             "  local:\n"
             "    run:\n"
             "      isolate: suite\n");
}

/* Writes a new file, or with `replace` puts it in the place of the old one at once. */
static int write_file(const char *path, const struct wg_buf *text, bool replace, struct wg_err *err)
{
    char *temporary = wg_format("%s.new", path);
    const char *to = replace ? temporary : path;
    int rc = 0;
    int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0 && errno == EEXIST)
        rc = wg_err_set(err, WG_ERR_USAGE, "%s exists; --force replaces it", path);
    else if (fd < 0)
        rc = wg_err_errno(err, "create %s", to);
    else if (write(fd, text->data, text->size) != (ssize_t)text->size)
        rc = wg_err_errno(err, "write %s", to);
    if (fd >= 0 && close(fd) != 0 && rc == 0)
        rc = wg_err_errno(err, "write %s", to);
    if (rc == 0 && replace && rename(to, path) != 0)
        rc = wg_err_errno(err, "rename %s", to);
    if (rc != 0 && fd >= 0)
        unlink(to);
    free(temporary);
    return rc;
}

static int write_project(const char *directory, const struct init_options *options,
                         struct wg_err *err)
{
    struct stat have;
    struct wg_buf text;
    int rc = 0;
    if (stat(directory, &have) != 0 || !S_ISDIR(have.st_mode))
        return wg_err_set(err, WG_ERR_USAGE, "%s is no directory", directory);
    const struct kind *kind = recognise(directory);
    wg_buf_init(&text, TEXT_MAX);
    write_config(kind, directory, &text);
    if (options->print) {
        fputs(text.data, stdout);
    } else {
        char *path = wg_format("%s/%s", directory, WG_CONFIG_FILE);
        rc = write_file(path, &text, options->force, err);
        if (rc == 0)
            printf("%s: %s%s; look through it, then: walgrind run\n", path,
                   kind->server ? "for " : "nothing that is known was found, so ",
                   kind->server ? kind->name : "it is all comments");
        free(path);
    }
    wg_buf_finish(&text);
    return rc;
}

static int init(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct init_options options = {0};
    struct wg_strv operands = {0};
    int parsed = wg_command_parse(&wg_command_init, argc, argv, false, &options, &operands, &err);
    if (parsed == 0 && operands.count > 1)
        parsed = wg_err_set(&err, WG_ERR_USAGE, "one directory, not %zu", operands.count);
    if (parsed == 0)
        parsed = write_project(operands.count > 0 ? operands.items[0] : ".", &options, &err);
    int exit_code = parsed < 0 ? wg_command_fail(&wg_command_init, &err) : WG_EXIT_PASSED;
    wg_strv_finish(&operands);
    return exit_code;
}
