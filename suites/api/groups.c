/* SPDX-License-Identifier: MIT */
/*
 * groups.c - groups: rights, defaults, texts, and how membership makes collections visible.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#define GROUPS      "/api/v1/groups"
#define COLLECTIONS "/api/v1/collections"

#define NEEDS_ADMIN "Insufficient permissions. Admin role required."

static struct wg_response *update(struct wg_http *http, const char *id, json_t *body)
{
    return api_manage(http, "PUT", wg_http_path(http, GROUPS "/%s", id), body);
}

static struct wg_response *drop(struct wg_http *http, const char *id)
{
    return api_manage(http, "DELETE", wg_http_path(http, GROUPS "/%s", id), NULL);
}

static struct wg_response *get(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, GROUPS "/%s", id));
}

/* Makes a group with one collection as admin; NULL: with none. Gives its id. */
static char *new_group(struct wg_http *admin, const char *collection)
{
    char *id = api_nonce("g");
    json_t *body = json_pack("{s:s, s:s, s:[]}", "id", id, "name", id, "collections");
    if (collection != NULL)
        json_array_append_new(json_object_get(body, "collections"), json_string(collection));
    wg_expect_status(api_manage(admin, "POST", GROUPS, body), 200);
    return id;
}

Test(groups, ordinary_user_may_read, .description = "GROUP-X01")
{
    struct wg_http *user = api_login("user");

    wg_expect_status(wg_http_get(user, GROUPS), 200);
    wg_expect_str(get(user, "default"), "id", eq, "default");
}

Test(groups, creating_needs_admin, .description = "GROUP-X01")
{
    struct wg_response *response =
        api_manage(api_login("user"), "POST", GROUPS,
                   json_pack("{s:s, s:s}", "id", api_nonce("g"), "name", "x"));

    wg_expect_error(response, 403, NEEDS_ADMIN);
}

Test(groups, updating_needs_admin, .description = "GROUP-X01")
{
    const char *id = new_group(api_login("admin"), NULL);

    wg_expect_error(update(api_login("user"), id, json_pack("{s:s}", "name", "x")), 403,
                    NEEDS_ADMIN);
}

Test(groups, deleting_needs_admin, .description = "GROUP-X01")
{
    struct wg_http *user = api_login("user");
    const char *id = new_group(api_login("admin"), NULL);

    wg_expect_error(drop(user, id), 403, NEEDS_ADMIN);

    wg_expect_status(get(user, id), 200);
}

Test(groups, fields_have_defaults, .description = "GROUP-X02")
{
    struct wg_http *admin = api_login("admin");
    const char *id = api_nonce("g");

    struct wg_response *response =
        api_manage(admin, "POST", GROUPS, json_pack("{s:s, s:s}", "id", id, "name", "A group"));

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s, s:s, s:s, s:[]}", "id", id, "name", "A group", "description",
                             "", "collections"));
}

Test(groups, name_is_required, .description = "GROUP-X03")
{
    struct wg_response *response =
        api_manage(api_login("admin"), "POST", GROUPS, json_pack("{s:s}", "id", api_nonce("g")));

    wg_expect_422(response, "body", "name");
}

Test(groups, duplicate_is_named, .description = "GROUP-X04")
{
    struct wg_http *admin = api_login("admin");
    const char *id = new_group(admin, NULL);

    struct wg_response *response =
        api_manage(admin, "POST", GROUPS, json_pack("{s:s, s:s}", "id", id, "name", "x"));

    wg_expect_error(response, 400, wg_format("Group '%s' already exists", id));
}

Test(groups, unknown_group_is_named_by_get, .description = "GROUP-X04")
{
    const char *id = api_nonce("g");

    wg_expect_error(get(api_login("admin"), id), 404, wg_format("Group '%s' not found", id));
}

Test(groups, unknown_group_is_named_by_put, .description = "GROUP-X04")
{
    const char *id = api_nonce("g");

    wg_expect_error(update(api_login("admin"), id, json_pack("{s:s}", "name", "x")), 404,
                    wg_format("Group '%s' not found", id));
}

Test(groups, unknown_group_is_named_by_delete, .description = "GROUP-X04")
{
    const char *id = api_nonce("g");

    wg_expect_error(drop(api_login("admin"), id), 404, wg_format("Group '%s' not found", id));
}

Test(groups, deletion_is_told, .description = "GROUP-X04")
{
    struct wg_http *admin = api_login("admin");
    const char *id = new_group(admin, NULL);

    struct wg_response *response = drop(admin, id);

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:b, s:o}", "success", 1, "message",
                             json_sprintf("Group '%s' deleted successfully", id)));
}

Test(groups, update_ignores_the_id, .description = "GROUP-X05")
{
    struct wg_http *admin = api_login("admin");
    const char *id = new_group(admin, "default");

    wg_expect_status(update(admin, id, json_pack("{s:s, s:s}", "id", "other", "name", "New")), 200);

    struct wg_response *response = get(admin, id);
    wg_expect_str(response, "id", eq, id);
    wg_expect_str(response, "name", eq, "New");
    wg_expect_json(response, "collections", json_pack("[s]", "default"));
}

Test(groups, membership_makes_a_collection_visible, .description = "GROUP-X06")
{
    const char *collection = api_nonce("c");
    api_collection(collection);
    char *group = new_group(api_login("admin"), collection);
    struct wg_http *user = api_user(API_LIST("user"), API_LIST(group), NULL);

    struct wg_response *response = wg_http_get(user, COLLECTIONS);

    wg_expect_size(response, "", eq, 1);
    wg_expect_str(response, "[0].id", eq, collection);
}

Test(groups, revoked_visibility_acts_on_open_sessions, .description = "GROUP-X07")
{
    struct wg_http *admin = api_login("admin");
    char *group = new_group(admin, "default");
    struct wg_http *user = api_user(API_LIST("user"), API_LIST(group), NULL);
    wg_expect_size(wg_http_get(user, COLLECTIONS), "", eq, 1);

    wg_expect_status(update(admin, group, json_pack("{s:[]}", "collections")), 200);

    wg_expect_json(wg_http_get(user, COLLECTIONS), "", json_array());
}

Test(groups, wildcard_group_sees_a_fresh_collection, .description = "GROUP-X08")
{
    char *group = new_group(api_login("admin"), "*");
    struct wg_http *user = api_user(API_LIST("user"), API_LIST(group), NULL);
    const char *collection = api_nonce("c");

    api_collection(collection);

    json_t *list = wg_require_json(wg_http_get(user, COLLECTIONS), "");
    cr_assert(ne(ptr, api_find(list, "id", collection), NULL));
}

Test(groups, deleted_group_stays_with_its_users, .description = "GROUP-X09")
{
    struct wg_http *admin = api_login("admin");
    char *group = new_group(admin, "default");
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), API_LIST(group), &name);

    wg_expect_status(drop(admin, group), 200);

    wg_expect_json(wg_http_get(admin, wg_http_path(admin, "/api/v1/users/%s", name)), "groups",
                   json_pack("[s]", group));
    wg_expect_json(wg_http_get(user, COLLECTIONS), "", json_array());
}
