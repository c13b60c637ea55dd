/* SPDX-License-Identifier: MIT */
/*
 * auth_login.c - POST /auth/login: who gets a session, what the answer says, what is refused.
 *
 * The client sends the SHA-256 of the password, which is compared as text.
 */
#include "suites/api/api.h"

#include "harness/base/json.h"

#include <ctype.h>
#include <string.h>

#define LOGIN "/api/v1/auth/login"

static struct wg_response *login_raw(const char *content_type, const char *body)
{
    return wg_http_post_raw(api_anonymous(), LOGIN, content_type, body, strlen(body));
}

static struct wg_response *login_digest(const char *user, const char *digest)
{
    return wg_http_post_json(api_anonymous(), LOGIN,
                             json_pack("{s:s, s:s}", "username", user, "passwd_hash", digest));
}

Test(auth, login_needs_the_hash, .description = "AUTH-01")
{
    struct wg_response *response =
        wg_http_post_json(api_anonymous(), LOGIN, json_pack("{s:s}", "username", "admin"));

    wg_expect_422(response, "body", "passwd_hash");
}

Test(auth, wrong_hash_is_refused, .description = "AUTH-02")
{
    wg_expect_error(login_digest("admin", "invalid_hash"), 401, "Invalid credentials");
}

Test(auth, login_tells_who_one_is, .description = "AUTH-03")
{
    struct wg_response *response = api_login_try(api_anonymous(), "admin", "admin");

    wg_expect_status(response, 200);
    wg_expect_str(response, "username", eq, "admin");
    wg_expect_str(response, "fullname", eq, "Administrator");
    wg_expect_str(response, "sessionId", ne, "");
    json_t *roles = wg_require_json(response, "roles");
    cr_assert(api_has(roles, "*") || api_has(roles, "admin"));
}

Test(auth, every_login_makes_another_session, .description = "AUTH-09")
{
    cr_assert(
        ne(str, (char *)api_session(api_login("user")), (char *)api_session(api_login("user"))));
}

Test(auth, empty_user_name_is_missing, .description = "AUTH-X01")
{
    wg_expect_error(login_digest("", "x"), 400, "Missing username or password hash");
}

Test(auth, empty_hash_is_missing, .description = "AUTH-X02")
{
    wg_expect_error(login_digest("admin", ""), 400, "Missing username or password hash");
}

Test(auth, unknown_user_is_refused, .description = "AUTH-X03")
{
    const char *name = api_nonce("u");

    wg_expect_error(api_login_try(api_anonymous(), name, name), 401, "Invalid credentials");
}

Test(auth, plain_password_is_refused, .description = "AUTH-X04")
{
    wg_expect_error(login_digest("admin", "admin"), 401, "Invalid credentials");
}

Test(auth, upper_case_hash_is_refused, .description = "AUTH-X05")
{
    char *digest = api_sha256("admin", strlen("admin"));
    for (char *c = digest; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);

    wg_expect_error(login_digest("admin", digest), 401, "Invalid credentials");
}

Test(auth, user_name_is_case_sensitive, .description = "AUTH-X06")
{
    wg_expect_error(api_login_try(api_anonymous(), "Admin", "admin"), 401, "Invalid credentials");
}

Test(auth, user_name_must_be_a_string, .description = "AUTH-X07")
{
    struct wg_response *response = wg_http_post_json(
        api_anonymous(), LOGIN, json_pack("{s:i, s:s}", "username", 1, "passwd_hash", "x"));

    wg_expect_422(response, "body", "username");
}

Test(auth, malformed_json_is_told, .description = "AUTH-X08")
{
    struct wg_response *response = login_raw("application/json", "{\"username\":");

    wg_expect_422(response, NULL);
    wg_expect_str(response, "detail[0].type", eq, "json_invalid");
}

Test(auth, absent_body_is_told, .description = "AUTH-X09")
{
    wg_expect_422(login_raw("application/json", ""), "body");
}

Test(auth, body_of_another_content_type_is_refused, .description = "AUTH-X10")
{
    char *digest = api_sha256("admin", strlen("admin"));
    json_t *body = json_pack("{s:s, s:s}", "username", "admin", "passwd_hash", digest);

    wg_expect_422(login_raw("text/plain", json_dumps(body, JSON_COMPACT)), NULL);
}

Test(auth, unknown_fields_are_ignored, .description = "AUTH-X11")
{
    char *digest = api_sha256("user", strlen("user"));
    json_t *body =
        json_pack("{s:s, s:s, s:b}", "username", "user", "passwd_hash", digest, "remember", 1);

    wg_expect_status(wg_http_post_json(api_anonymous(), LOGIN, body), 200);
}

Test(auth, login_answers_four_fields_and_no_hash, .description = "AUTH-X12")
{
    struct wg_response *response = api_login_try(api_anonymous(), "user", "user");

    wg_expect_status(response, 200);
    wg_expect_size(response, "", eq, 4);
    wg_expect_str(response, "username", eq, "user");
    wg_expect_str(response, "fullname", eq, "Test User");
    wg_expect_json(response, "roles", json_pack("[s]", "user"));
    wg_expect_str(response, "sessionId", matches,
                  "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
    char *digest = api_sha256("user", strlen("user"));
    cr_assert(strstr(response->body.data, digest) == NULL);
}

/* The roles of a fixture user, in the order of the file. */
static void expect_roles(const char *user, json_t *roles)
{
    struct wg_response *response = api_login_try(api_anonymous(), user, user);

    wg_expect_status(response, 200);
    wg_expect_json(response, "roles", roles);
}

Test(auth, admin_has_the_wildcard_role, .description = "AUTH-X13")
{
    expect_roles("admin", json_pack("[s]", "*"));
}

Test(auth, annotator_has_its_roles_in_order, .description = "AUTH-X13")
{
    expect_roles("annotator", json_pack("[ss]", "user", "annotator"));
}

Test(auth, reviewer_has_its_roles_in_order, .description = "AUTH-X13")
{
    expect_roles("reviewer", json_pack("[ss]", "user", "reviewer"));
}

Test(auth, user_has_its_role, .description = "AUTH-X13")
{
    expect_roles("user", json_pack("[s]", "user"));
}

Test(auth, ten_logins_at_once_give_ten_valid_sessions, .description = "AUTH-X27")
{
    enum { COUNT = 10 };
    char *digest = api_sha256("user", strlen("user"));
    struct wg_request requests[COUNT];
    struct wg_response *responses[COUNT];
    for (int i = 0; i < COUNT; i++)
        requests[i] = (struct wg_request){
            .path = LOGIN,
            .json = json_pack("{s:s, s:s}", "username", "user", "passwd_hash", digest)};

    wg_http_send_all(api_anonymous(), requests, COUNT, responses);

    json_t *seen = json_object();
    for (int i = 0; i < COUNT; i++) {
        wg_expect_status(responses[i], 200);
        const char *id = wg_require_str(responses[i], "sessionId");
        json_object_set_new(seen, id, json_true());
        wg_expect_status(wg_http_get(api_with_session(id), "/api/v1/auth/status"), 200);
    }
    cr_assert(eq(sz, json_object_size(seen), COUNT));
}
