/* SPDX-License-Identifier: MIT */
/*
 * resources.c - skips the tests of resources that the server does not have.
 *
 * Only when the server is somebody else's (WALGRIND_PROBE is set): an application may serve a part
 * of the API. Before each test one request asks for the resource of its suite, with a method and a
 * path whose normal answer is neither 404 nor 405 nor 501; those three mean that it is not there.
 * The probe is no request of the test: it is sent past the client of fixtures/http, and so leaves
 * no trace in the record but the reason of the skip.
 *
 * To add a resource: a row. The first row whose pattern fits the suite's name counts.
 */
#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fnmatch.h>
#include <stdlib.h>

#define PROBE_MS 10000L

static const struct {
    const char *suites; /* pattern of names */
    const char *resource;
    const char *method;
    const char *path;
} resources[] = {
    {"health", "health", "GET", "/health"},
    {"auth", "authentication", "POST", "/api/v1/auth/login"},
    {"config_instructions", "instructions", "GET", "/api/v1/config/instructions"},
    {"config", "configuration", "GET", "/api/v1/config/list"},
    {"collections", "collections", "GET", "/api/v1/collections"},
    {"users", "users", "GET", "/api/v1/users"},
    {"rbac", "users", "GET", "/api/v1/users"},
    {"groups", "groups", "GET", "/api/v1/groups"},
    {"roles", "roles", "GET", "/api/v1/roles"},
    {"files_list*", "list of files", "GET", "/api/v1/files/list"},
    {"files_upload", "upload", "POST", "/api/v1/files/upload"},
    {"batch_upload", "upload", "POST", "/api/v1/files/upload"},
    {"files_delete", "deletion", "POST", "/api/v1/files/delete"},
    {"files_copy", "copies", "POST", "/api/v1/files/copy"},
    {"files_place", "copies", "POST", "/api/v1/files/copy"},
    {"files_move", "moves", "POST", "/api/v1/files/move"},
    {"files_garbage_collect", "garbage collection", "POST", "/api/v1/files/garbage_collect"},
    {"files_locks", "locks", "POST", "/api/v1/files/acquire_lock"},
    {"files_heartbeat", "heartbeat", "POST", "/api/v1/files/heartbeat"},
    {"files_metadata", "metadata", "GET", "/api/v1/files/probe/metadata"},
    {"files_*", "saving", "POST", "/api/v1/files/save"},
    {"concurrent", "saving", "POST", "/api/v1/files/save"},
    {"storage*", "saving", "POST", "/api/v1/files/save"},
    {"export", "export", "GET", "/api/v1/export"},
    {"import", "import", "POST", "/api/v1/import"},
    {"validation", "validation", "POST", "/api/v1/validate"},
    {"autocomplete", "completion data", "POST", "/api/v1/validate/autocomplete-data"},
    {"extraction", "extraction", "GET", "/api/v1/extract/list"},
    {"sse*", "event stream", "GET", "/api/v1/sse/subscribe"},
    {"plugins*", "plugins", "GET", "/api/v1/plugins"},
    {"sync", "synchronisation", "GET", "/api/v1/sync/status"},
};
#define RESOURCES (sizeof resources / sizeof resources[0])

static size_t drop_answer(char *bytes, size_t one, size_t size, void *context)
{
    (void)bytes, (void)one, (void)context;
    return size;
}

/* Status of the probe, 0 when there was no answer. */
static long probe(const char *base_url, const char *method, const char *path)
{
    long status = 0;
    char url[2048];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(url, sizeof url, "%s%s", base_url, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, PROBE_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (method[0] == 'P') {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{}");
    }
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}

static void skip_if_missing(const char *suite)
{
    const char *base_url = getenv("WALGRIND_URL");
    if (getenv("WALGRIND_PROBE") == NULL || base_url == NULL)
        return;
    for (size_t i = 0; i < RESOURCES; i++) {
        if (fnmatch(resources[i].suites, suite, 0) != 0)
            continue;
        long status = probe(base_url, resources[i].method, resources[i].path);
        if (status == 404 || status == 405 || status == 501)
            cr_skip_test("the server has no %s: %s %s answers %ld", resources[i].resource,
                         resources[i].method, resources[i].path, status);
        return;
    }
}

__attribute__((constructor)) static void register_probe(void)
{
    wg_suite_before_each(skip_if_missing);
}
