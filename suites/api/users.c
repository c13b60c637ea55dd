/* SPDX-License-Identifier: MIT */
/*
 * users.c - user management by admin, passwords, and what changes at once for existing sessions.
 *
 * The field passwd_hash of these endpoints takes the plain password; login takes its SHA-256.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#include <string.h>

#define USERS "/api/v1/users"

#define NEEDS_ADMIN "Insufficient permissions. Admin role required."

/* POST of a user by these fields; takes over `body`. */
static struct wg_response *create(struct wg_http *http, json_t *body)
{
    return api_manage(http, "POST", USERS, body);
}

static struct wg_response *update(struct wg_http *http, const char *name, json_t *body)
{
    return api_manage(http, "PUT", wg_http_path(http, USERS "/%s", name), body);
}

static struct wg_response *drop(struct wg_http *http, const char *name)
{
    return api_manage(http, "DELETE", wg_http_path(http, USERS "/%s", name), NULL);
}

static struct wg_response *get(struct wg_http *http, const char *name)
{
    return wg_http_get(http, wg_http_path(http, USERS "/%s", name));
}

/* The smallest body that makes a user, its password the name. */
static json_t *smallest(const char *name)
{
    return json_pack("{s:s, s:s}", "username", name, "passwd_hash", name);
}

/* Makes such a user as admin; gives its name. */
static const char *new_user(struct wg_http *admin)
{
    const char *name = api_nonce("u");
    wg_expect_status(create(admin, smallest(name)), 200);
    return name;
}

static void expect_login(const char *name, const char *password, long status)
{
    wg_expect_status(api_login_try(api_anonymous(), name, password), status);
}

Test(users, created_user_shows_no_password, .description = "RBAC-03")
{
    struct wg_http *admin = api_login("admin");
    const char *name = api_nonce("u");

    struct wg_response *response = create(admin, smallest(name));

    wg_expect_status(response, 200);
    wg_expect_absent(response, "passwd_hash");
    struct wg_response *shown = get(admin, name);
    wg_expect_str(shown, "username", eq, name);
    wg_expect_absent(shown, "passwd_hash");
}

Test(users, own_account_cannot_be_deleted, .description = "RBAC-25")
{
    wg_expect_error(drop(api_login("admin"), "admin"), 400, "Cannot delete your own account");
}

Test(users, password_is_hashed_on_creation, .description = "RBAC-26")
{
    struct wg_http *admin = api_login("admin");
    const char *name = api_nonce("u");
    const char *password = api_nonce("secret");

    struct wg_response *response =
        create(admin, json_pack("{s:s, s:s}", "username", name, "passwd_hash", password));

    wg_expect_status(response, 200);
    cr_assert(strstr(response->body.data, password) == NULL);
    expect_login(name, password, 200);
}

Test(users, unknown_session_may_not_list, .description = "RBAC-30")
{
    wg_expect_error(wg_http_get(api_with_session("bogus"), USERS), 401, "Authentication required");
}

Test(users, ordinary_user_sees_users_without_passwords, .description = "USER-X01")
{
    struct wg_http *user = api_login("user");

    struct wg_response *list = wg_http_get(user, USERS);
    wg_expect_status(list, 200);
    cr_assert(ne(ptr, api_find(wg_require_json(list, ""), "username", "admin"), NULL));
    cr_assert(strstr(list->body.data, "passwd_hash") == NULL);

    struct wg_response *admin = get(user, "admin");
    wg_expect_status(admin, 200);
    wg_expect_str(admin, "fullname", eq, "Administrator");
    wg_expect_absent(admin, "passwd_hash");
}

Test(users, creating_needs_admin, .description = "USER-X02")
{
    wg_expect_error(create(api_login("reviewer"), smallest(api_nonce("u"))), 403, NEEDS_ADMIN);
}

Test(users, updating_needs_admin, .description = "USER-X02")
{
    const char *name = new_user(api_login("admin"));

    wg_expect_error(update(api_login("reviewer"), name, json_pack("{s:s}", "fullname", "x")), 403,
                    NEEDS_ADMIN);
}

Test(users, deleting_needs_admin, .description = "USER-X02")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);

    wg_expect_error(drop(api_login("reviewer"), name), 403, NEEDS_ADMIN);

    wg_expect_status(get(admin, name), 200);
}

Test(users, creating_needs_a_session, .description = "USER-X03")
{
    wg_expect_error(create(api_anonymous(), smallest(api_nonce("u"))), 401,
                    "Authentication required");
}

Test(users, fields_have_defaults, .description = "USER-X04")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);

    wg_expect_json(get(admin, name), "",
                   json_pack("{s:s, s:s, s:s, s:[s], s:[], s:n}", "username", name, "fullname", "",
                             "email", "", "roles", "user", "groups", "session_id"));
}

Test(users, password_is_required, .description = "USER-X05")
{
    struct wg_response *response =
        create(api_login("admin"), json_pack("{s:s}", "username", api_nonce("u")));

    wg_expect_422(response, "body", "passwd_hash");
}

Test(users, duplicate_is_named, .description = "USER-X06")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);

    wg_expect_error(create(admin, smallest(name)), 400,
                    wg_format("User '%s' already exists", name));
}

Test(users, unknown_user_is_named_by_get, .description = "USER-X07")
{
    const char *name = api_nonce("u");

    wg_expect_error(get(api_login("admin"), name), 404, wg_format("User '%s' not found", name));
}

Test(users, unknown_user_is_named_by_put, .description = "USER-X07")
{
    const char *name = api_nonce("u");
    struct wg_response *response =
        update(api_login("admin"), name, json_pack("{s:s}", "fullname", "x"));

    wg_expect_error(response, 404, wg_format("User '%s' not found", name));
}

Test(users, unknown_user_is_named_by_delete, .description = "USER-X07")
{
    const char *name = api_nonce("u");

    wg_expect_error(drop(api_login("admin"), name), 404, wg_format("User '%s' not found", name));
}

Test(users, partial_update_keeps_the_rest, .description = "USER-X08")
{
    struct wg_http *admin = api_login("admin");
    const char *name = api_nonce("u");
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:[s,s], s:[s]}", "username", name, "passwd_hash", name, "email",
                  "a@example.org", "roles", "user", "annotator", "groups", "default");
    wg_expect_status(create(admin, body), 200);

    wg_expect_status(update(admin, name, json_pack("{s:s}", "fullname", "New Name")), 200);

    struct wg_response *response = get(admin, name);
    wg_expect_str(response, "fullname", eq, "New Name");
    wg_expect_str(response, "email", eq, "a@example.org");
    wg_expect_json(response, "roles", json_pack("[s,s]", "user", "annotator"));
    wg_expect_json(response, "groups", json_pack("[s]", "default"));
    expect_login(name, name, 200);
}

Test(users, admin_changes_a_password, .description = "USER-X09")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);
    const char *password = api_nonce("secret");

    wg_expect_status(update(admin, name, json_pack("{s:s}", "passwd_hash", password)), 200);

    expect_login(name, name, 401);
    expect_login(name, password, 200);
}

Test(users, roles_can_be_cleared, .description = "USER-X10")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);

    wg_expect_status(update(admin, name, json_pack("{s:[]}", "roles")), 200);

    wg_expect_json(get(admin, name), "roles", json_array());
}

Test(users, own_profile_can_be_changed, .description = "USER-X11")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);

    wg_expect_status(update(user, "me/profile",
                            json_pack("{s:s, s:s}", "fullname", "Me", "email", "me@example.org")),
                     200);

    struct wg_response *response = get(user, name);
    wg_expect_str(response, "fullname", eq, "Me");
    wg_expect_str(response, "email", eq, "me@example.org");
}

Test(users, profile_cannot_change_roles, .description = "USER-X12")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);
    json_t *body = json_pack("{s:s, s:[s]}", "fullname", "Me", "roles", "admin");

    wg_expect_status(update(user, "me/profile", body), 200);

    wg_expect_json(get(user, name), "roles", json_pack("[s]", "user"));
}

Test(users, profile_changes_the_password, .description = "USER-X13")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);
    const char *password = api_nonce("secret");

    wg_expect_status(update(user, "me/profile", json_pack("{s:s}", "passwd_hash", password)), 200);

    expect_login(name, password, 200);
    expect_login(name, name, 401);
    wg_expect_status(wg_http_get(user, "/api/v1/auth/status"), 200);
}

Test(users, profile_needs_a_session, .description = "USER-X14")
{
    wg_expect_error(update(api_anonymous(), "me/profile", json_pack("{s:s}", "fullname", "x")), 401,
                    "Authentication required");
}

Test(users, deleted_user_cannot_log_in, .description = "USER-X15")
{
    struct wg_http *admin = api_login("admin");
    const char *name = new_user(admin);

    struct wg_response *response = drop(admin, name);

    wg_expect_status(response, 200);
    wg_expect_bool(response, "success", true);
    wg_expect_str(response, "message", eq, wg_format("User '%s' deleted successfully", name));
    expect_login(name, name, 401);
}

Test(users, session_dies_with_its_user, .description = "USER-X16")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);
    wg_expect_status(wg_http_get(user, USERS), 200);

    wg_expect_status(drop(api_login("admin"), name), 200);

    wg_expect_error(wg_http_get(user, USERS), 401, "Authentication required");
}

Test(users, new_role_acts_on_open_sessions, .description = "USER-X17")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), API_LIST("default"), &name);
    const char *doc = api_nonce("doc");
    const char *xml = api_tei(doc, NULL, NULL);
    wg_expect_status(api_save_try(user, doc, xml, false), 403);

    json_t *roles = json_pack("{s:[s,s]}", "roles", "user", "reviewer");
    wg_expect_status(update(api_login("admin"), name, roles), 200);

    struct wg_response *response = api_save_try(user, doc, xml, false);
    wg_expect_status(response, 200);
    wg_expect_str(response, "status", eq, "new_gold");
}

Test(users, admin_role_manages_but_sees_no_collections, .description = "USER-X18")
{
    struct wg_http *admin = api_user(API_LIST("admin"), NULL, NULL);

    wg_expect_status(wg_http_get(admin, USERS), 200);
    wg_expect_status(create(admin, smallest(api_nonce("u"))), 200);
    wg_expect_json(wg_http_get(admin, "/api/v1/collections"), "", json_array());
}

Test(users, name_may_be_percent_encoded, .description = "USER-X19")
{
    struct wg_http *admin = api_login("admin");
    const char *name = api_nonce("a b@x");
    wg_expect_status(create(admin, smallest(name)), 200);

    struct wg_response *response = get(admin, wg_http_escape(admin, name));

    wg_expect_status(response, 200);
    wg_expect_str(response, "username", eq, name);
}

Test(users, unknown_roles_are_stored, .description = "USER-X20")
{
    char *role = api_nonce("role");
    char *name;
    struct wg_http *user = api_user(API_LIST(role), NULL, &name);

    wg_expect_json(get(user, name), "roles", json_pack("[s]", role));
}
