/* SPDX-License-Identifier: MIT */
/* example.c - the test that the README shows, so that what it shows compiles and passes. */
#include "fixtures/walgrind.h"

#define REVIEWER_HASH "2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3"

TestSuite(example, .timeout = 10);

Test(example, collection_id_with_a_blank_is_refused, .description = "COLL-X03")
{
    struct wg_http *http = wg_http_create(NULL); /* the server of this test: WALGRIND_URL */

    struct wg_response *login = wg_http_post_json(
        http, "/api/v1/auth/login", /* the body is given away */
        json_pack("{s:s, s:s}", "username", "reviewer", "passwd_hash", REVIEWER_HASH));
    wg_expect_status(login, 200);
    const char *session = json_string_value(wg_response_at(login, "sessionId"));
    wg_http_set_header(http, "X-Session-Id", session);

    struct wg_response *answer = wg_http_post_json(
        http, "/api/v1/collections", json_pack("{s:s, s:s}", "id", "a b", "name", wg_nonce()));

    wg_expect_status(answer, 400);
    wg_expect_detail_starts(answer, "Invalid collection ID.");
}
