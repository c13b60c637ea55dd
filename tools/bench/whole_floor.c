/* SPDX-License-Identifier: MIT */
/*
 * whole_floor.c - the requests of the sixty tests and nothing else: what the server itself needs.
 *
 *     bench-whole-floor URL PROCESSES
 *
 * As many processes send the requests of their share of the tests one after another, each with a
 * new connection per test, as tests have. Exit code 1 when an answer is not 200.
 */
#include "harness/base/str.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TESTS 60
#define LOGIN                                                                                      \
    "{\"username\":\"reviewer\",\"passwd_hash\":"                                                  \
    "\"2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3\"}"

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

static int one_test(const char *base)
{
    int rc = -1;
    struct answer answer;
    char header[128];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (curl && request(curl, base, "/api/v1/auth/login", LOGIN, headers, &answer) == 0) {
        const char *id = strstr(answer.text, "\"sessionId\":");
        id = id ? strchr(id + strlen("\"sessionId\":"), '"') : NULL;
        if (id) {
            snprintf(header, sizeof header, "X-Session-Id: %.*s", (int)strcspn(id + 1, "\""),
                     id + 1);
            headers = curl_slist_append(headers, header);
            rc = request(curl, base, "/api/v1/auth/status", NULL, headers, &answer) == 0 &&
                         request(curl, base, "/api/v1/files/list", NULL, headers, &answer) == 0
                     ? 0
                     : -1;
        }
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return rc;
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
        if (fork() != 0)
            continue;
        for (long test = p; test < TESTS; test += processes)
            if (one_test(argv[1]) != 0)
                _exit(1);
        _exit(0);
    }
    while (wait(&status) > 0)
        bad += status != 0;
    return bad > 0;
}
