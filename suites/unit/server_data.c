/* SPDX-License-Identifier: MIT */
/*
 * The data of fixtures/data (WALGRIND_FIXTURE_CONFIG) is what tests rely on, and the reference
 * server (WALGRIND_REFSERVER), started without it, begins with the same.
 */
#include "fixtures/server/server.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {
    "collections.json", "config.json", "groups.json", "prompt.json", "roles.json", "users.json",
};

static json_t *load(const char *directory, const char *name)
{
    struct wg_err err = WG_ERR_INIT;
    json_t *value = NULL;
    char *path = wg_format("%s/%s", directory, name);
    cr_assert(eq(int, wg_json_read_file(path, &value, &err), 0), "%s", err.message);
    free(path);
    return value;
}

static const char *config_dir(void)
{
    const char *directory = getenv("WALGRIND_FIXTURE_CONFIG");
    cr_assert(not(eq(ptr, (void *)directory, NULL)), "WALGRIND_FIXTURE_CONFIG is not set");
    return directory;
}

Test(server_data, each_user_has_its_name_as_password)
{
    json_t *users = load(config_dir(), "users.json");
    size_t i;
    json_t *user;
    cr_assert(ge(sz, json_array_size(users), 4));
    json_array_foreach(users, i, user)
    {
        char hex[WG_HASH_HEX_SIZE];
        struct wg_hash hash;
        const char *name = wg_json_str(user, "username", "");
        wg_hash_init(&hash);
        wg_hash_add(&hash, name, strlen(name));
        wg_hash_hex(&hash, hex);
        cr_expect(eq(str, (char *)wg_json_str(user, "passwd_hash", ""), hex), "%s", name);
    }
    json_decref(users);
}

Test(server_data, the_reference_server_begins_with_the_same, .timeout = 30)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_server *server = NULL;
    char root[PATH_MAX / 2];
    cr_assert(eq(int, wg_sandbox_create("/tmp", "unit-data", root, sizeof root, &err), 0));
    char *argv[] = {getenv("WALGRIND_REFSERVER"), NULL};
    char *env[] = {"PORT={port}", "DATA_ROOT={data}", "CONFIG_DIR=", "UPLOAD_DIR={data}/upload",
                   NULL};
    struct wg_server_options options = {
        .argv = argv, .env = env, .data_dir = root, .ready_path = "/health", .directory = root};
    cr_assert(eq(int, wg_server_start(&options, &server, &err), 0), "%s", err.message);
    cr_assert(eq(int, wg_server_wait_ready(server, &err), 0), "%s", err.message);
    char *started_with = wg_format("%s/db", root);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        json_t *want = load(config_dir(), files[i]);
        json_t *have = load(started_with, files[i]);
        const char *key;
        json_t *value;
        /* Of the settings all must be there; the server adds some of its own. */
        bool same = json_is_object(want) || json_equal(want, have);
        json_object_foreach(want, key, value)
        {
            same = same && json_equal(value, json_object_get(have, key));
        }
        cr_expect(eq(int, same, 1), "%s differs", files[i]);
        json_decref(want);
        json_decref(have);
    }
    free(started_with);
    wg_server_destroy(server);
    cr_assert(eq(int, wg_tree_remove(root, NULL), 0));
}
