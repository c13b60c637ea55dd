/* SPDX-License-Identifier: MIT */
/*
 * What expect.h and walgrind.h promise. Each assertion is seen to hold and, in a child process,
 * seen to fail: a table gives for every one a body that must fail and the line it must report.
 */
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/sys/port.h"
#include "harness/sys/tree.h"
#include "suites/unit/http_fixture.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

TestSuite(http_expect, .timeout = 60);

Test(http_expect, every_assertion_can_hold)
{
    struct wg_http *http = fixture_start();
    struct wg_response *types = wg_http_get(http, "/types");
    wg_expect_status(types, 200);
    wg_expect_str(types, "text", eq, "hello");
    wg_expect_str(types, "text", ne, "other");
    wg_expect_str(types, "text", lt, "hellp");
    wg_expect_str(types, "text", starts, "he");
    wg_expect_str(types, "text", ends, "lo");
    wg_expect_str(types, "text", contains, "ll");
    wg_expect_str(types, "text", matches, "^h[a-e]l+o$");
    wg_expect_int(types, "int", eq, 42);
    wg_expect_int(types, "int", ne, 41);
    wg_expect_int(types, "int", gt, 41);
    wg_expect_int(types, "int", ge, 42);
    wg_expect_int(types, "int", lt, 43);
    wg_expect_int(types, "int", le, 42);
    wg_expect_real(types, "real", eq, 2.5);
    wg_expect_real(types, "int", ge, 42.0);
    wg_expect_bool(types, "yes", true);
    wg_expect_null(types, "null");
    wg_expect_size(types, "list", eq, 3);
    wg_expect_size(types, "text", eq, 5);
    wg_expect_size(types, "", ge, 7);
    wg_expect_present(types, "null");
    wg_expect_absent(types, "nothing");
    wg_expect_json(types, "list", json_pack("[i,i,i]", 1, 2, 3));
    wg_expect_header(types, "content-type", "application/json");
    wg_expect_header_starts(types, "Content-Type", "application/");
    wg_expect_body_contains(types, "\"int\":42");
    cr_assert(eq(str, (char *)wg_require_str(types, "text"), "hello"));
    cr_assert(eq(i64, wg_require_int(types, "int"), 42));
    cr_assert(eq(int, json_is_array(wg_require_json(types, "list")), 1));
    struct wg_response *locked = wg_http_get(http, "/status/423");
    wg_expect_detail(locked, "status 423");
    wg_expect_detail_starts(locked, "status");
    wg_expect_error(locked, 423, "status 423");
    struct wg_response *invalid = wg_http_get(http, "/invalid");
    wg_expect_422(invalid, "body", "username");
    wg_expect_422(invalid, "body", "3");
    wg_expect_422(invalid, NULL);
    wg_expect_body(wg_http_get(http, "/fail/oops"), "oops");
    fixture_finish(http);
}

/* X(name, path, assertion that fails, first line of its report behind "response: ") */
#define FAILURES(X)                                                                                \
    X(status, "/health", wg_expect_status(response, 201), "expected status 201, got 200")          \
    X(detail, "/status/423", wg_expect_detail(response, "other"),                                  \
      "expected detail eq \"other\", got \"status 423\"")                                          \
    X(detail_starts, "/status/423", wg_expect_detail_starts(response, "tatus"),                    \
      "expected detail starts \"tatus\", got \"status 423\"")                                      \
    X(error_status, "/status/423", wg_expect_error(response, 409, "status 423"),                   \
      "expected status 409, got 423")                                                              \
    X(error_detail, "/status/423", wg_expect_error(response, 423, "status 424"),                   \
      "expected detail eq \"status 424\", got \"status 423\"")                                     \
    X(invalid_status, "/types", wg_expect_422(response, NULL), "expected status 422, got 200")     \
    X(invalid_loc, "/invalid", wg_expect_422(response, "body"),                                    \
      "expected detail to have an entry with loc \"body\", got ")                                  \
    X(invalid_longer, "/invalid", wg_expect_422(response, "body", "username", "x"),                \
      "expected detail to have an entry with loc \"body\", \"username\", \"x\", got ")             \
    X(string, "/types", wg_expect_str(response, "text", eq, "Hello"),                              \
      "expected text eq \"Hello\", got \"hello\"")                                                 \
    X(string_type, "/types", wg_expect_str(response, "int", eq, "42"),                             \
      "expected int eq \"42\", got 42")                                                            \
    X(string_ends, "/types", wg_expect_str(response, "text", ends, "hell"),                        \
      "expected text ends \"hell\", got \"hello\"")                                                \
    X(string_contains, "/types", wg_expect_str(response, "text", contains, "x"),                   \
      "expected text contains \"x\", got \"hello\"")                                               \
    X(string_matches, "/types", wg_expect_str(response, "text", matches, "^ello"),                 \
      "expected text matches \"^ello\", got \"hello\"")                                            \
    X(string_pattern, "/types", wg_expect_str(response, "text", matches, "("),                     \
      "pattern \"(\": Unmatched ( or \\(")                                                         \
    X(integer, "/types", wg_expect_int(response, "int", gt, 42), "expected int gt 42, got 42")     \
    X(integer_le, "/types", wg_expect_int(response, "int", le, 41), "expected int le 41, got 42")  \
    X(integer_type, "/types", wg_expect_int(response, "real", eq, 2),                              \
      "expected real eq 2, got 2.5")                                                               \
    X(integer_op, "/types", wg_expect_int(response, "int", starts, 4),                             \
      "operator \"starts\" is for strings only")                                                   \
    X(real, "/types", wg_expect_real(response, "real", lt, 2.5), "expected real lt 2.5, got 2.5")  \
    X(boolean, "/types", wg_expect_bool(response, "yes", false),                                   \
      "expected yes eq false, got true")                                                           \
    X(boolean_type, "/types", wg_expect_bool(response, "int", true),                               \
      "expected int eq true, got 42")                                                              \
    X(null, "/types", wg_expect_null(response, "nothing"),                                         \
      "expected nothing eq null, got nothing")                                                     \
    X(size, "/types", wg_expect_size(response, "list", eq, 2),                                     \
      "expected list of a size eq 2, got [1,2,3]")                                                 \
    X(size_type, "/types", wg_expect_size(response, "int", eq, 0),                                 \
      "expected int of a size eq 0, got 42")                                                       \
    X(present, "/types", wg_expect_present(response, "nothing"),                                   \
      "expected nothing to be there, got nothing")                                                 \
    X(absent, "/types", wg_expect_absent(response, "null"),                                        \
      "expected null not to be there, got null")                                                   \
    X(absent_no_json, "/fail/text", wg_expect_absent(response, "x"),                               \
      "expected x not to be there, got nothing (the body is not JSON)")                            \
    X(json, "/types", wg_expect_json(response, "list", json_pack("[i]", 1)),                       \
      "expected list eq [1], got [1,2,3]")                                                         \
    X(header, "/types", wg_expect_header(response, "X-Stub", "no"),                                \
      "expected header X-Stub eq \"no\", got \"yes\"")                                             \
    X(header_missing, "/types", wg_expect_header_starts(response, "X-None", ""),                   \
      "expected header X-None starts \"\", got none")                                              \
    X(body, "/fail/oops", wg_expect_body(response, "oop"), "expected body eq \"oop\"")             \
    X(body_contains, "/fail/oops", wg_expect_body_contains(response, "ps "),                       \
      "expected body contains \"ps \"")                                                            \
    X(require_str, "/types", wg_require_str(response, "int"),                                      \
      "expected int to be a string, got 42")                                                       \
    X(require_int, "/types", wg_require_int(response, "text"),                                     \
      "expected text to be an integer, got \"hello\"")                                             \
    X(require_json, "/types", wg_require_json(response, "nothing"),                                \
      "expected nothing to be there, got nothing")                                                 \
    X(cut, "/cut", wg_expect_status(response, 200), "expected status 200, got no answer")

#define FAILURE_BODY(name, path, assertion, line)                                                  \
    static void fail_##name(struct wg_http *http)                                                  \
    {                                                                                              \
        struct wg_response *response = wg_http_get(http, (path));                                  \
        assertion;                                                                                 \
    }
FAILURES(FAILURE_BODY)
#undef FAILURE_BODY

#define FAILURE_ROW(name, path, assertion, line) {#name, fail_##name, "response: " line},
static const struct {
    const char *label;
    void (*body)(struct wg_http *http);
    const char *line;
} failing[] = {FAILURES(FAILURE_ROW)};
#undef FAILURE_ROW

Test(http_expect, every_assertion_can_fail_and_says_why)
{
    struct wg_http *http = fixture_start();
    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        char *report = fixture_failure_of(failing[i].body, http);
        const char *line = strchr(report, '\n');
        cr_expect(wg_str_starts(report, "http_expect.c:"), "%s: %s", failing[i].label, report);
        cr_expect(line && wg_str_starts(line + 1, failing[i].line), "%s: %s", failing[i].label,
                  report);
        free(report);
    }
    fixture_finish(http);
}

/* Replaces what differs from run to run: the port, times, the date, and the line of the source. */
static char *mask(const char *text)
{
    struct wg_buf out;
    wg_buf_init(&out, 64 << 10);
    while (*text != '\0') {
        static const struct {
            const char *before, *mask;
        } rules[] = {{"127.0.0.1:", "PORT"},
                     {" after ", "MS"},
                     {"Date: ", "DATE"},
                     {"http_expect.c:", "LINE"},
                     {"port ", "PORT"}};
        size_t used = 0;
        for (size_t i = 0; i < sizeof rules / sizeof rules[0] && used == 0; i++) {
            size_t size = strlen(rules[i].before);
            if (strncmp(text, rules[i].before, size) != 0)
                continue;
            used =
                size + (i == 2 ? strcspn(text + size, "\n") : strspn(text + size, "0123456789."));
            wg_buf_printf(&out, "%s%s", rules[i].before, used > size ? rules[i].mask : "");
        }
        if (used == 0) {
            wg_buf_append(&out, text, 1);
            used = 1;
        }
        text += used;
    }
    return wg_buf_steal(&out);
}

static void post_and_fail(struct wg_http *http)
{
    struct wg_response *created =
        wg_http_post_json(http, "/status/409", json_pack("{s:s}", "name", "x"));
    wg_expect_status(created, 201);
}

Test(http_expect, a_failure_shows_request_and_answer)
{
    struct wg_http *http = fixture_start();
    char *report = fixture_failure_of(post_and_fail, http);
    char *masked = mask(report);
    cr_assert(eq(str, masked,
                 "http_expect.c:LINE\n"
                 "created: expected status 201, got 409\n"
                 "  request: POST http://127.0.0.1:PORT/status/409\n"
                 "    POST /status/409 HTTP/1.1\n"
                 "    Host: 127.0.0.1:PORT\n"
                 "    Accept: */*\n"
                 "    Content-Type: application/json\n"
                 "    X-Walgrind-Test: http/unit\n"
                 "    Content-Length: 12\n"
                 "\n"
                 "    {\"name\":\"x\"}\n"
                 "  answer: status 409 after MS ms\n"
                 "    Date: DATE\n"
                 "    Content-Type: application/json\n"
                 "    X-Stub: yes\n"
                 "    Content-Length: 23\n"
                 "\n"
                 "    {\"detail\":\"status 409\"}\n"));
    free(report);
    free(masked);
    fixture_finish(http);
}

static void fail_without_server(struct wg_http *http)
{
    int port = 0;
    wg_port_find_free(&port, NULL);
    struct wg_http *nobody = wg_http_create(wg_http_path(http, "http://127.0.0.1:%d", port));
    wg_expect_status(wg_http_get(nobody, "/x"), 200);
}

Test(http_expect, a_failure_without_answer_shows_the_reason)
{
    struct wg_http *http = fixture_start();
    char *report = fixture_failure_of(fail_without_server, http);
    char *masked = mask(report);
    cr_assert(eq(str, masked,
                 "http_expect.c:LINE\n"
                 "wg_http_get(nobody, \"/x\"): expected status 200, got no answer\n"
                 "  request: GET http://127.0.0.1:PORT/x\n"
                 "  no answer after MS ms: Failed to connect to 127.0.0.1 port PORT after MS ms: "
                 "Couldn't connect to server\n"));
    free(report);
    free(masked);
    fixture_finish(http);
}

static void fail_with_large_body(struct wg_http *http)
{
    struct wg_buf big;
    wg_buf_init(&big, 100000);
    while (wg_buf_puts(&big, "0123456789\x01") == 0)
        continue;
    wg_expect_status(wg_http_post_raw(http, "/echo", "text/plain", big.data, big.size), 201);
}

Test(http_expect, large_bodies_are_cut_and_control_bytes_are_dots)
{
    struct wg_http *http = fixture_start();
    char *report = fixture_failure_of(fail_with_large_body, http);
    cr_assert(lt(sz, strlen(report), WG_LIMIT_MESSAGE));
    cr_assert(not(eq(ptr, strstr(report, "0123456789."), NULL)));
    cr_assert(not(eq(ptr, strstr(report, " bytes in all]"), NULL)));
    for (const char *at = report; *at != '\0'; at++)
        cr_assert(eq(int, *at != '\n' && iscntrl((unsigned char)*at), 0));
    free(report);
    fixture_finish(http);
}

static void send_null(struct wg_http *http)
{
    wg_http_post_json(http, "/echo", NULL);
}

static void create_without_url(struct wg_http *http)
{
    (void)http;
    unsetenv("WALGRIND_URL");
    wg_http_create(NULL);
}

static void data_without_directory(struct wg_http *http)
{
    (void)http;
    unsetenv("WALGRIND_DATA");
    wg_data_dir();
}

Test(http_expect, misuse_fails_the_test_with_the_reason)
{
    struct wg_http *http = fixture_start();
    const struct {
        void (*body)(struct wg_http *http);
        const char *text;
    } rows[] = {{send_null, "the JSON body is NULL"},
                {create_without_url, "WALGRIND_URL is not set"},
                {data_without_directory, "WALGRIND_DATA is not set"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *report = fixture_failure_of(rows[i].body, http);
        cr_expect(not(eq(ptr, strstr(report, rows[i].text), NULL)), "%s", report);
        free(report);
    }
    fixture_finish(http);
}

Test(http_expect, the_url_comes_from_the_environment)
{
    struct wg_http *http = fixture_start();
    char *url = wg_format("%s//", wg_http_base_url(http));
    setenv("WALGRIND_URL", url, 1);
    struct wg_http *other = wg_http_create(NULL);
    cr_assert(eq(str, (char *)wg_http_base_url(other), (char *)wg_http_base_url(http)));
    wg_expect_status(wg_http_get(other, "/health"), 200);
    wg_http_destroy(other);
    free(url);
    fixture_finish(http);
}

Test(http_expect, nonces_differ_and_carry_the_token)
{
    setenv("WALGRIND_TOKEN", "t12r0u3", 1);
    const char *first = wg_nonce(), *second = wg_nonce();
    cr_assert(ne(str, (char *)first, (char *)second));
    cr_assert(wg_str_starts(first, "t12r0u3x"), "%s", first);
    unsetenv("WALGRIND_TOKEN");
    const char *by_hand = wg_nonce();
    cr_assert(wg_str_starts(by_hand, "p"));
    cr_assert(eq(sz, strspn(by_hand, "abcdefghijklmnopqrstuvwxyz0123456789"), strlen(by_hand)));
}

/* --- looks into databases -------------------------------------------------------------------- */

/* A data directory with db/metadata.db in WAL mode, and WALGRIND_DATA pointing to it. */
static sqlite3 *make_data(char *root, size_t size)
{
    sqlite3 *db = NULL;
    cr_assert(eq(int, wg_sandbox_create("/tmp", "unit-peek", root, size, NULL), 0));
    char *directory = wg_format("%s/db", root);
    char *path = wg_format("%s/db/metadata.db", root);
    cr_assert(eq(int, wg_tree_make(directory, NULL), 0));
    cr_assert(eq(int, sqlite3_open(path, &db), SQLITE_OK));
    cr_assert(eq(int,
                 sqlite3_exec(db,
                              "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER, name TEXT);"
                              "INSERT INTO t VALUES(1, 'one'), (2, 'it''s'), (3, NULL);",
                              NULL, NULL, NULL),
                 SQLITE_OK));
    setenv("WALGRIND_DATA", root, 1);
    free(directory);
    free(path);
    return db;
}

Test(http_expect, databases_are_looked_into_while_a_server_has_them_open)
{
    char root[PATH_MAX];
    sqlite3 *db = make_data(root, sizeof root);
    cr_expect(eq(i64, wg_db_int("metadata", "SELECT count(*) FROM t"), 3));
    cr_expect(eq(i64, wg_db_int("metadata", "SELECT id FROM t WHERE name = ?", "it's"), 2));
    cr_expect(eq(i64, wg_db_int("db/metadata.db", "SELECT id FROM t WHERE id = ?;", "3"), 3));
    char *name = wg_db_text("metadata", "SELECT name FROM t WHERE id=? AND name=?", "1", "one");
    cr_expect(eq(str, name, "one"));
    cr_expect(eq(ptr, wg_db_text("metadata", "SELECT name FROM t WHERE id = 3"), NULL));
    cr_expect(eq(i64, wg_db_exec("metadata", "UPDATE t SET name = ? WHERE id > ?", "x", "1"), 2));
    cr_expect(eq(i64, wg_db_int("metadata", "SELECT count(*) FROM t WHERE name = 'x'"), 2));
    char *path = wg_format("%s/db/metadata.db", root);
    cr_expect(eq(str, wg_db_path("metadata"), path));
    free(name);
    free(path);
    sqlite3_close(db);
    cr_assert(eq(int, wg_tree_remove(root, NULL), 0));
}

static void no_row(struct wg_http *http)
{
    (void)http;
    wg_db_int("metadata", "SELECT id FROM t WHERE id = 99");
}

static void bad_sql(struct wg_http *http)
{
    (void)http;
    wg_db_int("metadata", "SELECT id FROM missing");
}

static void writes_while_looking(struct wg_http *http)
{
    (void)http;
    wg_db_int("metadata", "DELETE FROM t RETURNING id");
}

static void two_statements(struct wg_http *http)
{
    (void)http;
    wg_db_exec("metadata", "DELETE FROM t; DELETE FROM t");
}

static void values_missing(struct wg_http *http)
{
    (void)http;
    wg_db_int("metadata", "SELECT id FROM t WHERE id = ?");
}

static void no_database(struct wg_http *http)
{
    (void)http;
    wg_db_int("other", "SELECT 1");
}

Test(http_expect, looks_that_cannot_be_answered_fail_the_test)
{
    char root[PATH_MAX];
    sqlite3 *db = make_data(root, sizeof root);
    const struct {
        void (*body)(struct wg_http *http);
        const char *text;
    } rows[] = {{no_row, "no row in: SELECT id FROM t WHERE id = 99"},
                {bad_sql, "no such table: missing (SQLite code 1)"},
                {writes_while_looking, "attempt to write a readonly database"},
                {two_statements, "not one statement"},
                {values_missing, "0 values for 1 places"},
                {no_database, "there is no database \"other\""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *report = fixture_failure_of(rows[i].body, NULL);
        cr_expect(not(eq(ptr, strstr(report, rows[i].text), NULL)), "%s: %s", rows[i].text, report);
        free(report);
    }
    sqlite3_close(db);
    cr_assert(eq(int, wg_tree_remove(root, NULL), 0));
}
