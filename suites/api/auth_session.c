/* SPDX-License-Identifier: MIT */
/*
 * auth_session.c - GET /auth/status, POST /auth/logout, and the life of a session: where a request
 * carries its id, what refreshes it, when it ends.
 *
 * The id is taken from the first that is not empty of header, query and cookie; a bad one does not
 * fall through to the next. Ages are set in the database: the rows belong to the test's own
 * sessions.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#include <time.h>

#define STATUS "/api/v1/auth/status"
#define LOGOUT "/api/v1/auth/logout"
#define SYNC   "/api/v1/sync/status"

#define UNKNOWN_ID "5a3c2f4e-0000-4000-8000-000000000000"

/* GET of the status with a query id and one more header, each may be NULL, and no other id. */
static struct wg_response *status_with(const char *query, const char *header, const char *value)
{
    struct wg_pair queries[] = {{"sessionId", query}, {NULL, NULL}};
    struct wg_pair headers[] = {{header, value}, {NULL, NULL}};
    struct wg_request request = {.path = STATUS};
    if (query != NULL)
        request.query = queries;
    if (header != NULL)
        request.headers = headers;
    return wg_http_send(api_anonymous(), &request);
}

/* Makes a session of a fixture user look as if last used so long ago. */
static void age_session(const char *id, const char *seconds)
{
    int64_t rows = wg_db_exec("sessions",
                              "UPDATE sessions SET created_at = created_at - CAST(? AS REAL),"
                              " last_access = last_access - CAST(? AS REAL) WHERE session_id = ?",
                              seconds, seconds, id);
    cr_assert(eq(i64, rows, 1));
}

/* Seconds since the last access of a session. */
static int64_t session_age(const char *id)
{
    int64_t last = wg_db_int(
        "sessions", "SELECT CAST(last_access AS INTEGER) FROM sessions WHERE session_id = ?", id);
    return (int64_t)time(NULL) - last;
}

Test(auth, status_tells_who_one_is, .description = "AUTH-04")
{
    struct wg_response *response = wg_http_get(api_login("admin"), STATUS);

    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s, s:s, s:[s]}", "username", "admin", "fullname", "Administrator",
                             "roles", "*"));
}

Test(auth, status_needs_a_session, .description = "AUTH-05")
{
    wg_expect_error(wg_http_get(api_anonymous(), STATUS), 401, "Not authenticated");
}

Test(auth, status_refuses_a_malformed_session, .description = "AUTH-06")
{
    wg_expect_status(wg_http_get(api_with_session("invalid-session-id"), STATUS), 401);
}

Test(auth, logout_ends_the_session, .description = "AUTH-07")
{
    struct wg_http *user = api_login("user");
    wg_expect_status(wg_http_get(user, STATUS), 200);

    wg_expect_status(wg_http_post(user, LOGOUT), 200);

    wg_expect_status(wg_http_get(user, STATUS), 401);
}

Test(auth, logout_needs_no_session, .description = "AUTH-08")
{
    struct wg_response *response = wg_http_post(api_anonymous(), LOGOUT);

    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "status", "logged_out"));
}

Test(auth, session_persists_over_requests, .description = "AUTH-10")
{
    struct wg_http *user = api_login("user");

    wg_expect_str(wg_http_get(user, STATUS), "username", eq, "user");
    wg_expect_str(wg_http_get(user, STATUS), "username", eq, "user");
}

Test(auth, session_by_query, .description = "AUTH-X14")
{
    wg_expect_status(status_with(api_session(api_login("user")), NULL, NULL), 200);
}

Test(auth, session_by_cookie, .description = "AUTH-X15")
{
    const char *cookie = wg_format("sessionId=%s", api_session(api_login("user")));

    wg_expect_status(status_with(NULL, "Cookie", cookie), 200);
}

Test(auth, header_wins_over_cookie, .description = "AUTH-X16")
{
    const char *cookie = wg_format("sessionId=%s", api_session(api_login("user")));
    struct wg_pair headers[] = {{"X-Session-Id", UNKNOWN_ID}, {"Cookie", cookie}, {NULL, NULL}};
    struct wg_request request = {.path = STATUS, .headers = headers};

    wg_expect_error(wg_http_send(api_anonymous(), &request), 401, "Session expired");
}

Test(auth, header_wins_over_query, .description = "AUTH-X16")
{
    struct wg_response *response =
        status_with(api_session(api_login("user")), "X-Session-Id", UNKNOWN_ID);

    wg_expect_error(response, 401, "Session expired");
}

Test(auth, query_wins_over_cookie, .description = "AUTH-X17")
{
    const char *cookie = wg_format("sessionId=%s", api_session(api_login("user")));

    wg_expect_error(status_with(UNKNOWN_ID, "Cookie", cookie), 401, "Session expired");
}

Test(auth, session_header_in_lower_case, .description = "AUTH-X18")
{
    wg_expect_status(status_with(NULL, "x-session-id", api_session(api_login("user"))), 200);
}

Test(auth, session_header_in_upper_case, .description = "AUTH-X18")
{
    wg_expect_status(status_with(NULL, "X-SESSION-ID", api_session(api_login("user"))), 200);
}

Test(auth, empty_header_falls_through_to_the_query, .description = "AUTH-X19")
{
    wg_expect_status(status_with(api_session(api_login("user")), "X-Session-Id", ""), 200);
}

Test(auth, unknown_session_is_called_expired, .description = "AUTH-X20")
{
    wg_expect_error(wg_http_get(api_with_session(UNKNOWN_ID), STATUS), 401, "Session expired");
}

Test(auth, logout_by_query, .description = "AUTH-X21")
{
    struct wg_http *user = api_login("user");
    struct wg_http *anonymous = api_anonymous();
    const char *path = wg_http_path(anonymous, LOGOUT "?sessionId=%s", api_session(user));

    wg_expect_status(wg_http_post(anonymous, path), 200);

    wg_expect_status(wg_http_get(user, STATUS), 401);
}

Test(auth, logout_twice_is_fine, .description = "AUTH-X22")
{
    struct wg_http *user = api_login("user");

    wg_expect_status(wg_http_post(user, LOGOUT), 200);
    wg_expect_status(wg_http_post(user, LOGOUT), 200);
}

Test(auth, logout_ends_only_its_session, .description = "AUTH-X23")
{
    struct wg_http *first = api_login("user");
    struct wg_http *second = api_login("user");

    wg_expect_status(wg_http_post(first, LOGOUT), 200);

    wg_expect_status(wg_http_get(first, STATUS), 401);
    wg_expect_status(wg_http_get(second, STATUS), 200);
}

Test(auth, status_of_a_deleted_user, .description = "AUTH-X24")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);
    struct wg_http *admin = api_login("admin");
    wg_expect_status(wg_http_get(user, STATUS), 200);

    wg_expect_status(
        api_manage(admin, "DELETE", wg_http_path(admin, "/api/v1/users/%s", name), NULL), 200);

    wg_expect_error(wg_http_get(user, STATUS), 401, "Not authenticated");
}

Test(auth, protected_route_after_logout, .description = "AUTH-X25")
{
    struct wg_http *user = api_login("user");
    wg_expect_status(wg_http_get(user, SYNC), 200);

    wg_expect_status(wg_http_post(user, LOGOUT), 200);

    wg_expect_error(wg_http_get(user, SYNC), 401, "Session expired");
}

Test(auth, protected_route_without_a_session, .description = "AUTH-X26")
{
    wg_expect_error(wg_http_get(api_anonymous(), SYNC), 401, "Authentication required");
}

Test(auth, protected_route_with_an_unknown_session, .description = "AUTH-X26")
{
    wg_expect_error(wg_http_get(api_with_session(UNKNOWN_ID), SYNC), 401, "Session expired");
}

Test(auth, login_stores_a_session_row, .description = "AUTH-X28")
{
    api_need_data();
    const char *id = api_session(api_login("user"));

    cr_assert(eq(str,
                 wg_db_text("sessions", "SELECT username FROM sessions WHERE session_id = ?", id),
                 "user"));
    cr_assert(
        eq(i64,
           wg_db_int("sessions",
                     "SELECT created_at <= last_access FROM sessions WHERE session_id = ?", id),
           1));
    cr_assert(le(i64, session_age(id), 5));
    cr_assert(ge(i64, session_age(id), -5));
}

Test(auth, status_refreshes_the_session, .description = "AUTH-X29")
{
    api_need_data();
    struct wg_http *user = api_login("user");
    age_session(api_session(user), "60");

    wg_expect_status(wg_http_get(user, STATUS), 200);

    cr_assert(le(i64, session_age(api_session(user)), 5));
}

Test(auth, management_routes_do_not_refresh, .description = "AUTH-X30")
{
    api_need_data();
    struct wg_http *user = api_login("user");
    age_session(api_session(user), "60");

    wg_expect_status(wg_http_get(user, "/api/v1/users"), 200);

    cr_assert(ge(i64, session_age(api_session(user)), 60));
}

Test(auth, session_ends_after_its_timeout, .description = "AUTH-X31")
{
    api_need_data();
    struct wg_http *user = api_login("user");
    age_session(api_session(user), "4000");

    wg_expect_error(wg_http_get(user, STATUS), 401, "Session expired");

    api_login("user"); /* removes the expired session: that the next login does so is promised */
}

Test(auth, login_purges_expired_sessions, .description = "AUTH-X32")
{
    api_need_data();
    const char *id = api_session(api_login("user"));
    age_session(id, "4000");

    api_login("user");

    cr_assert(eq(
        i64, wg_db_int("sessions", "SELECT count(*) FROM sessions WHERE session_id = ?", id), 0));
}
