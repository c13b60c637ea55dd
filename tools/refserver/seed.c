/* SPDX-License-Identifier: MIT */
#include "tools/refserver/seed.h"

#include "tools/refserver/migrate.h"
#include "tools/refserver/schema.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The password of each is its name. */
static const struct {
    const char *name;
    const char *fullname;
    const char *roles;
    const char *groups;
} users[] = {
    {"admin", "Administrator", "[\"*\"]", "[\"*\"]"},
    {"user", "Test User", "[\"user\"]", "[\"default\"]"},
    {"annotator", "Test Annotator", "[\"user\",\"annotator\"]", "[\"default\"]"},
    {"reviewer", "Test Reviewer", "[\"user\",\"reviewer\"]", "[\"default\"]"},
};

static const struct {
    const char *id;
    const char *name;
    const char *description;
} roles[] = {
    {"admin", "Administrator", "May manage users, groups and roles"},
    {"user", "User", "May read documents"},
    {"annotator", "Annotator", "May save versions"},
    {"reviewer", "Reviewer", "May save gold standard files"},
};

/* The other files, as they are. */
static const char *const fixture[WG_CONFIG_COUNT] = {
    [WG_CONFIG_GROUPS] =
        "[{\"id\":\"default\",\"name\":\"Default Group\",\"description\":\"Group of all users\","
        "\"collections\":[\"_inbox\",\"default\"]},"
        "{\"id\":\"admin\",\"name\":\"Administrator Group\",\"description\":\"Sees everything\","
        "\"collections\":[\"*\"]}]",
    [WG_CONFIG_COLLECTIONS] =
        "[{\"id\":\"default\",\"name\":\"Default Collection\",\"description\":\"\"},"
        "{\"id\":\"_inbox\",\"name\":\"Inbox\",\"description\":\"New documents arrive here\"}]",
    [WG_CONFIG_SETTINGS] = "{\"session.timeout\":3600,\"extraction.instructions\":[],"
                           "\"test.key\":\"test value\",\"test.key.type\":\"string\","
                           "\"test.number\":42,\"test.number.type\":\"number\","
                           "\"test.boolean\":true,\"test.boolean.type\":\"boolean\","
                           "\"test.array\":[1,2,3],\"test.array.type\":\"array\"}",
    [WG_CONFIG_PROMPT] = "[{\"label\":\"Test Instruction\",\"extractor\":[\"test-extractor\"],"
                         "\"text\":[\"Test instruction text\"]}]",
};

/* Makes a directory with its parents. */
static int make_directory(const char *path, struct wg_fail *fail)
{
    char *copy = wg_mem_strdup(path);
    int rc = 0;
    for (char *slash = strchr(copy + 1, '/'); rc == 0; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
            wg_fail_set(fail, 0, "cannot create directory %s: %s", copy, strerror(errno));
            rc = -1;
        }
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(copy);
    return rc;
}

static json_t *make_users(void)
{
    json_t *list = json_array();
    json_error_t error;
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        char hash[WG_SHA256_HEX + 1];
        wg_sha256_hex(users[i].name, strlen(users[i].name), hash);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:o,s:o}", "username", users[i].name,
                                              "passwd_hash", hash, "fullname", users[i].fullname,
                                              "roles", json_loads(users[i].roles, 0, &error),
                                              "groups", json_loads(users[i].groups, 0, &error)));
    }
    return list;
}

static json_t *make_roles(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "id", roles[i].id, "roleName",
                                              roles[i].name, "description", roles[i].description));
    return list;
}

static json_t *make_fixture(enum wg_config_name name)
{
    json_error_t error;
    switch (name) {
    case WG_CONFIG_USERS: return make_users();
    case WG_CONFIG_ROLES: return make_roles();
    default: return json_loads(fixture[name], 0, &error);
    }
}

/* What a new file of that name begins with: from the directory, else built in. NULL: nothing. */
static json_t *template_of(struct wg_app *app, enum wg_config_name name, struct wg_fail *fail)
{
    if (*app->options.config_dir == '\0')
        return make_fixture(name);
    struct wg_configs source;
    wg_configs_init(&source, app->options.config_dir);
    json_t *content = NULL;
    if (wg_config_exists(&source, name))
        content = wg_config_load(&source, name, fail);
    wg_configs_finish(&source);
    return content;
}

static int seed_file(struct wg_app *app, enum wg_config_name name, struct wg_fail *fail)
{
    if (name == WG_CONFIG_SETTINGS || wg_config_exists(&app->configs, name))
        return 0;
    json_t *content = template_of(app, name, fail);
    if (content == NULL)
        return fail->set ? -1 : 0;
    json_decref(wg_config_edit(&app->configs, name, fail));
    int rc = wg_config_write(&app->configs, name, content, fail);
    wg_config_leave(&app->configs, name, content);
    return rc;
}

static void set_default(json_t *settings, const char *key, json_t *owned)
{
    if (json_object_get(settings, key) == NULL)
        json_object_set_new(settings, key, owned);
    else
        json_decref(owned);
}

static void set_forced(json_t *settings, const char *key, const char *type, const char *type_key,
                       json_t *owned)
{
    json_object_set_new(settings, key, owned);
    set_default(settings, type_key, json_string(type));
}

/* Template keys that are missing, then what the environment forces. Writes only if changed. */
static int seed_settings(struct wg_app *app, struct wg_fail *fail)
{
    const struct wg_options *options = &app->options;
    json_t *wanted = template_of(app, WG_CONFIG_SETTINGS, fail);
    if (fail->set)
        return -1;
    json_t *settings = wg_config_edit(&app->configs, WG_CONFIG_SETTINGS, fail);
    if (settings == NULL) {
        json_decref(wanted);
        return -1;
    }
    json_t *before = json_deep_copy(settings);
    bool missing = !wg_config_exists(&app->configs, WG_CONFIG_SETTINGS);
    json_object_update_missing(settings, wanted);
    set_default(settings, "plugin.local-sync.enabled", json_false());
    set_default(settings, "plugin.local-sync.enabled.type", json_string("boolean"));
    set_forced(settings, "application.mode", "string", "application.mode.type",
               json_string(options->mode_forced != NULL ? options->mode_forced : options->mode));
    if (options->docs_from_github != NULL)
        set_forced(settings, "docs.from-github", "boolean", "docs.from-github.type",
                   json_boolean(wg_options_truth(options->docs_from_github)));
    int rc = 0;
    if (missing || !json_equal(before, settings))
        rc = wg_config_write(&app->configs, WG_CONFIG_SETTINGS, settings, fail);
    wg_config_leave(&app->configs, WG_CONFIG_SETTINGS, settings);
    json_decref(before);
    json_decref(wanted);
    return rc;
}

static int seed_directories(struct wg_app *app, struct wg_fail *fail)
{
    const char *config_dir = app->options.config_dir;
    if (*config_dir != '\0') {
        DIR *directory = opendir(config_dir);
        if (directory == NULL) {
            wg_fail_set(fail, 0, "cannot open configuration directory %s: %s", config_dir,
                        strerror(errno));
            return -1;
        }
        closedir(directory);
    }
    if (make_directory(app->configs.directory, fail) < 0 ||
        make_directory(app->store.root, fail) < 0)
        return -1;
    return make_directory(app->options.upload_dir, fail);
}

int wg_seed_data(struct wg_app *app, bool databases, struct wg_fail *fail)
{
    if (seed_directories(app, fail) < 0)
        return -1;
    for (int name = 0; name < WG_CONFIG_COUNT; name++)
        if (seed_file(app, (enum wg_config_name)name, fail) < 0)
            return -1;
    if (seed_settings(app, fail) < 0)
        return -1;
    for (int name = 0; databases && name < WG_DB_COUNT; name++) {
        bool created = false;
        if (wg_schema_apply(&app->db[name], (enum wg_db_name)name, &created, fail) < 0)
            return -1;
        if (created && wg_schema_checkpoint(&app->db[name], fail) < 0)
            return -1;
    }
    return databases ? wg_migrate_document_ids(&app->db[WG_DB_METADATA], fail) : 0;
}
