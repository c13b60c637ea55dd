/* SPDX-License-Identifier: MIT */
/*
 * load.c - requests per second and latency of a running server under 1, 8 and 32 clients.
 *
 *     bench-load NAME URL USER PASSWORD_HASH FILE,FILE…
 *
 * Three operations, each a phase of its own: log in (inserts a row), ask for the session (reads a
 * row), take the lock on a file that the client's session has already (replaces a row; the first
 * client takes the first FILE, and so on). A client is a thread with one
 * connection, which sends its next request as soon as it has the answer. Prints a Markdown row per
 * operation and number of clients; exits with 1 if an answer was not 200.
 *
 * Locking: threads share nothing but what is written before they start.
 */
#include "harness/base/clock.h"
#include "harness/base/str.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHASE_MS    2000
#define CLIENTS_MAX 32
#define SAMPLES_MAX 400000
#define ANSWER_MAX  4096

enum operation { LOGIN, STATUS, LOCK };

static const struct {
    enum operation operation;
    const char *name;
} operations[] = {{LOGIN, "log in"}, {STATUS, "read the session"}, {LOCK, "take a lock"}};

struct client {
    const char *url, *login_body;
    char *lock_body;
    CURL *curl;
    struct curl_slist *headers;
    char answer[ANSWER_MAX];
    size_t answer_size;
    enum operation operation;
    struct wg_deadline end;
    double *samples; /* ms */
    size_t count, failures;
};

static size_t take_answer(char *bytes, size_t one, size_t size, void *context)
{
    struct client *client = context;
    size_t room = sizeof client->answer - 1 - client->answer_size;
    size_t taken = size < room ? size : room;
    (void)one;
    memcpy(client->answer + client->answer_size, bytes, taken);
    client->answer_size += taken;
    client->answer[client->answer_size] = '\0';
    return size;
}

/* Sends one request; true when it was answered 200. `body` NULL: GET. */
static bool send_request(struct client *client, const char *path, const char *body)
{
    long status = 0;
    char *url = wg_format("%s%s", client->url, path);
    client->answer_size = 0;
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    if (body)
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    else
        curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    if (curl_easy_perform(client->curl) == CURLE_OK)
        curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    free(url);
    return status == 200;
}

static bool perform(struct client *client, enum operation operation)
{
    switch (operation) {
    case LOGIN: return send_request(client, "/api/v1/auth/login", client->login_body);
    case STATUS: return send_request(client, "/api/v1/auth/status", NULL);
    case LOCK: return send_request(client, "/api/v1/files/acquire_lock", client->lock_body);
    }
    return false;
}

/* Logs in and keeps the session for the requests to come. */
static bool open_client(struct client *client, const char *url, const char *login_body,
                        const char *files, int number)
{
    client->url = url;
    client->login_body = login_body;
    for (; number > 0 && strchr(files, ',') != NULL; number--)
        files = strchr(files, ',') + 1;
    client->lock_body = wg_format("{\"file_id\":\"%.*s\"}", (int)strcspn(files, ","), files);
    client->samples = wg_calloc(SAMPLES_MAX, sizeof *client->samples);
    client->curl = curl_easy_init();
    client->headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    if (!perform(client, LOGIN))
        return false;
    json_t *answer = json_loads(client->answer, 0, NULL);
    const char *session = json_string_value(json_object_get(answer, "sessionId"));
    char *header = wg_format("X-Session-Id: %s", session ? session : "");
    client->headers = curl_slist_append(client->headers, header);
    json_decref(answer);
    free(header);
    return session != NULL;
}

static void close_client(struct client *client)
{
    curl_slist_free_all(client->headers);
    curl_easy_cleanup(client->curl);
    free(client->lock_body);
    free(client->samples);
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    client->count = client->failures = 0;
    while (!wg_deadline_passed(client->end) && client->count < SAMPLES_MAX) {
        int64_t began = wg_clock_now_ns();
        client->failures += !perform(client, client->operation);
        client->samples[client->count++] = (double)(wg_clock_now_ns() - began) / 1e6;
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* One phase; the number of answers that were not 200. */
static size_t measure(const char *name, struct client *clients, int count, size_t row)
{
    pthread_t threads[CLIENTS_MAX];
    size_t total = 0, failures = 0, at = 0;
    struct wg_deadline end = wg_deadline_in_ms(PHASE_MS);
    for (int i = 0; i < count; i++) {
        clients[i].operation = operations[row].operation;
        clients[i].end = end;
        if (pthread_create(&threads[i], NULL, run_client, &clients[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        total += clients[i].count;
        failures += clients[i].failures;
    }
    double *all = wg_calloc(total + 1, sizeof *all);
    for (int i = 0; i < count; i++) {
        memcpy(all + at, clients[i].samples, clients[i].count * sizeof *all);
        at += clients[i].count;
    }
    qsort(all, total, sizeof *all, by_size);
    printf("| %s | %s | %d | %.0f | %.2f | %.2f |\n", operations[row].name, name, count,
           (double)total * 1000 / PHASE_MS, all[total / 2], all[total * 99 / 100]);
    fflush(stdout);
    free(all);
    return failures;
}

int main(int argc, char **argv)
{
    static const int clients_at_once[] = {1, 8, 32};
    struct client *clients = wg_calloc(CLIENTS_MAX, sizeof *clients);
    size_t failures = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: bench-load NAME URL USER PASSWORD_HASH FILE,FILE…\n");
        return 2;
    }
    char *login = wg_format("{\"username\":\"%s\",\"passwd_hash\":\"%s\"}", argv[3], argv[4]);
    curl_global_init(CURL_GLOBAL_ALL);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (!open_client(&clients[i], argv[2], login, argv[5], i)) {
            fprintf(stderr, "bench-load: %s does not let %s log in: %s\n", argv[2], argv[3],
                    clients[i].answer);
            return 3;
        }
    }
    for (size_t row = 0; row < sizeof operations / sizeof operations[0]; row++)
        for (size_t i = 0; i < sizeof clients_at_once / sizeof clients_at_once[0]; i++)
            failures += measure(argv[1], clients, clients_at_once[i], row);
    for (int i = 0; i < CLIENTS_MAX; i++)
        close_client(&clients[i]);
    curl_global_cleanup();
    free(clients);
    free(login);
    if (failures > 0)
        fprintf(stderr, "bench-load: %zu answers were not 200\n", failures);
    return failures > 0 ? 1 : 0;
}
