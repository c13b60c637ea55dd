/* SPDX-License-Identifier: MIT */
/*
 * sse.c - the event stream: opening it, keep-alive, echo, broadcast, and what changes it tells.
 *
 * Other tests save and delete on the same server, and their changes are told to every stream. So an
 * event is looked for by the id in it, and that nothing was told is shown by a message which the
 * session sends to itself afterwards: streams keep the order.
 */
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>

#define SUBSCRIBE "/api/v1/sse/subscribe"
#define ECHO      "/api/v1/sse/test/echo"
#define BROADCAST "/api/v1/sse/test/broadcast"
#define WAIT_MS   10000

/* An open stream of which "connected" was read. */
static struct wg_sse *subscribe(struct wg_http *http)
{
    struct wg_sse_event event;
    struct wg_sse *sse = wg_sse_open(http, SUBSCRIBE);
    wg_expect_status(wg_sse_response(sse), 200);
    cr_assert(eq(int, wg_sse_next(sse, WAIT_MS, &event), 1));
    cr_assert(eq(str, (char *)event.name, "connected"));
    return sse;
}

static struct wg_sse_event next_named(struct wg_sse *sse, const char *name)
{
    struct wg_sse_event event = {0};
    cr_assert(eq(int, wg_sse_next_named(sse, name, WAIT_MS, &event), 1), "no event %s", name);
    return event;
}

static void expect_test_event(struct wg_sse *sse, const char *data)
{
    cr_expect(eq(str, (char *)next_named(sse, "test").data, (char *)data));
}

/* Data of the next event of that name which holds the text. */
static json_t *next_about(struct wg_sse *sse, const char *name, const char *text)
{
    struct wg_sse_event event;
    do {
        event = next_named(sse, name);
    } while (strstr(event.data, text) == NULL);
    json_t *data = json_loads(event.data, 0, NULL);
    cr_assert(data != NULL, "not JSON: %s", event.data);
    return data;
}

/* How many events with that text came before a message that the session now sends to itself. */
static int count_about(struct wg_http *http, struct wg_sse *sse, const char *text)
{
    struct wg_sse_event event;
    int count = 0;
    const char *end = api_nonce("end");
    wg_expect_status(wg_http_post_json(http, ECHO, json_pack("[s]", end)), 200);
    while (wg_sse_next(sse, WAIT_MS, &event) == 1) {
        if (strcmp(event.data, end) == 0)
            return count;
        count += strstr(event.data, text) != NULL;
    }
    cr_fatal("the stream broke before its last message");
}

static void expect_echo(struct wg_http *http, json_t *messages, int64_t count)
{
    struct wg_response *response = wg_http_post_json(http, ECHO, messages);
    wg_expect_status(response, 200);
    wg_expect_json(response, "",
                   json_pack("{s:s, s:I}", "status", "ok", "messages_sent", (json_int_t)count));
}

/* ---- Opening ---- */

Test(sse, without_a_session_no_stream, .description = "SSE-01")
{
    wg_expect_status(wg_http_get(api_anonymous(), SUBSCRIBE), 401);
}

Test(sse, unknown_session_is_expired, .description = "SSE-X03")
{
    wg_expect_error(wg_http_get(api_with_session(api_nonce("session")), SUBSCRIBE), 401,
                    "Session expired");
}

Test(sse, stream_opens_with_connected, .description = "SSE-02 SSE-X01")
{
    struct wg_sse_event event;
    struct wg_sse *sse = wg_sse_open(api_login("user"), SUBSCRIBE);

    wg_expect_status(wg_sse_response(sse), 200);
    cr_assert(eq(int, wg_sse_next(sse, WAIT_MS, &event), 1));
    cr_expect(eq(str, (char *)event.name, "connected"));
    cr_expect(eq(str, (char *)event.data, "Stream connected"));
}

Test(sse, headers_forbid_caching_and_buffering, .description = "SSE-X01")
{
    struct wg_response *head = wg_sse_response(wg_sse_open(api_login("user"), SUBSCRIBE));

    wg_expect_header_starts(head, "Content-Type", "text/event-stream");
    wg_expect_header(head, "Cache-Control", "no-cache");
    wg_expect_header(head, "X-Accel-Buffering", "no");
}

Test(sse, session_id_may_stand_in_the_query, .description = "SSE-X02")
{
    struct wg_http *anonymous = api_anonymous();
    const char *session = api_session(api_login("user"));
    struct wg_sse *sse =
        wg_sse_open(anonymous, wg_http_path(anonymous, SUBSCRIBE "?sessionId=%s", session));

    wg_expect_status(wg_sse_response(sse), 200);
    next_named(sse, "connected");
}

Test(sse, silent_stream_is_kept_alive, .description = "SSE-04")
{
    struct wg_sse *sse = subscribe(api_login("user"));

    cr_expect(eq(str, (char *)next_named(sse, "ping").data, "keepalive"));
}

Test(sse, pings_come_again_and_again, .description = "SSE-X04")
{
    struct wg_sse *sse = subscribe(api_login("user"));

    for (int i = 0; i < 3; i++)
        next_named(sse, "ping");
}

/* ---- Echo ---- */

Test(sse, echo_sends_each_message_to_the_own_stream, .description = "SSE-03")
{
    struct wg_http *http = api_login("user");
    struct wg_sse *sse = subscribe(http);

    expect_echo(http, json_pack("[s, s, s]", "one", "two \"quoted\"", "drei: \xc3\xa4"), 3);
    expect_test_event(sse, "one");
    expect_test_event(sse, "two \"quoted\"");
    expect_test_event(sse, "drei: \xc3\xa4");
}

Test(sse, messages_of_two_echoes_keep_their_order, .description = "SSE-05")
{
    struct wg_http *http = api_login("user");
    struct wg_sse *sse = subscribe(http);

    expect_echo(http, json_pack("[s, s]", "1", "2"), 2);
    expect_echo(http, json_pack("[s, s]", "3", "4"), 2);
    expect_test_event(sse, "1");
    expect_test_event(sse, "2");
    expect_test_event(sse, "3");
    expect_test_event(sse, "4");
}

Test(sse, empty_list_sends_nothing, .description = "SSE-06")
{
    expect_echo(api_login("user"), json_array(), 0);
}

Test(sse, echo_needs_a_session, .description = "SSE-07")
{
    wg_expect_status(wg_http_post_json(api_anonymous(), ECHO, json_pack("[s]", "x")), 401);
}

Test(sse, sessions_get_only_their_own_messages, .description = "SSE-08")
{
    struct wg_http *one = api_login("user"), *two = api_login("user");
    struct wg_sse *stream_one = subscribe(one), *stream_two = subscribe(two);
    const char *for_one = api_nonce("one"), *for_two = api_nonce("two");

    expect_echo(one, json_pack("[s]", for_one), 1);
    expect_echo(two, json_pack("[s]", for_two), 1);

    cr_expect(eq(int, count_about(one, stream_one, for_two), 0));
    expect_test_event(stream_two, for_two);
    cr_expect(eq(int, count_about(two, stream_two, for_one), 0));
}

Test(sse, echo_counts_though_nobody_listens, .description = "SSE-X05")
{
    expect_echo(api_login("user"), json_pack("[s, s]", "a", "b"), 2);
}

Test(sse, echo_takes_a_list_of_strings_only, .description = "SSE-X06")
{
    struct wg_http *http = api_login("user");

    wg_expect_status(wg_http_post_json(http, ECHO, json_pack("{s:s}", "message", "x")), 422);
    wg_expect_status(wg_http_post_json(http, ECHO, json_pack("[i]", 1)), 422);
}

Test(sse, message_before_the_subscription_is_lost, .description = "SSE-X19")
{
    struct wg_http *http = api_login("user");
    const char *early = api_nonce("early");

    expect_echo(http, json_pack("[s]", early), 1);
    cr_expect(eq(int, count_about(http, subscribe(http), early), 0));
}

/* ---- Broadcast ---- */

Test(sse, broadcast_reaches_all_streams, .description = "SSE-09 SSE-X08")
{
    struct wg_http *one = api_login("user"), *two = api_login("reviewer");
    struct wg_sse *stream_one = subscribe(one), *stream_two = subscribe(two);
    const char *message = api_nonce("message");

    struct wg_response *response =
        wg_http_post_json(one, BROADCAST, json_pack("{s:s}", "message", message));

    wg_expect_status(response, 200);
    wg_expect_str(response, "status", eq, "ok");
    wg_expect_int(response, "sessions_notified", ge, 2);
    json_t *want = json_pack("{s:s}", "message", message);
    cr_expect(json_equal(next_about(stream_one, "broadcast", message), want));
    cr_expect(json_equal(next_about(stream_two, "broadcast", message), want));
}

Test(sse, ten_streams_receive_one_broadcast, .description = "SSE-X18")
{
    enum { STREAMS = 10 };
    struct wg_sse *streams[STREAMS];
    const char *message = api_nonce("message");
    for (int i = 0; i < STREAMS; i++)
        streams[i] = subscribe(api_login("user"));

    wg_expect_status(
        wg_http_post_json(api_login("user"), BROADCAST, json_pack("{s:s}", "message", message)),
        200);

    for (int i = 0; i < STREAMS; i++)
        next_about(streams[i], "broadcast", message);
}

Test(sse, broadcast_without_message_sends_an_empty_one, .description = "SSE-X07")
{
    struct wg_http *http = api_login("user");
    struct wg_sse *sse = subscribe(http);

    wg_expect_status(wg_http_post_json(http, BROADCAST, json_object()), 200);
    json_t *data = next_about(sse, "broadcast", "\"\"");
    cr_expect(json_equal(data, json_pack("{s:s}", "message", "")));
}

Test(sse, broadcast_takes_an_object_only, .description = "SSE-X07")
{
    wg_expect_status(wg_http_post_json(api_login("user"), BROADCAST, json_array()), 422);
}

Test(sse, broadcast_needs_a_session, .description = "SSE-09")
{
    wg_expect_status(wg_http_post_json(api_anonymous(), BROADCAST, json_object()), 401);
}

/* ---- What changes it tells ---- */

static void expect_reason(const json_t *data, const char *reason)
{
    const char *got = json_string_value(json_object_get(data, "reason"));
    cr_expect(eq(str, (char *)(got ? got : "none"), (char *)reason));
}

Test(sse_changes, new_gold_is_told_to_others, .description = "SSE-X09")
{
    struct wg_sse *sse = subscribe(api_login("user"));
    const char *id = api_gold(api_nonce("doc"), NULL);

    json_t *data = next_about(sse, "fileDataChanged", id);

    cr_expect(json_equal(data, json_pack("{s:s, s:s}", "reason", "file_created", "stable_id", id)));
}

Test(sse_changes, update_is_told_to_others, .description = "SSE-X10")
{
    const char *doc = api_nonce("doc");
    const char *id = api_gold(doc, NULL);
    struct wg_sse *sse = subscribe(api_login("user"));

    api_save(api_login("reviewer"), id, api_tei(doc, NULL, NULL), false);

    expect_reason(next_about(sse, "fileDataChanged", id), "file_saved");
}

Test(sse_changes, own_save_is_not_told, .description = "SSE-X11")
{
    struct wg_http *reviewer = api_login("reviewer");
    struct wg_sse *sse = subscribe(reviewer);
    const char *doc = api_nonce("doc");

    json_t *saved = api_save(reviewer, doc, api_tei(doc, NULL, NULL), false);

    cr_expect(eq(
        int, count_about(reviewer, sse, json_string_value(json_object_get(saved, "file_id"))), 0));
}

Test(sse_changes, delete_tells_all_ids_at_once, .description = "SSE-X12")
{
    const char *one = api_gold(api_nonce("doc"), NULL), *two = api_gold(api_nonce("doc"), NULL);
    struct wg_sse *sse = subscribe(api_login("user"));

    wg_expect_status(wg_http_post_json(api_login("reviewer"), "/api/v1/files/delete",
                                       json_pack("{s:[ss]}", "files", one, two)),
                     200);

    json_t *data = next_about(sse, "fileDataChanged", one);
    expect_reason(data, "files_deleted");
    cr_expect(api_has(json_object_get(data, "stable_ids"), one));
    cr_expect(api_has(json_object_get(data, "stable_ids"), two));
}

Test(sse_changes, acquired_lock_is_told_with_its_owner, .description = "SSE-X13")
{
    const char *id = api_gold(api_nonce("doc"), NULL);
    struct wg_sse *sse = subscribe(api_login("user"));

    api_acquire(api_login("reviewer"), id);

    json_t *data = next_about(sse, "fileDataChanged", id);
    expect_reason(data, "lock_acquired");
    cr_expect(eq(str, (char *)json_string_value(json_object_get(data, "locked_by")), "reviewer"));
}

Test(sse_changes, released_lock_is_told, .description = "SSE-X14")
{
    const char *id = api_gold(api_nonce("doc"), NULL);
    struct wg_http *reviewer = api_login("reviewer");
    api_acquire(reviewer, id);
    struct wg_sse *sse = subscribe(api_login("user"));

    api_release(reviewer, id);

    cr_expect(json_equal(next_about(sse, "lockReleased", id), json_pack("{s:s}", "stable_id", id)));
}

Test(sse_changes, refused_lock_is_not_told, .description = "SSE-X15")
{
    const char *id = api_gold(api_nonce("doc"), NULL);
    api_acquire(api_login("reviewer"), id);
    struct wg_http *listener = api_login("user");
    struct wg_sse *sse = subscribe(listener);

    wg_expect_status(api_file_post(api_login("reviewer"), "acquire_lock", id), 423);

    cr_expect(eq(int, count_about(listener, sse, id), 0));
}

Test(sse_changes, delete_of_nothing_is_not_told, .description = "SSE-X15")
{
    struct wg_http *listener = api_login("user");
    struct wg_sse *sse = subscribe(listener);
    const char *unknown = api_nonce("unknown");

    api_delete_try(api_login("reviewer"), unknown);

    cr_expect(eq(int, count_about(listener, sse, unknown), 0));
}

Test(sse_changes, upload_copy_and_metadata_are_not_told, .description = "SSE-X16")
{
    const char *doc = api_nonce("doc"), *collection = api_nonce("collection");
    struct wg_http *listener = api_login("user"), *admin = api_login("admin");
    api_collection(collection);
    struct wg_sse *sse = subscribe(listener);

    const char *id = api_pdf(doc);
    api_copy(id, collection);
    wg_expect_status(api_patch_try(admin, id, json_pack("{s:s}", "label", "another")), 200);

    cr_expect(eq(int, count_about(listener, sse, id), 0));
}

Test(sse_changes, equal_version_is_told_once, .description = "SSE-X17")
{
    const char *doc = api_nonce("doc");
    const char *gold = api_gold(doc, NULL), *xml = api_tei(doc, NULL, NULL);
    struct wg_http *listener = api_login("user"), *annotator = api_login("annotator");
    struct wg_sse *sse = subscribe(listener);

    json_t *first = api_save(annotator, gold, xml, true);
    json_t *second = api_save(annotator, gold, xml, true);

    const char *id = json_string_value(json_object_get(first, "file_id"));
    cr_expect(eq(str, (char *)json_string_value(json_object_get(second, "file_id")), (char *)id));
    cr_expect(eq(int, count_about(listener, sse, id), 1));
}
