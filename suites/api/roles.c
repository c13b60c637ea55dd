/* SPDX-License-Identifier: MIT */
/*
 * roles.c - roles: rights, texts, partial updates, and the four built-in ones.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#define ROLES "/api/v1/roles"

#define NEEDS_ADMIN "Insufficient permissions. Admin role required."

static struct wg_response *create(struct wg_http *http, const char *id)
{
    return api_manage(http, "POST", ROLES,
                      json_pack("{s:s, s:s, s:s}", "id", id, "roleName", "A role", "description",
                                "A description"));
}

static struct wg_response *update(struct wg_http *http, const char *id)
{
    return api_manage(http, "PUT", wg_http_path(http, ROLES "/%s", id),
                      json_pack("{s:s}", "description", "Another"));
}

static struct wg_response *drop(struct wg_http *http, const char *id)
{
    return api_manage(http, "DELETE", wg_http_path(http, ROLES "/%s", id), NULL);
}

static struct wg_response *get(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, ROLES "/%s", id));
}

/* Makes a role as admin; gives its id. */
static const char *new_role(void)
{
    const char *id = api_nonce("r");
    wg_expect_status(create(api_login("admin"), id), 200);
    return id;
}

static void expect_protected(const char *id)
{
    struct wg_http *admin = api_login("admin");

    wg_expect_error(drop(admin, id), 400, wg_format("Cannot delete built-in role '%s'", id));

    wg_expect_status(get(admin, id), 200);
}

Test(roles, admin_cannot_be_deleted, .description = "RBAC-27 ROLE-X02")
{
    expect_protected("admin");
}

Test(roles, user_cannot_be_deleted, .description = "RBAC-27 ROLE-X02")
{
    expect_protected("user");
}

Test(roles, reviewer_cannot_be_deleted, .description = "RBAC-27 ROLE-X02")
{
    expect_protected("reviewer");
}

Test(roles, annotator_cannot_be_deleted, .description = "RBAC-27 ROLE-X02")
{
    expect_protected("annotator");
}

Test(roles, name_is_required, .description = "ROLE-X01")
{
    struct wg_response *response =
        api_manage(api_login("admin"), "POST", ROLES, json_pack("{s:s}", "id", api_nonce("r")));

    wg_expect_422(response, "body", "roleName");
}

Test(roles, duplicate_is_named, .description = "ROLE-X02")
{
    const char *id = new_role();

    wg_expect_error(create(api_login("admin"), id), 400, wg_format("Role '%s' already exists", id));
}

Test(roles, unknown_role_is_named_by_get, .description = "ROLE-X02")
{
    const char *id = api_nonce("r");

    wg_expect_error(get(api_login("admin"), id), 404, wg_format("Role '%s' not found", id));
}

Test(roles, unknown_role_is_named_by_put, .description = "ROLE-X02")
{
    const char *id = api_nonce("r");

    wg_expect_error(update(api_login("admin"), id), 404, wg_format("Role '%s' not found", id));
}

Test(roles, unknown_role_is_named_by_delete, .description = "ROLE-X02")
{
    const char *id = api_nonce("r");

    wg_expect_error(drop(api_login("admin"), id), 404, wg_format("Role '%s' not found", id));
}

Test(roles, deletion_is_told, .description = "ROLE-X02")
{
    const char *id = new_role();

    struct wg_response *response = drop(api_login("admin"), id);

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:b, s:o}", "success", 1, "message",
                             json_sprintf("Role '%s' deleted successfully", id)));
}

Test(roles, partial_update_keeps_the_name, .description = "ROLE-X03")
{
    struct wg_http *admin = api_login("admin");
    const char *id = new_role();

    wg_expect_status(update(admin, id), 200);

    wg_expect_json(
        get(admin, id), "",
        json_pack("{s:s, s:s, s:s}", "id", id, "roleName", "A role", "description", "Another"));
}

Test(roles, ordinary_user_may_read, .description = "ROLE-X04")
{
    struct wg_http *user = api_login("user");

    wg_expect_status(wg_http_get(user, ROLES), 200);
    wg_expect_str(get(user, "reviewer"), "roleName", eq, "Reviewer");
}

Test(roles, creating_needs_admin, .description = "ROLE-X04")
{
    wg_expect_error(create(api_login("user"), api_nonce("r")), 403, NEEDS_ADMIN);
}

Test(roles, updating_needs_admin, .description = "ROLE-X04")
{
    wg_expect_error(update(api_login("user"), new_role()), 403, NEEDS_ADMIN);
}

Test(roles, deleting_needs_admin, .description = "ROLE-X04")
{
    wg_expect_error(drop(api_login("user"), new_role()), 403, NEEDS_ADMIN);
}
