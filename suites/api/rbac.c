/* SPDX-License-Identifier: MIT */
/*
 * rbac.c - what users, groups, roles and collections have in common: six cases for each.
 *
 * A row of `entities` says how one kind is addressed and made; each case runs once a row. What is
 * particular to one kind is in the file of its name. To add a kind: one row, and its two bodies.
 */
#include "suites/api/api.h"

#include "harness/suite/suite.h"

#include <criterion/parameterized.h>
#include <string.h>

/* The body that makes one with the given id. */
static json_t *user_body(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[s], s:[s]}", "username", id, "passwd_hash", id,
                     "fullname", "First Name", "email", "first@example.org", "roles", "user",
                     "groups", "default");
}

static json_t *group_body(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:[s]}", "id", id, "name", "First", "description", "one",
                     "collections", "default");
}

static json_t *role_body(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "roleName", "First", "description", "one");
}

static json_t *collection_body(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "name", "First", "description", "one");
}

/* The body that changes every field but the id. */
static json_t *user_change(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:[s,s], s:[s,s]}", "username", id, "fullname", "Second Name",
                     "email", "second@example.org", "roles", "user", "annotator", "groups",
                     "default", "other");
}

static json_t *group_change(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:[s,s]}", "id", id, "name", "Second", "description", "two",
                     "collections", "default", "_inbox");
}

static json_t *role_change(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "roleName", "Second", "description", "two");
}

static json_t *collection_change(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "name", "Second", "description", "two");
}

static const struct entity {
    const char *name;
    const char *path;
    const char *key; /* the member that holds the id */
    long created;    /* status of a successful POST */
    json_t *(*body)(const char *id);
    json_t *(*change)(const char *id);
} entities[] = {
    {"users", "/api/v1/users", "username", 200, user_body, user_change},
    {"groups", "/api/v1/groups", "id", 200, group_body, group_change},
    {"roles", "/api/v1/roles", "id", 200, role_body, role_change},
    {"collections", "/api/v1/collections", "id", 201, collection_body, collection_change},
};

enum { ENTITIES = sizeof entities / sizeof entities[0] };

static const char *row_name(const void *row)
{
    return entities[*(const int *)row].name;
}

/* One case a row. The parameters are row numbers: a row holds pointers, which may not cross into
 * the process of a test. */
static struct criterion_test_params each_entity(void)
{
    static int rows[ENTITIES] = {0, 1, 2, 3};
    return cr_make_param_array(int, rows, ENTITIES);
}

/* Makes one as admin. */
static void create(struct wg_http *admin, const struct entity *entity, const char *id)
{
    struct wg_response *response = api_manage(admin, "POST", entity->path, entity->body(id));
    wg_expect_status(response, entity->created);
    wg_expect_str(response, entity->key, eq, id);
}

static const char *path_of(struct wg_http *http, const struct entity *entity, const char *id)
{
    return wg_http_path(http, "%s/%s", entity->path, id);
}

ParameterizedTestParameters(rbac, list_is_an_array)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, list_is_an_array,
                  .description = "RBAC-01 RBAC-07 RBAC-13 RBAC-19",
                  .data = &(struct wg_test_options){.label = row_name})
{
    struct wg_response *response = wg_http_get(api_login("admin"), entities[*row].path);

    wg_expect_status(response, 200);
    cr_assert(eq(int, json_is_array(wg_require_json(response, "")), 1));
}

ParameterizedTestParameters(rbac, list_needs_a_session)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, list_needs_a_session,
                  .description = "RBAC-02 RBAC-08 RBAC-14 RBAC-20",
                  .data = &(struct wg_test_options){.label = row_name})
{
    wg_expect_error(wg_http_get(api_anonymous(), entities[*row].path), 401,
                    "Authentication required");
}

ParameterizedTestParameters(rbac, created_is_found_until_deleted)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, created_is_found_until_deleted,
                  .description = "RBAC-03 RBAC-09 RBAC-15 RBAC-21",
                  .data = &(struct wg_test_options){.label = row_name})
{
    const struct entity *entity = &entities[*row];
    struct wg_http *admin = api_login("admin");
    const char *id = api_nonce("e");
    const char *path = path_of(admin, entity, id);

    create(admin, entity, id);
    json_t *list = wg_require_json(wg_http_get(admin, entity->path), "");
    cr_assert(ne(ptr, api_find(list, entity->key, id), NULL));
    wg_expect_str(wg_http_get(admin, path), entity->key, eq, id);

    struct wg_response *deleted = api_manage(admin, "DELETE", path, NULL);
    wg_expect_status(deleted, 200);
    wg_expect_bool(deleted, "success", true);
    wg_expect_status(wg_http_get(admin, path), 404);
}

ParameterizedTestParameters(rbac, update_changes_every_field)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, update_changes_every_field,
                  .description = "RBAC-04 RBAC-10 RBAC-16 RBAC-22",
                  .data = &(struct wg_test_options){.label = row_name})
{
    const struct entity *entity = &entities[*row];
    struct wg_http *admin = api_login("admin");
    const char *id = api_nonce("e");
    const char *path = path_of(admin, entity, id);
    create(admin, entity, id);

    json_t *change = entity->change(id);
    wg_expect_status(api_manage(admin, "PUT", path, json_incref(change)), 200);

    struct wg_response *response = wg_http_get(admin, path);
    const char *key;
    json_t *value;
    json_object_foreach(change, key, value) wg_expect_json(response, key, json_incref(value));
}

ParameterizedTestParameters(rbac, duplicate_is_refused)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, duplicate_is_refused,
                  .description = "RBAC-05 RBAC-11 RBAC-17 RBAC-23",
                  .data = &(struct wg_test_options){.label = row_name})
{
    const struct entity *entity = &entities[*row];
    struct wg_http *admin = api_login("admin");
    const char *id = api_nonce("e");
    create(admin, entity, id);

    wg_expect_status(api_manage(admin, "POST", entity->path, entity->body(id)), 400);
}

ParameterizedTestParameters(rbac, unknown_id_is_not_found)
{
    return each_entity();
}

ParameterizedTest(const int *row, rbac, unknown_id_is_not_found,
                  .description = "RBAC-06 RBAC-12 RBAC-18 RBAC-24",
                  .data = &(struct wg_test_options){.label = row_name})
{
    struct wg_http *admin = api_login("admin");
    const char *path = path_of(admin, &entities[*row], "nonexistent-entity-id-12345");

    wg_expect_status(wg_http_get(admin, path), 404);
}
