/* SPDX-License-Identifier: MIT */
/*
 * whole_floor.c - the requests of the sixty tests and nothing else: what the server itself needs.
 *
 *     bench-whole-floor URL PROCESSES
 *
 * As many processes send the requests of their share of the tests one after another, each with a
 * new connection per test, as tests have. Exit code 1 when an answer is not 200.
 */
#include "harness/base/clock.h"
#include "harness/base/str.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TESTS 60
#define LOGIN                                                                                      \
    "{\"username\":\"reviewer\",\"passwd_hash\":"                                                  \
    "\"2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3\"}"
#define TEI                                                                                        \
    "<TEI xmlns=\\\"http://www.tei-c.org/ns/1.0\\\"><teiHeader/>"                                  \
    "<text><body><p>%s</p></body></text></TEI>"

struct answer {
    char text[4096];
    size_t size;
};

static size_t take(char *bytes, size_t one, size_t size, void *context)
{
    struct answer *answer = context;
    size_t room = sizeof answer->text - 1 - answer->size, taken = size < room ? size : room;
    (void)one;
    memcpy(answer->text + answer->size, bytes, taken);
    answer->size += taken;
    answer->text[answer->size] = '\0';
    return size;
}

static int request(CURL *curl, const char *base, const char *path, const char *body,
                   struct curl_slist *headers, struct answer *answer)
{
    char url[512];
    long status = 0;
    snprintf(url, sizeof url, "%s%s", base, path);
    answer->size = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(curl) != CURLE_OK)
        return -1;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 ? 0 : -1;
}

/* The text of a member of an answer, cut to the room. False when there is none. */
static bool member(const struct answer *answer, const char *quoted_name, char *out, size_t size)
{
    const char *text = strstr(answer->text, quoted_name);
    text = text ? strchr(text + strlen(quoted_name), '"') : NULL;
    if (text)
        snprintf(out, size, "%.*s", (int)strcspn(text + 1, "\""), text + 1);
    return text != NULL;
}

static int edit_a_document(CURL *curl, const char *base, struct curl_slist *headers,
                           const char *name)
{
    struct answer answer;
    char body[512], id[64], path[128];
    snprintf(body, sizeof body, "{\"file_id\":\"%s\",\"xml_string\":\"" TEI "\"}", name, name);
    if (request(curl, base, "/api/v1/files/save", body, headers, &answer) != 0 ||
        !member(&answer, "\"file_id\":", id, sizeof id))
        return -1;
    snprintf(path, sizeof path, "/api/v1/files/%s", id);
    if (request(curl, base, path, NULL, headers, &answer) != 0)
        return -1;
    snprintf(body, sizeof body, "{\"file_id\":\"%s\"}", id);
    if (request(curl, base, "/api/v1/files/release_lock", body, headers, &answer) != 0)
        return -1;
    snprintf(body, sizeof body, "{\"files\":[\"%s\"]}", id);
    return request(curl, base, "/api/v1/files/delete", body, headers, &answer);
}

static int one_test(const char *base, const char *name)
{
    int rc = -1;
    struct answer answer;
    char session[64], header[128];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (curl && request(curl, base, "/api/v1/auth/login", LOGIN, headers, &answer) == 0 &&
        member(&answer, "\"sessionId\":", session, sizeof session)) {
        snprintf(header, sizeof header, "X-Session-Id: %s", session);
        headers = curl_slist_append(headers, header);
        rc = edit_a_document(curl, base, headers, name);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return rc;
}

static void send_share(const char *base, long first, long step)
{
    char name[64];
    for (long test = first; test < TESTS; test += step) {
        snprintf(name, sizeof name, "doc%lldx%ld", (long long)wg_clock_now_ns(), test);
        if (one_test(base, name) != 0)
            _exit(1);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    int status, bad = 0;
    long processes;
    if (argc != 3 || wg_str_to_long(argv[2], 1, TESTS, &processes) != 0) {
        fprintf(stderr, "usage: bench-whole-floor URL PROCESSES\n");
        return 2;
    }
    for (long p = 0; p < processes; p++) {
        if (fork() == 0)
            send_share(argv[1], p, processes);
    }
    while (wait(&status) > 0)
        bad += status != 0;
    return bad > 0;
}
