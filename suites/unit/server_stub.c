/* SPDX-License-Identifier: MIT */
/*
 * server_stub - a small HTTP server for the tests of the server kit and of the client.
 *
 *     server_stub --port N [--mode MODE] [--echo TEXT]...
 *
 * Modes: serve (default); silent (runs, listens nowhere); broken (answers 503 to all); die (prints
 * a line and ends with 3); stubborn (serve, SIGTERM ignored). `--echo` prints its text first, so
 * that a test sees how placeholders arrived.
 *
 * Addresses in mode serve:
 *     /health         200 {"status":"ok"}
 *     /echo           200, what arrived: {"method","url","query","headers","body"}
 *     /status/N       status N with {"detail":"status N"}
 *     /fail/TEXT      status 500 with the text, as text/plain
 *     /invalid        422 with a list of two entries
 *     /types          one JSON value of each kind
 *     /cookie         sets the cookie "sid"
 *     /slow           answers after the client is gone, or after 10 s
 *     /gather?n=N     answers when N requests are here at the same time; 503 after 5 s
 *     /cut            announces 100 bytes, sends 10, closes
 *     /events         two events, a comment, one event with three lines, end
 *     /endless        one event, then nothing
 *
 * Locking: `gathered` is protected by `gather_lock`; nothing else is shared between connections.
 */
#include "harness/base/json.h"
#include "harness/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct stub {
    const char *mode;
    pthread_mutex_t gather_lock;
    pthread_cond_t gather_changed;
    int gathered;
};

/* One request: its body grows until it is complete. */
struct call {
    struct wg_buf body;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), wg_strdup(text), MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "X-Stub", "yes");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    enum MHD_Result result = answer(connection, status, "application/json", text);
    free(text);
    json_decref(json);
    return result;
}

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    (void)kind;
    json_object_set_new(context, name, value ? json_string(value) : json_null());
    return MHD_YES;
}

static enum MHD_Result echo(struct MHD_Connection *connection, const char *method, const char *url,
                            const struct call *call)
{
    json_t *headers = json_object(), *query = json_object();
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_pair, headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_pair, query);
    return answer_json(connection, 200,
                       json_pack("{s:s, s:s, s:o, s:o, s:o}", "method", method, "url", url, "query",
                                 query, "headers", headers, "body",
                                 wg_json_string_new(call->body.data, call->body.size)));
}

static enum MHD_Result gather(struct stub *stub, struct MHD_Connection *connection)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "n");
    long wanted = 1;
    if (!text || wg_str_to_long(text, 1, 1000, &wanted) != 0)
        return answer(connection, 400, "text/plain", "n?");
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    int code = 0;
    pthread_mutex_lock(&stub->gather_lock);
    stub->gathered++;
    pthread_cond_broadcast(&stub->gather_changed);
    while (stub->gathered < wanted && code == 0)
        code = pthread_cond_timedwait(&stub->gather_changed, &stub->gather_lock, &until);
    pthread_mutex_unlock(&stub->gather_lock);
    return answer(connection, code == 0 ? 200 : 503, "text/plain", code == 0 ? "all" : "alone");
}

/* Waits until the client has closed its side, at most 10 s. */
static enum MHD_Result slow(struct MHD_Connection *connection)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct pollfd pollfd = {.fd = fd, .events = POLLRDHUP};
    poll(&pollfd, 1, 10000);
    return answer(connection, 200, "text/plain", "late");
}

static ssize_t stop_after_ten(void *context, uint64_t position, char *buffer, size_t size)
{
    (void)context;
    if (position >= 10)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memset(buffer, 'x', size < 10 ? size : 10);
    return size < 10 ? (ssize_t)size : 10;
}

static enum MHD_Result cut(struct MHD_Connection *connection)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(100, 10, stop_after_ten, NULL, NULL);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

/* The stream in small pieces, so that events are torn; afterwards the end, or silence. */
struct stream {
    const char *text;
    int fd;
    bool endless;
};

static ssize_t stream_piece(void *context, uint64_t position, char *buffer, size_t size)
{
    const struct stream *stream = context;
    size_t left = strlen(stream->text + position);
    if (left == 0 && stream->endless) {
        struct pollfd pollfd = {.fd = stream->fd, .events = POLLRDHUP};
        poll(&pollfd, 1, 10000);
    }
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t piece = left < 7 ? left : 7;
    if (piece > size)
        piece = size;
    memcpy(buffer, stream->text + position, piece);
    return (ssize_t)piece;
}

static enum MHD_Result events(struct MHD_Connection *connection, bool endless)
{
    struct stream *stream = wg_calloc(1, sizeof *stream);
    stream->endless = endless;
    stream->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    stream->text = endless ? "event: connected\ndata: here\n\n"
                           : "event: connected\ndata: Stream connected\n\n"
                             ": a comment\n\n"
                             "data: plain\nid: 7\n\n"
                             "event: lines\r\ndata: one\r\ndata:two\r\ndata: \r\nunknown: x\r\n\r\n"
                             "event: unfinished\ndata: never seen\n";
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64, stream_piece, stream, free);
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result set_cookie(struct MHD_Connection *connection)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Set-Cookie", "sid=abc123; Path=/");
    enum MHD_Result result = MHD_queue_response(connection, 204, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result route(struct stub *stub, struct MHD_Connection *connection,
                             const char *method, const char *url, const struct call *call)
{
    long status;
    if (strcmp(stub->mode, "broken") == 0)
        return answer(connection, 503, "text/plain", "broken");
    if (strcmp(url, "/health") == 0)
        return answer_json(connection, 200, json_pack("{s:s}", "status", "ok"));
    if (strcmp(url, "/echo") == 0)
        return echo(connection, method, url, call);
    if (wg_str_starts(url, "/status/") && wg_str_to_long(url + 8, 200, 599, &status) == 0) {
        char *detail = wg_format("status %ld", status);
        json_t *json = json_pack("{s:s}", "detail", detail);
        free(detail);
        return answer_json(connection, (unsigned)status, json);
    }
    if (wg_str_starts(url, "/fail/"))
        return answer(connection, 500, "text/plain; charset=utf-8", url + 6);
    if (strcmp(url, "/invalid") == 0)
        return answer_json(connection, 422,
                           json_pack("{s:[{s:s, s:[s,s]}, {s:s, s:[s,i]}]}", "detail", "type",
                                     "missing", "loc", "body", "username", "type", "string_type",
                                     "loc", "body", 3));
    if (strcmp(url, "/types") == 0)
        return answer_json(connection, 200,
                           json_pack("{s:s, s:i, s:f, s:b, s:n, s:[i,i,i], s:{s:{s:s}}}", "text",
                                     "hello", "int", 42, "real", 2.5, "yes", 1, "null", "list", 1,
                                     2, 3, "deep", "a.b", "c", "found"));
    if (strcmp(url, "/cookie") == 0)
        return set_cookie(connection);
    if (strcmp(url, "/slow") == 0)
        return slow(connection);
    if (strcmp(url, "/gather") == 0)
        return gather(stub, connection);
    if (strcmp(url, "/cut") == 0)
        return cut(connection);
    if (strcmp(url, "/events") == 0)
        return events(connection, false);
    if (strcmp(url, "/endless") == 0)
        return events(connection, true);
    return answer_json(connection, 404, json_pack("{s:s}", "detail", "Not Found"));
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **request)
{
    (void)version;
    struct call *call = *request;
    if (!call) {
        call = wg_calloc(1, sizeof *call);
        wg_buf_init(&call->body, 1 << 20);
        *request = call;
        return MHD_YES;
    }
    if (*size > 0) {
        wg_buf_append(&call->body, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    return route(context, connection, method, url, call);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct call *call = *request;
    if (!call)
        return;
    wg_buf_finish(&call->body);
    free(call);
}

/* Waits for a signal that is blocked in all threads; all other blocked ones stay pending. */
static void wait_for(int signal_number)
{
    int number;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigwait(&set, &number);
}

static int serve(struct stub *stub, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL,
                         NULL, on_request, stub, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "cannot listen on port %d: %s\n", port, strerror(errno));
        return 1;
    }
    wait_for(strcmp(stub->mode, "stubborn") == 0 ? SIGUSR2 : SIGTERM);
    return 0; /* without MHD_stop_daemon, which waits for open streams */
}

int main(int argc, char **argv)
{
    long port = 0;
    struct stub stub = {.mode = "serve",
                        .gather_lock = PTHREAD_MUTEX_INITIALIZER,
                        .gather_changed = PTHREAD_COND_INITIALIZER};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            wg_str_to_long(argv[i + 1], 1, 65535, &port);
        else if (strcmp(argv[i], "--mode") == 0)
            stub.mode = argv[i + 1];
        else if (strcmp(argv[i], "--echo") == 0)
            printf("%s\n", argv[i + 1]);
    }
    /* Before any thread is made, so that it holds for all. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    if (strcmp(stub.mode, "die") == 0) {
        fprintf(stderr, "first line\nfatal: no such table: users\n");
        return 3;
    }
    if (strcmp(stub.mode, "silent") == 0) {
        wait_for(SIGTERM);
        return 0;
    }
    return serve(&stub, (int)port);
}
