/* SPDX-License-Identifier: MIT */
/* notes_test.c - tests of notes_server.py: the example of a suite for a server of one's own. */
#include "fixtures/walgrind.h"

static const char *make_note(struct wg_http *http)
{
    struct wg_response *made =
        wg_http_post_json(http, "/notes", json_pack("{s:s}", "title", wg_nonce()));
    wg_expect_status(made, 201);
    return wg_http_path(http, "/notes/%lld",
                        (long long)json_integer_value(wg_response_at(made, "id")));
}

Test(notes, new_note_can_be_read)
{
    struct wg_http *http = wg_http_create(NULL);
    wg_expect_status(wg_http_get(http, make_note(http)), 200);
}

Test(notes, deleted_note_is_gone)
{
    struct wg_http *http = wg_http_create(NULL);
    const char *note = make_note(http);

    wg_expect_status(wg_http_delete(http, note), 200);

    wg_expect_error(wg_http_get(http, note), 404, "no such note");
}

Test(notes, deleting_twice_is_refused)
{
    struct wg_http *http = wg_http_create(NULL);
    const char *note = make_note(http);
    wg_expect_status(wg_http_delete(http, note), 200);
    wg_expect_status(wg_http_delete(http, note), 404);
}
