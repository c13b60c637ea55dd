/* SPDX-License-Identifier: MIT */
/* What http.h promises, against server_stub. */
#include "harness/base/str.h"
#include "harness/sys/port.h"
#include "suites/unit/http_fixture.h"

#include <stdlib.h>
#include <string.h>

TestSuite(http_client, .timeout = 30);

Test(http_client, get_brings_status_body_and_headers)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response = wg_http_get(http, "/status/423");
    cr_assert(eq(long, response->status, 423));
    cr_assert(eq(str, response->body.data, "{\"detail\":\"status 423\"}"));
    cr_assert(eq(str, (char *)wg_response_header(response, "x-stub"), "yes"));
    cr_assert(eq(ptr, (void *)wg_response_header(response, "X-Stu"), NULL));
    cr_assert(eq(ptr, response->error, NULL));
    cr_assert(lt(dbl, 0.0, response->ms));
    fixture_finish(http);
}

Test(http_client, json_goes_out_with_its_type_and_the_method)
{
    struct wg_http *http = fixture_start();
    const struct {
        struct wg_response *(*send)(struct wg_http *, const char *, json_t *);
        const char *method;
    } rows[] = {{wg_http_post_json, "POST"},
                {wg_http_put_json, "PUT"},
                {wg_http_patch_json, "PATCH"},
                {wg_http_delete_json, "DELETE"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wg_response *response =
            rows[i].send(http, "/echo", json_pack("{s:s}", "name", "\xc3\xa4 \"q\""));
        wg_expect_status(response, 200);
        wg_expect_str(response, "method", eq, rows[i].method);
        wg_expect_str(response, "headers.Content-Type", eq, "application/json");
        wg_expect_str(response, "body", eq, "{\"name\":\"\xc3\xa4 \\\"q\\\"\"}");
    }
    fixture_finish(http);
}

Test(http_client, methods_without_a_body_send_none)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response = wg_http_post(http, "/echo");
    wg_expect_str(response, "method", eq, "POST");
    wg_expect_str(response, "headers.Content-Length", eq, "0");
    wg_expect_absent(response, "headers.Content-Type");
    response = wg_http_delete(http, "/echo");
    wg_expect_str(response, "method", eq, "DELETE");
    wg_expect_absent(response, "headers.Content-Length");
    response = wg_http_head(http, "/health");
    wg_expect_status(response, 200);
    cr_assert(eq(sz, response->body.size, 0));
    fixture_finish(http);
}

Test(http_client, raw_bytes_arrive_as_they_are)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response =
        wg_http_post_raw(http, "/echo", "application/xml", "<a>\r\n\t</a>", 10);
    wg_expect_str(response, "body", eq, "<a>\r\n\t</a>");
    wg_expect_str(response, "headers.Content-Type", eq, "application/xml");
    response = wg_http_post_raw(http, "/echo", NULL, NULL, 0);
    wg_expect_str(response, "headers.Content-Type", eq, "application/octet-stream");
    fixture_finish(http);
}

Test(http_client, an_upload_is_one_file_part)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response =
        wg_http_upload(http, "/echo", "file", "a \"b\".pdf", "application/pdf", "%PDF", 4);
    wg_expect_str(response, "headers.Content-Type", starts, "multipart/form-data; boundary=");
    wg_expect_str(response, "body", contains, "name=\"file\"; filename=\"a %22b%22.pdf\"\r\n");
    wg_expect_str(response, "body", contains, "Content-Type: application/pdf\r\n\r\n%PDF\r\n");
    fixture_finish(http);
}

Test(http_client, parts_mix_fields_and_files_and_types_are_not_guessed)
{
    struct wg_http *http = fixture_start();
    const struct wg_part parts[] = {
        {.name = "title", .bytes = "hello", .size = 5},
        {.name = "file", .filename = "x.pdf", .bytes = "1", .size = 1},
        {.name = NULL},
    };
    struct wg_response *response = wg_http_post_parts(http, "/echo", parts);
    wg_expect_str(response, "body", contains, "name=\"title\"\r\n\r\nhello\r\n");
    wg_expect_str(response, "body", contains, "Content-Type: application/octet-stream\r\n\r\n1");
    fixture_finish(http);
}

Test(http_client, session_headers_go_with_every_request_until_removed)
{
    struct wg_http *http = fixture_start();
    wg_http_set_header(http, "X-Session-Id", "first");
    wg_http_set_header(http, "X-Other", "other");
    wg_http_set_header(http, "x-session-id", "second");
    cr_assert(eq(str, (char *)wg_http_header(http, "X-Session-ID"), "second"));
    wg_expect_str(wg_http_get(http, "/echo"), "headers.x-session-id", eq, "second");
    wg_http_set_header(http, "X-Session-Id", NULL);
    struct wg_response *response = wg_http_get(http, "/echo");
    wg_expect_absent(response, "headers.x-session-id");
    wg_expect_str(response, "headers.X-Other", eq, "other");
    wg_expect_str(response, "headers.X-Walgrind-Test", eq, "http/unit");
    fixture_finish(http);
}

Test(http_client, headers_and_query_of_one_request_stay_with_it)
{
    struct wg_http *http = fixture_start();
    wg_http_set_header(http, "X-One", "session");
    const struct wg_pair headers[] = {{"x-one", "request"}, {"X-Empty", ""}, {NULL, NULL}};
    const struct wg_pair query[] = {{"q", "a b&c=\xc3\xa4"}, {"e", ""}, {NULL, NULL}};
    struct wg_response *response = wg_http_send(
        http, &(struct wg_request){.path = "/echo?first=1", .headers = headers, .query = query});
    wg_expect_str(response, "headers.x-one", eq, "request");
    wg_expect_str(response, "headers.X-Empty", eq, "");
    wg_expect_str(response, "query.first", eq, "1");
    wg_expect_str(response, "query.q", eq, "a b&c=\xc3\xa4");
    wg_expect_str(wg_http_get(http, "/echo"), "headers.X-One", eq, "session");
    fixture_finish(http);
}

Test(http_client, paths_are_formatted_and_escaped)
{
    struct wg_http *http = fixture_start();
    cr_assert(eq(str, (char *)wg_http_escape(http, "a/b \xc3\xa4~"), "a%2Fb%20%C3%A4~"));
    cr_assert(eq(str, (char *)wg_http_escape(http, ""), ""));
    struct wg_response *response =
        wg_http_get(http, wg_http_path(http, "/echo?id=%s&n=%d", wg_http_escape(http, "x&y"), 3));
    wg_expect_str(response, "query.id", eq, "x&y");
    wg_expect_str(response, "query.n", eq, "3");
    /* Dots stay: a test of path traversal must reach the server. */
    cr_assert(not(
        eq(ptr, strstr(wg_http_get(http, "/a/../echo")->request.data, "GET /a/../echo HTTP/1.1"),
           NULL)));
    fixture_finish(http);
}

Test(http_client, cookies_belong_to_their_session)
{
    struct wg_http *http = fixture_start();
    struct wg_http *other = wg_http_create(wg_http_base_url(http));
    wg_expect_status(wg_http_get(http, "/cookie"), 204);
    wg_expect_str(wg_http_get(http, "/echo"), "headers.Cookie", eq, "sid=abc123");
    wg_expect_absent(wg_http_get(other, "/echo"), "headers.Cookie");
    wg_http_destroy(other);
    fixture_finish(http);
}

Test(http_client, requests_sent_together_are_under_way_together)
{
    struct wg_http *http = fixture_start();
    enum { COUNT = 20 };
    struct wg_request requests[COUNT];
    struct wg_response *responses[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        requests[i] = (struct wg_request){.path = "/gather?n=20"};
    wg_http_send_all(http, requests, COUNT, responses);
    for (size_t i = 0; i < COUNT; i++)
        wg_expect_body(responses[i], "all");
    cr_assert(eq(sz, json_array_size(fixture_events()), COUNT));
    fixture_finish(http);
}

Test(http_client, each_of_many_requests_may_have_its_own_session_and_fails_alone)
{
    struct wg_http *http = fixture_start();
    struct wg_http *other = wg_http_create(wg_http_base_url(http));
    wg_http_set_header(http, "X-Who", "first");
    wg_http_set_header(other, "X-Who", "other");
    json_t *json = json_pack("[i]", 1);
    const struct wg_request plain = {.path = "/echo"};
    const struct wg_request with_session = {.path = "/echo", .session = other};
    const struct wg_request too_slow = {.path = "/slow", .timeout_ms = 50};
    const struct wg_request with_json = {.path = "/echo", .json = json};
    const struct wg_request requests[] = {plain, with_session, too_slow, with_json};
    struct wg_response *responses[4];
    wg_http_send_all(http, requests, 4, responses);
    wg_expect_str(responses[0], "headers.X-Who", eq, "first");
    wg_expect_str(responses[1], "headers.X-Who", eq, "other");
    cr_assert(eq(long, responses[2]->status, 0));
    wg_expect_str(responses[3], "body", eq, "[1]");
    json_decref(json);
    wg_http_destroy(other);
    fixture_finish(http);
}

Test(http_client, a_refused_connection_is_a_response_with_a_reason)
{
    int port = 0;
    cr_assert(eq(int, wg_port_find_free(&port, NULL), 0));
    char *url = wg_format("http://127.0.0.1:%d/", port);
    struct wg_http *http = wg_http_create(url);
    struct wg_response *response = wg_http_get(http, "/x");
    cr_assert(eq(long, response->status, 0));
    cr_assert(not(eq(ptr, strstr(response->error, "Failed to connect"), NULL)), "%s",
              response->error);
    cr_assert(eq(ptr, wg_response_json(response), NULL));
    json_t *event = fixture_last_event();
    cr_assert(eq(str, (char *)json_string_value(json_object_get(event, "error")), response->error));
    free(url);
    fixture_finish(http);
}

Test(http_client, a_timeout_is_a_response_with_a_reason)
{
    struct wg_http *http = fixture_start();
    wg_http_set_timeout_ms(http, 60);
    struct wg_response *response = wg_http_get(http, "/slow");
    cr_assert(eq(long, response->status, 0));
    cr_assert(not(eq(ptr, strstr(response->error, "timed out after"), NULL)), "%s",
              response->error);
    cr_assert(ge(dbl, response->ms, 50.0));
    cr_assert(lt(dbl, response->ms, 5000.0));
    fixture_finish(http);
}

Test(http_client, the_timeout_comes_from_the_environment)
{
    struct wg_http *http = fixture_start();
    setenv("WALGRIND_HTTP_TIMEOUT_MS", "40", 1);
    struct wg_http *hasty = wg_http_create(wg_http_base_url(http));
    cr_assert(eq(long, wg_http_get(hasty, "/slow")->status, 0));
    wg_http_destroy(hasty);
    fixture_finish(http);
}

Test(http_client, half_an_answer_is_none)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response = wg_http_get(http, "/cut");
    cr_assert(eq(long, response->status, 0));
    cr_assert(not(eq(ptr, strstr(response->error, "after status 200"), NULL)), "%s",
              response->error);
    fixture_finish(http);
}

Test(http_client, values_are_found_by_path)
{
    struct wg_http *http = fixture_start();
    struct wg_response *response = wg_http_get(http, "/types");
    const struct {
        const char *path, *value; /* NULL: nothing there */
    } rows[] = {
        {"text", "\"hello\""}, {"list[0]", "1"},
        {"list[-1]", "3"},     {"deep.'a.b'.c", "\"found\""},
        {"null", "null"},      {"list", "[1,2,3]"},
        {"nothing", NULL},     {"list[3]", NULL},
        {"list[-4]", NULL},    {"text.x", NULL},
        {"list[x]", NULL},     {"list[0", NULL},
        {"deep.'a.b", NULL},   {".", NULL},
        {"deep..c", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *value = wg_response_at(response, rows[i].path);
        char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if (rows[i].value)
            cr_expect(eq(str, text, (char *)rows[i].value), "%s", rows[i].path);
        else
            cr_expect(eq(ptr, text, NULL), "%s", rows[i].path);
        free(text);
    }
    fixture_finish(http);
}

Test(http_client, an_ordinary_request_leaves_an_event_without_body)
{
    struct wg_http *http = fixture_start();
    wg_http_get(http, "/status/404?x=1");
    char *text = json_dumps(fixture_last_event(), JSON_COMPACT);
    cr_assert(wg_str_starts(text, "{\"event\":\"http\",\"method\":\"GET\",\"path\":"
                                  "\"/status/404?x=1\",\"status\":404,\"ms\":"),
              "%s", text);
    cr_assert(eq(ptr, json_object_get(fixture_last_event(), "body"), NULL));
    cr_assert(eq(ptr, json_object_get(fixture_last_event(), "error"), NULL));
    free(text);
    fixture_finish(http);
}

Test(http_client, server_errors_and_sqlite_messages_leave_their_body)
{
    struct wg_http *http = fixture_start();
    wg_http_get(http, "/fail/oops");
    json_t *body = json_object_get(fixture_last_event(), "body");
    cr_assert(eq(str, (char *)json_string_value(body), "oops"));
    /* Status 200, but the body quotes one of SQLite's messages. */
    wg_http_post_raw(http, "/echo", "text/plain", "x: database is locked", 21);
    body = json_object_get(fixture_last_event(), "body");
    cr_assert(not(eq(ptr, strstr(json_string_value(body), "database is locked"), NULL)));
    /* Cut at the limit. */
    struct wg_buf big;
    wg_buf_init(&big, 8192);
    while (wg_buf_puts(&big, "disk I/O error ") == 0)
        continue;
    wg_http_post_raw(http, "/echo", "text/plain", big.data, big.size);
    body = json_object_get(fixture_last_event(), "body");
    cr_assert(eq(sz, json_string_length(body), 2048));
    wg_buf_finish(&big);
    fixture_finish(http);
}

Test(http_client, a_response_may_go_before_its_session)
{
    struct wg_http *http = fixture_start();
    struct wg_response *kept = wg_http_get(http, "/health");
    for (int i = 0; i < 10; i++)
        wg_response_destroy(wg_http_get(http, "/health"));
    wg_expect_str(kept, "status", eq, "ok");
    fixture_finish(http);
}

Test(http_client, events_of_a_stream_come_one_by_one)
{
    struct wg_http *http = fixture_start();
    struct wg_sse *sse = wg_sse_open(http, "/events");
    wg_expect_status(wg_sse_response(sse), 200);
    const struct wg_sse_event rows[] = {{"connected", "Stream connected", ""},
                                        {"message", "plain", "7"},
                                        {"lines", "one\ntwo\n", "7"}};
    struct wg_sse_event event;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(eq(int, wg_sse_next(sse, 5000, &event), 1));
        cr_expect(eq(str, (char *)event.name, (char *)rows[i].name));
        cr_expect(eq(str, (char *)event.data, (char *)rows[i].data));
        cr_expect(eq(str, (char *)event.id, (char *)rows[i].id));
    }
    cr_assert(eq(int, wg_sse_next(sse, 5000, &event), -1));
    wg_sse_close(sse);
    fixture_finish(http);
}

Test(http_client, a_quiet_stream_is_a_deadline_and_other_requests_go_on)
{
    struct wg_http *http = fixture_start();
    struct wg_sse *sse = wg_sse_open(http, "/endless");
    struct wg_sse_event event;
    cr_assert(eq(int, wg_sse_next_named(sse, "connected", 5000, &event), 1));
    cr_assert(eq(int, wg_sse_next(sse, 30, &event), 0));
    wg_expect_status(wg_http_get(http, "/health"), 200);
    cr_assert(eq(int, wg_sse_next_named(sse, "other", 30, &event), 0));
    wg_sse_close(sse);
    fixture_finish(http);
}

Test(http_client, a_stream_that_is_none_shows_its_answer)
{
    struct wg_http *http = fixture_start();
    struct wg_sse *sse = wg_sse_open(http, "/status/401");
    struct wg_sse_event event;
    wg_expect_error(wg_sse_response(sse), 401, "status 401");
    cr_assert(eq(int, wg_sse_next(sse, 1000, &event), -1));
    wg_sse_close(sse);
    wg_http_set_timeout_ms(http, 50);
    sse = wg_sse_open(http, "/slow");
    cr_assert(eq(long, wg_sse_response(sse)->status, 0));
    wg_sse_close(sse);
    fixture_finish(http);
}
