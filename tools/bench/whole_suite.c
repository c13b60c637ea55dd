/* SPDX-License-Identifier: MIT */
/*
 * whole_suite.c - sixty API tests of five requests each, for tools/bench/whole_run.py.
 *
 * Five is the mean of the tests in suites/api. whole_pytest.py and whole_node.test.mjs say the same
 * in their words: a reviewer logs in, saves a document of its own, reads it, leaves it and deletes
 * it; statuses and one member of each answer are checked.
 */
#include "fixtures/walgrind.h"

#include <stdio.h>

#define REVIEWER_HASH "2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3"
#define TEI                                                                                        \
    "<TEI xmlns=\"http://www.tei-c.org/ns/1.0\"><teiHeader/><text><body><p>%s</p></body></text></TEI>"

static struct wg_http *log_in(void)
{
    struct wg_http *http = wg_http_create(NULL);
    struct wg_response *login = wg_http_post_json(
        http, "/api/v1/auth/login",
        json_pack("{s:s, s:s}", "username", "reviewer", "passwd_hash", REVIEWER_HASH));
    wg_expect_status(login, 200);
    wg_http_set_header(http, "X-Session-Id", wg_require_str(login, "sessionId"));
    return http;
}

static void edit_a_document(void)
{
    struct wg_http *http = log_in();
    const char *name = wg_nonce();
    char xml[512];
    snprintf(xml, sizeof xml, TEI, name);

    struct wg_response *saved = wg_http_post_json(
        http, "/api/v1/files/save", json_pack("{s:s, s:s}", "file_id", name, "xml_string", xml));
    wg_expect_status(saved, 200);
    wg_expect_str(saved, "status", eq, "new_gold");
    const char *id = wg_require_str(saved, "file_id");

    struct wg_response *served = wg_http_get(http, wg_http_path(http, "/api/v1/files/%s", id));
    wg_expect_status(served, 200);
    wg_expect_body_contains(served, name);

    struct wg_response *left =
        wg_http_post_json(http, "/api/v1/files/release_lock", json_pack("{s:s}", "file_id", id));
    wg_expect_status(left, 200);
    wg_expect_str(left, "action", eq, "released");

    struct wg_response *deleted =
        wg_http_post_json(http, "/api/v1/files/delete", json_pack("{s:[s]}", "files", id));
    wg_expect_status(deleted, 200);
    wg_expect_str(deleted, "result", eq, "ok");
}

#define ONE(n)                                                                                     \
    Test(whole, reviewer_edits_a_document_##n)                                                     \
    {                                                                                              \
        edit_a_document();                                                                         \
    }
#define TEN(n)                                                                                     \
    ONE(n##0)                                                                                      \
    ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7) ONE(n##8) ONE(n##9)

TEN(1)
TEN(2)
TEN(3)
TEN(4)
TEN(5)
TEN(6)
