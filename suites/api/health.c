/* SPDX-License-Identifier: MIT */
/*
 * health.c - liveness, and how paths and methods that are no route are answered.
 *
 * A path that is no route falls through to static files: 404 for GET, 405 for any other method,
 * also when the path is known and only the method is wrong.
 */
#include "suites/api/api.h"

Test(health, says_ok, .description = "HEALTH-01")
{
    struct wg_response *response = wg_http_get(api_anonymous(), "/health");

    wg_expect_status(response, 200);
    wg_expect_str(response, "status", eq, "ok");
}

Test(health, answers_one_key_as_json_without_a_session, .description = "HEALTH-X01")
{
    struct wg_response *response = wg_http_get(api_anonymous(), "/health");

    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Type", "application/json");
    wg_expect_json(response, "", json_pack("{s:s}", "status", "ok"));
}

Test(health, ignores_an_unknown_session, .description = "HEALTH-X01")
{
    struct wg_response *response = wg_http_get(api_with_session("bogus"), "/health");

    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "status", "ok"));
}

Test(health, is_not_below_the_versioned_prefix, .description = "HEALTH-X02")
{
    wg_expect_error(wg_http_get(api_anonymous(), "/api/v1/health"), 404, "Not Found");
}

Test(health, unknown_path_is_not_found_by_get, .description = "HEALTH-X03")
{
    wg_expect_error(wg_http_get(api_anonymous(), "/api/v1/does-not-exist"), 404, "Not Found");
}

Test(health, unknown_path_refuses_post, .description = "HEALTH-X04")
{
    struct wg_response *response = wg_http_post(api_anonymous(), "/api/v1/does-not-exist");

    wg_expect_error(response, 405, "Method Not Allowed");
}

Test(health, known_path_refuses_put, .description = "HEALTH-X05")
{
    struct wg_response *response =
        wg_http_put_json(api_anonymous(), "/api/v1/auth/login", json_object());

    wg_expect_error(response, 405, "Method Not Allowed");
}

Test(health, post_only_path_is_not_found_by_get, .description = "HEALTH-X05")
{
    wg_expect_error(wg_http_get(api_anonymous(), "/api/v1/auth/login"), 404, "Not Found");
}

Test(health, trailing_slash_is_another_path, .description = "HEALTH-X06")
{
    struct wg_http *admin = api_login("admin");

    wg_expect_status(wg_http_get(admin, "/api/v1/users"), 200);
    wg_expect_error(wg_http_get(admin, "/api/v1/users/"), 404, "Not Found");
}

Test(health, path_case_matters, .description = "HEALTH-X07")
{
    wg_expect_status(wg_http_get(api_anonymous(), "/API/v1/config/list"), 404);
}

Test(health, fifty_at_once_are_all_answered, .description = "HEALTH-X08")
{
    enum { COUNT = 50 };
    struct wg_request requests[COUNT];
    struct wg_response *responses[COUNT];
    for (int i = 0; i < COUNT; i++)
        requests[i] = (struct wg_request){.path = "/health"};

    wg_http_send_all(api_anonymous(), requests, COUNT, responses);

    for (int i = 0; i < COUNT; i++)
        wg_expect_status(responses[i], 200);
}
