/* SPDX-License-Identifier: MIT */
/*
 * config.c - the configuration store: reading without login, writing, types and allowed values.
 *
 * Every test writes keys of its own; the fixture's keys are only read. The list of instructions is
 * in config_instructions.c.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SET "/api/v1/config/set"

#define REFUSED "Value does not meet validation constraints"

/* Takes over `value`. */
static struct wg_response *set(struct wg_http *http, const char *key, json_t *value)
{
    return wg_http_post_json(http, SET, json_pack("{s:s, s:o}", "key", key, "value", value));
}

static void set_ok(struct wg_http *http, const char *key, json_t *value)
{
    struct wg_response *response = set(http, key, value);
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "result", "OK"));
}

static struct wg_response *get(const char *key)
{
    struct wg_http *http = api_anonymous();
    return wg_http_get(http, wg_http_path(http, "/api/v1/config/get/%s", key));
}

/* The key holds the value, whose reference is taken over. */
static void expect_value(const char *key, json_t *value)
{
    struct wg_response *response = get(key);
    wg_expect_status(response, 200);
    wg_expect_json(response, "", value);
}

/* A key of the test's own, and the name of a companion. */
static char *own_key(void)
{
    return api_nonce("test.");
}

static char *companion(const char *key, const char *suffix)
{
    return wg_format("%s.%s", key, suffix);
}

Test(config, list_needs_no_session, .description = "CONF-01")
{
    struct wg_response *response = wg_http_get(api_anonymous(), "/api/v1/config/list");

    wg_expect_status(response, 200);
    wg_expect_present(response, "'session.timeout'");
}

Test(config, get_gives_the_bare_value, .description = "CONF-02")
{
    expect_value("session.timeout", json_integer(3600));
}

Test(config, unknown_key_is_not_found, .description = "CONF-03")
{
    struct wg_response *response = get("nonexistent.key");

    wg_expect_status(response, 404);
    wg_expect_str(response, "detail", contains, "not found");
}

Test(config, set_needs_a_session, .description = "CONF-04")
{
    const char *key = own_key();

    wg_expect_error(set(api_anonymous(), key, json_true()), 401, "Authentication required");
    wg_expect_status(get(key), 404);
}

Test(config, set_value_is_read_back, .description = "CONF-05")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_string("new value"));

    expect_value(key, json_string("new value"));
}

Test(config, number_is_read_back, .description = "CONF-06")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_integer(42));

    expect_value(key, json_integer(42));
}

Test(config, boolean_is_read_back, .description = "CONF-06")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_true());

    expect_value(key, json_true());
}

Test(config, array_is_read_back, .description = "CONF-06")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_pack("[i,i,s]", 1, 2, "three"));

    expect_value(key, json_pack("[i,i,s]", 1, 2, "three"));
}

Test(config, state_tells_of_webdav_and_internet, .description = "CONF-07")
{
    struct wg_response *response = wg_http_get(api_anonymous(), "/api/v1/config/state");

    wg_expect_status(response, 200);
    cr_assert(eq(int, json_is_boolean(wg_require_json(response, "webdavEnabled")), 1));
    json_t *internet = wg_response_at(response, "hasInternet");
    cr_assert(eq(int, internet == NULL || json_is_boolean(internet), 1));
}

Test(config, unknown_key_is_named, .description = "CONF-X01")
{
    const char *key = own_key();

    wg_expect_error(get(key), 404, wg_format("Key '%s' not found", key));
}

Test(config, set_needs_a_value, .description = "CONF-X02")
{
    struct wg_response *response =
        wg_http_post_json(api_login("admin"), SET, json_pack("{s:s}", "key", own_key()));

    wg_expect_422(response, "body", "value");
}

Test(config, set_needs_a_key, .description = "CONF-X03")
{
    struct wg_response *response =
        wg_http_post_json(api_login("admin"), SET, json_pack("{s:i}", "value", 1));

    wg_expect_422(response, "body", "key");
}

Test(config, empty_key_is_missing, .description = "CONF-X04")
{
    wg_expect_error(set(api_login("admin"), "", json_true()), 400, "Missing 'key' in request");
}

Test(config, first_set_makes_the_type, .description = "CONF-X05")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_string("a"));

    expect_value(companion(key, "type"), json_string("string"));
}

Test(config, type_is_enforced, .description = "CONF-X06")
{
    struct wg_http *admin = api_login("admin");
    const char *key = own_key();
    set_ok(admin, key, json_string("a"));

    wg_expect_error(set(admin, key, json_integer(1)), 400, REFUSED);

    expect_value(key, json_string("a"));
}

Test(config, integer_and_real_share_a_type, .description = "CONF-X07")
{
    struct wg_http *admin = api_login("admin");
    const char *key = own_key();
    set_ok(admin, key, json_integer(1));

    set_ok(admin, key, json_real(1.5));

    expect_value(key, json_real(1.5));
}

Test(config, boolean_is_no_number, .description = "CONF-X08")
{
    struct wg_http *admin = api_login("admin");
    const char *key = own_key();
    set_ok(admin, key, json_integer(1));

    wg_expect_error(set(admin, key, json_true()), 400, REFUSED);
}

Test(config, values_must_be_an_array, .description = "CONF-X09")
{
    struct wg_response *response =
        set(api_login("admin"), companion(own_key(), "values"), json_string("a"));

    wg_expect_error(response, 400, "Values keys must be arrays");
}

Test(config, value_outside_the_values_is_refused, .description = "CONF-X10")
{
    struct wg_http *admin = api_login("admin");
    const char *key = own_key();
    set_ok(admin, companion(key, "values"), json_pack("[s,s]", "a", "b"));

    wg_expect_error(set(admin, key, json_string("c")), 400, REFUSED);

    wg_expect_status(get(key), 404);
}

Test(config, value_among_the_values_is_stored, .description = "CONF-X10")
{
    struct wg_http *admin = api_login("admin");
    const char *key = own_key();
    set_ok(admin, companion(key, "values"), json_pack("[s,s]", "a", "b"));

    set_ok(admin, key, json_string("b"));

    expect_value(key, json_string("b"));
}

Test(config, type_must_be_a_known_one, .description = "CONF-X11")
{
    struct wg_response *response =
        set(api_login("admin"), companion(own_key(), "type"), json_string("text"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Type must be one of");
}

Test(config, null_is_a_value, .description = "CONF-X12")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_null());

    expect_value(key, json_null());
    expect_value(companion(key, "type"), json_string("null"));
}

Test(config, nested_object_is_read_back, .description = "CONF-X13")
{
    const char *key = own_key();
    json_t *value = json_pack("{s:{s:[s,{s:n}]}}", "Größe", "日本", "žluťoučký", "empty");

    set_ok(api_login("admin"), key, json_deep_copy(value));

    expect_value(key, value);
}

Test(config, false_is_found, .description = "CONF-X14")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_false());

    expect_value(key, json_false());
}

Test(config, zero_is_found, .description = "CONF-X14")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_integer(0));

    expect_value(key, json_integer(0));
}

Test(config, empty_string_is_found, .description = "CONF-X14")
{
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_string(""));

    expect_value(key, json_string(""));
}

Test(config, any_user_may_set, .description = "CONF-X15")
{
    set_ok(api_login("user"), own_key(), json_true());
}

Test(config, unknown_session_may_not_set, .description = "CONF-X16")
{
    struct wg_http *http = api_with_session("bogus");

    wg_expect_error(set(http, own_key(), json_true()), 401, "Session expired");
}

Test(config, deleted_user_may_not_set, .description = "CONF-X17")
{
    char *name;
    struct wg_http *user = api_user(API_LIST("user"), NULL, &name);
    struct wg_http *admin = api_login("admin");
    const char *path = wg_http_path(admin, "/api/v1/users/%s", name);
    wg_expect_status(api_manage(admin, "DELETE", path, NULL), 200);

    wg_expect_error(set(user, own_key(), json_true()), 401, "Invalid session");
}

Test(config, list_shows_a_new_key_and_its_type, .description = "CONF-X18")
{
    const char *key = own_key();
    set_ok(api_login("admin"), key, json_integer(7));

    struct wg_response *response = wg_http_get(api_anonymous(), "/api/v1/config/list");

    wg_expect_int(response, wg_format("'%s'", key), eq, 7);
    wg_expect_str(response, wg_format("'%s.type'", key), eq, "number");
}

Test(config, ten_keys_set_at_once_are_all_kept, .description = "CONF-X22")
{
    enum { COUNT = 10 };
    const char *prefix = own_key();
    struct wg_request requests[COUNT];
    struct wg_response *responses[COUNT];
    for (int i = 0; i < COUNT; i++)
        requests[i] = (struct wg_request){
            .path = SET,
            .json = json_pack("{s:s, s:i}", "key", wg_format("%s.%d", prefix, i), "value", i)};

    wg_http_send_all(api_login("admin"), requests, COUNT, responses);

    struct wg_response *list = wg_http_get(api_anonymous(), "/api/v1/config/list");
    for (int i = 0; i < COUNT; i++) {
        wg_expect_status(responses[i], 200);
        wg_expect_int(list, wg_format("'%s.%d'", prefix, i), eq, i);
    }
}

/* The configuration file, read under a shared lock because the server rewrites it in place. */
static json_t *config_file(void)
{
    const char *path = wg_format("%s/db/config.json", wg_data_dir());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(ge(int, fd, 0), "open %s: %s", path, strerror(errno));
    cr_assert(eq(int, flock(fd, LOCK_SH), 0));
    json_error_t error;
    json_t *config = json_loadfd(fd, 0, &error);
    cr_assert(config != NULL, "%s: %s", path, error.text);
    close(fd);
    return config;
}

Test(config, set_value_is_in_the_file, .description = "CONF-X23")
{
    api_need_data();
    const char *key = own_key();

    set_ok(api_login("admin"), key, json_integer(9));

    cr_assert(eq(i64, json_integer_value(json_object_get(config_file(), key)), 9));
}

Test(config, session_is_checked_before_fields, .description = "CONF-X24")
{
    struct wg_response *response = wg_http_post_json(api_anonymous(), SET, json_object());

    wg_expect_status(response, 401);
}

Test(config, json_is_checked_before_the_session, .description = "CONF-X24")
{
    struct wg_response *response =
        wg_http_post_raw(api_anonymous(), SET, "application/json", "{", 1);

    wg_expect_422(response, NULL);
}
