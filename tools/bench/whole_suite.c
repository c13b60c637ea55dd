/* SPDX-License-Identifier: MIT */
/*
 * whole_suite.c - sixty API tests of three requests each, for tools/bench/whole_run.py.
 *
 * whole_pytest.py and whole_node.mjs say the same in their words: log in, ask for the session, list
 * the files; statuses and one member of each answer are checked.
 */
#include "fixtures/walgrind.h"

#define REVIEWER_HASH "2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3"

static void log_in_and_list_files(void)
{
    struct wg_http *http = wg_http_create(NULL);
    struct wg_response *login = wg_http_post_json(
        http, "/api/v1/auth/login",
        json_pack("{s:s, s:s}", "username", "reviewer", "passwd_hash", REVIEWER_HASH));
    wg_expect_status(login, 200);
    wg_http_set_header(http, "X-Session-Id", json_string_value(wg_response_at(login, "sessionId")));

    struct wg_response *status = wg_http_get(http, "/api/v1/auth/status");
    wg_expect_status(status, 200);
    const char *name = json_string_value(wg_response_at(status, "username"));
    cr_expect(eq(str, (char *)name, "reviewer"));

    struct wg_response *files = wg_http_get(http, "/api/v1/files/list");
    wg_expect_status(files, 200);
    bool listed = json_is_array(wg_response_at(files, "files"));
    cr_expect(listed);
}

#define ONE(n)                                                                                     \
    Test(whole, reviewer_logs_in_and_lists_files_##n)                                              \
    {                                                                                              \
        log_in_and_list_files();                                                                   \
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
