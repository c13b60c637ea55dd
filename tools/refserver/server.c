/* SPDX-License-Identifier: MIT */
#include "tools/refserver/server.h"

#include "tools/refserver/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct wg_server {
    struct wg_app *app;
    struct MHD_Daemon *daemon;
    pthread_t *workers;
    int worker_count;
    pthread_mutex_t mutex;
    pthread_cond_t work;  /* the queue is not empty, or stopping */
    pthread_cond_t quiet; /* nothing in flight */
    struct wg_req *first;
    struct wg_req *last;
    struct wg_req *hung; /* requests that --break hang never answers */
    size_t in_flight;
    bool stopping;
};

int wg_server_bind(const char *host, int port, int *ret_fd, int *ret_port, struct wg_fail *fail)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char service[16];
    int rc = -1, fd = -1, one = 1;
    snprintf(service, sizeof service, "%d", port);
    int found = getaddrinfo(host, service, &hints, &list);
    if (found != 0) {
        wg_fail_set(fail, 0, "cannot resolve %s: %s", host, gai_strerror(found));
        goto out;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        wg_fail_set(fail, 0, "cannot bind %s:%d: %s", host, port, strerror(errno));
        goto out;
    }
    struct sockaddr_in bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0) {
        wg_fail_set(fail, 0, "cannot read the bound port: %s", strerror(errno));
        goto out;
    }
    *ret_port = ntohs(bound.sin_port);
    *ret_fd = fd;
    fd = -1;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    if (list != NULL)
        freeaddrinfo(list);
    return rc;
}

static void *work(void *argument)
{
    struct wg_server *server = argument;
    pthread_mutex_lock(&server->mutex);
    for (;;) {
        while (server->first == NULL && !server->stopping)
            pthread_cond_wait(&server->work, &server->mutex);
        struct wg_req *req = server->first;
        if (req == NULL)
            break;
        server->first = req->next;
        if (server->first == NULL)
            server->last = NULL;
        pthread_mutex_unlock(&server->mutex);
        wg_route_dispatch(req);
        pthread_mutex_lock(&server->mutex);
        req->state = WG_REQ_ANSWERED;
        if (req->reply.hang) {
            req->next = server->hung;
            server->hung = req;
            if (--server->in_flight == 0)
                pthread_cond_signal(&server->quiet);
        } else {
            MHD_resume_connection(req->connection);
        }
    }
    pthread_mutex_unlock(&server->mutex);
    return NULL;
}

/* False once the server stops: libmicrohttpd must not be stopped with a suspended connection. */
static bool enqueue(struct wg_server *server, struct wg_req *req)
{
    pthread_mutex_lock(&server->mutex);
    bool stopping = server->stopping;
    if (!stopping) {
        req->state = WG_REQ_QUEUED;
        req->next = NULL;
        if (server->last != NULL)
            server->last->next = req;
        else
            server->first = req;
        server->last = req;
        server->in_flight++;
        MHD_suspend_connection(req->connection);
        pthread_cond_signal(&server->work);
    }
    pthread_mutex_unlock(&server->mutex);
    return !stopping;
}

static enum MHD_Result send_reply(struct wg_server *server, struct wg_req *req)
{
    struct wg_reply *reply = &req->reply;
    struct MHD_Response *response;
    if (reply->hang)
        return MHD_NO;
    if (reply->stream != NULL) {
        struct wg_stream *stream = reply->stream;
        reply->stream = NULL;
        return wg_stream_start(stream, req->connection);
    }
    if (reply->fd >= 0) {
        response =
            MHD_create_response_from_fd_at_offset64(reply->fd_size, reply->fd, reply->fd_offset);
        if (response != NULL)
            reply->fd = -1;
    } else {
        response = MHD_create_response_from_buffer(reply->body.len, reply->body.data,
                                                   MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            reply->body = (struct wg_buf){0};
    }
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    pthread_mutex_lock(&server->mutex);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->mutex);
    if (stopping)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(req->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **context)
{
    struct wg_server *server = argument;
    struct wg_req *req = *context;
    (void)version;
    if (req == NULL) {
        *context = wg_req_new(server->app, connection, method, path);
        return MHD_YES;
    }
    pthread_mutex_lock(&server->mutex);
    enum wg_req_state state = req->state;
    pthread_mutex_unlock(&server->mutex);
    switch (state) {
    case WG_REQ_READING:
        if (*size > 0) {
            wg_buf_add(&req->body, data, *size);
            *size = 0;
        } else if (!enqueue(server, req)) {
            wg_reply_detail(req, 503, "Server is stopping");
            return send_reply(server, req);
        }
        return MHD_YES;
    case WG_REQ_QUEUED: return MHD_YES;
    case WG_REQ_ANSWERED: return send_reply(server, req);
    }
    return MHD_NO;
}

static void on_completed(void *argument, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct wg_server *server = argument;
    struct wg_req *req = *context;
    (void)connection;
    (void)why;
    if (req == NULL)
        return;
    *context = NULL;
    pthread_mutex_lock(&server->mutex);
    if (req->state == WG_REQ_ANSWERED && !req->reply.hang && --server->in_flight == 0)
        pthread_cond_signal(&server->quiet);
    pthread_mutex_unlock(&server->mutex);
    wg_req_free(req);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *argument, const char *format,
                                                         va_list list)
{
    struct wg_server *server = argument;
    char text[300];
    vsnprintf(text, sizeof text, format, list);
    text[strcspn(text, "\n")] = '\0';
    wg_log_message(&server->app->log, "info", "http: %s", text);
}

static void start_workers(struct wg_server *server)
{
    server->worker_count = server->app->options.threads;
    server->workers = wg_mem_alloc((size_t)server->worker_count * sizeof *server->workers);
    for (int i = 0; i < server->worker_count; i++)
        if (pthread_create(&server->workers[i], NULL, work, server) != 0)
            abort();
}

struct wg_server *wg_server_start(struct wg_app *app, int fd, struct wg_fail *fail)
{
    struct wg_server *server = wg_mem_alloc(sizeof *server);
    pthread_condattr_t attributes;
    server->app = app;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->work, &attributes);
    pthread_cond_init(&server->quiet, &attributes);
    pthread_condattr_destroy(&attributes);
    start_workers(server);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_ERROR_LOG | MHD_USE_ITC,
        0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)WG_NETWORK_THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)WG_CONNECTIONS_MAX, MHD_OPTION_END);
    if (server->daemon == NULL) {
        wg_fail_set(fail, 0, "cannot start the HTTP daemon");
        wg_server_stop(server);
        return NULL;
    }
    return server;
}

/* Waits until nothing is in flight; resumes what never would be. */
static void drain(struct wg_server *server)
{
    int64_t end = wg_clock_ms() + WG_DRAIN_MS;
    struct timespec until = {.tv_sec = end / 1000, .tv_nsec = (end % 1000) * 1000000};
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    pthread_cond_broadcast(&server->work);
    for (struct wg_req *req = server->hung; req != NULL; req = req->next)
        MHD_resume_connection(req->connection);
    while (server->in_flight > 0)
        if (pthread_cond_timedwait(&server->quiet, &server->mutex, &until) == ETIMEDOUT)
            break;
    size_t left = server->in_flight;
    pthread_mutex_unlock(&server->mutex);
    if (left > 0)
        wg_log_message(&server->app->log, "warn", "%zu requests still in flight", left);
}

void wg_server_stop(struct wg_server *server)
{
    MHD_socket listener = MHD_INVALID_SOCKET;
    if (server->daemon != NULL)
        listener = MHD_quiesce_daemon(server->daemon);
    /* Whoever connects from now on is refused at once instead of waiting in the backlog. */
    if (listener != MHD_INVALID_SOCKET)
        shutdown(listener, SHUT_RDWR);
    wg_hub_close(&server->app->hub);
    drain(server);
    for (int i = 0; i < server->worker_count; i++)
        pthread_join(server->workers[i], NULL);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    pthread_cond_destroy(&server->work);
    pthread_cond_destroy(&server->quiet);
    pthread_mutex_destroy(&server->mutex);
    free(server->workers);
    free(server);
}
